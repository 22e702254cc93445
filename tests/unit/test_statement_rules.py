from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pgtop.advice import Facts, NeedsTime, NotPossible, judge
from pgtop.advice.statements import STATEMENT_RULES, n_plus_one, regressed, spills
from pgtop.analysis.workload import Workload
from pgtop.model.finding import Finding
from pgtop.model.sample import Sample, SourceError
from pgtop.model.server import Database, Role
from pgtop.model.statement import Statement, StatementText
from tests.factories import STARTED, statement, text

LOOKUP = "select id, name from users where id = $1"
LIST = "select * from books where shelf = $1"


def facts(
    steps: list[dict[int, dict[str, Any]]], texts: dict[int, str], *, mark_at: int | None = None
) -> Facts:
    """Facts after readings two seconds apart; a step holds each statement's counters."""
    workload = Workload()
    names: dict[type[Any], Sample[Any]] = {
        Role: Sample(STARTED, (Role(10, "web"),)),
        Database: Sample(STARTED, (Database(5, "shop"),)),
        StatementText: Sample(STARTED, tuple(text(q, t) for q, t in texts.items())),
    }
    for number, step in enumerate(steps):
        rows = tuple(statement(q, **fields) for q, fields in step.items())
        fresh: dict[type[Any], Sample[Any]] = {
            **names,
            Statement: Sample(STARTED + 100 + 2.0 * number, rows),
        }
        names = {}
        workload = workload.advanced(fresh, fresh)
        if number == mark_at:
            workload = workload.marked()
    return Facts({}, {Workload: workload})


def growing(
    per_step: dict[int, dict[str, Any]], steps: int = 5, start: int = 1
) -> list[dict[int, dict[str, Any]]]:
    return [
        {
            q: {name: value * (number + start) for name, value in fields.items()}
            for q, fields in per_step.items()
        }
        for number in range(steps)
    ]


def n_plus_one_load(**child: Any) -> dict[int, dict[str, Any]]:
    return {
        1: {"calls": 4_000, "rows": 4_000, "total_exec_time": 100.0, **child},
        2: {"calls": 80, "rows": 4_000, "total_exec_time": 40.0},
    }


def test_nothing_found_among_hidden_statements_is_not_nothing() -> None:
    steps = growing({1: {"calls": 10, "rows": 10, "total_exec_time": 1.0}})
    seen = facts(steps, {1: LOOKUP})
    assert len(judge(seen, STATEMENT_RULES).judged) == 3
    hidden = replace(seen.derived[Workload], hidden=7)
    verdict = judge(Facts({}, {Workload: hidden}), STATEMENT_RULES)
    assert verdict.judged == ()
    assert "7 statements of other roles are hidden" in verdict.not_possible["query.n_plus_one"]


def test_a_frequent_statement_without_text_is_not_judged() -> None:
    with pytest.raises(NeedsTime):
        list(n_plus_one(facts(growing(n_plus_one_load()), {2: LIST})))


def test_n_plus_one_names_both() -> None:
    (finding,) = n_plus_one(facts(growing(n_plus_one_load()), {1: LOOKUP, 2: LIST}))
    assert finding.subject.name == "1"
    assert finding.subject.of == "shop/web"
    assert "users" in finding.title
    assert "books" in finding.why
    assert finding.evidence["parent_queryid"] == "2"
    assert finding.evidence["calls_per_s"] == 2_000
    assert finding.remedy is None
    for word in ("select_related", "includes", "selectinload"):
        assert word in (finding.no_remedy or "")


@pytest.mark.parametrize(
    ("load", "texts"),
    [
        pytest.param(n_plus_one_load(rows=8_000), {1: LOOKUP, 2: LIST}, id="more than a row"),
        pytest.param(n_plus_one_load(calls=60, rows=60), {1: LOOKUP, 2: LIST}, id="seldom"),
        pytest.param(
            n_plus_one_load(total_exec_time=40_000.0), {1: LOOKUP, 2: LIST}, id="slow itself"
        ),
        pytest.param(n_plus_one_load(calls=8_000, rows=8_000), {1: LOOKUP, 2: LIST}, id="no pace"),
        pytest.param(
            n_plus_one_load(),
            {1: 'SELECT 1 FROM ONLY "users" x WHERE id = $1 FOR KEY SHARE OF x', 2: LIST},
            id="foreign-key check",
        ),
        pytest.param(n_plus_one_load(), {1: "update t set a = $1", 2: LIST}, id="no select"),
        pytest.param(n_plus_one_load(), {1: LOOKUP, 2: "insert into t"}, id="list no select"),
        pytest.param(
            {
                1: {"calls": 200, "rows": 200, "total_exec_time": 2.0},
                2: {"calls": 4, "rows": 200, "total_exec_time": 4_000.0},
            },
            {1: LOOKUP, 2: LIST},
            id="costs next to nothing",
        ),
    ],
)
def test_n_plus_one_stays_quiet(load: dict[int, dict[str, Any]], texts: dict[int, str]) -> None:
    assert list(n_plus_one(facts(growing(load), texts))) == []


def test_pgbench_is_not_accused() -> None:
    """Its look-up has no list that anybody iterates over."""
    load = {
        1: {"calls": 2_000, "rows": 2_000, "total_exec_time": 40.0},
        2: {"calls": 2_000, "rows": 2_000, "total_exec_time": 80.0},
        3: {"calls": 2_000, "rows": 2_000, "total_exec_time": 60.0},
    }
    texts = {
        1: "SELECT abalance FROM pgbench_accounts WHERE aid = $1",
        2: "UPDATE pgbench_accounts SET abalance = abalance + $1 WHERE aid = $2",
        3: "INSERT INTO pgbench_history (tid, bid, aid, delta, mtime) VALUES ($1, $2, $3, $4)",
    }
    assert list(n_plus_one(facts(growing(load), texts))) == []


def test_of_two_lists_none_is_named() -> None:
    load = n_plus_one_load() | {3: {"calls": 40, "rows": 4_000, "total_exec_time": 4.0}}
    (finding,) = n_plus_one(facts(growing(load), {1: LOOKUP, 2: LIST, 3: "select * from shelves"}))
    assert finding.evidence["parent_queryid"] is None
    assert "books" not in finding.why
    assert "shelves" not in finding.why


def test_one_burst_is_no_pattern() -> None:
    steps = growing(n_plus_one_load(), steps=5)
    steps[3][1]["calls"] = steps[2][1]["calls"]
    steps[3][1]["rows"] = steps[2][1]["rows"]
    assert list(n_plus_one(facts(steps, {1: LOOKUP, 2: LIST}))) == []


def test_spills_say_how_much() -> None:
    load = {1: {"calls": 4, "total_exec_time": 400.0, "temp_blks_written": 4 * 512}}
    (finding,) = spills(facts(growing(load), {1: "select * from t order by x"}))
    assert finding.evidence["temp_bytes_per_call"] == 512 * 8192
    assert finding.evidence["temp_bytes_per_s"] == 2 * 512 * 8192
    assert "8.00 MB" in (finding.no_remedy or "")


def test_a_little_temp_is_no_finding() -> None:
    load = {1: {"calls": 4, "total_exec_time": 400.0, "temp_blks_written": 100}}
    assert list(spills(facts(growing(load), {1: "select"}))) == []


def slowed(mean_ms: float, *, calls: int = 40) -> list[dict[int, dict[str, Any]]]:
    """A mean of 2 ms until the third reading, another after it."""
    steps, calls_now, total = [], 100, 200.0
    for number in range(6):
        steps.append({1: {"calls": calls_now, "total_exec_time": total}})
        calls_now += calls
        total += calls * (mean_ms if number >= 2 else 2.0)
    return steps


def test_regressed_against_the_mark() -> None:
    (finding,) = regressed(facts(slowed(20.0), {1: "select slow"}, mark_at=2))
    assert finding.evidence["mean_before_ms"] == 2.0
    assert finding.evidence["mean_ms"] == 20.0
    assert finding.cost.ms_per_s == pytest.approx(20 * 18.0)


@pytest.mark.parametrize(
    "steps",
    [
        pytest.param(slowed(2.0), id="the same"),
        pytest.param(slowed(3.9), id="less than twice"),
        pytest.param(slowed(6.5), id="less than 5 ms"),
        pytest.param(slowed(20.0, calls=4), id="too few to compare"),
    ],
)
def test_regressed_stays_quiet(steps: list[dict[int, dict[str, Any]]]) -> None:
    assert list(regressed(facts(steps, {1: "select slow"}, mark_at=2))) == []


def test_more_calls_count_only_against_what_was_watched() -> None:
    steps = [
        {1: {"calls": n, "total_exec_time": n * 10.0}} for n in (1_000, 1_030, 1_060, 1_300, 1_540)
    ]
    found: list[Finding] = list(regressed(facts(steps, {1: "select"}, mark_at=2)))
    assert [f.evidence["calls_per_s"] for f in found] == [120.0]
    assert list(regressed(facts(steps, {1: "select"}))) == []


def test_rules_say_why_they_cannot_tell() -> None:
    verdict = judge(facts(growing(n_plus_one_load(), steps=2), {}), STATEMENT_RULES)
    assert set(verdict.needs_time) >= {"query.n_plus_one", "query.spills"}
    refused = SourceError("pg_stat_statements is not installed", lasting=True)
    verdict = judge(Facts({Statement: refused}, {}), STATEMENT_RULES)
    assert set(verdict.not_possible) == {rule.name for rule in STATEMENT_RULES}
    with pytest.raises(NeedsTime):
        list(spills(Facts()))
    with pytest.raises(NotPossible):
        list(spills(Facts({Statement: refused}, {})))
