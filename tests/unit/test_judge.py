from __future__ import annotations

from collections.abc import Iterator

from pgtop.advice import Facts, Judge, NotPossible, Rule
from pgtop.model.finding import Finding, Subject
from pgtop.model.sample import Sample
from pgtop.model.server import Role, Server


def test_a_rule_is_asked_again_only_when_what_it_looked_at_changed() -> None:
    asked: list[int] = []

    def rule(facts: Facts) -> Iterator[Finding]:
        asked.append(len(facts.rows(Role)))
        for role in facts.rows(Role):
            yield Finding("x", "notice", Subject("server", role.rolname), "title", "why")

    judge = Judge((Rule("x", rule),))
    roles = Sample(1.0, (Role(1, "a"),))
    assert list(judge.steps(Facts({Role: roles}))) == ["x"]
    assert list(judge.steps(Facts({Role: roles, Server: Sample(1.0, ())}))) == []
    assert [f.subject.name for f in judge.verdict.findings] == ["a"]
    assert list(judge.steps(Facts({Role: Sample(2.0, ())}))) == ["x"]
    assert judge.verdict.findings == ()
    assert asked == [1, 0]


def test_a_rule_that_could_not_tell_is_asked_when_it_can() -> None:
    def rule(facts: Facts) -> Iterator[Finding]:
        if not facts.rows(Role):
            raise NotPossible("no roles")
        yield from ()

    judge = Judge((Rule("x", rule),))
    list(judge.steps(Facts()))
    assert "x" in judge.verdict.needs_time
    list(judge.steps(Facts({Role: Sample(1.0, ())})))
    assert judge.verdict.not_possible == {"x": "no roles"}
    list(judge.steps(Facts({Role: Sample(1.0, (Role(1, "a"),))})))
    assert judge.verdict.judged == ("x",)
