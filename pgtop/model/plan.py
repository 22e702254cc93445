"""One plan of EXPLAIN, flat: its nodes in the order in which they are printed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

PlanSource = Literal["json", "text", "yaml", "xml"]

GATHERS = frozenset({"Gather", "Gather Merge"})
"""Nodes that run what is below them in several processes."""


class PlanError(Exception):
    """What was given is no plan; `line` (from 1) is where it stopped making sense."""

    def __init__(self, why: str, line: int | None = None) -> None:
        super().__init__(f"line {line}: {why}" if line is not None else why)
        self.why = why
        self.line = line


@dataclass(frozen=True, slots=True, eq=False)
class PlanNode:
    """One node. Everything PostgreSQL said of it is in `raw`, under PostgreSQL's names.

    Nodes refer to each other by number, which is their place in `Plan.nodes`: a node is
    followed by all that is below it, up to `end`.
    """

    number: int
    parent: int | None
    children: tuple[int, ...]
    end: int
    """The number after its last descendant's."""

    depth: int
    ordinal: int
    """Which child of its parent, from 0."""

    raw: Mapping[str, Any]
    """Key of EXPLAIN (FORMAT JSON) -> value, without `Plans`. Unknown keys are kept."""

    node_type: str
    """As the JSON names it: `Seq Scan`, `ModifyTable`, `Aggregate`, …"""

    relationship: str | None
    """Parent Relationship: Outer, Inner, Member, Subquery, InitPlan, SubPlan."""

    loops: float | None
    """Executions, summed over all processes; None in a plan that was not run."""

    unread: tuple[str, ...] = ()
    """Lines of a TEXT plan that fit no known form, as they came."""

    def figure(self, key: str) -> float | None:
        """A number, or None where the key is absent or holds none."""
        return figure(self.raw.get(key))

    def text(self, key: str) -> str | None:
        """A string, or None where the key is absent or holds none."""
        value = self.raw.get(key)
        return value if isinstance(value, str) else None

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of strings; empty where the key is absent or holds none."""
        value = self.raw.get(key)
        if not isinstance(value, list):
            return ()
        return tuple(item for item in value if isinstance(item, str))

    @property
    def relation(self) -> str | None:
        """The table, unquoted."""
        return self.text("Relation Name")

    @property
    def subplan_name(self) -> str:
        """`CTE x`, `InitPlan 1 (returns $0)`, `SubPlan 2`, or nothing."""
        return self.text("Subplan Name") or ""

    @property
    def is_init_plan(self) -> bool:
        """Runs once, when its value is first wanted: an InitPlan or a CTE."""
        return self.relationship == "InitPlan"

    @property
    def is_cte(self) -> bool:
        """A WITH query that is computed on its own."""
        return self.is_init_plan and self.subplan_name.startswith("CTE ")

    @property
    def never_executed(self) -> bool:
        """Whether the plan was run and this node was not."""
        return self.loops == 0

    @property
    def workers(self) -> tuple[Mapping[str, Any], ...]:
        """What each parallel worker said of itself."""
        value = self.raw.get("Workers")
        if not isinstance(value, list):
            return ()
        return tuple(item for item in value if isinstance(item, dict))


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """One statement's plan."""

    nodes: tuple[PlanNode, ...]
    """In printed order; the first is the root. Never empty."""

    raw: Mapping[str, Any] = field(default_factory=dict)
    """What stands beside the tree: Planning Time, Triggers, JIT, Settings, …"""

    source: PlanSource = "json"
    truncated: str | None = None
    """Where and why reading ended before the plan did."""

    unread: tuple[str, ...] = ()

    @property
    def root(self) -> PlanNode:
        """The top node."""
        return self.nodes[0]

    @property
    def query_text(self) -> str | None:
        """The statement, where auto_explain wrote it down."""
        value = self.raw.get("Query Text")
        return value if isinstance(value, str) else None

    def figure(self, key: str) -> float | None:
        """A number of `raw`, or None."""
        return figure(self.raw.get(key))

    def below(self, node: PlanNode) -> Iterator[PlanNode]:
        """The node and all its descendants, in printed order."""
        for number in range(node.number, node.end):
            yield self.nodes[number]

    def children(self, node: PlanNode) -> Iterator[PlanNode]:
        """Its direct children."""
        for number in node.children:
            yield self.nodes[number]

    def parent(self, node: PlanNode) -> PlanNode | None:
        """The node above, None for the root."""
        return None if node.parent is None else self.nodes[node.parent]

    def path(self, node: PlanNode) -> str:
        """Where it hangs: `0` is the root, `0.1` the root's second child."""
        ordinals: list[str] = []
        current: PlanNode | None = node
        while current is not None:
            ordinals.append(str(current.ordinal))
            current = self.parent(current)
        return ".".join(reversed(ordinals))

    @property
    def analyzed(self) -> bool:
        """Whether it was run (EXPLAIN ANALYZE)."""
        return self.root.loops is not None

    @property
    def timed(self) -> bool:
        """Whether nodes carry times (not so with TIMING OFF)."""
        return self.root.figure("Actual Total Time") is not None

    @property
    def costed(self) -> bool:
        """Whether nodes carry estimates (not so with COSTS OFF)."""
        return self.root.figure("Total Cost") is not None

    @property
    def buffered(self) -> bool:
        """Whether any node counted its buffers."""
        return any("Shared Hit Blocks" in node.raw for node in self.nodes)


LARGEST = 1e30
"""No counter of PostgreSQL comes near: what is larger is no figure."""


def figure(value: object) -> float | None:
    """A number, or None where it is none, or none that a plan can hold."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if -LARGEST < value < LARGEST else None
