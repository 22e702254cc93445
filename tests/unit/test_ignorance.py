"""What was not read, or may not be, makes no finding: on the recording of the demo, each row type
away in turn, never there, refused, locked all the time or by the last reading alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from pgtop.advice import Facts, judge
from pgtop.advice.rules import RULES
from pgtop.advice.summary import causes
from pgtop.advice.verdict import Verdict
from pgtop.analysis.derived import Board
from pgtop.model.finding import Finding
from pgtop.model.index import CounterWindow
from pgtop.model.sample import Reading, Sample, SourceError
from pgtop.model.table import Table
from tests.recording import Recording

Samples = dict[type[Any], Sample[Any] | SourceError]


def lived(reading: Reading) -> Reading:
    """The same after two months and some deletions: unused indexes and foreign keys matter."""
    samples = dict(reading.samples)
    for kind, change in (
        (Table, lambda row: row._replace(n_tup_del=row.n_tup_del + 1_000)),
        (CounterWindow, lambda row: row._replace(stats_reset=reading.taken_at - 60 * 86_400)),
    ):
        found = samples.get(kind)
        if isinstance(found, Sample):
            samples[kind] = replace(found, rows=tuple(map(change, found.rows)))
    return replace(reading, samples=samples)


READINGS = tuple(map(lived, Recording().readings))
KINDS = sorted({kind for r in READINGS for kind in r.samples}, key=lambda kind: kind.__name__)


def verdict_of(change: Callable[[int, Samples], None]) -> Verdict:
    board = Board()
    for place, reading in enumerate(READINGS):
        samples = dict(reading.samples)
        change(place, samples)
        board.take(replace(reading, samples=samples))
    return judge(Facts(board.samples, board.derived), RULES)


def named(finding: Finding) -> tuple[Any, ...]:
    subject = finding.subject
    return finding.rule, finding.severity, subject.kind, subject.schema, subject.name


EVERYTHING = verdict_of(lambda place, samples: None)
WHOLE = {named(f): f for f in EVERYTHING.findings}
FOUND = {cause.name for cause in causes(EVERYTHING) if cause.state == "named"}


def test_findings_bear_the_names_of_their_rules() -> None:
    """By them a tab finds its own."""
    for rule, found in EVERYTHING.found.items():
        assert {finding.rule for finding in found.findings} <= {rule}


def never(kind: type[Any]) -> Callable[[int, Samples], None]:
    def change(place: int, samples: Samples) -> None:
        samples.pop(kind, None)

    return change


def refused(kind: type[Any], why: SourceError, since: int) -> Callable[[int, Samples], None]:
    def change(place: int, samples: Samples) -> None:
        if kind in samples and place >= since:
            samples[kind] = why

    return change


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_what_is_not_known_makes_no_finding(kind: type[Any]) -> None:
    assert len(WHOLE) >= 8, "the recording has what to find"
    assert {"N+1", "locks", "vacuum"} == FOUND
    no, locked = SourceError("permission denied", lasting=True), SourceError("locked")
    for change in (
        never(kind), refused(kind, no, 0), refused(kind, locked, 0),
        refused(kind, locked, len(READINGS) - 1),
    ):  # fmt: skip
        verdict = verdict_of(change)
        clear = {cause.name for cause in causes(verdict) if cause.state == "clear"}
        assert not clear & FOUND
        for finding in verdict.findings:
            assert named(finding) in WHOLE, finding
            assert "“”" not in f"{finding.title} {finding.why}"
            if finding.remedy is not None:
                before = WHOLE[named(finding)].remedy
                assert before is not None
                assert finding.remedy.sql == before.sql
