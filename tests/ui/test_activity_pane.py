"""The Activity tab: the tree with its root on top, idle ones aside, acting only when asked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pgtop.model.plan_request import PlanOf
from pgtop.model.sample import SourceError
from pgtop.model.server import Server, Vitals
from pgtop.model.session import Ended, EndOf, LockHolder, LockWait, Prepared, Session
from tests.factories import counters, link, server, vitals
from tests.sessions import NOW, session, wait
from tests.ui.driving import app_of, read_again, running, screen_text
from tests.ui.fakes import FakeSource


def source(*more: object) -> FakeSource:
    made = FakeSource(
        server(), link(), vitals(waiting=2), counters(),
        session(10, state="idle in transaction", state_change=NOW - 900,
                query="UPDATE orders a SET v = 5"),
        session(11, query="UPDATE orders b"), session(12, query="ALTER TABLE orders c"),
        session(13, query="SELECT d"), session(14, state="idle", query="SELECT e"),
        wait(11, 10), wait(12, 11, mode="AccessExclusiveLock"),
        LockHolder(10, None, 4, "RowExclusiveLock public.orders"), *more,
    )  # fmt: skip
    made.clock = NOW
    return made


def audited(state: Path) -> list[dict[str, Any]]:
    """The lines of the audit file, which is nobody else's to read."""
    log = next(state.rglob("actions.log"))
    assert log.stat().st_mode & 0o777 == 0o600
    return [json.loads(line) for line in log.read_text().splitlines()]


async def test_the_tree_opens_with_its_root_on_top() -> None:
    async with running(source(), first_pane="activity", size=(140, 30)) as pilot:
        shown = screen_text(pilot)
        assert "blocking tree" in shown
        table = app_of(pilot).panes["activity"].table
        assert [key[0] for key in table.keys if isinstance(key, tuple)] == [10, 11, 12]
        assert "└ 11" in shown
        assert "  └ 12" in shown
        assert "SELECT d" not in shown
        await pilot.press("b")
        shown = screen_text(pilot)
        assert "SELECT d" in shown
        assert "SELECT e" not in shown
        assert "1 idle not shown" in shown
        await pilot.press("i")
        assert "SELECT e" in screen_text(pilot)


async def test_a_prepared_transaction_is_named_by_its_gid() -> None:
    prepared = (wait(13, 0, gid="mig 1"), Prepared("mig 1", "deploy", "shop", 90.0, 7))
    async with running(source(*prepared), first_pane="activity", size=(140, 30)) as pilot:
        assert "prepared transaction mig 1" in screen_text(pilot)


async def test_nothing_acts_unless_it_was_allowed() -> None:
    served = source()
    async with running(served, first_pane="activity") as pilot:
        await pilot.press("K")
        await pilot.pause()
        assert "only with --allow-actions" in screen_text(pilot)
        assert served.asked == []
        assert "K" not in dict(app_of(pilot).shown_keys())


async def test_the_session_that_was_asked_about_is_the_one_that_ends(tmp_path: Path) -> None:
    served = source()
    served.answers[EndOf] = Ended(found=True, same=True, sent=True)
    async with running(served, first_pane="activity", config={"allow_actions": True}) as pilot:
        await pilot.press("K")
        await pilot.pause()
        shown = screen_text(pilot)
        assert dict(app_of(pilot).shown_keys())["K"] == "end the session…"
        assert "End this session?" in shown
        assert "UPDATE orders a" in shown
        served.set(wait(13, 12), session(12, query="another"), session(13, query="SELECT d"))
        await read_again(pilot)  # the row under the cursor is another now
        await pilot.press("Y")
        await app_of(pilot).workers.wait_for_complete()
        asked = EndOf(pid=10, backend_start=NOW - 900, terminate=True, xact_start=NOW - 60)
        assert served.asked == [asked]
        await pilot.pause()
        assert "terminate sent to pid 10" in screen_text(pilot)
    confirmed, outcome = audited(tmp_path)
    assert (confirmed["action"], confirmed["pid"], confirmed["user"]) == ("terminate", 10, "web")
    assert confirmed["server"] == "db1:5432"
    assert confirmed["statement"] == "UPDATE orders a SET v = ?"
    assert outcome["outcome"].startswith("terminate sent to pid 10")


async def test_a_session_that_went_on_is_left_alone() -> None:
    served = source()
    served.answers[EndOf] = Ended(found=True, same=False, sent=False)
    async with running(served, first_pane="activity", config={"allow_actions": True}) as pilot:
        await pilot.press("down", "C")
        await pilot.pause()
        assert "Cancel this statement?" in screen_text(pilot)
        await pilot.press("Y")
        await app_of(pilot).workers.wait_for_complete()
        asked = EndOf(pid=11, backend_start=NOW - 900, terminate=False, query_start=NOW - 40)
        assert served.asked == [asked]
        await pilot.pause()
        assert "runs another statement by now: nothing was done" in screen_text(pilot)


async def test_an_idle_session_is_not_cancelled_in_vain() -> None:
    async with running(source(), first_pane="activity", config={"allow_actions": True}) as pilot:
        await pilot.press("C")
        await pilot.pause()
        assert "a cancel would do nothing" in screen_text(pilot)


async def test_without_an_audit_file_nothing_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    served = source()
    monkeypatch.setattr("pgtop.state.files.places", lambda: iter((Path("/dev/null/no"),)))
    async with running(served, first_pane="activity", config={"allow_actions": True}) as pilot:
        await pilot.press("K")
        await pilot.pause()
        await pilot.press("Y")
        await app_of(pilot).workers.wait_for_complete()
        await pilot.pause()
        assert "nothing was done: the audit file cannot be written" in screen_text(pilot)
        assert served.asked == []


async def test_escape_leaves_it() -> None:
    served = source()
    async with running(served, first_pane="activity", config={"allow_actions": True}) as pilot:
        await pilot.press("K")
        await pilot.pause()
        await pilot.press("escape")
        await app_of(pilot).workers.wait_for_complete()
        assert served.asked == []


async def test_the_copy_ends_this_session_and_no_other() -> None:
    async with running(source(), first_pane="activity") as pilot:
        pane = app_of(pilot).current
        assert pane is not None
        found = pane.copied_text()
        assert found is not None
        assert "pg_terminate_backend(pid)" in found[0]
        assert "pid = 10 AND backend_start = " in found[0]


@pytest.mark.parametrize("width", [60, 73, 80, 95, 104, 112, 136, 150, 200])
async def test_the_statement_is_seen_at_every_width(width: int) -> None:
    async with running(source(), first_pane="activity", size=(width, 30)) as pilot:
        assert "UPDATE" in screen_text(pilot)


def load(*queries: str) -> list[Session]:
    return [
        session(100 + number, query_id=900 + number, query=query, wait_event_type="IO",
                wait_event="DataFileRead")
        for number, query in enumerate(queries)
    ]  # fmt: skip


async def test_the_load_leads_to_statements_and_on_to_sessions() -> None:
    served = source()
    served.rows[Session] = (*served.rows[Session], *load("SELECT big", "SELECT small"))
    async with running(served, first_pane="activity", size=(140, 30)) as pilot:
        await pilot.press("w")
        shown = screen_text(pilot)
        assert "sessions active on average" in shown
        assert "DataFileRead 2.00" in shown
        table = app_of(pilot).panes["activity"].table
        assert table.move_to(("load", "IO", 901))
        await pilot.press("enter")
        await pilot.pause()
        shown = screen_text(pilot)
        assert "only IO · SELECT small" in shown
        assert list(table.keys) == [(101, NOW - 900)]
        await pilot.press("escape")
        await pilot.pause()
        assert "sessions active on average" in screen_text(pilot)


async def test_a_finding_leads_to_its_row_in_the_view_that_has_it() -> None:
    served = source(session(30, state="idle in transaction", state_change=NOW - 120, xid_age=1))
    served.rows[Session] = (*source().rows[Session], *served.rows[Session])
    async with running(served, first_pane="activity", size=(140, 30)) as pilot:
        app = app_of(pilot)
        assert app.verdict is not None
        by_rule = {f.rule: f for f in app.verdict.findings if not f.subject.name.startswith("10@")}
        app.show_finding(by_rule["connections.idle_in_transaction"])
        await pilot.pause()
        await pilot.pause()
        assert app.panes["activity"].table.cursor_key == (30, NOW - 900)


async def test_the_plan_of_what_no_counter_holds_is_asked_by_its_text() -> None:
    served = source()
    served.answers[PlanOf] = SourceError("no plan in this test")
    async with running(served, first_pane="activity", size=(140, 30)) as pilot:
        await pilot.press("e")
        await pilot.pause()
        assert "it runs no statement just now" in screen_text(pilot)
        await pilot.press("down", "e")
        await pilot.pause()
        await app_of(pilot).workers.wait_for_complete()
        assert served.asked == [PlanOf(text="UPDATE orders b", dbname="shop")]


async def test_the_question_shows_its_keys_on_a_small_screen() -> None:
    long = "UPDATE orders SET\n" + "  v = v + 1,\n" * 200
    served = source()
    rows = [row._replace(query=long) if row.pid == 10 else row for row in served.rows[Session]]
    served.rows[Session] = tuple(rows)
    options: dict[str, Any] = {"config": {"allow_actions": True}, "size": (80, 24)}
    async with running(served, first_pane="activity", **options) as pilot:
        await pilot.press("K")
        await pilot.pause()
        assert "Y  do it      Esc  leave it" in screen_text(pilot)


async def test_hidden_sessions_are_no_all_clear() -> None:
    unseen = session(7, state=None, backend_type=None, query=None, xact_start=None, hidden=True)
    async with running(FakeSource(unseen), first_pane="activity") as pilot:
        shown = screen_text(pilot)
        assert "≥0 active" in shown
        assert "nobody whom this role may see was at work; 1 are hidden" in shown
        await pilot.press("w")
        await pilot.pause()
        assert "no session whom this role may see was at work; 1 are hidden" in screen_text(pilot)


async def test_a_reading_that_met_a_lock_leaves_the_last_rows_in_grey_with_their_age() -> None:
    served = source()
    async with running(served, first_pane="activity", size=(140, 30)) as pilot:
        table = app_of(pilot).panes["activity"].table
        await read_again(pilot)
        rows, name = table.row_count, server().database
        for kind in (Session, Server, Vitals):
            served.errors[kind] = SourceError(
                f"{kind.__name__.lower()}: locked; pgtop waited", sqlstate="55P03"
            )
        for _ in range(3):
            await read_again(pilot)
        shown = screen_text(pilot)
        assert (table.row_count, table.stale) == (rows, True)
        assert "! session: locked; pgtop waited; these rows are 6 s old" in shown
        assert "! vitals: locked; pgtop waited" in shown
        assert name in shown.split("\n")[0]
        assert "└ 11" in shown
        served.errors.clear()
        await read_again(pilot)
        assert not table.stale
        assert "locked; pgtop waited" not in screen_text(pilot)
        served.errors[Session] = SourceError("permission denied", sqlstate="42501", lasting=True)
        await read_again(pilot)
        assert table.row_count == 0


async def test_a_session_that_ends_under_its_detail_is_said_to_have_ended() -> None:
    served = source()
    async with running(served, first_pane="activity", size=(140, 30)) as pilot:
        await pilot.press("enter")
        await read_again(pilot)
        assert "has ended" not in screen_text(pilot)
        served.rows[Session] = tuple(s for s in served.rows[Session] if s.pid != 10)
        served.rows[LockWait] = ()
        await read_again(pilot)
        await pilot.pause()
        assert "pid 10 has ended" in screen_text(pilot)


async def test_rows_of_long_ago_are_not_shown_for_want_of_newer_ones() -> None:
    """Another tab was in view for minutes, and what is read meanwhile is not on this one."""
    served = source()
    async with running(served, first_pane="activity", size=(140, 30)) as pilot:
        await pilot.press("8")
        for _ in range(40):
            await read_again(pilot)
        served.errors[Session] = SourceError("session: locked", sqlstate="55P03")
        await pilot.press("2")
        await read_again(pilot)
        assert app_of(pilot).panes["activity"].table.row_count == 0
        assert "session: locked" in screen_text(pilot)
        assert "UPDATE orders" not in screen_text(pilot)
