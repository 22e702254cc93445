"""What rules found, put in order in slices: the same as one sort and one search would give."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgtop.advice import Facts, Judge, Rule, judge, verdict
from pgtop.advice.summary import entries
from pgtop.model.finding import SEVERITIES, Cost, Finding, Subject, rank

RULE_NAMES = ("locks.blocking", "index.unused", "index.invalid")

FINDINGS = st.builds(
    Finding,
    rule=st.sampled_from(RULE_NAMES),
    severity=st.sampled_from(SEVERITIES),
    subject=st.builds(
        Subject,
        st.sampled_from(("index", "session", "table")),
        st.sampled_from("abcd"),
        schema=st.sampled_from((None, "public", "app")),
    ),
    title=st.just("title"),
    why=st.just("why"),
    cost=st.builds(Cost, ms_per_s=st.sampled_from((None, 1.0, 9.0)), bytes=st.floats(0, 9)),
)


def rules(findings: Iterable[Finding]) -> list[Rule]:
    every = tuple(findings)

    def of(name: str) -> Rule:
        mine = tuple(f for f in every if f.rule == name)
        return Rule(name, lambda facts: mine)

    return [of(name) for name in RULE_NAMES]


@given(st.lists(FINDINGS, max_size=30), st.integers(1, 4))
def test_order_and_search_are_those_of_one_list(findings: list[Finding], run: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(verdict, "RUN", run)
        said = judge(Facts(), rules(findings))
    ordered = sorted(findings, key=rank)
    assert [rank(f) for f in said.findings] == [rank(f) for f in ordered]
    assert set(map(id, said.findings)) == set(map(id, findings))
    for found in said.found.values():
        ranks = [rank(f) for f in found.findings]
        assert ranks == sorted(ranks)
    of_index = [f for f in ordered if f.rule.startswith("index.")]
    assert [rank(f) for f in said.of("index.")] == [rank(f) for f in of_index]
    for name in "abcd":
        mine = [f for f in ordered if f.subject.name == name]
        assert [rank(f) for f in said.about(name)] == [rank(f) for f in mine]
        blocking = [f for f in mine if f.rule == "locks.blocking"]
        assert [rank(f) for f in said.about(name, "locks.")] == [rank(f) for f in blocking]


def test_tens_of_thousands_are_put_in_order_in_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    """No time is measured: with every look at the clock a slice ends, so many are a step."""
    monkeypatch.setattr(verdict, "SLICE_S", 0.0)
    many = [
        Finding("index.unused", "notice", Subject("index", f"i{n}"), "title", "why")
        for n in range(10 * verdict.RUN)
    ]
    judging = Judge(rules(many))
    assert list(judging.steps(Facts())).count(None) >= 10
    assert [f.subject.name for f in judging.verdict.about("i7")] == ["i7"]
    before = judging.verdict.found["index.unused"]
    assert list(judging.steps(Facts())) == [], "nothing to do: no rule looked at anything"
    assert judging.verdict.found["index.unused"] is before


@given(st.lists(FINDINGS, max_size=30))
def test_every_finding_has_a_line(findings: list[Finding]) -> None:
    told = [f for entry in entries(sorted(findings, key=rank)) for f in entry.findings]
    assert {id(f) for f in told} == {id(f) for f in findings}
