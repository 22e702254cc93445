"""Foreign keys that no index serves: each deletion above reads the table below."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pgtop.advice import Facts, NotJudged, Rule, ddl
from pgtop.advice.index_facts import IndexFacts, gathered, kept, kept_in_slices, listed, optional
from pgtop.advice.index_remedies import BUILD_WAITS
from pgtop.advice.thresholds import indexes as limits
from pgtop.analysis import names, units
from pgtop.analysis.keys import best_support
from pgtop.model.advice import Advice
from pgtop.model.finding import Cost, Finding, Remedy, Subject
from pgtop.model.index import ForeignKey, Index, OperatorClass
from pgtop.model.table import Partition, Table

_ORDER = re.compile(r" (?:ASC|DESC)(?: NULLS (?:FIRST|LAST))?\Z| NULLS (?:FIRST|LAST)\Z")


def missing_fk(facts: Facts) -> Iterator[Finding]:
    """Referenced rows are deleted, and each deletion reads the referencing table whole."""
    found, keys, inputs = _inputs(facts)
    yield from kept(
        found.usage, "missing_fk", inputs,
        lambda: listed(f for some in _judged(found, keys, inputs[-1]) for f in some),
    )  # fmt: skip


def judging(facts: Facts) -> Iterator[None]:
    """The same in slices, for the rule: see `Rule.prepare`."""
    try:
        found, keys, inputs = _inputs(facts)
    except NotJudged:
        return
    yield from kept_in_slices(
        found.usage, "missing_fk", inputs, lambda: _judged(found, keys, inputs[-1])
    )


def _inputs(facts: Facts) -> tuple[IndexFacts, tuple[ForeignKey, ...], tuple[Any, ...]]:
    found = gathered(facts)
    keys = facts.rows(ForeignKey)
    facts.rows(Table)
    # without operator classes no index fits, without partitions those of theirs are not seen
    shape = (facts.rows(OperatorClass), facts.rows(Partition))
    advice = optional(facts, Advice)
    return found, keys, (facts.rows(Index), keys, found.usage.tables, *shape, advice)


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


@dataclass(frozen=True, slots=True)
class _Proposed:
    """An index that is proposed already, for whom, and for which tables."""

    keys: tuple[str, ...]
    of: str
    tables: frozenset[int] | None = None
    """None: for all partitions."""

    def serves(self, columns: tuple[str, ...], bare: tuple[int, ...]) -> bool:
        """Whether its first keys are these columns, in any order."""
        everywhere = self.tables is None or self.tables.issuperset(bare)
        return everywhere and set(self.keys[: len(columns)]) == set(columns)


def _judged(
    found: IndexFacts, keys: tuple[ForeignKey, ...], advice: Sequence[Advice]
) -> Iterator[list[Finding]]:
    """What is to be said of each key: mostly nothing. Wide keys first: their index may serve
    narrow ones."""
    tables = found.usage.tables
    proposed = _advised(advice)
    for one in sorted(keys, key=lambda key: -len(key.conkey.split())):
        said = []
        for key, best, bare in bare_keys(found, (one,)):
            table = tables.get(key.conrelid)
            pages = sum(tables[leaf].relpages for leaf in bare if leaf in tables)
            deleted = found.usage.deleted(key.confrelid)
            if table is None or pages < limits.REFERENCING_PAGES or not deleted:
                continue
            columns = names.listed(key.columns)
            here = proposed.setdefault(key.conrelid, [])
            other = next((each.of for each in here if each.serves(columns, bare)), None)
            if other is None:
                of = f"foreign key {key.conname}"
                here.append(_Proposed(columns, of, frozenset(bare)))
            leaves = found.usage.all_leaves(key.conrelid)
            finding = _bare(found, key, table, best, bare, leaves, pages, deleted)
            if other is not None and finding.remedy is not None:
                served = f"the index that is proposed for {other} serves it too"
                finding = replace(finding, remedy=None, no_remedy=served)
            said.append(finding)
        yield said


def _advised(advice: Sequence[Advice]) -> dict[int, list[_Proposed]]:
    """Whole B-trees that were advised for statements, by table."""
    made: dict[int, list[_Proposed]] = {}
    for index in (advised.index for each in advice for advised in each.indexes):
        if index.method == "btree" and not index.where:
            keys = tuple(_ORDER.sub("", key) for key in index.keys)
            of = f"statements: {index.words}"
            made.setdefault(index.relid, []).append(_Proposed(keys, of))
    return made


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
        f" {parent.relname if parent else 'the referenced table'} since the counters began (they"
        f" count those rolled back too) read {reads} of {table.relname}",
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
    parts = tuple(part.strip('"') for part in names.listed(columns))
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
