from __future__ import annotations

from typing import Any

import pytest

from pgtop.analysis.statement_delta import NOTHING, delta
from pgtop.analysis.workload import HISTORY_KEPT, Workload
from pgtop.model.sample import Sample
from pgtop.model.statement import Running, Statement, StatementsInfo, StatementText
from tests.factories import STARTED, statement, text


def after(*readings: tuple[Statement, ...], texts: tuple[StatementText, ...] = ()) -> Workload:
    """The workload after readings two seconds apart."""
    workload = Workload()
    for number, rows in enumerate(readings):
        fresh: dict[type[Any], Sample[Any]] = {Statement: Sample(STARTED + 100 + 2 * number, rows)}
        if texts:
            fresh[StatementText] = Sample(STARTED + 100, texts)
        workload = workload.advanced(fresh, fresh)
    return workload


def test_a_rate_is_what_happened_between_two_readings() -> None:
    workload = after(
        (statement(1, calls=10, total_exec_time=100.0),),
        (statement(1, calls=30, total_exec_time=160.0),),
    )
    window = workload.window("interval")
    view = window.view((10, 5, 1, True), 60.0)
    assert view.delta is not None
    assert view.per_s(view.delta.calls) == 10.0
    assert view.delta.mean_ms == 3.0
    assert view.share == 1.0
    assert view.reset_mean_ms == pytest.approx(160 / 30)


def test_before_the_second_reading_the_window_is_since_the_reset() -> None:
    window = after((statement(1, calls=10),)).window("interval")
    assert window.time_base == "reset"
    assert window.deltas()[10, 5, 1, True].calls == 10


@pytest.mark.parametrize(
    "again",
    [
        pytest.param({"calls": 3, "total_exec_time": 1.0}, id="fewer calls"),
        pytest.param({"calls": 50, "stats_since": STARTED + 99}, id="thrown out and back"),
    ],
)
def test_a_reset_is_a_gap_and_never_a_negative_rate(again: dict[str, Any]) -> None:
    workload = after((statement(1, calls=40, total_exec_time=90.0),), (statement(1, **again),))
    assert workload.gaps == 1
    assert workload.window("interval").delta((10, 5, 1, True)) is None
    assert workload.window("interval").deltas() == {}


def test_a_statement_that_did_not_change_keeps_its_object() -> None:
    workload = after((statement(1), statement(2)), (statement(1), statement(2, calls=2)))
    assert workload.previous is not None
    assert workload.now is not None
    assert workload.now.rows[10, 5, 1, True] is workload.previous.rows[10, 5, 1, True]
    assert workload.window("interval").delta((10, 5, 1, True)) is NOTHING


def test_the_history_of_a_statement_is_bounded_and_leaves_idle_intervals_out() -> None:
    ran = [statement(1, calls=10 * n, total_exec_time=60.0 * n) for n in range(HISTORY_KEPT + 9)]
    workload = after(*((row,) for row in (*ran, ran[-1])))
    points = workload.points((10, 5, 1, True))
    assert len(points) == HISTORY_KEPT
    last = STARTED + 100 + 2 * (len(ran) - 1)
    assert points[-1] == (last, 30.0, 5.0)
    assert points[0] == (last - 2 * (HISTORY_KEPT - 1), 30.0, 5.0)
    assert workload.points((10, 5, 2, True)) == []


def test_a_base_from_before_the_reset_is_none() -> None:
    """Counters that began anew hold nothing of what was before."""
    workload = after(
        (statement(1, calls=10),), (statement(1, calls=30),), (statement(1, calls=2),)
    ).marked()
    reset_at = STARTED + 110
    info = Sample(STARTED + 111, (StatementsInfo(0, reset_at, 5_000, True),))
    rows = Sample(STARTED + 112, (statement(1, calls=7),))
    workload = workload.advanced({StatementsInfo: info, Statement: rows}, {})
    window = workload.window("mark")
    assert (window.time_base, window.seconds) == ("reset", 2.0)
    assert window.deltas()[10, 5, 1, True].calls == 7
    later = Sample(STARTED + 114, (statement(1, calls=9),))
    again = workload.marked().advanced({Statement: later}, {})
    assert again.window("mark").deltas()[10, 5, 1, True].calls == 2


def test_the_mark_is_a_base_of_its_own() -> None:
    first = (statement(1, calls=10),)
    workload = after(first, (statement(1, calls=20),)).marked()
    fresh = {Statement: Sample(STARTED + 110, (statement(1, calls=25),))}
    workload = workload.advanced(fresh, fresh)
    change = workload.window("mark").delta((10, 5, 1, True))
    assert change is not None
    assert change.calls == 5


def test_order_puts_what_ran_first_and_own_statements_nowhere() -> None:
    texts = (text(1, "SELECT /* pgtop */ 1"), text(2, "often"), text(3, "idle"), text(4, "slow"))
    workload = after(
        (statement(1), statement(2), statement(3, total_exec_time=1e6), statement(4)),
        (
            statement(1, calls=9),
            statement(2, calls=9, total_exec_time=5.0),
            statement(3, total_exec_time=1e6),
            statement(4, calls=2, total_exec_time=3.0),
        ),
        texts=texts,
    )
    window = workload.window("interval")
    deltas = window.deltas()
    by = {m: [k[2] for k in window.ordered(m, deltas)] for m in ("total", "mean", "calls")}
    assert by["total"] == [2, 4, 3]
    assert by["mean"] == [4, 2, 3]
    assert by["calls"] == [2, 4, 3]


def test_a_statement_under_way_counts_before_any_counter_holds_it() -> None:
    workload = after((statement(1, calls=1),), (statement(1, calls=2, total_exec_time=2.0),))
    fresh = {Running: Sample(STARTED + 102, (Running(7, 10, 5, 99, 7_200.0, "select endless"),))}
    workload = workload.advanced(fresh, fresh)
    window = workload.window("interval")
    order = window.ordered("total", window.deltas())
    assert order[0] == (10, 5, 99, True)
    view = window.view(order[0], 1.0)
    assert (view.running, view.running_s, view.query) == (1, 7_200.0, "select endless")


def test_rows_that_are_hidden_are_counted_not_merged() -> None:
    hidden = statement(1)._replace(queryid=None)
    workload = after((hidden, hidden, statement(2)))
    assert workload.hidden == 2
    assert workload.now is not None
    assert len(workload.now.rows) == 1


def test_a_clock_set_back_gives_no_rate() -> None:
    workload = Workload()
    for at, calls in ((STARTED + 10, 1), (STARTED + 5, 2)):
        fresh = {Statement: Sample(at, (statement(1, calls=calls),))}
        workload = workload.advanced(fresh, fresh)
    assert workload.intervals == ()


def test_delta_of_a_new_statement_is_all_of_it() -> None:
    change = delta(statement(1, calls=4, total_exec_time=8.0), None)
    assert change is not None
    assert (change.calls, change.mean_ms) == (4, 2.0)
