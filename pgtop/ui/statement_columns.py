"""The columns of the Queries tab."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pgtop.analysis import units
from pgtop.analysis.statement_delta import Delta
from pgtop.analysis.workload import StatementView
from pgtop.ui.table_columns import Cell, Column, Tone
from pgtop.ui.text import share_cell, sql_cell

BLOCK = 8192

BY_VIEW: Mapping[str, Callable[[StatementView], Any]] = {
    "share": lambda v: v.share,
    "reset mean": lambda v: v.reset_mean_ms,
    "hit": lambda v: v.delta.hit_fraction if v.delta else None,
    "user": lambda v: v.user,
    "database": lambda v: v.database,
}
"""Columns that are no metric of their own: sorted by what they show."""


def columns(
    *, per_s: bool, tags: Callable[[StatementView], tuple[tuple[str, Tone], ...]]
) -> tuple[Column[StatementView], ...]:
    """The table's columns: per second in a window, totals since the reset."""

    def amount(pick: Callable[[Delta], float | None], shown: Callable[[float | None], str]) -> Any:
        def cell(view: StatementView) -> Cell:
            if view.delta is None:
                return units.UNKNOWN
            value = pick(view.delta)
            if value is None:
                return units.UNKNOWN
            if value == 0:
                return units.NOTHING
            return shown(view.per_s(value) if per_s else value)

        return cell

    s = "/s" if per_s else ""
    whole = units.rate if per_s else units.count
    sortable: Callable[[StatementView], Any] = lambda view: None  # noqa: E731 - the pane sorts keys
    return (
        Column("share", "share", _share, 15, "left", sortable, from_width=100,
               means="of the time that all statements took in the time base"),
        Column("total", f"total{s}", amount(lambda d: d.exec_ms, units.ms), 8, sort=sortable,
               means="time spent in it, with /s a second of time: 1.00 s/s is one busy backend"),
        Column("mean", "mean", _mean, 8, sort=sortable,
               means="a call in the time base (= changes it)"),
        Column("reset mean", "mean·reset", _reset_mean, 10, sort=sortable,
               means="a call since the counters were reset, to compare; ↑ it is twice as slow now"),
        Column("calls", f"calls{s}", amount(lambda d: float(d.calls), whole), 7, sort=sortable,
               means="executions"),
        Column("temp", f"temp{s}", amount(lambda d: float(d.temp_blocks * BLOCK), units.size), 8,
               sort=sortable,
               means="temporary files written: sorts and hashes beyond work_mem"),
        Column("user", "user", lambda v: v.user, 9, "left", sortable, descending=False),
        Column("rows", "rows/call", _rows_per_call, 9, sort=sortable,
               means="rows returned or changed a call"),
        Column("hit", "hit", _hit, 6, sort=sortable, descending=False,
               means="share of its blocks that were found in shared_buffers"),
        Column("io", f"read+wr{s}", amount(lambda d: float((d.read + d.written) * BLOCK),
               units.size), 9, sort=sortable,
               means="blocks read from outside shared_buffers and written"),
        Column("wal", f"WAL{s}", amount(lambda d: d.wal_bytes, units.size), 8, sort=sortable,
               means="write-ahead log written"),
        Column("database", "database", lambda v: v.database, 9, "left", sortable,
               descending=False),
        Column("statement", "statement", lambda v: sql_cell(v.query, tags(v)), 30, "left",
               frozen=True, flex=True),
    )  # fmt: skip


def _share(view: StatementView) -> Cell:
    if view.delta is not None and not view.delta.calls:
        return units.NOTHING.rjust(6)
    return share_cell(view.share)


def _mean(view: StatementView) -> Cell:
    if view.delta is None:
        return units.UNKNOWN
    return units.NOTHING if view.delta.mean_ms is None else units.ms(view.delta.mean_ms)


def _reset_mean(view: StatementView) -> Cell:
    if view.reset_mean_ms is None:
        return units.NOTHING
    text = units.ms(view.reset_mean_ms)
    mean = view.delta.mean_ms if view.delta else None
    if mean is not None and mean >= 2 * view.reset_mean_ms and mean - view.reset_mean_ms >= 1:
        return ((text, ""), ("↑", "warning"))
    return ((text, "dim"), (" ", ""))


def _rows_per_call(view: StatementView) -> Cell:
    if view.delta is None:
        return units.UNKNOWN
    value = view.delta.rows_per_call
    return units.NOTHING if value is None else units.rate(value)


def _hit(view: StatementView) -> Cell:
    if view.delta is None:
        return units.UNKNOWN
    value = view.delta.hit_fraction
    return units.NOTHING if value is None else units.percent(value)
