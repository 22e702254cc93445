"""What a server did not answer, and when it is worth asking again."""

from __future__ import annotations

import time
from collections.abc import Collection
from typing import Any

from pgtop.model.sample import SourceError

RETRY_REFUSED_S = 30.0
"""A query that timed out is left out for this long."""

RETRY_LOCKED_S = 2.0
"""Of those that met a lock one is tried so often, in turn, for its lock_timeout: a locked
catalogue costs twenty queries no more than one. Once one comes through, all are asked again."""

LOCK_NOT_AVAILABLE = "55P03"
MISSING = frozenset({"42883", "42P01", "42703", "3F000"})
"""Functions, relations, columns, schemas: what was learnt of the server is old."""


class Refusals:
    """Row type -> why it cannot be read now."""

    def __init__(self) -> None:
        self._refused: dict[type[Any], tuple[SourceError, float]] = {}
        """With the `time.monotonic()` from which it may be asked for again."""

        self._probe_at = 0.0
        self._fresh: list[type[Any]] = []

    def forget(self, only: Collection[str | None] | None = None) -> None:
        """Ask for everything again, or for what was refused with one of these SQLSTATEs."""
        for kind, (error, _) in list(self._refused.items()):
            if only is None or error.sqlstate in only:
                del self._refused[kind]

    def standing(self, types: Collection[type[Any]]) -> dict[type[Any], SourceError]:
        """Of `types` those that are not to be asked for now."""
        now = time.monotonic()
        probe = None
        if now >= self._probe_at:
            probe = next((kind for kind in self._locked() if kind in types), None)
        return {
            kind: error
            for kind, (error, until) in self._refused.items()
            if kind in types and kind is not probe and now < until
        }

    def add(self, row_type: type[Any], error: SourceError) -> None:
        """It was asked for, and this came of it."""
        now = time.monotonic()
        until = float("inf") if error.lasting else now + RETRY_REFUSED_S
        if error.locked:
            self._fresh.append(row_type)
            until, self._probe_at = float("inf"), now + RETRY_LOCKED_S
        self._refused.pop(row_type, None)  # the others' turn comes first
        self._refused[row_type] = (error, until)

    def fresh_locks(self) -> list[type[Any]]:
        """What met a lock since this was asked."""
        fresh, self._fresh = self._fresh, []
        return fresh

    def came_through(self, row_type: type[Any]) -> None:
        """It was read: what waited for a lock as it did need not wait longer."""
        locked = self._locked()
        if row_type in locked:
            for kind in locked:
                self._refused[kind] = (self._refused[kind][0], 0.0)
        self._refused.pop(row_type, None)

    def _locked(self) -> list[type[Any]]:
        """What met a lock, the one that was tried longest ago first."""
        return [k for k, (e, _) in self._refused.items() if e.locked]
