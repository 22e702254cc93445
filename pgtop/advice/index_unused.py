"""Indexes to drop because nobody reads them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from pgtop.advice import Facts, NeedsTime, NotJudged, NotPossible, Rule
from pgtop.advice.index_facts import IndexFacts, as_before, gathered, kept, kept_in_slices
from pgtop.advice.index_remedies import dropped
from pgtop.advice.index_use import scans, size_bytes, subject, why_kept
from pgtop.advice.thresholds import indexes as limits
from pgtop.analysis import units
from pgtop.model.finding import Cost, Finding
from pgtop.model.index import ForeignKey, Index, IndexUse, OperatorClass
from pgtop.model.table import Partition, Table

OWN_AGE = "; the index's own age is not known (track_commit_timestamp is off)"

NONE: frozenset[int] = frozenset()


def unused(facts: Facts) -> Iterator[Finding]:
    """Never scanned over a whole month, and nothing hangs on it."""
    found, inputs = _inputs(facts)
    chosen = _chosen(found, inputs)
    yield from kept(
        found.usage, "unused", (chosen, found.window.replicas > 0),
        lambda: tuple(_finding(found, index) for index in chosen),
    )  # fmt: skip


def looking(facts: Facts) -> Iterator[None]:
    """Look at all indexes in slices, for the rule: see `Rule.prepare`."""
    try:
        found, inputs = _inputs(facts)
    except NotJudged:
        return
    yield from kept_in_slices(found.usage, "may go", inputs, lambda: _by_table(found))
    chosen = _chosen(found, inputs)
    yield from kept_in_slices(
        found.usage, "unused", (chosen, found.window.replicas > 0),
        lambda: ([_finding(found, index)] for index in chosen),
    )  # fmt: skip


def going(facts: Facts) -> frozenset[int]:
    """Indexes that are offered for a drop for want of use: no other can take one's work over.
    The same object as long as they are the same. Raises as `unused` does, but where the
    counters cannot say it at all: there nothing is offered."""
    found = gathered(facts)
    if found.window.replicas:
        return NONE
    try:
        _check_window(found)
    except NotJudged:
        return NONE
    chosen = _chosen(*_inputs(facts))
    made: frozenset[int] = kept(
        found.usage, "going", (chosen,), lambda: frozenset(index.indexrelid for index in chosen)
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


def _chosen(found: IndexFacts, inputs: tuple[object, ...]) -> tuple[Index, ...]:
    made: tuple[Index, ...] = kept(
        found.usage, "may go", inputs,
        lambda: tuple(index for some in _by_table(found) for index in some),
    )  # fmt: skip
    return as_before(found.usage, "chosen", made)


def _by_table(found: IndexFacts) -> Iterator[list[Index]]:
    for indexes in found.by_table.values():
        yield _together(found, indexes)


def _together(found: IndexFacts, indexes: Iterable[Index]) -> list[Index]:
    """Those of one table that may go together: of two that serve a foreign key alike, one
    stays, the smaller."""
    gone: list[Index] = []
    may_go = (index for index in indexes if _long_unused(found, index))
    for index in sorted(may_go, key=lambda index: -index.relpages):
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


def _finding(found: IndexFacts, index: Index) -> Finding:
    observed = found.observed_s(index) or 0.0
    size = size_bytes(found, index)
    writes = found.usage.entries_per_s(index.indrelid)
    costs = f", and {units.rate(writes)} entries/s are written to it" if writes else ""
    expression = "; it has an expression, whose statistics go with it" if index.indexprs else ""
    replicas = found.window.replicas
    finding = Finding(
        rule="index.unused",
        severity="notice",
        subject=subject(found, index),
        title=f"{index.relname}: not one scan in {units.age(observed)}, {units.size(size)}",
        why=f"idx_scan is 0 since {units.age(observed)}{costs}"
        + ("" if index.created_at else OWN_AGE)
        + expression,
        evidence={
            "scans": 0,
            "window_s": round(observed),
            "size_bytes": size,
            "entries_per_s": writes,
            "replicas": replicas,
        },
        cost=Cost(bytes=size),
        remedy=dropped(found, index),
    )
    if replicas:
        return replace(
            finding,
            remedy=None,
            no_remedy=f"{units.plural(replicas, 'replica')}: their scans are not counted"
            " here, look there first",
        )
    return finding


UNUSED_RULES: tuple[Rule, ...] = (Rule("index.unused", unused, looking),)
