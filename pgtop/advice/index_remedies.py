"""The DDL that takes an index away and brings it back, and what to know before running it."""

from __future__ import annotations

from collections.abc import Iterator

from pgtop.advice import ddl
from pgtop.advice.index_facts import IndexFacts
from pgtop.advice.index_use import children, size_bytes
from pgtop.analysis import names, units
from pgtop.model.finding import Remedy
from pgtop.model.index import Index

UNDO_UNKNOWN = "its definition was not asked yet: open its row, and the undo is there"
WAITS = (
    "no lock_timeout: interrupted, it leaves the index invalid and still maintained"
    " (REINDEX INDEX CONCURRENTLY brings it back); run it while nobody holds the table"
)
BUILD_WAITS = (
    "takes as long as the oldest snapshot in this database; interrupted, it leaves an invalid"
    " index behind, so no short lock_timeout, and never IF NOT EXISTS over such a leftover"
)


def dropped(found: IndexFacts, index: Index) -> Remedy:
    """DROP INDEX, and the CREATE that takes it back where the definition is known."""
    known = found.usage.definitions.get(index.indexrelid)
    undo: tuple[str, ...] = ()
    if known is not None and known.sql is not None and found.table_ident(index):
        undo = tuple(built_again(found, index, known.sql))
    if index.partitioned:
        caution = "a partitioned index cannot be dropped CONCURRENTLY: set lock_timeout to 3s"
    else:
        caution = WAITS
    if undo:
        caution += f"; the undo builds {units.size(size_bytes(found, index))} anew"
        caution += ", partition by partition" if index.partitioned else ""
    else:
        caution = f"{UNDO_UNKNOWN}; {caution}"
    return Remedy(
        sql=(ddl.drop_index(index.ident, concurrently=not index.partitioned),),
        undo=undo,
        transactional=index.partitioned and not undo,
        lock=ddl.ACCESS_EXCLUSIVE if index.partitioned else ddl.SHARE_UPDATE_EXCLUSIVE,
        caution=caution,
    )


def built_again(found: IndexFacts, index: Index, definition: str) -> Iterator[str]:
    """The statements that build an index as it is, given what pg_get_indexdef says.

    Of a partitioned one that is the parent's alone, which stays invalid until every partition
    has its own: they follow under their names, CONCURRENTLY, and are attached.
    """
    if not index.partitioned:
        yield ddl.concurrently(definition)
        return
    yield f"{definition};"
    name, table = names.quote(index.relname), found.table_ident(index)
    head, _, keys = definition.partition(f" {name} ON ONLY {table} ")
    for leaf in children(found, index) if keys else ():
        own = names.quote(leaf.relname)
        only = "ONLY " if leaf.partitioned else ""
        of = found.table_ident(leaf)
        yield from built_again(found, leaf, f"{head} {own} ON {only}{of} {keys}")
        yield ddl.attach_index(index.ident, leaf.ident)
