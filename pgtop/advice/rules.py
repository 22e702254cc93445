"""All the rules there are."""

from __future__ import annotations

from pgtop.advice import Rule

RULES: tuple[Rule, ...] = ()
