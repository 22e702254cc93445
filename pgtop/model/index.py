"""Indexes, foreign keys, sequences and what is known about columns, as the catalogues hold them.

They come by the ten thousand, so the rows are NamedTuples. Lists of numbers (columns,
operator classes) travel as text, blank-separated, in the catalogue's own order.
"""

from __future__ import annotations

from typing import NamedTuple

from pgtop.model.table import BLOCK_BYTES, options_of


class Index(NamedTuple):
    """One index: what it is made of, without a look at its file or its definition."""

    indexrelid: int
    indrelid: int
    ident: str
    """Schema-qualified name as SQL wants it, quoted by the server."""

    schemaname: str
    relname: str
    relkind: str
    """i index, I the index of a partitioned table, which has no storage of its own."""

    amname: str
    relpages: int
    """Size in blocks as VACUUM, ANALYZE or REINDEX last knew it."""

    reltuples: float
    options: str | None
    """reloptions, `name=value` joined by U+001F; None where there are none."""

    parent: int
    """oid of the partitioned index it belongs to, 0 for none."""

    indnatts: int
    indnkeyatts: int
    flags: int
    """The booleans, one bit each: `indisunique` and the other properties read them."""

    indkey: str
    """Column numbers, keys first, then INCLUDE; 0 stands for an expression."""

    indcollation: str
    indclass: str
    indoption: str
    indexprs: str | None
    """The expressions as stored, places in the source text taken out; None for none."""

    indpred: str | None
    """The predicate likewise."""

    builder_pid: int | None
    """Who builds an index on the same table at this moment; None for an index that is valid."""

    created_at: float | None
    """Seconds since 1970; None unless track_commit_timestamp was on at the time."""

    @property
    def key(self) -> int:
        """Identifies the index across samples."""
        return self.indexrelid

    @property
    def size_bytes(self) -> int:
        """As pg_class knows it: an estimate."""
        return self.relpages * BLOCK_BYTES

    @property
    def indisunique(self) -> bool:
        """Two equal keys are refused."""
        return bool(self.flags & 1)

    @property
    def indisprimary(self) -> bool:
        """It is the primary key."""
        return bool(self.flags & 2)

    @property
    def indisexclusion(self) -> bool:
        """It makes an exclusion constraint true."""
        return bool(self.flags & 4)

    @property
    def indimmediate(self) -> bool:
        """Uniqueness is checked at once, not at the end of the transaction."""
        return bool(self.flags & 8)

    @property
    def indisclustered(self) -> bool:
        """The table was last clustered on it."""
        return bool(self.flags & 16)

    @property
    def indisvalid(self) -> bool:
        """Queries may use it."""
        return bool(self.flags & 32)

    @property
    def indisready(self) -> bool:
        """Writes maintain it."""
        return bool(self.flags & 64)

    @property
    def indislive(self) -> bool:
        """It is not being dropped."""
        return bool(self.flags & 128)

    @property
    def indisreplident(self) -> bool:
        """Logical replication identifies rows by it."""
        return bool(self.flags & 256)

    @property
    def indnullsnotdistinct(self) -> bool:
        """Two nulls are equal to it; always False before 15."""
        return bool(self.flags & 512)

    @property
    def constraint(self) -> bool:
        """Whether it makes a constraint true, which then has the same name."""
        return bool(self.flags & 1024)

    @property
    def contype(self) -> str | None:
        """p primary key, u unique, x exclusion; None where it makes no constraint true."""
        if not self.constraint:
            return None
        return "p" if self.indisprimary else "x" if self.indisexclusion else "u"

    @property
    def extension(self) -> bool:
        """Whether its table belongs to an extension."""
        return bool(self.flags & 2048)

    @property
    def referenced(self) -> bool:
        """Whether a foreign key refers to it: the server refuses to drop it."""
        return bool(self.flags & 4096)

    @property
    def partitioned(self) -> bool:
        """Whether it is the index of a partitioned table."""
        return self.relkind == "I"

    @property
    def system(self) -> bool:
        """Whether it is PostgreSQL's own."""
        return self.indrelid < 16384

    def option(self, name: str) -> str | None:
        """The value of one storage option, or None where it is not set."""
        return options_of(self.options).get(name)


class IndexUse(NamedTuple):
    """An index's counters since the last reset."""

    indexrelid: int
    idx_scan: int
    idx_tup_read: int
    idx_tup_fetch: int
    last_idx_scan: float | None
    """Seconds since 1970; None: never, or before 16."""

    idx_blks_hit: int
    idx_blks_read: int

    @property
    def key(self) -> int:
        """Identifies the index across samples."""
        return self.indexrelid


class IndexBuild(NamedTuple):
    """A CREATE INDEX or REINDEX that runs now in this database."""

    pid: int
    relid: int | None
    """The table; None where this role may not see it."""

    index_relid: int | None
    command: str | None
    phase: str | None
    lockers_total: int | None
    lockers_done: int | None
    current_locker_pid: int | None
    """Whom it waits for at this moment; 0 for nobody."""

    blocks_total: int | None
    blocks_done: int | None
    tuples_total: int | None
    tuples_done: int | None


class OperatorClass(NamedTuple):
    """An operator class, for its family and for whether equal keys are equal byte by byte."""

    oid: int
    opcfamily: int
    ident: str
    """Its name, quoted."""

    equal_image: bool
    """B-tree may put equal keys of it into one posting list (support function 4)."""


class ForeignKey(NamedTuple):
    """A foreign key that is no copy of another for a partition."""

    oid: int
    conname: str
    conrelid: int
    """The referencing table."""

    confrelid: int
    """The referenced table."""

    conkey: str
    columns: str
    """The referencing columns, quoted, joined by `, `."""

    collations: str
    families: str
    """For each column the operator families that hold its equality: `1976 1994,403`."""

    confdeltype: str
    confupdtype: str
    moved: str | None = None
    """Partitions whose columns have other numbers than the table's, since one was dropped from
    it or they were attached: `relid attnum attnum,…` in the order of `conkey`."""

    @property
    def key(self) -> int:
        """Identifies the constraint across samples."""
        return self.oid

    def on(self, relid: int) -> ForeignKey:
        """The same with the columns' numbers in one of its partitions."""
        for part in self.moved.split(",") if self.moved else ():
            of, _, numbers = part.partition(" ")
            if int(of) == relid:
                return self._replace(conkey=numbers)
        return self


class Sequence(NamedTuple):
    """A sequence and where it ends; its value is asked apart, for that takes a lock."""

    seqrelid: int
    ident: str
    schemaname: str
    relname: str
    relpersistence: str
    seqincrement: int
    seqmin: int
    seqmax: int
    seqcycle: bool
    column_ident: str | None
    """`table.column` that takes its values, quoted; None for a sequence of its own."""

    column_bits: int | None
    """16, 32 or 64: the width of that column."""

    @property
    def key(self) -> int:
        """Identifies the sequence across samples."""
        return self.seqrelid

    @property
    def limit(self) -> int:
        """The last value that both the sequence and its column take."""
        if self.column_bits is None:
            return self.seqmax if self.seqincrement > 0 else self.seqmin
        most = 1 << (self.column_bits - 1)
        return min(self.seqmax, most - 1) if self.seqincrement > 0 else max(self.seqmin, -most)


class SequenceValue(NamedTuple):
    """How far a sequence is."""

    seqrelid: int
    last_value: int | None
    why: str | None
    """Why it is not known: `locked`, no privilege; None with None: never used."""


class ColumnStatistics(NamedTuple):
    """One column of a table, or of an index where it is an expression."""

    relid: int
    attnum: int
    attlen: int
    """Bytes; -1 a varying length, -2 a C string."""

    attalign: str
    """c, s, i, d: alignment to 1, 2, 4, 8."""

    attstorage: str
    attisdropped: bool
    expression: bool
    """A column of an index that is computed."""

    known: bool
    """Whether this role sees statistics of it."""

    null_frac: float
    avg_width: int
    n_distinct: float
    """More than 0: that many; less: that share of the rows."""

    freqs: str | None
    """most_common_freqs, comma-separated."""

    mcv_lengths: str | None
    """Bytes of each of the most common values, where it is a text."""

    histogram_lengths: str | None
    """Bytes of each bound of the histogram, where it is a text."""


class CounterWindow(NamedTuple):
    """Since when this server counts, and who else might use its indexes."""

    stats_reset: float | None
    """Of this database, seconds since 1970."""

    discarded_at: float | None
    """The earliest reset among those that a crash or initdb sets; None: not known."""

    in_recovery: bool
    replicas: int
    """Standbys connected, and physical slots."""

    hidden_builds: int
    """Index builds whose table this role may not see."""

    shared_buffers: int
    """Bytes."""

    nondeterministic: str
    """oids of collations under which equal texts may differ, blank-separated."""

    @property
    def since(self) -> float | None:
        """Start of the counters. A NULL reset of the database does not mean: since ever."""
        return self.stats_reset if self.stats_reset is not None else self.discarded_at
