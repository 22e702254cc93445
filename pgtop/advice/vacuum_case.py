"""What rules, report and screen say of autovacuum: each table worked out once per state."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from time import perf_counter

from pgtop.advice import Facts, NeedsTime, NotPossible, ddl
from pgtop.advice.thresholds import autovacuum as limits
from pgtop.advice.vacuum_gates import Proposal, Word
from pgtop.advice.vacuum_proposal import propose
from pgtop.analysis.vacuum.options import OPTIONS, Change, after
from pgtop.analysis.vacuum.settings import VacuumSettings
from pgtop.analysis.vacuum.state import VacuumState
from pgtop.analysis.vacuum.view import TableVacuum, cost_per_s, view
from pgtop.model.finding import Remedy, Subject
from pgtop.model.sample import SourceError
from pgtop.model.table import IndexPages, Table, options_of
from pgtop.model.vacuum import VacuumSetting


@dataclass(frozen=True, slots=True)
class Case:
    """One relation, what is proposed for it, and the word of its state."""

    seen: TableVacuum
    proposal: Proposal

    @property
    def key(self) -> int:
        """Identifies the relation across samples."""
        return self.seen.relid

    @property
    def word(self) -> Word:
        """Its state in a word: what happens now first, then why nothing is advised."""
        word = self.proposal.word
        if self.seen.run is not None:
            return "running"
        if word in ("blocked", "lock-starved", "disabled", "off", "no stats", "wraparound"):
            return word
        if word == "small" and self.seen.next_s == 0 and self.seen.pressure.most > 1:
            return "due"
        if word in ("within 2×", "calm", "unknown", "ok"):
            return "due" if self.seen.next_s == 0 else word
        return word


def known(facts: Facts) -> tuple[VacuumState, VacuumSettings]:
    """The state, once tables and settings were read. Raises `NotJudged`."""
    for row_type in (Table, VacuumSetting):
        found = facts.samples.get(row_type)
        if isinstance(found, SourceError):
            raise NotPossible(found.why)
    state = facts.get(VacuumState)
    if state.settings is None or not state.tables:
        raise NeedsTime("tables were not read yet")
    if not state.indexes_read:  # how long a run takes hangs on them
        facts.rows(IndexPages)
        raise NeedsTime("sizes of indexes were not read yet")
    return state, state.settings


def case(state: VacuumState, relid: int) -> Case:
    """One relation worked out."""
    assert state.settings is not None
    seen = view(state, state.settings, relid)
    return Case(seen, propose(seen, state, state.settings))


class _Parts:
    """What cases are made of: the same parts make the same cases, a newer clock does not matter."""

    def __init__(self, state: VacuumState) -> None:
        self.state = state
        self.same = tuple(
            id(part)
            for part in (state.churn, state.use, state.indexes, state.settings, state.pressures,
                         state.counters)
        )  # fmt: skip
        self.equal = (
            state.server,
            state.holders,
            state.blocks,
            state.history.now,
            state.history.lasted,
        )

    def __hash__(self) -> int:
        return hash(self.same)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Parts) and (self.same, self.equal) == (other.same, other.equal)


class _Work:
    """All cases of one state, and what its churn asks of the budget, worked out bit by bit."""

    def __init__(self, state: VacuumState) -> None:
        self.cases: list[Case] = []
        self.utilisation: float | None = None
        self.done = False
        self._steps = self._all(state)

    def go_on(self, until: float) -> bool:
        """Work until this moment of `time.perf_counter`; whether all is done."""
        for _ in self._steps:
            if perf_counter() >= until:
                return False
        self.done = True
        return True

    def _all(self, state: VacuumState) -> Iterator[None]:
        for relid, table in state.tables.items():
            if table.relkind == "p":
                continue
            big = table.size_bytes >= limits.SMALL_BYTES
            if big or table.options is not None or state.pressures.get(relid, 0) > 1:
                self.cases.append(case(state, relid))
                yield
        settings = state.settings
        if settings is None or not settings.budget or state.churn.seconds is None:
            return
        asked = 0.0
        for relid in state.churn.rates:
            asked += cost_per_s(state, settings, relid)
            yield
        self.utilisation = asked / settings.budget


_WORKS: OrderedDict[_Parts, _Work] = OrderedDict()
"""The last few states: rules, report and screen ask for the same one again and again."""

MOST_WORKS = 4

SLICE_S = 0.006
"""So long a slice of work takes at most: the screen's loop allows a step 10 ms."""


def _work(state: VacuumState) -> _Work:
    parts = _Parts(state)
    found = _WORKS.get(parts)
    if found is None:
        found = _WORKS[parts] = _Work(state)
        while len(_WORKS) > MOST_WORKS:
            _WORKS.popitem(last=False)
    return found


def prepared(state: VacuumState) -> bool:
    """Work a slice; whether `judged` and `utilisation` have their answers ready now."""
    return _work(state).go_on(perf_counter() + SLICE_S)


def preparing(facts: Facts) -> Iterator[None]:
    """All the work in slices, for rules: see `Rule.prepare`."""
    state = facts.derived.get(VacuumState)
    while state is not None and state.settings is not None and not prepared(state):
        yield


def judged(state: VacuumState) -> tuple[Case, ...]:
    """Every relation that may deserve a word: big ones, due ones, those with options."""
    work = _work(state)
    work.go_on(float("inf"))
    return tuple(work.cases)


def utilisation(state: VacuumState) -> float | None:
    """Share of the server's cost budget that this database's churn asks for.

    None before there are rates, or where nothing is throttled. Of this database alone:
    another one's tables cannot be seen from here.
    """
    work = _work(state)
    work.go_on(float("inf"))
    return work.utilisation


def subject(seen: TableVacuum) -> Subject:
    """A table by its own name; a TOAST table by its table's."""
    table = seen.table
    if seen.main is not None:
        return Subject("table", seen.main.relname, schema=seen.main.schemaname, of="toast")
    return Subject("table", table.relname, schema=table.schemaname)


def advised(cases: tuple[Case, ...], rule: str) -> Iterator[Case]:
    """Those whose proposal stands behind a rule and may last."""
    for one in cases:
        if rule in one.proposal.rules and one.proposal.lasting:
            yield one


def remedy(one: Case, state: VacuumState, change: Change | None = None) -> Remedy:
    """The DDL of a case and its exact undo; `change` stands in for what is proposed.

    The options of a TOAST table go through its main table. As long as it has none of its
    own it inherits the table's, and the first one ends that: so those are repeated.
    """
    seen = one.seen
    wanted = change or Change(one.proposal.sets, one.proposal.resets)
    if seen.main is None:
        toast = state.tables.get(seen.table.reltoastrelid)
        inherits = toast is not None and toast.options is None and toast.relpages > 0
        says = []
        if inherits and wanted.sets:
            says.append("its TOAST table inherits these options")
        if seen.table.relispartition and wanted.sets:
            says.append("new partitions do not get them: each leaf has its own")
        caution = "; ".join(says) or None
        return ddl.storage_options(
            seen.table.ident, options_of(seen.table.options), wanted, caution=caution
        )
    before = options_of(seen.table.options)
    if not before and wanted.sets:
        main = options_of(seen.main.options)
        repeated = {
            name: value
            for name, value in main.items()
            if name in OPTIONS and OPTIONS[name].toast and name not in wanted.resets
        }
        wanted = Change({**repeated, **wanted.sets})
    elif not before:
        wanted = Change({})
    return ddl.storage_options(
        seen.main.ident,
        options_of(seen.main.options),
        Change({}),
        toast_before=before,
        toast=wanted,
        caution="repeats what the TOAST table inherited: with one option of its own it no longer"
        " does",
    )


def options_after(one: Case, change: Change) -> dict[str, str]:
    """The options that would count."""
    return after(one.seen.options, change)
