"""All the rules there are."""

from __future__ import annotations

from pgtop.advice import Rule
from pgtop.advice.statements import STATEMENT_RULES

RULES: tuple[Rule, ...] = (*STATEMENT_RULES,)
