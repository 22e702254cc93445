"""Foreign keys that no index serves: each deletion above reads the table below."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pgtop.advice import Facts, NotJudged, Rule, ddl
from pgtop.advice.index_facts import IndexFacts, gathered, kept, kept_in_slices, listed
from pgtop.advice.index_remedies import BUILD_WAITS
from pgtop.advice.thresholds import indexes as limits
from pgtop.analysis import names, units
from pgtop.analysis.keys import best_support
from pgtop.model.finding import Cost, Finding, Remedy, Subject
from pgtop.model.index import ForeignKey, Index, OperatorClass
from pgtop.model.table import Partition, Table


def missing_fk(facts: Facts) -> Iterator[Finding]:
    """Referenced rows are deleted, and each deletion reads the referencing table whole."""
    found, keys, inputs = _inputs(facts)
    yield from kept(
        found.usage, "missing_fk", inputs,
        lambda: listed(f for some in _judged(found, keys) for f in some),
    )  # fmt: skip


def judging(facts: Facts) -> Iterator[None]:
    """The same in slices, for the rule: see `Rule.prepare`."""
    try:
        found, keys, inputs = _inputs(facts)
    except NotJudged:
        return
    yield from kept_in_slices(found.usage, "missing_fk", inputs, lambda: _judged(found, keys))


def _inputs(facts: Facts) -> tuple[IndexFacts, tuple[ForeignKey, ...], tuple[Any, ...]]:
    found = gathered(facts)
    keys = facts.rows(ForeignKey)
    facts.rows(Table)
    # without operator classes no index fits, without partitions those of theirs are not seen
    shape = (facts.rows(OperatorClass), facts.rows(Partition))
    return found, keys, (facts.rows(Index), keys, found.usage.tables, *shape)


def bare_keys(
    found: IndexFacts, keys: tuple[ForeignKey, ...]
) -> Iterator[tuple[ForeignKey, int, tuple[int, ...]]]:
    """(foreign key, best support there is, tables with rows that have less than full)."""
    for key in keys:
        best = best_support(key, found.by_table.get(key.conrelid, ()), found.classes)
        if best == 3:
            continue
        leaves = found.usage.all_leaves(key.conrelid)
        bare = tuple(
            leaf
            for leaf in leaves
            if best_support(key.on(leaf), found.by_table.get(leaf, ()), found.classes) < 3
        )
        if bare:
            yield key, best, bare


def _judged(found: IndexFacts, keys: tuple[ForeignKey, ...]) -> Iterator[list[Finding]]:
    """What is to be said of each key: mostly nothing."""
    tables = found.usage.tables
    for one in keys:
        said = []
        for key, best, bare in bare_keys(found, (one,)):
            table = tables.get(key.conrelid)
            pages = sum(tables[leaf].relpages for leaf in bare if leaf in tables)
            deleted = found.usage.deleted(key.confrelid)
            if table is not None and pages >= limits.REFERENCING_PAGES and deleted:
                leaves = found.usage.all_leaves(key.conrelid)
                said.append(_bare(found, key, table, best, bare, leaves, pages, deleted))
        yield said


def _bare(
    found: IndexFacts,
    key: ForeignKey,
    table: Table,
    best: int,
    bare: tuple[int, ...],
    leaves: tuple[int, ...],
    pages: int,
    deleted: int,
) -> Finding:
    parent = found.usage.tables.get(key.confrelid)
    said = {
        0: "no index begins with its columns",
        1: "only an index of a method that is weak at it",
        2: "an index serves only its first columns",
    }[best]
    partly = f" on {len(bare)} of {len(leaves)} partitions" if len(leaves) > 1 else ""
    reads = units.size(pages * 8192)
    slow = pages >= limits.REFERENCING_SLOW_PAGES and best < 2
    return Finding(
        rule="index.missing_fk",
        severity="warning" if slow else "notice",
        subject=Subject("table", table.relname, schema=table.schemaname, of=key.conname),
        title=f"{table.relname} ({key.columns}): foreign key {key.conname} without an index",
        why=f"{said}{partly}: each of {units.count(deleted)} rows deleted from"
        f" {parent.relname if parent else 'the referenced table'} since the counters began read"
        f" {reads} of {table.relname}",
        evidence={
            "constraint": key.conname,
            "columns": key.columns,
            "support": best,
            "deleted_rows": deleted,
            "table_bytes": pages * 8192,
        },
        cost=Cost(bytes=float(pages * 8192)),
        confidence="proved",
        remedy=_index_for(found, key, table, bare) if found.builds_safely else None,
        no_remedy=None
        if found.builds_safely
        else "PostgreSQL 14.0 to 14.3 can corrupt indexes built CONCURRENTLY: update first",
    )


def _names(found: IndexFacts) -> dict[str, set[str]]:
    """Schema -> names of its tables and indexes; looked through once, not for each key."""
    taken: dict[str, set[str]] = {}
    for table in found.usage.tables.values():
        taken.setdefault(table.schemaname, set()).add(table.relname)
    for indexes in found.by_table.values():
        for index in indexes:
            taken.setdefault(index.schemaname, set()).add(index.relname)
    return taken


def free_name(found: IndexFacts, table: Table, columns: str, suffix: str = "idx") -> str:
    """A name for a new index that no relation of the schema has."""
    taken: dict[str, set[str]] = kept(
        found.usage, "names", (found.by_table, found.usage.tables), lambda: _names(found)
    )
    parts = tuple(part.strip('"') for part in columns.split(", "))
    name = names.index_name(table.relname, parts, suffix)
    number = 1
    while name in taken.get(table.schemaname, ()):
        name = names.index_name(table.relname, parts, f"{suffix}{number}")
        number += 1
    return name


def _index_for(found: IndexFacts, key: ForeignKey, table: Table, bare: tuple[int, ...]) -> Remedy:
    name = free_name(found, table, key.columns)
    quoted = names.quote(name)
    full = names.qualified(table.schemaname, name)
    if table.relkind != "p":
        return Remedy(
            sql=(ddl.create_index(quoted, table.ident, key.columns),),
            undo=(ddl.drop_index(full),),
            transactional=False,
            lock=ddl.SHARE_UPDATE_EXCLUSIVE,
            caution=BUILD_WAITS,
        )
    if len(bare) < len(found.usage.all_leaves(table.relid)):
        return _on_bare_leaves(found, key, bare)
    if any(found.usage.leaves.get(leaf) for leaf in found.usage.leaves.get(table.relid, ())):
        sql = [ddl.create_index(quoted, table.ident, key.columns, concurrently=False)]
        caution = "sub-partitioned: built in one go, which keeps writes out; better bottom-up"
    else:
        sql = [ddl.create_index(quoted, f"ONLY {table.ident}", key.columns, concurrently=False)]
        for leaf in found.usage.leaves.get(table.relid, ()):
            part = found.usage.tables[leaf]
            own = free_name(found, part, key.columns)
            own_full = names.qualified(part.schemaname, own)
            sql.append(ddl.create_index(names.quote(own), part.ident, key.columns))
            sql.append(ddl.attach_index(full, own_full))
        caution = f"one statement after the other: valid with the last partition; {BUILD_WAITS}"
    return Remedy(
        sql=tuple(sql),
        undo=(ddl.drop_index(full, concurrently=False),),
        transactional=False,
        lock="SHARE" if len(sql) == 1 else ddl.SHARE_UPDATE_EXCLUSIVE,
        caution=caution,
    )


def _on_bare_leaves(found: IndexFacts, key: ForeignKey, bare: tuple[int, ...]) -> Remedy:
    """An index on each partition that has none; the others keep theirs."""
    sql, undo = [], []
    for leaf in bare:
        part = found.usage.tables[leaf]
        own = free_name(found, part, key.columns)
        sql.append(ddl.create_index(names.quote(own), part.ident, key.columns))
        undo.append(ddl.drop_index(names.qualified(part.schemaname, own)))
    return Remedy(
        sql=tuple(sql),
        undo=tuple(undo),
        transactional=False,
        lock=ddl.SHARE_UPDATE_EXCLUSIVE,
        caution=f"partitions made later have none: their template is the parent; {BUILD_WAITS}",
    )


FOREIGN_KEY_RULES: tuple[Rule, ...] = (Rule("index.missing_fk", missing_fk, judging),)
