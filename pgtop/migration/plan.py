"""Remedies put in the order in which they are to be run, and cut into steps that fit a tool."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pgtop import __version__
from pgtop.analysis.ddl_parts import Parts, harmless, understood
from pgtop.migration.apart import alike
from pgtop.model.tray import Entry
from pgtop.terminal.safe import safe

_RANKS = {
    "create index": 1, "set options": 2, "reset options": 2, "other": 3, "set statistics": 4,
    "create statistics": 4, "drop statistics": 4, "drop index": 5, "reindex": 6, "analyze": 7,
    "vacuum": 7,
}  # fmt: skip
"""A wide index is made before the narrow one goes; a REINDEX, which may fail, stops no drop;
ANALYZE sees all that was made before it."""

LEFT_OUT = "left out"

_LEFTOVER = 0
"""An invalid index is dropped first: its name may be needed."""


@dataclass(frozen=True, slots=True)
class File:
    """A file to write; `path` is relative."""

    path: str
    text: str


@dataclass(frozen=True, slots=True)
class Step:
    """What runs together: one statement alone, or statements of one transaction.

    Where `up` or `down` is empty there is nothing to do in that direction.
    """

    entry: Entry
    up: tuple[Parts, ...]
    down: tuple[Parts, ...]

    @property
    def in_block(self) -> bool:
        """Whether both directions may run inside a transaction block."""
        return all(part.in_block for part in (*self.up, *self.down))

    @property
    def slug(self) -> str:
        """A name for files and revisions: ASCII, `create_index_orders_user_id_idx`."""
        part = (*self.up, *self.down)[0]
        name = part.target.name if part.target else self.entry.subject.name
        words = f"{part.verb} {name}" + ("" if self.up else " undo")
        return re.sub(r"[^a-z0-9]+", "_", words.lower()).strip("_")[:60] or "step"


@dataclass(frozen=True, slots=True)
class Plan:
    """All steps in order, and what a person should know of them."""

    steps: tuple[Step, ...]
    notes: tuple[str, ...]
    made_at: float
    """Seconds since 1970."""

    @property
    def moment(self) -> str:
        """`2026-11-21T06:05:01Z`."""
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self.made_at))

    def version(self, number: int) -> str:
        """`20261121060501`, one second later for each step: versions sort as they run."""
        return time.strftime("%Y%m%d%H%M%S", time.gmtime(self.made_at + number))

    @property
    def title(self) -> str:
        """One line for the top of a file."""
        servers = sorted({f"{s.entry.server}, PostgreSQL {s.entry.version}" for s in self.steps})
        where = safe("; ".join(servers))
        return f"pgtop {__version__}: {len(self.steps)} steps for {where}, made {self.moment}"


def ordered(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """Entries in the order in which they are to be run; those of one rank stay as they came."""
    return tuple(sorted(entries, key=_rank))


def _rank(entry: Entry) -> int:
    parts = [understood(sql) for sql in entry.remedy.sql]
    if entry.rule == "index.invalid" and parts and parts[0].verb == "drop index":
        return _LEFTOVER
    # A remedy of several statements stands where its first kind of work does.
    return min((_RANKS.get(part.verb, 3) for part in parts), default=3)


def plan(entries: Sequence[Entry], *, made_at: float) -> Plan:
    """Steps and notes for `entries`. Statements that two remedies share run once."""
    steps: list[Step] = []
    notes = list(_conflicts(entries))
    seen: set[str] = set()
    for entry in ordered(entries):
        up = [p for p in map(_understood, entry.remedy.sql) if p.verb != "session"]
        if len(up) < len(entry.remedy.sql):
            notes.append(
                f"{LEFT_OUT}, as it is for one session or role, not for a migration:"
                f" {harmless(' '.join(entry.remedy.sql))}"
            )
        down = [p for p in map(_understood, entry.remedy.undo) if p.verb != "session"] if up else []
        fresh = [part for part in up if part.sql not in seen]
        seen.update(part.sql for part in fresh)
        steps.extend(_cut(entry, fresh, down))
    return Plan(tuple(steps), tuple(notes), made_at)


def _understood(sql: str) -> Parts:
    return understood(harmless(sql))


def _cut(entry: Entry, up: list[Parts], down: list[Parts]) -> Iterable[Step]:
    """One step where a transaction can hold all of it, else a step for each statement.

    Going down, steps run from the last to the first: the first undo belongs to the last.
    """
    if not up:
        return
    if all(part.in_block for part in (*up, *down)):
        yield Step(entry, tuple(up), tuple(down))
        return
    length = max(len(up), len(down))
    ups: list[tuple[Parts, ...]] = [(part,) for part in up] + [()] * (length - len(up))
    downs: list[tuple[Parts, ...]] = [()] * (length - len(down)) + [(p,) for p in reversed(down)]
    for one, other in zip(ups, downs, strict=True):
        yield Step(entry, one, other)


def _conflicts(entries: Sequence[Entry]) -> Iterable[str]:
    """Two remedies for one object: a person should choose."""
    touched: dict[str, list[Entry]] = {}
    for entry in entries:
        if entry.rule == "index.invalid":
            continue  # dropped to make room for the other
        for what in {what for sql in entry.remedy.sql for what in _touched(understood(sql))}:
            touched.setdefault(what, []).append(entry)
    for what, several in touched.items():
        if len(several) > 1:
            rules = " and ".join(sorted({entry.rule for entry in several}))
            yield f"{len(several)} remedies for {safe(what)} ({rules}): read them together"
    for (table, column), made in alike(entries).items():
        yield (
            f"{len(made)} new indexes of {safe(table)} begin with {safe(column)}:"
            f" {safe(', '.join(made))}; the wider one may do for both"
        )


def _touched(parts: Parts) -> tuple[str, ...]:
    """What a second remedy should not touch too: an index, a statistics object, an option."""
    target = parts.target
    if target is None or parts.verb in ("analyze", "vacuum", "other"):
        return ()
    named = ".".join(filter(None, (target.schema, target.name)))
    return tuple(f"{option} of {named}" for option in parts.options) if parts.options else (named,)


def header(step: Step) -> tuple[str, ...]:
    """Why, the figures, server, when: plain lines without control characters."""
    entry = step.entry
    seen = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(entry.added_at))
    lines = [f"{entry.rule}: {entry.title}", f"why: {entry.why}"]
    figures = ", ".join(f"{k} {v}" for k, v in entry.evidence.items() if v is not None)
    if figures:
        lines.append(f"figures: {figures}")
    lines.append(f"seen: {seen} on {entry.server}, PostgreSQL {entry.version}")
    outside = "" if step.in_block else "; cannot run inside a transaction block"
    lines.append(f"lock: {entry.remedy.lock}{outside}")
    if entry.remedy.caution:
        lines.append(f"caution: {entry.remedy.caution}")
    return tuple(safe(line) for line in lines)


def joined(files: Sequence[File]) -> str:
    """Files as one text, for a clipboard or a pipe: of psql the way up alone, else each behind
    its name."""
    if len(files) == 1 or (len(files) == 2 and files[1].path.endswith(".undo.sql")):
        return files[0].text
    return "\n".join(f"-- file: {file.path}\n{file.text}" for file in files)


def if_exists(part: Parts) -> str:
    """The statement; a DROP does not mind that its index is gone."""
    sql = part.sql.strip().rstrip(";")
    return re.sub(r"\A(DROP (?:INDEX(?: CONCURRENTLY)?|STATISTICS)) (?!IF )", r"\1 IF EXISTS ", sql)


def statement(part: Parts) -> str:
    """With its semicolon."""
    return if_exists(part) + ";"
