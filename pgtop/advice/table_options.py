"""Room on pages for updates, and statistics of partitioned tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pgtop.advice import Facts, NeedsTime, NotPossible, Rule, ddl
from pgtop.advice.thresholds import autovacuum as limits
from pgtop.advice.vacuum_case import known
from pgtop.analysis import units
from pgtop.analysis.vacuum.options import Change
from pgtop.model.finding import Finding, Remedy, Subject
from pgtop.model.table import options_of

PARENT_ROWS = 10_000.0
"""Rows in the leaves from which a plan over the parent suffers without statistics."""

PARENT_DRIFT = 0.2
"""The leaves hold this share more or less than when the parent was analysed."""


def fillfactor(facts: Facts) -> Iterator[Finding]:
    """Pages too full for HOT updates: proved by updates that went to another page (16+)."""
    state, settings = known(facts)
    if settings.version_num < 160000:
        raise NotPossible("updates that leave their page are counted from PostgreSQL 16 on")
    if not state.use_before or state.use is state.use_before:
        raise NeedsTime("needs two looks at the updates")
    for relid, now in state.use.items():
        before, table = state.use_before.get(relid), state.tables.get(relid)
        if before is None or table is None or table.relkind != "r" or table.system:
            continue
        updates = now.n_tup_upd - before.n_tup_upd
        if updates < limits.FILLFACTOR_UPDATES or table.size_bytes < limits.SMALL_BYTES:
            continue
        hot = (now.n_tup_hot_upd - before.n_tup_hot_upd) / updates
        moved = ((now.n_tup_newpage_upd or 0) - (before.n_tup_newpage_upd or 0)) / updates
        full = hot < limits.FILLFACTOR_HOT and moved > limits.FILLFACTOR_NEWPAGE
        if not full or table.option("fillfactor") is not None:
            continue
        few = table.rows / max(table.relpages, 1) < limits.FILLFACTOR_ROWS
        yield Finding(
            rule="table.fillfactor",
            severity="notice",
            subject=Subject("table", table.relname, schema=table.schemaname),
            title=f"{table.ident}: pages too full for HOT, {units.percent(moved)} of updates leave",
            why=(
                f"of {units.count(updates)} updates seen {units.percent(hot)} were HOT and"
                f" {units.percent(moved)} went to another page: each of these writes every index."
                " Room on new pages keeps them; pages that exist stay full until a rewrite"
            ),
            evidence={
                "updates": updates,
                "hot_fraction": round(hot, 3),
                "newpage_fraction": round(moved, 3),
            },
            confidence="measured",
            remedy=ddl.storage_options(
                table.ident,
                options_of(table.options),
                Change({"fillfactor": "80" if few else "90"}),
                caution="acts on new pages only",
            ),
        )


def parent_not_analyzed(facts: Facts) -> Iterator[Finding]:
    """Autovacuum never analyses a partitioned table: somebody must."""
    state, settings = known(facts)
    for relid, analyzed in state.analyzed_parents.items():
        table = state.tables.get(relid)
        leaves = list(_leaves(state.children, relid))
        rows = sum(state.tables[leaf].rows for leaf in leaves if leaf in state.tables)
        if table is None or rows < PARENT_ROWS or analyzed is None:
            continue
        drift = abs(rows - table.rows) / rows
        stale = settings.version_num >= 140000 and table.rows > 0 and drift > PARENT_DRIFT
        if analyzed and not stale:
            continue
        only = settings.version_num >= 180000
        says = f"leaves changed by {units.percent(drift)} since" if analyzed else "never"
        yield Finding(
            rule="partition.parent_not_analyzed",
            severity="notice",
            subject=Subject("table", table.relname, schema=table.schemaname),
            title=f"{table.ident}: a partitioned table's own statistics: {says}",
            why=(
                f"autovacuum analyses its {units.plural(len(leaves), 'leaf', 'leaves')}"
                f" ({units.count(rows)} rows), never the parent: plans over several partitions"
                " guess. Run it after each new partition, and nightly"
            ),
            evidence={"leaves": len(leaves), "rows": round(rows)},
            confidence="proved",
            remedy=Remedy(
                sql=(ddl.analyze_parent(table.ident, only=only),),
                undo=(),
                transactional=True,
                lock=ddl.SHARE_UPDATE_EXCLUSIVE,
                caution=None if only else "analyses every leaf again",
            ),
        )


def _leaves(children: Mapping[int, tuple[int, ...]], relid: int) -> Iterator[int]:
    for child in children.get(relid, ()):
        if child in children:
            yield from _leaves(children, child)
        else:
            yield child


TABLE_OPTION_RULES: tuple[Rule, ...] = (
    Rule("table.fillfactor", fillfactor),
    Rule("partition.parent_not_analyzed", parent_not_analyzed),
)
