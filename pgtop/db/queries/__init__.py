"""One module a row type. `QUERIES` finds the query for a row type."""

from __future__ import annotations

from typing import Any

from pgtop.db.queries import (
    column_statistics,
    connections,
    foreign_keys,
    indexes,
    io,
    replication,
    sequences,
    server,
    sessions,
    statements,
    tables,
    vacuum,
)
from pgtop.db.query import Query

_ALL: tuple[Query[Any], ...] = (
    server.SERVER,
    server.VITALS,
    server.DATABASE_COUNTERS,
    server.ROLES,
    server.DATABASES,
    statements.STATEMENTS,
    statements.TEXTS,
    statements.INFO,
    statements.RUNNING,
    tables.TABLES,
    tables.TABLE_USE,
    tables.INDEX_PAGES,
    tables.PARTITIONS,
    sessions.SESSIONS,
    sessions.WAITS,
    sessions.HOLDERS,
    sessions.PREPARED,
    connections.LIMITS,
    connections.SESSION_COUNTERS,
    io.TIMES,
    vacuum.SETTINGS,
    vacuum.RUNS,
    vacuum.HORIZON,
    vacuum.BLOCKS,
    vacuum.PINS,
    vacuum.DATABASES,
    vacuum.CLOCK,
    vacuum.PARENTS,
    vacuum.SCORES,
    indexes.INDEXES,
    indexes.INDEX_USE,
    indexes.BUILDS,
    indexes.OPERATOR_CLASSES,
    indexes.WINDOW,
    foreign_keys.FOREIGN_KEYS,
    sequences.SEQUENCES,
    column_statistics.COLUMN_STATISTICS,
    replication.PLACE,
    replication.STANDBYS,
    replication.SLOTS,
    replication.RECOVERY,
    replication.CONFLICTS,
    replication.ARCHIVER,
    replication.FILES,
    replication.CHECKPOINTS,
    replication.COUNTERS,
    replication.TRUST,
)

QUERIES: dict[type[Any], Query[Any]] = {query.row_type: query for query in _ALL}
