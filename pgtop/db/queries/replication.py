"""WAL, standbys, slots and the archive, on a primary and on a standby alike.

Whether it is a standby is asked in the statement itself: it may be promoted while we are
connected. The functions of the other kind of server raise an error, so each stands behind a CASE.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pgtop.db.query import Query, Varying
from pgtop.model.replication import (
    Archiver,
    Checkpoints,
    Conflict,
    DatabaseTrust,
    Recovery,
    Slot,
    Standby,
    WalCounters,
    WalFiles,
    WalPlace,
)

if TYPE_CHECKING:
    from typing_extensions import LiteralString

_HERE: Mapping[str, tuple[tuple[str, LiteralString], ...]] = {
    "here": (
        (
            "always",
            """(SELECT CASE WHEN pg_is_in_recovery()
                THEN greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())
                ELSE pg_current_wal_lsn() END)""",
        ),
    )
}
"""Where WAL stands."""

PLACE = Query(
    row_type=WalPlace,
    clauses=_HERE,
    template="""\
SELECT /* pgtop */ pg_is_in_recovery(), coalesce({here} - '0/0', 0)::int8,
       pg_size_bytes(current_setting('max_wal_size')),
       pg_size_bytes(current_setting('wal_keep_size')),
       pg_size_bytes(current_setting('max_slot_wal_keep_size')),
       extract(epoch FROM current_setting('checkpoint_timeout')::interval)::float8,
       current_setting('checkpoint_completion_target')::float8,
       current_setting('archive_mode'), current_setting('max_wal_senders')::int8,
       current_setting('max_replication_slots')::int8
""",
)

STANDBYS = Query(
    row_type=Standby,
    relations=("pg_stat_replication", "pg_replication_slots"),
    clauses=_HERE,
    template="""\
SELECT /* pgtop */ r.pid::int8, r.application_name, host(r.client_addr), r.usename::text, r.state,
       r.sync_state, extract(epoch FROM r.backend_start)::float8,
       CASE WHEN r.sent_lsn IS NOT NULL THEN greatest(0, h.lsn - r.sent_lsn)::int8 END,
       CASE WHEN r.write_lsn IS NOT NULL THEN greatest(0, h.lsn - r.write_lsn)::int8 END,
       CASE WHEN r.flush_lsn IS NOT NULL THEN greatest(0, h.lsn - r.flush_lsn)::int8 END,
       CASE WHEN r.replay_lsn IS NOT NULL THEN greatest(0, h.lsn - r.replay_lsn)::int8 END,
       (coalesce(r.replay_lsn, r.write_lsn) - '0/0')::int8,
       extract(epoch FROM r.write_lag)::float8, extract(epoch FROM r.flush_lag)::float8,
       extract(epoch FROM r.replay_lag)::float8,
       extract(epoch FROM clock_timestamp() - r.reply_time)::float8,
       age(r.backend_xmin)::int8, s.slot_name::text, s.slot_type
  FROM {pg_stat_replication} r
  CROSS JOIN {here} h (lsn)
  LEFT JOIN {pg_replication_slots} s ON s.active_pid = r.pid
""",
)

SLOTS = Query(
    row_type=Slot,
    relations=("pg_replication_slots",),
    varying=(
        Varying(
            "inactive_s",
            "float8",
            ("inactive_since",),
            expression="extract(epoch FROM clock_timestamp() - s.{column})::float8",
        ),
        Varying("synced", "bool", ("synced",), expression="s.{column}"),
    ),
    clauses={
        **_HERE,
        "invalid": (
            ("pg_replication_slots.invalidation_reason", "s.invalidation_reason"),
            (
                "pg_replication_slots.conflicting",
                "CASE WHEN s.conflicting THEN 'conflicts with recovery' END",
            ),
            ("always", "NULL::text"),
        ),
    },
    template="""\
SELECT /* pgtop */ s.slot_name::text, s.plugin::text, s.slot_type, s.database::text, s.temporary,
       s.active, s.active_pid::int8,
       CASE WHEN s.restart_lsn IS NOT NULL THEN greatest(0, h.lsn - s.restart_lsn)::int8 END,
       CASE WHEN s.confirmed_flush_lsn IS NOT NULL
            THEN greatest(0, h.lsn - s.confirmed_flush_lsn)::int8 END,
       (s.restart_lsn - '0/0')::int8, (s.confirmed_flush_lsn - '0/0')::int8,
       s.wal_status, s.safe_wal_size, age(s.xmin)::int8, age(s.catalog_xmin)::int8,
       {inactive_s}, {invalid}, coalesce({synced}, false)
  FROM {pg_replication_slots} s
  CROSS JOIN {here} h (lsn)
""",
)

RECOVERY = Query(
    row_type=Recovery,
    relations=("pg_stat_wal_receiver",),
    template="""\
SELECT /* pgtop */ CASE WHEN pg_is_in_recovery()
            THEN (pg_last_wal_receive_lsn() - '0/0')::int8 END,
       CASE WHEN pg_is_in_recovery() THEN (pg_last_wal_replay_lsn() - '0/0')::int8 END,
       extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp())::float8,
       CASE WHEN pg_is_in_recovery() THEN pg_is_wal_replay_paused() ELSE false END,
       extract(epoch FROM current_setting('recovery_min_apply_delay')::interval)::float8,
       w.status, w.sender_host, w.sender_port::int8, w.slot_name::text,
       extract(epoch FROM clock_timestamp() - w.last_msg_receipt_time)::float8,
       w.pid IS NOT NULL AND w.status IS NULL
  FROM (SELECT 1) one
  LEFT JOIN {pg_stat_wal_receiver} w ON true
 WHERE pg_is_in_recovery()
""",
)

CONFLICTS = Query(
    row_type=Conflict,
    relations=("pg_stat_database_conflicts",),
    varying=(Varying("logical_slot", "int8", ("confl_active_logicalslot",)),),
    template="""\
SELECT /* pgtop */ datname::text, confl_tablespace, confl_lock, confl_snapshot, confl_bufferpin,
       confl_deadlock, {logical_slot}
  FROM {pg_stat_database_conflicts}
 WHERE pg_is_in_recovery()
""",
)

ARCHIVER = Query(
    row_type=Archiver,
    relations=("pg_stat_archiver",),
    template="""\
SELECT /* pgtop */ current_setting('archive_mode'), archived_count, last_archived_wal,
       extract(epoch FROM clock_timestamp() - last_archived_time)::float8,
       failed_count, last_failed_wal,
       extract(epoch FROM clock_timestamp() - last_failed_time)::float8
  FROM {pg_stat_archiver}
""",
)

FILES = Query(
    row_type=WalFiles,
    template="""\
SELECT /* pgtop */ count(*), coalesce(sum(size), 0)::int8,
       CASE WHEN current_setting('archive_mode') = 'off' THEN 0 ELSE
         (SELECT count(*) FROM pg_ls_archive_statusdir() WHERE name LIKE '%.ready') END
  FROM pg_ls_waldir()
""",
)
"""The directories are read, one stat() a file: rarely."""

CHECKPOINTS = Query(
    row_type=Checkpoints,
    clauses={
        **_HERE,
        "counters": (
            (
                "pg_stat_checkpointer",
                "CASE WHEN pg_is_in_recovery() THEN restartpoints_timed ELSE num_timed END,"
                " CASE WHEN pg_is_in_recovery() THEN restartpoints_req ELSE num_requested END,"
                " write_time, sync_time, buffers_written",
            ),
            (
                "pg_stat_bgwriter",
                "checkpoints_timed, checkpoints_req, checkpoint_write_time,"
                " checkpoint_sync_time, buffers_checkpoint",
            ),
        ),
        "view": (
            ("pg_stat_checkpointer", "{pg_stat_checkpointer}"),
            ("pg_stat_bgwriter", "{pg_stat_bgwriter}"),
        ),
    },
    template="""\
SELECT /* pgtop */ {counters},
       extract(epoch FROM clock_timestamp() - c.checkpoint_time)::float8,
       greatest(0, {here} - c.redo_lsn)::int8
  FROM {view} CROSS JOIN pg_control_checkpoint() c
""",
)

COUNTERS = Query(
    row_type=WalCounters,
    relations=("pg_stat_wal",),
    missing=("pg_stat_wal came with PostgreSQL 14", ""),
    template="""\
SELECT /* pgtop */ wal_records, wal_fpi, wal_bytes::float8, wal_buffers_full FROM {pg_stat_wal}
""",
)

TRUST = Query(
    row_type=DatabaseTrust,
    relations=("pg_stat_database",),
    clauses={
        "versions": (
            (
                "pg_database.datcollversion",
                "d.datcollversion, CASE WHEN d.datcollversion IS NOT NULL"
                " THEN pg_database_collation_actual_version(d.oid) END",
            ),
            ("always", "NULL::text, NULL::text"),
        )
    },
    template="""\
SELECT /* pgtop */ d.datname::text, s.checksum_failures,
       extract(epoch FROM clock_timestamp() - s.checksum_last_failure)::float8, {versions}
  FROM pg_database d
  LEFT JOIN {pg_stat_database} s ON s.datid = d.oid
 WHERE d.datallowconn
UNION ALL
SELECT 'shared relations', checksum_failures,
       extract(epoch FROM clock_timestamp() - checksum_last_failure)::float8, NULL, NULL
  FROM {pg_stat_database} WHERE datid = 0
""",
)
