"""The forest of waiters from one reading to the next: since when each was seen to wait."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from pgtop.analysis.blocking import Root, forest
from pgtop.model.sample import Sample
from pgtop.model.session import LockHolder, LockWait, Prepared, Session

Waiter = tuple[int, float | None, float | None]
"""pid, backend_start, query_start: a busy client is often seen waiting, each time in another
statement."""


@dataclass(frozen=True, slots=True, eq=False)
class Blocks:
    """Roots, those for whom most wait first, as of the last reading."""

    READS: ClassVar[tuple[type[Any], ...]] = (Session, LockWait)

    at: float = 0.0
    """The server's clock."""

    roots: tuple[Root, ...] = ()
    seen: Mapping[Waiter, float] = field(default_factory=dict)
    """Who waits -> the reading in which it was first seen to, without a pause since."""

    sessions: Mapping[int, Session] = field(default_factory=dict)
    """By pid."""

    waits: Mapping[int, LockWait] = field(default_factory=dict)
    """By the pid of who waits."""

    def advanced(
        self, fresh: Mapping[type[Any], Sample[Any]], held: Mapping[type[Any], Sample[Any]]
    ) -> Blocks:
        """The next value."""
        if Session not in held or LockWait not in held:
            return self
        at = held[Session].taken_at
        rows: tuple[Session, ...] = held[Session].rows
        sessions = {row.pid: row for row in rows}
        waits = {wait.pid: wait for wait in held[LockWait].rows}
        keys = [_waiter(pid, sessions) for pid in waits]
        return Blocks(
            at=at,
            roots=forest(rows, waits.values(), _holders(held, sessions), _rows(held, Prepared), at),
            seen={key: self.seen.get(key, at) for key in keys},
            sessions=sessions,
            waits=waits,
        )

    def waited_s(self, pid: int) -> tuple[float | None, bool]:
        """(seconds that it has waited for a lock, whether that is exact): before 14 as long as
        it was seen to wait, which is the least; None where it does not wait."""
        wait = self.waits.get(pid)
        if wait is None:
            return None, True
        if wait.wait_start is not None:
            return max(0.0, self.at - wait.wait_start), True
        return self.at - self.seen.get(_waiter(pid, self.sessions), self.at), False

    def longest_s(self, root: Root) -> float:
        """How long the first of those behind a root has waited, at least."""
        waited = (self.waited_s(node.pid)[0] for depth, node in root.node.walk() if depth)
        own = self.waited_s(root.node.pid)[0]  # of a ring all wait
        return max((own or 0.0, *(each or 0.0 for each in waited)))


def _waiter(pid: int, sessions: Mapping[int, Session]) -> Waiter:
    session = sessions.get(pid)
    return (pid, None, None) if session is None else (*session.key, session.query_start)


def _holders(
    held: Mapping[type[Any], Sample[Any]], sessions: Mapping[int, Session]
) -> list[LockHolder]:
    """What was held in the transactions that still last: it is read less often than the rest."""
    sample: Sample[LockHolder] | None = held.get(LockHolder)
    if sample is None:
        return []
    starts = {pid: session.xact_start for pid, session in sessions.items()}
    return [
        holder
        for holder in sample.rows
        if holder.gid is not None or _before(starts.get(holder.pid), sample.taken_at)
    ]


def _before(start: float | None, at: float) -> bool:
    return start is not None and start <= at


def _rows(held: Mapping[type[Any], Sample[Any]], row_type: type[Any]) -> tuple[Any, ...]:
    sample = held.get(row_type)
    return () if sample is None else sample.rows
