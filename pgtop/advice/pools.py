"""Clients that wait at a pooler: is its pool exhausted, or is the database slow?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pgtop.advice import Facts, NotPossible, Rule
from pgtop.advice.thresholds import connections as limits
from pgtop.analysis import units
from pgtop.analysis.connections import Connections
from pgtop.model.finding import Cost, Finding, Severity, Subject
from pgtop.model.pool import Pool, Pooler, PoolServer
from pgtop.model.server import Vitals
from pgtop.model.session import Session

CauseName = Literal[
    "free", "paused", "unreachable", "unknown", "transactions", "database", "pool",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What the busy server connections of a pool do, seen from inside the server."""

    cause: CauseName
    """Nobody waits for a connection; paused by hand; the server lets nobody in; its sessions
    cannot be seen; idle transactions hold it; slow statements hold it; it is too small."""

    busy: int
    """Server connections in use."""

    seen: int
    """Those of them whose sessions are visible."""

    slow: tuple[Session, ...]
    """Statements that run for long, the oldest first."""

    held: tuple[Session, ...]
    """Idle in a transaction for long, the oldest first."""


Behind = Mapping[tuple[str, str], Sequence[Session]]
"""Pool's key -> the server's sessions at the other end of its connections."""


def behind(servers: Iterable[PoolServer], sessions: Iterable[Session]) -> Behind:
    """A pooler's connections among the server's sessions, found by the backend's pid."""
    by_pid = {session.pid: session for session in sessions}
    found: dict[tuple[str, str], list[Session]] = {}
    for server in servers:
        session = by_pid.get(server.remote_pid)
        if session is not None:
            found.setdefault(server.pool, []).append(session)
    return found


def diagnosis(pool: Pool, sessions: Behind, now: float) -> Diagnosis:
    """Why the pool's clients wait, if they do. `now` is the server's clock.

    A session of another database has that pid by chance: the pooler serves another server.
    """
    database = pool.server_database or pool.database
    own = [session for session in sessions.get(pool.key, ()) if session.datname == database]
    slow = sorted(
        (s for s in own if s.state == "active" and _since(s.query_start, now) >= limits.SLOW_S),
        key=lambda s: s.query_start or now,
    )
    held = sorted(
        (s for s in own if s.idle_in_transaction and _since(s.state_change, now) >= limits.HELD_S),
        key=lambda s: s.state_change or now,
    )
    known = [s for s in own if not s.hidden]
    return Diagnosis(
        _cause(pool, len(known), len(slow), len(held)),
        pool.sv_active, len(known), tuple(slow), tuple(held),
    )  # fmt: skip


def _since(moment: float | None, now: float) -> float:
    return 0.0 if moment is None else now - moment


def _cause(pool: Pool, seen: int, slow: int, held: int) -> CauseName:
    if pool.paused or pool.disabled:
        return "paused"
    if not pool.sv_active and not pool.free:
        return "unreachable" if pool.cl_waiting else "free"
    if not seen:
        return "unknown" if pool.cl_waiting else "free"
    if not pool.cl_waiting:
        return "database" if slow >= max(1.0, pool.sv_active * limits.MOST) else "free"
    least = pool.sv_active * limits.MOST
    if slow + held >= least:
        return "database" if slow >= held else "transactions"
    return "pool"


def waiting(facts: Facts) -> Iterator[Finding]:
    """Each pool whose clients have waited long enough to feel it."""
    pools = facts.rows(Pool)
    poolers = facts.rows(Pooler)
    servers = facts.rows(PoolServer)
    sessions = facts.rows(Session)
    now = facts.get(Connections).at
    own = behind(servers, sessions)
    if not poolers:
        raise NotPossible("the pooler said nothing of itself")
    for pool in pools:
        if not pool.own and pool.cl_waiting and pool.maxwait_s >= limits.WAIT_S:
            yield _finding(pool, poolers[0], diagnosis(pool, own, now), facts, now)


def _finding(pool: Pool, pooler: Pooler, found: Diagnosis, facts: Facts, now: float) -> Finding:
    clients = units.plural(pool.cl_waiting, "client")
    wait = units.seconds(pool.maxwait_s)
    give_up = pooler.query_wait_timeout_s or 0.0
    critical = pool.maxwait_s >= limits.WAIT_CRITICAL_S or 0 < give_up <= 2 * pool.maxwait_s
    severity: Severity = "critical" if critical else "warning"
    return Finding(
        rule="pool.waiting",
        severity=severity,
        subject=Subject("pool", pool.name),
        title=f"{_TITLES[found.cause]}: {clients} of {pool.name} wait {wait} at the pooler",
        why=_why(pool, found, now),
        evidence={
            "cause": found.cause,
            "cl_waiting": pool.cl_waiting,
            "cl_active": pool.cl_active,
            "maxwait_s": round(pool.maxwait_s, 3),
            "sv_active": pool.sv_active,
            "sv_idle": pool.free,
            "pool_size": pool.pool_size,
            "slow": len(found.slow),
            "idle_in_transaction": len(found.held),
            "seen": found.seen,
        },
        cost=Cost(ms_per_s=1_000.0 * pool.cl_waiting),
        confidence="correlated" if found.cause in ("unknown", "unreachable") else "measured",
        no_remedy=_way_out(pool, pooler, found, facts),
    )


_TITLES: dict[CauseName, str] = {
    "free": "queue at the pooler",
    "paused": "pool paused",
    "unreachable": "pooler gets no server connection",
    "unknown": "queue at the pooler",
    "transactions": "pool held by idle transactions",
    "database": "database slow, pool full",
    "pool": "pool exhausted",
}


def _why(pool: Pool, found: Diagnosis, now: float) -> str:
    size = pool.pool_size if pool.pool_size is not None else pool.servers
    state = f"{pool.sv_active} of {size} server connections busy, {pool.free} free"
    if found.cause == "database":
        oldest = found.slow[0]
        events = Counter(s.event or "CPU or storage" for s in found.slow).most_common(2)
        names = ", ".join(f"{many} {event}" for event, many in events)
        return (
            f"{state}; {len(found.slow)} run a statement for {units.seconds(limits.SLOW_S)} or more"
            f" ({names}), the oldest for {units.age(_since(oldest.query_start, now))}"
            f" (pid {oldest.pid})"
        )
    if found.cause == "transactions":
        oldest = found.held[0]
        return (
            f"{state}; {len(found.held)} are idle in a transaction, the oldest for"
            f" {units.age(_since(oldest.state_change, now))} (pid {oldest.pid},"
            f" {oldest.application_name or oldest.usename})"
        )
    if found.cause == "pool":
        return (
            f"{state}, and none with a statement of {units.seconds(limits.SLOW_S)} or a"
            " transaction idle for as long: the server answers quickly, the queue is the pool's"
        )
    if found.cause == "paused":
        return f"{state}; it was paused or disabled on the console"
    if found.cause == "unreachable":
        return (
            f"{state}, {pool.sv_login} logging in: the server refuses it, has no free slot, or"
            " cannot be reached"
        )
    return (
        f"{state}; its sessions are not among those pgtop sees: another server, or a role without"
        " pg_monitor. Whether the pool or the database is at fault cannot be told"
    )


def _way_out(pool: Pool, pooler: Pooler, found: Diagnosis, facts: Facts) -> str:
    if found.cause == "database":
        return (
            "no DDL, and no bigger pool: it would move the queue into the server. Find what the"
            " statements wait for: Activity for locks, Queries and Plan for what is slow"
        )
    if found.cause == "transactions":
        return (
            "no DDL: the application keeps transactions open while it does something else. Commit"
            " before calls to other services; idle_in_transaction_session_timeout bounds it"
        )
    if found.cause == "paused":
        return f"no DDL: RESUME {pool.database}; or ENABLE {pool.database}; on PgBouncer's console"
    if found.cause == "unreachable":
        return "no DDL: PgBouncer's log says why the server does not let it in"
    if found.cause == "unknown":
        return "no DDL: start pgtop on the server behind this pool to tell pool from database"
    slots = _slots(facts)
    room = "" if slots is None else f"; the server has {units.plural(slots, 'slot')} free"
    if slots is not None and slots <= 0:
        return (
            "no DDL: the server has no slot for a bigger pool: take connections from other pools"
            " first"
        )
    return (
        f"no DDL: a bigger pool, while the server has idle cores: pool_size of {pool.database}"
        f" (default_pool_size is {pooler.default_pool_size}) doubled at a time, RELOAD, and watch"
        f" whether statements stay as quick{room}; or fewer round trips in a transaction"
    )


def _slots(facts: Facts) -> int | None:
    vitals = facts.rows(Vitals)
    if not vitals:
        return None
    row = vitals[0]
    return row.max_connections - row.reserved_connections - row.used


POOL_RULES: tuple[Rule, ...] = (Rule("pool.waiting", waiting),)
