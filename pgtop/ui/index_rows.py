"""What the Indexes tab shows of one index, one table, one foreign key: its columns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pgtop.advice.index_facts import IndexFacts
from pgtop.advice.index_use import children, scans, size_bytes
from pgtop.analysis import units
from pgtop.analysis.bloat import Bloat
from pgtop.model.finding import Finding
from pgtop.model.index import ForeignKey, Index, IndexUse
from pgtop.model.table import Table, TableUse
from pgtop.model.vacuum import VacuumBlock
from pgtop.ui.table_columns import Cell, Column, Tone

NOISE_FRACTION = 0.10
"""An estimate below this is as good as none: pages split unevenly."""

LOUD_FRACTION, LOUD_BYTES = 0.30, 50 << 20
"""From here on an estimate is worth a colour."""


@dataclass(frozen=True, slots=True)
class IndexRow:
    """An index in view."""

    found: IndexFacts
    index: Index
    columns: str | None
    findings: tuple[Finding, ...]
    lock: VacuumBlock | None = None
    """Who keeps everybody from it, or from its table."""

    @property
    def key(self) -> int:
        """Its oid."""
        return self.index.indexrelid

    @property
    def bloat(self) -> Bloat:
        """What a rebuild would give back."""
        return self.found.estimates.of_index(self.index)


@dataclass(frozen=True, slots=True)
class TableRow:
    """A table in view."""

    found: IndexFacts
    table: Table
    findings: tuple[Finding, ...]
    lock: VacuumBlock | None = None

    @property
    def key(self) -> int:
        """Its oid."""
        return self.table.relid

    @property
    def bloat(self) -> Bloat:
        """What a rewrite would give back."""
        return self.found.estimates.of_table(self.table)


@dataclass(frozen=True, slots=True)
class KeyRow:
    """A foreign key without an index in view."""

    found: IndexFacts
    foreign_key: ForeignKey
    support: int
    pages: int
    findings: tuple[Finding, ...]

    @property
    def key(self) -> int:
        """Its oid."""
        return self.foreign_key.oid


@dataclass(frozen=True, slots=True)
class AdvisedRow:
    """An index that was advised, in view."""

    finding: Finding
    place: int

    @property
    def key(self) -> int:
        """Below zero: it has no oid."""
        return -1 - self.place

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Its only one."""
        return (self.finding,)


Sort = Callable[[IndexFacts, Any], Any]

_SORTABLE: Callable[[Any], Any] = lambda row: None  # noqa: E731 - the pane sorts by SORTS


def _bloat_sort(bloat: Bloat) -> float | None:
    return bloat.bytes


INDEX_SORTS: Mapping[str, Sort] = {
    "size": lambda f, i: size_bytes(f, i) if i.partitioned else i.relpages * 8192,
    "bloat": lambda f, i: f.estimates.of_index(i).bytes,
    "scans": scans,
    "scans/s": lambda f, i: f.usage.scans_per_s(i.indexrelid),
    "last": lambda f, i: _last_scan(f, i),
    "writes": lambda f, i: f.usage.entries_per_s(i.indrelid),
    "hot": lambda f, i: hot_lost(f, i)[0],
    "hit": lambda f, i: f.usage.hit_fraction(i.indexrelid),
    "index": lambda f, i: i.ident,
}

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


def _last_scan(found: IndexFacts, index: Index) -> float | None:
    use = found.usage.indexes.get(index.indexrelid)
    return use.last_idx_scan if use else None


def _toast_pages(found: IndexFacts, table: Table) -> int:
    toast = found.usage.tables.get(table.reltoastrelid)
    return toast.relpages if toast else 0


# -- indexes -----------------------------------------------------------------------------


def index_columns() -> tuple[Column[IndexRow], ...]:
    """The columns of the views that list indexes."""
    return (
        Column("size", "size", lambda r: units.size(size_bytes(r.found, r.index)), 8,
               sort=_SORTABLE,
               means="as the catalogue knows it since the last VACUUM, ANALYZE or REINDEX"),
        Column("bloat", "bloat ≈", lambda r: bloat_cell(r.bloat), 15, sort=_SORTABLE,
               means=("what REINDEX would free, estimated from statistics; = measured with M, ? "
                      "not known")),
        Column("scans/s", "scans/s",
               lambda r: units.rate(r.found.usage.scans_per_s(r.index.indexrelid)), 7,
               sort=_SORTABLE,
               means="how often queries used it, since the reading before"),
        Column("last", "last scan", _last_cell, 9, sort=_SORTABLE, from_width=100,
               means="since it was last used; known from PostgreSQL 16 on"),
        Column("tuples", "rows/scan", _per_scan, 9, from_width=130,
               means="entries read a scan"),
        Column("flags", "flags", flags_cell, 12, "left",
               means=("what it is: PK, uniq, excl, con(straint), part(ial), expr(ession), "
                      "replid; invalid first")),
        Column("writes", "writes/s",
               lambda r: units.rate(r.found.usage.entries_per_s(r.index.indrelid)), 8,
               sort=_SORTABLE, from_width=110,
               means="entries that writes to its table make here a second"),
        Column("hot", "HOT lost/s", _hot_lost, 10, sort=_SORTABLE, from_width=150,
               means=("updates that could have left all indexes alone (HOT) but for this one; ≤ "
                      "with others")),
        Column("scans", "scans", lambda r: units.count(scans(r.found, r.index)), 7,
               sort=_SORTABLE, from_width=90,
               means="since the counters began: see at the right of the line above"),
        Column("hit", "hit", _hit_cell, 6, sort=_SORTABLE, descending=False, from_width=140,
               means="share of its blocks that were found in shared_buffers"),
        Column("index", "index", _name_cell, 24, "left", _SORTABLE, descending=False,
               frozen=True, flex=True, names=True),
    )  # fmt: skip


def bloat_cell(bloat: Bloat) -> Cell:
    """Wasted bytes and their share; `?` where it is not known, `·` for noise."""
    if bloat.bytes is None or bloat.fraction is None:
        return (("–" if bloat.why and bloat.why.startswith("small") else "?", "dim"),)
    share = units.percent(max(bloat.fraction, 0.0))
    if bloat.most is not None and bloat.most > 0:
        share = f"{share.removesuffix(' %')}–{units.percent(bloat.most)}"
    text = f"{units.size(max(bloat.bytes, 0.0))} {share:>5}"
    if bloat.source == "measured":
        text = f"={text}"
    elif max(abs(bloat.fraction), bloat.most or 0.0) < NOISE_FRACTION:
        return ((text, "dim"),)
    loud = bloat.fraction >= LOUD_FRACTION and bloat.bytes >= LOUD_BYTES
    return ((text, "warning" if loud else ""),)


def hot_lost(found: IndexFacts, index: Index) -> tuple[float | None, bool]:
    """(updates a second that were not HOT because of an index, whether it is this one).

    The server counts them by table, so of several indexes each may be the cause. BRIN is
    none from 16 on (heapam.c: amsummarizing).
    """
    version = found.server.version_num if found.server else 0
    brin = version >= 160000
    if brin and index.amname == "brin":
        return 0.0, True
    blocking = [
        other
        for other in found.by_table.get(index.indrelid, ())
        if other.indisready and not (brin and other.amname == "brin")
    ]
    return found.usage.hot_lost_per_s(index.indrelid), len(blocking) == 1


def _hot_lost(row: IndexRow) -> Cell:
    lost, alone = hot_lost(row.found, row.index)
    if lost is None:
        return units.UNKNOWN
    return units.rate(lost) if alone or not lost else f"≤{units.rate(lost)}"


def _last_cell(row: IndexRow) -> Cell:
    at = _last_scan(row.found, row.index)
    if at is not None:
        return units.age(max(0.0, row.found.now - at))
    server = row.found.server
    if server is None or server.version_num < 160000:
        return units.UNKNOWN
    return (("never", "notice"),) if scans(row.found, row.index) == 0 else units.UNKNOWN


def _per_scan(row: IndexRow) -> Cell:
    use: IndexUse | None = row.found.usage.indexes.get(row.index.indexrelid)
    if use is None or not use.idx_scan:
        return units.NOTHING
    return units.rate(use.idx_tup_read / use.idx_scan)


def _hit_cell(row: IndexRow) -> Cell:
    value = row.found.usage.hit_fraction(row.index.indexrelid)
    return units.NOTHING if value is None else units.percent(value)


def flags_cell(row: IndexRow) -> Cell:
    """What it is, and what is wrong with it first."""
    index = row.index
    words: list[tuple[str, Tone]] = [LOCKED] if row.lock is not None else []
    if not index.indisvalid:
        words.append(("building", "notice") if index.builder_pid else ("invalid", "warning"))
    if index.indisprimary:
        words.append(("PK", ""))
    elif index.indisexclusion:
        words.append(("excl", ""))
    elif index.indisunique:
        words.append(("uniq", ""))
    if index.constraint and not index.indisprimary and not index.indisexclusion:
        words.append(("con", ""))
    marks = (
        (index.indisreplident, "replid"),
        (index.indpred is not None, "part"),
        (index.indexprs is not None, "expr"),
        (index.amname != "btree", index.amname),
        (index.partitioned, f"{len(children(row.found, index))} parts"),
    )
    words += [(text, "dim") for holds, text in marks if holds]
    return tuple((f"{text} ", tone) for text, tone in words) or ((units.NOTHING, "dim"),)


LOCKED: tuple[str, Tone] = ("locked", "warning")

TAGS = {
    "index.unused": "unused", "index.duplicate": "duplicate", "index.redundant": "redundant",
    "index.invalid": "invalid", "index.bloated": "bloated",
    "index.low_cardinality": "few values", "index.missing_fk": "no index",
    "index.missing": "advised",
    "table.bloated": "bloated", "table.stale_statistics": "not analysed",
}  # fmt: skip


def tags(findings: tuple[Finding, ...]) -> tuple[tuple[str, Tone], ...]:
    """A word for each finding about the row."""
    return tuple(
        (f"{TAGS.get(f.rule, f.rule)} ", "warning" if f.severity != "notice" else "notice")
        for f in findings
        if f.rule != "index.invalid"
    )


def _name_cell(row: IndexRow) -> Cell:
    table = row.found.table_ident(row.index)
    on = (f" on {table}" if table else "") + (f" ({row.columns})" if row.columns else "")
    return (*tags(row.findings), (row.index.relname, ""), (on, "dim"))


# -- tables ------------------------------------------------------------------------------


def table_columns() -> tuple[Column[TableRow], ...]:
    """The columns of the tables view."""

    def rate(field: str) -> Callable[[TableRow], Cell]:
        return lambda r: units.rate(r.found.usage.rate(TableUse, r.table.relid, field))

    return (
        Column("size", "size", lambda r: units.size(r.table.size_bytes), 8, sort=_SORTABLE),
        Column("bloat", "bloat ≈", lambda r: bloat_cell(r.bloat), 15, sort=_SORTABLE,
               means=("what a rewrite would free, estimated from statistics; = measured with M, "
                      "? not known")),
        Column("toast", "TOAST",
               lambda r: units.size(_toast_pages(r.found, r.table) * 8192), 8, sort=_SORTABLE,
               from_width=110,
               means="its long values, in a table of their own"),
        Column("indexes", "indexes", _indexes_cell, 8, sort=_SORTABLE, from_width=90,
               means="all its indexes together"),
        Column("seq/s", "seq/s", rate("seq_scan"), 7, sort=_SORTABLE,
               means="sequential scans a second"),
        Column("read/s", "rows/s", rate("seq_tup_read"), 8, sort=_SORTABLE, from_width=90,
               means="rows that those read a second"),
        Column("hot", "HOT", _hot_cell, 6, sort=_SORTABLE, descending=False, from_width=80,
               means="share of updates that left all indexes alone"),
        Column("dead", "dead", lambda r: units.count(r.table.n_dead_tup), 8, sort=_SORTABLE,
               means="rows that vacuum has not removed yet, estimated"),
        Column("hit", "hit", _table_hit, 6, from_width=130,
               means="share of its blocks that were found in shared_buffers"),
        Column("table", "table", _table_name, 24, "left",
               _SORTABLE, descending=False, frozen=True, flex=True, names=True),
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


# -- foreign keys ------------------------------------------------------------------------

SUPPORT = {0: "none", 1: "weak", 2: "a part", 3: "full"}


def key_columns() -> tuple[Column[KeyRow | AdvisedRow], ...]:
    """The columns of the view of what is missing: advised indexes, bare foreign keys."""
    return (
        Column("size", "reads", _reads_cell, 8,
               means=("the table that is read whole for want of the index, or what the index "
                      "would spare")),
        Column("deleted", "deleted", _deleted_cell, 8,
               means="rows deleted from the table referred to since the counters began"),
        Column("support", "index", _support_cell, 7, "left",
               means="whether an index covers the key: none, weak, a part, full"),
        Column("key", "foreign key, or index advised", _key_cell, 30, "left", frozen=True,
               flex=True),
    )  # fmt: skip


def _reads_cell(row: KeyRow | AdvisedRow) -> Cell:
    return units.size(row.pages * 8192) if isinstance(row, KeyRow) else units.NOTHING


def _deleted_cell(row: KeyRow | AdvisedRow) -> Cell:
    if isinstance(row, AdvisedRow):
        return units.NOTHING
    return units.count(row.found.usage.deleted(row.foreign_key.confrelid))


def _support_cell(row: KeyRow | AdvisedRow) -> Cell:
    return SUPPORT[row.support] if isinstance(row, KeyRow) else "advised"


def _key_cell(row: KeyRow | AdvisedRow) -> Cell:
    if isinstance(row, AdvisedRow):
        return ((row.finding.title, "warning" if row.finding.severity != "notice" else ""),)
    tables, key = row.found.usage.tables, row.foreign_key
    child, parent = tables.get(key.conrelid), tables.get(key.confrelid)
    return (
        *tags(row.findings),
        (f"{child.ident if child else key.conrelid} ({key.columns})", ""),
        (f" → {parent.ident if parent else key.confrelid}   {key.conname}", "dim"),
    )
