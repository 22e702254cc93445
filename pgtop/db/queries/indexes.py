"""Indexes and their counters, from catalogue columns alone.

Neither pg_get_indexdef nor pg_get_expr nor pg_relation_size: each waits for whoever holds
the table exclusively. Expressions and predicates come as they are stored; until 16 the
stored text holds places in the source, which are taken out so that equal ones are equal.
"""

from __future__ import annotations

from pgtop.db.query import Query, Varying
from pgtop.model.index import (
    CounterWindow,
    Index,
    IndexBuild,
    IndexUse,
    OperatorClass,
)

INDEXES = Query(
    row_type=Index,
    relations=("pg_index", "pg_stat_progress_create_index"),
    work_mem="32MB",
    varying=(Varying("nulls", "bool", ("indnullsnotdistinct",), expression="i.{column}"),),
    template="""\
SELECT /* pgtop */ i.indexrelid::int8, i.indrelid::int8, n.ident || quote_ident(c.relname),
       n.nspname, c.relname::text, c.relkind::text,
       a.amname, c.relpages::int8, c.reltuples::float8, array_to_string(c.reloptions, E'\\x1f'),
       CASE WHEN c.relispartition
            THEN (SELECT h.inhparent::int8 FROM pg_inherits h WHERE h.inhrelid = c.oid)
            ELSE 0 END,
       i.indnatts::int8, i.indnkeyatts::int8,
       (CASE WHEN i.indisunique THEN 1 ELSE 0 END + CASE WHEN i.indisprimary THEN 2 ELSE 0 END
        + CASE WHEN i.indisexclusion THEN 4 ELSE 0 END + CASE WHEN i.indimmediate THEN 8 ELSE 0 END
        + CASE WHEN i.indisclustered THEN 16 ELSE 0 END + CASE WHEN i.indisvalid THEN 32 ELSE 0 END
        + CASE WHEN i.indisready THEN 64 ELSE 0 END + CASE WHEN i.indislive THEN 128 ELSE 0 END
        + CASE WHEN i.indisreplident THEN 256 ELSE 0 END + CASE WHEN {nulls} THEN 512 ELSE 0 END
        + CASE WHEN (i.indisunique OR i.indisexclusion)
                    AND i.indexrelid IN (SELECT conindid FROM pg_constraint
                                          WHERE contype IN ('p', 'u', 'x')) THEN 1024 ELSE 0 END
        + CASE WHEN i.indisunique
                    AND i.indexrelid IN (SELECT conindid FROM pg_constraint
                                          WHERE contype = 'f') THEN 4096 ELSE 0 END
        + CASE WHEN i.indrelid IN (
                 SELECT objid FROM pg_depend
                  WHERE refclassid = 'pg_extension'::regclass AND classid = 'pg_class'::regclass
                    AND deptype = 'e') THEN 2048 ELSE 0 END)::int8,
       i.indkey::text, i.indcollation::text, i.indclass::text, i.indoption::text,
       CASE WHEN i.indexprs IS NOT NULL
            THEN regexp_replace(i.indexprs::text, ' :(stmt_)?location -?\\d+', '', 'g') END,
       CASE WHEN i.indpred IS NOT NULL
            THEN regexp_replace(i.indpred::text, ' :(stmt_)?location -?\\d+', '', 'g') END,
       CASE WHEN NOT i.indisvalid
            THEN (SELECT min(b.pid)::int8 FROM {pg_stat_progress_create_index} b
                   WHERE b.datname = current_database() AND b.relid = i.indrelid) END,
       CASE WHEN (SELECT current_setting('track_commit_timestamp') = 'on')
            THEN extract(epoch FROM pg_xact_commit_timestamp(c.xmin))::float8 END
  FROM pg_index i
  JOIN pg_class c ON c.oid = i.indexrelid
  JOIN (SELECT oid, nspname::text, quote_ident(nspname) || '.' AS ident
          FROM pg_namespace OFFSET 0) n ON n.oid = c.relnamespace
  JOIN (SELECT oid, amname::text FROM pg_am OFFSET 0) a ON a.oid = c.relam
 WHERE i.indrelid >= 16384 AND (c.relnamespace <> 99 OR c.relpages >= 10 OR NOT i.indisvalid)
""",
)
"""User relations alone: nothing can be done about the catalogues' own. Slow lane. 99 is pg_toast.
Its table's name is `Table`'s: to read it here too took a quarter of the time."""

INDEX_USE = Query(
    row_type=IndexUse,
    relations=("pg_class", "pg_stat_all_indexes"),
    work_mem="16MB",
    varying=(
        Varying(
            "last_scan",
            "float8",
            ("last_idx_scan",),
            relation="pg_stat_all_indexes",
            expression="extract(epoch FROM pg_stat_get_lastscan(c.oid))::float8",
        ),
    ),
    template="""\
SELECT /* pgtop */ c.oid::int8, pg_stat_get_numscans(c.oid), pg_stat_get_tuples_returned(c.oid),
       pg_stat_get_tuples_fetched(c.oid), {last_scan}, pg_stat_get_blocks_hit(c.oid),
       pg_stat_get_blocks_fetched(c.oid) - pg_stat_get_blocks_hit(c.oid)
  FROM pg_class c
 WHERE c.relkind = 'i' AND c.oid >= 16384 AND (c.relnamespace <> 99 OR c.relpages >= 10)
""",
)
"""An index of a partitioned table has no counters: its leaves have."""

BUILDS = Query(
    row_type=IndexBuild,
    relations=("pg_stat_progress_create_index",),
    template="""\
SELECT /* pgtop */ pid::int8, relid::int8, nullif(index_relid, 0)::int8, command, phase,
       lockers_total, lockers_done, current_locker_pid, blocks_total, blocks_done,
       tuples_total, tuples_done
  FROM {pg_stat_progress_create_index}
 WHERE datname = current_database()
""",
)

OPERATOR_CLASSES = Query(
    row_type=OperatorClass,
    template="""\
SELECT /* pgtop */ o.oid::int8, o.opcfamily::int8, quote_ident(o.opcname),
       EXISTS (SELECT FROM pg_amproc p
                WHERE p.amprocfamily = o.opcfamily AND p.amprocnum = 4
                  AND p.amproclefttype = o.opcintype AND p.amprocrighttype = o.opcintype
                  AND p.amproc::oid IN ('btequalimage'::regproc::oid,
                                        'btvarstrequalimage'::regproc::oid)
                  AND o.opcmethod = 403)
  FROM pg_opclass o
""",
)
"""403 is btree (src/include/catalog/pg_am.dat). A handful, and they do not change."""

WINDOW = Query(
    row_type=CounterWindow,
    relations=("pg_stat_replication", "pg_stat_progress_create_index"),
    clauses={
        "wal": (
            ("pg_stat_wal.stats_reset", "(SELECT stats_reset FROM pg_stat_wal)"),
            ("always", "NULL"),
        ),
        "io": (
            ("pg_stat_io.stats_reset", "(SELECT min(stats_reset) FROM pg_stat_io)"),
            ("always", "NULL"),
        ),
    },
    template="""\
SELECT /* pgtop */
       (SELECT extract(epoch FROM stats_reset)::float8 FROM pg_stat_database
         WHERE datname = current_database()),
       extract(epoch FROM least((SELECT stats_reset FROM pg_stat_bgwriter),
                                (SELECT stats_reset FROM pg_stat_archiver), {wal}, {io}))::float8,
       pg_is_in_recovery(),
       greatest((SELECT count(*) FROM {pg_stat_replication}
                  WHERE coalesce(application_name, '') NOT LIKE '%basebackup%'),
                (SELECT count(*) FROM pg_replication_slots
                  WHERE slot_type = 'physical' AND NOT temporary)),
       (SELECT count(*) FROM {pg_stat_progress_create_index}
         WHERE datname = current_database() AND relid IS NULL),
       (SELECT setting::int8 * 8192 FROM pg_settings WHERE name = 'shared_buffers'),
       (SELECT coalesce(string_agg(oid::text, ' '), '') FROM pg_collation
         WHERE NOT collisdeterministic)
""",
)
