"""Indexes to rebuild because they are air, indexes whose values say little; all the rules."""

from __future__ import annotations

from collections.abc import Iterator

from pgtop.advice import Facts, Rule, ddl
from pgtop.advice.foreign_keys import FOREIGN_KEY_RULES
from pgtop.advice.index_facts import IndexFacts, gathered
from pgtop.advice.index_invalid import INVALID_RULES
from pgtop.advice.index_remedies import BUILD_WAITS as BUILD_WAITS
from pgtop.advice.index_repeats import REPEAT_RULES
from pgtop.advice.index_unused import UNUSED_RULES, goes
from pgtop.advice.index_use import scans, subject, why_kept
from pgtop.advice.thresholds import indexes as limits
from pgtop.analysis import units
from pgtop.model.finding import Cost, Finding, Remedy
from pgtop.model.index import ForeignKey, Index, OperatorClass
from pgtop.model.table import BLOCK_BYTES, Table
from pgtop.model.vacuum import HorizonHolder

# -- bloated -----------------------------------------------------------------------------


def worth_bytes(found: IndexFacts) -> float:
    """From so many wasted bytes on a rebuild is worth it on this server."""
    return min(limits.BLOATED_BYTES, limits.BLOATED_BUFFERS * found.window.shared_buffers)


def dead_rows_wait(table: Table | None) -> bool:
    """Whether VACUUM comes first: what it frees is used again."""
    return table is not None and table.n_dead_tup > limits.DEAD_FRACTION * max(table.rows, 1)


def running_cause(facts: Facts, table: Table | None) -> str | None:
    """Why a rebuild would not last, or would not even help now. Raises as `Facts.rows` while it
    is not known who keeps dead rows."""
    if table is not None and dead_rows_wait(table):
        return f"{units.count(table.n_dead_tup)} dead rows wait for VACUUM"
    for holder in facts.rows(HorizonHolder):
        here = holder.scope in ("database", "cluster")
        if here and holder.held_s is not None and holder.held_s >= limits.HOLDER_S:
            return f"a transaction of {units.age(holder.held_s)} keeps dead rows"
    return None


def bloated(facts: Facts) -> Iterator[Finding]:
    """Half of a big B-tree is air."""
    found = gathered(facts)
    facts.rows(Table)  # dead rows that wait for VACUUM come first
    least = worth_bytes(found)
    pages = least / BLOCK_BYTES
    for indexes in found.by_table.values():
        for index in indexes:
            if index.relpages < pages:
                continue
            bloat = found.estimates.of_index(index)
            if bloat.bytes is None or bloat.fraction is None:
                continue
            if bloat.fraction < limits.BLOATED_FRACTION or bloat.bytes < least:
                continue
            table = found.usage.tables.get(index.indrelid)
            if running_cause(facts, table) is not None or not index.indisvalid:
                continue
            if not goes(facts, index):
                yield _bloated(found, index, bloat.bytes, bloat.fraction, bloat.source, bloat.why)


def _bloated(
    found: IndexFacts, index: Index, wasted: float, fraction: float, source: str, why: str | None
) -> Finding:
    sure = "measured" if source == "measured" else "≈"
    keep = index.size_bytes - wasted
    remedy = Remedy(
        sql=(ddl.reindex(index.ident),),
        undo=(),
        transactional=False,
        lock=ddl.SHARE_UPDATE_EXCLUSIVE,
        caution=f"needs {units.size(keep)} free while it builds; {BUILD_WAITS}",
    )
    no_remedy = None
    if not found.builds_safely:
        no_remedy = "PostgreSQL 14.0 to 14.3 can corrupt indexes built CONCURRENTLY: update first"
    elif index.indisexclusion:
        no_remedy = "an exclusion constraint's index cannot be rebuilt CONCURRENTLY"
    return Finding(
        rule="index.bloated",
        severity="notice",
        subject=subject(found, index),
        title=f"{index.relname}: {sure} {units.percent(fraction)} bloat, {units.size(wasted)}",
        why=f"{units.size(index.size_bytes)} now, {sure} {units.size(keep)} after a rebuild"
        + (f" ({why})" if why else ""),
        evidence={
            "size_bytes": index.size_bytes,
            "bloat_bytes": round(wasted),
            "bloat_fraction": round(fraction, 3),
        },
        cost=Cost(bytes=wasted),
        confidence="measured" if source == "measured" else "estimated",
        remedy=None if no_remedy else remedy,
        no_remedy=no_remedy,
    )


# -- low cardinality ---------------------------------------------------------------------


def low_cardinality(facts: Facts) -> Iterator[Finding]:
    """An index of one column with few values, none of them rare."""
    found = gathered(facts)
    facts.rows(ForeignKey), facts.rows(OperatorClass)
    for relid, indexes in found.by_table.items():
        table = found.usage.tables.get(relid)
        columns = found.estimates.columns(relid)
        if table is None or not columns or table.relpages < limits.LOW_CARDINALITY_PAGES:
            continue
        for index in indexes:
            if index.indnatts != 1 or index.indpred is not None or index.amname != "btree":
                continue
            column = columns.get(int(index.indkey))
            if column is None or not column.known or why_kept(found, index) is not None:
                continue
            shares = [float(part) for part in (column.freqs or "").split(",") if part]
            values = column.n_distinct
            if not 0 < values <= limits.LOW_CARDINALITY_VALUES or len(shares) < values:
                continue
            parts = [*shares, *([column.null_frac] if column.null_frac else [])]
            if min(parts) >= limits.RARE_FRACTION and _reads_much(found, index, table):
                yield _few_values(found, index, int(values), min(parts))


def _reads_much(found: IndexFacts, index: Index, table: Table) -> bool:
    """Whether a scan of it, where there were any, reads as much as its values promise."""
    use = found.usage.indexes.get(index.indexrelid)
    if use is None:
        return False
    if not use.idx_scan:
        return True
    return use.idx_tup_read / use.idx_scan >= limits.RARE_FRACTION * max(table.rows, 1)


def _few_values(found: IndexFacts, index: Index, values: int, rarest: float) -> Finding:
    return Finding(
        rule="index.low_cardinality",
        severity="notice",
        subject=subject(found, index),
        title=f"{index.relname}: {values} values, the rarest in {units.percent(rarest)} of rows",
        why=f"its column has {values} values and none is rare ({units.percent(rarest)} at least):"
        " whoever looks for one of them reads that much of the table",
        evidence={
            "values": values,
            "rarest_fraction": round(rarest, 4),
            "size_bytes": index.size_bytes,
            "scans": scans(found, index),
        },
        cost=Cost(bytes=index.size_bytes),
        confidence="estimated",
        no_remedy="no DDL by itself: with a second column, or as the predicate of a partial"
        " index, it may serve; alone it hardly does",
    )


INDEX_RULES: tuple[Rule, ...] = (
    *UNUSED_RULES,
    *REPEAT_RULES,
    *INVALID_RULES,
    Rule("index.bloated", bloated),
    Rule("index.low_cardinality", low_cardinality),
    *FOREIGN_KEY_RULES,
)
