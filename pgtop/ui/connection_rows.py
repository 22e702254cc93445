"""The Connections tab's rows, its picture of pooler and server, and its words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.text import Text

from pgtop.advice.connections import forecast
from pgtop.advice.pooling import BREAKS, HINTS, prepared_statements
from pgtop.advice.pools import Diagnosis
from pgtop.advice.thresholds import connections as limits
from pgtop.analysis import units
from pgtop.analysis.connections import Bound, Connections, Crowd
from pgtop.model.finding import Finding
from pgtop.model.pool import Pool, Pooler
from pgtop.model.server import Link, Vitals
from pgtop.model.session import Session
from pgtop.terminal.safe import safe
from pgtop.ui.finding_text import finding_text
from pgtop.ui.lines import Line
from pgtop.ui.table_columns import Cell, Column, Tone

Piece = tuple[str, Tone]

OLD_S = 60.0
"""A transaction idle for so long is worth the eye."""

MOST_SESSIONS = 30
"""Sessions of a crowd in its detail."""


@dataclass(frozen=True, slots=True)
class PoolRow:
    """A pool, and why its clients wait if they do."""

    pool: Pool
    found: Diagnosis

    @property
    def key(self) -> tuple[str, str]:
        """That of the pool."""
        return self.pool.key


CAUSES: dict[str, tuple[str, Tone]] = {
    "free": ("ok", "good"),
    "paused": ("paused", "warning"),
    "unreachable": ("server unreachable", "critical"),
    "unknown": ("?", "dim"),
    "transactions": ("idle transactions", "warning"),
    "database": ("database slow", "critical"),
    "pool": ("pool too small", "critical"),
}
"""What the cell says of a pool's clients."""


# -- columns -------------------------------------------------------------------------------


def crowd_columns(title: str) -> tuple[Column[Crowd], ...]:
    """How many, what they do, and for how long."""
    return (
        Column("total", "sessions", _total, 8, sort=lambda c: c.total, frozen=True),
        Column("active", "active", lambda c: _count(c.active), 7, sort=lambda c: c.active),
        Column("waiting", "lock", _waiting, 5, sort=lambda c: c.waiting,
               means="wait for a lock"),
        Column("idle", "idle", lambda c: _count(c.idle), 6, sort=lambda c: c.idle),
        Column("held", "in xact", _held, 8, sort=lambda c: c.idle_in_transaction,
               means="idle in transaction: they hold locks and old rows"),
        Column("held_s", "for", lambda c: _age(c.oldest_held_s), 7, sort=lambda c: c.oldest_held_s,
               means="the longest of those"),
        Column("idle_s", "idle for", lambda c: _age(c.oldest_idle_s), 9,
               sort=lambda c: c.oldest_idle_s, from_width=90,
               means="the longest that did nothing outside a transaction"),
        Column("xact_s", "xact", lambda c: _age(c.oldest_xact_s), 7,
               sort=lambda c: c.oldest_xact_s, from_width=100,
               means="the oldest transaction"),
        Column("youngest_s", "newest", lambda c: _age(c.youngest_s), 8,
               sort=lambda c: c.youngest_s, descending=False, from_width=110,
               means="since the last of them connected: always new ones mean no pool"),
        Column("limit", "limit", _limit, 7, sort=lambda c: c.limit,
               means="of the role or database, -1 none"),
        Column("name", title, _name, 16, "left", sort=lambda c: c.name or "", descending=False,
               flex=True),
    )  # fmt: skip


def pool_columns() -> tuple[Column[PoolRow], ...]:
    """The queue, the server connections, and what they do."""
    return (
        Column("waiting", "wait", _clients_waiting, 6, sort=lambda r: r.pool.cl_waiting,
               frozen=True,
               means="clients that wait for a server connection"),
        Column("maxwait", "longest", lambda r: _age(r.pool.maxwait_s or None), 8,
               sort=lambda r: r.pool.maxwait_s,
               means="the one that waits longest"),
        Column("clients", "clients", lambda r: _count(r.pool.cl_active + r.pool.cl_waiting), 8,
               sort=lambda r: r.pool.cl_active + r.pool.cl_waiting),
        Column("busy", "busy/size", _busy, 10, sort=lambda r: r.pool.sv_active,
               means="server connections at work, of how many there may be"),
        Column("free", "free", lambda r: _count(r.pool.free), 5, sort=lambda r: r.pool.free,
               means="server connections that wait for a client"),
        Column("login", "login", lambda r: _count(r.pool.sv_login), 6,
               sort=lambda r: r.pool.sv_login, from_width=128,
               means="server connections being opened"),
        Column("slow", "slow", lambda r: _count(len(r.found.slow)), 5,
               sort=lambda r: len(r.found.slow), from_width=105,
               means="of the busy ones, statements under way for long"),
        Column("held", "in xact", lambda r: _count(len(r.found.held)), 8,
               sort=lambda r: len(r.found.held), from_width=105,
               means="of the busy ones, idle in transaction: the client keeps them"),
        Column("cause", "why", lambda r: (CAUSES[r.found.cause],), 18, "left",
               sort=lambda r: r.found.cause, descending=False,
               means="what the clients wait for"),
        Column("mode", "mode", lambda r: r.pool.pool_mode or units.UNKNOWN, 12, "left",
               from_width=128),
        Column("name", "pool (database/user)", lambda r: r.pool.name, 18, "left",
               sort=lambda r: r.pool.name, descending=False, flex=True),
    )  # fmt: skip


def _count(value: int) -> Cell:
    return units.count(value) if value else units.NOTHING


def _age(value: float | None) -> Cell:
    return units.NOTHING if value is None else units.age(value)


def _total(crowd: Crowd) -> Cell:
    tone: Tone = "strong"
    if crowd.limit is not None and crowd.total >= crowd.limit:
        tone = "critical"
    return ((units.count(crowd.total), tone),)


def _waiting(crowd: Crowd) -> Cell:
    return ((units.count(crowd.waiting), "warning"),) if crowd.waiting else units.NOTHING


def _held(crowd: Crowd) -> Cell:
    if not crowd.idle_in_transaction:
        return units.NOTHING
    old = (crowd.oldest_held_s or 0.0) >= OLD_S
    return ((units.count(crowd.idle_in_transaction), "warning" if old else ""),)


def _limit(crowd: Crowd) -> Cell:
    return units.NOTHING if crowd.limit is None else units.count(crowd.limit)


def _name(crowd: Crowd) -> Cell:
    if crowd.name is None:
        said = "hidden from this role" if crowd.hidden else "(not set)"
        return ((said, "dim"),)
    return crowd.name


def _clients_waiting(row: PoolRow) -> Cell:
    if not row.pool.cl_waiting:
        return units.NOTHING
    return ((units.count(row.pool.cl_waiting), "critical" if row.pool.maxwait_s >= 1 else ""),)


def _busy(row: PoolRow) -> Cell:
    pool = row.pool
    size = units.UNKNOWN if pool.pool_size is None else str(pool.pool_size)
    full = pool.pool_size is not None and pool.sv_active >= pool.pool_size
    return ((f"{pool.sv_active}/{size}", "warning" if full and pool.cl_waiting else ""),)


# -- the picture ----------------------------------------------------------------------------


def picture(
    pooler: Pooler | None,
    rows: Sequence[PoolRow],
    vitals: Vitals | None,
    found: Connections,
    width: int,
) -> Line:
    """Clients, pooler and server on one line, with the queue between them."""
    pieces: list[Piece] = [(" ", "")]
    wide = width >= 100
    if pooler is not None:
        waiting = sum(row.pool.cl_waiting for row in rows)
        clients = sum(row.pool.cl_active for row in rows) + waiting
        longest = max((row.pool.maxwait_s for row in rows), default=0.0)
        pieces.append((f"{units.plural(clients, 'client')}", "strong"))
        if waiting:
            tone: Tone = "critical" if longest >= 1 else "warning"
            pieces.append((f", {units.count(waiting)} wait up to {units.age(longest)}", tone))
        busy = sum(row.pool.sv_active for row in rows)
        servers = sum(row.pool.servers for row in rows)
        mode = f" {pooler.version} {pooler.pool_mode or ''}" if wide else ""
        pieces += [
            (" → ", "dim"),
            (f"PgBouncer{mode}", ""),
            (f", {busy} of {servers} busy", ""),
            (" → ", "dim"),
        ]
    pieces += _server_pieces(vitals, found, bar=wide)
    return Line(tuple(pieces))


def _server_pieces(vitals: Vitals | None, found: Connections, *, bar: bool) -> list[Piece]:
    bound = next((b for b in found.bounds if b.kind == "server"), None)
    if vitals is None or bound is None:
        return [("PostgreSQL …", "dim")]
    mark = "≈ " if vitals.client_backends is None else ""
    tone: Tone = "critical" if not bound.free else "warning" if bound.share >= 0.9 else "strong"
    pieces: list[Piece] = [
        ("PostgreSQL ", ""),
        (f"{mark}{bound.used} of {bound.limit}", tone),
        (f" + {vitals.reserved_connections} reserved ", "dim"),
    ]
    if bar:
        pieces.append((units.bar(bound.share, 10) + " ", "bar"))
    pieces.append((f" {units.count(vitals.active)} active", ""))
    if vitals.waiting:
        pieces.append((f", {vitals.waiting} wait for locks", "warning"))
    return pieces


def movement(found: Connections, rows: Sequence[PoolRow]) -> Line:
    """What is wrong with a pool, new sessions, the limit that bites first and when."""
    pieces: list[Piece] = []
    busy = [row for row in rows if row.found.cause not in ("free", "unknown")]
    if busy:
        worst = max(busy, key=lambda row: (row.pool.maxwait_s, len(row.found.slow)))
        pieces.append((f" ! {worst.pool.name}: {VERDICTS[worst.found.cause]}  ", "warning"))
    opened = found.opened_per_s
    least = "" if found.opened_exactly or not opened else "≥ "
    rate = units.UNKNOWN if opened is None else f"{least}{units.rate(opened)}"
    pieces.append((f" new {rate}/s", ""))
    if found.bounds:
        first = found.bounds[0]
        eta = forecast(first, found)
        pieces.append((f"   first to bite: {bound_name(first)}, {first.free} free", "dim"))
        if eta is not None:
            pieces.append((f", full in ≈ {units.age(eta)}", "warning"))
        elif found.growth(first, limits.TREND_S, limits.TREND_LEAST_S) is not None:
            pieces.append((", does not grow", "dim"))
    return Line(tuple(pieces))


VERDICTS: dict[str, str] = {
    "paused": "paused on the console",
    "unreachable": "the pooler gets no server connection",
    "transactions": "transactions that sit idle hold the pool",
    "database": "statements are slow in the database, not in the pool",
    "pool": "statements are quick: the pool is too small",
}
"""The one sentence about a pool."""


def bound_name(bound: Bound) -> str:
    """`max_connections`, `role web`, `database shop`."""
    return "max_connections" if bound.kind == "server" else f"{bound.kind} {bound.name}"


def offer(link: Link | None, why: str) -> Line:
    """How to see the pooler: more pressing where one stands between us and the server."""
    if link is not None and link.pooler is not None:
        place = f"host={link.host} port={link.port} dbname=pgbouncer user=…"
        said = f" a pooler stands before this server: pgtop --pgbouncer '{place}' shows its pools"
        return Line(((said, "notice"),))
    return Line(((f" {why}", "dim"),))


# -- words -----------------------------------------------------------------------------------


def crowd_text(
    crowd: Crowd, sessions: Sequence[Session], now: float, findings: Sequence[Finding]
) -> Text:
    """The crowd's sessions, those that hold most on top."""
    text = finding_text(findings) if findings else Text()
    if findings:
        text.append("\n\n")
    text.append(f"{crowd.total} by {crowd.by}: {crowd.name or '(not set)'}", "bold")
    ordered = sorted(sessions, key=lambda s: (_rank(s), s.state_change or now))
    for session in ordered[:MOST_SESSIONS]:
        text.append("\n" + safe(_session_line(session, now), spaces=True))
        if session.query and session.state != "idle":
            text.append(safe(f"  {' '.join(session.query.split())[:120]}"), "dim")
    if len(ordered) > MOST_SESSIONS:
        text.append(f"\n{len(ordered) - MOST_SESSIONS} more")
    return text


def _session_line(session: Session, now: float) -> str:
    def ago(moment: float | None) -> str:
        return units.UNKNOWN if moment is None else units.age(now - moment)

    state = session.state or ("hidden" if session.hidden else "starting")
    return (
        f"{session.pid:>7}  {state} {ago(session.state_change)}"
        f"  {session.usename or '?'}@{session.datname or '?'}  {session.application_name or '–'}"
        f"  {session.client_addr or 'local'}  connected {ago(session.backend_start)}"
    )


def _rank(session: Session) -> int:
    return 0 if session.idle_in_transaction else 1 if session.state == "active" else 2


def pool_text(row: PoolRow, pooler: Pooler | None, findings: Sequence[Finding]) -> Text:
    """What a pool does, and what its mode breaks."""
    pool, found = row.pool, row.found
    text = finding_text(findings) if findings else Text()
    if findings:
        text.append("\n\n")
    text.append(safe(pool.name), "bold")
    where = f"{pool.host or 'socket'}:{pool.port}/{pool.server_database}"
    text.append(safe(f"  {pool.pool_mode} to {where}"))
    text.append(
        f"\nclients {pool.cl_active} served, {pool.cl_waiting} waiting, the first for"
        f" {units.seconds(pool.maxwait_s)}"
        f"\nserver connections {pool.sv_active} active, {pool.sv_idle} idle, {pool.sv_used} idle"
        f" for longer, {pool.sv_tested} tested, {pool.sv_login} logging in; size"
        f" {units.count(pool.pool_size)}, reserve {units.count(pool.reserve_pool)}"
        f"\nof the active ones {found.seen} were seen in pg_stat_activity: {len(found.slow)}"
        f" slow, {len(found.held)} idle in a transaction"
    )
    for session in (*found.slow, *found.held)[:MOST_SESSIONS]:
        query = " ".join((session.query or "").split())[:100]
        line = f"{session.pid:>7}  {session.state}  {session.event or '–'}  {query}"
        text.append("\n" + safe(line, spaces=True))
    if pooler is not None:
        text.append("\n\n")
        text.append_text(mode_text(pooler))
    return text


def mode_text(pooler: Pooler | None) -> Text:
    """What transaction mode takes from a client, as far as this pooler is known."""
    text = Text("transaction mode breaks: ", "bold")
    text.append("; ".join(BREAKS))
    text.append(f". {prepared_statements(pooler)}.")
    if pooler is not None:
        told = (
            f"PgBouncer {pooler.version} at {pooler.where}: default_pool_size"
            f" {units.count(pooler.default_pool_size)}, reserve_pool_size"
            f" {units.count(pooler.reserve_pool_size)}, max_client_conn"
            f" {units.count(pooler.max_client_conn)} ({units.count(pooler.used_clients)} in use),"
            f" query_wait_timeout {units.seconds(pooler.query_wait_timeout_s)}"
        )
        text.append("\n" + safe(told))
    return text


def hints_text(pooler: Pooler | None, most_active: int) -> Text:
    """A pooler's size rather than max_connections, and each framework's own settings."""
    text = Text("A pooler, not a bigger max_connections", "bold")
    text.append(
        ". Each server process costs memory and snapshots whether it works or not. A pool of about"
        " twice the cores in transaction mode is the usual start; SQL cannot see the cores."
        f" At most {units.plural(most_active, 'client')} were active at once while pgtop watched.\n"
    )
    text.append_text(mode_text(pooler))
    for name, said in HINTS:
        text.append(f"\n{name}  ", "bold")
        text.append(said)
    return text
