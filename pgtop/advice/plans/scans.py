"""Scans that read far more than they return, and the index that would not."""

from __future__ import annotations

from collections.abc import Iterator

from pgtop.advice.plans.context import INDEX_SCANS, SCANS, Context
from pgtop.advice.plans.filters import special_remedy
from pgtop.advice.plans.remedies import Proposal, index_for, sort_keys
from pgtop.advice.thresholds import plans as limit
from pgtop.analysis import units
from pgtop.analysis.plan.conditions import Condition
from pgtop.model.insight import Insight
from pgtop.model.plan import GATHERS, PlanNode

FILTERED_BY_INDEX = INDEX_SCANS | {"Bitmap Heap Scan"}

_PASS_THROUGH = frozenset({"Gather", "Gather Merge", "Subquery Scan", "LockRows", "Result"})


def seq_filter(context: Context) -> Iterator[Insight]:
    """SEQ_FILTER: a table is read whole to keep a few of its rows."""
    for node in context.ran():
        if node.node_type not in SCANS:
            continue
        gone = context.removed(node)
        share = context.share(node)
        if (
            gone < limit.READ_FOR_NOTHING
            or context.dropped(node) < limit.SEQ_DROPPED
            or share < limit.SEQ_SHARE
        ):
            continue
        kept = context.returned(node)
        special = special_remedy(context, node)
        proposal = special or index_for(
            context, node, context.about(node), sort=wanted_order(context, node)
        )
        if special is not None and special.remedy is not None:
            proposal = Proposal(None, "its remedy stands with the finding on its condition")
        yield context.insight(
            "seq_filter", node, "SEQ",
            f"{node.relation} is read whole: {units.count(kept + gone)} rows for"
            f" {units.count(kept)}",
            f"{context.label(node)} reads {units.count(kept + gone)} rows and drops"
            f" {units.percent(context.dropped(node))} of them by {node.text('Filter')};"
            f" {context.timing(node)}. {proposal.said}".rstrip(),
            score=share, remedy=proposal.remedy, no_remedy=proposal.no_remedy,
            evidence={"rows_removed": gone, "rows_returned": kept, "share_fraction": share},
        )  # fmt: skip


def wanted_order(context: Context, node: PlanNode) -> tuple[str, ...]:
    """The sort order wanted right above a scan under a LIMIT, as columns of its table."""
    above = context.plan.parent(node)
    while above is not None and above.node_type in _PASS_THROUGH:
        above = context.plan.parent(above)
    if above is None or above.node_type not in ("Sort", "Incremental Sort"):
        return ()
    top = context.plan.parent(above)
    while top is not None and top.node_type in _PASS_THROUGH:
        top = context.plan.parent(top)
    if top is None or top.node_type != "Limit":
        return ()
    return sort_keys(context, node, above.texts("Sort Key")) or ()


def index_columns(context: Context, node: PlanNode) -> tuple[Condition, ...]:
    """Conditions that the node's index already serves; below a Bitmap Heap Scan the index's."""
    if node.node_type == "Bitmap Heap Scan":
        return context.filter(node, "Recheck Cond")
    return context.filter(node, "Index Cond")


def idx_filter(context: Context) -> Iterator[Insight]:
    """IDX_FILTER: an index finds rows that the filter then drops."""
    for node in context.ran():
        if node.node_type not in FILTERED_BY_INDEX:
            continue
        gone, share = context.removed(node), context.share(node)
        if (
            gone < limit.IDX_DROPPED_ROWS
            or context.dropped(node) < limit.IDX_DROPPED
            or share < limit.IDX_SHARE
            or _walks_whole_index(context, node)
        ):
            continue
        kept = context.returned(node)
        special = special_remedy(context, node)
        served = tuple(
            c for c in index_columns(context, node) if c.kind in ("equal", "in", "range")
        )
        own = tuple(c for c in context.about(node) if c.kind in ("equal", "boolean", "null", "in"))
        if special is not None:
            proposal = Proposal(None, "its remedy stands with the finding on its condition")
        elif own:
            proposal = index_for(context, node, (*served, *own))
        else:
            proposal = index_for(context, node, (*served, *context.about(node)))
        yield context.insight(
            "idx_filter", node, "FILTER",
            f"The index on {node.relation} finds {units.count(kept + gone)} rows,"
            f" the filter keeps {units.count(kept)}",
            f"{context.label(node)} fetches {units.count(kept + gone)} rows by its index and drops"
            f" {units.percent(context.dropped(node))} of them by {node.text('Filter')};"
            f" {context.timing(node)}. {proposal.said}".rstrip(),
            score=share, remedy=proposal.remedy, no_remedy=proposal.no_remedy,
            evidence={"rows_removed": gone, "rows_returned": kept, "share_fraction": share},
        )  # fmt: skip


def _walks_whole_index(context: Context, node: PlanNode) -> bool:
    return (
        node.node_type in INDEX_SCANS
        and "Index Cond" not in node.raw
        and context.removed(node) >= limit.READ_FOR_NOTHING
        and context.dropped(node) >= limit.SEQ_DROPPED
    )


def idx_fullscan(context: Context) -> Iterator[Insight]:
    """IDX_FULLSCAN: a whole index is walked as if it were a narrow table."""
    for node in context.ran():
        if not _walks_whole_index(context, node) or _limited(context, node) is not None:
            continue
        kept, gone = context.returned(node), context.removed(node)
        proposal = index_for(context, node, context.about(node))
        yield context.insight(
            "idx_fullscan", node, "SEQ",
            f"The whole index {node.text('Index Name')} is walked",
            f"{context.label(node)} has no Index Cond: it walks {units.count(kept + gone)} entries"
            f" and keeps {units.count(kept)}; {context.timing(node)}. {proposal.said}".rstrip(),
            score=context.share(node), remedy=proposal.remedy, no_remedy=proposal.no_remedy,
        )  # fmt: skip


def _limited(context: Context, node: PlanNode) -> PlanNode | None:
    """The LIMIT right above a node, rows passing through unchanged."""
    above = context.plan.parent(node)
    while above is not None and above.node_type in _PASS_THROUGH:
        above = context.plan.parent(above)
    return above if above is not None and above.node_type == "Limit" else None


def limit_sort(context: Context) -> Iterator[Insight]:
    """LIMIT_SORT: many rows are sorted to return a few."""
    for node in context.ran():
        if node.node_type not in ("Sort", "Incremental Sort"):
            continue
        top = _limited(context, node)
        below = next((c for c in context.plan.children(node) if not c.is_init_plan), None)
        if top is None or below is None:
            continue
        asked, sorted_rows = context.returned(top), context.returned(below)
        if sorted_rows < limit.READ_FOR_NOTHING or sorted_rows < limit.LIMIT_FACTOR * max(asked, 1):
            continue
        scan = below
        while scan.node_type in _PASS_THROUGH and scan.children:
            scan = context.plan.nodes[scan.children[0]]
        keys = node.texts("Sort Key")
        proposal = Proposal(None, "the rows are not read from one table in this order")
        if scan.relation and scan.node_type in SCANS | INDEX_SCANS | {"Bitmap Heap Scan"}:
            wanted = sort_keys(context, scan, keys)
            served = (*index_columns(context, scan), *context.about(scan))
            equal = tuple(c for c in served if c.kind in ("equal", "boolean"))
            if wanted is None:
                proposal = Proposal(
                    None, f"{', '.join(keys)} is no list of the table's own columns"
                )
            else:
                proposal = index_for(context, scan, equal, sort=wanted)
        share = max(context.share(node), min(context.wall_share(node), 1.0))
        yield context.insight(
            "limit_sort", node, "LIMIT",
            f"{units.count(sorted_rows)} rows are sorted to return {units.count(asked)}",
            f"{context.label(top)} wants {units.count(asked)} rows by {', '.join(keys)}; below it"
            f" {units.count(sorted_rows)} are read and sorted. An index in this order is read from"
            f" its end. {proposal.said}".rstrip(),
            score=share, remedy=proposal.remedy, no_remedy=proposal.no_remedy,
        )  # fmt: skip


def limit_filter_walk(context: Context) -> Iterator[Insight]:
    """LIMIT_FILTER_WALK: an index in ORDER BY's order is walked until the filter lets enough by."""
    for node in context.ran():
        if node.node_type not in INDEX_SCANS:
            continue
        gone, kept = context.removed(node), context.returned(node)
        if (
            _limited(context, node) is None
            or gone < limit.READ_FOR_NOTHING
            or gone < limit.LIMIT_FACTOR * max(kept, 1)
        ):
            continue
        facts = context.table(node)
        index = next(
            (i for i in facts.indexes if i.name == node.text("Index Name")), None
        ) if facts else None  # fmt: skip
        lead = tuple(c for c in context.about(node) if c.kind in ("equal", "boolean", "in"))
        order = tuple(key for key in index.keys if key) if index else ()
        proposal: Proposal
        if not lead:
            proposal = Proposal(None, "its filter compares no column by equality")
        elif not order:
            proposal = Proposal(
                None,
                "an index on the filter's columns, then the ORDER BY column: which column the"
                f" index {node.text('Index Name')} is on was not looked up",
            )
        else:
            proposal = index_for(context, node, lead, sort=order)
        yield context.insight(
            "limit_filter_walk", node, "LIMIT",
            f"{units.count(gone)} rows are walked in order to find {units.count(kept)}",
            f"{context.label(node)} follows ORDER BY and drops {units.count(gone)} rows by"
            f" {node.text('Filter')} before LIMIT is met: the planner bet that matches are spread"
            f" evenly. {proposal.said}".rstrip(),
            score=context.share(node), remedy=proposal.remedy, no_remedy=proposal.no_remedy,
        )  # fmt: skip


def limit_offset(context: Context) -> Iterator[Insight]:
    """LIMIT_OFFSET: rows are produced to be skipped."""
    for node in context.ran():
        if node.node_type != "Limit" or not node.children:
            continue
        below = next((c for c in context.plan.children(node) if not c.is_init_plan), None)
        if below is None:
            continue
        made, returned = context.returned(below), context.returned(node)
        if made < limit.READ_FOR_NOTHING or made < limit.OFFSET_FACTOR * max(returned, 1):
            continue
        if below.node_type in GATHERS and made < limit.READ_FOR_NOTHING + returned:
            continue
        yield context.insight(
            "limit_offset", node, "OFFSET",
            f"{units.count(made - returned)} rows are made and skipped",
            f"OFFSET makes {units.count(made)} rows to return {units.count(returned)}: each page"
            " costs as much as all pages before it.",
            score=context.wall_share(node),
            no_remedy="keyset pagination: WHERE (sort columns) > (last row's values) ORDER BY …"
            " LIMIT n, with an index in that order",
        )  # fmt: skip


RULES = (seq_filter, idx_filter, idx_fullscan, limit_sort, limit_filter_walk, limit_offset)
