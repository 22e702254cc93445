"""One index: its name in a finding, its scans and size, and what hangs on it."""

from __future__ import annotations

from pgtop.advice.index_facts import IndexFacts
from pgtop.model.finding import Subject
from pgtop.model.index import Index


def subject(found: IndexFacts, index: Index) -> Subject:
    """The index as a finding names it."""
    table = found.usage.tables.get(index.indrelid)
    return Subject(
        "index", index.relname, schema=index.schemaname, of=table.relname if table else None
    )


def why_kept(found: IndexFacts, index: Index) -> str | None:
    """Why an index must not be dropped however little it is read; None: it may."""
    reasons = (
        (not index.indisvalid, "it is not valid"),
        (index.indisprimary, "it is the primary key"),
        (index.constraint, "it makes a constraint true"),
        (index.indisexclusion, "it makes an exclusion constraint true"),
        (index.indisunique, "it keeps values unique, and the planner relies on that"),
        (index.indisreplident, "it is the replica identity"),
        (index.indisclustered, "the table is clustered on it"),
        (index.extension, "its table belongs to an extension"),
        (bool(index.parent), "it belongs to a partitioned index: that one goes as a whole"),
    )
    for holds, why in reasons:
        if holds:
            return why
    if found.blind is not None:
        return f"a foreign key may need it: {found.blind}"
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


def scans_per_s(found: IndexFacts, index: Index) -> float | None:
    """Scans a second since the reading before, of a partitioned index those of its leaves."""
    if not index.partitioned:
        return found.usage.scans_per_s(index.indexrelid)
    rates = [scans_per_s(found, leaf) for leaf in children(found, index)]
    known = [rate for rate in rates if rate is not None]
    return sum(known) if known and len(known) == len(rates) else None


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
