# ruff: noqa: E501
"""The Plan tab: tree, findings, folding, search, comparison, questions."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from pgtop.analysis.plan.parse import parse
from pgtop.model.plan_request import AnalyzeCheck, CheckAnalyze, PlanAnswer, PlanOf, StatementPlanOf
from pgtop.model.sample import SourceError
from pgtop.ui.panes.plan import PlanPane
from tests.factories import statement, text
from tests.ui.driving import app_of, running, screen_text
from tests.ui.fakes import FakeSource
from tests.unit.plan_corpus import corpus


async def _opened(pilot: Any, text: str) -> PlanPane:
    pane = await app_of(pilot).show_pane("plan")
    assert isinstance(pane, PlanPane)
    pane.open_text(text)
    await pilot.pause()
    return pane


def _wide(count: int) -> str:
    member = {
        "Node Type": "Seq Scan", "Parent Relationship": "Member", "Actual Total Time": 0.1,
        "Actual Loops": 1, "Actual Rows": 3, "Plan Rows": 3, "Total Cost": 1.0,
    }  # fmt: skip
    plans = [{**member, "Relation Name": f"part_{n}", "Alias": f"part_{n}"} for n in range(count)]
    root = {"Node Type": "Append", "Actual Total Time": 0.1 * count, "Actual Loops": 1,
            "Actual Rows": 3 * count, "Plan Rows": 3 * count, "Total Cost": 2.0 * count, "Plans": plans}  # fmt: skip
    return json.dumps([{"Plan": root, "Execution Time": 0.1 * count + 1}])


async def test_without_a_plan_it_says_how_to_get_one() -> None:
    async with running(FakeSource(), first_pane="plan") as pilot:
        assert "paste EXPLAIN's output here" in screen_text(pilot)


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (160, 48)])
async def test_a_plan_is_shown_with_its_findings_at_every_size(size: tuple[int, int]) -> None:
    async with running(FakeSource(), first_pane="plan", size=size) as pilot:
        pane = await _opened(pilot, corpus()["pg18/sort_disk.json"])
        shown = screen_text(pilot)
        assert "Seq Scan on orders" in shown
        assert "went to disk" in shown
        assert pane.table.cursor_row is not None


async def test_a_paste_that_is_none_leaves_the_old_plan() -> None:
    async with running(FakeSource(), first_pane="plan") as pilot:
        pane = await _opened(pilot, corpus()["pg18/sort_disk.json"])
        pane.open_text("hello\nworld")
        await pilot.pause()
        assert "this is no plan: line 1" in screen_text(pilot)
        assert "Seq Scan on orders" in screen_text(pilot)


async def test_every_metric_has_a_key() -> None:
    async with running(FakeSource(), first_pane="plan") as pilot:
        pane = await _opened(pilot, corpus()["pg18/sort_disk.json"])
        for key, metric in (("r", "rows"), ("s", "estimate"), ("b", "buffers"), ("i", "io"),
                            ("c", "cost"), ("w", "wal"), ("t", "time")):  # fmt: skip
            await pilot.press(key)
            await pilot.pause()
            assert pane.metric == metric


async def test_enter_shows_the_node_and_escape_closes_it() -> None:
    async with running(FakeSource(), first_pane="plan", size=(120, 50)) as pilot:
        await _opened(pilot, corpus()["pg18/parallel_gm_disk.v.json"])
        await pilot.press("H")
        await pilot.press("enter")
        await pilot.pause()
        await pilot.pause()
        shown = screen_text(pilot)
        assert "rows in total" in shown
        assert "loops ÷ 3 processes" in shown
        await pilot.press("escape")
        await pilot.pause()
        assert "rows in total" not in screen_text(pilot)


async def test_folding_and_the_members_of_an_append() -> None:
    async with running(FakeSource(), first_pane="plan") as pilot:
        pane = await _opened(pilot, _wide(200))
        assert pane.table.row_count == 1
        assert "200 below" in screen_text(pilot)
        await pilot.press("right")
        assert pane.table.row_count == 201
        await pilot.press("right")
        assert pane.table.cursor_index == 1
        await pilot.press("left")
        assert pane.table.cursor_key == 0
        await pilot.press("left")
        assert pane.table.row_count == 1


async def test_search_goes_to_the_node_and_unfolds() -> None:
    async with running(FakeSource(), first_pane="plan") as pilot:
        pane = await _opened(pilot, _wide(200))
        await pilot.press("slash", *"part_150", "enter")
        await pilot.pause()
        assert pane.table.cursor_key == 151
        await pilot.press("n")
        assert pane.table.cursor_key == 151


async def test_n_goes_from_finding_to_finding() -> None:
    async with running(FakeSource(), first_pane="plan") as pilot:
        pane = await _opened(pilot, corpus()["pg18/func_col.json"])
        view = pane.view
        assert view is not None
        await pilot.press("n")
        assert pane.table.cursor_key == view.insights[0].number
        assert pane.copied_text() is not None


def _answer(name: str, way: str = "generic plan, values unknown") -> PlanAnswer:
    return PlanAnswer(parse(corpus()[name]), way, "select 1", database="shop", role="web")


async def test_a_statements_plan_is_asked_for_and_compared() -> None:
    source = FakeSource()
    source.answers[StatementPlanOf] = _answer("pg18/sort_disk.json")
    async with running(source, first_pane="plan") as pilot:
        pane = await app_of(pilot).show_pane("plan")
        assert isinstance(pane, PlanPane)
        pane.open_statement((1, 2, 3, True), "select 1")
        await app_of(pilot).workers.wait_for_complete()
        await pilot.pause()
        assert "generic plan, values unknown" in screen_text(pilot)
        assert "shop as web" in screen_text(pilot)
        source.answers[StatementPlanOf] = _answer("pg18/seqscan_filter.json")
        await pilot.press("e")
        await app_of(pilot).workers.wait_for_complete()
        await pilot.press("d")
        await pilot.pause()
        shown = screen_text(pilot)
        assert "self before" in shown
        assert "gone: Sort" in shown
        await pilot.press("d")


async def test_a_smaller_plan_takes_the_place_of_a_larger_one() -> None:
    """The rows of the old one do not fit the columns of the new one for a moment either."""
    async with running(FakeSource(), first_pane="plan", size=(120, 40)) as pilot:
        for plan in (_wide(7), corpus()["pg18/seqscan_filter.json"], _wide(3)):
            await _opened(pilot, plan)
            await pilot.press("d", "d")
        assert app_of(pilot).defect is None
        assert "Seq Scan" in screen_text(pilot)


async def test_a_refused_plan_does_not_stand_under_another_statements() -> None:
    source = FakeSource()
    source.answers[StatementPlanOf] = _answer("pg18/sort_disk.json")
    async with running(source, first_pane="plan") as pilot:
        pane = await app_of(pilot).show_pane("plan")
        assert isinstance(pane, PlanPane)
        pane.open_statement((1, 2, 3, True), "select 1")
        await app_of(pilot).workers.wait_for_complete()
        source.answers[StatementPlanOf] = SourceError("permission denied for table orders")
        pane.open_statement((1, 2, 4, True), "update orders")
        await app_of(pilot).workers.wait_for_complete()
        await pilot.pause()
        shown = screen_text(pilot)
        assert "permission denied" in shown
        assert "Seq Scan" not in shown
        assert "went to disk" not in shown
        source.answers[StatementPlanOf] = _answer("pg18/seqscan_filter.json")
        pane.open_statement((1, 2, 5, True), "select 2")
        await app_of(pilot).workers.wait_for_complete()
        await pilot.press("d")
        await pilot.pause()
        assert "self before" in screen_text(pilot)  # the last plan that there was


async def test_a_refusal_is_a_sentence() -> None:
    source = FakeSource()
    source.answers[StatementPlanOf] = SourceError("SET has no plan")
    async with running(source, first_pane="plan") as pilot:
        pane = await app_of(pilot).show_pane("plan")
        assert isinstance(pane, PlanPane)
        pane.open_statement((1, 2, 3, True))
        await app_of(pilot).workers.wait_for_complete()
        await pilot.pause()
        assert "SET has no plan" in screen_text(pilot)


async def test_values_are_typed_or_taken_from_pg_stats() -> None:
    source = FakeSource()
    source.answers[PlanOf] = _answer("pg18/sort_disk.json")
    async with running(source, first_pane="plan") as pilot:
        pane = await app_of(pilot).show_pane("plan")
        assert isinstance(pane, PlanPane)
        pane.open_request(PlanOf(text="select $1, $2"))
        await app_of(pilot).workers.wait_for_complete()
        await pilot.press("V", *"1,'a,b'", "enter")
        await app_of(pilot).workers.wait_for_complete()
        asked = source.asked[-1]
        assert isinstance(asked, PlanOf)
        assert asked.typed == ("1", "'a,b'")
        await pilot.press("V", "enter")
        await app_of(pilot).workers.wait_for_complete()
        assert [a.values for a in source.asked[-2:] if isinstance(a, PlanOf)] == [
            "common",
            "typical",
        ]


async def test_analyze_is_asked_for_and_only_then_run() -> None:
    source = FakeSource()
    source.answers[PlanOf] = _answer("pg18/sort_disk.json")
    source.answers[CheckAnalyze] = AnalyzeCheck(
        "db1:5432", "shop", "web", ("f",), ("dblink",), 5, True
    )
    async with running(source, first_pane="plan", config={"allow_actions": True}) as pilot:
        pane = await app_of(pilot).show_pane("plan")
        assert isinstance(pane, PlanPane)
        pane.open_request(PlanOf(text="select 1"))
        await app_of(pilot).workers.wait_for_complete()
        for answer, runs in (("escape", False), ("Y", True)):
            before = len(source.asked)
            await pilot.press("A")
            for _ in range(50):
                await pilot.pause(0.01)
                if "Run this statement?" in screen_text(pilot):
                    break
            shown = screen_text(pilot)
            assert "db1:5432" in shown
            assert "dblink" in shown
            await pilot.press(answer)
            await app_of(pilot).workers.wait_for_complete()
            ran = [a for a in source.asked[before:] if isinstance(a, PlanOf) and a.analyze]
            assert bool(ran) == runs


async def test_analyze_needs_the_option() -> None:
    source = FakeSource()
    async with running(source, first_pane="plan") as pilot:
        await _opened(pilot, corpus()["pg18/sort_disk.json"])
        await pilot.press("A")
        await app_of(pilot).workers.wait_for_complete()
        await pilot.pause()
        assert "--allow-actions" in screen_text(pilot)
        assert source.asked == []


async def test_server_text_is_harmless() -> None:
    hostile = [{"Plan": {"Node Type": "Seq Scan", "Relation Name": "[red]\x1b]0;x\x07[/nope]"}}]
    async with running(FakeSource(), first_pane="plan") as pilot:
        await _opened(pilot, json.dumps(hostile))
        await pilot.press("enter")
        await pilot.pause()
        assert "[red]" in screen_text(pilot)
        assert "\x1b" not in screen_text(pilot)


async def test_five_thousand_nodes_open_and_move_at_once() -> None:
    text = _wide(5_000)
    plan = parse(text)
    assert len(plan[0].nodes) == 5_001
    async with running(FakeSource(), first_pane="plan") as pilot:
        pane = await _opened(pilot, text)
        await pilot.press("right")
        started = time.process_time()
        for _ in range(10):
            pane.table.action_move(1)
        assert (time.process_time() - started) / 10 < 0.03
        assert pane.table.row_count == 5_001


async def test_every_key_can_be_pressed_without_a_plan_and_with_one() -> None:
    keys = [b.key for b in PlanPane.BINDINGS]  # type: ignore[union-attr]
    async with running(FakeSource(), first_pane="plan") as pilot:
        for key in keys:
            await pilot.press(key)
            await pilot.press("escape")
        await _opened(pilot, corpus()["pg13/nestloop_bad.json"])
        for key in keys:
            await pilot.press(key)
            await pilot.press("escape")
            await pilot.pause()
        assert app_of(pilot).is_running


async def test_e_on_a_statement_opens_its_plan() -> None:
    source = FakeSource(statement(1, calls=5, total_exec_time=9.0), text(1, "select 1"))
    source.answers[StatementPlanOf] = _answer("pg18/sort_disk.json")
    async with running(source, first_pane="queries") as pilot:
        await pilot.press("e")
        await pilot.pause()
        await app_of(pilot).workers.wait_for_complete()
        await pilot.pause()
        assert "generic plan, values unknown" in screen_text(pilot)
        assert any(isinstance(asked, StatementPlanOf) for asked in source.asked)


async def test_the_head_names_the_statement_and_a_node_is_copied_in_words() -> None:
    source = FakeSource(statement(1, calls=5, total_exec_time=9.0), text(1, "select 1"))
    answer = source.answers[StatementPlanOf] = _answer("pg18/sort_disk.json")
    async with running(source, first_pane="queries", size=(80, 24)) as pilot:
        await pilot.press("e")
        await pilot.pause()
        await app_of(pilot).workers.wait_for_complete()
        await pilot.pause()
        second = screen_text(pilot).split("\n")[3]
        assert second.strip().rstrip("…") in " ".join(answer.text.split())
        pane = app_of(pilot).current
        assert pane is not None
        await pilot.press("end")
        copied = pane.copied_text()
        assert copied is not None
        assert "▏" not in copied[0]
        assert copied[1] in ("node", "DDL")
