"""Who stands in whose way: a forest of sessions, its roots those that everybody waits for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pgtop.model.session import LockHolder, LockWait, Prepared, Session

RootKind = Literal[
    "idle", "active", "prepared", "sync", "recovery", "wraparound", "vacuum", "index build",
    "walsender", "deadlock", "gone",
]  # fmt: skip
"""What keeps a root from going on, which decides what may be done about it: an idle transaction;
a running statement; a prepared transaction; a commit that waits for a standby; a standby's replay;
a vacuum against wraparound; an autovacuum that gives way by itself; CREATE INDEX CONCURRENTLY; a
walsender; each other, until deadlock_timeout; a session that was gone when it was looked for."""

PREPARED = 0
"""pg_blocking_pids() says 0 for a prepared transaction."""

Who = tuple[int, str | None]
"""(pid, None), or (0, gid) of a prepared transaction."""


@dataclass(frozen=True, slots=True)
class Node:
    """A session in the forest."""

    pid: int
    gid: str | None
    session: Session | None
    """None: a prepared transaction, or a session that was gone when it was looked for."""

    wait: LockWait | None
    """None: a root."""

    children: tuple[Node, ...]
    """Those that wait for it first of all, who waits longest on top."""

    def walk(self) -> Iterator[tuple[int, Node]]:
        """(depth, node) of it and all below it, in the order of the tree; a chain may be longer
        than Python's stack."""
        ahead: list[tuple[int, Node]] = [(0, self)]
        while ahead:
            depth, node = ahead.pop()
            yield depth, node
            ahead.extend((depth + 1, child) for child in reversed(node.children))

    @property
    def below(self) -> int:
        """How many wait for it, directly or not."""
        return sum(1 for _ in self.walk()) - 1


@dataclass(frozen=True, slots=True)
class Root:
    """Somebody who waits for no lock, and for whom others wait."""

    node: Node
    kind: RootKind
    prepared: Prepared | None
    holder: LockHolder | None
    waiting: int
    """Sessions that wait for it, directly or not; parallel workers counted with their leader."""

    freed: int
    """Of these, those that wait for nobody else outside this tree: what its end would free."""

    waited_s: float | None
    """How long the first of them has waited; a bound from above before 14."""

    others: tuple[int, ...]
    """Roots of other trees that some of these wait for too."""

    @property
    def who(self) -> Who:
        """Its identity."""
        return self.node.pid, self.node.gid

    @property
    def name(self) -> str:
        """`pid 4242`, or the prepared transaction."""
        if self.node.gid is not None or self.node.pid == PREPARED:
            return f"prepared transaction {self.node.gid or '(gone)'}"
        return f"pid {self.node.pid}"


def forest(
    sessions: Sequence[Session],
    waits: Iterable[LockWait],
    holders: Iterable[LockHolder] = (),
    prepared: Iterable[Prepared] = (),
    now: float = 0.0,
) -> tuple[Root, ...]:
    """The roots, those for whom most wait first. `now` is the server's clock.

    Each waiter stands under one of its blockers, one that does not wait itself if there is one;
    rings of waiters (a deadlock before its time limit) are cut where the longest wait begins.
    """
    by_pid = {s.pid: s for s in sessions}
    waiting: dict[int, LockWait] = {}
    for wait in waits:
        waiting.setdefault(_leader(wait.pid, by_pid), wait)
    parents = {pid: _parent(pid, wait, waiting, by_pid) for pid, wait in waiting.items()}
    cut = _cut_rings(parents, waiting)
    children: dict[Who, list[int]] = {}
    for pid, parent in parents.items():
        if parent is not None:
            children.setdefault(parent, []).append(pid)
    tops = [who for who in children if who[0] == PREPARED or parents.get(who[0]) is None]
    tops = [who for who in tops if who[0] not in cut]
    tops += [(pid, None) for pid in cut]
    held = {(h.pid, h.gid): h for h in holders}
    known = {p.gid: p for p in prepared}
    nodes = {who: _node(who, children, waiting, by_pid, set(cut)) for who in tops}
    root_of = {n.pid: who for who, top in nodes.items() for _, n in top.walk()}
    made = []
    for who, node in nodes.items():
        prepared_one = known.get(who[1]) if who[1] is not None else None
        kind = "deadlock" if who[0] in cut else _kind(who, node.session)
        made.append(_root(node, kind, prepared_one, held.get(who), waiting, root_of, now))
    return tuple(sorted(made, key=lambda r: (-r.waiting, -(r.waited_s or 0.0), r.who[0])))


def _leader(pid: int, by_pid: Mapping[int, Session]) -> int:
    session = by_pid.get(pid)
    if session is not None and session.parallel_worker and session.leader_pid is not None:
        return session.leader_pid
    return pid


def _parent(
    pid: int, wait: LockWait, waiting: Mapping[int, LockWait], by_pid: Mapping[int, Session]
) -> Who | None:
    blockers = [_leader(b, by_pid) for b in wait.blocking_pids]
    blockers = [b for b in blockers if b != pid]
    free = [b for b in blockers if b not in waiting]
    chosen = next(iter(free or blockers), None)
    if chosen is None:
        return None
    return (chosen, wait.gid) if chosen == PREPARED else (chosen, None)


def _cut_rings(parents: dict[int, Who | None], waiting: Mapping[int, LockWait]) -> list[int]:
    """Make the longest waiter of every ring a root; returns these."""
    cut = []
    done: set[int] = set()
    for start in parents:
        path: list[int] = []
        at: int | None = start
        while at is not None and at in parents and at not in done and at not in path:
            path.append(at)
            parent = parents[at]
            at = None if parent is None or parent[0] == PREPARED else parent[0]
        if at is not None and at in path:
            ring = path[path.index(at) :]
            first = min(ring, key=lambda pid: (waiting[pid].wait_start or float("inf"), pid))
            parents[first] = None
            cut.append(first)
        done.update(path)
    return cut


def _node(
    who: Who,
    children: Mapping[Who, list[int]],
    waiting: Mapping[int, LockWait],
    by_pid: Mapping[int, Session],
    cut: set[int],
) -> Node:
    """The tree below `who`, without recursion's limit: chains of waiters may be long."""
    order: list[Who] = [who]
    for each in order:
        order += [(pid, None) for pid in children.get(each, ()) if pid not in cut]
    made: dict[Who, Node] = {}
    for each in reversed(order):
        below = [made[(pid, None)] for pid in children.get(each, ()) if pid not in cut]
        below.sort(key=_since)
        pid, gid = each
        made[each] = Node(pid, gid, by_pid.get(pid), waiting.get(pid), tuple(below))
    return made[who]


def _since(node: Node) -> tuple[float, int]:
    started = node.wait.wait_start if node.wait is not None else None
    if started is None and node.session is not None:
        started = node.session.query_start
    return (started if started is not None else float("inf")), node.pid


def _kind(who: Who, session: Session | None) -> RootKind:
    if who[0] == PREPARED:
        return "prepared"
    if session is None:
        return "gone"
    query = (session.query or "").lower()
    if session.wait_event == "SyncRep":
        return "sync"
    if session.backend_type == "startup":
        return "recovery"
    if session.backend_type == "walsender":
        return "walsender"
    if session.backend_type == "autovacuum worker":
        return "wraparound" if "(to prevent wraparound)" in query else "vacuum"
    if session.idle_in_transaction:
        return "idle"
    if "concurrently" in query and "index" in query:
        return "index build"
    return "active"


def _root(
    node: Node,
    kind: RootKind,
    prepared: Prepared | None,
    holder: LockHolder | None,
    waiting: Mapping[int, LockWait],
    root_of: Mapping[int, Who],
    now: float,
) -> Root:
    mine = (node.pid, node.gid)
    below = [n for depth, n in node.walk() if depth]
    others: set[int] = set()
    bound: set[int] = set()
    for each in below:
        for blocker in waiting[each.pid].blocking_pids:
            if blocker != PREPARED and root_of.get(blocker, mine) != mine:
                others.add(root_of[blocker][0])
                bound.add(each.pid)
    starts = [start for start, _ in map(_since, below) if start != float("inf")]
    return Root(
        node=node,
        kind=kind,
        prepared=prepared,
        holder=holder,
        waiting=len(below),
        freed=len(below) - len(bound),
        waited_s=max(0.0, now - min(starts)) if starts and now else None,
        others=tuple(sorted(others)),
    )
