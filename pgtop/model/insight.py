"""What a plan shows to be wrong, and what the catalogue knows of the plan's tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pgtop.model.finding import Remedy, Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class Insight:
    """One thing that makes a plan slow, at one of its nodes."""

    rule: str
    """`plan.` and a short name: `plan.seq_filter`."""

    number: int
    """The node's place in `Plan.nodes`."""

    path: str
    badge: str
    """A word for the tree: SEQ, LOOPS, DISK."""

    severity: Severity
    score: float
    """The share of the whole that the finding explains, 0..1: findings are ordered by it."""

    title: str
    why: str
    evidence: Mapping[str, float | int | str | bool | None] = field(default_factory=dict)
    remedy: Remedy | None = None
    no_remedy: str | None = None
    primary: bool = True
    """False where another finding of the same node names the cause more closely."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnFacts:
    """One column, from pg_attribute and pg_stats."""

    name: str
    sql: str
    """Its name, quoted by the server."""

    type: str
    """format_type(): `text`, `numeric(10,2)`."""

    type_category: str = ""
    """pg_type.typcategory: A array, S string, N number, D date and time, U other."""

    correlation: float | None = None
    """pg_stats.correlation: 1 where the heap is in this column's order. None: not known."""

    n_distinct: float | None = None
    most_common: Mapping[str, float] = field(default_factory=dict)
    """The most common values as text -> their share of all rows."""

    bounds: tuple[str, ...] = ()
    """pg_stats.histogram_bounds as text: values that are not among the most common."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexFacts:
    """One index of a table."""

    name: str
    sql: str
    """Its qualified name, quoted by the server."""

    method: str
    keys: tuple[str | None, ...]
    """Key columns, unquoted, in order; None is an expression."""

    definition: str
    predicate: str | None = None
    valid: bool = True
    unique: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TableFacts:
    """One relation that a plan reads."""

    schema: str
    name: str
    sql: str
    """Its qualified name, quoted by the server."""

    kind: str
    """pg_class.relkind: r table, p partitioned, f foreign, m materialised view."""

    rows: float | None
    """reltuples; None: never analysed."""

    bytes: float
    columns: tuple[ColumnFacts, ...] = ()
    indexes: tuple[IndexFacts, ...] = ()
    partition_key: str | None = None
    """pg_get_partkeydef() of the table or of the one it is a partition of."""

    partition_of: str | None = None
    """The partitioned table at the top, quoted."""

    root_analyzed: bool | None = None
    """Whether that table has statistics of its own; None: it is no partition, or not visible."""

    analyzed_s: float | None = None
    """Seconds since the last ANALYZE of either kind; None: never, or the counters were reset."""

    modified: float | None = None
    """n_mod_since_analyze; None: hidden."""

    def column(self, name: str) -> ColumnFacts | None:
        """By its unquoted name."""
        return next((column for column in self.columns if column.name == name), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignKeyFacts:
    """A foreign key, seen from the table that holds it."""

    name: str
    table: TableFacts
    """The referencing side."""

    columns: tuple[str, ...]
    """Referencing columns, unquoted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanFacts:
    """What the server that made a plan says of the objects in it."""

    version_num: int
    tables: tuple[TableFacts, ...] = ()
    foreign_keys: tuple[ForeignKeyFacts, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)
    """work_mem in kB, hash_mem_multiplier, max_parallel_workers, …"""

    extensions: frozenset[str] = frozenset()

    def table(self, schema: str | None, name: str | None) -> TableFacts | None:
        """The table of a node; by name alone where the plan gives no schema."""
        fits = [
            table
            for table in self.tables
            if table.name == name and (schema is None or table.schema == schema)
        ]
        return fits[0] if len(fits) == 1 else None
