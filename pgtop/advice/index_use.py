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
        (index.referenced, "foreign keys refer to it"),
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
    """Scans since the reset, of a partitioned index those of its leaves; None: not read, of it
    or of one of them."""
    uses = [found.usage.indexes.get(leaf.indexrelid) for leaf in leaves(found, index)]
    known = [use.idx_scan for use in uses if use is not None]
    return sum(known) if known and len(known) == len(uses) else None


def scans_per_s(found: IndexFacts, index: Index) -> float | None:
    """Scans a second since the reading before, of a partitioned index those of its leaves."""
    rates = [found.usage.scans_per_s(leaf.indexrelid) for leaf in leaves(found, index)]
    known = [rate for rate in rates if rate is not None]
    return sum(known) if known and len(known) == len(rates) else None


def size_bytes(found: IndexFacts, index: Index) -> int:
    """Its size, of a partitioned index that of its leaves together."""
    return sum(leaf.size_bytes for leaf in leaves(found, index))


def leaves(found: IndexFacts, index: Index) -> list[Index]:
    """The indexes with storage below a partitioned one; itself where it is none."""
    if not index.partitioned:
        return [index]
    return [leaf for child in children(found, index) for leaf in leaves(found, child)]


def children(found: IndexFacts, index: Index) -> list[Index]:
    """The indexes attached to a partitioned one."""
    return [
        leaf
        for table in found.usage.leaves.get(index.indrelid, ())
        for leaf in found.by_table.get(table, ())
        if leaf.parent == index.indexrelid
    ]
