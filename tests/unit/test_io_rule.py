"""Slow storage: against before, several samples running, and only where it is measured."""

from __future__ import annotations

import pytest

from pgtop.advice import Facts, judge
from pgtop.advice.io import IO_RULES
from pgtop.analysis.io import IoFlow
from pgtop.model.io import IoTime
from pgtop.model.sample import Sample, SourceError

BEFORE = (10_000, 5_000.0)
"""Operations and milliseconds before: 0.5 ms each."""


def seen(*gaps: tuple[int, float], timed: bool = True, before: tuple[int, float] = BEFORE) -> Facts:
    """Facts after gaps of 10 s, each with so many operations of so many milliseconds."""
    ops, ms = before
    flow, at = IoFlow(), 1_000.0
    sample: Sample[IoTime] = Sample(at, (IoTime("read", timed, ops, ms),))
    flow = flow.advanced({IoTime: sample}, {})
    for more, each in gaps:
        ops, ms, at = ops + more, ms + more * each, at + 10
        sample = Sample(at, (IoTime("read", timed, ops, ms),))
        flow = flow.advanced({IoTime: sample}, {})
    return Facts({IoTime: sample}, {IoFlow: flow})


def test_three_slow_gaps_are_a_finding() -> None:
    (finding,) = judge(seen((500, 0.5), (200, 30.0), (200, 30.0), (200, 45.0)), IO_RULES).findings
    assert finding.severity == "warning"
    assert finding.evidence["mean_ms"] == pytest.approx(35.0)
    assert finding.evidence["before_ms"] == pytest.approx(0.5)
    assert finding.evidence["ops_per_s"] == pytest.approx(20.0)


@pytest.mark.parametrize(
    "gaps",
    [
        [(500, 0.5)] * 5,  # as ever
        [(0, 0.0)] * 5,  # idle
        [(200, 30.0), (200, 30.0), (200, 0.6)],  # over
        [(200, 30.0), (5, 30.0), (200, 30.0)],  # a few late ones
        [(200, 4.0)] * 3,  # slower, and no trouble
    ],
)
def test_quiet(gaps: list[tuple[int, float]]) -> None:
    verdict = judge(seen(*gaps), IO_RULES)
    assert verdict.findings == ()
    assert verdict.judged == ("io.slow",)


def test_storage_that_was_always_slow_is_no_finding() -> None:
    assert not judge(seen(*[(200, 30.0)] * 4, before=(10_000, 200_000.0)), IO_RULES).findings


def test_without_timing_nothing_is_claimed() -> None:
    untimed = judge(seen(*[(200, 0.0)] * 4, timed=False), IO_RULES)
    assert "track_io_timing" in untimed.not_possible["io.slow"]
    nothing = judge(Facts({IoTime: Sample(1.0, ())}, {IoFlow: IoFlow()}), IO_RULES)
    assert "from 16" in nothing.not_possible["io.slow"]
    assert judge(Facts({IoTime: SourceError("no", lasting=True)}), IO_RULES).not_possible
    assert judge(seen((200, 30.0)), IO_RULES).needs_time


def test_a_reset_starts_anew() -> None:
    facts = seen(*[(200, 30.0)] * 4)
    flow = facts.get(IoFlow)
    after = flow.advanced({IoTime: Sample(2_000.0, (IoTime("read", True, 7, 3.0),))}, {})
    assert after.paces["read"] == ()
