"""What the catalogue says of the tables that a workload reads, for the search for indexes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pgtop.db.asks.indexes import statistics_of
from pgtop.db.connection import Session, Statement
from pgtop.model.advice import WorkColumn, WorkIndex, WorkServer, WorkTable
from pgtop.model.index import ColumnStatistics
from pgtop.model.index_request import StatisticsOf
from pgtop.model.sample import SourceError

if TYPE_CHECKING:
    from pgtop.db.collector import Collector

MOST_TABLES = 300

COUNTED_S = 3_600.0
"""Counters younger than this still show how the tables were filled, not how they are used."""

_OIDS = """SELECT /* pgtop */ DISTINCT c.oid::int8, pg_partition_root(c.oid)::int8
  FROM unnest(%s::text[], %s::text[]) AS w(nspname, relname)
  JOIN pg_class c ON c.relname = w.relname
  JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = w.nspname
 WHERE c.oid >= 16384 AND c.relkind IN ('r', 'm', 'p')"""

_TABLES = """SELECT /* pgtop */ c.oid::int8, n.nspname::text, c.relname::text,
  quote_ident(n.nspname) || '.' || quote_ident(c.relname), c.relkind::text,
  c.reltuples::float8, c.relpages::float8, c.relallvisible::float8,
  nullif(pg_partition_root(c.oid), c.oid)::int8, c.relrowsecurity,
  pg_stat_get_tuples_inserted(c.oid)::float8, pg_stat_get_tuples_updated(c.oid)::float8,
  pg_stat_get_tuples_hot_updated(c.oid)::float8, pg_stat_get_tuples_deleted(c.oid)::float8
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.oid = ANY (%s::int8[])"""

_LEAVES = """SELECT /* pgtop */ r.oid::int8, t.relid::oid::int8, t.level::int8
  FROM unnest(%s::int8[]) AS r(oid), pg_partition_tree(r.oid::oid::regclass) t
 WHERE t.isleaf AND t.level > 0"""

_COLUMNS = """SELECT /* pgtop */ a.attrelid::int8, a.attnum::int8, a.attname::text,
  quote_ident(a.attname), format_type(coalesce(nullif(t.typbasetype, 0), t.oid), NULL),
  t.typcategory::text, t.typcategory <> 'S' OR l.collname = 'C'
    OR a.attcollation = 100 AND d.datcollate IN ('C', 'POSIX'),
  o.oid IS NOT NULL, coalesce(p.bytewise, false),
  s.null_frac::float8, s.avg_width::float8, s.n_distinct::float8, s.correlation::float8,
  CASE WHEN s.avg_width <= 200
       THEN array_to_json((s.most_common_vals::text::text[])[1:100])::text END,
  array_to_json(s.most_common_freqs[1:100])::text
  FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
  JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_database d ON d.datname = current_database()
  LEFT JOIN pg_collation l ON l.oid = a.attcollation
  LEFT JOIN pg_opclass o ON o.opcmethod = 403 AND o.opcdefault AND o.opcintype =
    CASE WHEN t.typcategory = 'A' THEN 2277 WHEN t.typcategory = 'E' THEN 3500
         WHEN t.typcategory = 'R' THEN 3831 WHEN t.oid = 1043 THEN 25
         ELSE coalesce(nullif(t.typbasetype, 0), t.oid) END
  LEFT JOIN LATERAL (SELECT true AS bytewise FROM pg_amproc x
     WHERE x.amprocfamily = o.opcfamily AND x.amprocnum = 4
       AND x.amproclefttype = o.opcintype AND x.amprocrighttype = o.opcintype
       AND x.amproc::oid IN ('btequalimage'::regproc::oid, 'btvarstrequalimage'::regproc::oid)
     LIMIT 1) p ON true
  LEFT JOIN LATERAL (SELECT * FROM pg_stats q WHERE q.schemaname = n.nspname
      AND q.tablename = c.relname AND q.attname = a.attname
      AND q.inherited = (c.relkind = 'p') OFFSET 0) s ON true
 WHERE a.attrelid = ANY (%s::int8[]) AND a.attnum > 0 AND NOT a.attisdropped
 ORDER BY a.attrelid, a.attnum"""
"""403 btree, 2277 anyarray, 3500 anyenum, 3831 anyrange, 1043 varchar, 25 text, 100 the default
collation (src/include/catalog/pg_type.dat, pg_am.dat, pg_collation.dat)."""

_INDEXES = """SELECT /* pgtop */ i.indrelid::int8, c.relname::text,
  quote_ident(n.nspname) || '.' || quote_ident(c.relname), m.amname::text,
  (SELECT json_agg(json_build_array(pg_get_indexdef(i.indexrelid, k, true),
            CASE WHEN k > i.indnkeyatts OR o.opcdefault THEN '' ELSE ' ' || o.opcname END,
            i.indoption[k - 1]) ORDER BY k)::text
     FROM generate_series(1, i.indnatts) k
     LEFT JOIN pg_opclass o ON o.oid = i.indclass[k - 1]),
  i.indnkeyatts::int8, pg_get_expr(i.indpred, i.indrelid), i.indisvalid AND i.indislive,
  NOT (i.indisunique OR i.indisprimary OR i.indisexclusion OR i.indisreplident
       OR i.indisclustered OR c.relispartition
       OR EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid)),
  c.relpages::float8 * current_setting('block_size')::float8, pg_get_indexdef(i.indexrelid)
  FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_am m ON m.oid = c.relam
 WHERE i.indrelid = ANY (%s::int8[])"""

_NAMES = """SELECT /* pgtop */ n.nspname::text, c.relname::text FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE n.nspname = ANY (%s::text[]) AND c.relkind <> 't'"""

_SETTINGS = """SELECT /* pgtop */ name, setting::float8 FROM pg_settings WHERE name IN
 ('seq_page_cost', 'random_page_cost', 'cpu_tuple_cost', 'cpu_index_tuple_cost',
  'cpu_operator_cost', 'effective_cache_size')"""

_SINCE = """SELECT /* pgtop */ extract(epoch FROM clock_timestamp() - coalesce(stats_reset,
   (SELECT stats_reset FROM pg_stat_bgwriter)))::float8
  FROM pg_stat_database WHERE datname = current_database()"""

_IMMUTABLE = """SELECT /* pgtop */ proname::text FROM pg_proc WHERE proname = ANY (%s::text[])
 GROUP BY 1 HAVING bool_and(provolatile = 'i')"""


Rates = Mapping[int, tuple[float, float, float]]
"""Table -> rows inserted, updated, updated HOT a second."""

_WRITES = """SELECT /* pgtop */ c.oid::int8, pg_stat_get_tuples_inserted(c.oid)::float8,
  pg_stat_get_tuples_updated(c.oid)::float8, pg_stat_get_tuples_hot_updated(c.oid)::float8,
  extract(epoch FROM clock_timestamp())::float8
  FROM pg_class c WHERE c.relkind IN ('r', 'm') AND c.oid >= 16384"""

Writes = Mapping[int, tuple[float, float, float, float]]


async def writes(collector: Collector) -> Writes:
    """Table -> rows inserted, updated, updated HOT since the counters began, and the time."""
    (rows,) = await collector.rows([Statement(_WRITES)], what="the tables' counters")
    return {row[0]: row[1:] for row in rows}


def rates(before: Writes, after: Writes) -> Rates:
    """What was written a second between two readings."""
    found = {}
    for relid, (inserted, updated, hot, at) in after.items():
        old = before.get(relid)
        if old is not None and at > old[3]:
            changed = (inserted - old[0], updated - old[1], hot - old[2])
            found[relid] = tuple(max(0.0, value) / (at - old[3]) for value in changed)
    return found  # type: ignore[return-value]  # three numbers, as `changed` has


async def work_tables(
    collector: Collector,
    named: Iterable[tuple[str, str]],
    session: Session,
    watched: Rates | None = None,
) -> tuple[WorkTable, ...]:
    """Tables by (schema, name), with the partitioned ones above them.

    `watched`: what was written lately; without it, rates are since the counters began.
    """
    wanted = list(dict.fromkeys(named))[:MOST_TABLES]

    async def rows(*statements: Statement) -> tuple[list[tuple[Any, ...]], ...]:
        return await collector.rows(
            statements, what="the workload's tables", session=session, work_mem="16MB"
        )

    (found,) = await rows(Statement(_OIDS, ([s for s, _ in wanted], [n for _, n in wanted])))
    oids = sorted({oid for row in found for oid in row if oid})
    roots = sorted({root for oid, root in found if root})
    (leaves,) = await rows(Statement(_LEAVES, (roots,)))
    every = sorted({*oids, *(leaf for _, leaf, _ in leaves)})
    tables, columns, indexes, ((since,),) = await rows(
        Statement(_TABLES, (every,)), Statement(_COLUMNS, (oids,)), Statement(_INDEXES, (oids,)),
        Statement(_SINCE),
    )  # fmt: skip
    (names,) = await rows(Statement(_NAMES, (sorted({row[1] for row in tables}),)))
    try:
        statistics = await statistics_of(collector, StatisticsOf(tuple(every[:MOST_TABLES])))
    except SourceError:
        statistics = ()
    return _assembled(oids, tables, leaves, columns, indexes, since, names, statistics, watched)


def _assembled(
    oids: Sequence[int],
    tables: Sequence[tuple[Any, ...]],
    leaves: Sequence[tuple[Any, ...]],
    columns: Sequence[tuple[Any, ...]],
    indexes: Sequence[tuple[Any, ...]],
    since: float | None,
    names: Sequence[tuple[Any, ...]],
    statistics: Sequence[ColumnStatistics],
    watched: Rates | None,
) -> tuple[WorkTable, ...]:
    by_oid = {row[0]: row for row in tables}
    below: dict[int, list[int]] = {}
    for root, leaf, _ in leaves:
        below.setdefault(root, []).append(leaf)
    nested = {root for root, _, level in leaves if level > 1}
    widths = {(each.relid, each.attnum): each for each in statistics if not each.expression}
    made = []
    for oid in oids:
        row = by_oid.get(oid)
        if row is None:
            continue
        parts = [by_oid[leaf] for leaf in below.get(oid, ()) if leaf in by_oid] or [row]
        made.append(
            WorkTable(
                relid=oid, schema=row[1], name=row[2], sql=row[3], kind=row[4],
                **_figures(parts, since, watched), root=row[8],
                leaves=tuple((p[1], p[2], p[3]) for p in parts) if parts != [row] else (),
                nested=oid in nested, policies=row[9],
                columns=tuple(
                    _column(c, widths.get((oid, c[1])) or widths.get((parts[0][0], c[1])))
                    for c in columns
                    if c[0] == oid
                ),
                indexes=tuple(_index(i) for i in indexes if i[0] == oid),
                names=frozenset(name for schema, name in names if schema == row[1]),
            )
        )  # fmt: skip
    return tuple(made)


def _figures(
    parts: Sequence[tuple[Any, ...]], since: float | None, watched: Rates | None
) -> dict[str, Any]:
    """Rows, pages and writes of a table, or of its partitions together."""
    known = [part for part in parts if part[5] > 0 or part[6] > 0]
    pages = sum(part[6] for part in parts)
    inserted, updated, hot, deleted = (sum(part[n] or 0.0 for part in parts) for n in range(10, 14))
    each: tuple[float | None, ...] = (None, None, None)
    if watched is not None:
        of_parts = [watched.get(part[0], (0.0, 0.0, 0.0)) for part in parts]
        each = tuple(map(sum, zip(*of_parts, strict=True)))
    elif since and since >= COUNTED_S:
        each = (inserted / since, updated / since, hot / since)
    return {
        "rows": sum(max(part[5], 0.0) for part in known) if known else None,
        "pages": pages,
        "visible_fraction": sum(part[7] for part in parts) / pages if pages else 0.0,
        "inserts_per_s": each[0],
        "updates_per_s": each[1],
        "hot_updates_per_s": each[2],
        "writes": inserted + updated + deleted,
    }


def _column(row: tuple[Any, ...], statistics: ColumnStatistics | None) -> WorkColumn:
    (_, attnum, name, sql, kind, category, bytewise, orderable, image,
     nulls, width, distinct, correlation, values, freqs) = row  # fmt: skip
    return WorkColumn(
        attnum=attnum, name=name, sql=sql, type=kind, category=category, bytewise=bytewise,
        orderable=orderable, equal_image=image, null_frac=nulls, avg_width=width,
        n_distinct=distinct, correlation=correlation,
        common=dict(zip(json.loads(values or "[]"), json.loads(freqs or "[]"), strict=False)),
        statistics=statistics if statistics is not None and statistics.known else None,
    )  # fmt: skip


def _index(row: tuple[Any, ...]) -> WorkIndex:
    _, name, sql, method, parts, count, predicate, valid, droppable, size, definition = row
    keys = [_key(method, *part) for part in json.loads(parts or "[]")]
    return WorkIndex(
        name=name, sql=sql, method=method, keys=tuple(keys[:count]), include=tuple(keys[count:]),
        predicate=predicate, valid=valid, droppable=droppable, bytes=size or 0.0,
        definition=definition,
    )  # fmt: skip


def _key(method: str, text: str, opclass: str, option: int | None) -> str:
    """`created_at DESC`, as CREATE INDEX words it: 1 is DESC, 2 NULLS FIRST."""
    bits = (option or 0) if method == "btree" else 0
    order = {0: "", 1: " DESC NULLS LAST", 2: " NULLS FIRST", 3: " DESC"}[bits & 3]
    return text + opclass + order


async def work_server(
    collector: Collector, functions: Iterable[str], session: Session
) -> WorkServer:
    """Prices, extensions, and which of these functions an index may hold."""
    settings, immutable = await collector.rows(
        [Statement(_SETTINGS), Statement(_IMMUTABLE, (sorted(set(functions)),))],
        what="the server's settings", session=session,
    )  # fmt: skip
    found: Mapping[str, float] = dict(settings)
    return WorkServer(
        version_num=collector.catalog.version_num, settings=found,
        extensions=frozenset(collector.catalog.extensions),
        immutable=frozenset(name for (name,) in immutable),
    )  # fmt: skip
