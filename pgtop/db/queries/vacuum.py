"""Settings, runs, horizon, locks and ages: what decides about a table's next vacuum."""

from __future__ import annotations

from pgtop.db.query import Query, Varying
from pgtop.model.vacuum import (
    DatabaseAge,
    HorizonHolder,
    ParentStatistics,
    PinWait,
    VacuumBlock,
    VacuumRun,
    VacuumScore,
    VacuumSetting,
    XidClock,
)

SETTINGS = Query(
    row_type=VacuumSetting,
    template="""\
SELECT /* pgtop */ name, setting, unit, boot_val, source, context, pending_restart
  FROM pg_settings
 WHERE name LIKE 'autovacuum%' OR name LIKE 'vacuum\\_%' OR name LIKE 'log_auto%'
    OR name IN ('track_counts', 'track_cost_delay_timing', 'maintenance_work_mem',
                'shared_buffers', 'deadlock_timeout', 'old_snapshot_threshold',
                'hot_standby_feedback', 'idle_in_transaction_session_timeout',
                'transaction_timeout', 'idle_replication_slot_timeout')
""",
)

RUNS = Query(
    row_type=VacuumRun,
    relations=("pg_stat_progress_vacuum", "pg_stat_activity"),
    varying=(
        Varying(
            "dead",
            "float8",
            ("max_dead_tuple_bytes",),
            expression="p.dead_tuple_bytes::float8 / nullif(p.{column}, 0)",
        ),
        Varying(
            "dead_old",
            "float8",
            ("max_dead_tuples",),
            expression="p.num_dead_tuples::float8 / nullif(p.{column}, 0)",
        ),
        Varying("indexes_total", "int8", ("indexes_total",), expression="p.{column}"),
        Varying("indexes_processed", "int8", ("indexes_processed",), expression="p.{column}"),
        Varying("delay_time", "float8", ("delay_time",), expression="p.{column}"),
        Varying("mode", "text", ("mode",), expression="p.{column}"),
    ),
    template="""\
SELECT /* pgtop */ coalesce(a.pid, p.pid)::int8, coalesce(a.datname, p.datname)::text,
       coalesce(coalesce(a.datname, p.datname) = current_database(), false),
       coalesce(p.relid, (SELECT min(l.relation) FROM pg_locks l
                           WHERE l.pid = a.pid AND l.locktype = 'relation' AND l.relation >= 16384
                             AND l.mode = 'ShareUpdateExclusiveLock'))::int8,
       coalesce(a.backend_type = 'autovacuum worker', false),
       substring(textsend(a.query) FROM 1 FOR 200),
       extract(epoch FROM clock_timestamp() - a.xact_start)::float8,
       a.wait_event_type, a.wait_event, p.phase, p.heap_blks_total, p.heap_blks_scanned,
       p.heap_blks_vacuumed, p.index_vacuum_count, coalesce({dead}, {dead_old}),
       {indexes_total}, {indexes_processed}, {delay_time}, {mode}
  FROM {pg_stat_activity} a
  FULL JOIN {pg_stat_progress_vacuum} p ON p.pid = a.pid
 WHERE a.backend_type = 'autovacuum worker' OR p.pid IS NOT NULL
""",
)

HORIZON = Query(
    row_type=HorizonHolder,
    relations=("pg_stat_activity", "pg_replication_slots", "pg_stat_replication"),
    texts=("query",),
    template="""\
SELECT /* pgtop */ CASE WHEN a.backend_type = 'walsender' THEN 'copy' ELSE 'session' END,
       a.pid::text, a.usename::text, a.state, a.application_name,
       substring(textsend(a.query) FROM 1 FOR 200),
       extract(epoch FROM clock_timestamp() - a.xact_start)::float8,
       greatest(age(a.backend_xid), age(a.backend_xmin))::int8,
       CASE WHEN a.datname = current_database() THEN 'database' ELSE 'elsewhere' END,
       extract(epoch FROM a.backend_start)::float8, coalesce(a.wait_event_type = 'Lock', false)
  FROM {pg_stat_activity} a
 WHERE coalesce(a.backend_xid, a.backend_xmin) IS NOT NULL AND a.pid <> pg_backend_pid()
   AND a.backend_type <> 'parallel worker'
   AND (a.backend_type <> 'walsender' OR a.datname IS NOT NULL)
   AND NOT EXISTS (SELECT FROM pg_stat_progress_vacuum p WHERE p.pid = a.pid)
UNION ALL
SELECT 'prepared', gid, owner::text, NULL, NULL, NULL,
       extract(epoch FROM clock_timestamp() - prepared)::float8, age(transaction)::int8,
       CASE WHEN database = current_database() THEN 'database' ELSE 'elsewhere' END, NULL, false
  FROM pg_prepared_xacts
UNION ALL
SELECT 'slot', slot_name::text, NULL, CASE WHEN active THEN 'active' ELSE 'inactive' END,
       slot_type, NULL, NULL, age(xmin)::int8, 'cluster', NULL, false
  FROM {pg_replication_slots} WHERE xmin IS NOT NULL
UNION ALL
SELECT 'slot_catalog', slot_name::text, NULL, CASE WHEN active THEN 'active' ELSE 'inactive' END,
       slot_type, NULL, NULL, age(catalog_xmin)::int8, 'catalogs', NULL, false
  FROM {pg_replication_slots} WHERE catalog_xmin IS NOT NULL
UNION ALL
SELECT 'standby', coalesce(nullif(application_name, ''), host(client_addr), 'standby'),
       usename::text, state, application_name, NULL, NULL, age(backend_xmin)::int8, 'cluster',
       extract(epoch FROM backend_start)::float8, false
  FROM {pg_stat_replication} WHERE backend_xmin IS NOT NULL
""",
)
"""Lazy VACUUM holds nobody's horizon, so its backends are left out; ANALYZE does."""

BLOCKS = Query(
    row_type=VacuumBlock,
    relations=("pg_stat_activity",),
    texts=("query",),
    template="""\
SELECT /* pgtop */ l.relation::int8, l.pid::int8, l.mode, l.granted, a.usename::text,
       a.application_name, a.state, substring(textsend(a.query) FROM 1 FOR 200),
       extract(epoch FROM clock_timestamp() - a.xact_start)::float8,
       extract(epoch FROM a.backend_start)::float8,
       coalesce(a.backend_type = 'autovacuum worker', false)
       OR EXISTS (SELECT FROM pg_stat_progress_vacuum p WHERE p.pid = l.pid)
  FROM pg_locks l
  LEFT JOIN {pg_stat_activity} a ON a.pid = l.pid
 WHERE l.locktype = 'relation' AND l.relation >= 16384
   AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
   AND l.mode IN ('ShareUpdateExclusiveLock', 'ShareLock', 'ShareRowExclusiveLock',
                  'ExclusiveLock', 'AccessExclusiveLock')
   AND l.pid <> pg_backend_pid()
""",
)
"""Locks of fast path are weaker than these: what conflicts with VACUUM is in the shared table."""

PINS = Query(
    row_type=PinWait,
    relations=("pg_stat_activity", "pg_stat_progress_vacuum"),
    texts=("query",),
    template="""\
SELECT /* pgtop */ v.pid::int8, p.relid::int8, a.pid::int8, a.usename::text, a.state,
       substring(textsend(a.query) FROM 1 FOR 200),
       extract(epoch FROM clock_timestamp() - a.xact_start)::float8,
       extract(epoch FROM clock_timestamp() - v.xact_start)::float8
  FROM {pg_stat_activity} v
  JOIN {pg_stat_progress_vacuum} p ON p.pid = v.pid
  JOIN pg_locks l ON l.locktype = 'relation' AND l.relation = p.relid AND l.granted
       AND l.pid <> v.pid
  JOIN {pg_stat_activity} a ON a.pid = l.pid
 WHERE v.wait_event_type = 'BufferPin'
""",
)

DATABASES = Query(
    row_type=DatabaseAge,
    template="""\
SELECT /* pgtop */ oid::int8, datname::text, datname = current_database(), datallowconn,
       age(datfrozenxid)::int8, mxid_age(datminmxid)::int8
  FROM pg_database
""",
)

CLOCK = Query(
    row_type=XidClock,
    template="SELECT /* pgtop */ pg_snapshot_xmax(pg_current_snapshot())::text::int8",
)
"""Works on a standby and takes no transaction id, which pg_current_xact_id() would."""

PARENTS = Query(
    row_type=ParentStatistics,
    template="""\
SELECT /* pgtop */ c.oid::int8,
       CASE WHEN EXISTS (SELECT FROM pg_stats s
                          WHERE s.schemaname = n.nspname AND s.tablename = c.relname
                            AND s.inherited) THEN true
            WHEN has_any_column_privilege(c.oid, 'SELECT') THEN false END
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind = 'p' AND NOT c.relispartition
 LIMIT 200
""",
)

SCORES = Query(
    row_type=VacuumScore,
    relations=("pg_stat_autovacuum_scores",),
    missing=("pg_stat_autovacuum_scores came with PostgreSQL 19", ""),
    template="SELECT /* pgtop */ relid::int8, score::float8 FROM {pg_stat_autovacuum_scores}",
)
