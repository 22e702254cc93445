"""What is read first, while the screen is still being imported: no more than its rows need."""

from __future__ import annotations

from typing import Any

from pgtop.model.server import Database, DatabaseCounters, Link, Role, Server, Vitals
from pgtop.model.statement import Running, Statement, StatementsInfo

ALWAYS: tuple[type[Any], ...] = (Server, Link, Vitals, DatabaseCounters)
"""The header's, with every reading."""

FIRST = (*ALWAYS, Statement, Running, Role, Database, StatementsInfo)
"""What the screen's first tab shows first; the texts, which cost more, follow."""
