"""The order of the first screen: folding, causes, what was checked."""

from __future__ import annotations

from collections.abc import Iterable

from pgtop.advice.summary import CAUSES, causes, entries, nothing_found, said
from pgtop.advice.verdict import Found, Verdict, arranged
from pgtop.model.finding import Cost, Finding, Severity, Subject


def finding(rule: str, name: str, severity: Severity = "notice", size: float = 1.0) -> Finding:
    return Finding(
        rule=rule,
        severity=severity,
        subject=Subject("index", name, "public"),
        title=name,
        why="",
        cost=Cost(bytes=size),
    )


def verdict(
    *findings: Finding,
    judged: tuple[str, ...] = (),
    needs_time: dict[str, str] | None = None,
    not_possible: dict[str, str] | None = None,
) -> Verdict:
    rules = {*judged, *(f.rule for f in findings)}
    return Verdict(
        {rule: in_order(f for f in findings if f.rule == rule) for rule in rules},
        needs_time or {},
        not_possible or {},
    )


def in_order(findings: Iterable[Finding]) -> Found:
    steps = arranged(findings)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            found: Found = end.value
            return found


def test_many_notices_of_one_rule_are_one_line_where_the_first_stood() -> None:
    unused = [finding("index.unused", f"i{n}", size=10.0) for n in range(5)]
    bloated = [finding("index.bloated", f"b{n}") for n in range(3)]
    made = entries([finding("locks.blocking", "x", "critical"), *unused, *bloated])
    assert [(e.worst.rule, len(e.findings)) for e in made] == [
        ("locks.blocking", 1), ("index.unused", 5),
        ("index.bloated", 1), ("index.bloated", 1), ("index.bloated", 1),
    ]  # fmt: skip
    assert made[1].bytes == 50
    assert made[1].key == ("index.unused", "several")


def test_warnings_are_never_folded() -> None:
    many = [finding("index.unused", f"i{n}", "warning") for n in range(9)]
    assert len(entries(many)) == 9


def test_a_cause_is_named_clear_or_not_known() -> None:
    found = {
        c.name: c.state
        for c in causes(
            verdict(
                finding("query.n_plus_one", "1", "warning"),
                judged=("query.n_plus_one", "locks.blocking"),
                needs_time={"autovacuum.late": "Table was not read yet"},
                not_possible={"index.missing_fk": "no statistics"},
            )
        )
    }
    assert found == {"indexes": "unknown", "N+1": "named", "locks": "clear", "vacuum": "waiting"}


def test_a_notice_does_not_name_a_cause() -> None:
    (cause,) = causes(verdict(finding("locks.blocking", "1"), judged=("locks.blocking",)))
    assert cause.state == "clear"


def test_healthy_is_said_only_when_all_was_judged() -> None:
    waiting = verdict(judged=("a", "b"), needs_time={"c": "two samples"})
    assert nothing_found(waiting) == ("no finding so far: 2 checked, 1 need more time (w says why)")
    healthy = verdict(judged=("a", "b"), not_possible={"c": "hidden"})
    assert nothing_found(healthy).startswith("no finding: 2 checks passed, 1 not possible here")
    assert said(healthy) == "2 checked, 1 not possible here"


def test_a_forgotten_transaction_is_not_the_pools_fault() -> None:
    names = dict(CAUSES)
    forgotten, queue = "connections.idle_in_transaction", "pool.waiting"
    assert [n for n, rules in names.items() if forgotten.startswith(rules)] == ["locks"]
    assert [n for n, rules in names.items() if queue.startswith(rules)] == ["pool"]


def test_all_that_is_said_of_one_session_is_one_line() -> None:
    who = Subject("session", "4242@1.0")
    made = entries(
        [
            Finding(rule=rule, severity="warning", subject=who, title=rule, why="")
            for rule in ("locks.blocking", "connections.idle_in_transaction")
        ]
    )
    assert [[f.rule for f in e.findings] for e in made] == [
        ["locks.blocking", "connections.idle_in_transaction"]
    ]
    assert not made[0].folded
    assert made[0].key == ("locks.blocking", who)


def test_a_session_of_a_folded_line_has_its_own_for_what_else_is_said_of_it() -> None:
    def of(rule: str, number: int) -> Finding:
        return Finding(rule, "notice", Subject("session", f"{number}@1.0"), rule, "")

    made = entries([*(of("connections.idle_in_transaction", n) for n in range(4)), of("wait.x", 3)])
    assert [[f.rule for f in e.findings] for e in made] == [
        ["connections.idle_in_transaction"] * 4, ["wait.x"]
    ]  # fmt: skip
