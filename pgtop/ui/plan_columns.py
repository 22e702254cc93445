"""The columns of the plan tree, the comparison of two plans, and what is folded at first."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import cast

from pgtop.analysis import units
from pgtop.model.insight import Insight
from pgtop.model.plan import PlanNode
from pgtop.report.plan_view import PlanMetric, PlanView, prefix
from pgtop.terminal.glyphs import SEVERITY
from pgtop.ui.table_columns import Cell, Column, Tone

METRICS: Mapping[str, tuple[PlanMetric, str]] = {
    "t": ("time", "time"),
    "r": ("rows", "rows"),
    "s": ("estimate", "estimate"),
    "b": ("buffers", "buffers"),
    "i": ("io", "I/O"),
    "c": ("cost", "cost"),
    "w": ("wal", "WAL"),
}
"""Key -> (metric, its name)."""

MEMBERS = 8
"""Members of an Append that are shown one by one; more are folded."""

SMALL = 60
"""Nodes of a plan that is shown whole; of a larger one the cold parts are folded."""

COLD = 0.01
"""The share of the run below which a subtree of a large plan is folded."""


def columns(
    view: PlanView, metric: PlanMetric, folded: set[int], found: Callable[[PlanNode], bool]
) -> tuple[Column[PlanNode], ...]:
    """Figures left, tree right. The figures go first where there is little room."""
    meant = view.meant(metric)
    name = next(name for each, name in METRICS.values() if each == meant)

    def share(node: PlanNode) -> Cell:
        value = view.share(node, metric)
        if value is None:
            return ((units.NOTHING, "dim"),)
        return units.percent(value)

    def bar(node: PlanNode) -> Cell:
        return ((units.bar(view.share(node, metric) or 0.0, 8), "bar"),)

    def estimate(node: PlanNode) -> Cell:
        text = view.estimate_text(node)
        factor = view.context.estimates[node.number].factor
        off = max(factor, 1 / factor) if factor else 1.0
        tone: Tone = "warning" if off >= 10 else "" if text[:1] in "↓↑" else "dim"
        return ((text, tone),)

    def drop(node: PlanNode) -> Cell:
        high = view.context.removed(node) >= 1_000 and view.context.dropped(node) >= 0.9
        return ((view.drop_text(node), "warning" if high else ""),)

    def tree(node: PlanNode) -> Cell:
        return tree_cell(view, node, node.number in folded, marked=found(node))

    return (
        Column(
            "share",
            f"{name} %",
            share,
            width=7,
            means="of the whole plan that the node itself takes",
        ),
        Column("bar", "", bar, width=8, from_width=100),
        Column(
            "total",
            "total",
            view.total_text,
            width=9,
            from_width=90,
            means="node and all below it, all loops together",
        ),
        Column(
            "own",
            "self",
            lambda n: view.own_text(n, meant),
            width=9,
            means="the node without what is below it, all loops together",
        ),
        Column(
            "rows",
            "rows",
            view.rows_text,
            width=9,
            means="rows of all loops together; EXPLAIN prints those of one",
        ),
        Column(
            "est",
            "est",
            estimate,
            width=7,
            means=(
                "how far off the planner was: ↓ it thought of so many times fewer rows, ↑ of more"
            ),
        ),
        Column("loops", "loops", view.loops_text, width=8, from_width=80, means="how often it ran"),
        Column(
            "drop",
            "drop",
            drop,
            width=6,
            from_width=110,
            means="share of the rows read that its filter threw away",
        ),
        Column(
            "blocks",
            "blocks",
            view.blocks_text,
            width=8,
            from_width=120,
            means="blocks touched, with BUFFERS",
        ),
        Column("plan", "plan", tree, width=24, align="left", frozen=True, flex=True),
    )


def tree_cell(
    view: PlanView, node: PlanNode, folded: bool, *, marked: bool = False
) -> tuple[tuple[str, Tone], ...]:
    """Lines, fold mark, findings' words, node, and what is folded below."""
    pieces: list[tuple[str, Tone]] = [(prefix(view.plan, node), "dim")]
    if folded:
        pieces.append(("▸ ", "key"))
    badges = view.badges(node)
    worst = next((grade for grade, _ in badges if grade), None)
    if worst is not None:
        pieces.append((SEVERITY[worst] + " ", cast(Tone, worst)))
    tone: Tone = "dim" if node.never_executed else "key" if marked else ""
    pieces.append((view.label(node), tone))
    for grade, word in badges:
        pieces.append((f" {word}", cast(Tone, grade) if grade else "dim"))
    if note := view.counted_in(node):
        pieces.append((f"  {note}", "dim"))
    if folded:
        pieces.append((f"  {folded_words(view, node)}", "dim"))
    return tuple(pieces)


def folded_words(view: PlanView, node: PlanNode) -> str:
    """`187 below: 30 ran, 157 never executed, Σ 12.0 ms`."""
    below = [view.plan.nodes[number] for number in range(node.number + 1, node.end)]
    never = sum(1 for each in below if each.never_executed)
    spent = [view.context.metrics.nodes[each.number].self_ms for each in below]
    words = f"{len(below)} below"
    if never:
        words += f": {len(below) - never} ran, {never} never executed"
    known = [ms for ms in spent if ms is not None]
    return words + (f", Σ {units.ms(sum(known))}" if known else "")


def first_folds(view: PlanView) -> set[int]:
    """Appends with many members, and in large plans what is cold. Findings stay in view."""
    plan = view.plan
    wanted: set[int] = set()
    held = set()
    for number in view.by_node:
        node: PlanNode | None = plan.nodes[number]
        while node is not None and node.parent is not None and node.parent not in held:
            held.add(node.parent)
            node = plan.parent(node)
    for node in plan.nodes:
        if not node.children or node.number in held:
            continue
        many = node.node_type in ("Append", "Merge Append") and len(node.children) > MEMBERS
        cold = False
        if len(plan.nodes) > SMALL and plan.timed and node.parent is not None:
            wall = view.context.metrics.nodes[node.number].wall_ms or 0.0
            cold = wall < COLD * (view.context.metrics.base_ms or 0.0)
        if many or cold:
            wanted.add(node.number)
    return wanted


def visible(view: PlanView, folded: set[int]) -> list[int]:
    """The numbers of the nodes that no fold hides, in printed order."""
    shown, number, nodes = [], 0, view.plan.nodes
    while number < len(nodes):
        shown.append(number)
        number = nodes[number].end if number in folded else number + 1
    return shown


# -- two plans of one statement ------------------------------------------------------------


def paired(now: PlanView, before: PlanView) -> dict[int, int | None]:
    """Node of `now` -> the same node of `before`: by type, table and index, in their order;
    what is left by table, for another way to read it is what is looked for."""
    found: dict[int, int | None] = dict.fromkeys(range(len(now.plan.nodes)))
    taken: set[int] = set()
    for alike in (_signature, _table):
        waiting: dict[object, list[int]] = defaultdict(list)
        for node in before.plan.nodes:
            if node.number not in taken:
                waiting[alike(node)].append(node.number)
        for node in now.plan.nodes:
            same = waiting[alike(node)] if found[node.number] is None else []
            if same and alike(node) is not None:
                number = same.pop(0)
                found[node.number] = number
                taken.add(number)
    return found


def _signature(node: PlanNode) -> object:
    return node.node_type, node.relation, node.text("Index Name")


def _table(node: PlanNode) -> object:
    """What it reads; None for a node that reads no table."""
    named = node.text("Schema"), node.relation, node.text("Alias")
    return named if node.relation else None


def diff_columns(
    now: PlanView, before: PlanView, pairs: Mapping[int, int | None]
) -> tuple[Column[PlanNode], ...]:
    """Before, now and the change, side by side; the tree is the new plan's."""
    metric = now.meant("time") if now.meant("time") == before.meant("time") else "cost"

    def old(node: PlanNode) -> PlanNode | None:
        number = pairs.get(node.number)
        return None if number is None else before.plan.nodes[number]

    def was(text: Callable[[PlanView, PlanNode], str]) -> Callable[[PlanNode], Cell]:
        def cell(node: PlanNode) -> Cell:
            found = old(node)
            return "new" if found is None else text(before, found)

        return cell

    def change(node: PlanNode) -> Cell:
        found = old(node)
        if found is None:
            return (("new", "notice"),)
        a, b = before.amount(found, metric), now.amount(node, metric)
        if not a or b is None:
            return units.NOTHING
        factor = b / a
        if 0.9 <= factor <= 1.1:
            return (("=", "dim"),)
        words = f"÷{1 / factor:.3g}" if 0 < factor < 1 else f"×{factor:.3g}"
        return ((words, "warning" if factor > 1 else "good"),)

    def tree(node: PlanNode) -> Cell:
        found = old(node)
        cell = tree_cell(now, node, False)
        if found is None or before.label(found) == now.label(node):
            return cell
        return (*cell, (f"  was {before.label(found)}", "notice"))

    return (
        Column("before", "self before", was(lambda v, n: v.own_text(n, metric)), width=11),
        Column("now", "self now", lambda n: now.own_text(n, metric), width=9),
        Column("change", "change", change, width=8),
        Column("rows before", "rows before", was(lambda v, n: v.rows_text(n)), width=11,
               from_width=90),
        Column("rows now", "rows now", now.rows_text, width=9, from_width=90),
        Column("plan", "plan", tree, width=24, align="left", frozen=True, flex=True),
    )  # fmt: skip


def gone(before: PlanView, pairs: Mapping[int, int | None]) -> list[str]:
    """Nodes that the new plan no longer has."""
    kept = set(pairs.values())
    return [before.label(node) for node in before.plan.nodes if node.number not in kept]


def _finding_cell(row: tuple[int, Insight]) -> Cell:
    insight = row[1]
    tone: Tone = insight.severity
    return ((f"{SEVERITY[insight.severity]} {row[0]}", tone), (f"  {insight.title}", ""))


def _remedy_cell(row: tuple[int, Insight]) -> Cell:
    insight = row[1]
    if insight.remedy is not None:
        return insight.remedy.sql[0]
    return ((f"no DDL: {insight.no_remedy}", "dim"),)


FINDING_COLUMNS: tuple[Column[tuple[int, Insight]], ...] = (
    Column("finding", "findings", _finding_cell, width=40, align="left", frozen=True, flex=True),
    Column("remedy", "remedy   Tab, Enter go there   y copies", _remedy_cell, width=40,
           align="left", frozen=True, flex=True, from_width=100),
)  # fmt: skip
