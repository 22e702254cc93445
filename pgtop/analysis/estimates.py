"""Bloat of every index and table that can be told, worked out when it is asked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from time import perf_counter
from typing import Any, ClassVar

from pgtop.analysis.bloat import LEAST_PAGES, Bloat, heap, unavailable, unseen
from pgtop.analysis.bloat_btree import btree, deduplicates, why_not_btree
from pgtop.analysis.pending import Pending
from pgtop.model.index import ColumnStatistics, CounterWindow, Index, OperatorClass
from pgtop.model.index_request import Measured
from pgtop.model.sample import Sample
from pgtop.model.table import BLOCK_BYTES, Table

SLICE_S = 0.004
"""So long a slice of estimating takes at most: the screen's loop allows a step 10 ms."""


class Estimates:
    """Indexes and statistics as they come in, and the bloat that follows from them.

    Nothing is computed until somebody asks; the answer is kept as long as size, rows and
    statistics are the same. Statistics of a table that was analyzed since are asked for again.
    """

    READS: ClassVar[tuple[type[Any], ...]] = (
        Index, Table, ColumnStatistics, OperatorClass, CounterWindow, Measured,
    )  # fmt: skip

    def __init__(self) -> None:
        self.by_table: dict[int, list[Index]] = {}
        """Indexes by their table."""

        self.pending = Pending()
        self._indexes: dict[int, Index] = {}
        self._tables: dict[int, Table] = {}
        self._columns: dict[int, dict[int, ColumnStatistics]] = {}
        self._analyzed: dict[int, float] = {}
        """The mark of its last ANALYZE that a table had when its statistics were read."""

        self._equal_image: dict[int, bool] = {}
        self._nondeterministic: frozenset[str] = frozenset()
        self._standby = False
        self._measured: dict[int, _Reading] = {}
        self._kept: dict[int, tuple[tuple[Any, ...], Bloat]] = {}

    def advanced(
        self, fresh: Mapping[type[Any], Sample[Any]], held: Mapping[type[Any], Sample[Any]]
    ) -> Estimates:
        """Take what came; the object stays the same, it is only a store."""
        if Table in fresh:
            self._tables = {row.relid: row for row in fresh[Table].rows}
        if Index in fresh:
            self._take_indexes(fresh[Index].rows)
        if Table in fresh or Index in fresh:
            self.pending.again(self._told_anew())
        before = self._equal_image, self._nondeterministic
        if OperatorClass in fresh:
            self._equal_image = {row.oid: row.equal_image for row in fresh[OperatorClass].rows}
        if CounterWindow in fresh and fresh[CounterWindow].rows:
            window = fresh[CounterWindow].rows[0]
            self._nondeterministic = frozenset(window.nondeterministic.split())
            self._standby = window.in_recovery
        if before != (self._equal_image, self._nondeterministic):
            self._kept.clear()
        if ColumnStatistics in fresh:
            self._take(fresh[ColumnStatistics].rows)
        if Measured in fresh:
            self._take_measured(fresh[Measured])
        return self

    def _take_measured(self, sample: Sample[Measured]) -> None:
        for row in sample.rows:
            index = self._indexes.get(row.relid)
            table = self._tables.get(index.indrelid if index else row.relid)
            relation = index or table
            self._measured[row.relid] = _Reading(
                row, sample.taken_at, relation.relpages if relation else 0, writes(table)
            )

    def _take_indexes(self, rows: Iterable[Index]) -> None:
        by_table: dict[int, list[Index]] = {}
        for row in rows:
            by_table.setdefault(row.indrelid, []).append(row)
        self._indexes = {row.indexrelid: row for row in rows}
        self.by_table = by_table
        self.pending = Pending(by_table, self._columns)

    def is_old(self, relid: int) -> bool:
        """Whether a table was analyzed since its statistics were read."""
        mark = self._mark(relid)
        return (
            relid in self._columns
            and mark is not None
            and self._analyzed.setdefault(relid, mark) != mark
        )

    def _told_anew(self) -> Iterator[int]:
        """Tables with newer statistics and a B-tree to tell of by them."""
        for relid in filter(self.is_old, self._columns):
            indexes = self.by_table.get(relid, ())
            if any(i.relpages >= LEAST_PAGES and why_not_btree(i) is None for i in indexes):
                yield relid

    def _mark(self, relid: int) -> float | None:
        """Changes with ANALYZE: its number, on a standby, which counts none, the rows it saw."""
        table = self._tables.get(relid)
        if table is None:
            return None
        return table.reltuples if self._standby else table.analyze_count + table.autoanalyze_count

    def _take(self, rows: Iterable[ColumnStatistics]) -> None:
        found: dict[int, dict[int, ColumnStatistics]] = {}
        for row in rows:
            found.setdefault(row.relid, {})[row.attnum] = row
        for relid, columns in found.items():
            self._columns[relid] = columns
            mark = self._mark(relid)
            if mark is not None:
                self._analyzed[relid] = mark
            for what in (relid, *(index.indexrelid for index in self.by_table.get(relid, ()))):
                self._kept.pop(what, None)
        self.pending.answered(found)

    # -- what is asked -------------------------------------------------------------------

    def indexes(self) -> Iterable[Index]:
        """All indexes."""
        return self._indexes.values()

    def tables(self) -> Iterable[Table]:
        """All tables."""
        return self._tables.values()

    def index(self, indexrelid: int) -> Index | None:
        """An index by its oid."""
        return self._indexes.get(indexrelid)

    def table(self, relid: int) -> Table | None:
        """A table by its oid."""
        return self._tables.get(relid)

    def columns(self, relid: int) -> Mapping[int, ColumnStatistics]:
        """What is known of a relation's columns, by attnum."""
        return self._columns.get(relid, {})

    def of_index(self, index: Index) -> Bloat:
        """Bloat of an index: measured where it was, else estimated."""
        table = self._tables.get(index.indrelid)
        measured = self._measured.get(index.indexrelid)
        if measured is not None and measured.holds(index.relpages, table):
            return measured.bloat
        rows = max(table.reltuples, 0.0) if table else index.reltuples
        state = (index.relpages, index.reltuples, rows)
        return self._remembered(index.indexrelid, state, lambda: self._btree(index, rows))

    def working_out(self, relids: Iterable[int]) -> Iterator[None]:
        """Ahead of who asks: the indexes of these tables, big enough ones; yields after each
        slice of work."""
        until = perf_counter() + SLICE_S
        for relid in relids:
            for index in self.by_table.get(relid, ()):
                if index.relpages >= LEAST_PAGES:
                    self.of_index(index)
                if perf_counter() >= until:
                    yield
                    until = perf_counter() + SLICE_S

    def of_table(self, table: Table) -> Bloat:
        """Bloat of a table's main fork."""
        measured = self._measured.get(table.relid)
        if measured is not None and measured.holds(table.relpages, table):
            return measured.bloat
        columns = self._columns.get(table.relid, {})
        state = (table.relpages, table.reltuples)
        return self._remembered(
            table.relid, state, lambda: heap(table, [columns[n] for n in sorted(columns)])
        )

    def _remembered(self, relid: int, state: tuple[Any, ...], make: Any) -> Bloat:
        kept = self._kept.get(relid)
        if kept is not None and kept[0] == state:
            return kept[1]
        made: Bloat = make()
        self._kept[relid] = (state, made)
        return made

    def _btree(self, index: Index, table_rows: float) -> Bloat:
        why = why_not_btree(index)
        if why is not None:
            return unavailable(why)
        if not self._equal_image:
            return unavailable("operator classes were not read yet")
        columns = self._columns_of(index)
        if columns is None:
            return unavailable("statistics not read yet")
        classes = [self._equal_image.get(int(oid), False) for oid in index.indclass.split()]
        odd = not self._nondeterministic.isdisjoint(index.indcollation.split())
        if not all(column.known for column in columns):
            of_table = self._columns.get(index.indrelid, {}).values()
            return unavailable(unseen(self._tables.get(index.indrelid), of_table))
        return btree(index, table_rows, columns, deduplicates=deduplicates(index, classes, odd))

    def _columns_of(self, index: Index) -> list[ColumnStatistics] | None:
        """Its columns in its order; None where not all are known yet."""
        of_table = self._columns.get(index.indrelid)
        of_index = self._columns.get(index.indexrelid, {})
        if of_table is None:
            return None
        found = []
        for place, attnum in enumerate(map(int, index.indkey.split()), start=1):
            column = of_table.get(attnum) if attnum else of_index.get(place)
            if column is None:
                return None
            found.append(column)
        return found


GROWN, WRITTEN = 0.05, 0.10
"""What a measurement may be off: pages beside those that it read, rows written since."""


@dataclass(frozen=True, slots=True)
class _Reading:
    """What `M` said, and what was known of the relation then."""

    measured: Measured
    taken_at: float
    relpages: int
    writes: int

    def holds(self, relpages: int, table: Table | None) -> bool:
        """Whether the relation still is about what was measured; the catalogue may come to know
        its size only afterwards."""
        size = self.measured.size_bytes
        if relpages != self.relpages and abs(relpages * BLOCK_BYTES - size) > GROWN * size:
            return False
        return abs(writes(table) - self.writes) <= WRITTEN * max(table.rows if table else 0.0, 1.0)

    @property
    def bloat(self) -> Bloat:
        """As measured."""
        measured = self.measured
        size = measured.size_bytes
        if measured.free_bytes is None:
            return unavailable(
                f"{measured.method} does not tell what a rebuild frees: {measured.detail}"
            )
        at = datetime.fromtimestamp(self.taken_at, timezone.utc)
        return Bloat(
            "measured",
            bytes=measured.free_bytes,
            fraction=measured.free_bytes / size if size else 0.0,
            why=f"{measured.method} at {at:%H:%M:%S} UTC: {measured.detail}",
        )


def writes(table: Table | None) -> int:
    """Rows written to a table since the counters began."""
    return table.n_tup_ins + table.n_tup_upd + table.n_tup_del if table else 0
