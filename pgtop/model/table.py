"""Tables, materialised views, partitioned tables and TOAST tables: pg_class and its counters.

They come by the ten thousand, so the rows are NamedTuples.
"""

from __future__ import annotations

from typing import NamedTuple

BLOCK_BYTES = 8192
"""BLCKSZ; a server built with another one is not supported."""


class Table(NamedTuple):
    """One relation with storage or leaves, its counters since the last reset, its ages.

    Every relation of kind r, m, p; of kind t only those that hold or held something, have
    options, or are old: the others cannot be what autovacuum waits for.
    """

    relid: int
    ident: str
    """Schema-qualified name as SQL wants it, quoted by the server."""

    schemaname: str
    relname: str
    relkind: str
    """r table, m materialised view, p partitioned table, t TOAST table."""

    relpersistence: str
    """p permanent, u unlogged, t temporary."""

    relispartition: bool
    relpages: int
    """Size in blocks as the last VACUUM, ANALYZE or CREATE INDEX knew it: no file is asked."""

    reltuples: float
    """Rows as those knew it; -1 where none ran yet (0 on 13)."""

    relallvisible: int
    relallfrozen: int | None
    """None before 18."""

    reltoastrelid: int
    """oid of its TOAST table, 0 where it has none."""

    options: str | None
    """reloptions in their order, `name=value` joined by U+001F; None where there are none."""

    xid_age: int | None
    """age(relfrozenxid); None where the relation has no storage."""

    mxid_age: int | None
    owner: str
    """Role name, as PostgreSQL holds it."""

    n_tup_ins: int
    n_tup_upd: int
    n_tup_del: int
    n_live_tup: int
    n_dead_tup: int
    n_mod_since_analyze: int
    n_ins_since_vacuum: int
    vacuum_count: int
    autovacuum_count: int
    analyze_count: int
    autoanalyze_count: int

    @property
    def key(self) -> int:
        """Identifies the relation across samples."""
        return self.relid

    @property
    def size_bytes(self) -> int:
        """The main fork as pg_class knows it: an estimate, without indexes and TOAST."""
        return self.relpages * BLOCK_BYTES

    @property
    def rows(self) -> float:
        """reltuples as autovacuum takes it: 0 where it is not known."""
        return max(self.reltuples, 0.0)

    @property
    def system(self) -> bool:
        """Whether it is PostgreSQL's own: a catalogue or the TOAST table of one."""
        return self.relid < 16384

    def option(self, name: str) -> str | None:
        """The value of one storage option as it is stored, or None where it is not set."""
        if self.options is None:
            return None
        return options_of(self.options).get(name)


class TableUse(NamedTuple):
    """Counters of a relation that change what is done about it, not when: a slower lane."""

    relid: int
    seq_scan: int
    seq_tup_read: int
    n_tup_upd: int
    n_tup_hot_upd: int
    n_tup_newpage_upd: int | None
    """None before 16."""

    last_vacuum: float | None
    """Seconds since 1970, as the three below."""

    last_autovacuum: float | None
    last_analyze: float | None
    last_autoanalyze: float | None
    heap_blks_hit: int
    heap_blks_read: int
    total_autovacuum_time: float | None
    """Milliseconds; None before 18."""

    @property
    def key(self) -> int:
        """Identifies the relation across samples."""
        return self.relid


class IndexPages(NamedTuple):
    """How many indexes a table has and how big they are together."""

    relid: int
    indexes: int
    relpages: int
    slow_indexes: int
    """GIN, GiST and the like: VACUUM reads them whole on every pass."""


class Partition(NamedTuple):
    """One link of a partition tree."""

    relid: int
    parent: int


def options_of(joined: str | None) -> dict[str, str]:
    """`Table.options` as name -> value, in their order."""
    if not joined:
        return {}
    pairs = (item.partition("=") for item in joined.split("\x1f"))
    return {name: value for name, _, value in pairs}
