"""How big an index will be: HypoPG's own figure knows nothing of deduplication."""

from __future__ import annotations

from pgtop.advice.thresholds import advisor as limit
from pgtop.analysis.bloat_btree import btree, deduplicates
from pgtop.analysis.pages import UNKNOWN_WIDTH
from pgtop.model.advice import WorkColumn, WorkTable
from pgtop.model.cost import NewIndex
from pgtop.model.index import ColumnStatistics, Index
from pgtop.model.table import BLOCK_BYTES

GIN_ENTRY_BYTES = 4.0
"""A row's place in a posting list, keys and free space counted in."""

GIN_WORD_BYTES = 12.0
"""Bytes of a value for each entry that it gives: a key and its value, an element, a lexeme."""

BRIN_RANGE_BYTES = 32.0
PAGES_PER_RANGE = 128


def size_bytes(new: NewIndex, table: WorkTable) -> float:
    """Bytes after CREATE INDEX."""
    rows = max(table.rows or 0.0, 0.0) * new.selectivity
    if new.method == "brin":
        return BLOCK_BYTES * (2 + -(-table.pages / PAGES_PER_RANGE * BRIN_RANGE_BYTES // 8000))
    if new.method == "gin":
        return max(rows * _gin_entries(new, table) * GIN_ENTRY_BYTES, 2.0 * BLOCK_BYTES)
    columns = [_column(key, new, table) for key in (*new.keys, *new.include)]
    plain = _as_index(new, rows)
    image = [bool((c := _known(key, table)) and c.equal_image) for key in new.keys]
    found = btree(
        plain, max(table.rows or 0.0, 1.0), columns,
        deduplicates=deduplicates(plain, image, nondeterministic=False),
    )  # fmt: skip
    if found.pages is None:
        return max(rows * 24.0, 2.0 * BLOCK_BYTES)
    return found.pages * float(BLOCK_BYTES)


def _gin_entries(new: NewIndex, table: WorkTable) -> float:
    """Entries of a row: trigrams are as many as letters."""
    column = table.column(new.columns[0]) if new.columns else None
    width = column.avg_width if column and column.avg_width else UNKNOWN_WIDTH
    return width if "gin_trgm_ops" in new.keys[0] else max(1.0, width / GIN_WORD_BYTES)


def _known(key: str, table: WorkTable) -> WorkColumn | None:
    bare = key.split(" ")[0]
    return next((c for c in table.columns if c.sql in (key, bare)), None)


def _column(key: str, new: NewIndex, table: WorkTable) -> ColumnStatistics:
    """Statistics of a key; an expression is taken as its column."""
    column = _known(key, table)
    if column is None and key.startswith("("):
        column = next((table.column(name) for name in new.columns if name in key), None)
    if column is not None and column.statistics is not None:
        return column.statistics
    return ColumnStatistics(
        relid=new.relid, attnum=0, attlen=-1, attalign="i", attstorage="x", attisdropped=False,
        expression=False, known=True,
        null_frac=(column.null_frac or 0.0) if column else 0.0,
        avg_width=int((column.avg_width if column else None) or UNKNOWN_WIDTH),
        n_distinct=(column.n_distinct if column else None) or -1.0,
        freqs=None, mcv_lengths=None, histogram_lengths=None,
    )  # fmt: skip


def _as_index(new: NewIndex, rows: float) -> Index:
    """As if it were there, so that the arithmetic of existing ones can be asked."""
    count = len(new.keys)
    places = " ".join(str(n + 1) for n in range(count + len(new.include)))
    return Index(
        indexrelid=0, indrelid=new.relid, ident="", schemaname="", relname="",
        relkind="i", amname="btree", relpages=1 << 20, reltuples=rows, options=None, parent=0,
        indnatts=count + len(new.include), indnkeyatts=count, flags=0, indkey=places,
        indcollation="", indclass="", indoption="", indexprs=None,
        indpred="" if new.where else None, builder_pid=None, created_at=None,
    )  # fmt: skip


def upkeep_ms_per_s(new: NewIndex, table: WorkTable, updated: frozenset[str]) -> float | None:
    """What writes will pay for it; None where nobody knows how much is written.

    Where an UPDATE of the workload sets one of its columns, updates that were HOT are so
    no more, and every index of the table gets an entry.
    """
    if table.inserts_per_s is None:
        return None
    updates, hot = table.updates_per_s or 0.0, table.hot_updates_per_s or 0.0
    entries = (table.inserts_per_s + max(updates - hot, 0.0)) * new.selectivity
    if breaks_hot(new, updated):
        entries += hot * (new.selectivity + limit.LOST_HOT_ENTRIES * len(table.indexes))
    return entries * limit.ENTRY_MS


def breaks_hot(new: NewIndex, updated: frozenset[str]) -> bool:
    """Whether an UPDATE of the workload sets a column that it depends on.

    BRIN indexes do not count from 16 on; before, nobody advises them where rows change.
    """
    return new.method != "brin" and any(name in updated for name in new.columns)
