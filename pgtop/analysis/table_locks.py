"""Would a statement get its lock now, who is in the way, and who would wait behind it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pgtop.analysis import units
from pgtop.analysis.ddl_parts import Parts
from pgtop.model.tray import Holder, Locks, Snapshot, Target

MODES = (
    "AccessShareLock", "RowShareLock", "RowExclusiveLock", "ShareUpdateExclusiveLock",
    "ShareLock", "ShareRowExclusiveLock", "ExclusiveLock", "AccessExclusiveLock",
)  # fmt: skip
"""Weakest first, as pg_locks names them."""

_CONFLICTS: dict[str, tuple[int, ...]] = {
    "AccessShareLock": (7,),
    "RowShareLock": (6, 7),
    "RowExclusiveLock": (4, 5, 6, 7),
    "ShareUpdateExclusiveLock": (3, 4, 5, 6, 7),
    "ShareLock": (2, 3, 5, 6, 7),
    "ShareRowExclusiveLock": (2, 3, 4, 5, 6, 7),
    "ExclusiveLock": (1, 2, 3, 4, 5, 6, 7),
    "AccessExclusiveLock": (0, 1, 2, 3, 4, 5, 6, 7),
}
"""Documentation of PostgreSQL 18, table 13.2, conflicting lock modes."""

_WORK = (
    ("AccessShareLock", "reads"),
    ("RowExclusiveLock", "writes"),
    ("ShareUpdateExclusiveLock", "vacuum and other DDL"),
)


def conflict(one: str, other: str) -> bool:
    """Whether two lock modes exclude each other. An unknown mode is taken for one that does."""
    if one not in _CONFLICTS or other not in _CONFLICTS:
        return True
    return MODES.index(other) in _CONFLICTS[one]


@dataclass(frozen=True, slots=True)
class Outlook:
    """What a statement would meet now."""

    state: Literal["free", "waits", "slow", "unknown"]
    """`slow`: it gets its lock and then waits for transactions before it can end."""

    text: str
    """For a cell: `free`, `waits for pid 4242`, `ends after pid 4242`."""

    detail: tuple[str, ...] = ()
    """Sentences: who is in the way, when it can end, who would wait behind."""


def mode_of(parts: Parts, named: str) -> str | None:
    """The lock a statement takes on its table, by pg_locks' name; `named` is the remedy's own."""
    if parts.verb in ("drop statistics", "session"):
        return None
    if parts.concurrently or parts.verb in (
        "set options", "reset options", "set statistics", "analyze", "vacuum", "create statistics",
    ):  # fmt: skip
        return "ShareUpdateExclusiveLock"
    if parts.verb == "create index":
        return "ShareLock"
    if parts.verb == "drop index":
        return "AccessExclusiveLock"
    mode = "".join(word.capitalize() for word in named.split()) + "Lock"
    return mode if mode in MODES else None


def target_of(parts: Parts) -> Target | None:
    """What to ask the server about; None where the statement names no qualified object."""
    name = parts.target
    if name is None or name.schema is None:
        return None
    if parts.verb in ("create index", "drop index", "reindex"):
        kind: Literal["table", "index", "statistics"] = "index"
    elif parts.verb in ("create statistics", "drop statistics"):
        kind = "statistics"
    else:
        kind = "table"
    table = parts.table
    if table is None or table.schema is None:
        return Target(kind, name.schema, name.name)
    return Target(kind, name.schema, name.name, table.schema, table.name)


def outlook(parts: Parts, locks: Locks | None, named: str) -> Outlook:
    """What the statement would meet now, from the locks on its table."""
    mode = mode_of(parts, named)
    if parts.verb == "session":
        return Outlook("free", "no lock")
    if locks is None or mode is None:
        return Outlook("unknown", "?", ("which lock it takes on what is not known here",))
    if not locks.exists:
        return Outlook("unknown", "?", ("what it changes was not found in this database",))
    behind = _behind(mode)
    against = [h for h in locks.holders if h.granted and conflict(mode, h.mode)]
    ahead = [h for h in locks.holders if not h.granted and conflict(mode, h.mode)]
    if against:
        worst = _oldest(against)
        lines = [f"{_who(h)} holds {_short(h.mode)}" for h in _distinct(against)[:4]]
        return Outlook("waits", f"waits for {_name(worst)}", (*lines, behind))
    if ahead:
        first = _oldest(ahead)
        return Outlook(
            "waits", f"behind {_name(first)}", (f"{_who(first)} waits before it", behind)
        )
    slow = _delays(parts, locks)
    if slow:
        return Outlook("slow", f"ends after {slow[0]}", (*slow[1:], behind))
    return Outlook("free", "free", (behind,))


def _delays(parts: Parts, locks: Locks) -> tuple[str, ...]:
    """What an operation CONCURRENTLY outwaits once it has its lock; the first names one pid.

    DROP waits for every lock on the table, CREATE and REINDEX for writers of the table
    and then for every older snapshot of the database (indexcmds.c, WaitForOlderSnapshots).
    """
    if not parts.concurrently:
        return ()
    against = "AccessExclusiveLock" if parts.verb == "drop index" else "ShareLock"
    users = [h for h in locks.holders if h.granted and conflict(against, h.mode)]
    waits = [f"{_who(h)} uses the table ({_short(h.mode)})" for h in _distinct(users)[:3]]
    names = [(h.xact_s or 0.0, _name(h)) for h in users]
    if parts.verb != "drop index":
        older = [s for s in locks.snapshots if (s.xact_s or 0.0) > 1.0]
        waits += [f"{_snapshot(s)} has an older snapshot" for s in older[:3]]
        names += [(s.xact_s or 0.0, f"pid {s.pid}") for s in older]
        if locks.hidden:
            waits.append(
                f"{units.plural(locks.hidden, 'session')} may not be looked into:"
                " any of them may have an older snapshot"
            )
            names.append((-1.0, "? (hidden)"))
    if not names:
        return ()
    caution = (
        ("it makes the index invisible first and waits then: offer it a quiet moment",)
        if parts.verb == "drop index"
        else ()
    )
    return (max(names)[1], *waits, *caution)


def _behind(mode: str) -> str:
    behind = [words for other, words in _WORK if conflict(mode, other)]
    kinds = " and ".join(behind)
    goes_on = [words for other, words in _WORK if not conflict(mode, other)]
    if not goes_on:
        return f"while it waits, {kinds} queue behind it"
    return f"while it waits, {kinds} queue behind it; {' and '.join(goes_on)} go on"


def _distinct(holders: list[Holder]) -> list[Holder]:
    """The strongest lock of each session, oldest transaction first."""
    strongest: dict[object, Holder] = {}
    for holder in holders:
        key = holder.pid if holder.pid is not None else holder.who
        known = strongest.get(key)
        if known is None or _strength(holder) > _strength(known):
            strongest[key] = holder
    return sorted(strongest.values(), key=lambda h: -(h.xact_s or 0.0))


def _strength(holder: Holder) -> int:
    return MODES.index(holder.mode) if holder.mode in MODES else len(MODES)


def _oldest(holders: list[Holder]) -> Holder:
    return _distinct(holders)[0]


def _name(holder: Holder) -> str:
    return f"pid {holder.pid}" if holder.pid is not None else f"prepared {holder.who}"


def _who(holder: Holder) -> str:
    since = f", transaction {units.seconds(holder.xact_s)}" if holder.xact_s is not None else ""
    kind = "" if holder.backend_type in (None, "client backend") else f" {holder.backend_type}"
    state = f", {holder.state}" if holder.state else ""
    return f"{_name(holder)}{kind} ({holder.who}{state}{since})"


def _snapshot(snapshot: Snapshot) -> str:
    since = f", {units.seconds(snapshot.xact_s)}" if snapshot.xact_s is not None else ""
    state = f", {snapshot.state}" if snapshot.state else ""
    return f"pid {snapshot.pid} ({snapshot.who}{state}{since})"


def _short(mode: str) -> str:
    """`ShareUpdateExclusiveLock` -> `SHARE UPDATE EXCLUSIVE`."""
    words = "".join(f" {c}" if c.isupper() else c for c in mode.removesuffix("Lock"))
    return words.strip().upper()
