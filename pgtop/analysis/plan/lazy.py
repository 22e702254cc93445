"""Who pays for InitPlans and CTEs: they run inside the node that first wants a row of them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from pgtop.analysis.plan.words import BUFFER_KEYS
from pgtop.model.plan import GATHERS, Plan, PlanNode

SLOP_MS = 0.02
"""Two clock readings of the same moment differ by this much."""

HELD = 0.98
"""A payer holds at least this share of what it pays; the rest is the clocks' difference."""

BY_BLOCKS = 0.9
"""From this share on, the readers' own blocks say how they divided a CTE between them."""

MOST_CANDIDATES = 2_000
"""Nodes looked at for an InitPlan that no condition names; keeps hostile plans bounded."""

_PARAMETER = re.compile(r"\$\d+|\((?:InitPlan [^()]*|[A-Za-z_]\w*_\d+)\)\.col\d+")


@dataclass(slots=True)
class Ledger:
    """What each node holds and what was charged to it."""

    walls: list[float]
    errors: list[float]
    counters: dict[str, list[float]]
    below: list[float]
    """Elapsed time of the regular children."""
    below_counters: dict[str, list[float]]
    charged: list[float]
    charged_counters: dict[str, list[float]]
    payers: dict[int, set[int]] = field(default_factory=dict)

    @classmethod
    def of(
        cls, plan: Plan, walls: list[float], errors: list[float], counters: dict[str, list[float]]
    ) -> Ledger:
        """A ledger before any charge."""
        size = len(plan.nodes)
        below = [0.0] * size
        sums = {key: [0.0] * size for key in counters}
        for node in plan.nodes:
            if node.parent is None or node.is_init_plan:
                continue
            below[node.parent] += walls[node.number]
            for key, values in counters.items():
                sums[key][node.parent] += values[node.number]
        return cls(
            walls, errors, counters, below, sums,
            [0.0] * size, {key: [0.0] * size for key in counters},
        )  # fmt: skip

    def slack(self, number: int) -> float:
        """Time of a node that is neither its children's nor charged."""
        return self.walls[number] - self.below[number] - self.charged[number]

    def own(self, key: str, number: int) -> float:
        """The same of one counter."""
        return (
            self.counters[key][number]
            - self.below_counters[key][number]
            - self.charged_counters[key][number]
        )

    def blocks(self, number: int) -> float:
        """All blocks, with everything below."""
        return sum(values[number] for key, values in self.counters.items() if key in _BLOCKS)

    def block_slack(self, number: int) -> float:
        """Blocks of a node that are neither its children's nor charged."""
        return sum(self.own(key, number) for key in self.counters if key in _BLOCKS)

    @property
    def buffered(self) -> bool:
        """Whether there are blocks to judge by."""
        return any(key in _BLOCKS for key in self.counters)

    def charge(self, payer: int, number: int, amount: float) -> None:
        """Take `amount` ms of a lazy plan's time out of its payer's own."""
        self.charged[payer] += amount
        self.payers.setdefault(number, set()).add(payer)


_BLOCKS = frozenset(BUFFER_KEYS)


def charge_ctes(plan: Plan, ledger: Ledger) -> tuple[float, float]:
    """Charge every CTE to its readers: (ms that ran after the root, ms without a place)."""
    after_root = unplaced = 0.0
    for cte, readers in _readers(plan):
        number = cte.number
        if not ledger.walls[number] and not ledger.blocks(number):
            continue
        left = _split(ledger, number, readers)
        left = max(0.0, left - ledger.errors[number] - sum(ledger.errors[r] for r in readers))
        _split_counters(ledger, number, readers)
        if cte.node_type == "ModifyTable":
            after_root += left
        else:
            unplaced += left
    return after_root, unplaced


def _readers(plan: Plan) -> list[tuple[PlanNode, list[int]]]:
    """Each CTE with the CTE Scans that read it: of the nearest owner, names may be nested."""
    found: dict[int, list[int]] = {
        node.number: [] for node in plan.nodes if node.is_cte and node.parent is not None
    }
    scopes: list[tuple[int, str, PlanNode]] = []
    for node in plan.nodes:
        while scopes and scopes[-1][0] <= node.number:
            scopes.pop()
        for child in plan.children(node):
            if child.number in found:
                scopes.append((node.end, child.subplan_name, child))
        if node.node_type != "CTE Scan":
            continue
        wanted = f"CTE {node.raw.get('CTE Name')}"
        for _, name, cte in reversed(scopes):
            if name == wanted and not cte.number <= node.number < cte.end:
                found[cte.number].append(node.number)
                break
    return [(plan.nodes[number], readers) for number, readers in found.items()]


def _split(ledger: Ledger, number: int, readers: list[int]) -> float:
    """Share a CTE's time between its readers; what none of them can hold is returned."""
    wall = ledger.walls[number]
    blocks = ledger.blocks(number)
    by_blocks = [max(0.0, ledger.block_slack(reader)) for reader in readers]
    if ledger.buffered and blocks > 0 and sum(by_blocks) >= BY_BLOCKS * blocks:
        weights = by_blocks
    else:
        weights = [max(0.0, ledger.slack(reader)) for reader in readers]
    total = sum(weights)
    left = wall
    for reader, weight in zip(readers, weights, strict=False):
        part = wall * weight / total if total else 0.0
        left -= _pay(ledger, reader, number, min(part, left))
    for reader in sorted(readers, key=ledger.slack, reverse=True):
        left -= _pay(ledger, reader, number, left)
    for reader in readers:
        ledger.payers.setdefault(number, set()).add(reader)
    return left


def _pay(ledger: Ledger, reader: int, number: int, wanted: float) -> float:
    paid = min(wanted, max(0.0, ledger.slack(reader)))
    if paid > 0:
        ledger.charge(reader, number, paid)
    return max(0.0, paid)


def _split_counters(ledger: Ledger, number: int, readers: list[int]) -> None:
    order = sorted(readers, key=ledger.block_slack, reverse=True)
    for key, values in ledger.counters.items():
        left = values[number]
        for reader in order:
            part = min(left, max(0.0, ledger.own(key, reader)))
            ledger.charged_counters[key][reader] += part
            left -= part


def charge_init_plans(plan: Plan, ledger: Ledger) -> float:
    """Charge every InitPlan to one node; ms for which no node can have paid."""
    unplaced = 0.0
    lazies = [
        node
        for node in plan.nodes
        if node.is_init_plan and not node.is_cte and node.parent is not None
    ]
    if not lazies:
        return unplaced
    mentions = _mentions(plan)
    # An owner's InitPlans stand in printed order; owners too.
    for node in sorted(lazies, key=lambda each: (each.parent or 0, each.number)):
        if not ledger.walls[node.number] and not ledger.blocks(node.number):
            continue
        payer = _payer(plan, ledger, node, mentions)
        if payer is None:
            unplaced += ledger.walls[node.number]
            continue
        ledger.charge(payer, node.number, ledger.walls[node.number])
        for key, values in ledger.counters.items():
            ledger.charged_counters[key][payer] += values[node.number]
    return unplaced


def _mentions(plan: Plan) -> dict[str, list[int]]:
    """Parameter as printed (`$1`, `(InitPlan 2).col1`) -> the nodes whose conditions name it."""
    found: dict[str, list[int]] = {}
    for node in plan.nodes:
        seen: set[str] = set()
        for key, value in node.raw.items():
            if key == "Subplan Name":
                continue
            texts = [value] if isinstance(value, str) else value if isinstance(value, list) else ()
            for text in texts:
                if isinstance(text, str) and ("$" in text or ").col" in text):
                    seen.update(_PARAMETER.findall(text))
        for name in seen:
            found.setdefault(name, []).append(node.number)
    return found


def _named(node: PlanNode, mentions: dict[str, list[int]]) -> Iterable[int]:
    """Nodes whose conditions name a value of this InitPlan."""
    returns = re.search(r"\(returns ([^)]*)\)", node.subplan_name)
    if returns is not None:
        names = re.findall(r"\$\d+", returns.group(1))
    else:
        names = [name for name in mentions if name.startswith(f"({node.subplan_name}).")]
    return sorted({number for name in names for number in mentions.get(name, ())})


def _payer(
    plan: Plan, ledger: Ledger, node: PlanNode, mentions: dict[str, list[int]]
) -> int | None:
    owner = plan.nodes[node.parent or 0]

    def outside(number: int) -> bool:
        return owner.number <= number < owner.end and not node.number <= number < node.end

    def holds(number: int) -> bool:
        wall, blocks = ledger.walls[node.number], ledger.blocks(node.number)
        return ledger.slack(number) + ledger.errors[number] + SLOP_MS >= HELD * wall and (
            not ledger.buffered or ledger.block_slack(number) >= HELD * blocks
        )

    named = [number for number in _named(node, mentions) if outside(number)]
    lifted = {_below_gathers(plan, owner, number) for number in named or [owner.number]}
    fit = [number for number in lifted if holds(number)]
    if fit:
        return min(fit, key=lambda number: (ledger.slack(number), number))
    looked = 0
    for number in range(owner.end - 1, owner.number - 1, -1):
        if not outside(number) or looked >= MOST_CANDIDATES:
            continue
        looked += 1
        if (
            ledger.slack(number) + ledger.errors[number] + SLOP_MS
            < HELD * ledger.walls[node.number]
        ):
            continue
        candidate = _below_gathers(plan, owner, number)
        if holds(candidate):
            fit.append(candidate)
    return min(fit, key=lambda number: (ledger.slack(number), -number)) if fit else None


def _below_gathers(plan: Plan, owner: PlanNode, number: int) -> int:
    """The topmost Gather between owner and node: it evaluates values before workers start."""
    found = number
    current: PlanNode | None = plan.nodes[number]
    while current is not None and current.number != owner.number:
        current = plan.parent(current)
        if current is not None and current.node_type in GATHERS:
            found = current.number
    return found
