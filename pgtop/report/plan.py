"""A plan as text, JSON and Markdown.

The JSON's keys and units are a contract with scripts: `schema` grows when one changes
its meaning, a value that cannot be known is null.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from pgtop.analysis import units
from pgtop.model.insight import Insight
from pgtop.model.plan import GATHERS, Plan, PlanNode
from pgtop.report.document import remedy_part
from pgtop.report.plan_view import PlanView, prefix
from pgtop.terminal.safe import safe

SCHEMA = 1

GLYPHS = {"critical": "‼", "warning": "!", "notice": "·"}


# -- JSON --------------------------------------------------------------------------------


def json_parts(views: Sequence[PlanView]) -> Iterator[str]:
    """The document, piece by piece: plans may be too deep to be nested in one call."""
    view = views[0]
    plan = view.plan
    head = {
        "schema": SCHEMA,
        "source": plan.source,
        "execution_ms": plan.figure("Execution Time"),
        "planning_ms": plan.figure("Planning Time"),
        "truncated": plan.truncated,
    }
    yield json.dumps(head)[:-1] + ',\n "root": '
    yield from _tree(view)
    yield ',\n "insights": ' + json.dumps([insight_part(each) for each in view.insights])
    yield ',\n "more": ['
    for index, other in enumerate(views[1:]):
        yield ", " if index else ""
        yield from json_parts([other])
    yield "]}"


def _tree(view: PlanView) -> Iterator[str]:
    open_ends: list[int] = []
    for node in view.plan.nodes:
        while open_ends and open_ends[-1] <= node.number:
            open_ends.pop()
            yield "]}"
        if node.ordinal:
            yield ","
        yield "\n" + json.dumps(node_part(view, node))[:-1] + ', "children": ['
        open_ends.append(node.end)
    yield "]}" * len(open_ends)


def node_part(view: PlanView, node: PlanNode) -> dict[str, Any]:
    """One node of `root`, without its children."""
    context = view.context
    own = context.metrics.nodes[node.number]
    estimate = context.estimates[node.number]
    ran = node.loops is not None and not node.never_executed
    gather = node.node_type in GATHERS
    filters = [key for key in node.raw if key.startswith("Rows Removed by ")]
    counted = view.plan.buffered and node.loops is not None
    return {
        "path": view.plan.path(node),
        "type": node.node_type,
        "schema": node.text("Schema"),
        "relation": node.relation,
        "index": node.text("Index Name"),
        "alias": node.text("Alias"),
        "relationship": node.relationship,
        "loops": node.loops,
        "workers_planned": node.figure("Workers Planned") if gather else None,
        "workers_launched": node.figure("Workers Launched") if gather else None,
        "rows_planned": node.figure("Plan Rows"),
        "rows_actual": context.returned(node) if node.loops is not None else None,
        "misestimate": estimate.factor,
        "rows_removed": sum((node.figure(key) or 0.0) * (node.loops or 0.0) for key in filters)
        if filters and ran
        else None,
        "inclusive_ms": _rounded(own.wall_ms),
        "exclusive_ms": _rounded(own.self_ms),
        "exclusive_fraction": context.metrics.share(node.number)
        if own.self_ms is not None
        else None,
        "shared_hit_blocks": own.own.get("Shared Hit Blocks", 0.0) if counted else None,
        "shared_read_blocks": own.own.get("Shared Read Blocks", 0.0) if counted else None,
        "temp_blocks": own.own.get("Temp Read Blocks", 0.0)
        + own.own.get("Temp Written Blocks", 0.0)
        if counted
        else None,
        "uncertain_ms": _rounded(own.uncertain_ms),
        "never_executed": node.never_executed,
        "insights": [each.rule for each in view.by_node.get(node.number, ())],
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)


def insight_part(insight: Insight) -> dict[str, Any]:
    """One of `insights`."""
    return {
        "rule": insight.rule,
        "path": insight.path,
        "severity": insight.severity,
        "title": insight.title,
        "why": insight.why,
        "evidence": dict(insight.evidence),
        "remedy": remedy_part(insight.remedy),
        "no_remedy": insight.no_remedy,
    }


# -- text --------------------------------------------------------------------------------

_HEADS = ("self", "", "total", "self", "rows", "est", "loops", "drop", "blocks")
_WIDTHS = (6, 8, 9, 9, 9, 7, 8, 6, 8)


def text_lines(view: PlanView) -> Iterator[str]:
    """The plan for a terminal or a file: header, tree, findings."""
    yield safe(" · ".join(view.summary()))
    yield ""
    yield from tree_lines(view)
    yield ""
    yield from finding_lines(view)


def tree_lines(view: PlanView) -> Iterator[str]:
    """One line a node, figures left, tree right."""
    heads = zip(_HEADS, _WIDTHS, strict=True)
    yield " ".join(head.rjust(width) for head, width in heads) + "  plan"
    for node in view.plan.nodes:
        share = view.share(node)
        cells = (
            units.NOTHING if share is None else units.percent(share),
            units.bar(share or 0.0, 8),
            view.total_text(node),
            view.own_text(node, view.meant("time")),
            view.rows_text(node),
            view.estimate_text(node),
            view.loops_text(node),
            view.drop_text(node),
            view.blocks_text(node),
        )
        figures = " ".join(cell.rjust(width) for cell, width in zip(cells, _WIDTHS, strict=True))
        badges = "".join(f" {GLYPHS.get(grade, '')}{word}" for grade, word in view.badges(node))
        note = view.counted_in(node)
        yield safe(
            f"{figures}  {prefix(view.plan, node)}{view.label(node)}{badges}"
            + (f"  ({note})" if note else ""),
            spaces=True,
        ).rstrip()


def finding_lines(view: PlanView) -> Iterator[str]:
    """The findings, numbered as the screen has them."""
    if not view.insights:
        what = "no finding" if view.plan.analyzed else "no finding: the plan was not run"
        yield what
        return
    for number, insight in enumerate(view.insights, 1):
        yield safe(f"{GLYPHS[insight.severity]} {number}  {insight.title}   [{insight.rule}]")
        yield safe(f"     {insight.why}", spaces=True)
        for sql in insight.remedy.sql if insight.remedy else ():
            yield safe(f"     {sql}", spaces=True)
        if insight.remedy and insight.remedy.caution:
            yield safe(f"     careful: {insight.remedy.caution}", spaces=True)
        if insight.no_remedy:
            yield safe(f"     no DDL: {insight.no_remedy}", spaces=True)


# -- Markdown ----------------------------------------------------------------------------


def markdown_lines(view: PlanView) -> Iterator[str]:
    """The plan for a ticket."""
    yield "## Plan"
    yield ""
    yield _plain("; ".join(view.summary()))
    yield ""
    lines = list(tree_lines(view))
    fence = _fence(lines)
    yield fence
    yield from lines
    yield fence
    yield ""
    yield "### Findings"
    yield ""
    if not view.insights:
        yield "None."
    for number, insight in enumerate(view.insights, 1):
        yield f"{number}. **{_plain(insight.title)}** (`{insight.rule}`, {insight.severity})  "
        yield f"   {_plain(insight.why)}"
        if insight.remedy:
            sql = [safe(each, spaces=True) for each in insight.remedy.sql]
            fence = _fence(sql)
            yield f"   {fence}sql"
            yield from (f"   {each}" for each in sql)
            yield f"   {fence}"
            if insight.remedy.caution:
                yield f"   Careful: {_plain(insight.remedy.caution)}"
        elif insight.no_remedy:
            yield f"   No DDL: {_plain(insight.no_remedy)}"


def _fence(lines: Sequence[str]) -> str:
    """A fence that no line of the content can close."""
    fence = "```"
    while any(fence in line for line in lines):
        fence += "`"
    return fence


def _plain(text: str) -> str:
    """Text that Markdown takes for nothing else."""
    harmless = safe(text)
    return "".join("\\" + char if char in "\\`*_{}[]<>#|" else char for char in harmless)


def raw_json(plan: Plan) -> str:
    """The plan in EXPLAIN's own JSON, for other viewers."""
    parts = ['[\n {"Plan": ']
    open_ends: list[int] = []
    for node in plan.nodes:
        while open_ends and open_ends[-1] <= node.number:
            open_ends.pop()
            parts.append("]}")
        parts.append("," if node.ordinal else "")
        parts.append("\n" + json.dumps(dict(node.raw))[:-1] + ', "Plans": [')
        open_ends.append(node.end)
    parts.append("]}" * len(open_ends))
    beside = json.dumps(dict(plan.raw))[1:]
    return "".join(parts) + (", " + beside if beside != "}" else "}") + "\n]\n"
