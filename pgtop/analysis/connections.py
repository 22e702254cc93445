"""Connections counted: by what they do and whose they are, how they grow, and what bounds them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal

from pgtop.model.connections import ConnectionLimit, SessionCounters
from pgtop.model.sample import Sample
from pgtop.model.server import Vitals
from pgtop.model.session import Session

By = Literal["state", "database", "user", "application", "client"]

KEPT_S = 900.0
"""How long levels are remembered."""

STEP_S = 5.0
"""Levels are kept at this distance, the latest beside."""

OPENED_S = 60.0
"""New sessions are counted over this long."""

Samples = Mapping[type[Any], Sample[Any]]
Levels = tuple[tuple[float, int], ...]
"""(server's clock, slots in use), oldest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Crowd:
    """The sessions that share a state, a database, a user, an application or a client."""

    by: By
    name: str | None
    """None where the sessions say nothing, or are hidden from this role."""

    total: int
    active: int
    waiting: int
    """Active, and waiting for a lock."""

    idle: int
    idle_in_transaction: int
    hidden: int
    oldest_idle_s: float | None
    oldest_held_s: float | None
    """The longest time that one has been idle in its transaction."""

    oldest_xact_s: float | None
    youngest_s: float | None
    """Since the last of them connected."""

    limit: int | None = None

    @property
    def key(self) -> tuple[str, str | None]:
        """Its identity from one reading to the next."""
        return self.by, self.name


_BY: Mapping[By, Callable[[Session], str | None]] = {
    "state": lambda s: s.state if s.state is not None or s.hidden else "starting",
    "database": lambda s: s.datname,
    "user": lambda s: s.usename,
    "application": lambda s: s.application_name or None,
    "client": lambda s: s.client_addr or (None if s.hidden else "local"),
}


def shared(session: Session, by: By) -> str | None:
    """What a session has in common with the others of its crowd."""
    return _BY[by](session)


def crowds(
    sessions: Iterable[Session], by: By, now: float, limits: Sequence[ConnectionLimit] = ()
) -> list[Crowd]:
    """Clients by that attribute, the biggest crowd first. `now` is the server's clock."""
    found: dict[str | None, list[Session]] = {}
    name_of = _BY[by]
    for session in sessions:
        if session.client:
            found.setdefault(name_of(session), []).append(session)
    kind = {"user": "role", "database": "database"}.get(by)
    bounds = {limit.name: limit.limit for limit in limits if limit.kind == kind}
    made = [_crowd(by, name, each, now, bounds.get(name or "")) for name, each in found.items()]
    made.sort(key=lambda crowd: (-crowd.total, crowd.name or ""))
    return made


def _crowd(
    by: By, name: str | None, sessions: Sequence[Session], now: float, limit: int | None
) -> Crowd:
    held = [s for s in sessions if s.idle_in_transaction]
    idle = [s for s in sessions if s.state == "idle"]
    active = [s for s in sessions if s.state == "active"]
    starts = [s.backend_start for s in sessions if s.backend_start is not None]
    return Crowd(
        by=by,
        name=name,
        total=len(sessions),
        active=len(active),
        waiting=sum(s.wait_event_type == "Lock" for s in active),
        idle=len(idle),
        idle_in_transaction=len(held),
        hidden=sum(s.hidden for s in sessions),
        oldest_idle_s=_oldest((s.state_change for s in idle), now),
        oldest_held_s=_oldest((s.state_change for s in held), now),
        oldest_xact_s=_oldest((s.xact_start for s in sessions), now),
        youngest_s=max(0.0, now - max(starts)) if starts else None,
        limit=limit,
    )


def _oldest(moments: Iterable[float | None], now: float) -> float | None:
    known = [moment for moment in moments if moment is not None]
    return max(0.0, now - min(known)) if known else None


@dataclass(frozen=True, slots=True)
class Bound:
    """A limit and how much of it is taken."""

    kind: Literal["server", "role", "database"]
    name: str
    """Of the role or the database; empty for the server."""

    used: int
    limit: int
    """Without what is reserved."""

    @property
    def key(self) -> tuple[str, str]:
        """Its identity."""
        return self.kind, self.name

    @property
    def share(self) -> float:
        """Of the limit."""
        return self.used / self.limit if self.limit > 0 else 1.0

    @property
    def free(self) -> int:
        """Slots that are left."""
        return max(0, self.limit - self.used)


def bounds(
    sessions: Sequence[Session], vitals: Vitals | None, limits: Sequence[ConnectionLimit]
) -> list[Bound]:
    """Every limit, the one that bites first at the head."""
    clients = [session for session in sessions if session.client] if limits else []
    used = {
        "role": Counter(session.usename for session in clients),
        "database": Counter(session.datname for session in clients),
    }
    made: list[Bound] = []
    if vitals is not None:
        usable = vitals.max_connections - vitals.reserved_connections
        made.append(Bound("server", "", vitals.used, usable))
    for limit in limits:
        kind: Literal["role", "database"] = "role" if limit.kind == "role" else "database"
        made.append(Bound(kind, limit.name, used[kind][limit.name], limit.limit))
    return sorted(made, key=lambda bound: (bound.free, -bound.share))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Connections:
    """How many connections there were, and how many came."""

    READS: ClassVar[tuple[type[Any], ...]] = (
        Session, Vitals, ConnectionLimit, SessionCounters,
    )  # fmt: skip

    at: float = 0.0
    """Server's clock of the last reading of sessions."""

    bounds: tuple[Bound, ...] = ()
    levels: Mapping[tuple[str, str], Levels] = field(default_factory=dict)
    """By `Bound.key`."""

    opened: Levels = ()
    """(server's clock, sessions that came since the reading before)."""

    watched: tuple[float, ...] = ()
    """Length of each of those gaps, seconds."""

    most_active: int = 0
    """The most clients that were seen active at once."""

    counted: tuple[tuple[float, SessionCounters], ...] = ()
    """The last two readings of the counters."""

    def advanced(self, fresh: Samples, held: Samples) -> Connections:
        """The next value."""
        changes: dict[str, Any] = {}
        if SessionCounters in fresh and fresh[SessionCounters].rows:
            sample = fresh[SessionCounters]
            changes["counted"] = (*self.counted, (sample.taken_at, sample.rows[0]))[-2:]
        if Session in fresh:
            changes.update(self._sessions(fresh[Session], held))
        return replace(self, **changes) if changes else self

    def _sessions(self, sample: Sample[Session], held: Samples) -> dict[str, Any]:
        rows, at = sample.rows, sample.taken_at
        vitals = held[Vitals].rows[0] if Vitals in held and held[Vitals].rows else None
        limits = held[ConnectionLimit].rows if ConnectionLimit in held else ()
        found = tuple(bounds(rows, vitals, limits))
        changes: dict[str, Any] = {
            "at": at,
            "bounds": found,
            "levels": {b.key: _then(self.levels.get(b.key, ()), at, b.used) for b in found},
            "most_active": max(
                self.most_active, sum(s.client and s.state == "active" for s in rows)
            ),
        }
        if self.at and at > self.at:
            new = sum(
                s.client and s.backend_start is not None and s.backend_start > self.at for s in rows
            )
            opened = (*self.opened, (at, new))
            watched = (*self.watched, at - self.at)
            keep = sum(moment > at - OPENED_S for moment, _ in opened)
            changes["opened"], changes["watched"] = opened[-keep:], watched[-keep:]
        return changes

    @property
    def opened_per_s(self) -> float | None:
        """New sessions a second: the server's own count from 14 on, else those that were still
        there when looked at, which is the least there can have been."""
        if len(self.counted) == 2:
            (then, before), (now, after) = self.counted
            grown = after.sessions - before.sessions
            if now > then and grown >= 0:
                return grown / (now - then)
        seconds = sum(self.watched)
        return sum(n for _, n in self.opened) / seconds if seconds else None

    @property
    def opened_exactly(self) -> bool:
        """Whether that is a count, not the least."""
        return len(self.counted) == 2

    def level(self, bound: Bound) -> Levels:
        """How a limit was used."""
        return self.levels.get(bound.key, ())

    def growth(self, bound: Bound, over_s: float, least_s: float) -> tuple[float, float] | None:
        """(slots a second, slots in all) over the last `over_s`, by least squares.

        None below `least_s` or three readings. (0, 0) where the level swings by more than it
        grew: twice the deviation from the line.
        """
        points = [(t, n) for t, n in self.level(bound) if t >= self.at - over_s]
        if len(points) < 3 or points[-1][0] - points[0][0] < least_s:
            return None
        mean_t = sum(t for t, _ in points) / len(points)
        mean_n = sum(n for _, n in points) / len(points)
        square = sum((t - mean_t) ** 2 for t, _ in points)
        slope = sum((t - mean_t) * (n - mean_n) for t, n in points) / square
        rest = sum((n - mean_n - slope * (t - mean_t)) ** 2 for t, n in points)
        grown = slope * (points[-1][0] - points[0][0])
        if abs(grown) <= 2 * (rest / len(points)) ** 0.5:
            return 0.0, 0.0
        return slope, grown

    def stands_still(self, bound: Bound, for_s: float, step: float) -> bool:
        """Whether the level moved by no more than `step` for so long."""
        points = self.level(bound)
        if not points or self.at - points[0][0] < for_s:
            return False
        late = [n for t, n in points if t >= self.at - for_s]
        return max(late) - min(late) <= step


def _then(levels: Levels, at: float, used: int) -> Levels:
    if levels and at <= levels[-1][0]:
        return ((at, used),)
    kept = levels
    if len(levels) >= 2 and levels[-1][0] - levels[-2][0] < STEP_S:
        kept = levels[:-1]
    return (*(point for point in kept if point[0] > at - KEPT_S), (at, used))


def older_share(sessions: Iterable[Session], now: float, than_s: float) -> float | None:
    """Share of the sessions that are older; None where none or some are hidden."""
    starts = [session.backend_start for session in sessions]
    if not starts or any(start is None for start in starts):
        return None
    return sum(now - (start or now) > than_s for start in starts) / len(starts)
