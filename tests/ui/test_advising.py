"""`I` on a statement: an index for it, from the question to the tray."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, cast

from textual.pilot import Pilot

from pgtop.advice import Facts, Rule
from pgtop.advisor.review import remedy
from pgtop.analysis.plan.parse import parse
from pgtop.model.advice import Advice, Advise, Advised, Gain, WorkTable
from pgtop.model.cost import NewIndex
from pgtop.model.finding import Finding, Subject
from pgtop.model.plan_request import PlanAnswer, StatementPlanOf
from pgtop.model.sample import SourceError
from pgtop.model.statement import DetailOf, StatementDetail, StatementKey
from pgtop.ui.panes.plan import PlanPane
from pgtop.ui.panes.queries import QueriesPane
from pgtop.ui.statement_asking import advised_for
from tests.factories import statement, text
from tests.ui.driving import app_of, running, screen_text, settle
from tests.ui.fakes import FakeSource
from tests.unit.plan_corpus import corpus

TABLE = WorkTable(
    relid=20_000, schema="public", name="orders", sql="public.orders", kind="r", rows=1e6,
    pages=1e4, visible_fraction=1.0,
)  # fmt: skip


def advice(key: StatementKey, column: str = "user_id") -> Advice:
    index = NewIndex(20_000, (column,), columns=(column,))
    name = f"orders_{column}_idx"
    gain = Gain(statement=str(key[2]), cost_before=1_791.0, cost_after=8.06, key=key)
    finding = Finding(
        rule="index.missing", severity="warning",
        subject=Subject("index", name, "public", "orders"),
        title=f"orders ({column}): {key[2]} for 8.06 instead of 1,791",
        why="cost 1,791.00 → 8.06. The planner's estimate.\x1b[2J",
        remedy=remedy(index, TABLE, name, "slow", {}),
    )  # fmt: skip
    advised = Advised(
        index=index, table=TABLE, finding=finding, size_bytes=5e6, gains=(gain,), verified=True
    )
    return Advice(
        indexes=(advised,), verified_by="hypopg", seconds=0.1, questions=5, complete=True,
        cost_before=1_791.0, cost_after=8.06, statements=(gain,),
    )  # fmt: skip


def source_of(answer: Any) -> FakeSource:
    source = FakeSource(statement(1), text(1, "select * from orders where user_id = $1"))
    source.answers[DetailOf] = StatementDetail("select * from orders where user_id = $1", ())
    source.answers[Advise] = answer
    return source


def under_cursor(pilot: Pilot[int]) -> StatementKey:
    return cast(StatementKey, app_of(pilot).query_one(QueriesPane).table.cursor_key)


async def test_an_index_is_asked_for_shown_and_kept() -> None:
    source = source_of(None)
    async with running(source, size=(120, 40)) as pilot:
        key = under_cursor(pilot)
        source.answers[Advise] = advice(key)
        await pilot.press("I")
        await settle(pilot)
        assert [r.keys for r in source.asked if isinstance(r, Advise)] == [(key,)]
        shown = screen_text(pilot)
        assert "CREATE INDEX CONCURRENTLY orders_user_id_idx ON public.orders (user_id);" in shown
        assert "\x1b" not in shown
        await pilot.press("a")
        await settle(pilot)
        assert [e.rule for e in app_of(pilot).tray.entries] == ["index.missing"]


async def test_advice_for_another_statement_is_kept_beside_it() -> None:
    source = source_of(None)
    async with running(source) as pilot:
        board = app_of(pilot).schedule.board
        key = under_cursor(pilot)
        other = (*key[:2], 77, key[3])
        board.add(Advice, (advice(other, "status"),))
        source.answers[Advise] = advice(key)
        for _ in range(2):
            await pilot.press("I")
            await settle(pilot)
        found = board.samples[Advice]
        assert not isinstance(found, SourceError)
        assert len(found.rows) == 2
        (finding,) = advised_for(found, key)
        assert finding.subject.name == "orders_user_id_idx"


async def test_why_there_is_no_advice_is_said() -> None:
    source = source_of(SourceError("permission denied for table orders", remedy="GRANT this"))
    async with running(source, size=(120, 40)) as pilot:
        await pilot.press("I")
        await settle(pilot)
        assert "no index advice: permission denied for table orders: GRANT this" in screen_text(
            pilot
        )


async def test_what_is_missing_is_listed_among_the_indexes() -> None:
    from tests.ui.test_indexes_pane import shop

    finding = advice((1, 1, 1, True)).indexes[0].finding

    def missing(facts: Facts) -> tuple[Finding, ...]:
        return (finding,)

    rules = (Rule("index.missing", missing),)
    source = shop()
    async with running(source, rules=rules, first_pane="indexes", size=(120, 40)) as pilot:
        await pilot.press("m")
        await settle(pilot)
        assert "advised" in screen_text(pilot)
        assert "orders (user_id): 1 for 8.06 instead of 1,791" in screen_text(pilot)
        await pilot.press("enter")
        await settle(pilot)
        assert "DROP INDEX CONCURRENTLY public.orders_user_id_idx;" in screen_text(pilot)
        await pilot.press("a")
        await settle(pilot)
        assert len(app_of(pilot).tray.entries) == 1


def _what_if(*, verified: bool) -> Advice:
    """Advice with the plans that it was made from."""
    key = (1, 2, 3, True)
    read = {"Schema": "public", "Relation Name": "orders", "Alias": "orders", "Plan Rows": 10}
    (now,) = parse(json.dumps([{"Plan": {"Node Type": "Seq Scan", "Total Cost": 1791, **read}}]))
    (then,) = parse(json.dumps([{"Plan": {
        "Node Type": "Index Scan", "Total Cost": 8, "Index Name": "<13540>btree_orders_user_id",
        **read}}]))  # fmt: skip
    found = advice(key)
    (gain,) = found.statements
    gain = replace(gain, plan_before=now, plan_after=then if verified else None)
    why = None if verified else "HypoPG is not installed"
    return replace(found, statements=(gain,), why_not_verified=why)


async def _in_plan_tab(pilot: Pilot[int]) -> None:
    pane = await app_of(pilot).show_pane("plan")
    assert isinstance(pane, PlanPane)
    pane.open_statement((1, 2, 3, True), "select 1")
    await settle(pilot)


async def test_the_plan_that_an_index_would_give_stands_beside_todays() -> None:
    source = source_of(_what_if(verified=True))
    source.answers[StatementPlanOf] = PlanAnswer(
        parse(corpus()["pg18/seqscan_filter.json"]), "generic plan", "select 1", database="shop",
        role="web",
    )  # fmt: skip
    async with running(source, size=(120, 40)) as pilot:
        await _in_plan_tab(pilot)
        await pilot.press("I")
        await settle(pilot)
        asked = [r for r in source.asked if isinstance(r, Advise)]
        assert [(r.keys, r.plans) for r in asked] == [(((1, 2, 3, True),), True)]
        shown = screen_text(pilot)
        assert "what if: orders (user_id)" in shown
        assert "against: today's plan" in shown
        assert "Index Scan using (not built) on orders  was Seq Scan on orders" in shown
        assert "1,791 → 8 (÷222)" in shown
        assert "÷224" in shown
        await pilot.press("y")
        await pilot.press("a")
        await settle(pilot)
        assert [e.rule for e in app_of(pilot).tray.entries] == ["index.missing"]


async def test_without_the_planners_word_there_is_no_plan_and_the_reason() -> None:
    source = source_of(_what_if(verified=False))
    source.answers[StatementPlanOf] = PlanAnswer(
        parse(corpus()["pg18/seqscan_filter.json"]), "generic plan", "select 1"
    )
    async with running(source, size=(140, 40)) as pilot:
        await _in_plan_tab(pilot)
        await pilot.press("I")
        await settle(pilot)
        shown = screen_text(pilot)
        assert "but no plan with it: HypoPG is not installed" in shown
        assert "Seq Scan on" in shown  # today's stays
        source.answers[Advise] = replace(_what_if(verified=False), indexes=())
        await pilot.press("I")
        await settle(pilot)
        assert "no index is advised: none makes it a twentieth" in screen_text(pilot)


async def test_a_pasted_plan_has_no_statement_to_plan_again() -> None:
    async with running(source_of(None), first_pane="plan", size=(120, 40)) as pilot:
        pane = app_of(pilot).query_one(PlanPane)
        pane.open_text(corpus()["pg18/seqscan_filter.json"])
        await pilot.press("I")
        await settle(pilot)
        assert "a pasted plan has no statement to plan again" in screen_text(pilot)
