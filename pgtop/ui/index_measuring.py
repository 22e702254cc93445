"""`M` of the Indexes tab: an index or a table read whole, and what a rebuild would free."""

from __future__ import annotations

from typing import Any

from textual import work
from textual.worker import WorkerState

from pgtop.analysis import units
from pgtop.analysis.bloat import HASH_FILLFACTOR
from pgtop.analysis.bloat_btree import BTREE_FILLFACTOR
from pgtop.model.index import Index
from pgtop.model.index_request import Measure, Measured
from pgtop.model.sample import SourceError
from pgtop.ui.index_rows import IndexRow
from pgtop.ui.index_table_rows import TableRow
from pgtop.ui.live_pane import LivePane

BYTES_PER_S = 300e6
"""How fast a relation is read when it is measured: an SSD, cold."""

BUDGET_S = 60.0

FILLFACTOR = {"btree": BTREE_FILLFACTOR, "hash": HASH_FILLFACTOR}


class IndexMeasuring(LivePane):
    """The part of the tab that measures."""

    def action_measure(self) -> None:
        """Read the index or the table whole and say exactly."""
        row = self.table.cursor_row
        if isinstance(row, IndexRow):
            self._measure_index(row.index)
        elif isinstance(row, TableRow):
            fill = int(row.table.option("fillfactor") or 100)
            self._measure(Measure(row.table.relid, "heap", fill, BUDGET_S), row.table.size_bytes)
        else:
            self.frame.note("M measures an index or a table")

    def _measure_index(self, index: Index) -> None:
        if index.amname not in ("btree", "gin", "hash") or index.partitioned:
            what = "a partitioned index" if index.partitioned else index.amname
            self.frame.note(f"{what} cannot be measured: pgstattuple does not read it", "warning")
            return
        if not index.indisvalid:
            self.frame.note("an invalid index is not measured: it is rebuilt, or dropped")
            return
        fill = int(index.option("fillfactor") or FILLFACTOR.get(index.amname, 100))
        method: Any = index.amname
        self._measure(Measure(index.indexrelid, method, fill, BUDGET_S), index.size_bytes)

    @work(group="measure", exclusive=True)
    async def _measure(self, request: Measure, size: int) -> None:
        app = self.frame
        predicted = units.seconds(size / BYTES_PER_S)
        app.note(
            f"reads {units.size(size)} on a second connection, ≈ {predicted}, at most"
            f" {units.seconds(request.budget_s)}; Esc ends it"
        )
        try:
            measured: Measured = await app.ask(request)
        except SourceError as error:
            app.note(f"not measured: {error.why}" + (f" — {error.remedy}" if error.remedy else ""),
                     "warning")  # fmt: skip
            return
        app.schedule.board.add(Measured, (measured,))
        if measured.free_bytes is None:
            app.note(
                f"{measured.detail}; what a rebuild would free {measured.method} does not tell",
                "warning",
            )
        else:
            app.note(
                f"a rebuild frees {units.size(measured.free_bytes)} of"
                f" {units.size(measured.size_bytes)}; {measured.detail}"
            )
        self.refilter()

    def stop_measuring(self) -> bool:
        """End a measurement on the server; whether there was one."""
        measuring = [
            w for w in self.workers if w.group == "measure" and w.state == WorkerState.RUNNING
        ]
        for worker in measuring:
            worker.cancel()
        if measuring:
            self.frame.note("measuring ended")
        return bool(measuring)
