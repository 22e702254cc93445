"""Everything about one statement, as text under the table."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from pgtop.analysis import units
from pgtop.analysis.workload import StatementView
from pgtop.model.sample import Disconnected, SourceError
from pgtop.model.statement import StatementDetail
from pgtop.terminal.glyphs import sparkline
from pgtop.terminal.safe import safe
from pgtop.ui.text import sql_text


def detail_text(
    view: StatementView,
    detail: StatementDetail | SourceError | None,
    history: Sequence[tuple[float, float, float]],
    findings: list[str],
    *,
    idle_s: float = 0.0,
    old_s: float = 0.0,
) -> Text:
    """Everything about one statement. It last ran `idle_s` ago, `detail` is `old_s` old."""
    text = Text()
    text.append(safe(f"{view.user} on {view.database}   queryid {view.key[2]}"), "bold")
    if view.key[3] is False:
        text.append("   called inside a function")
    text.append("\n")
    for finding in findings:
        text.append(f"! {safe(finding)}\n", "bold")
    if history:
        values = [ms for _, ms, _ in history]
        text.append(f"ms/s  {sparkline(values, min(60, len(values)))}  ")
        when = f"{units.age(idle_s)} ago" if idle_s else "now"
        text.append(f"{when} {units.rate(values[-1])}, most {units.rate(max(values))}\n")
    if isinstance(detail, StatementDetail):
        text.append_text(sql_text(detail.query))
        text.append("\n\n")
        text.append(f"since the reset, read {units.age(old_s)} ago (Enter reads again)\n", "dim")
        text.append(_counters(detail))
        return text
    text.append_text(sql_text(view.query or "(text not read)"))
    if isinstance(detail, SourceError):
        lost = " (no connection)" if isinstance(detail, Disconnected) else ""
        text.append(f"\n\n! {safe(detail.why)}{lost}")
    else:
        text.append("\n\nreading the whole text and all counters …", "dim")
    return text


def _counters(detail: StatementDetail) -> str:
    """Every counter with its unit, two or three a line; those at zero by name alone."""
    cells = [f"{name} {_with_unit(name, value)}" for name, value in detail.counters if value != 0]
    width = max(map(len, cells), default=0) + 3
    per_line = max(1, 110 // width)
    lines = (cells[i : i + per_line] for i in range(0, len(cells), per_line))
    shown = "\n".join("".join(cell.ljust(width) for cell in line).rstrip() for line in lines)
    zero = [name for name, value in detail.counters if value == 0]
    return shown + (f"\n0: {', '.join(zero)}" if zero else "")


def _with_unit(name: str, value: float | None) -> str:
    if value is None:
        return units.UNKNOWN
    if name.endswith("_time"):
        return units.ms(value)
    if "_blks_" in name:
        return f"{units.count(value)} blocks"
    if name.endswith("_bytes"):
        return units.size(value)
    return units.count(value)
