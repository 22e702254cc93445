"""How often indexes and tables are used: two samples of each, compared when asked."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from typing import Any, ClassVar

from pgtop.model.index import IndexUse, SequenceValue
from pgtop.model.index_request import Definition
from pgtop.model.sample import Sample
from pgtop.model.table import Partition, Table, TableUse


class Usage:
    """Counters now and one sample before.

    A rate is None until two samples were read, or where a counter went back.
    """

    READS: ClassVar[tuple[type[Any], ...]] = (
        IndexUse, Table, TableUse, Partition, SequenceValue, Definition,
    )  # fmt: skip

    def __init__(self) -> None:
        self.indexes: Mapping[int, IndexUse] = {}
        self.tables: Mapping[int, Table] = {}
        self.table_uses: Mapping[int, TableUse] = {}
        self.leaves: Mapping[int, tuple[int, ...]] = {}
        """Partitioned table -> its partitions, one level down."""

        self.sequences: dict[int, SequenceValue] = {}
        self.appeared: Mapping[int, float] = {}
        """Index -> when it was first seen, of those that were not there at the first look."""

        self.unanalysed_since: dict[int, float] = {}
        """Table -> since when it was seen with rows and without any statistics."""

        self.definitions: dict[int, Definition] = {}
        self.memo: dict[str, tuple[tuple[Any, ...], Any]] = {}
        """What rules worked out of rows that have not changed since. With every definition that
        comes it stays: 22,000 findings would be worded anew for the row under the cursor."""

        self._before: dict[type[Any], Mapping[int, Any]] = {}
        self._at: dict[type[Any], float] = {}
        self._seconds: dict[type[Any], float] = {}

    def advanced(
        self, fresh: Mapping[type[Any], Sample[Any]], held: Mapping[type[Any], Sample[Any]]
    ) -> Usage:
        """The next value. This one stays as it is: somebody may be looking at it."""
        made = copy(self)
        made._before, made._at = dict(self._before), dict(self._at)
        made._seconds = dict(self._seconds)
        made._take(fresh)
        return made

    def _take(self, fresh: Mapping[type[Any], Sample[Any]]) -> None:
        for kind, name in ((IndexUse, "indexes"), (Table, "tables"), (TableUse, "table_uses")):
            sample = fresh.get(kind)
            if sample is not None:
                rows = {row[0]: row for row in sample.rows}
                if kind is IndexUse and kind in self._at:
                    fresh_ones = dict.fromkeys(rows.keys() - self.indexes.keys(), sample.taken_at)
                    self.appeared = {**self.appeared, **fresh_ones} if fresh_ones else self.appeared
                if kind in self._at:
                    self._before[kind] = getattr(self, name)
                    self._seconds[kind] = sample.taken_at - self._at[kind]
                self._at[kind] = sample.taken_at
                setattr(self, name, rows)
        if Table in fresh:
            self._watch_unanalysed(fresh[Table].taken_at)
        if Partition in fresh:
            leaves: dict[int, list[int]] = {}
            for link in fresh[Partition].rows:
                leaves.setdefault(link.parent, []).append(link.relid)
            self.leaves = {parent: tuple(found) for parent, found in leaves.items()}
        if SequenceValue in fresh:
            values = {row.seqrelid: row for row in fresh[SequenceValue].rows}
            self.sequences = {**self.sequences, **values}
        if Definition in fresh:
            texts = {row.relid: row for row in fresh[Definition].rows}
            self.definitions = {**self.definitions, **texts}

    def _watch_unanalysed(self, now: float) -> None:
        without = {
            relid
            for relid, table in self.tables.items()
            if table.reltuples < 0 and table.n_live_tup > 0
        }
        self.unanalysed_since = {relid: self.unanalysed_since.get(relid, now) for relid in without}

    def rate(self, kind: type[Any], key: int, field: str) -> float | None:
        """A counter's growth in a second."""
        seconds = self._seconds.get(kind, 0.0)
        now = {IndexUse: self.indexes, Table: self.tables, TableUse: self.table_uses}[kind].get(key)
        before = self._before.get(kind, {}).get(key)
        if now is None or before is None or seconds <= 0:
            return None
        grown = getattr(now, field) - getattr(before, field)
        return grown / seconds if grown >= 0 else None

    def scans_per_s(self, indexrelid: int) -> float | None:
        """Scans of an index."""
        return self.rate(IndexUse, indexrelid, "idx_scan")

    def entries_per_s(self, relid: int) -> float | None:
        """Entries that each index of a table takes: inserts, and updates that are not HOT."""
        inserted = self.rate(Table, relid, "n_tup_ins")
        updated = self.rate(Table, relid, "n_tup_upd")
        if inserted is None or updated is None:
            return None
        hot = self.rate(TableUse, relid, "n_tup_hot_upd") if updated else 0.0
        return None if hot is None else inserted + max(0.0, updated - hot)

    def hot_lost_per_s(self, relid: int) -> float | None:
        """Updates of a table that were not HOT although the new row had room on its page, so
        an index has a column that they changed; None before 16, which does not count the
        others (n_tup_newpage_upd)."""
        updated = self.rate(Table, relid, "n_tup_upd")
        use = self.table_uses.get(relid)
        if updated is None or use is None or use.n_tup_newpage_upd is None:
            return None
        hot = self.rate(TableUse, relid, "n_tup_hot_upd")
        moved = self.rate(TableUse, relid, "n_tup_newpage_upd")
        if hot is None or moved is None:
            return None
        return max(0.0, updated - hot - moved)

    def hit_fraction(self, indexrelid: int, least: int = 1_000) -> float | None:
        """Blocks found in shared buffers, since the reset; None below `least` blocks."""
        use = self.indexes.get(indexrelid)
        if use is None or use.idx_blks_hit + use.idx_blks_read < least:
            return None
        return use.idx_blks_hit / (use.idx_blks_hit + use.idx_blks_read)

    def hot_fraction(self, relid: int) -> float | None:
        """Share of updates since the reset that changed no index."""
        table, use = self.tables.get(relid), self.table_uses.get(relid)
        if table is None or use is None or not table.n_tup_upd:
            return None
        return min(1.0, use.n_tup_hot_upd / table.n_tup_upd)

    def all_leaves(self, relid: int) -> tuple[int, ...]:
        """The tables with storage below a partitioned table; itself where it is none."""
        below = self.leaves.get(relid)
        if below is None:
            return (relid,)
        return tuple(leaf for child in below for leaf in self.all_leaves(child))

    def deleted(self, relid: int) -> int:
        """Rows deleted from a table and its partitions since the reset."""
        return sum(
            self.tables[leaf].n_tup_del for leaf in self.all_leaves(relid) if leaf in self.tables
        )
