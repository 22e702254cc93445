"""The Overview tab: worst first, each finding leads to its row, its DDL, its plan."""

from __future__ import annotations

from pgtop.advice import Facts, NotPossible, Rule
from pgtop.advice.missing import MISSING_RULES
from pgtop.analysis.groups import Group
from pgtop.model.advice import Advice, Advise, Advised, Gain, WorkTable
from pgtop.model.cost import NewIndex
from pgtop.model.finding import Cost, Finding, Remedy, Subject
from pgtop.model.plan_request import StatementPlanOf
from pgtop.model.sample import SourceError
from pgtop.model.server import Role, Vitals
from pgtop.model.statement import Running, Statement, StatementText
from pgtop.ui.panes.overview import OverviewPane
from tests.factories import counters, link, server, statement, text, vitals
from tests.ui.driving import app_of, read_again, running, screen_text
from tests.ui.fakes import FakeSource

SLOW = Finding(
    rule="query.spills", severity="warning", subject=Subject("statement", "7"),
    title="statement seven spills", why="1 MB a call", no_remedy="set work_mem for it",
)  # fmt: skip
BROKEN = Finding(
    rule="index.invalid", severity="critical", subject=Subject("index", "broken", "public"),
    title="index broken is invalid", why="a build was interrupted",
    remedy=Remedy(
        ("REINDEX INDEX CONCURRENTLY public.broken",), (), False, "SHARE UPDATE EXCLUSIVE"
    ),
)  # fmt: skip


def found(*findings: Finding) -> Rule:
    return Rule("test.found", lambda facts: findings)


def hidden(facts: Facts) -> tuple[Finding, ...]:
    raise NotPossible("only a superuser may look")


def source() -> FakeSource:
    return FakeSource(
        server(), link(), vitals(), counters(), statement(7, calls=5), statement(8, calls=9),
        text(7, "SELECT seven"), text(8, "SELECT eight"),
    )  # fmt: skip


async def test_the_worst_is_on_top_with_its_remedy_below() -> None:
    async with running(source(), first_pane="overview", rules=(found(BROKEN, SLOW),)) as pilot:
        shown = screen_text(pilot)
        assert shown.index("index broken is invalid") < shown.index("statement seven spills")
        assert "REINDEX INDEX CONCURRENTLY public.broken;" in shown
        assert "2 findings, worst first" in shown
        await pilot.press("down")
        assert "no DDL: set work_mem for it" in screen_text(pilot)


async def test_a_healthy_server_says_what_was_checked() -> None:
    rules = (found(), Rule("test.hidden", hidden))
    async with running(source(), first_pane="overview", rules=rules) as pilot:
        assert "no finding: 1 checks passed, 1 not possible here" in screen_text(pilot)
        await pilot.press("w")
        await pilot.pause()
        assert "only a superuser may look" in screen_text(pilot)


async def test_enter_leads_to_the_row_behind_it() -> None:
    async with running(source(), first_pane="overview", rules=(found(SLOW),)) as pilot:
        await pilot.press("enter")
        await pilot.pause()
        await read_again(pilot)
        app = app_of(pilot)
        assert app.current is not None
        assert app.current.NAME == "queries"
        assert app.current.table.cursor_key == (10, 5, 7, True)
        await pilot.press("escape")
        await pilot.pause()
        assert app.current.NAME == "overview"


async def test_the_copy_is_the_ddl_and_a_keeps_it() -> None:
    async with running(source(), first_pane="overview", rules=(found(BROKEN),)) as pilot:
        pane = app_of(pilot).current
        assert isinstance(pane, OverviewPane)
        assert pane.copied_text() == ("REINDEX INDEX CONCURRENTLY public.broken;", "DDL")
        await pilot.press("a")
        await pilot.app.workers.wait_for_complete()
        assert [e.rule for e in app_of(pilot).tray.entries] == ["index.invalid"]


async def test_what_no_tab_reads_is_read_in_the_background() -> None:
    groups = {"statements": Group((Statement, Running), 0, 1), "names": Group((Role,), 60, 1)}
    served = source()
    served.errors[Role] = SourceError("permission denied", remedy="GRANT pg_monitor TO me")
    async with running(
        served, first_pane="overview", rules=(found(),), groups=groups, readings=1
    ) as pilot:
        app = app_of(pilot)
        for _ in range(200):
            if Role in app.schedule.board.samples:
                break
            await pilot.pause(0.01)
        assert {Statement, Running, Role} <= set(app.schedule.board.samples)
        reads = served.reads
        assert reads == 3  # the header's, then each group once
        await pilot.press("w")
        await pilot.pause()
        assert "permission denied: GRANT pg_monitor TO me" in screen_text(pilot)


def advice() -> Advice:
    table = WorkTable(
        relid=1, schema="public", name="orders", sql="public.orders", kind="r", rows=1e6,
        pages=1e4, visible_fraction=1.0,
    )  # fmt: skip
    index = NewIndex(1, ("user_id",))
    sql = "CREATE INDEX CONCURRENTLY orders_user_id_idx ON public.orders (user_id)"
    finding = Finding(
        rule="index.missing", severity="warning", subject=Subject("index", "orders_user_id_idx"),
        title="", why="cost 7,500 → 20",
        remedy=Remedy((sql,), ("DROP INDEX CONCURRENTLY x",), False, "SHARE UPDATE EXCLUSIVE"),
    )  # fmt: skip
    gain = Gain(statement="7", cost_before=7_500.0, cost_after=20.0, key=(10, 5, 7, True))
    made = Advised(
        index=index, table=table, finding=finding, size_bytes=1e6, gains=(gain,), verified=False
    )
    return Advice(
        indexes=(made,), verified_by="none", seconds=0.1, questions=3, complete=True,
        cost_before=7_500.0, cost_after=20.0,
    )  # fmt: skip


async def test_the_busiest_statements_are_planned_by_themselves() -> None:
    served = source()
    served.answers[Advise] = advice()
    served.answers[StatementPlanOf] = SourceError("not now")
    groups = {"statements": Group((Statement, Running, Role, StatementText), 0, 1)}
    async with running(
        served, first_pane="overview", rules=MISSING_RULES, groups=groups, readings=1
    ) as pilot:
        app = app_of(pilot)
        app.schedule.interval = 0.05
        for number in range(6):
            served.set(statement(7, calls=9 + number, total_exec_time=1e3 * (number + 2)))
            await read_again(pilot)
            await pilot.pause(0.2)
        await app.workers.wait_for_complete()
        await read_again(pilot)
        shown = screen_text(pilot)
        assert [a.keys for a in served.asked if isinstance(a, Advise)] == [((10, 5, 7, True),)]
        assert "orders (user_id) is missing: “SELECT seven…” would cost 20.0 instead" in shown
        assert "CREATE INDEX CONCURRENTLY orders_user_id_idx" in shown
        await pilot.press("e")
        await pilot.pause()
        await app.workers.wait_for_complete()
        assert StatementPlanOf(key=(10, 5, 7, True)) in served.asked


async def test_among_notices_the_bigger_comes_first_also_when_it_came_last() -> None:
    def notice(name: str, size: float) -> Finding:
        subject = Subject("index", name, "public")
        return Finding("index.bloated", "notice", subject, name, "", cost=Cost(bytes=size))

    found_now: list[Finding] = [notice("small", 7e5), notice("alike", 6.9e5)]
    rule = Rule("index.bloated", lambda facts: tuple(found_now) if facts.rows(Vitals) else ())
    async with running(source(), first_pane="overview", rules=(rule,)) as pilot:
        found_now += [notice("big", 4.8e7)]
        found_now[1] = notice("alike", 7.1e5)
        await read_again(pilot)
        shown = screen_text(pilot)
        assert shown.index("big") < shown.index("small") < shown.index("alike"), shown
