"""The columns of Replication: what stands, how far behind, how fast that changes."""

from __future__ import annotations

from typing import cast

from pgtop.analysis import units
from pgtop.terminal.glyphs import SEVERITY
from pgtop.ui.replication_rows import Row
from pgtop.ui.table_columns import Cell, Column, Tone


def columns() -> tuple[Column[Row], ...]:
    """What stands, how far behind, how fast that changes, and the rest in words."""
    return (
        Column("mark", " ", _mark, 2, "left", frozen=True),
        Column("name", "what", lambda r: r.name, 24, "left", lambda r: r.name,
               descending=False, frozen=True),
        Column("state", "state", lambda r: ((r.state, _tone(r)),), 25, "left",
               lambda r: r.state, descending=False),
        Column("bytes", "behind/kept", _bytes, 11, sort=lambda r: r.bytes,
               means="how far behind it is, or how much it keeps"),
        Column("lag", "seconds", lambda r: units.NOTHING if r.lag_s is None
               else units.seconds(r.lag_s), 12, sort=lambda r: r.lag_s,
               means="the same in time, where it is known"),
        Column("change", "change/s", _change, 10, sort=lambda r: r.per_s, from_width=100,
               means="how fast that grows or shrinks"),
        Column("said", " ", lambda r: ((r.said, "dim"),), 20, "left", flex=True,
               from_width=100),
    )  # fmt: skip


def _mark(row: Row) -> Cell:
    if not row.findings:
        return " "
    severity = row.findings[0].severity
    return ((SEVERITY[severity], cast(Tone, severity)),)


def _tone(row: Row) -> Tone:
    return cast(Tone, row.findings[0].severity) if row.findings else ""


def _bytes(row: Row) -> Cell:
    if row.bytes is None:
        return units.UNKNOWN if row.bytes_unknown else units.NOTHING
    return units.size(row.bytes) if row.bytes else units.NOTHING


def _change(row: Row) -> Cell:
    if row.per_s is None or row.bytes is None:
        return units.NOTHING
    if abs(row.per_s) < 1:
        return "0"
    sign = "+" if row.per_s > 0 else "-"
    return f"{sign}{units.size(abs(row.per_s))}"
