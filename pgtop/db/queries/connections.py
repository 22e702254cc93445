"""Limits on connections, and sessions counted."""

from __future__ import annotations

from pgtop.db.query import Query
from pgtop.model.connections import ConnectionLimit, SessionCounters

LIMITS = Query(
    row_type=ConnectionLimit,
    template="""\
SELECT /* pgtop */ 'role', rolname::text, rolconnlimit::int8 FROM pg_roles
 WHERE rolconnlimit >= 0 AND rolcanlogin AND NOT rolsuper
UNION ALL
SELECT 'database', datname::text, datconnlimit::int8 FROM pg_database
 WHERE datconnlimit >= 0 AND datallowconn
""",
)

SESSION_COUNTERS = Query(
    row_type=SessionCounters,
    relations=("pg_stat_database",),
    clauses={
        "counters": (
            (
                "pg_stat_database.sessions",
                "sum(sessions)::int8, sum(sessions_abandoned)::int8,"
                " sum(sessions_fatal)::int8, sum(sessions_killed)::int8"
                " FROM {pg_stat_database}",
            ),
            ("always", "0::int8, 0::int8, 0::int8, 0::int8 WHERE false"),
        )
    },
    template="SELECT /* pgtop */ {counters}",
)
"""No row before 14. The view is read at most every 15 s: up to 14 each reading of it makes the
collector write its files."""
