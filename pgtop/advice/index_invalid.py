"""Indexes that no query may use: a build that failed, or partitions missing."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import replace

from pgtop.advice import Facts, Rule, ddl
from pgtop.advice.index_facts import IndexFacts, gathered, kept
from pgtop.advice.index_remedies import BUILD_WAITS, dropped
from pgtop.advice.index_use import children, subject
from pgtop.analysis import units
from pgtop.analysis.ddl_parts import understood
from pgtop.model.finding import Cost, Finding, Remedy
from pgtop.model.index import Index

EQUAL_VALUES = (
    "where equal values are left it fails again and leaves an invalid _ccnew beside this: look"
    " for them first: "
)

DROPPED = "waits for transactions that use the table, so no short lock_timeout; interrupted: again"

SURELY_EQUAL = 0.1
"""ANALYZE may count too few values, but not ten times in all keys of an index."""

_ORDER = re.compile(r"( ASC| DESC)?( NULLS (FIRST|LAST))?\Z")
_GROUPABLE = re.compile(r'"(?:[^"]|"")+"|[\w$]+|[\w$.]+\(.*\)|\(.*\)')
"""A column or an expression, without an operator class or a collation behind it."""

_LEFTOVER = re.compile(r"_cc(new|old)\d*\Z")


def invalid(facts: Facts) -> Iterator[Finding]:
    """An index that queries may not use: a build that failed, or partitions missing."""
    found = gathered(facts)
    broken: list[Index] = kept(
        found.usage, "invalid", (found.by_table,),
        lambda: [i for many in found.by_table.values() for i in many if not i.indisvalid],
    )  # fmt: skip
    for index in broken:
        if index.builder_pid is None and index.indislive:
            if index.partitioned:
                yield from _incomplete(found, index)
            elif not found.window.hidden_builds:
                yield _leftover(found, index)


def _incomplete(found: IndexFacts, index: Index) -> Iterator[Finding]:
    tables = found.usage.leaves.get(index.indrelid)
    if not tables:
        return
    having = {leaf.indrelid for leaf in children(found, index) if leaf.indisvalid}
    missing = [
        found.usage.tables[relid].relname
        for relid in tables
        if relid not in having and relid in found.usage.tables
    ]
    yield Finding(
        rule="index.invalid",
        severity="warning",
        subject=subject(found, index),
        title=f"{index.relname}: {len(missing)} of {len(tables)} partitions are not attached",
        why=f"made ON ONLY the parent, it becomes valid with the last partition; missing:"
        f" {', '.join(missing[:5])}" + (" …" if len(missing) > 5 else ""),
        evidence={"missing": len(missing), "partitions": len(tables)},
        no_remedy="build the missing partitions' indexes CONCURRENTLY and ATTACH each",
    )


def _leftover(found: IndexFacts, index: Index) -> Finding:
    kind = _LEFTOVER.search(index.relname)
    drop = replace(dropped(found, index), undo=(), caution=DROPPED)
    rebuild = Remedy(
        sql=(ddl.reindex(index.ident),),
        undo=(),
        transactional=False,
        lock=ddl.SHARE_UPDATE_EXCLUSIVE,
        caution=f"rebuilds it in place; not wanted any more: {drop.sql[0]} {BUILD_WAITS}",
    )
    remedy = rebuild if found.builds_safely else drop
    if kind is not None:
        what = (
            "REINDEX CONCURRENTLY failed and left its new copy"
            if kind.group(1) == "new"
            else "REINDEX CONCURRENTLY succeeded and left the old copy"
        )
        remedy = replace(drop, caution=f"a copy: there is nothing to take back; {DROPPED}")
    else:
        what = "CREATE INDEX CONCURRENTLY or DROP INDEX CONCURRENTLY failed or was interrupted"
        repeated = _equal_values(found, index) if index.indisunique else None
        if repeated is not None:
            what = f"it cannot become unique: {repeated}"
            remedy = drop
        elif index.indisunique:
            what += ", or rows with equal values stood in its way"
            if remedy is rebuild:
                remedy = replace(rebuild, caution=f"{_look(found, index)}; {rebuild.caution}")
    burden = "every write still maintains it" if index.indisready else "no write maintains it"
    if index.indisready and index.indisunique:
        burden += ", and it still refuses equal values"
    return Finding(
        rule="index.invalid",
        severity="warning" if index.indisready else "notice",
        subject=subject(found, index),
        title=f"{index.relname} is invalid: no query uses it, {burden}",
        why=f"{what}; {burden}; nobody builds an index on this table now",
        evidence={"ready": index.indisready, "size_bytes": index.size_bytes},
        cost=Cost(bytes=index.size_bytes),
        confidence="proved",
        remedy=remedy,
    )


def _look(found: IndexFacts, index: Index) -> str:
    """How to find the rows that stand in the way of a unique index."""
    known = found.usage.definitions.get(index.indexrelid)
    parts = understood(known.sql) if known is not None and known.sql else None
    keys = [_ORDER.sub("", key) for key in parts.keys] if parts is not None else []
    table = found.table_ident(index)
    if parts is None or not table or not keys or not all(map(_GROUPABLE.fullmatch, keys)):
        return EQUAL_VALUES + "GROUP BY its columns HAVING count(*) > 1"
    every = ", ".join(keys)
    where = "" if index.indnullsnotdistinct else f" WHERE ({every}) IS NOT NULL"
    if parts.where:
        where += f"{' AND' if where else ' WHERE'} ({parts.where})"
    rows = f"SELECT {every}, count(*) FROM {table}{where}"  # noqa: S608  # quoted by the server, and for a person
    return f"{EQUAL_VALUES}{rows} GROUP BY {every} HAVING count(*) > 1 LIMIT 10;"


def _equal_values(found: IndexFacts, index: Index) -> str | None:
    """Why rows with equal keys are known to be there; None: they are not known to be."""
    table = found.usage.tables.get(index.indrelid)
    known = found.estimates.columns(index.indrelid)
    keys = [known.get(int(n)) for n in index.indkey.split()[: index.indnkeyatts]]
    if table is None or index.indpred is not None or None in keys:
        return None
    columns = [column for column in keys if column is not None]
    if any(not column.known or column.n_distinct <= 0 for column in columns):
        return None
    values = math.prod(column.n_distinct for column in columns)
    rows = table.reltuples * math.prod(1 - column.null_frac for column in columns)
    if values >= SURELY_EQUAL * rows:
        return None
    named = "its column has" if len(columns) == 1 else "its columns have at most"
    return f"{named} ≈ {units.count(values)} values in {units.count(rows)} rows"


INVALID_RULES: tuple[Rule, ...] = (Rule("index.invalid", invalid),)
