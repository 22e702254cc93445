from __future__ import annotations

from collections.abc import Iterator

from pgtop.advice import Facts, Judge, NotPossible, Rule, judge
from pgtop.advice.rules import RULES
from pgtop.analysis.derived import Board
from pgtop.db.queries import QUERIES
from pgtop.model.finding import Finding, Subject
from pgtop.model.sample import Sample
from pgtop.model.server import Role, Server
from tests.factories import STARTED, reading


def test_a_rule_is_asked_again_only_when_what_it_looked_at_changed() -> None:
    asked: list[int] = []

    def rule(facts: Facts) -> Iterator[Finding]:
        asked.append(len(facts.rows(Role)))
        for role in facts.rows(Role):
            yield Finding("x", "notice", Subject("server", role.rolname), "title", "why")

    judging = Judge((Rule("x", rule),))

    def said(facts: Facts) -> list[str]:
        return [name for name in judging.steps(facts) if name is not None]

    roles = Sample(1.0, (Role(1, "a"),))
    assert said(Facts({Role: roles})) == ["x"]
    assert said(Facts({Role: roles, Server: Sample(1.0, ())})) == []
    assert [f.subject.name for f in judging.verdict.findings] == ["a"]
    assert said(Facts({Role: Sample(2.0, ())})) == ["x"]
    assert judging.verdict.findings == ()
    assert asked == [1, 0]


def test_a_rule_that_could_not_tell_is_asked_when_it_can() -> None:
    def rule(facts: Facts) -> Iterator[Finding]:
        if not facts.rows(Role):
            raise NotPossible("no roles")
        yield from ()

    judging = Judge((Rule("x", rule),))
    list(judging.steps(Facts()))
    assert "x" in judging.verdict.needs_time
    list(judging.steps(Facts({Role: Sample(1.0, ())})))
    assert judging.verdict.not_possible == {"x": "no roles"}
    list(judging.steps(Facts({Role: Sample(1.0, (Role(1, "a"),))})))
    assert judging.verdict.judged == ("x",)


def test_no_rule_breaks_over_nothing() -> None:
    """Every row type read, none with a row: a rule may say that it cannot tell, no more."""
    board = Board()
    for at in (0.0, 2.0, 4.0):
        board.take(reading(dict.fromkeys(QUERIES, ()), at=STARTED + at))
    assert judge(Facts(board.samples, board.derived), RULES).findings == ()
