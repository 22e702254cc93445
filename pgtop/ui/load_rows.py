"""The load of the last minutes as rows: wait classes, their events, the statements below."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pgtop.analysis import units
from pgtop.analysis.waits import CPU, Share, StatementRef, Waits, counts, statement_of
from pgtop.model.session import Session
from pgtop.terminal.glyphs import sparkline
from pgtop.ui.table_columns import Cell, Column, Tone
from pgtop.ui.text import share_cell

SPARKS = 30
"""Parts of the window; ten seconds each where it is full."""

MOST = 5
"""Statements of one class."""


@dataclass(frozen=True, slots=True)
class LoadRow:
    """A wait class, or a statement in it."""

    wait_class: str
    statement: StatementRef | None
    """None: the class itself."""

    name: str
    """The statement's text; of a class its events, the most frequent first."""

    average: float
    """Active sessions."""

    fraction: float
    """Of all active sessions."""

    series: tuple[float, ...]

    @property
    def key(self) -> tuple[str, str, StatementRef | None]:
        """Its identity."""
        return "load", self.wait_class, self.statement

    def holds(self, session: Session) -> bool:
        """Whether the session is at this now."""
        if not counts(session) or (session.wait_event_type or CPU) != self.wait_class:
            return False
        return self.statement is None or statement_of(session)[0] == self.statement

    @property
    def words(self) -> str:
        """For the head of the list of its sessions."""
        return self.wait_class if self.statement is None else f"{self.wait_class} · {self.name}"


def load_rows(waits: Waits) -> Iterator[LoadRow]:
    """Classes, the heaviest first, each with its statements."""
    classes = sorted(waits.classes(SPARKS), key=lambda share: -share.average)
    total = sum(share.average for share in classes) or 1.0
    for share in classes:
        yield _row(share, share.name, None, _events(waits, share.name), total)
        for each in waits.statements(share.name, SPARKS)[:MOST]:
            yield _row(each, share.name, each.statement, each.name, total)


def _events(waits: Waits, wait_class: str) -> str:
    if wait_class == CPU:
        return "on the processor, or in line for it: which of them SQL cannot see"
    found = waits.events(wait_class)
    return ", ".join(f"{each.name} {units.significant(each.average)}" for each in found[:4])


def _row(
    share: Share, wait_class: str, statement: StatementRef | None, name: str, total: float
) -> LoadRow:
    return LoadRow(wait_class, statement, name, share.average, share.average / total, share.series)


def load_columns() -> tuple[Column[LoadRow], ...]:
    """Class and statements, their share, how it went."""
    return (
        Column("class", "waits for", _class, 11, "left", frozen=True),
        Column("active", "active", lambda r: units.significant(r.average), 7,
               means="sessions at work at a time, averaged: 1 is one busy all the time"),
        Column("share", "share", lambda r: share_cell(r.fraction), 15, "left", from_width=70,
               means="of all of them"),
        Column("series", "oldest … now", lambda r: ((sparkline(r.series, SPARKS), "bar"),),
               SPARKS, "left", from_width=110,
               means="how it went, the highest bar the most"),
        Column("statement", "statement", _statement, 30, "left", flex=True),
    )  # fmt: skip


def _class(row: LoadRow) -> Cell:
    if row.statement is not None:
        return ""
    tone: Tone = (
        "good" if row.wait_class == CPU else "warning" if row.wait_class == "Lock" else "strong"
    )
    return ((row.wait_class, tone),)


def _statement(row: LoadRow) -> Cell:
    if row.statement is None:
        return ((row.name, "dim"),)
    return row.name or (("(text not read)", "dim"),)
