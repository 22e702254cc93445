"""What the Indexes tab shows of a table: its columns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pgtop.advice.index_facts import IndexFacts
from pgtop.analysis import units
from pgtop.analysis.bloat import Bloat
from pgtop.model.finding import Finding
from pgtop.model.table import Table, TableUse
from pgtop.model.vacuum import VacuumBlock
from pgtop.ui.index_rows import SORTABLE, Sort, bloat_cell, size_text, tags
from pgtop.ui.table_columns import Cell, Column


@dataclass(frozen=True, slots=True)
class TableRow:
    """A table in view."""

    found: IndexFacts
    table: Table
    findings: tuple[Finding, ...]
    lock: VacuumBlock | None = None
    size_bytes: int | None = None
    """Of the main fork on disk now; None where that was not asked."""

    @property
    def key(self) -> int:
        """Its oid."""
        return self.table.relid

    @property
    def bloat(self) -> Bloat:
        """What a rewrite would give back."""
        return self.found.estimates.of_table(self.table)


TABLE_SORTS: Mapping[str, Sort] = {
    "size": lambda f, t: t.relpages,
    "bloat": lambda f, t: f.estimates.of_table(t).bytes,
    "toast": lambda f, t: _toast_pages(f, t),
    "indexes": lambda f, t: sum(i.relpages for i in f.by_table.get(t.relid, ())),
    "seq/s": lambda f, t: f.usage.rate(TableUse, t.relid, "seq_scan"),
    "read/s": lambda f, t: f.usage.rate(TableUse, t.relid, "seq_tup_read"),
    "hot": lambda f, t: f.usage.hot_fraction(t.relid),
    "dead": lambda f, t: t.n_dead_tup,
    "table": lambda f, t: t.ident,
}


def _toast_pages(found: IndexFacts, table: Table) -> int:
    toast = found.usage.tables.get(table.reltoastrelid)
    return toast.relpages if toast else 0


def table_columns() -> tuple[Column[TableRow], ...]:
    """The columns of the tables view."""

    def rate(field: str) -> Callable[[TableRow], Cell]:
        return lambda r: units.rate(r.found.usage.rate(TableUse, r.table.relid, field))

    return (
        Column("size", "size", lambda r: size_text(r.size_bytes, r.table.size_bytes), 8,
               sort=SORTABLE,
               means=("its main file on disk; ≈ as the catalogue knows it since the last VACUUM or "
                      "ANALYZE, by which rows are sorted")),
        Column("bloat", "bloat ≈", lambda r: bloat_cell(r.bloat), 15, sort=SORTABLE,
               means=("what a rewrite would free, estimated from statistics; = measured with M, "
                      "? not known")),
        Column("toast", "TOAST ≈",
               lambda r: units.size(_toast_pages(r.found, r.table) * 8192), 8, sort=SORTABLE,
               from_width=110,
               means="its long values, in a table of their own"),
        Column("indexes", "indexes ≈", _indexes_cell, 9, sort=SORTABLE, from_width=90,
               means="all its indexes together"),
        Column("seq/s", "seq/s", rate("seq_scan"), 7, sort=SORTABLE,
               means="sequential scans a second"),
        Column("read/s", "rows/s", rate("seq_tup_read"), 8, sort=SORTABLE, from_width=90,
               means="rows that those read a second"),
        Column("hot", "HOT", _hot_cell, 6, sort=SORTABLE, descending=False, from_width=80,
               means="share of updates that left all indexes alone"),
        Column("dead", "dead", lambda r: units.count(r.table.n_dead_tup), 8, sort=SORTABLE,
               means="rows that vacuum has not removed yet, estimated"),
        Column("hit", "hit", _table_hit, 6, from_width=130,
               means="share of its blocks that were found in shared_buffers"),
        Column("table", "table", _table_name, 24, "left",
               SORTABLE, descending=False, frozen=True, flex=True, names=True),
    )  # fmt: skip


def _table_name(row: TableRow) -> Cell:
    locked = (("locked ", "warning"),) if row.lock is not None else ()
    return (*locked, *tags(row.findings), (row.table.ident, ""))


def _indexes_cell(row: TableRow) -> Cell:
    own = row.found.by_table.get(row.table.relid, ())
    return units.size(sum(i.size_bytes for i in own)) if own else units.NOTHING


def _hot_cell(row: TableRow) -> Cell:
    value = row.found.usage.hot_fraction(row.table.relid)
    return units.NOTHING if value is None else units.percent(value)


def _table_hit(row: TableRow) -> Cell:
    use = row.found.usage.table_uses.get(row.table.relid)
    if use is None or use.heap_blks_hit + use.heap_blks_read < 1_000:
        return units.NOTHING
    return units.percent(use.heap_blks_hit / (use.heap_blks_hit + use.heap_blks_read))
