"""What a rule about plans may look at: the plan, its arithmetic, and the catalogue if there"
" is one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pgtop.advice.thresholds import plans as limit
from pgtop.analysis import units
from pgtop.analysis.plan.conditions import Condition, conditions
from pgtop.analysis.plan.estimates import Estimate, estimates
from pgtop.analysis.plan.times import Metrics, blocks, measure
from pgtop.model.finding import Remedy, Severity
from pgtop.model.insight import Insight, PlanFacts, TableFacts
from pgtop.model.plan import GATHERS, Plan, PlanNode

SCANS = frozenset({"Seq Scan", "Sample Scan"})
INDEX_SCANS = frozenset({"Index Scan", "Index Only Scan"})
OFFLINE = "Not looked up, as there is no connection: "


@dataclass(frozen=True, slots=True)
class Context:
    """One plan under judgement."""

    plan: Plan
    metrics: Metrics
    estimates: tuple[Estimate, ...]
    facts: PlanFacts | None = None
    total_blocks: float = field(default=0.0)
    executed: tuple[PlanNode, ...] = ()

    @classmethod
    def of(cls, plan: Plan, facts: PlanFacts | None = None) -> Context:
        """With the arithmetic done."""
        metrics = measure(plan)
        total = sum(blocks(node.own) for node in metrics.nodes)
        executed = tuple(node for node in plan.nodes if node.loops and node.loops > 0)
        return cls(plan, metrics, estimates(plan), facts, total, executed)

    # -- figures of a node ---------------------------------------------------------------

    def ran(self) -> tuple[PlanNode, ...]:
        """Nodes that were executed."""
        return self.executed

    def share(self, node: PlanNode) -> float:
        """The node's own share of the run, by time, else by blocks; 1 where neither is known."""
        own = self.metrics.nodes[node.number]
        if own.self_ms is not None and self.metrics.base_ms:
            return min(1.0, own.self_ms / self.metrics.base_ms)
        return blocks(own.own) / self.total_blocks if self.total_blocks else 1.0

    def wall_share(self, node: PlanNode) -> float:
        """Its share with everything below it."""
        own = self.metrics.nodes[node.number]
        if own.wall_ms is not None and self.metrics.base_ms:
            return min(1.0, own.wall_ms / self.metrics.base_ms)
        if not self.total_blocks:
            return 1.0
        inside = range(node.number, node.end)
        return sum(blocks(self.metrics.nodes[n].own) for n in inside) / self.total_blocks

    def loops(self, node: PlanNode) -> float:
        """Executions over all processes."""
        return node.loops or 0.0

    def returned(self, node: PlanNode) -> float:
        """Rows over all loops."""
        return (node.figure("Actual Rows") or 0.0) * self.loops(node)

    def removed(self, node: PlanNode, by: str = "Filter") -> float:
        """Rows that a condition dropped, over all loops."""
        key = f"Rows Removed by {by}"
        if key not in node.raw:
            return 0.0
        return (node.figure(key) or 0.0) * self.loops(node)

    def dropped(self, node: PlanNode) -> float:
        """The share of the rows read that the filter dropped."""
        gone = self.removed(node)
        read = gone + self.returned(node)
        return gone / read if read else 0.0

    def processes(self, node: PlanNode) -> float:
        """Over how many processes its loops are summed."""
        return self.metrics.nodes[node.number].processes

    def own(self, node: PlanNode, key: str) -> float:
        """A counter without what is below."""
        return self.metrics.nodes[node.number].own.get(key, 0.0)

    def own_blocks(self, node: PlanNode) -> float:
        """Shared blocks touched by the node itself."""
        return self.own(node, "Shared Hit Blocks") + self.own(node, "Shared Read Blocks")

    # -- names ---------------------------------------------------------------------------

    def table(self, node: PlanNode) -> TableFacts | None:
        """The catalogue's word on the node's table."""
        return self.facts.table(node.text("Schema"), node.relation) if self.facts else None

    def label(self, node: PlanNode) -> str:
        """`Seq Scan on orders o`."""
        return label(node)

    def filter(self, node: PlanNode, key: str = "Filter") -> tuple[Condition, ...]:
        """A condition of the node, taken apart."""
        text = node.text(key)
        return conditions(text) if text else ()

    def about(self, node: PlanNode) -> tuple[Condition, ...]:
        """The filter's conditions on the node's own columns, a join's other side excluded."""
        alias = node.text("Alias")
        return tuple(
            condition
            for condition in self.filter(node)
            if condition.alias in (None, alias, node.relation)
        )

    # -- findings ------------------------------------------------------------------------

    def timing(self, node: PlanNode) -> str:
        """`0.050 ms × 20,000 loops ÷ 3 processes = 333 ms ±10 ms`."""
        own = self.metrics.nodes[node.number]
        per_loop, loops = node.figure("Actual Total Time"), self.loops(node)
        if per_loop is None or own.wall_ms is None:
            return f"{loops:,.0f} loops"
        if loops == 1:
            return units.ms(own.wall_ms)
        text = f"{per_loop:.3f} ms × {loops:,.0f} loops"
        if own.processes > 1.01:
            text += f" ÷ {own.processes:.3g} processes"
        return f"{text} = {units.ms(own.wall_ms)}{self.uncertainty(node)}"

    def uncertainty(self, node: PlanNode) -> str:
        """` ±10 ms` where rounding per loop can be off by more than a tenth, else nothing."""
        own = self.metrics.nodes[node.number]
        if own.wall_ms and own.uncertain_ms and own.uncertain_ms > 0.1 * own.wall_ms:
            return f" ±{units.ms(own.uncertain_ms)}"
        return ""

    def insight(
        self,
        rule: str,
        node: PlanNode,
        badge: str,
        title: str,
        why: str,
        *,
        score: float,
        remedy: Remedy | None = None,
        no_remedy: str | None = None,
        severity: Severity | None = None,
        evidence: Mapping[str, float | int | str | bool | None] | None = None,
    ) -> Insight:
        """One finding at a node; severity follows the share it explains."""
        return Insight(
            rule=f"plan.{rule}",
            number=node.number,
            path=self.plan.path(node),
            badge=badge,
            severity=severity or severity_of(score),
            score=score,
            title=title,
            why=why,
            evidence=evidence or {},
            remedy=remedy,
            no_remedy=no_remedy if remedy is None else None,
        )


def severity_of(score: float) -> Severity:
    """By the share of the run that a finding explains."""
    if score >= limit.CRITICAL_SHARE:
        return "critical"
    return "warning" if score >= limit.WARNING_SHARE else "notice"


def label(node: PlanNode) -> str:
    """`Parallel Seq Scan on orders o`, as TEXT would print it but for the costs."""
    kind = node.node_type
    name = node.text("Index Name")
    if kind == "ModifyTable":
        kind = node.text("Operation") or kind
    elif kind == "Aggregate":
        strategy = {"Sorted": "Group", "Hashed": "Hash", "Mixed": "Mixed"}
        mode = node.text("Partial Mode")
        prefix = f"{mode} " if mode in ("Partial", "Finalize") else ""
        kind = prefix + strategy.get(node.text("Strategy") or "", "") + "Aggregate"
    elif node.text("Join Type") not in (None, "Inner"):
        kind = f"{kind.removesuffix(' Join')} {node.text('Join Type')} Join"
    if node.text("Scan Direction") == "Backward":
        kind += " Backward"
    if node.raw.get("Parallel Aware"):
        kind = "Parallel " + kind
    target = node.relation or next(
        (
            node.text(key)
            for key in ("Function Name", "Table Function Name", "CTE Name", "Tuplestore Name")
            if node.text(key)
        ),
        None,
    )
    alias = node.text("Alias")
    words = [kind]
    if name:
        words.append(f"using {name}")
    if target:
        words.append(f"on {target}")
    if alias and alias != target:
        words.append(alias if target else f"on {alias}")
    return " ".join(words)


def under_gather(plan: Plan, node: PlanNode) -> PlanNode | None:
    """The Gather above a node, if there is one."""
    current = plan.parent(node)
    while current is not None:
        if current.node_type in GATHERS:
            return current
        current = plan.parent(current)
    return None
