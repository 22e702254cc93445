"""The part of the app that has the busiest statements planned for indexes that they lack."""

from __future__ import annotations

import time
from collections.abc import Mapping

from textual.app import App

from pgtop.advice.missing import busiest
from pgtop.advice.questions import ask_advice
from pgtop.analysis.groups import Group
from pgtop.analysis.workload import Workload
from pgtop.model.sample import Disconnected
from pgtop.model.statement import StatementKey
from pgtop.ui.schedule import Schedule

AGAIN_S = 600.0
"""Between two searches over the same statements …"""

NEW_S = 300.0
"""… and where another statement has come to the top."""


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
        try:
            await ask_advice(self.schedule, self.schedule.board, busy)
        except Disconnected as error:
            if error.retry_in is not None:  # None: no second connection is to be had
                self._advised_at = None
