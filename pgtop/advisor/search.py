"""The search for few indexes: greedy by benefit per byte, with replacing steps, anytime.

After Extend (Schlosser, Kossmann, Boissier, ICDE 2019): the best next step may be a new
index or a wider one in the place of a chosen one. A generator that yields questions and is
sent their answers, so that whoever can price a plan drives it and may stop it at any time.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from pgtop.advice.thresholds import advisor as limit
from pgtop.advisor.candidates import Bundle
from pgtop.analysis import names
from pgtop.model.cost import CostOf, NewIndex, Priced

Asking = Generator[CostOf, Priced, None]
Indexes = frozenset[NewIndex]
NOTHING: Indexes = frozenset()
UNASKED = "there was no time to ask"


@dataclass(frozen=True, slots=True)
class Task:
    """One statement as the search sees it."""

    base: Priced
    tables: frozenset[int]
    """oids of the tables it reads, partitioned ones for their partitions."""

    bundles: tuple[Bundle, ...]
    weight: float
    """What one unit of its cost stands for: milliseconds, or 1."""


@dataclass(slots=True)
class Search:
    """State of a search; `chosen` is the best so far whenever one looks."""

    tasks: Sequence[Task]
    size_of: Callable[[NewIndex], float]
    """Bytes it will take."""

    upkeep_of: Callable[[NewIndex], float] = lambda index: 0.0
    """What keeping it costs, in the unit of the weights."""

    max_bytes: float | None = None
    data_bytes: float = 0.0
    """Of all the tables: what indexes take is measured by it."""

    chosen: Indexes = NOTHING
    complete: bool = False
    spent: float = 0.0
    """How much of its time is gone, 0..1: whoever drives it says so."""

    stage: str = "statements"
    progress: float = 0.0
    refused: dict[NewIndex, str] = field(default_factory=dict)
    spared: dict[NewIndex, NewIndex] = field(default_factory=dict)
    """Chosen -> what it stands for: one that would have ended HOT updates."""

    withheld: dict[NewIndex, int] = field(default_factory=dict)
    """Too risky, with the statement for which."""

    _all: bool = False
    """Whether every index of a table counts for every statement on it."""

    _leads: list[frozenset[tuple[int, str]]] = field(init=False)
    """For each statement: (table, first key) of its candidates."""

    _pool: dict[Bundle, None] = field(default_factory=dict)
    """What helps some statement."""

    _known: dict[tuple[int, Indexes], Priced] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._leads = [
            frozenset((i.relid, i.keys[0].split(" ")[0]) for b in task.bundles for i in b)
            for task in self.tasks
        ]

    # -- what is known --------------------------------------------------------------------

    def relevant(self, task: int, indexes: Iterable[NewIndex]) -> Indexes:
        """Those on tables that the statement reads: no other changes its plan.

        While it searches, only those that begin like one of the statement's own candidates:
        the others hardly matter, and every set more is a plan more. The last look takes all.
        """
        tables = self.tasks[task].tables
        if self._all:
            return frozenset(index for index in indexes if index.relid in tables)
        leads = self._leads[task]
        return frozenset(i for i in indexes if (i.relid, i.keys[0].split(" ")[0]) in leads)

    def known(self, task: int, indexes: Iterable[NewIndex]) -> Priced | None:
        """The price of a statement with these indexes, if it was asked or need not be."""
        wanted = self.relevant(task, indexes)
        return self.tasks[task].base if not wanted else self._known.get((task, wanted))

    def cost(self, task: int, indexes: Iterable[NewIndex]) -> float:
        """As `known`; today's cost where nobody asked. More indexes never cost more to plan."""
        priced = self.known(task, indexes)
        base = self.tasks[task].base.cost
        return base if priced is None else min(priced.cost, base)

    def _ask(self, task: int, indexes: Iterable[NewIndex]) -> Generator[CostOf, Priced, Priced]:
        wanted = self.relevant(task, indexes)
        known = self.known(task, wanted)
        if known is None:
            known = yield CostOf(task, wanted)
            if known.refused is UNASKED:
                return known
            self._known[task, wanted] = known
            if known.refused and len(wanted) == 1:
                self.refused[next(iter(wanted))] = known.refused
        return known

    # -- the search -----------------------------------------------------------------------

    def steps(self) -> Asking:
        """Ask until nothing better is found."""
        for done, number in enumerate(self._by_weight(), 1):
            if self.spent > 0.7:
                break
            for bundle in (yield from self._for_one(number)):
                self._pool[bundle] = None
            self.progress = 0.6 * done / max(len(self.tasks), 1)
        self.stage = "workload"
        yield from self._grow(list(self._pool))
        self.stage = "last look"
        yield from self._shrink()
        self.complete = self.spent <= 0.7
        self.progress = 1.0

    def settle(self) -> None:
        """Time is up: the best that what is known allows, without a further question."""
        questions = self._grow(list(self._pool))
        try:
            question = next(questions)
            while True:
                base = self.tasks[question.statement].base
                question = questions.send(replace(base, refused=UNASKED))
        except StopIteration:
            return

    def _by_weight(self) -> list[int]:
        return sorted(
            range(len(self.tasks)),
            key=lambda n: self.tasks[n].base.cost * self.tasks[n].weight,
            reverse=True,
        )

    def _enough(self, before: float, after: float, new: Iterable[NewIndex] = ()) -> bool:
        saved = before - after
        carrying = any(index.include for index in new)
        least = limit.CARRYING_UNITS if carrying else limit.GAIN_UNITS
        return saved >= limit.GAIN * before and saved >= least

    def _for_one(self, number: int) -> Generator[CostOf, Priced, list[Bundle]]:
        """Bundles that help one statement, alone or on top of the best of the others."""
        task = self.tasks[number]
        priced: list[tuple[float, Bundle]] = []
        for bundle in task.bundles:
            answer = yield from self._ask(number, bundle)
            if answer.refused is None:
                priced.append((answer.cost, bundle))
        helpful = [b for cost, b in priced if self._enough(task.base.cost, cost, b)]
        best: Bundle = min(priced, key=lambda p: p[0], default=(task.base.cost, NOTHING))[1]
        if best not in helpful:
            best = NOTHING
        for _ in range(3):  # joins want an index on each of their sides
            before = self.cost(number, best)
            further: list[tuple[float, Bundle]] = []
            for _, bundle in priced:
                if bundle <= best or (best and _same_tables(bundle, best) and len(bundle) == 1):
                    continue
                answer = yield from self._ask(number, best | bundle)
                if answer.refused is None and self._enough(before, answer.cost, bundle):
                    further.append((answer.cost, bundle))
            if not further:
                break
            helpful.extend(bundle for _, bundle in further)
            best |= min(further, key=lambda p: p[0])[1]
        return list(dict.fromkeys([*helpful, *([best] if best else [])]))

    def _grow(self, pool: list[Bundle]) -> Asking:
        """Add or replace while the workload gains; what gains nothing twice is left alone."""
        pool = [*pool, *_merged(pool)]
        bound = {bundle: float("inf") for bundle in pool}
        barred: set[Bundle] = set()
        while pool:
            best: tuple[float, Indexes, Bundle] | None = None
            for bundle in sorted(pool, key=lambda b: -bound[b]):
                if bundle in barred:
                    continue
                if best is not None and bound[bundle] <= best[0]:
                    break
                step = yield from self._best_step(bundle)
                bound[bundle] = step[0] if step else 0.0
                if step and (best is None or step[0] > best[0]):
                    best = (step[0], step[1], bundle)
            if best is None:
                return
            if (yield from self._walks(best[1])):
                barred.add(best[2])  # until something else is chosen: that may end the risk
                continue
            barred.clear()
            self.chosen = best[1]
            pool = [b for b in pool if not b <= self.chosen]
            self.progress = min(0.95, self.progress + 0.03)

    def _best_step(self, bundle: Bundle) -> Generator[CostOf, Priced, tuple[float, Indexes] | None]:
        """(benefit per byte, the set then): added, or in the place of one of its table's."""
        tables = {index.relid for index in bundle}
        added = self.chosen | bundle
        options = [added]
        options += [added - {old} for old in self.chosen if any(_alike(old, i) for i in bundle)]
        best: tuple[float, Indexes] | None = None
        for option in options:
            if option <= self.chosen:
                continue
            value = yield from self._value(option, tables)
            if value is not None and (best is None or value > best[0]):
                best = (value, option)
        return best

    def _value(self, option: Indexes, tables: set[int]) -> Generator[CostOf, Priced, float | None]:
        """Benefit per byte of moving from what is chosen to `option`; None: not worth it."""
        gain, relative, felt = 0.0, 0.0, 0.0
        new, old = option - self.chosen, self.chosen - option
        for number, task in enumerate(self.tasks):
            if not task.tables & tables or not self.relevant(number, new | old):
                continue
            before = self.cost(number, self.chosen)
            answer = yield from self._ask(number, option)
            if answer.refused is not None:
                return None
            for index in answer.risky & new:
                self.withheld[index] = number
                return None
            after = min(answer.cost, task.base.cost)
            gain += (before - after) * task.weight
            relative += (before - after) / max(task.base.cost, 0.01)
            least = task.base.cost if self._beside_brin(new) else before
            if self._enough(before, after, new) and before - after >= limit.GAIN * least:
                felt = max(felt, (before - after) / before)
        size = sum(map(self.size_of, new)) - sum(map(self.size_of, old))
        gain -= sum(map(self.upkeep_of, new)) - sum(map(self.upkeep_of, old))
        if self.max_bytes is not None and self._bytes(option) > self.max_bytes:
            return None
        if old and size <= 0:  # as small or smaller: welcome unless it is worse
            return float("inf") if gain > -1e-9 else None
        if gain <= 0 or not self._worth(gain, relative, felt, size, new):
            return None
        return gain / max(size, 8192.0)

    def _beside_brin(self, new: Indexes) -> bool:
        """Whether a BRIN index on the same column is chosen already: kilobytes that do nearly
        all are not given up for the rest."""
        return any(
            old.method == "brin" and old.relid == n.relid and old.keys[0] == n.keys[0]
            for old in self.chosen
            for n in new
        )

    def _worth(self, gain: float, relative: float, felt: float, size: float, new: Indexes) -> bool:
        """Whether what is gained is worth the bytes.

        `gain` of the workload's cost as it is now, `relative` the mean of the statements'
        own shares: without counted times nobody knows which of them is asked most.
        """
        carrying = any(index.include for index in new)
        if not felt or (carrying and felt < limit.CARRYING_GAIN):
            return False
        if len(self.tasks) == 1:
            return True
        now = sum(self.cost(n, self.chosen) * t.weight for n, t in enumerate(self.tasks))
        share = gain / now if self._counted else max(gain / now, relative / len(self.tasks))
        return share >= max(limit.WORKLOAD_GAIN, limit.BYTES_PRICE * size / max(self.data_bytes, 1))

    def _walks(self, option: Indexes) -> Generator[CostOf, Priced, bool]:
        """Whether one of the new would make any statement's plan a risky walk; then it is
        withheld."""
        new = option - self.chosen
        tables = {index.relid for index in new}
        for number, task in enumerate(self.tasks):
            if not task.tables & tables:
                continue
            self._all = True
            try:
                wanted = self.relevant(number, option)
                answer = self._known.get((number, wanted))
                if answer is None:
                    answer = yield CostOf(number, wanted)
                    if answer.refused is UNASKED:
                        return True
                    self._known[number, wanted] = answer
            finally:
                self._all = False
            for index in answer.risky & new:
                self.withheld[index] = number
                return True
        return False

    @property
    def _counted(self) -> bool:
        """Whether weights are times: a file's statement is wanted whatever it costs."""
        return any(task.weight != 1.0 for task in self.tasks)

    def _bytes(self, indexes: Iterable[NewIndex]) -> float:
        return sum(map(self.size_of, indexes))

    def _shrink(self) -> Asking:
        """Without those that the others have made superfluous; every statement asked again."""
        self._all = True
        for index in sorted(self.chosen, key=self.size_of, reverse=True):
            rest = self.chosen - {index}
            needed = False
            for number, task in enumerate(self.tasks):
                if index.relid not in task.tables:
                    continue
                now = yield from self._ask(number, self.chosen)
                without = yield from self._ask(number, rest)
                needed = needed or self._enough(min(without.cost, task.base.cost), now.cost)
            if not needed:
                self.chosen = rest
        for number in range(len(self.tasks)):
            yield from self._ask(number, self.chosen)

    # -- variants -------------------------------------------------------------------------

    def spare_hot(self, updated: Mapping[int, frozenset[str]]) -> Asking:
        """Indexes that would end HOT updates, without the columns that are updated, where that
        is nearly as good. `updated`: table -> columns that UPDATEs set."""
        for index in self.chosen:
            columns = updated.get(index.relid, frozenset())
            other = without_columns(index, columns)
            if other is None:
                continue
            now = then = today = 0.0
            instead = (self.chosen - {index}) | {other}
            for number, task in enumerate(self.tasks):
                if index.relid not in task.tables:
                    continue
                with_it = yield from self._ask(number, self.chosen)
                without = yield from self._ask(number, instead)
                if index in with_it.used and not without.refused:
                    now += with_it.cost * task.weight
                    then += without.cost * task.weight
                    today += task.base.cost * task.weight
            cheap = then <= min(limit.HOT_VARIANT_TIMES * now, limit.HOT_VARIANT_SHARE * today)
            if now and cheap:
                self.chosen = instead
                self.spared[other] = index
            for number in range(len(self.tasks)):
                yield from self._ask(number, self.chosen)


def without_columns(index: NewIndex, columns: frozenset[str]) -> NewIndex | None:
    """The index without these; None where it has none of them, or nothing would be left."""
    if not columns & set(index.columns) or index.method != "btree" or index.where:
        return None
    gone = {names.quote(column) for column in columns}
    keys = tuple(key for key in index.keys if key.split(" ")[0] not in gone)
    if not keys or any("(" in key for key in index.keys):
        return None
    kept = tuple(column for column in index.columns if column not in columns)
    include = tuple(column for column in index.include if column not in gone)
    return NewIndex(relid=index.relid, keys=keys, include=include, columns=kept)


def _alike(one: NewIndex, other: NewIndex) -> bool:
    """Whether one may stand for the other: they share a key."""
    return one.relid == other.relid and bool(set(one.keys) & set(other.keys))


def _same_tables(one: Bundle, other: Bundle) -> bool:
    return {i.relid for i in one} <= {i.relid for i in other}


def _merged(pool: Sequence[Bundle]) -> list[Bundle]:
    """Wider indexes that serve two statements: one's keys first, then the other's.

    (a) and {a, b} in any order give (a, b); equality columns may stand in any order.
    """
    singles = [next(iter(b)) for b in pool if len(b) == 1]
    made: dict[Bundle, None] = {}
    for one in singles:
        for other in singles:
            if (
                one is other
                or one.relid != other.relid
                or one.method != "btree"
                or other.method != "btree"
                or one.where != other.where
                or one.include
                or other.include
            ):
                continue
            keys = (*one.keys, *(key for key in other.keys if key not in one.keys))
            shared = set(one.keys) & set(other.keys)
            if len(keys) > limit.WIDEST or not shared or keys in (one.keys, other.keys):
                continue
            merged = NewIndex(
                relid=one.relid, keys=keys, where=one.where,
                columns=tuple(dict.fromkeys((*one.columns, *other.columns))),
                selectivity=one.selectivity,
            )  # fmt: skip
            made[frozenset({merged})] = None
    return [bundle for bundle in made if bundle not in set(pool)][:20]
