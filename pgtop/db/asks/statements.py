"""Questions about one statement, and about where pg_stat_statements is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pgtop.analysis.redact import mask_passwords
from pgtop.db.connection import Statement
from pgtop.db.queries.statements import NOT_INSTALLED, TEXTS
from pgtop.model.sample import SourceError
from pgtop.model.statement import (
    DetailOf,
    FindStatements,
    StatementDetail,
    StatementText,
    TextsOf,
    UseDatabase,
)

if TYPE_CHECKING:
    from pgtop.db.collector import Collector

MOST_DATABASES = 8
"""Databases to look into for the extension; each costs a connection."""

_NOT_COUNTERS = frozenset(
    {"userid", "dbid", "queryid", "toplevel", "query", "stats_since", "minmax_stats_since"}
)


async def detail_of(collector: Collector, request: DetailOf) -> StatementDetail:
    """The whole text and every counter. Reads the text file: a key asks for it, no tick."""
    relation = collector.catalog.relations.get("pg_stat_statements")
    if relation is None:
        raise SourceError(NOT_INSTALLED[0], remedy=NOT_INSTALLED[1], lasting=True)
    userid, dbid, queryid, toplevel = request.key
    names = sorted(relation.columns - _NOT_COUNTERS)
    counters = ", ".join(f"{name}::float8" for name in names)
    same_level = "" if toplevel is None else f" AND toplevel = {str(toplevel).lower()}"
    sql = (
        f"SELECT /* pgtop */ query, {counters} FROM {relation.sql}(true)"  # noqa: S608
        f" WHERE userid = {userid} AND dbid = {dbid} AND queryid = {queryid}{same_level}"
    )
    (rows,) = await collector.rows([Statement(sql)], what="the statement", work_mem="64MB")
    if not rows:
        raise SourceError("the statement is no longer in pg_stat_statements")
    text, *values = rows[0]
    return StatementDetail(
        query=mask_passwords(text or ""), counters=tuple(zip(names, values, strict=True))
    )


async def texts_of(collector: Collector, request: TextsOf) -> tuple[StatementText, ...]:
    """The texts of these statements alone: what travels is small, the cost is the file's."""
    sql = TEXTS.render(collector.catalog) + "   AND queryid = ANY (%s::int8[])"
    (rows,) = await collector.rows(
        [Statement(sql, (sorted(request.queryids),))], what="texts", work_mem=TEXTS.work_mem
    )
    return tuple(
        StatementText(userid, dbid, queryid, toplevel, mask_passwords(query or ""), length or 0)
        for userid, dbid, queryid, toplevel, query, length in rows
    )


async def find_statements(collector: Collector, request: FindStatements) -> str:
    """The first other database that has the extension, of those we may connect to."""
    (rows,) = await collector.rows(
        [
            Statement(
                "SELECT /* pgtop */ datname::text FROM pg_database"
                " WHERE datallowconn AND has_database_privilege(oid, 'CONNECT')"
                " AND datname <> current_database() ORDER BY datname = 'postgres' DESC, datname"
                " LIMIT %s",
                (MOST_DATABASES,),
            )
        ],
        what="databases",
    )
    refused = 0
    for (datname,) in rows:
        try:
            async with collector.second(dbname=datname) as session:
                (found,) = await collector.rows(
                    [
                        Statement(
                            "SELECT /* pgtop */ extversion FROM pg_extension"
                            " WHERE extname = 'pg_stat_statements'"
                        )
                    ],
                    what=datname,
                    session=session,
                )
        except SourceError:
            refused += 1
            continue
        if found:
            return str(datname)
    raise SourceError(
        f"none of {len(rows)} other databases has pg_stat_statements"
        + (f" ({refused} could not be asked)" if refused else ""),
        remedy=NOT_INSTALLED[1],
    )


async def use_database(collector: Collector, request: UseDatabase) -> str:
    """Move the connection."""
    await collector.use_database(request.datname)
    return request.datname


ASKS: dict[type[Any], Any] = {
    DetailOf: detail_of,
    TextsOf: texts_of,
    FindStatements: find_statements,
    UseDatabase: use_database,
}
