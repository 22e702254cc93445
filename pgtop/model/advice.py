"""What index advice is made from, and what it says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from pgtop.model.cost import NewIndex, VerifiedBy
from pgtop.model.finding import Finding
from pgtop.model.index import ColumnStatistics
from pgtop.model.plan import Plan
from pgtop.model.request import Request
from pgtop.model.statement import StatementKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """One statement of a workload."""

    name: str
    """A file's stem, `q01`, or its queryid."""

    text: str
    calls: float | None = None
    """In the window; None: nobody counted."""

    ms: float | None = None
    """Time that its calls took in the window, planning included."""

    key: StatementKey | None = None
    search_path: str | None = None
    role: str | None = None

    @property
    def beginning(self) -> str:
        """Its first words on one line, for a statement that is named by a number."""
        return " ".join(self.text[:200].split())[:60] if self.key is not None else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkColumn:
    """A column, as the search for indexes looks at it."""

    attnum: int
    name: str
    sql: str
    """Its name, quoted by the server."""

    type: str
    """Its base type without length, by the server's long name: `character varying`."""

    category: str
    """pg_type.typcategory."""

    bytewise: bool
    """Whether a plain B-tree on it serves LIKE 'x%': no text, or of collation C."""

    orderable: bool
    """Whether its type has a default B-tree class."""

    equal_image: bool
    """Whether its default B-tree class lets equal keys share a posting list."""

    null_frac: float | None = None
    """None: no statistics visible."""

    avg_width: float | None = None
    n_distinct: float | None = None
    correlation: float | None = None
    common: Mapping[str, float] = field(default_factory=dict)
    """Most common values as text -> their share of all rows."""

    statistics: ColumnStatistics | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkIndex:
    """An index that exists."""

    name: str
    sql: str
    """Qualified, quoted by the server."""

    method: str
    keys: tuple[str, ...]
    """As `NewIndex.keys`; an expression in one pair of brackets."""

    include: tuple[str, ...]
    predicate: str | None
    valid: bool
    droppable: bool
    """No constraint, uniqueness, replica identity, clustering or partition hangs on it."""

    bytes: float
    definition: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkTable:
    """A table that the workload reads. Of a partitioned one all figures are its leaves' sums."""

    relid: int
    schema: str
    name: str
    sql: str
    kind: str
    rows: float | None
    """None: never analysed."""

    pages: float
    visible_fraction: float
    """All-visible pages: what an index-only scan may trust."""

    root: int | None = None
    """oid of the partitioned table at the top, where it is a partition."""

    leaves: tuple[tuple[str, str, str], ...] = ()
    """(schema, name, SQL) of its partitions that hold rows."""

    nested: bool = False
    """Whether partitions are partitioned themselves."""

    policies: bool = False
    """Whether row security is on: what a plan shows is then another role's."""

    columns: tuple[WorkColumn, ...] = ()
    indexes: tuple[WorkIndex, ...] = ()
    inserts_per_s: float | None = None
    """Since the counters began; None: not known."""

    updates_per_s: float | None = None
    hot_updates_per_s: float | None = None
    writes: float = 0.0
    """Rows inserted, updated, deleted since the counters began."""

    names: frozenset[str] = frozenset()
    """Every relation of its schema: a new index needs another name."""

    def column(self, name: str | None) -> WorkColumn | None:
        """By its unquoted name."""
        return next((column for column in self.columns if column.name == name), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkServer:
    """What the server itself adds: its prices and what it can do."""

    version_num: int
    settings: Mapping[str, float]
    """seq_page_cost, random_page_cost, cpu_tuple_cost, cpu_index_tuple_cost,
    cpu_operator_cost; effective_cache_size in pages."""

    extensions: frozenset[str]
    immutable: frozenset[str] = frozenset()
    """Functions that are IMMUTABLE in every form they have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gain:
    """One statement that an index makes cheaper."""

    statement: str
    cost_before: float
    cost_after: float
    """With every index that is advised."""

    ms: float | None = None
    """Time of its calls in the window."""

    calls: float | None = None
    key: StatementKey | None = None
    plan_before: Plan | None = field(default=None, compare=False, repr=False)
    plan_after: Plan | None = field(default=None, compare=False, repr=False)
    """The planner's own, with HypoPG; None where it was not asked for, or is our arithmetic."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Advised:
    """One index that is worth having."""

    index: NewIndex
    table: WorkTable
    finding: Finding
    """With the remedy; what the tray and migrations take."""

    size_bytes: float
    gains: tuple[Gain, ...]
    verified: bool

    @property
    def cost_before(self) -> float:
        """Of the statements that gain, together."""
        return sum(gain.cost_before for gain in self.gains)

    @property
    def cost_after(self) -> float:
        """Of the same with everything that is advised."""
        return sum(gain.cost_after for gain in self.gains)


@dataclass(frozen=True, slots=True, kw_only=True)
class Superfluous:
    """An index that exists, and does nothing that a new one would not do."""

    index: WorkIndex
    by: str
    """Definition of the new one."""

    finding: Finding


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A sentence about one statement."""

    statement: str
    why: str
    text: str = ""
    """How the statement begins, where its name is a number that tells nobody anything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """What came out for a workload."""

    indexes: tuple[Advised, ...]
    superfluous: tuple[Superfluous, ...] = ()
    not_handled: tuple[Said, ...] = ()
    """Statements that could not be planned, each with its reason."""

    notes: tuple[Said, ...] = ()
    """What no index does: a rewrite, an index that exists and why it is not used, a risk."""

    verified_by: VerifiedBy
    why_not_verified: str | None = None
    seconds: float
    questions: int
    """How many plans were asked for."""

    complete: bool
    """False where time ran out before the search was done."""

    cost_before: float
    cost_after: float
    """Of every statement that could be planned, each once."""

    statements: tuple[Gain, ...] = ()
    """All of them, cheaper or not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Advise(Request[Advice]):
    """Asks for indexes. Plans are asked for on a connection of its own; nothing is run or built."""

    works: tuple[Work, ...] = ()
    """The statements; none: those of pg_stat_statements."""

    keys: tuple[StatementKey, ...] = ()
    """These of pg_stat_statements alone."""

    top: int = 30
    """How many of them, by time."""

    window_s: float = 0.0
    """How long to watch before; 0: as counted since the reset."""

    max_bytes: float | None = None
    seconds: float = 10.0
    """For the search; what was found until then is the answer."""

    weighed: bool = True
    """False: what writes would pay is told, and keeps no index from being advised."""

    plans: bool = False
    """Whether to bring the plans along, today's and the one with what is advised."""

    hypothetical: bool = True
    """False: without HypoPG even where it is."""

    progress: Callable[[str, float], None] | None = field(default=None, compare=False)
    """Told what is done, and how far it is, 0..1."""
