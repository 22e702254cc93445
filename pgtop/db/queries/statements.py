"""pg_stat_statements: numbers on every tick, texts rarely.

`pg_stat_statements(false)` leaves the text file alone: 16 ms for 9,500 statements where
the view takes 143 ms. With less than 16 MB of work_mem its tuplestore goes to disk.
The columns follow the version of the extension in this database, which after pg_upgrade
may be older than the server: 1.8 split planning from execution, 1.9 brought toplevel, 1.11
renamed blk_read_time.
"""

from __future__ import annotations

from pgtop.db.query import Query, Varying
from pgtop.model.statement import Running, Statement, StatementsInfo, StatementText

NOT_INSTALLED = (
    "pg_stat_statements is not installed in this database",
    "CREATE EXTENSION pg_stat_statements;",
)

TOPLEVEL = Varying("toplevel", "bool", ("toplevel",))

STATEMENTS = Query(
    row_type=Statement,
    relations=("pg_stat_statements",),
    missing=NOT_INSTALLED,
    work_mem="16MB",
    varying=(
        TOPLEVEL,
        Varying("exec_time", "float8", ("total_exec_time", "total_time")),
        Varying("plan_time", "float8", ("total_plan_time",)),
        Varying("read_time", "float8", ("shared_blk_read_time", "blk_read_time")),
        Varying("write_time", "float8", ("shared_blk_write_time", "blk_write_time")),
        Varying("wal_records", "int8", ("wal_records",)),
        Varying("wal_bytes", "float8", ("wal_bytes",), expression="{column}::float8"),
        Varying(
            "since",
            "float8",
            ("stats_since",),
            expression="date_part('epoch', {column})",
        ),
    ),
    template="""\
SELECT /* pgtop */ userid::int8, dbid::int8, queryid, {toplevel}, calls, {exec_time}, {plan_time},
       rows, shared_blks_hit, shared_blks_read, shared_blks_dirtied, shared_blks_written,
       temp_blks_read, temp_blks_written, {read_time}, {write_time}, {wal_records}, {wal_bytes},
       {since}
  FROM {pg_stat_statements}(false)
""",
)

TEXTS = Query(
    row_type=StatementText,
    relations=("pg_stat_statements",),
    missing=NOT_INSTALLED,
    work_mem="64MB",
    texts=("query",),
    varying=(TOPLEVEL,),
    template="""\
SELECT /* pgtop */ userid::int8, dbid::int8, queryid, {toplevel}, left(query, 400),
       octet_length(query)::int8
  FROM {pg_stat_statements}(true)
 WHERE queryid IS NOT NULL
""",
)

INFO = Query(
    row_type=StatementsInfo,
    relations=("pg_stat_statements",),
    missing=NOT_INSTALLED,
    clauses={
        "dealloc": (
            ("pg_stat_statements_info", "(SELECT dealloc FROM {pg_stat_statements_info})"),
            ("always", "NULL::int8"),
        ),
        "reset": (
            (
                "pg_stat_statements_info",
                "(SELECT extract(epoch FROM stats_reset)::float8 FROM {pg_stat_statements_info})",
            ),
            ("always", "NULL::float8"),
        ),
    },
    template="""\
SELECT /* pgtop */ {dealloc}, {reset}, current_setting('pg_stat_statements.max', true)::int8,
       current_setting('track_io_timing') = 'on'
""",
)

RUNNING = Query(
    row_type=Running,
    texts=("query",),
    relations=("pg_stat_activity",),
    varying=(Varying("query_id", "int8", ("query_id",)),),
    template="""\
SELECT /* pgtop */ pid::int8, usesysid::int8, datid::int8, {query_id},
       extract(epoch FROM clock_timestamp() - query_start)::float8,
       substring(textsend(query) FROM 1 FOR 400)
  FROM {pg_stat_activity}
 WHERE state = 'active' AND backend_type = 'client backend' AND pid <> pg_backend_pid()
""",
)
