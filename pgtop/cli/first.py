"""What is read first, while the screen is still being imported: no more than its rows need."""

from __future__ import annotations

from typing import Any

from pgtop.model.io import IoTime
from pgtop.model.server import Database, DatabaseCounters, Link, Role, Server, Vitals
from pgtop.model.session import LockHolder, LockWait, Prepared, Session
from pgtop.model.statement import Running, Statement, StatementsInfo

ALWAYS: tuple[type[Any], ...] = (Server, Link, Vitals, DatabaseCounters)
"""The header's, with every reading."""

FIRST = (*ALWAYS, Session, LockWait, LockHolder, Prepared)
"""What the screen's first tab shows first: what happens now; the rest follows in the background."""

STEADY = (*FIRST, Statement, Running, Role, Database, StatementsInfo, IoTime)
"""What changes from second to second and is cheap: with every step of a report's window."""
