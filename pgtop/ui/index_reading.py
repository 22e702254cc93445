"""What the Indexes tab reads bit by bit: names of visible rows, statistics, sequences."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import cast

from textual import work
from textual.worker import WorkerState

from pgtop.advice.index_facts import IndexFacts, optional
from pgtop.analysis.bloat import LEAST_PAGES
from pgtop.model.index import ColumnStatistics, Sequence, SequenceValue
from pgtop.model.index_request import KeysOf, SizesOf, StatisticsOf, ValuesOf
from pgtop.model.sample import SourceError
from pgtop.model.vacuum import VacuumBlock
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
        self._locks: dict[int, VacuumBlock] = {}
        self._sizes: dict[int, tuple[int, int]] = {}
        """Oid -> its bytes on disk, and the pages that the catalogue knew of then."""

        self._sized: set[int] = set()
        """Those that were asked for since the catalogue came."""

        self._sized_of: object = None
        self._sequences_at = -1e9

    def _read_more(self) -> None:
        """Names of visible rows, statistics, sequences: unless that is under way."""
        for worker in self.workers:
            if worker.group == "more" and worker.state in (
                WorkerState.PENDING, WorkerState.RUNNING,
            ):  # fmt: skip
                return
        if (
            self._visible_unnamed()
            or self._visible_unsized()
            or self._relations_waiting()[0]
            or self._sequences_due()
        ):
            self._more()

    def _visible(self) -> list[int]:
        table = self.table
        first = max(0, table.cursor_index - 60)
        return [int(cast(int, key)) for key in table.keys[first : first + 160]]

    def _visible_unnamed(self) -> list[int]:
        if self.mode in ("tables", "missing"):
            return []
        return [key for key in self._visible() if key not in self._names]

    def _visible_unsized(self) -> list[int]:
        found = self.found
        if self.mode == "missing" or found is None:
            return []
        if found.by_table is not self._sized_of:
            self._sized_of, self._sized = found.by_table, set()
        return [
            key for key in self._visible()
            if key not in self._sized and key not in self._locks
            and not ((index := found.estimates.index(key)) is not None and index.partitioned)
        ]  # fmt: skip

    def _size_of(self, relid: int, relpages: int) -> int | None:
        """Bytes on disk; None where they were not asked, or the catalogue knows newer ones."""
        size, pages = self._sizes.get(relid, (None, 0))
        return size if pages == relpages else None

    async def _ask_visible(self) -> bool:
        """Names and sizes of what is in view; whether there was something to ask."""
        unnamed, unsized = self._visible_unnamed(), self._visible_unsized()
        if unnamed:
            self._names.update(dict.fromkeys(unnamed, ""))
            self._names.update(await self.frame.ask(KeysOf(tuple(unnamed))))
        if unsized and self.found is not None:
            self._sized.update(unsized)
            estimates = self.found.estimates
            known = {key: estimates.index(key) or estimates.table(key) for key in unsized}
            with contextlib.suppress(SourceError):  # a lock: what the catalogue knows must do
                sizes = await self.frame.ask(SizesOf(tuple(unsized)))
                for relid, relation in known.items():
                    if relid in sizes and relation is not None:
                        self._sizes[relid] = (sizes[relid], relation.relpages)
        return bool(unnamed or unsized)

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
            if await self._ask_visible():
                self.refilter()
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
                for _ in self.found.estimates.working_out(came):
                    await self.frame.give_way()
                named = await self._ask_visible()
                now = time.monotonic()
                if named or now - shown_at > SHOWN_S or in_view.intersection(came):
                    shown_at = now
                    self.refilter()
                await asyncio.sleep(BREATH_S)
        except SourceError as error:
            self.frame.note(error.why, "warning")
        self.refilter()
