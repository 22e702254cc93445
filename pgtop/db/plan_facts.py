"""What the catalogue says of the tables in a plan."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from pgtop.analysis.plan.conditions import columns, conditions
from pgtop.analysis.plan.times import triggers
from pgtop.db.connection import Session, Statement
from pgtop.model.insight import ColumnFacts, ForeignKeyFacts, IndexFacts, PlanFacts, TableFacts
from pgtop.model.plan import Plan

if TYPE_CHECKING:
    from pgtop.db.collector import Collector

MOST_TABLES = 200
"""Relations looked up; a plan over a thousand partitions needs a few of them."""

_CONDITIONS = ("Filter", "Index Cond", "Recheck Cond", "Join Filter", "Hash Cond", "Merge Cond")

_SETTINGS = """SELECT /* pgtop */ name, setting FROM pg_settings WHERE name IN
 ('work_mem', 'hash_mem_multiplier', 'max_parallel_workers', 'max_worker_processes',
  'jit', 'default_statistics_target', 'random_page_cost')"""

_KEYS = """SELECT /* pgtop */ k.conname::text, n.nspname::text, c.relname::text,
  (SELECT json_agg(a.attname ORDER BY u.place)::text
     FROM unnest(k.conkey) WITH ORDINALITY AS u(attnum, place)
     JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.attnum)
  FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE k.contype = 'f' AND k.conname = ANY (%s::text[])"""

_TABLES = """SELECT /* pgtop */ c.oid::int8, n.nspname::text, c.relname::text,
  format('%%I.%%I', n.nspname, c.relname), c.relkind::text,
  CASE WHEN c.reltuples > 0 OR c.relpages > 0 THEN c.reltuples::float8 END,
  c.relpages::float8 * current_setting('block_size')::float8,
  pg_get_partkeydef(coalesce(pg_partition_root(c.oid), c.oid)),
  (SELECT format('%%I.%%I', rn.nspname, r.relname) FROM pg_class r
     JOIN pg_namespace rn ON rn.oid = r.relnamespace
    WHERE r.oid = pg_partition_root(c.oid)),
  (SELECT CASE WHEN EXISTS (SELECT FROM pg_stats p WHERE p.schemaname = rn.nspname
                               AND p.tablename = r.relname AND p.inherited) THEN true
               WHEN has_any_column_privilege(r.oid, 'SELECT') THEN false END
     FROM pg_class r JOIN pg_namespace rn ON rn.oid = r.relnamespace
    WHERE r.oid = pg_partition_root(c.oid)),
  extract(epoch FROM now() - greatest(pg_stat_get_last_analyze_time(c.oid),
                                      pg_stat_get_last_autoanalyze_time(c.oid)))::float8,
  pg_stat_get_mod_since_analyze(c.oid)::float8
  FROM unnest(%s::text[], %s::text[]) AS w(nspname, relname)
  JOIN pg_class c ON c.relname = w.relname
  JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = w.nspname"""
"""The functions behind pg_stat_all_tables: joined, the view counts all tables of the database."""

_COLUMNS = """SELECT /* pgtop */ a.attrelid::int8, a.attname::text, quote_ident(a.attname),
  format_type(a.atttypid, a.atttypmod), t.typcategory::text, s.correlation::float8,
  s.n_distinct::float8, array_to_json((s.most_common_vals::text::text[])[1:100])::text,
  array_to_json(s.most_common_freqs[1:100])::text,
  array_to_json((s.histogram_bounds::text::text[])[1:101])::text
  FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
  JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN LATERAL (SELECT * FROM pg_stats p WHERE p.schemaname = n.nspname
      AND p.tablename = c.relname AND p.attname = a.attname AND NOT p.inherited OFFSET 0) s ON true
 WHERE a.attrelid = ANY (%s::int8[]) AND a.attnum > 0 AND NOT a.attisdropped
   AND a.attname = ANY (%s::text[])"""

_INDEXES = """SELECT /* pgtop */ i.indrelid::int8, c.relname::text,
  format('%%I.%%I', n.nspname, c.relname), m.amname::text,
  (SELECT json_agg(a.attname ORDER BY u.place)::text
     FROM unnest(i.indkey) WITH ORDINALITY AS u(attnum, place)
     LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = u.attnum AND u.attnum > 0
    WHERE u.place <= i.indnkeyatts),
  pg_get_indexdef(i.indexrelid), pg_get_expr(i.indpred, i.indrelid), i.indisvalid, i.indisunique
  FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_am m ON m.oid = c.relam
 WHERE i.indrelid = ANY (%s::int8[]) AND i.indislive"""


async def plan_facts(
    collector: Collector, plans: tuple[Plan, ...], session: Session | None = None
) -> PlanFacts:
    """Existing indexes, column types, statistics' age, partition and foreign keys."""
    fired = [str(t.get("Constraint Name")) for plan in plans for t in triggers(plan)]
    keys, settings = await collector.rows(
        [Statement(_KEYS, (fired,)), Statement(_SETTINGS)],
        what="the plan's tables",
        session=session,
    )
    named = list(dict.fromkeys(
        (schema, node.relation)
        for plan in plans
        for node in plan.nodes
        if (schema := node.text("Schema")) and node.relation
    ))[:MOST_TABLES]  # fmt: skip
    named += [(schema, name) for _, schema, name, _ in keys]
    (rows,) = await collector.rows(
        [Statement(_TABLES, ([s for s, _ in named], [n for _, n in named]))],
        what="the plan's tables", session=session,
    )  # fmt: skip
    oids = [row[0] for row in rows]
    wanted = _columns_named(plans) | {c for *_, listed in keys for c in json.loads(listed)}
    attributes, indexes = await collector.rows(
        [Statement(_COLUMNS, (oids, sorted(wanted))), Statement(_INDEXES, (oids,))],
        what="the plan's tables", session=session,
    )  # fmt: skip
    tables = {row[0]: _table(row, attributes, indexes) for row in rows}
    found = {(table.schema, table.name): table for table in tables.values()}
    return PlanFacts(
        version_num=collector.catalog.version_num,
        tables=tuple(tables.values()),
        foreign_keys=tuple(
            ForeignKeyFacts(
                name=name, table=found[schema, table], columns=tuple(json.loads(listed))
            )
            for name, schema, table, listed in keys
            if (schema, table) in found
        ),
        settings=dict(settings),
        extensions=frozenset(collector.catalog.extensions),
    )


def _columns_named(plans: tuple[Plan, ...]) -> set[str]:
    """Columns in conditions and sort keys."""
    found: set[str] = set()
    for plan in plans:
        for node in plan.nodes:
            for key in _CONDITIONS:
                if text := node.text(key):
                    found.update(columns(conditions(text)))
            for key in (*node.texts("Sort Key"), *node.texts("Group Key")):
                found.add(key.rpartition(".")[2].split(" ")[0].strip('"'))
    return found


def _table(row: Any, attributes: list[Any], indexes: list[Any]) -> TableFacts:
    oid, schema, name, sql, kind, rows, size, key, root, root_analyzed, analyzed, modified = row
    return TableFacts(
        schema=schema, name=name, sql=sql, kind=kind, rows=rows, bytes=size or 0.0,
        columns=tuple(_column(each) for each in attributes if each[0] == oid),
        indexes=tuple(_index(each) for each in indexes if each[0] == oid),
        partition_key=key, partition_of=root, root_analyzed=root_analyzed,
        analyzed_s=analyzed, modified=modified,
    )  # fmt: skip


def _column(row: Any) -> ColumnFacts:
    _, name, sql, kind, category, correlation, distinct, values, freqs, bounds = row
    common: dict[str, float] = defaultdict(float)
    for value, freq in zip(json.loads(values or "[]"), json.loads(freqs or "[]"), strict=False):
        common[value] += freq
    return ColumnFacts(
        name=name, sql=sql, type=kind, type_category=category, correlation=correlation,
        n_distinct=distinct, most_common=dict(common), bounds=tuple(json.loads(bounds or "[]")),
    )  # fmt: skip


def _index(row: Any) -> IndexFacts:
    _, name, sql, method, keys, definition, predicate, valid, unique = row
    return IndexFacts(
        name=name, sql=sql, method=method, keys=tuple(json.loads(keys or "[]")),
        definition=definition, predicate=predicate, valid=valid, unique=unique,
    )  # fmt: skip
