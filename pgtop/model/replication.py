"""WAL and who it goes to: standbys, slots, the archive; and what recovery says on a standby.

A position is the number of bytes since 0/0. What is "behind" is counted from where WAL
stands: written on a primary, received or replayed, whichever is further, on a standby.
"""

from __future__ import annotations

from typing import NamedTuple


class WalPlace(NamedTuple):
    """Where WAL stands, and the settings that bound how much of it is kept."""

    in_recovery: bool
    position: int
    max_wal_size: int
    """Bytes, as are the next two."""

    wal_keep_size: int
    max_slot_wal_keep_size: int
    """-1: slots may keep everything."""

    checkpoint_timeout_s: float
    checkpoint_completion_target: float
    archive_mode: str
    max_wal_senders: int
    max_replication_slots: int

    @property
    def forced_after(self) -> float:
        """Bytes of WAL after which a checkpoint is requested (xlog.c,
        CalculateCheckpointSegments)."""
        return self.max_wal_size / (1.0 + self.checkpoint_completion_target)


class Standby(NamedTuple):
    """A row of pg_stat_replication: a standby, a subscriber, pg_receivewal or a base backup."""

    pid: int
    application_name: str | None
    client_addr: str | None
    usename: str | None
    state: str | None
    """None: hidden from this role."""

    sync_state: str | None
    backend_start: float | None
    """Seconds since 1970."""

    sent_behind: int | None
    """Bytes, as are the next three; None where the receiver has not said."""

    write_behind: int | None
    flush_behind: int | None
    replay_behind: int | None
    replay_position: int | None
    """Where it is: replayed, else written to its disk."""

    write_lag_s: float | None
    """None also where it has nothing to catch up with for a while."""

    flush_lag_s: float | None
    replay_lag_s: float | None
    reply_age_s: float | None
    """Seconds since it last answered."""

    xmin_age: int | None
    slot_name: str | None
    slot_type: str | None
    """`physical`, `logical`; None without a slot."""

    @property
    def name(self) -> str:
        """Its application name, else where it comes from."""
        return self.application_name or self.client_addr or str(self.pid)

    @property
    def identity(self) -> tuple[str, str | None, str | None]:
        """Name, address and slot: the same when it has reconnected."""
        return self.name, self.client_addr, self.slot_name

    @property
    def behind(self) -> int | None:
        """Bytes until it has everything: replayed, else written: pg_receivewal flushes only where
        a segment ends."""
        return self.write_behind if self.replay_behind is None else self.replay_behind

    @property
    def synchronous(self) -> bool:
        """Commits may wait for it."""
        return self.sync_state in ("sync", "quorum")


class Slot(NamedTuple):
    """A replication slot."""

    slot_name: str
    plugin: str | None
    slot_type: str
    database: str | None
    temporary: bool
    active: bool
    active_pid: int | None
    retained_bytes: int | None
    """WAL from its restart_lsn on; None: it reserves none."""

    unconfirmed_bytes: int | None
    """Of a logical slot: what its consumer has not confirmed."""

    restart_position: int | None
    confirmed_position: int | None
    wal_status: str | None
    """reserved, extended, unreserved, lost."""

    safe_wal_size: int | None
    """Bytes that may still be written before it is lost; None: there is no such limit."""

    xmin_age: int | None
    catalog_xmin_age: int | None
    inactive_s: float | None
    """Seconds since it was last in use; None before 17, and while it is."""

    invalidation_reason: str | None
    synced: bool
    """Copied from the primary (17+): the primary's consumer moves it."""

    @property
    def copying(self) -> bool:
        """Of an initial copy of a table: `pg_<subscription>_sync_<table>_<system>`, it goes with
        the copy (tablesync.c, ReplicationSlotNameForTablesync)."""
        return self.slot_name.startswith("pg_") and "_sync_" in self.slot_name

    @property
    def lost(self) -> bool:
        """Its WAL is gone: whoever used it must be built anew."""
        return self.wal_status == "lost" or self.invalidation_reason is not None


class Recovery(NamedTuple):
    """A standby's own view. There is no row on a primary."""

    receive_position: int | None
    """None: nothing was streamed since the start; WAL comes from an archive."""

    replay_position: int | None
    replay_age_s: float | None
    """Seconds since the last replayed transaction was committed: no lag while nothing is left to
    replay."""

    paused: bool
    min_apply_delay_s: float
    receiver_status: str | None
    """None: no receiver, or hidden from this role."""

    sender_host: str | None
    sender_port: int | None
    slot_name: str | None
    message_age_s: float | None
    """Seconds since the sender was last heard of."""

    hidden: bool
    """A receiver runs, but this role may not see it."""

    @property
    def cut_off(self) -> bool:
        """It has streamed, and nobody receives now: also for a moment while it reconnects."""
        streamed = self.receive_position is not None
        return streamed and self.receiver_status is None and not self.hidden

    @property
    def to_replay(self) -> int | None:
        """Bytes received and not replayed."""
        if self.receive_position is None or self.replay_position is None:
            return None
        return max(0, self.receive_position - self.replay_position)

    @property
    def lag_s(self) -> float | None:
        """Seconds behind, 0 where everything that came is replayed; None: unknown."""
        left = self.to_replay
        if left is None:
            return None
        return self.replay_age_s if left else 0.0


class Conflict(NamedTuple):
    """Statements that replay cancelled on a standby, by cause, since the counters began."""

    datname: str
    tablespace: int
    lock: int
    snapshot: int
    bufferpin: int
    deadlock: int
    logical_slot: int | None
    """None before 16."""

    @property
    def total(self) -> int:
        """All of them."""
        return (
            self.tablespace + self.lock + self.snapshot + self.bufferpin + self.deadlock
            + (self.logical_slot or 0)
        )  # fmt: skip


class Archiver(NamedTuple):
    """pg_stat_archiver."""

    archive_mode: str
    archived_count: int
    last_archived_wal: str | None
    archived_age_s: float | None
    """Seconds since the last success; None: there was none."""

    failed_count: int
    last_failed_wal: str | None
    failed_age_s: float | None

    @property
    def failing(self) -> bool:
        """Its last attempt failed."""
        if self.archive_mode == "off" or self.failed_age_s is None:
            return False
        return self.archived_age_s is None or self.failed_age_s < self.archived_age_s


class WalFiles(NamedTuple):
    """What lies in pg_wal."""

    files: int
    bytes: int
    ready: int
    """Segments that wait for the archiver."""


class Checkpoints(NamedTuple):
    """Counters of the checkpointer, and the last checkpoint."""

    timed: int
    """Of a standby: restartpoints, from 17; as is the next."""

    requested: int
    write_ms: float
    sync_ms: float
    buffers: int
    checkpoint_age_s: float | None
    """Seconds since the last one began."""

    since_redo: int | None
    """Bytes of WAL that a crash would have to replay."""


class WalCounters(NamedTuple):
    """pg_stat_wal, from 14."""

    wal_records: int
    wal_fpi: int
    wal_bytes: float
    wal_buffers_full: int


class DatabaseTrust(NamedTuple):
    """Whether a database's pages and its sort order can be relied on."""

    datname: str
    checksum_failures: int | None
    """None: checksums are off."""

    checksum_age_s: float | None
    """Seconds since the last failure."""

    collation_version: str | None
    """With which it was made; None before 15, or where its locale has none."""

    collation_version_now: str | None
    """Of the library that is installed."""
