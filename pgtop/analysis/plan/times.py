"""Where the time, blocks, I/O, WAL and cost of a plan went: each node's own share.

EXPLAIN prints times per loop, averaged over all processes and with everything below
included; counters in total and with everything below included. InitPlans and CTEs run
inside whichever node first wants their value, which no field names.
From src/backend/commands/explain.c and executor/instrument.c of 13..18.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pgtop.analysis.plan.lazy import Ledger, charge_ctes, charge_init_plans
from pgtop.analysis.plan.words import BUFFER_KEYS, IO_KEYS, WAL_KEYS
from pgtop.model.plan import GATHERS, Plan, PlanNode, figure

_BLOCKS = frozenset(BUFFER_KEYS)
_COUNTERS = frozenset((*BUFFER_KEYS, *IO_KEYS, *WAL_KEYS))

RESOLUTION_MS = 0.0005
"""Times are printed to 0.001 ms per loop: each is off by up to half of that."""


@dataclass(frozen=True, slots=True)
class NodeMetrics:
    """One node's shares. Milliseconds; None where the plan does not say."""

    processes: float
    """Over how many processes its loops are summed."""

    wall_ms: float | None
    """Elapsed, with everything below, over all loops."""

    self_ms: float | None
    uncertain_ms: float | None
    """How far rounding per loop can be off `wall_ms`."""

    self_cost: float | None
    own: Mapping[str, float]
    """Counters without those of what is below: key of EXPLAIN -> blocks, ms, records, bytes."""

    payers: tuple[int, ...] = ()
    """Of an InitPlan or CTE: the nodes whose time its own is part of."""


@dataclass(frozen=True, slots=True)
class Metrics:
    """The arithmetic of one plan, by node number."""

    nodes: tuple[NodeMetrics, ...]
    base_ms: float | None
    """What a share of the whole is a share of: at least the Execution Time."""

    after_root_ms: float
    """Data-modifying CTEs that nobody read to the end run after the root is done."""

    trigger_ms: float
    """AFTER triggers, which are in no node's time."""

    jit_ms: float | None
    """Summed over processes, and inside node times too."""

    serialization_ms: float | None
    unaccounted_ms: float | None
    """Execution Time that is in none of the above."""

    unplaced_ms: float
    """Of InitPlans and CTEs for which no node can have paid."""

    def share(self, number: int) -> float | None:
        """A node's own share of the whole: by time, else by own blocks, else by cost."""
        node = self.nodes[number]
        if node.self_ms is not None and self.base_ms:
            return min(1.0, node.self_ms / self.base_ms)
        if node.self_ms is None:
            total = sum(blocks(each.own) for each in self.nodes)
            if total:
                return blocks(node.own) / total
        return None


def blocks(own: Mapping[str, float]) -> float:
    """All blocks touched, of any kind."""
    return sum(value for key, value in own.items() if key in _BLOCKS)


def measure(plan: Plan) -> Metrics:
    """All of the arithmetic."""
    processes = _processes(plan)
    walls, errors = _walls(plan, processes)
    counted = {key for node in plan.nodes for key in _COUNTERS & node.raw.keys() if node.raw[key]}
    keys = [key for key in (*BUFFER_KEYS, *IO_KEYS, *WAL_KEYS) if key in counted]
    counters = {key: [node.figure(key) or 0.0 for node in plan.nodes] for key in keys}
    if walls is not None:
        _fit(plan, walls, errors)
    ledger = Ledger.of(plan, walls or [0.0] * len(plan.nodes), errors, counters)
    after_root, unplaced = charge_ctes(plan, ledger)
    unplaced += charge_init_plans(plan, ledger)
    costs = _self_costs(plan)
    shares = _own_counters(ledger)
    nodes = tuple(
        NodeMetrics(
            processes=processes[number],
            wall_ms=walls[number] if walls is not None else None,
            self_ms=max(0.0, ledger.slack(number)) if walls is not None else None,
            uncertain_ms=errors[number] if walls is not None else None,
            self_cost=costs[number],
            own=shares[number],
            payers=tuple(sorted(ledger.payers.get(number, ()))),
        )
        for number in range(len(plan.nodes))
    )
    return _totals(plan, nodes, after_root, unplaced)


def _own_counters(ledger: Ledger) -> list[dict[str, float]]:
    """Each node's counters without those of what is below and what was charged to it."""
    found: list[dict[str, float]] = [{} for _ in ledger.walls]
    for key, values in ledger.counters.items():
        below, charged = ledger.below_counters[key], ledger.charged_counters[key]
        for number, value in enumerate(values):
            if value and (own := value - below[number] - charged[number]) > 0:
                found[number][key] = own
    return found


def _processes(plan: Plan) -> list[float]:
    """Over how many processes each node's loops are summed.

    Loops of a Gather's child over the Gather's: Workers Launched + 1 is too many where
    the leader does not take part, or a worker came too late for a row.
    """
    counts = [1.0] * len(plan.nodes)
    for node in plan.nodes:
        above = plan.parent(node)
        if above is None:
            continue
        inherited = counts[above.number]
        loops = node.loops or 0.0
        if node.is_init_plan:
            many = (
                not node.is_cte and inherited > 1 and loops >= inherited and loops % inherited == 0
            )
            counts[node.number] = inherited if many else 1.0
        elif above.node_type in GATHERS and node.relationship != "SubPlan":
            gathered = above.loops or 0.0
            ran = loops / gathered if gathered > 0 and loops > 0 else 1.0
            counts[node.number] = inherited * max(1.0, ran)
        else:
            counts[node.number] = inherited
    return counts


def _walls(plan: Plan, processes: list[float]) -> tuple[list[float] | None, list[float]]:
    """Elapsed milliseconds and their rounding error; no times with TIMING OFF."""
    errors = [
        RESOLUTION_MS * max(0.0, node.loops or 0.0) / processes[node.number] for node in plan.nodes
    ]
    if not plan.timed:
        return None, errors
    walls = [
        max(0.0, node.figure("Actual Total Time") or 0.0)
        * max(0.0, node.loops or 0.0)
        / processes[node.number]
        for node in plan.nodes
    ]
    return walls, errors


def _fit(plan: Plan, walls: list[float], errors: list[float]) -> None:
    """Children that exceed their parent only by rounding are cut to what it can hold."""
    for node in plan.nodes:
        if node.node_type in GATHERS:
            continue
        below = [child for child in plan.children(node) if not child.is_init_plan]
        total = sum(walls[child.number] for child in below)
        excess = total - walls[node.number]
        allowed = errors[node.number] + sum(errors[child.number] for child in below)
        if 0 < excess <= allowed and total > 0:
            for child in below:
                walls[child.number] *= walls[node.number] / total


def _self_costs(plan: Plan) -> list[float | None]:
    """Total Cost less the children's; InitPlans are part of their owner's cost."""
    costs = [node.figure("Total Cost") for node in plan.nodes]
    own: list[float | None] = list(costs)
    for node in plan.nodes:
        above, cost, mine = node.parent, costs[node.number], None
        if above is not None:
            mine = own[above]
        if above is not None and cost is not None and mine is not None:
            own[above] = mine - cost
    return [None if cost is None else max(0.0, cost) for cost in own]


def _totals(
    plan: Plan, nodes: tuple[NodeMetrics, ...], after_root: float, unplaced: float
) -> Metrics:
    execution = plan.figure("Execution Time")
    root = nodes[0].wall_ms
    serialization = _part(plan.raw.get("Serialization"), "Time")
    base = unaccounted = None
    triggers = 0.0
    if root is not None:
        base = max(execution or 0.0, root + after_root)
    if root is not None and execution is not None:
        rest = execution - root - after_root - (serialization or 0.0)
        triggers = _after_triggers(plan, rest)
        unaccounted = max(0.0, rest - triggers)
    jit = plan.raw.get("JIT")
    timing = jit.get("Timing") if isinstance(jit, dict) else None
    return Metrics(
        nodes=nodes,
        base_ms=base or None,
        after_root_ms=after_root,
        trigger_ms=triggers,
        jit_ms=_part(timing, "Total"),
        serialization_ms=serialization,
        unaccounted_ms=unaccounted,
        unplaced_ms=unplaced,
    )


def _part(group: object, key: str) -> float | None:
    return figure(group.get(key)) if isinstance(group, dict) else None


def triggers(plan: Plan) -> list[Mapping[str, object]]:
    """The Triggers group, as far as it is one."""
    value = plan.raw.get("Triggers")
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _after_triggers(plan: Plan, room_ms: float) -> float:
    """Time of triggers that ran after the root: constraints' surely, others as far as they fit."""
    total = 0.0
    for constraint in (True, False):
        for trigger in triggers(plan):
            if ("Constraint Name" in trigger) is not constraint:
                continue
            spent = figure(trigger.get("Time")) or 0.0
            if constraint or total + spent <= room_ms + 1.0:
                total += spent
    return total


def regular(plan: Plan, node: PlanNode) -> list[PlanNode]:
    """The children that run as a part of their parent: not InitPlans and CTEs."""
    return [child for child in plan.children(node) if not child.is_init_plan]
