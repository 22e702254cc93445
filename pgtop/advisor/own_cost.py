"""What a statement would cost with new indexes, by our own arithmetic: a guess, and marked so.

For servers without HypoPG and for methods that it cannot pretend (GIN, GiST). Formulas of
src/backend/optimizer/path/costsize.c and utils/adt/selfuncs.c, 13 to 18: btree descent,
Mackert and Lohman's pages, correlation squared, bitmaps' price of a page.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from pgtop.advice.thresholds import advisor as limit
from pgtop.advisor.candidates import canonical
from pgtop.advisor.sizes import PAGES_PER_RANGE
from pgtop.advisor.terms import Term, distinct_values, own_text, terms
from pgtop.advisor.wishes import Wish
from pgtop.model.advice import WorkServer, WorkTable
from pgtop.model.cost import NewIndex, Priced
from pgtop.model.plan import Plan, PlanNode

PAGE_DESCENT = 50.0
"""DEFAULT_PAGE_CPU_MULTIPLIER (selfuncs.c), in operators."""

GUESSED_PAGES = 10.0
"""What the planner takes for a table that is empty (plancat.c: estimate_rel_size)."""

ENTRIES_A_PAGE = 300.0
FALLBACK = {
    "seq_page_cost": 1.0, "random_page_cost": 4.0, "cpu_tuple_cost": 0.01,
    "cpu_index_tuple_cost": 0.005, "cpu_operator_cost": 0.0025,
}  # fmt: skip
_THROUGH = frozenset({"Hash", "Sort", "Materialize", "Memoize", "Incremental Sort", "Gather"})


@dataclass(frozen=True, slots=True)
class Access:
    """A way to read a table by a new index."""

    index: NewIndex
    cost: float
    saved: float


def own_price(
    base: Priced,
    wishes: Sequence[Wish],
    indexes: Iterable[NewIndex],
    server: WorkServer,
    plan: Plan,
) -> Priced:
    """`base` less what the best access to each table saves."""
    by_table: dict[int, list[NewIndex]] = {}
    for index in indexes:
        by_table.setdefault(index.relid, []).append(index)
    chosen: list[Access] = []
    for wish in wishes:
        ways = [
            way
            for index in by_table.get(wish.table.relid, ())
            for way in _ways(wish, index, server, plan)
            if way.saved > 0
        ]
        if ways:
            chosen.append(max(ways, key=lambda way: way.saved))
    if not chosen:
        return Priced(base.cost, base.plans, verified=False)
    cost = max(base.cost - sum(way.saved for way in chosen), min(w.cost for w in chosen), 0.01)
    used = frozenset(way.index for way in chosen)
    return Priced(min(cost, base.cost), base.plans, used, verified=False)


def brin_saved(
    plan: Plan,
    names: Collection[str],
    tables: Mapping[tuple[str, str], WorkTable],
    server: WorkServer,
) -> float:
    """How much less than the planner says its walks by these BRIN indexes cost.

    The planner takes the rows for scattered over the table. Where they lie in order, which is
    where BRIN is proposed, whole block ranges are read one after another: 768 pages took 7 ms
    where 61,000 units were planned (15).
    """
    settings = {**FALLBACK, **server.settings}
    a_row = settings["cpu_tuple_cost"] + settings["cpu_operator_cost"]
    saved = 0.0
    for node in plan.nodes:
        below = next(iter(plan.children(node)), None)
        table = tables.get((node.text("Schema") or "", node.relation or ""))
        if node.node_type != "Bitmap Heap Scan" or below is None or table is None:
            continue
        name = (below.text("Index Name") or "").partition(">")[0] + ">"
        if name not in names or not table.rows:
            continue
        share = (node.figure("Plan Rows") or 0.0) / table.rows
        touched = min(table.pages, share * table.pages + 2 * PAGES_PER_RANGE)
        rows = touched / max(table.pages, 1.0) * table.rows
        cost = _cost_of(below) + touched * settings["seq_page_cost"] + rows * a_row
        saved += max(0.0, _cost_of(node) - cost)
    return saved


def _ways(wish: Wish, index: NewIndex, server: WorkServer, plan: Plan) -> Iterator[Access]:
    own = terms(wish, [])
    if index.where and canonical(index.where) not in {
        canonical(own_text(term.condition.text, wish)) for term in own
    }:
        return
    if index.method in ("gin", "gist"):
        yield from _inverted(wish, index, own, server)
        return
    matched, length = _matched(index, own)
    share = _share(wish, matched, own, index)
    today = wish.node.figure("Total Cost") or 0.0
    prices = _Prices(wish, index, server, _index_only(wish, index))
    many = share > limit.MOST_READ and not _index_only(wish, index)
    if (matched or index.where) and not many and not _served(wish, matched, index):
        cost = prices.read(share)
        yield Access(index, cost, today - cost)
    yield from _ordered(wish, index, length, share, prices, plan)
    yield from _looked_up(wish, index, share, own, prices, plan)


def _rows(wish: Wish) -> tuple[float, float]:
    """(rows, pages) of its table; of one never analysed what the planner must have guessed."""
    table = wish.table
    if table.rows is not None:
        return max(table.rows, 1.0), max(table.pages, 1.0)
    pages = max(table.pages, GUESSED_PAGES)
    cost = (wish.node.figure("Total Cost") or 0.0) - pages
    a_row = FALLBACK["cpu_tuple_cost"] + FALLBACK["cpu_operator_cost"]
    return max(cost / a_row, wish.node.figure("Plan Rows") or 1.0, 1.0), pages


def _matched(index: NewIndex, own: Sequence[Term]) -> tuple[list[Term], int]:
    """Terms that the leading keys serve, and how many keys are bound to one value."""
    found: list[Term] = []
    length = 0
    for key in index.keys:
        bare = canonical(_bare(key))
        fits = [term for term in own if canonical(term.sql) == bare]
        equal = [t for t in fits if t.kind in ("equal", "in")]
        if equal:
            found.append(equal[0])
            length += 1
            continue
        found += [t for t in fits if t.kind in ("range", "pattern")]
        break
    return found, length


def _served(wish: Wish, matched: Sequence[Term], index: NewIndex) -> bool:
    """Whether the index that today's plan uses does as much: our figures are not as fine."""
    if wish.node.node_type == "Seq Scan" or index.where:
        return False
    bound = wish.node.text("Index Cond") or wish.node.text("Recheck Cond") or ""
    return all(term.condition.text in bound or bound == "" for term in matched)


def _bare(key: str) -> str:
    return key.split(" DESC")[0].split(" NULLS")[0].split(" text_pattern")[0].split(" varchar_p")[0]


def _share(wish: Wish, matched: Sequence[Term], own: Sequence[Term], index: NewIndex) -> float:
    """Share of the table's rows that the index brings."""
    rows, _ = _rows(wish)
    planned = (wish.node.figure("Plan Rows") or 1.0) / rows
    parameterised = any(
        other in (wish.node.text("Index Cond") or "") for other in (f"{a}." for a in wish.joins)
    )
    found = 1.0
    for term in matched:
        found *= term.selectivity
    found *= index.selectivity
    if not parameterised and len(matched) + bool(index.where) >= len(own) and own:
        return min(1.0, planned)
    return min(1.0, max(found, 1.0 / rows, 0.0 if parameterised else min(planned, 1.0)))


def _index_only(wish: Wish, index: NewIndex) -> bool:
    names = {c.name for c in wish.table.columns if c.sql in (*index.keys, *index.include)}
    return wish.needed is not None and wish.needed <= names


def _inverted(
    wish: Wish, index: NewIndex, own: Sequence[Term], server: WorkServer
) -> Iterator[Access]:
    key = canonical(index.keys[0].removesuffix(" gin_trgm_ops").removesuffix(" jsonb_path_ops"))
    if all(canonical(term.sql) != key for term in own):
        return
    rows, _ = _rows(wish)
    share = min(1.0, max((wish.node.figure("Plan Rows") or 1.0) * 2, 10.0) / rows)
    prices = _Prices(wish, index, server, False)
    cost = prices.read(share) + 5 * prices.random
    yield Access(index, cost, (wish.node.figure("Total Cost") or 0.0) - cost)


def _ordered(
    wish: Wish, index: NewIndex, length: int, share: float, prices: _Prices, plan: Plan
) -> Iterator[Access]:
    """Rows come in the order wanted: no Sort, and under a LIMIT only as many as it takes."""
    for order in wish.orders:
        rest = index.keys[length:]
        if index.method != "btree" or not order or rest[: len(order)] != order[: len(rest)]:
            continue
        above, sort = plan.parent(wish.node), None
        while above is not None and above.node_type in ("Sort", "Gather", "Gather Merge", "Append"):
            sort = above
            above = plan.parent(above)
        if sort is None or len(rest) < len(order):
            continue
        cost = prices.walk(share)
        if above is not None and above.node_type == "Limit":
            wanted = above.figure("Plan Rows") or 1.0
            every = max(wish.node.figure("Plan Rows") or 1.0, 1.0)
            cost = prices.descent + cost * min(1.0, wanted / every)
        yield Access(index, cost, (sort.figure("Total Cost") or 0.0) - cost)


def _looked_up(
    wish: Wish,
    index: NewIndex,
    share: float,
    own: Sequence[Term],
    prices: _Prices,
    plan: Plan,
) -> Iterator[Access]:
    """The inner side of a nested loop: one look-up for each row of the other side."""
    side, join = wish.node, plan.parent(wish.node)
    while join is not None and join.node_type in _THROUGH:
        side, join = join, plan.parent(join)
    if join is None or ("Join" not in join.node_type and join.node_type != "Nested Loop"):
        return
    other = next((c for c in plan.children(join) if c.number != side.number), None)
    columns = {
        column.sql: column
        for found in wish.joins.values()
        for condition in found
        if (column := wish.table.column(condition.column)) is not None
    }
    bound = [key for key in index.keys if key in columns]
    if other is None or not bound or index.keys[0] not in (*bound, *(t.sql for t in own)):
        return
    distinct = math.prod(distinct_values(columns[key], wish.table) for key in bound)
    one = min(1.0, max(1.0 / max(distinct, 1.0), 1e-12))
    equal = math.prod(t.selectivity for t in own if t.sql in index.keys and t.kind == "equal")
    times = other.figure("Plan Rows") or 1.0
    each = prices.read(max(one * equal, 1.0 / prices.rows))
    cost = _cost_of(other) + times * each
    yield Access(index, cost, (join.figure("Total Cost") or 0.0) - cost)


def _cost_of(node: PlanNode) -> float:
    return node.figure("Total Cost") or 0.0


class _Prices:
    """Prices of one index on one table."""

    def __init__(self, wish: Wish, index: NewIndex, server: WorkServer, index_only: bool) -> None:
        table = wish.table
        self.settings: Mapping[str, float] = {**FALLBACK, **server.settings}
        self.random = self.settings["random_page_cost"]
        self.rows, self.pages = _rows(wish)
        self.entries = max(self.rows * index.selectivity, 1.0)
        self.index_pages = max(1.0, self.entries / ENTRIES_A_PAGE)
        first = table.column(index.columns[0]) if index.columns else None
        self.ordered = (first.correlation or 0.0) ** 2 if first else 0.0
        self.to_heap = (1.0 - table.visible_fraction) if index_only else 1.0
        height = math.log(self.index_pages, ENTRIES_A_PAGE) if self.index_pages > 1 else 0.0
        operator = self.settings["cpu_operator_cost"]
        self.descent = operator * (
            math.ceil(math.log2(self.entries + 1)) + (math.ceil(height) + 1) * PAGE_DESCENT
        )

    def read(self, share: float) -> float:
        """All rows of that share of the table, in any order."""
        tuples = max(1.0, self.rows * share)
        return self._index(tuples) + min(self._one_by_one(tuples), self._bitmap(tuples))

    def walk(self, share: float) -> float:
        """The same in the index's order."""
        tuples = max(1.0, self.rows * share)
        return self._index(tuples) + self._one_by_one(tuples)

    def _index(self, tuples: float) -> float:
        s = self.settings
        leaves = max(1.0, math.ceil(tuples / self.entries * self.index_pages))
        cpu = s["cpu_index_tuple_cost"] + s["cpu_operator_cost"] + s["cpu_tuple_cost"]
        return self.descent + leaves * self.random + tuples * cpu

    def _touched(self, tuples: float) -> float:
        """Mackert and Lohman, for a table that fits the cache."""
        t = self.pages
        return min(t, 2.0 * t * tuples / (2.0 * t + tuples))

    def _one_by_one(self, tuples: float) -> float:
        s = self.settings
        worst = self._touched(tuples) * self.random
        dense = max(1.0, math.ceil(tuples / self.rows * self.pages))
        best = self.random + (dense - 1) * s["seq_page_cost"]
        return (worst + self.ordered * (best - worst)) * self.to_heap

    def _bitmap(self, tuples: float) -> float:
        s = self.settings
        pages = self._touched(tuples)
        share = math.sqrt(min(1.0, pages / self.pages))
        price = self.random - (self.random - s["seq_page_cost"]) * share
        return (pages * price + 0.1 * s["cpu_operator_cost"] * tuples) * self.to_heap
