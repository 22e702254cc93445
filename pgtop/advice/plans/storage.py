"""Rows and pages that are read for nothing: bloat, visibility, partitions, caches, other"
" servers."""

from __future__ import annotations

from collections.abc import Iterator

from pgtop.advice import ddl
from pgtop.advice.plans.context import INDEX_SCANS, OFFLINE, SCANS, Context
from pgtop.advice.plans.remedies import table_sql
from pgtop.advice.thresholds import plans as limit
from pgtop.analysis import units
from pgtop.model.finding import Remedy
from pgtop.model.insight import Insight

BLOCK = 8192


def heap_fetch(context: Context) -> Iterator[Insight]:
    """HEAP_FETCH: an index-only scan had to look at the table."""
    for node in context.ran():
        if "Heap Fetches" not in node.raw:
            continue
        fetched = node.figure("Heap Fetches") or 0.0
        rows = context.returned(node) + context.removed(node)
        if fetched < limit.HEAP_FETCHES or fetched < limit.HEAP_FETCH_SHARE * max(rows, 1):
            continue
        table = table_sql(context, node)
        remedy = None
        if table is not None:
            remedy = Remedy(
                sql=(ddl.vacuum_analyze(table),), undo=(), transactional=False,
                lock=ddl.SHARE_UPDATE_EXCLUSIVE,
                caution="reads the table; for good, lower autovacuum_vacuum_insert_scale_factor"
                " and autovacuum_vacuum_scale_factor of the table (Autovacuum tab)",
            )  # fmt: skip
        yield context.insight(
            "heap_fetch", node, "HEAP",
            f"{units.count(fetched)} heap fetches in an index-only scan",
            f"{context.label(node)} returned {units.count(rows)} rows and looked"
            f" {units.count(fetched)} up in the table: its visibility map is behind.",
            score=context.share(node), remedy=remedy, no_remedy="what is scanned is no table",
            evidence={"heap_fetches": fetched},
        )  # fmt: skip


def recheck(context: Context) -> Iterator[Insight]:
    """RECHECK: the index finds candidates that are none."""
    for node in context.ran():
        if "Rows Removed by Index Recheck" not in node.raw:
            continue
        gone = context.removed(node, "Index Recheck")
        kept = context.returned(node) + context.removed(node)
        if gone < limit.RECHECK_ROWS or gone < limit.RECHECK_SHARE * (gone + kept):
            continue
        yield context.insight(
            "recheck", node, "RECHECK",
            f"{units.count(gone)} candidates of the index were none",
            f"{context.label(node)} checked {units.count(gone + kept)} candidates again and dropped"
            f" {units.count(gone)}.",
            score=context.share(node),
            no_remedy="lossy bitmap pages (more work_mem), a trigram pattern too short, or a"
            " BRIN index on a column that the table is not in the order of",
        )  # fmt: skip


def read_eff(context: Context) -> Iterator[Insight]:
    """READ_EFF: many pages for each row."""
    for node in context.ran():
        if node.node_type not in INDEX_SCANS:
            continue
        touched = context.own_blocks(node)
        rows = context.returned(node) + context.removed(node)
        if (
            touched < limit.READ_BLOCKS
            or touched <= limit.READ_PER_ROW * max(rows, context.loops(node))
            or context.share(node) < limit.READ_SHARE
        ):
            continue
        yield context.insight(
            "read_eff", node, "BLOAT",
            f"{touched / max(rows, 1):,.0f} pages for each row",
            f"{context.label(node)} touched {units.count(touched)} pages"
            f" ({units.size(touched * BLOCK)}) for {units.count(rows)} rows: dead entries, a"
            f" bloated"
            " index, or rows scattered over the table.",
            score=context.share(node),
            no_remedy="first look at the index's bloat (Indexes tab) and the table's dead rows"
            " (Autovacuum tab): REINDEX INDEX CONCURRENTLY, VACUUM, or an index that covers"
            " the query",
        )  # fmt: skip


def seq_bloat(context: Context) -> Iterator[Insight]:
    """SEQ_BLOAT: many more pages than the rows need."""
    for node in context.ran():
        if node.node_type != "Seq Scan":
            continue
        touched = context.own_blocks(node)
        loops = context.loops(node) / context.processes(node)
        rows = (context.returned(node) + context.removed(node)) / max(loops, 1)
        width = (node.figure("Plan Width") or 0.0) + limit.ROW_HEADER
        table = context.table(node)
        if (
            node.node_type != "Seq Scan"
            or touched / max(loops, 1) < limit.READ_BLOCKS
            or table is None
        ):
            continue  # Plan Width has only the columns asked for: the catalogue knows all
        width = max(width, table.bytes / max(table.rows or 1.0, 1.0) if table.rows else width)
        pages = touched / max(loops, 1)
        if pages * BLOCK <= limit.BLOATED_TABLE * max(rows, 1) * width:
            continue
        yield context.insight(
            "seq_bloat", node, "BLOAT",
            f"{node.relation} reads {units.size(pages * BLOCK)} for {units.count(rows)} rows",
            f"{context.label(node)} reads {pages * BLOCK / max(rows, 1):,.0f} bytes a row"
            f" where rows"
            f" of {width:,.0f} bytes are expected: the table is bloated.",
            score=context.share(node),
            no_remedy="see the table's bloat on the Indexes tab (T) and what holds vacuum up on"
            " the Autovacuum tab",
        )  # fmt: skip


def part_not_pruned(context: Context) -> Iterator[Insight]:
    """PART_NOT_PRUNED: partitions are read that have nothing to give."""
    for node in context.ran():
        if node.node_type not in ("Append", "Merge Append"):
            continue
        members = [c for c in context.plan.children(node) if c.relationship == "Member"]
        ran = [c for c in members if c.loops]
        empty = [c for c in ran if not context.returned(c)]
        tables = {c.relation for c in members}
        if len(ran) < limit.PARTITIONS or len(empty) < limit.PARTITIONS_EMPTY * len(ran):
            continue
        if None in tables or len(tables) < len(members):
            continue
        first = members[0]
        facts = context.table(first)
        if facts is not None and facts.partition_of is None:
            continue
        if facts is None and not _named_alike([c.relation or "" for c in members]):
            continue
        key = f" {OFFLINE}the partition key."
        if facts is not None and facts.partition_key:
            key = f" It is partitioned by {facts.partition_key}."
        yield context.insight(
            "part_not_pruned", node, "PRUNE",
            f"{len(empty)} of {len(ran)} partitions gave no row",
            f"{context.label(node)} read {len(ran)} partitions, {len(empty)} of them for"
            f" nothing.{key}",
            score=context.wall_share(node),
            no_remedy="name the partition key in the WHERE, bare: a function or cast on it keeps"
            " the planner from pruning",
        )  # fmt: skip


def _named_alike(names: list[str]) -> bool:
    """Offline, partitions are told from UNION ALL by a common beginning of their names."""
    shortest = min(names, key=len, default="")
    prefix = 0
    while prefix < len(shortest) and len({name[prefix] for name in names}) == 1:
        prefix += 1
    return prefix >= 3


def cte_mat(context: Context) -> Iterator[Insight]:
    """CTE_MAT: a WITH is computed whole and then filtered."""
    for node in context.ran():
        if node.node_type != "CTE Scan":
            continue
        gone = context.removed(node)
        if gone < limit.CTE_ROWS or context.dropped(node) < limit.CTE_DROPPED:
            continue
        name = node.raw.get("CTE Name")
        yield context.insight(
            "cte_mat", node, "CTE",
            f"WITH {name} is computed whole, then {units.percent(context.dropped(node))} is"
            f" dropped",
            f"{context.label(node)} drops {units.count(gone)} rows by {node.text('Filter')}, which"
            " the WITH could have left out.",
            score=context.wall_share(node),
            no_remedy=f"WITH {name} AS NOT MATERIALIZED (…) lets the condition inside",
        )  # fmt: skip


def memoize(context: Context) -> Iterator[Insight]:
    """MEMOIZE_EVICT and MEMOIZE_MISS: a cache that is too small, or of no use."""
    for node in context.ran():
        if node.node_type != "Memoize":
            continue
        parts = [node.raw, *node.workers]
        total = {
            key: sum(float(part.get(f"Cache {key}") or 0) for part in parts
                     if isinstance(part.get(f"Cache {key}"), (int, float)))
            for key in ("Hits", "Misses", "Evictions")
        }  # fmt: skip
        hits, misses, evicted = total["Hits"], total["Misses"], total["Evictions"]
        if misses < limit.MEMOIZE_MISSES:
            continue
        if evicted >= limit.MEMOIZE_EVICTED * misses:
            yield context.insight(
                "memoize_evict", node, "CACHE",
                f"Memoize forgot {units.count(evicted)} entries",
                f"{context.label(node)} missed {units.count(misses)} times and evicted"
                f" {units.count(evicted)}: its cache (work_mem × hash_mem_multiplier) is too"
                f" small.",
                score=context.wall_share(node), no_remedy="more work_mem for this statement",
            )  # fmt: skip
        elif hits < misses:
            yield context.insight(
                "memoize_miss", node, "CACHE",
                f"Memoize missed {units.count(misses)} of {units.count(hits + misses)} times",
                f"{context.label(node)} keeps what is not asked again: the planner thinks that"
                f" {node.text('Cache Key')} has few distinct values.",
                score=context.share(node),
                no_remedy="ANALYZE, or ALTER TABLE … ALTER COLUMN … SET (n_distinct = …)",
            )  # fmt: skip


def count_full(context: Context) -> Iterator[Insight]:
    """COUNT_FULL: count(*) over a whole table."""
    root = context.plan.root
    top = next(
        (
            n
            for n in context.plan.nodes
            if n.node_type not in ("Gather", "Gather Merge", "Limit", "Result")
        ),
        root,
    )
    if top.node_type != "Aggregate" or top.text("Strategy") != "Plain" or not top.loops:
        return
    leaves = [n for n in context.plan.below(top) if not n.children]
    if len(leaves) != 1 or leaves[0].node_type not in SCANS | INDEX_SCANS:
        return
    node = leaves[0]
    if "Filter" in node.raw or "Index Cond" in node.raw:
        return
    rows = context.returned(node)
    if rows < limit.COUNT_ROWS:
        return
    yield context.insight(
        "count_full", node, "COUNT",
        f"All {units.count(rows)} rows of {node.relation} are read for one figure",
        f"{context.label(node)} has no condition: an exact count(*) or sum reads everything,"
        f" {context.timing(node)}.",
        score=context.share(node),
        no_remedy="pg_class.reltuples is an estimate for free; a counter in a trigger is exact;"
        " an index-only scan on a vacuumed table reads less",
    )  # fmt: skip


def fdw_local_filter(context: Context) -> Iterator[Insight]:
    """FDW_LOCAL_FILTER: rows come over the network to be dropped here."""
    for node in context.ran():
        if node.node_type != "Foreign Scan" or node.text("Operation") not in (None, "Select"):
            continue
        gone, count = context.removed(node), context.loops(node)
        remote = node.text("Remote SQL") or ""
        whole = bool(remote) and " WHERE " not in remote and "Filter" in node.raw
        if gone < limit.FOREIGN_DROPPED and not whole and count <= limit.FOREIGN_LOOPS:
            continue
        what = (
            f"asked {units.count(count)} times"
            if gone < limit.FOREIGN_DROPPED and not whole
            else f"{units.count(gone)} rows fetched and dropped"
        )
        yield context.insight(
            "fdw_local_filter", node, "REMOTE",
            f"{node.relation} on another server: {what}",
            f"{context.label(node)}: {what} by {node.text('Filter') or 'a join'};"
            f" {context.timing(node)}.",
            score=context.wall_share(node),
            no_remedy="the condition is not shipped: a function of an extension that the"
            " server option `extensions` does not name, another collation, a volatile function;"
            " use_remote_estimate makes the planner ask",
        )  # fmt: skip


RULES = (
    heap_fetch, recheck, read_eff, seq_bloat, part_not_pruned, cte_mat, memoize, count_full,
    fdw_local_filter,
)  # fmt: skip
