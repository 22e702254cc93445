"""The part of the app that has the busiest statements planned for indexes that they lack."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from textual.app import App

from pgtop.analysis.groups import Group
from pgtop.analysis.workload import Workload
from pgtop.model.advice import Advice, Advise
from pgtop.model.sample import Disconnected, SourceError
from pgtop.model.statement import StatementKey
from pgtop.ui.schedule import Schedule

WATCHED_S = 6.0
"""What is busy shows after as long."""

MOST = 8
"""Statements at once …"""

LEAST_SHARE = 0.05
"""… each at least this part of all execution time."""

AGAIN_S = 600.0
"""Between two searches over the same statements …"""

NEW_S = 60.0
"""… and where another statement has come to the top."""

SECONDS = 2.0
"""A search takes at most as long: in ten minutes 3 ms/s, on one connection more."""


class Advising(App[int]):
    """Asks by itself, and keeps the answer with what was read."""

    schedule: Schedule
    groups: Mapping[str, Group]
    _advised: frozenset[StatementKey] = frozenset()
    _advised_at: float | None = None

    def advise_when_due(self) -> None:
        """Begin a search where the busiest statements are others, or the last one is old."""
        workload: Workload | None = self.schedule.board.derived.get(Workload)
        if workload is None or workload.now is None or not self.groups:
            return
        busy = busiest(workload)
        now = time.monotonic()
        wait = NEW_S if busy - self._advised else AGAIN_S
        if not busy or (self._advised_at is not None and now - self._advised_at < wait):
            return
        self._advised, self._advised_at = busy, now
        self.run_worker(self._advise(busy), group="advise", exclusive=True, exit_on_error=False)

    async def _advise(self, busy: frozenset[StatementKey]) -> None:
        board = self.schedule.board
        try:
            found = await self.schedule.ask(Advise(keys=tuple(sorted(busy)), seconds=SECONDS))
            board.add(Advice, (found,))
        except Disconnected:
            self._advised_at = None
        except SourceError as error:
            board.samples[Advice] = error


def busiest(workload: Workload) -> frozenset[StatementKey]:
    """The statements that take most of the time since pgtop watches, those worth an index."""
    window = workload.window("mark")
    if window.seconds is None or window.seconds < WATCHED_S:
        return frozenset()
    deltas: Mapping[StatementKey, Any] = window.deltas()
    total = sum(d.exec_ms for d in deltas.values())
    ranked = sorted(deltas, key=lambda key: -deltas[key].exec_ms)[:MOST]
    return frozenset(k for k in ranked if total and deltas[k].exec_ms >= LEAST_SHARE * total)
