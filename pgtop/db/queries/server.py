"""The server, its vital signs, and the names behind oids. Nothing here reads a relation's file."""

from __future__ import annotations

from pgtop.db.query import Query
from pgtop.model.server import Database, DatabaseCounters, Role, Server, Vitals

SERVER = Query(
    row_type=Server,
    template="""\
SELECT /* pgtop */ current_setting('server_version'), current_setting('server_version_num')::int8,
       current_database()::text, current_user::text, current_setting('is_superuser') = 'on',
       pg_is_in_recovery(), extract(epoch FROM pg_postmaster_start_time())::float8,
       (SELECT extract(epoch FROM backend_start)::float8 FROM pg_stat_activity
         WHERE backend_type = 'checkpointer' LIMIT 1),
       pg_backend_pid()::int8
""",
)

VITALS = Query(
    row_type=Vitals,
    template="""\
SELECT /* pgtop */ current_setting('max_connections')::int8,
       current_setting('superuser_reserved_connections')::int8 + {reserved},
       CASE WHEN count(*) FILTER (WHERE hidden) = 0
            THEN count(*) FILTER (WHERE backend_type = 'client backend') END,
       count(*) FILTER (WHERE datid IS NOT NULL),
       CASE WHEN count(*) FILTER (WHERE hidden) = 0
            THEN count(*) FILTER (WHERE backend_type = 'client backend' AND state = 'active'
                                    AND pid <> pg_backend_pid()) END,
       CASE WHEN count(*) FILTER (WHERE hidden) = 0
            THEN count(*) FILTER (WHERE wait_event_type = 'Lock') END,
       CASE WHEN count(*) FILTER (WHERE hidden) = 0
            THEN count(*) FILTER (WHERE backend_type = 'client backend'
                                    AND state LIKE 'idle in transaction%') END,
       extract(epoch FROM clock_timestamp()
               - min(xact_start) FILTER (WHERE backend_type = 'client backend'
                                           AND pid <> pg_backend_pid()))::float8,
       count(*) FILTER (WHERE hidden),
       ((CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn()
              ELSE pg_current_wal_lsn() END) - '0/0')::int8
  FROM (SELECT *, datid IS NOT NULL AND backend_type IS NULL AS hidden
          FROM pg_stat_activity) a
""",
    clauses={
        "reserved": (
            ("setting:reserved_connections", "current_setting('reserved_connections')::int8"),
            ("always", "0"),
        )
    },
)

DATABASE_COUNTERS = Query(
    row_type=DatabaseCounters,
    template="""\
SELECT /* pgtop */ sum(xact_commit)::int8, sum(xact_rollback)::int8, sum(blks_hit)::int8,
       sum(blks_read)::int8, sum(temp_bytes)::int8, sum(deadlocks)::int8,
       extract(epoch FROM max(stats_reset) FILTER (WHERE datname = current_database()))::float8
  FROM pg_stat_database
""",
)

ROLES = Query(
    row_type=Role,
    template="SELECT /* pgtop */ oid::int8, rolname::text FROM pg_roles",
)

DATABASES = Query(
    row_type=Database,
    template="SELECT /* pgtop */ oid::int8, datname::text FROM pg_database",
)
