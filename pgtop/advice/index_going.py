"""Which indexes go for want of use: of those together, nothing is left that needs one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pgtop.advice import Facts, NeedsTime, NotJudged, NotPossible
from pgtop.advice.index_facts import IndexFacts, as_before, gathered, kept, kept_in_slices
from pgtop.advice.index_use import scans, size_bytes, why_kept
from pgtop.advice.thresholds import indexes as limits
from pgtop.analysis import units
from pgtop.model.index import ForeignKey, Index, IndexUse, OperatorClass
from pgtop.model.table import Partition, Table

NONE: frozenset[int] = frozenset()


def may_go(facts: Facts) -> tuple[Index, ...]:
    """Indexes without a scan in a month that may be dropped together, the same object as long
    as they are the same. Raises `NotJudged`."""
    found, inputs = _inputs(facts)
    made: tuple[Index, ...] = kept(
        found.usage, "may go", inputs,
        lambda: tuple(index for some in _by_table(found) for index in some),
    )  # fmt: skip
    return as_before(found.usage, "chosen", made)


def looking(facts: Facts) -> Iterator[None]:
    """Look for them in slices: see `Rule.prepare`."""
    try:
        found, inputs = _inputs(facts)
    except NotJudged:
        return
    yield from kept_in_slices(found.usage, "may go", inputs, lambda: _by_table(found))


def going(facts: Facts) -> frozenset[int]:
    """Those that are offered for a drop: they can take over no other's work. Raises as `may_go`
    does, but where the counters cannot say it at all: there nothing is offered."""
    found = gathered(facts)
    if found.window.replicas:
        return NONE
    try:
        _check_window(found)
    except NotJudged:
        return NONE
    few = may_go(facts)
    made: frozenset[int] = kept(
        found.usage, "going", (few,), lambda: frozenset(index.indexrelid for index in few)
    )
    return made


def _check_window(found: IndexFacts) -> None:
    """Raises where the counters cannot say what is unused."""
    if found.window.in_recovery:
        raise NotPossible("this is a standby: what the primary reads is not counted here")
    window = found.window_s
    if window is None:
        raise NotPossible("since when the counters count is not known")
    if window < limits.UNUSED_WINDOW_S:
        young = "too young: " if window < limits.YOUNG_WINDOW_S else ""
        raise NeedsTime(
            f"{young}the counters cover {units.age(window)}, unused is said from"
            f" {units.age(limits.UNUSED_WINDOW_S)} on"
        )


def _inputs(facts: Facts) -> tuple[IndexFacts, tuple[object, ...]]:
    found = gathered(facts)
    _check_window(found)
    # what a foreign key may need, see IndexFacts.blind, and what names a table
    rest = (facts.rows(ForeignKey), facts.rows(OperatorClass), facts.rows(Partition))
    facts.rows(Table)
    return found, (facts.rows(Index), facts.rows(IndexUse), *rest)


def _by_table(found: IndexFacts) -> Iterator[list[Index]]:
    for indexes in found.by_table.values():
        yield _together(found, indexes)


def _together(found: IndexFacts, indexes: Iterable[Index]) -> list[Index]:
    """Those of one table that may go together: of two that serve a foreign key alike, one
    stays, the smaller."""
    gone: list[Index] = []
    idle = (index for index in indexes if _long_unused(found, index))
    for index in sorted(idle, key=lambda index: -index.relpages):
        if found.supports(index, without=gone) is None:
            gone.append(index)
    return gone


def spared_for(found: IndexFacts, index: Index) -> ForeignKey | None:
    """The foreign key that keeps an index which nobody scans, once the others are gone."""
    return found.supports(index, without=_together(found, found.by_table[index.indrelid]))


def _long_unused(found: IndexFacts, index: Index) -> bool:
    if not may_be_unused(found, index):
        return False
    observed = found.observed_s(index)
    return observed is not None and observed >= limits.UNUSED_WINDOW_S


def may_be_unused(found: IndexFacts, index: Index) -> bool:
    """Without a scan, and to be dropped, however short the counters' window."""
    return (
        not index.indisunique
        and not index.parent
        and index.indisvalid
        and scans(found, index) == 0
        and size_bytes(found, index) >= limits.UNUSED_BYTES
        and why_kept(found, index) is None
    )
