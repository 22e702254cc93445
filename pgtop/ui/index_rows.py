"""What the Indexes tab shows of an index: its columns, and what those of tables share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pgtop.advice.index_facts import IndexFacts
from pgtop.advice.index_use import children, scans, scans_per_s, size_bytes
from pgtop.analysis import units
from pgtop.analysis.bloat import Bloat
from pgtop.model.finding import Finding
from pgtop.model.index import Index, IndexUse
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

    size_bytes: int | None = None
    """On disk now; None where that was not asked."""

    @property
    def key(self) -> int:
        """Its oid."""
        return self.index.indexrelid

    @property
    def bloat(self) -> Bloat:
        """What a rebuild would give back."""
        return self.found.estimates.of_index(self.index)


Sort = Callable[[IndexFacts, Any], Any]

SORTABLE: Callable[[Any], Any] = lambda row: None  # noqa: E731 - the pane sorts by SORTS


INDEX_SORTS: Mapping[str, Sort] = {
    "size": lambda f, i: size_bytes(f, i) if i.partitioned else i.relpages * 8192,
    "bloat": lambda f, i: f.estimates.of_index(i).bytes,
    "scans": scans,
    "scans/s": lambda f, i: scans_per_s(f, i),
    "last": lambda f, i: _last_scan(f, i),
    "writes": lambda f, i: f.usage.entries_per_s(i.indrelid),
    "hot": lambda f, i: hot_lost(f, i)[0],
    "hit": lambda f, i: f.usage.hit_fraction(i.indexrelid),
    "index": lambda f, i: i.ident,
}


def _last_scan(found: IndexFacts, index: Index) -> float | None:
    use = found.usage.indexes.get(index.indexrelid)
    return use.last_idx_scan if use else None


def index_columns(view: str = "all") -> tuple[Column[IndexRow], ...]:
    """The columns of the views that list indexes; in that of unused ones scans come first."""
    every = _columns()
    if view != "unused":
        return every
    width = {"scans": 0, "last": 0, "bloat": 110, "scans/s": 110}
    return tuple(replace(c, from_width=width.get(c.name, c.from_width)) for c in every)


def _columns() -> tuple[Column[IndexRow], ...]:
    return (
        Column("size", "size", _size_cell, 8, sort=SORTABLE,
               means=("on disk; ≈ as the catalogue knows it since the last VACUUM, ANALYZE or "
                      "REINDEX, by which rows are sorted")),
        Column("bloat", "bloat ≈", lambda r: bloat_cell(r.bloat), 15, sort=SORTABLE,
               means=("what REINDEX would free, estimated from statistics; = measured with M, ? "
                      "not known")),
        Column("scans/s", "scans/s",
               lambda r: units.rate(scans_per_s(r.found, r.index)), 7,
               sort=SORTABLE,
               means="how often queries used it, since the reading before"),
        Column("last", "last scan", _last_cell, 9, sort=SORTABLE, from_width=100,
               means="since it was last used; known from PostgreSQL 16 on"),
        Column("tuples", "rows/scan", _per_scan, 9, from_width=130,
               means="entries read a scan"),
        Column("flags", "flags", flags_cell, 12, "left",
               means=("what it is: PK, uniq, excl, con(straint), part(ial), expr(ession), "
                      "replid; invalid first")),
        Column("writes", "writes/s",
               lambda r: units.rate(r.found.usage.entries_per_s(r.index.indrelid)), 8,
               sort=SORTABLE, from_width=110,
               means="entries that writes to its table make here a second"),
        Column("hot", "HOT lost/s", _hot_lost, 10, sort=SORTABLE, from_width=150,
               means=("updates that could have left all indexes alone (HOT) but for this one; ≤ "
                      "with others")),
        Column("scans", "scans", lambda r: units.count(scans(r.found, r.index)), 7,
               sort=SORTABLE, from_width=90,
               means="since the counters began: see at the right of the line above"),
        Column("hit", "hit", _hit_cell, 6, sort=SORTABLE, descending=False, from_width=140,
               means="share of its blocks that were found in shared_buffers"),
        Column("index", "index", _name_cell, 24, "left", SORTABLE, descending=False,
               frozen=True, flex=True, names=True),
    )  # fmt: skip


def _size_cell(row: IndexRow) -> Cell:
    unseen = row.index.partitioned and not row.found.usage.leaves
    return units.UNKNOWN if unseen else size_text(row.size_bytes, size_bytes(row.found, row.index))


def size_text(now: int | None, known: int) -> str:
    """A size on disk, or what the catalogue knows of it."""
    return f"≈{units.size(known)}" if now is None else units.size(now)


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
    if use is None:
        return units.UNKNOWN
    return units.rate(use.idx_tup_read / use.idx_scan) if use.idx_scan else units.NOTHING


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
        (index.partitioned, f"{len(children(row.found, index)) or '?'} parts"),
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
    "sequence.near_limit": "sequence",
}  # fmt: skip


def tags(findings: tuple[Finding, ...]) -> tuple[tuple[str, Tone], ...]:
    """A word for each finding about the row."""
    return tuple(
        (f"{TAGS.get(f.rule, f.rule)} ", f.severity) for f in findings if f.rule != "index.invalid"
    )


def _name_cell(row: IndexRow) -> Cell:
    table = row.found.table_ident(row.index)
    on = (f" on {table}" if table else "") + (f" {row.columns}" if row.columns else "")
    return (*tags(row.findings), (row.index.relname, ""), (on, "dim"))
