"""What the Indexes tab reads bit by bit: names of visible rows, statistics, sequences."""

from __future__ import annotations

import asyncio
import time
from typing import cast

from textual import work
from textual.worker import WorkerState

from pgtop.advice.index_facts import IndexFacts, optional
from pgtop.analysis.bloat import LEAST_PAGES
from pgtop.model.index import ColumnStatistics, Sequence, SequenceValue
from pgtop.model.index_request import KeysOf, StatisticsOf, ValuesOf
from pgtop.model.sample import SourceError
from pgtop.ui.live_pane import LivePane

TABLES_AT_ONCE, COLUMNS_AT_ONCE = 60, 200
"""Tables whose statistics one question brings, and how many columns: some 10 ms of the server."""

BREATH_S = 0.2
"""Between two such questions."""

SHOWN_S = 1.0
"""Rows that are not in view are shown to be known this often."""

WIDE = 1 << 53
"""A sequence that ends beyond it does not run out in anybody's time."""


class IndexReading(LivePane):
    """The part of the tab that asks for what no lane brings."""

    def __init__(self) -> None:
        super().__init__()
        self.mode = "all"
        self.found: IndexFacts | None = None
        self._names: dict[int, str] = {}
        self._sequences_at = -1e9

    def _read_more(self) -> None:
        """Names of visible rows, statistics, sequences: unless that is under way."""
        for worker in self.workers:
            if worker.group == "more" and worker.state in (
                WorkerState.PENDING, WorkerState.RUNNING,
            ):  # fmt: skip
                return
        if self._visible_unnamed() or self._relations_waiting()[0] or self._sequences_due():
            self._more()

    def _visible(self) -> list[int]:
        table = self.table
        first = max(0, table.cursor_index - 60)
        return [int(cast(int, key)) for key in table.keys[first : first + 160]]

    def _visible_unnamed(self) -> list[int]:
        if self.mode in ("tables", "missing"):
            return []
        return [key for key in self._visible() if key not in self._names]

    def _relations_waiting(self) -> tuple[list[int], set[int]]:
        """Tables whose columns are not known: those in view first, then the biggest; and which
        of them are in view."""
        found = self.found
        if found is None:
            return [], set()
        estimates = found.estimates
        pending = estimates.pending
        waiting: dict[int, None] = {}
        for key in self._visible():
            index = estimates.index(key)
            relid = index.indrelid if index is not None else key
            table = found.usage.tables.get(relid)
            big = table is not None and table.relpages >= LEAST_PAGES
            new = not estimates.columns(relid) or estimates.is_old(relid)
            if relid in pending or (index is None and big and new):
                waiting[relid] = None
        in_view = set(waiting)
        waiting.update(dict.fromkeys(pending.first(TABLES_AT_ONCE)))
        return list(waiting)[:TABLES_AT_ONCE], in_view

    def _sequences_due(self) -> bool:
        now = self.frame.schedule.board.reading
        return now is not None and now.taken_at - self._sequences_at >= 300

    @work(group="more", exclusive=True)
    async def _more(self) -> None:
        board = self.frame.schedule.board
        try:
            unnamed = self._visible_unnamed()
            if unnamed:
                self._names.update(dict.fromkeys(unnamed, ""))
                self._names.update(await self.frame.ask(KeysOf(tuple(unnamed))))
            if self._sequences_due():
                self._sequences_at = board.reading.taken_at if board.reading else 0.0
                near = [s for s in optional(self.facts, Sequence) if abs(s.limit) < WIDE]
                asked = ValuesOf(tuple(s.seqrelid for s in near if not s.seqcycle))
                if asked.seqrelids:
                    board.add(SequenceValue, await self.frame.ask(asked))
            shown_at, gone = time.monotonic(), set[int]()
            for _ in range(500):
                every, in_view = self._relations_waiting()
                waiting = [relid for relid in every if relid not in gone]
                if not waiting or not self.display:
                    break
                rows = await self.frame.ask(StatisticsOf(tuple(waiting), COLUMNS_AT_ONCE))
                board.add(ColumnStatistics, rows)
                if self.found is None:
                    break
                came = {row.relid for row in rows}
                if waiting[0] not in came:  # the others may not have had their turn
                    gone.add(waiting[0])
                    came.add(waiting[0])
                self.found.estimates.pending.answered(came)
                await self.frame.give_way()
                self.found.estimates.work_out(came)
                now = time.monotonic()
                if now - shown_at > SHOWN_S or in_view.intersection(came):
                    shown_at = now
                    self.refilter()
                await asyncio.sleep(BREATH_S)
        except SourceError as error:
            self.frame.note(error.why, "warning")
        self.refilter()
