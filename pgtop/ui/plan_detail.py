"""A node of a plan in full: its findings, every key with its unit, its workers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.text import Text

from pgtop.analysis import units
from pgtop.model.insight import Insight
from pgtop.model.plan import PlanNode, figure
from pgtop.report.plan_view import BLOCK, PlanView
from pgtop.terminal.glyphs import SEVERITY
from pgtop.terminal.safe import safe

LONGEST = 2_000
"""Characters of one value that are shown; `X` has it whole."""

_PER_LOOP = ("Actual Rows", "Actual Total Time", "Actual Startup Time", "Rows Removed by ")
_KB = ("Memory", "Disk Usage", "Space Used", "Maximum Storage", "Output Volume")


def node_text(view: PlanView, node: PlanNode) -> Text:
    """What Enter shows."""
    text = Text()
    text.append(safe(view.label(node)), "bold")
    text.append(f"   #{node.number}, path {_short(view.plan.path(node))}\n", "dim")
    if note := view.counted_in(node):
        text.append(f"{note}\n", "italic")
    for insight in view.by_node.get(node.number, ()):
        _finding(text, insight)
    _readings(text, view, node)
    text.append("\n")
    for key, value in node.raw.items():
        if key != "Workers":
            _line(text, key, _with_unit(key, value, node.loops))
    for line in node.unread:
        _line(text, "as printed", line)
    _workers(text, node)
    return text


def _short(path: str) -> str:
    return path if len(path) < 40 else path[:18] + "…" + path[-18:]


def _finding(text: Text, insight: Insight) -> None:
    style = {"critical": "bold red", "warning": "yellow"}.get(insight.severity, "")
    text.append(f"{SEVERITY[insight.severity]} {safe(insight.title)}", style)
    text.append(f"  {insight.rule}\n", "dim")
    text.append(f"  {safe(insight.why)}\n")
    for sql in insight.remedy.sql if insight.remedy else ():
        text.append(f"  {safe(sql)}\n", "bold")
    if insight.remedy and insight.remedy.caution:
        text.append(f"  careful: {safe(insight.remedy.caution)}\n")
    if insight.no_remedy:
        text.append(f"  no DDL: {safe(insight.no_remedy)}\n")


def _readings(text: Text, view: PlanView, node: PlanNode) -> None:
    """The same figures per loop and in total."""
    own = view.context.metrics.nodes[node.number]
    estimate = view.context.estimates[node.number]
    if own.wall_ms is not None and node.loops:
        _line(text, "elapsed", view.context.timing(node))
        waits = "  (waiting for workers, not work)" if node.node_type.startswith("Gather") else ""
        _line(text, "of it its own", f"{units.ms(own.self_ms)}{waits}")
    if estimate.planned is not None and estimate.actual is not None:
        why = f"  no misestimate: {estimate.why_none}" if estimate.why_none else ""
        _line(
            text, "rows in total",
            f"{units.count(estimate.actual)} of {units.count(estimate.planned)} planned{why}",
        )  # fmt: skip
    for key, value in own.own.items():
        shown = units.size(value * BLOCK) if key.endswith("Blocks") else units.count(value)
        if key.endswith("Time"):
            shown = units.ms(value)
        _line(text, f"own {key}", shown)


def _with_unit(key: str, value: Any, loops: float | None) -> str:
    """A value with its unit, and what it is over all loops where it is an average."""
    number = figure(value)
    if number is None:
        return _listed(value)
    shown = f"{number:,.3f}".rstrip("0").rstrip(".")
    unit = ""
    if key.endswith("Time"):
        unit = " ms"
    elif key.endswith("Blocks"):
        unit = f" blocks = {units.size(number * BLOCK)}, with what is below"
    elif any(word in key for word in _KB):
        unit = f" kB = {units.size(number * 1024)}"
    elif key in ("Plan Width", "WAL Bytes"):
        unit = " bytes"
    elif key.endswith("Cost"):
        unit = " (cost)"
    if key.startswith(_PER_LOOP) and loops and loops > 1:
        total = units.ms(number * loops) if unit == " ms" else units.count(number * loops)
        unit += f" a loop, {total} in all"
    return shown + unit


def _listed(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_listed, value))
    if isinstance(value, dict):
        return ", ".join(f"{key}: {_listed(each)}" for key, each in value.items())
    return str(value)


def _line(text: Text, key: str, value: str) -> None:
    text.append(f"{safe(key)}  ", "dim")
    text.append(safe(value[:LONGEST]) + ("…" if len(value) > LONGEST else "") + "\n")


def _workers(text: Text, node: PlanNode) -> None:
    """One line a worker: what each said of itself."""
    if not node.workers:
        return
    keys = list(dict.fromkeys(key for worker in node.workers for key in worker))[:9]
    rows = [keys, *([_cell(worker, key) for key in keys] for worker in node.workers)]
    widths = [max(len(row[place]) for row in rows) for place in range(len(keys))]
    text.append("\nworkers\n", "bold")
    for row in rows:
        cells = (cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        text.append("  ".join(cells) + "\n", "dim" if row is keys else "")


def _cell(worker: Mapping[str, Any], key: str) -> str:
    number = figure(worker.get(key))
    if number is not None:
        return f"{number:,.3f}".rstrip("0").rstrip(".")
    return safe(_listed(worker.get(key, "–")))[:30]
