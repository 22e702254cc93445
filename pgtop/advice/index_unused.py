"""Indexes to drop because nobody reads them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from pgtop.advice import Facts, NotJudged, Rule
from pgtop.advice.index_facts import IndexFacts, gathered, kept, kept_in_slices
from pgtop.advice.index_going import going, looking, may_go
from pgtop.advice.index_remedies import dropped
from pgtop.advice.index_repeats import comparing, repeated
from pgtop.advice.index_use import size_bytes, subject
from pgtop.analysis import units
from pgtop.model.finding import Cost, Finding
from pgtop.model.index import Index

OWN_AGE = "; the index's own age is not known (track_commit_timestamp is off)"


def unused(facts: Facts) -> Iterator[Finding]:
    """Never scanned over a whole month, and nothing hangs on it. Of what repeats another index
    that is said, which no counter can refute."""
    found, few, inputs = _inputs(facts)
    yield from kept(
        found.usage, "unused", inputs, lambda: tuple(_finding(found, index) for index in few)
    )


def goes(facts: Facts, index: Index) -> bool:
    """Whether a drop is offered for it: nothing else is worth doing to it."""
    try:
        return (
            index.indexrelid in going(facts)
            or (index.schemaname, index.relname) in repeated(facts)
        )  # fmt: skip
    except NotJudged:
        return False


def naming(facts: Facts) -> Iterator[None]:
    """Look for them, and word them, in slices: see `Rule.prepare`."""
    yield from looking(facts)
    yield from comparing(facts)
    try:
        found, few, inputs = _inputs(facts)
    except NotJudged:
        return
    yield from kept_in_slices(
        found.usage, "unused", inputs, lambda: ([_finding(found, index)] for index in few)
    )


def _inputs(facts: Facts) -> tuple[IndexFacts, Iterator[Index], tuple[object, ...]]:
    found, every, others = gathered(facts), may_go(facts), repeated(facts)
    few = (index for index in every if (index.schemaname, index.relname) not in others)
    return found, few, (every, others, found.window.replicas > 0)


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


UNUSED_RULES: tuple[Rule, ...] = (Rule("index.unused", unused, naming),)
