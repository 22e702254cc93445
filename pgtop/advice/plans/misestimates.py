"""Where the planner's row estimates went wrong first, and the statistics that would help."""

from __future__ import annotations

from collections.abc import Iterator

from pgtop.advice import ddl
from pgtop.advice.plans.context import INDEX_SCANS, OFFLINE, SCANS, Context
from pgtop.advice.plans.remedies import Proposal, column_sql, own_sql, table_sql
from pgtop.advice.thresholds import plans as limit
from pgtop.analysis import names, units
from pgtop.analysis.plan.conditions import Condition, columns
from pgtop.model.finding import Remedy
from pgtop.model.insight import Insight
from pgtop.model.plan import Plan, PlanNode

_TABLE_SCANS = SCANS | INDEX_SCANS | {"Bitmap Heap Scan", "Tid Range Scan"}


def _wrong(context: Context, node: PlanNode) -> bool:
    estimate = context.estimates[node.number]
    if estimate.factor is None or estimate.planned is None or estimate.actual is None:
        return False
    off = max(estimate.factor, 1 / estimate.factor)
    volume = max(estimate.planned, estimate.actual)
    return off >= limit.MISESTIMATE and volume >= limit.MISESTIMATE_ROWS


def misest(context: Context) -> Iterator[Insight]:
    """MISEST: the deepest node whose rows are ten times off."""
    wrong = [_wrong(context, node) for node in context.plan.nodes]
    below = [False] * len(wrong)
    for node in reversed(context.plan.nodes):
        if node.parent is not None and (wrong[node.number] or below[node.number]):
            below[node.parent] = True
    for node in context.ran():
        if not wrong[node.number] or below[node.number]:
            continue
        estimate = context.estimates[node.number]
        planned, actual = estimate.planned or 0.0, estimate.actual or 0.0
        factor = estimate.factor or 1.0
        off = max(factor, 1 / factor)
        few = "fewer" if factor > 1 else "more"
        proposal = _statistics(context, node)
        share = _consequence(context, node)
        yield context.insight(
            "misest", node, "EST",
            f"Estimated {units.count(planned)} rows, got {units.count(actual)}: {off:,.0f}× off",
            f"The planner expected {few} rows of {context.label(node)}: {units.count(planned)}"
            f" against {units.count(actual)}. What is above was chosen for that number."
            f" {proposal.said}".rstrip(),
            score=share, remedy=proposal.remedy, no_remedy=proposal.no_remedy,
            severity="critical"
            if off >= limit.MISESTIMATE_CRITICAL and share >= limit.CRITICAL_SHARE
            else "warning" if share >= limit.WARNING_SHARE else "notice",
            evidence={"rows_planned": planned, "rows_actual": actual, "factor": off},
        )  # fmt: skip


def _consequence(context: Context, node: PlanNode) -> float:
    """The share of the joins above it: they were chosen by the estimate."""
    current: PlanNode | None = node
    share = context.share(node)
    while current is not None:
        if "Join Type" in current.raw:
            share = max(share, context.wall_share(current))
        current = context.plan.parent(current)
    return share


def _statistics(context: Context, node: PlanNode) -> Proposal:
    if node.node_type == "Function Scan":
        name = node.text("Function Name") or "the function"
        return Proposal(
            None, f"ALTER FUNCTION {name} … ROWS n tells the planner how many rows it returns"
        )
    if node.node_type == "Foreign Scan":
        return Proposal(
            None, "ANALYZE the foreign table, or its server's option use_remote_estimate"
        )
    table = table_sql(context, node)
    if node.node_type not in _TABLE_SCANS or table is None:
        root = _unanalyzed_root(context, node)
        if root is not None:
            return Proposal(
                ddl.analyzed(root),
                said=f"{root} has no statistics of its own, by which groups and joins over its"
                " partitions are estimated: autovacuum analyses partitions, never the whole.",
            )
        return Proposal(
            None, "it comes from a join, a grouping or a function: correlated columns of"
            " several tables have no statistics; splitting the statement gives it real ones",
        )  # fmt: skip
    facts = context.table(node)
    found = (
        *context.filter(node, "Index Cond"),
        *context.filter(node, "Recheck Cond"),
        *context.about(node),
    )
    stale = facts is None or facts.analyzed_s is None or _modified(facts.modified, facts.rows)
    if facts is not None and stale:
        changed = (
            f"{units.count(facts.modified)} rows changed since" if facts.modified else "changed"
        )
        since = f"{units.seconds(facts.analyzed_s)} ago" if facts.analyzed_s else "never"
        return Proposal(ddl.analyzed(table), said=f"Last analysed {since}, {changed}.")
    return _finer(context, node, table, found, offline=facts is None)


def _unanalyzed_root(context: Context, node: PlanNode) -> str | None:
    """The partitioned table whose partitions are read below, if nobody ever analysed it."""
    for below in context.plan.below(node):
        facts = context.table(below) if below.relation else None
        if facts is not None and facts.root_analyzed is False:
            return facts.partition_of
    return None


def _modified(modified: float | None, rows: float | None) -> bool:
    return bool(modified and modified > limit.STALE_FRACTION * max(rows or 0.0, 1.0))


def _finer(
    context: Context, node: PlanNode, table: str, found: tuple[Condition, ...], *, offline: bool
) -> Proposal:
    """Better statistics for fresh ones that are too coarse."""
    said = OFFLINE + "when the table was last analysed; ANALYZE comes first." if offline else ""
    plain = tuple(
        dict.fromkeys(
            c.column for c in found if c.column and not c.expression and c.kind != "subplan"
        )
    )
    expressions = [c for c in found if c.expression]
    if offline or not (plain or expressions):
        return Proposal(ddl.analyzed(table), said=said)
    if expressions and context.facts is not None and context.facts.version_num >= 140_000:
        expression = own_sql(expressions[0].expression or "", expressions[0], node)
        return Proposal(
            _extended(node, table, f"({expression})", (columns(found) or ("expr",))[:1], "")
        )
    if len(plain) >= 2:
        listed = ", ".join(column_sql(context, node, column) for column in plain[:8])
        return Proposal(_extended(node, table, listed, plain, "dependencies, ndistinct, mcv"))
    if not plain:
        return Proposal(ddl.analyzed(table))
    column = column_sql(context, node, plain[0])
    target = limit.STATISTICS_TARGET
    return Proposal(
        Remedy(
            sql=(ddl.set_statistics(table, column, target), ddl.analyze(table)),
            undo=(ddl.set_statistics(table, column, -1), ddl.analyze(table)),
            transactional=True,
            lock=ddl.SHARE_UPDATE_EXCLUSIVE,
        ),
        said=f"A longer list of common values and histogram for {plain[0]}.",
    )


def _extended(node: PlanNode, table: str, what: str, words: tuple[str, ...], kinds: str) -> Remedy:
    relation = node.relation or "table"
    schema = table.rpartition(".")[0]
    name = names.quote(names.index_name(relation, tuple(words), "stat"))
    full = f"{schema}.{name}" if schema else name
    create = ddl.create_statistics(full, kinds, what, table)
    # With the default target half of 200 equally common pairs are not in the MCV list, and
    # a pair that is not is estimated as if the columns were independent (13..18).
    target = (ddl.alter_statistics(full, limit.STATISTICS_TARGET),) if "mcv" in kinds else ()
    return Remedy(
        sql=(create.replace(" ()", ""), *target, ddl.analyze(table)),
        undo=(ddl.drop_statistics(full),),
        transactional=True,
        lock=ddl.SHARE_UPDATE_EXCLUSIVE,
    )


def nl_misest(context: Context) -> Iterator[Insight]:
    """NL_MISEST: a nested loop chosen for a few rows got many."""
    for node in context.ran():
        if node.node_type != "Nested Loop":
            continue
        outer = _side(context.plan, node, "Outer")
        inner = _side(context.plan, node, "Inner")
        if outer is None or inner is None:
            continue
        estimate = context.estimates[outer.number]
        if (
            estimate.factor is None
            or estimate.factor < limit.MISESTIMATE
            or context.wall_share(inner) < limit.NL_MISEST_SHARE
        ):
            continue
        yield context.insight(
            "nl_misest", node, "EST",
            f"A nested loop for {units.count(estimate.planned)} rows got"
            f" {units.count(estimate.actual)}",
            f"{context.label(node)} was chosen as {context.label(outer)} should give"
            f" {units.count(estimate.planned)} rows; it gave {units.count(estimate.actual)},"
            f" and the"
            f" inner side ran for each: {context.timing(inner)}.",
            score=context.wall_share(inner),
            no_remedy="the estimate first: see the finding where it goes wrong",
        )  # fmt: skip


def _side(plan: Plan, node: PlanNode, relationship: str) -> PlanNode | None:
    return next((c for c in plan.children(node) if c.relationship == relationship), None)


RULES = (misest, nl_misest)
