"""Questions about single relations: definitions, statistics, sequences, exact measuring."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from pgtop.analysis import units
from pgtop.analysis.bloat import btree_free_bytes, hash_free_bytes
from pgtop.db.connection import Statement
from pgtop.db.queries.column_statistics import OF_RELATIONS, with_expressions
from pgtop.model.index import ColumnStatistics, SequenceValue
from pgtop.model.index_request import (
    Definition,
    DefinitionOf,
    KeysOf,
    Measure,
    Measured,
    SizesOf,
    StatisticsOf,
    ValuesOf,
)
from pgtop.model.sample import SourceError

if TYPE_CHECKING:
    from pgtop.db.collector import Collector

LOCK_MS = 100
"""Whoever holds a relation exclusively longer than this is named, not waited for."""

SEQUENCES_AT_ONCE = 50
"""Each takes a lock until its transaction ends; the shared lock table holds 6,400 by default."""

_LOCKED = "55P03"

GONE = "no longer there under its oid: it was dropped, or rebuilt by REINDEX CONCURRENTLY"

_DEFINITION = """\
SELECT /* pgtop */ pg_get_indexdef(%s::int8::oid), pg_relation_size(%s::int8::oid)
"""

_KEYS = """\
SELECT /* pgtop */ a.attrelid::int8,
       string_agg(quote_ident(a.attname)
                  || CASE WHEN i.indkey[a.attnum - 1] = 0 THEN '(...)' ELSE '' END,
                  ', ' ORDER BY a.attnum) FILTER (WHERE a.attnum <= i.indnkeyatts),
       string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum)
         FILTER (WHERE a.attnum > i.indnkeyatts)
  FROM pg_attribute a JOIN pg_index i ON i.indexrelid = a.attrelid
 WHERE a.attrelid = ANY (%s::int8[]::oid[]) AND a.attnum > 0 GROUP BY a.attrelid
"""
"""An expression's column has the name that the server gave it, of its function or `expr`."""

_SIZES = """\
SELECT /* pgtop */ oid, pg_relation_size(oid::oid) FROM unnest(%s::int8[]) u (oid)
"""

_VALUES = """\
SELECT /* pgtop */ c.oid::int8,
       CASE WHEN has_sequence_privilege(c.oid, 'SELECT, USAGE')
            THEN pg_sequence_last_value(c.oid) END,
       has_sequence_privilege(c.oid, 'SELECT, USAGE')
  FROM pg_class c WHERE c.oid = ANY (%s::int8[]::oid[]) AND c.relkind = 'S'
"""

_EXTENSION = """\
SELECT /* pgtop */ format('%%I.', n.nspname), c.relpages::int8,
       has_function_privilege(p.oid, 'EXECUTE')
  FROM pg_proc p
  JOIN pg_namespace n ON n.oid = p.pronamespace
  JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
 CROSS JOIN pg_class c
 WHERE p.proname = %s AND p.proargtypes::text LIKE '2205%%' AND c.oid = %s::int8::oid
"""
"""2205 is regclass."""

_ASKED = """\
SELECT oid FROM (
         SELECT c.oid, c.relnatts, sum(c.relnatts) OVER (ORDER BY u.place) AS so_far
           FROM unnest(%s::int8[]) WITH ORDINALITY u (oid, place)
           JOIN pg_class c ON c.oid = u.oid::oid) z
 WHERE so_far - relnatts < %s::int8"""

_MEASURE = {
    "btree": (
        "pgstatindex",
        "SELECT /* pgtop */ index_size, leaf_pages, internal_pages, empty_pages, deleted_pages,"
        " avg_leaf_density FROM {}pgstatindex(%s::int8::oid::regclass)",
    ),
    "heap": (
        "pgstattuple_approx",
        "SELECT /* pgtop */ table_len, approx_free_space::float8, dead_tuple_len::float8,"
        " scanned_percent FROM {}pgstattuple_approx(%s::int8::oid::regclass)",
    ),
    "gin": (
        "pgstatginindex",
        "SELECT /* pgtop */ pg_relation_size(%s::int8::oid), pending_pages::int8, pending_tuples"
        " FROM {}pgstatginindex(%s::int8::oid::regclass)",
    ),
    "hash": (
        "pgstathashindex",
        "SELECT /* pgtop */ pg_relation_size(%s::int8::oid), bucket_pages, overflow_pages,"
        " unused_pages, live_items FROM {}pgstathashindex(%s::int8::oid::regclass)",
    ),
}


async def definition_of(collector: Collector, request: DefinitionOf) -> Definition:
    """CREATE INDEX and the exact size, or that somebody holds the table."""
    oid = request.indexrelid
    try:
        (rows,) = await collector.rows(
            [Statement(_DEFINITION, (oid, oid))], what="definition", lock_ms=LOCK_MS
        )
    except SourceError as error:
        if error.sqlstate == _LOCKED:
            return Definition(oid, None, None, "locked")
        raise
    sql, size_bytes = rows[0]
    if sql is None:
        raise SourceError(GONE, lasting=True)
    return Definition(oid, sql, size_bytes, None)


async def keys_of(collector: Collector, request: KeysOf) -> dict[int, str]:
    """Columns of indexes in parentheses, as SQL has them; an expression has the name that the
    server gave it."""
    (rows,) = await collector.rows(
        [Statement(_KEYS, (list(request.indexrelids),))], what="index columns"
    )
    return {
        int(oid): f"({keys})" + (f" INCLUDE ({others})" if others else "")
        for oid, keys, others in rows
    }


async def sizes_of(collector: Collector, request: SizesOf) -> dict[int, int]:
    """One look at the file of each: some 6 µs."""
    (rows,) = await collector.rows(
        [Statement(_SIZES, (list(request.relids),))], what="sizes", lock_ms=LOCK_MS
    )
    return {int(oid): int(size) for oid, size in rows if size is not None}


async def statistics_of(
    collector: Collector, request: StatisticsOf
) -> tuple[ColumnStatistics, ...]:
    """Statistics of these relations' columns and of the expressions of their indexes."""
    sql = OF_RELATIONS.replace("%relations%", with_expressions(_ASKED))
    asked = (list(request.relids), request.most_columns)
    (rows,) = await collector.rows([Statement(sql, asked)], what="column statistics")
    return tuple(map(ColumnStatistics._make, rows))


async def values_of(collector: Collector, request: ValuesOf) -> tuple[SequenceValue, ...]:
    """last_value of each sequence, a few in each transaction; a locked one says so."""
    found: list[SequenceValue] = []
    waiting = [
        list(request.seqrelids[start : start + SEQUENCES_AT_ONCE])
        for start in range(0, len(request.seqrelids), SEQUENCES_AT_ONCE)
    ]
    while waiting:
        part = waiting.pop()
        try:
            (rows,) = await collector.rows(
                [Statement(_VALUES, (part,))], what="sequences", lock_ms=LOCK_MS
            )
        except SourceError as error:
            if len(part) > 1:
                waiting += [part[: len(part) // 2], part[len(part) // 2 :]]
            else:
                why = "locked" if error.sqlstate == _LOCKED else error.why
                found.append(SequenceValue(part[0], None, why))
            continue
        found += [
            SequenceValue(oid, value, None if allowed else "no SELECT privilege on it")
            for oid, value, allowed in rows
        ]
    return tuple(found)


async def measure(collector: Collector, request: Measure) -> Measured:
    """Read the whole relation on a second connection, within the budget; Esc ends it."""
    function, template = _MEASURE[request.method]
    async with collector.second() as session:
        (found,) = await collector.rows(
            [Statement(_EXTENSION, (function, request.relid))], what=function, session=session
        )
        if not found:
            raise SourceError(
                "pgstattuple is not installed in this database",
                remedy="CREATE EXTENSION pgstattuple;",
                lasting=True,
            )
        schema, _, allowed = found[0]
        if not allowed:
            raise SourceError(
                f"{function}: this role may not execute it",
                remedy=f"GRANT pg_stat_scan_tables TO {collector.role};",
                lasting=True,
            )
        sql = template.format(schema)
        started = time.monotonic()
        (rows,) = await collector.rows(
            [Statement(sql, (request.relid,) * sql.count("%s"))],
            what="measuring",
            timeout_ms=round(request.budget_s * 1_000),
            lock_ms=LOCK_MS,
            session=session,
        )
        return _measured(request, function, rows[0], time.monotonic() - started)


def _measured(request: Measure, function: str, row: tuple[Any, ...], seconds: float) -> Measured:
    size_bytes = int(row[0])
    free: float | None
    if request.method == "btree":
        _, leaf, _internal, empty, deleted, density = row
        free = btree_free_bytes(leaf, empty, deleted, density, request.fillfactor)
        said = (
            f"{units.count(leaf)} leaf pages {units.percent(density / 100)} full,"
            f" {units.count(empty)} empty, {units.count(deleted)} deleted"
        )
    elif request.method == "heap":
        _, space, dead, scanned = row
        kept = (size_bytes - space - dead) * 100 / request.fillfactor
        free = max(0.0, size_bytes - kept)
        said = (
            f"{units.size(space)} free, {units.size(dead)} in dead rows,"
            f" {units.percent(scanned / 100)} of the pages read"
        )
    elif request.method == "gin":
        free = None
        said = f"{units.count(row[1])} pending pages with {units.count(row[2])} rows"
    else:
        _, buckets, overflow, unused, entries = row
        free = hash_free_bytes(size_bytes, entries, request.fillfactor)
        said = (
            f"{units.count(entries)} entries in {units.count(buckets)} buckets,"
            f" {units.count(overflow)} overflow pages, {units.count(unused)} unused"
        )
    return Measured(request.relid, size_bytes, free, seconds, function, said)


ASKS: dict[type[Any], Any] = {
    DefinitionOf: definition_of,
    KeysOf: keys_of,
    SizesOf: sizes_of,
    StatisticsOf: statistics_of,
    ValuesOf: values_of,
    Measure: measure,
}
