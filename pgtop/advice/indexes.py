"""Indexes to drop, to rebuild, to build."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from pgtop.advice import Facts, NeedsTime, NotPossible, Rule, ddl
from pgtop.advice.index_facts import IndexFacts, gathered, kept, listed, optional
from pgtop.advice.thresholds import indexes as limits
from pgtop.analysis import names, units
from pgtop.analysis.keys import ANY_ORDER, best_support, covers
from pgtop.model.finding import Cost, Finding, Remedy, Subject
from pgtop.model.index import ForeignKey, Index, IndexUse
from pgtop.model.table import Table
from pgtop.model.vacuum import HorizonHolder

OWN_AGE = "; the index's own age is not known (track_commit_timestamp is off)"
UNDO_UNKNOWN = "its definition was not asked yet: open its row, and the undo is there"
WAITS = (
    "no lock_timeout: interrupted, it leaves the index invalid and still maintained"
    " (REINDEX INDEX CONCURRENTLY brings it back); run it while nobody holds the table"
)
BUILD_WAITS = (
    "takes as long as the oldest snapshot in this database; interrupted, it leaves an invalid"
    " index behind, so no short lock_timeout, and never IF NOT EXISTS over such a leftover"
)


def subject(found: IndexFacts, index: Index) -> Subject:
    """The index as a finding names it."""
    table = found.usage.tables.get(index.indrelid)
    return Subject(
        "index", index.relname, schema=index.schemaname, of=table.relname if table else None
    )


def why_kept(found: IndexFacts, index: Index) -> str | None:
    """Why an index must not be dropped however little it is read; None: it may."""
    reasons = (
        (index.indisprimary, "it is the primary key"),
        (index.constraint, "it makes a constraint true"),
        (index.indisexclusion, "it makes an exclusion constraint true"),
        (index.indisunique, "it keeps values unique, and the planner relies on that"),
        (index.indisreplident, "it is the replica identity"),
        (index.indisclustered, "the table is clustered on it"),
        (index.extension, "its table belongs to an extension"),
        (bool(index.parent), "it belongs to a partitioned index: that one goes as a whole"),
        (not index.indisvalid, "it is not valid"),
    )
    for holds, why in reasons:
        if holds:
            return why
    key = found.supports(index)
    if key is not None:
        return f"foreign key {key.conname} needs it when a referenced row is deleted"
    return None


def scans(found: IndexFacts, index: Index) -> int | None:
    """Scans since the reset, of a partitioned index those of its leaves; None: not read."""
    if not index.partitioned:
        use = found.usage.indexes.get(index.indexrelid)
        return use.idx_scan if use else None
    counted = [scans(found, leaf) for leaf in children(found, index)]
    return sum(n or 0 for n in counted) if counted else None


def size_bytes(found: IndexFacts, index: Index) -> int:
    """Its size, of a partitioned index that of its leaves together."""
    if not index.partitioned:
        return index.size_bytes
    return sum(size_bytes(found, leaf) for leaf in children(found, index))


def children(found: IndexFacts, index: Index) -> list[Index]:
    """The indexes attached to a partitioned one."""
    return [
        leaf
        for table in found.usage.leaves.get(index.indrelid, ())
        for leaf in found.by_table.get(table, ())
        if leaf.parent == index.indexrelid
    ]


def dropped(found: IndexFacts, index: Index) -> Remedy:
    """DROP INDEX, and the CREATE that takes it back where the definition is known."""
    known = found.usage.definitions.get(index.indexrelid)
    undo: tuple[str, ...] = ()
    if known is not None and known.sql is not None:
        undo = (ddl.concurrently(known.sql) if not index.partitioned else f"{known.sql};",)
    back = f" the undo builds {units.size(size_bytes(found, index))} anew" if undo else ""
    if index.partitioned:
        caution = "a partitioned index cannot be dropped CONCURRENTLY: set lock_timeout to 2s"
        caution += "; the undo makes the parent's alone, its partitions' are built and attached"
    else:
        caution = WAITS + (";" + back if back else "")
    if not undo:
        caution = f"{UNDO_UNKNOWN}; {caution}"
    return Remedy(
        sql=(ddl.drop_index(index.ident, concurrently=not index.partitioned),),
        undo=undo,
        transactional=index.partitioned,
        lock=ddl.ACCESS_EXCLUSIVE if index.partitioned else ddl.SHARE_UPDATE_EXCLUSIVE,
        caution=caution,
    )


# -- unused ------------------------------------------------------------------------------


def unused(facts: Facts) -> Iterator[Finding]:
    """Never scanned over a whole month, and nothing hangs on it."""
    found = gathered(facts)
    if found.window.in_recovery:
        raise NotPossible("this is a standby: what the primary reads is not counted here")
    window = found.window_s
    if window is None:
        raise NotPossible("since when the counters count is not known")
    if window < limits.UNUSED_WINDOW_S:
        young = "too young: " if window < limits.YOUNG_WINDOW_S else ""
        raise NeedsTime(
            f"{young}the counters cover {units.age(window)}, unused is said from"
            f" {units.age(limits.UNUSED_WINDOW_S)} on"
        )
    uses = facts.rows(IndexUse)
    inputs = (facts.rows(Index), uses, optional(facts, ForeignKey), found.window.replicas > 0)
    yield from kept(found.usage, "unused", inputs, lambda: listed(_unused(found)))


def unused_candidates(found: IndexFacts) -> Iterator[Index]:
    """Indexes without a scan that may be dropped, however short the counters' window."""
    for indexes in found.by_table.values():
        for index in indexes:
            if (
                not index.indisunique
                and not index.parent
                and index.indisvalid
                and scans(found, index) == 0
                and size_bytes(found, index) >= limits.UNUSED_BYTES
                and why_kept(found, index) is None
            ):
                yield index


def _unused(found: IndexFacts) -> Iterator[Finding]:
    for index in unused_candidates(found):
        observed = found.observed_s(index) or 0.0
        if observed < limits.UNUSED_WINDOW_S:
            continue
        size = size_bytes(found, index)
        writes = found.usage.entries_per_s(index.indrelid)
        costs = f", and {units.rate(writes)} entries/s are written to it" if writes else ""
        expression = "; it has an expression, whose statistics go with it" if index.indexprs else ""
        replicas = found.window.replicas
        finding = Finding(
            rule="index.unused",
            severity="notice",
            subject=subject(found, index),
            title=f"{index.relname}: not one scan in {units.age(observed)}, {units.size(size)}",
            why=f"idx_scan is 0 since {units.age(observed)}{costs}"
            + ("" if index.created_at else OWN_AGE)
            + expression,
            evidence={
                "scans": 0,
                "window_s": round(observed),
                "size_bytes": size,
                "entries_per_s": writes,
                "replicas": replicas,
            },
            cost=Cost(bytes=size),
            remedy=dropped(found, index),
        )
        if replicas:
            yield replace(
                finding,
                remedy=None,
                no_remedy=f"{units.plural(replicas, 'replica')}: their scans are not counted"
                " here, look there first",
            )
        else:
            yield finding


# -- duplicate, redundant ----------------------------------------------------------------


def _pairs(found: IndexFacts) -> Iterator[tuple[Index, Index, str]]:
    """(index to drop, the one that does its work, equal or wider), no index both ways."""
    for indexes in found.by_table.values():
        if len(indexes) < 2:
            continue
        gone: set[int] = set()
        for narrow in sorted(indexes, key=_worth):
            best: tuple[Index, str] | None = None
            for wide in indexes:
                if wide is narrow or wide.indexrelid in gone or not _comparable(wide, narrow):
                    continue
                how = covers(wide, narrow)
                if how == "equal" or (how and (best is None or wide.indnkeyatts > _width(best))):
                    best = (wide, how)
                    if how == "equal":
                        break
            if best is not None and _may_go(found, narrow, best[0]):
                gone.add(narrow.indexrelid)
                yield narrow, best[0], best[1]


def _width(best: tuple[Index, str]) -> int:
    return best[0].indnkeyatts


def _worth(index: Index) -> tuple[object, ...]:
    """The least worth keeping first: of equal ones the one without a constraint, the younger."""
    return (
        index.constraint, index.indisreplident, index.indisunique, index.indnatts,
        -index.indexrelid,
    )  # fmt: skip


def _comparable(a: Index, b: Index) -> bool:
    """Cheap, before keys are taken apart: most pairs differ in their first column."""
    if a.amname != b.amname or a.indpred != b.indpred:
        return False
    return a.amname in ANY_ORDER or a.indkey.split(" ", 1)[0] == b.indkey.split(" ", 1)[0]


def _may_go(found: IndexFacts, narrow: Index, wide: Index) -> bool:
    """Whether nothing but its keys hangs on it; foreign keys and uniqueness `wide` serves."""
    return not (
        narrow.indisprimary
        or narrow.constraint
        or narrow.indisexclusion
        or narrow.indisreplident
        or narrow.indisclustered
        or narrow.extension
        or narrow.parent
        or not narrow.indisvalid
    )


def duplicate(facts: Facts) -> Iterator[Finding]:
    """Two indexes of the same keys."""
    yield from (f for f in _repeated(facts) if f.rule == "index.duplicate")


def redundant(facts: Facts) -> Iterator[Finding]:
    """An index that is the front of another."""
    yield from (f for f in _repeated(facts) if f.rule == "index.redundant")


def _repeated(facts: Facts) -> tuple[Finding, ...]:
    found = gathered(facts)
    made: tuple[Finding, ...] = kept(
        found.usage,
        "repeated",
        (facts.rows(Index), found.by_table),
        lambda: listed(_repetition(found, *pair) for pair in _pairs(found)),
    )
    return made


def _repetition(found: IndexFacts, narrow: Index, wide: Index, how: str) -> Finding:
    size, other = size_bytes(found, narrow), size_bytes(found, wide)
    read, read_other = scans(found, narrow), scans(found, wide)
    same = how == "equal"
    what = "has the same keys as" if same else "is the front of"
    caution = (
        ""
        if same
        else f"; {wide.relname} has more bytes a row, so scans for the first columns alone may"
        " take a little longer"
    )
    return Finding(
        rule="index.duplicate" if same else "index.redundant",
        severity="notice",
        subject=subject(found, narrow),
        title=f"{narrow.relname} {what} {wide.relname}: {units.size(size)}",
        why=(
            f"{narrow.relname} ({units.size(size)}, {units.count(read)} scans) {what}"
            f" {wide.relname} ({units.size(other)}, {units.count(read_other)} scans): every"
            f" write maintains both{caution}"
        ),
        evidence={
            "covered_by": wide.relname,
            "size_bytes": size,
            "covering_size_bytes": other,
            "scans": read,
            "covering_scans": read_other,
        },
        cost=Cost(bytes=size),
        confidence="proved",
        remedy=dropped(found, narrow),
    )


# -- invalid -----------------------------------------------------------------------------

_LEFTOVER = re.compile(r"_cc(new|old)\d*\Z")


def invalid(facts: Facts) -> Iterator[Finding]:
    """An index that queries may not use: a build that failed, or partitions missing."""
    found = gathered(facts)
    for indexes in found.by_table.values():
        for index in indexes:
            if not index.indisvalid and index.builder_pid is None and index.indislive:
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
    drop = dropped(found, index)
    undo = Remedy(
        sql=(ddl.reindex(index.ident),),
        undo=(),
        transactional=False,
        lock=ddl.SHARE_UPDATE_EXCLUSIVE,
        caution=f"rebuilds it in place; not wanted any more: {drop.sql[0]} {BUILD_WAITS}",
    )
    if kind is not None:
        what = (
            "REINDEX CONCURRENTLY failed and left its new copy"
            if kind.group(1) == "new"
            else "REINDEX CONCURRENTLY succeeded and left the old copy"
        )
        remedy = replace(drop, undo=(), caution=f"a copy: there is nothing to take back; {WAITS}")
    else:
        what = "CREATE INDEX CONCURRENTLY or DROP INDEX CONCURRENTLY was interrupted"
        remedy = undo if found.builds_safely else drop
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


# -- bloated -----------------------------------------------------------------------------


def wasted_enough(found: IndexFacts, wasted: float) -> bool:
    """Whether so many wasted bytes are worth a rebuild on this server."""
    share = limits.BLOATED_BUFFERS * found.window.shared_buffers
    return wasted >= min(limits.BLOATED_BYTES, share)


def running_cause(facts: Facts, table: Table | None) -> str | None:
    """Why a rebuild would not last, or would not even help now."""
    if table is not None and table.n_dead_tup > limits.DEAD_FRACTION * max(table.rows, 1):
        return f"{units.count(table.n_dead_tup)} dead rows wait for VACUUM"
    for holder in optional(facts, HorizonHolder):
        here = holder.scope in ("database", "cluster")
        if here and holder.held_s is not None and holder.held_s >= limits.HOLDER_S:
            return f"a transaction of {units.age(holder.held_s)} keeps dead rows"
    return None


def bloated(facts: Facts) -> Iterator[Finding]:
    """Half of a big B-tree is air."""
    found = gathered(facts)
    for indexes in found.by_table.values():
        for index in indexes:
            if not wasted_enough(found, index.size_bytes):
                continue
            bloat = found.estimates.of_index(index)
            if bloat.bytes is None or bloat.fraction is None:
                continue
            if bloat.fraction < limits.BLOATED_FRACTION or not wasted_enough(found, bloat.bytes):
                continue
            table = found.usage.tables.get(index.indrelid)
            if running_cause(facts, table) is None and index.indisvalid:
                yield _bloated(found, index, bloat.bytes, bloat.fraction, bloat.source, bloat.why)


def _bloated(
    found: IndexFacts, index: Index, wasted: float, fraction: float, source: str, why: str | None
) -> Finding:
    sure = "measured" if source == "measured" else "≈"
    keep = index.size_bytes - wasted
    remedy = Remedy(
        sql=(ddl.reindex(index.ident),),
        undo=(),
        transactional=False,
        lock=ddl.SHARE_UPDATE_EXCLUSIVE,
        caution=f"needs {units.size(keep)} free while it builds; {BUILD_WAITS}",
    )
    no_remedy = None
    if not found.builds_safely:
        no_remedy = "PostgreSQL 14.0 to 14.3 can corrupt indexes built CONCURRENTLY: update first"
    elif index.indisexclusion:
        no_remedy = "an exclusion constraint's index cannot be rebuilt CONCURRENTLY"
    return Finding(
        rule="index.bloated",
        severity="notice",
        subject=subject(found, index),
        title=f"{index.relname}: {sure} {units.percent(fraction)} bloat, {units.size(wasted)}",
        why=f"{units.size(index.size_bytes)} now, {sure} {units.size(keep)} after a rebuild"
        + (f" ({why})" if why else ""),
        evidence={
            "size_bytes": index.size_bytes,
            "bloat_bytes": round(wasted),
            "bloat_fraction": round(fraction, 3),
        },
        cost=Cost(bytes=wasted),
        confidence="measured" if source == "measured" else "estimated",
        remedy=None if no_remedy else remedy,
        no_remedy=no_remedy,
    )


# -- low cardinality ---------------------------------------------------------------------


def low_cardinality(facts: Facts) -> Iterator[Finding]:
    """An index of one column with few values, none of them rare."""
    found = gathered(facts)
    for relid, indexes in found.by_table.items():
        table = found.usage.tables.get(relid)
        columns = found.estimates.columns(relid)
        if table is None or not columns or table.relpages < limits.LOW_CARDINALITY_PAGES:
            continue
        for index in indexes:
            if index.indnatts != 1 or index.indpred is not None or index.amname != "btree":
                continue
            column = columns.get(int(index.indkey))
            if column is None or not column.known or why_kept(found, index) is not None:
                continue
            shares = [float(part) for part in (column.freqs or "").split(",") if part]
            values = column.n_distinct
            if not 0 < values <= limits.LOW_CARDINALITY_VALUES or len(shares) < values:
                continue
            parts = [*shares, *([column.null_frac] if column.null_frac else [])]
            if min(parts) >= limits.RARE_FRACTION and _reads_much(found, index, table):
                yield _few_values(found, index, int(values), min(parts))


def _reads_much(found: IndexFacts, index: Index, table: Table) -> bool:
    """Whether a scan of it, where there were any, reads as much as its values promise."""
    use = found.usage.indexes.get(index.indexrelid)
    if use is None:
        return False
    if not use.idx_scan:
        return True
    return use.idx_tup_read / use.idx_scan >= limits.RARE_FRACTION * max(table.rows, 1)


def _few_values(found: IndexFacts, index: Index, values: int, rarest: float) -> Finding:
    return Finding(
        rule="index.low_cardinality",
        severity="notice",
        subject=subject(found, index),
        title=f"{index.relname}: {values} values, the rarest in {units.percent(rarest)} of rows",
        why=f"its column has {values} values and none is rare ({units.percent(rarest)} at least):"
        " whoever looks for one of them reads that much of the table",
        evidence={
            "values": values,
            "rarest_fraction": round(rarest, 4),
            "size_bytes": index.size_bytes,
            "scans": scans(found, index),
        },
        cost=Cost(bytes=index.size_bytes),
        confidence="estimated",
        no_remedy="no DDL by itself: with a second column, or as the predicate of a partial"
        " index, it may serve; alone it hardly does",
    )


# -- foreign keys ------------------------------------------------------------------------


def missing_fk(facts: Facts) -> Iterator[Finding]:
    """Referenced rows are deleted, and each deletion reads the referencing table whole."""
    found = gathered(facts)
    keys = facts.rows(ForeignKey)
    facts.rows(Table)
    inputs = (facts.rows(Index), keys, found.usage.tables)
    yield from kept(found.usage, "missing_fk", inputs, lambda: listed(_missing_fk(found, keys)))


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
            if best_support(key, found.by_table.get(leaf, ()), found.classes) < 3
        )
        if bare:
            yield key, best, bare


def _missing_fk(found: IndexFacts, keys: tuple[ForeignKey, ...]) -> Iterator[Finding]:
    tables = found.usage.tables
    for key, best, bare in bare_keys(found, keys):
        table = tables.get(key.conrelid)
        pages = sum(tables[leaf].relpages for leaf in bare if leaf in tables)
        deleted = found.usage.deleted(key.confrelid)
        if table is None or pages < limits.REFERENCING_PAGES or not deleted:
            continue
        leaves = found.usage.all_leaves(key.conrelid)
        yield _bare(found, key, table, best, bare, leaves, pages, deleted)


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


def free_name(found: IndexFacts, table: Table, columns: str, suffix: str = "idx") -> str:
    """A name for a new index that no relation of the schema has."""
    taken = {t.relname for t in found.usage.tables.values() if t.schemaname == table.schemaname}
    for indexes in found.by_table.values():
        taken.update(i.relname for i in indexes if i.schemaname == table.schemaname)
    parts = tuple(part.strip('"') for part in columns.split(", "))
    name = names.index_name(table.relname, parts, suffix)
    number = 1
    while name in taken:
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


INDEX_RULES: tuple[Rule, ...] = (
    Rule("index.unused", unused),
    Rule("index.duplicate", duplicate),
    Rule("index.redundant", redundant),
    Rule("index.invalid", invalid),
    Rule("index.bloated", bloated),
    Rule("index.low_cardinality", low_cardinality),
    Rule("index.missing_fk", missing_fk),
)
