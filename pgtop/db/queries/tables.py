"""Tables and their counters, without a look at any file and without a lock on any of them.

The counters come from the functions behind pg_stat_all_tables: the view joins pg_index for
every table only to sum its index scans, and takes three times as long. Each call costs about
0.2 µs and there are as many as tables times columns: what changes slowly is read apart. Not
pg_relation_size: it takes a lock, and would wait for whoever rewrites the table.
"""

from __future__ import annotations

from pgtop.db.query import Query, Varying
from pgtop.model.table import IndexPages, Partition, Table, TableUse

TABLES = Query(
    row_type=Table,
    relations=("pg_class",),
    work_mem="16MB",
    varying=(Varying("relallfrozen", "int8", ("relallfrozen",), expression="c.{column}::int8"),),
    template="""\
SELECT /* pgtop */ c.oid::int8, n.ident || quote_ident(c.relname),
       n.nspname::text, c.relname::text, c.relkind::text, c.relpersistence::text,
       c.relispartition, c.relpages::int8, c.reltuples::float8, c.relallvisible::int8,
       {relallfrozen}, c.reltoastrelid::int8, array_to_string(c.reloptions, E'\\x1f'),
       CASE WHEN c.relfrozenxid <> '0' THEN age(c.relfrozenxid)::int8 END,
       CASE WHEN c.relminmxid <> '0' THEN mxid_age(c.relminmxid)::int8 END,
       pg_get_userbyid(c.relowner)::text,
       pg_stat_get_tuples_inserted(c.oid), pg_stat_get_tuples_updated(c.oid),
       pg_stat_get_tuples_deleted(c.oid), pg_stat_get_live_tuples(c.oid),
       pg_stat_get_dead_tuples(c.oid), pg_stat_get_mod_since_analyze(c.oid),
       pg_stat_get_ins_since_vacuum(c.oid), pg_stat_get_vacuum_count(c.oid),
       pg_stat_get_autovacuum_count(c.oid), pg_stat_get_analyze_count(c.oid),
       pg_stat_get_autoanalyze_count(c.oid)
  FROM pg_class c
  JOIN (SELECT oid, nspname, quote_ident(nspname) || '.' AS ident
          FROM pg_namespace OFFSET 0) n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'm', 'p')
    OR c.relkind = 't'
       AND (c.relpages > 0 OR c.reloptions IS NOT NULL
            OR age(c.relfrozenxid) > current_setting('autovacuum_freeze_max_age')::int8 / 2
            OR pg_stat_get_tuples_inserted(c.oid) > 0)
""",
)

TABLE_USE = Query(
    row_type=TableUse,
    relations=("pg_class", "pg_stat_all_tables"),
    work_mem="16MB",
    varying=(
        Varying(
            "newpage",
            "int8",
            ("n_tup_newpage_upd",),
            relation="pg_stat_all_tables",
            expression="pg_stat_get_tuples_newpage_updated(c.oid)",
        ),
        Varying(
            "autovacuum_time",
            "float8",
            ("total_autovacuum_time",),
            relation="pg_stat_all_tables",
            expression="pg_stat_get_total_autovacuum_time(c.oid)",
        ),
    ),
    template="""\
SELECT /* pgtop */ c.oid::int8, pg_stat_get_numscans(c.oid), pg_stat_get_tuples_returned(c.oid),
       pg_stat_get_tuples_updated(c.oid), pg_stat_get_tuples_hot_updated(c.oid), {newpage},
       extract(epoch FROM pg_stat_get_last_vacuum_time(c.oid))::float8,
       extract(epoch FROM pg_stat_get_last_autovacuum_time(c.oid))::float8,
       extract(epoch FROM pg_stat_get_last_analyze_time(c.oid))::float8,
       extract(epoch FROM pg_stat_get_last_autoanalyze_time(c.oid))::float8,
       pg_stat_get_blocks_hit(c.oid),
       pg_stat_get_blocks_fetched(c.oid) - pg_stat_get_blocks_hit(c.oid), {autovacuum_time}
  FROM pg_class c
 WHERE c.relkind IN ('r', 'm', 'p') OR c.relkind = 't' AND c.relpages > 0
""",
)

INDEX_PAGES = Query(
    row_type=IndexPages,
    template="""\
SELECT /* pgtop */ i.indrelid::int8, count(*), sum(c.relpages)::int8,
       count(*) FILTER (WHERE a.amname NOT IN ('btree', 'hash', 'brin'))
  FROM pg_index i
  JOIN pg_class c ON c.oid = i.indexrelid
  JOIN pg_am a ON a.oid = c.relam
 GROUP BY i.indrelid
""",
)
"""Slow lane: it changes with CREATE INDEX."""

PARTITIONS = Query(
    row_type=Partition,
    template="""\
SELECT /* pgtop */ i.inhrelid::int8, i.inhparent::int8
  FROM pg_inherits i
  JOIN pg_class c ON c.oid = i.inhparent
 WHERE c.relkind = 'p'
""",
)
