"""What decides when a table is vacuumed, beside the table: settings, workers, horizon, locks."""

from __future__ import annotations

from typing import Literal, NamedTuple


class VacuumSetting(NamedTuple):
    """One setting that vacuum looks at, as pg_settings has it."""

    name: str
    setting: str
    """In `unit`: kB, ms, s or none."""

    unit: str | None
    boot_val: str | None
    source: str
    """`default`, `configuration file`, `database`, …"""

    context: str
    """Who may change it, and when it acts: `sighup`, `postmaster`, `user`, …"""

    pending_restart: bool


class VacuumRun(NamedTuple):
    """An autovacuum worker, or a VACUUM that somebody started."""

    pid: int
    datname: str | None
    same_database: bool
    relid: int | None
    """None where the worker does nothing just now, or may not be seen."""

    worker: bool
    """An autovacuum worker; False: a session's own VACUUM."""

    query: str | None
    """`autovacuum: VACUUM public.orders (to prevent wraparound)`; None: hidden from this role."""

    xact_s: float | None
    """Seconds since its transaction began."""

    wait_event_type: str | None
    wait_event: str | None
    phase: str | None
    """None: ANALYZE, or between two tables."""

    heap_blks_total: int | None
    heap_blks_scanned: int | None
    heap_blks_vacuumed: int | None
    index_vacuum_count: int | None
    dead_fraction: float | None
    """How full the memory for dead row addresses is."""

    indexes_total: int | None
    """None before 17."""

    indexes_processed: int | None
    delay_time: float | None
    """Milliseconds slept for the cost limit; None before 18 or without track_cost_delay_timing."""

    mode: str | None
    """normal, aggressive, failsafe; None before 19."""

    @property
    def key(self) -> int:
        """Identifies the run as long as it lasts."""
        return self.pid

    @property
    def prevents_wraparound(self) -> bool | None:
        """Forced by age: such a run does not give way to locks. None where it is hidden."""
        if self.query is None:
            return None
        return self.worker and self.query.endswith("(to prevent wraparound)")


HolderKind = Literal["session", "copy", "prepared", "slot", "slot_catalog", "standby"]
Scope = Literal["database", "cluster", "catalogs", "elsewhere"]


class HorizonHolder(NamedTuple):
    """Something that keeps dead rows from being removed."""

    kind: HolderKind
    """A transaction; an initial copy by a walsender; a prepared transaction; a slot's xmin; a
    slot's catalog_xmin; a standby's feedback without a slot."""

    name: str
    """pid, gid, slot name or application name."""

    role: str | None
    state: str | None
    """`idle in transaction`, `active`, …; of a slot, whether it is in use."""

    application: str | None
    query: str | None
    """First 200 characters."""

    held_s: float | None
    """Seconds since the transaction began or was prepared."""

    xid_age: int
    """Transactions since: dead rows younger than that stay."""

    scope: Scope
    """Whose rows stay: this database's; all databases'; catalogues' only; another database's."""

    backend_start: float | None
    """Seconds since 1970: with the pid it names the session."""

    waits: bool
    """It waits for somebody else's lock itself."""


class VacuumBlock(NamedTuple):
    """A lock that VACUUM's own conflicts with, held or wanted on a table of this database."""

    relid: int
    pid: int
    mode: str
    granted: bool
    role: str | None
    application: str | None
    state: str | None
    query: str | None
    xact_s: float | None
    backend_start: float | None
    vacuum: bool
    """It is a VACUUM or autovacuum itself."""


class PinWait(NamedTuple):
    """A session that may pin a page which a vacuum waits for."""

    vacuum_pid: int
    relid: int
    pid: int
    role: str | None
    state: str | None
    query: str | None
    xact_s: float | None
    wait_s: float | None
    """Seconds since the vacuum's transaction began; how long it waits is not shown."""


class DatabaseAge(NamedTuple):
    """How old a database's oldest rows are, in transactions and in multixacts."""

    oid: int
    datname: str
    current: bool
    datallowconn: bool
    xid_age: int
    mxid_age: int


class XidClock(NamedTuple):
    """Where the counter of transactions stands, without taking one."""

    next_xid: int


class ParentStatistics(NamedTuple):
    """Whether a partitioned table has statistics of its own."""

    relid: int
    analyzed: bool | None
    """None where this role may not see."""


class VacuumScore(NamedTuple):
    """The server's own order of work, from 19."""

    relid: int
    score: float
