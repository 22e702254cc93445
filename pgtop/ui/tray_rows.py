"""The DDL tab's rows, columns and detail."""

from __future__ import annotations

from dataclasses import dataclass

from rich.text import Text

from pgtop.analysis import units
from pgtop.analysis.applied import Applied
from pgtop.analysis.ddl_parts import Parts, harmless, understood
from pgtop.analysis.table_locks import Outlook, target_of
from pgtop.migration.plan import ordered
from pgtop.model.tray import Entry, Target, Tray
from pgtop.terminal.safe import safe
from pgtop.ui.table_columns import Cell, Column, Tone
from pgtop.ui.text import sql_text

TrayKey = tuple[str, int]
"""(entry, number of the statement in it)."""


@dataclass(frozen=True, slots=True)
class TrayRow:
    """One statement of the tray, and how it stands."""

    entry: Entry
    number: int
    parts: Parts
    target: Target | None
    marked: bool
    outlook: Outlook | None
    """None: not asked yet."""

    applied: Applied | None
    added_s: float | None
    """Seconds since it was kept."""

    @property
    def key(self) -> TrayKey:
        """Its identity."""
        return self.entry.key, self.number

    @property
    def done(self) -> bool:
        """Whether nothing is left to do."""
        return self.applied is not None and self.applied.state == "yes"


def rows_of(
    tray: Tray,
    marked: frozenset[str],
    outlooks: dict[TrayKey, Outlook],
    states: dict[TrayKey, Applied],
    now: float | None,
) -> list[TrayRow]:
    """Every statement in the order in which they are to be run."""
    rows = []
    for entry in ordered(tray.entries):
        for number, sql in enumerate(entry.remedy.sql):
            parts = understood(harmless(sql))
            key = (entry.key, number)
            rows.append(
                TrayRow(
                    entry=entry,
                    number=number,
                    parts=parts,
                    target=target_of(parts),
                    marked=entry.key in marked,
                    outlook=outlooks.get(key),
                    applied=states.get(key),
                    added_s=None if now is None else max(0.0, now - entry.added_at),
                )
            )
    return rows


WIDE = 110
"""From this width on lock and state have room for whole sentences."""


def columns(width: int) -> tuple[Column[TrayRow], ...]:
    """What would happen now, what happened, the statement, and why."""
    lock, state = (24, 27) if width >= WIDE else (22, 15) if width >= 80 else (18, 15)
    return (
        Column("mark", " ", lambda r: "x" if r.marked else " ", 1, "left"),
        Column("lock", "lock now", _lock, lock, "left", lambda r: r.outlook and r.outlook.text,
               descending=False,
               means="whether it would wait now, for whom, and for whom that would make wait"),
        Column("state", "state", _state, state, "left", lambda r: r.applied and r.applied.text,
               descending=False, from_width=80,
               means="whether it was run since: read from the catalogue"),
        Column("rule", "why", lambda r: r.entry.rule, 20, "left", lambda r: r.entry.rule,
               descending=False, from_width=130,
               means="the finding that it came from"),
        Column("kept", "kept", lambda r: units.age(r.added_s), 6, sort=lambda r: r.added_s,
               from_width=150,
               means="since it was put here"),
        Column("statement", "statement", lambda r: safe(r.parts.sql), 30, "left",
               lambda r: r.parts.sql, descending=False, flex=True, names=True),
    )  # fmt: skip


_LOCK_TONES: dict[str, tuple[str, Tone]] = {
    "free": ("· ", "good"), "waits": ("! ", "warning"), "slow": ("! ", "notice"),
    "unknown": ("? ", "dim"),
}  # fmt: skip
_STATE_TONES: dict[str, Tone] = {
    "no": "dim", "running": "notice", "yes": "good", "failed": "critical", "unknown": "dim",
}  # fmt: skip


def _lock(row: TrayRow) -> Cell:
    if row.done:
        return (("✓", "good"),)
    if row.parts.verb == "session":
        return (("for one session", "dim"),)
    if row.target is None:
        named = "no schema named" if row.parts.verb != "other" else "not known"
        return ((f"? {named}", "dim"),)
    if row.outlook is None:
        return (("…", "dim"),)
    glyph, tone = _LOCK_TONES[row.outlook.state]
    text = row.outlook.text.removeprefix("? ")
    return ((glyph, tone), ("" if text == "?" else text, tone))


def _state(row: TrayRow) -> Cell:
    if row.parts.verb == "session":
        return ((units.NOTHING, "dim"),)
    if row.applied is None:
        return (("…" if row.target is not None else units.UNKNOWN, "dim"),)
    return ((row.applied.text, _STATE_TONES[row.applied.state]),)


def detail(row: TrayRow, notes: tuple[str, ...]) -> Text:
    """Everything about one entry of the tray."""
    entry, remedy = row.entry, row.entry.remedy
    text = Text()
    text.append(safe(f"{entry.rule}   {entry.title}"), "bold")
    text.append("\n" + safe(entry.why) + "\n")
    figures = ", ".join(f"{k} {v}" for k, v in entry.evidence.items() if v is not None)
    if figures:
        text.append(safe(figures) + "\n", "dim")
    since = f", kept {units.age(row.added_s)} ago" if row.added_s is not None else ""
    text.append(safe(f"seen on {entry.server}, PostgreSQL {entry.version}{since}"), "dim")
    text.append("\n")
    for sql in remedy.sql:
        text.append_text(sql_text(harmless(sql)))
        text.append("\n")
    inside = all(understood(harmless(sql)).in_block for sql in remedy.sql)
    where = "" if inside else ", outside a transaction"
    text.append(f"lock  {remedy.lock}{where}\n")
    for line in row.outlook.detail if row.outlook else ():
        text.append(f"      {safe(line)}\n")
    if row.applied is not None:
        text.append(f"state {safe(row.applied.text)}\n")
    for sql in remedy.undo:
        text.append(f"undo  {safe(harmless(sql))}\n")
    if remedy.caution:
        text.append(f"!     {safe(remedy.caution)}\n", "bold")
    for note in notes:
        text.append(f"!     {safe(note)}\n")
    return text
