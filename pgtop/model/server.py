"""The server, this connection to it, and its vital signs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Server:
    """Who answers, read with every reading: behind a pooler it may change between two."""

    version: str
    version_num: int
    database: str
    user: str
    superuser: bool
    in_recovery: bool
    started_at: float
    """pg_postmaster_start_time(), seconds since 1970."""

    checkpointer_started_at: float | None
    """Moves when the server restarted after a crash, where started_at does not. None: hidden."""

    backend_pid: int

    @property
    def epoch(self) -> tuple[float, float | None, bool]:
        """Changes when counters can no longer be compared: restart, crash, failover, promotion."""
        return self.started_at, self.checkpointer_started_at, self.in_recovery


@dataclass(frozen=True, slots=True)
class Vitals:
    """Sessions, counted."""

    max_connections: int
    reserved_connections: int
    """Slots kept for superusers and, from 16, for pg_use_reserved_connections."""

    client_backends: int | None
    """Slots in use by clients; None where another role's sessions are hidden from us."""

    sessions: int
    """Sessions that are connected to a database, as far as visible to everybody."""

    active: int | None
    waiting: int | None
    """Whoever waits for a lock: clients, parallel workers, autovacuum."""

    idle_in_transaction: int | None
    oldest_xact_s: float | None
    hidden: int
    """Sessions whose state this role may not see."""

    wal_bytes: int | None = None
    """Where WAL stands, in bytes: written on a primary, replayed on a standby."""

    @property
    def used(self) -> int:
        """Slots in use: `client_backends`, else what everybody may count."""
        return self.sessions if self.client_backends is None else self.client_backends


@dataclass(frozen=True, slots=True)
class DatabaseCounters:
    """pg_stat_database, summed over the cluster, and the newest reset among them."""

    xact_commit: int
    xact_rollback: int
    blks_hit: int
    blks_read: int
    temp_bytes: int
    deadlocks: int
    stats_reset: float | None
    """Of the current database, seconds since 1970; None: never."""


@dataclass(frozen=True, slots=True)
class Role:
    """A role's name by its oid."""

    oid: int
    rolname: str


@dataclass(frozen=True, slots=True)
class Database:
    """A database's name by its oid."""

    oid: int
    datname: str


@dataclass(frozen=True, slots=True)
class Link:
    """The connection as the client sees it."""

    host: str
    """As the user named it: a host, an address or a socket directory."""

    port: str
    tls: bool
    """Whether our own connection is encrypted, to the pooler if there is one."""

    local: bool
    """Connected by a Unix socket."""

    pooler: str | None
    """`pgbouncer` where it says so, `pooler` where the backend is not the one we connected to."""

    provider: str | None
    """`rds`, `aurora`, `cloudsql`, `azure`, `supabase`, `neon`, where the server shows it."""

    since: float
    """`time.monotonic()` when this connection was made: a new one starts new deltas."""
