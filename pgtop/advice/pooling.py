"""What a pooler changes, and how application frameworks set their own pools, in a few words."""

from __future__ import annotations

from pgtop.advice.thresholds import connections as limits
from pgtop.model.pool import Pooler

BREAKS = (
    "SET and RESET of a session (SET LOCAL works)",
    "LISTEN (NOTIFY works)",
    "WITH HOLD cursors",
    "PREPARE and DEALLOCATE as SQL",
    "temporary tables kept beyond a transaction",
    "LOAD",
    "advisory locks of a session (pg_advisory_xact_lock works)",
)
"""What pool_mode = transaction takes from a client (PgBouncer's features page)."""

HINTS: tuple[tuple[str, str], ...] = (
    (
        "Django",
        "CONN_MAX_AGE keeps one connection a thread; behind a pooler CONN_MAX_AGE = 0 and"
        " DISABLE_SERVER_SIDE_CURSORS = True; from 5.1 OPTIONS = {'pool': {'max_size': …}}",
    ),
    (
        "Rails",
        "pool in database.yml is for one process: processes × pool is what the server sees;"
        " prepared_statements: false behind PgBouncer below 1.21; migrations take a direct URL",
    ),
    (
        "SQLAlchemy",
        "pool_size + max_overflow for one process, 15 by default; behind a pooler NullPool;"
        " psycopg: prepare_threshold=None, asyncpg: statement_cache_size=0 below 1.21",
    ),
    (
        "Prisma",
        "connection_limit in the URL, cores × 2 + 1 for one process by default; url through the"
        " pooler, directUrl for migrations; pgbouncer=true only below 1.21",
    ),
    (
        "node-postgres",
        "one Pool a process with max (10) and connectionTimeoutMillis; release() in a finally;"
        " no named queries behind PgBouncer below 1.21, LISTEN on a client of its own",
    ),
)
"""Framework -> what to look at. Defaults are of each project's documentation."""


def pool_size(most_active: int) -> int:
    """Server connections that would carry `most_active` statements at once, with room."""
    return max(limits.POOL_LEAST, round(most_active * limits.POOL_ROOM))


def prepared_statements(pooler: Pooler | None) -> str:
    """What becomes of prepared statements in transaction mode behind this pooler."""
    if pooler is None:
        return "drivers' prepared statements need PgBouncer 1.21 with max_prepared_statements"
    if pooler.max_prepared_statements is None:
        return (
            f"PgBouncer {pooler.version} cannot carry drivers' prepared statements in"
            " transaction mode: 1.21 can"
        )
    if pooler.max_prepared_statements == 0:
        return "drivers' prepared statements are off: max_prepared_statements = 0"
    return (
        f"drivers' prepared statements work (max_prepared_statements ="
        f" {pooler.max_prepared_statements}), PREPARE as SQL does not"
    )
