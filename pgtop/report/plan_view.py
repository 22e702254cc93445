"""One plan made ready to be shown: what each cell of its tree says, and the lines around it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from pgtop.advice.plans import judge
from pgtop.advice.plans.context import Context, label
from pgtop.advice.plans.whole import inflated
from pgtop.analysis import units
from pgtop.analysis.plan.times import blocks
from pgtop.model.finding import Finding
from pgtop.model.insight import Insight, PlanFacts
from pgtop.model.plan import GATHERS, Plan, PlanNode

PlanMetric = Literal["time", "rows", "estimate", "buffers", "io", "cost", "wal"]

BLOCK = 8192

DEEPEST = 24
"""Levels drawn by lines; what hangs deeper says how deep instead."""

CLOSE = 2.0
"""An estimate less than this many times off is `ok`."""

_IO = (
    "I/O Read Time", "I/O Write Time", "Shared I/O Read Time", "Shared I/O Write Time",
    "Local I/O Read Time", "Local I/O Write Time", "Temp I/O Read Time", "Temp I/O Write Time",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class PlanView:
    """A plan, its arithmetic and its findings."""

    context: Context
    insights: tuple[Insight, ...]
    by_node: Mapping[int, tuple[Insight, ...]]
    _totals: dict[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, plan: Plan, facts: PlanFacts | None = None) -> PlanView:
        """With everything worked out."""
        context = Context.of(plan, facts)
        found = judge(context)
        by_node: dict[int, list[Insight]] = {}
        for insight in found:
            by_node.setdefault(insight.number, []).append(insight)
        return cls(context, found, {number: tuple(each) for number, each in by_node.items()})

    def with_index(self, table: str, advised: Finding) -> PlanView:
        """The same where each index on `table` is the one that was advised, with the reason."""
        insights = tuple(
            replace(
                each,
                remedy=advised.remedy,
                why=f"{each.why} The index is that of the search over the busiest statements,"
                f" which weighs what writes pay: {advised.why}",
            )
            if each.remedy is not None
            and f" ON {table} " in f"{each.remedy.sql[0]} "
            and each.remedy.sql[0].startswith("CREATE INDEX")
            else each
            for each in self.insights
        )
        by_node: dict[int, list[Insight]] = {}
        for insight in insights:
            by_node.setdefault(insight.number, []).append(insight)
        return replace(
            self, insights=insights, by_node={n: tuple(each) for n, each in by_node.items()}
        )

    @property
    def plan(self) -> Plan:
        """The plan itself."""
        return self.context.plan

    # -- one node ------------------------------------------------------------------------

    def share(self, node: PlanNode, metric: PlanMetric = "time") -> float | None:
        """Its own share of the whole by one metric; None where the plan does not say."""
        if node.never_executed:
            return None
        metric = self.meant(metric)
        if metric == "time":
            return self.context.metrics.share(node.number)
        value, total = self.amount(node, metric), self._total(metric)
        if value is None or not total:
            return None
        return min(1.0, value / total)

    def meant(self, metric: PlanMetric) -> PlanMetric:
        """What stands for time where a plan has none: blocks, rows, or the planner's cost."""
        if metric != "time" or self.plan.timed:
            return metric
        if not self.plan.analyzed:
            return "cost"
        return "buffers" if self.plan.buffered else "rows"

    def amount(self, node: PlanNode, metric: PlanMetric) -> float | None:
        """The node's own amount of one metric."""
        own = self.context.metrics.nodes[node.number]
        if metric == "time":
            return own.self_ms
        if metric == "rows":
            return self.context.returned(node) if node.loops is not None else None
        if metric == "estimate":
            factor = self.context.estimates[node.number].factor
            return None if factor is None else max(factor, 1 / factor)
        if metric == "buffers":
            return blocks(own.own) if self.plan.buffered else None
        if metric == "io":
            return sum(own.own.get(key, 0.0) for key in _IO)
        if metric == "wal":
            return own.own.get("WAL Bytes", 0.0)
        return own.self_cost

    def _total(self, metric: PlanMetric) -> float:
        if metric not in self._totals:
            self._totals[metric] = self._sum(metric)
        return self._totals[metric]

    def _sum(self, metric: PlanMetric) -> float:
        amounts = (self.amount(node, metric) or 0.0 for node in self.plan.nodes)
        if metric in ("rows", "estimate"):
            return max(amounts, default=0.0)
        return sum(amounts)

    def total_text(self, node: PlanNode) -> str:
        """Elapsed time with everything below; `≈` where rounding is more than a tenth of it."""
        own = self.context.metrics.nodes[node.number]
        if node.never_executed:
            return units.NOTHING
        if own.wall_ms is None:
            return units.UNKNOWN if self.plan.analyzed else units.NOTHING
        return ("≈" if self.context.uncertainty(node) else "") + units.ms(own.wall_ms)

    def own_text(self, node: PlanNode, metric: PlanMetric) -> str:
        """Its own amount with its unit."""
        if node.never_executed:
            return units.NOTHING
        value = self.amount(node, metric)
        if value is None:
            return units.UNKNOWN if self.plan.analyzed and metric == "time" else units.NOTHING
        if metric in ("time", "io"):
            return units.ms(value)
        if metric == "buffers":
            return units.size(value * BLOCK)
        if metric == "wal":
            return units.size(value)
        if metric == "estimate":
            return f"{units.significant(value)}×"
        return units.count(value)

    def rows_text(self, node: PlanNode) -> str:
        """Rows over all loops; the planner's in a plan that was not run."""
        if node.never_executed:
            return "never run"
        estimate = self.context.estimates[node.number]
        if estimate.actual is None:
            return "–" if estimate.planned is None else f"({units.count(estimate.planned)})"
        if estimate.why_none.startswith("rounded"):
            return f"<{units.count((node.loops or 0) / 2)}"
        return units.count(estimate.actual)

    def estimate_text(self, node: PlanNode) -> str:
        """`ok`, `↓ 41×` where fewer rows were expected, `↑ 12×` where more were."""
        estimate = self.context.estimates[node.number]
        if estimate.factor is not None:
            off = max(estimate.factor, 1 / estimate.factor)
            if off < CLOSE:
                return "ok"
            return f"{'↓' if estimate.factor > 1 else '↑'} {units.significant(off).split('.')[0]}×"
        if estimate.why_none.startswith("it was stopped"):
            return "≥"
        return "~" if estimate.why_none.startswith("rounded") else units.NOTHING

    def loops_text(self, node: PlanNode) -> str:
        """`×20.0 k`, nothing for one."""
        if not node.loops or node.loops == 1:
            return units.NOTHING
        return f"×{units.count(node.loops)}"

    def drop_text(self, node: PlanNode) -> str:
        """The share of the rows read that a filter dropped."""
        return units.percent(self.context.dropped(node)) if self.context.removed(node) else "–"

    def blocks_text(self, node: PlanNode) -> str:
        """Own blocks; `r` where most were read from outside the cache."""
        own = self.context.metrics.nodes[node.number].own
        total = blocks(own)
        if not self.plan.buffered or node.never_executed or not total:
            return units.NOTHING
        read = own.get("Shared Read Blocks", 0.0) + own.get("Temp Read Blocks", 0.0)
        return units.count(total) + (" r" if read > total / 2 else "")

    def label(self, node: PlanNode) -> str:
        """What stands in the tree: sub-plan's name, node, table, index."""
        tag = f"{node.subplan_name}: " if node.subplan_name else ""
        return ("(never executed) " if node.never_executed else "") + tag + label(node)

    def counted_in(self, node: PlanNode) -> str:
        """For an InitPlan or CTE: the node whose time its own is part of."""
        payers = self.context.metrics.nodes[node.number].payers
        if not payers:
            return ""
        names = ", ".join(f"{self.plan.nodes[n].node_type} #{n}" for n in payers[:3])
        return f"time counted in {names}"

    def badges(self, node: PlanNode) -> tuple[tuple[str, str], ...]:
        """(severity, word) of its findings, and words for what is no finding."""
        found: list[tuple[str, str]] = [
            (each.severity, each.badge) for each in self.by_node.get(node.number, ())
        ]
        if node.node_type in GATHERS and not any(word.startswith("W ") for _, word in found):
            planned, launched = node.figure("Workers Planned"), node.figure("Workers Launched")
            if planned and launched is not None:
                found.append(("", f"W {launched:.0f}/{planned:.0f}"))
        return tuple(dict.fromkeys(found))

    # -- the whole -----------------------------------------------------------------------

    def summary(self) -> tuple[str, ...]:
        """What the header says, most important first."""
        plan, metrics = self.plan, self.context.metrics
        said: list[str] = []
        execution = plan.figure("Execution Time")
        if execution is not None:
            said.append(f"ran {units.ms(execution)}")
        elif metrics.base_ms:
            said.append(f"ran {units.ms(metrics.base_ms)}")
        elif not plan.analyzed:
            said.append("not run: estimates only")
        if (planning := plan.figure("Planning Time")) is not None:
            said.append(f"planned {units.ms(planning)}")
        for name, value in (
            ("after the root", metrics.after_root_ms),
            ("triggers", metrics.trigger_ms),
            ("JIT", metrics.jit_ms),
            ("output", metrics.serialization_ms),
            ("unaccounted", metrics.unaccounted_ms),
        ):
            if value and value >= 0.1:
                said.append(f"{name} {units.ms(value)}")
        said += self._volumes()
        if (rate := inflated(self.context)) is not None:
            said.append(f"times inflated by measuring: {units.count(rate)} rows/s")
        settings = plan.raw.get("Settings")
        if isinstance(settings, dict) and settings:
            said.append("set: " + ", ".join(f"{k}={v}" for k, v in list(settings.items())[:6]))
        if plan.truncated:
            said.append(f"not whole: {plan.truncated}")
        return tuple(said)

    def _volumes(self) -> list[str]:
        root = self.plan.root
        said = []
        hit, read = root.figure("Shared Hit Blocks"), root.figure("Shared Read Blocks")
        if hit or read:
            said.append(
                f"hit {units.size((hit or 0) * BLOCK)}, read {units.size((read or 0) * BLOCK)}"
            )
        if temp := root.figure("Temp Written Blocks"):
            said.append(f"temp {units.size(temp * BLOCK)}")
        if io := sum(root.figure(key) or 0.0 for key in _IO):
            said.append(f"I/O {units.ms(io)}")
        return said


def prefix(plan: Plan, node: PlanNode) -> str:
    """The lines that lead to a node: `│  └─ `."""
    if node.parent is None:
        return ""
    lines: list[str] = []
    current = node
    while current.parent is not None and len(lines) < DEEPEST:
        above = plan.nodes[current.parent]
        last = above.children[-1] == current.number
        if current is node:
            lines.append("└─ " if last else "├─ ")
        else:
            lines.append("   " if last else "│  ")
        current = above
    hidden = node.depth - len(lines)
    return (f"…{hidden} " if hidden > 0 else "") + "".join(reversed(lines))
