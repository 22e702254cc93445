"""The Autovacuum tab and its composer, driven by keys."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from textual.pilot import Pilot

from pgtop.model.finding import Finding, Subject
from pgtop.model.vacuum import DatabaseAge, HorizonHolder, VacuumBlock
from pgtop.ui.panes.autovacuum import AutovacuumPane
from pgtop.ui.vacuum_composer import Composer
from tests.factories import STARTED, counters, server, vitals
from tests.ui.driving import app_of, read_again, running, screen_text, settle
from tests.ui.fakes import FakeSource
from tests.vacuum_facts import holder, run, settings_rows, table, use

BIG: dict[str, Any] = {"reltuples": 2e8, "relpages": 3_333_334, "n_live_tup": 200_000_000}
AGO = STARTED - 10 * 86_400
PAST = 300 * 10 * 86_400
"""Dead rows that 300 a second make in the life of the counters."""


def source(*more: Any) -> FakeSource:
    rows = (
        server(version="15.18", version_num=150018),
        counters(stats_reset=AGO),
        *settings_rows(150018),
        table(20001, relname="events", n_tup_upd=PAST, **BIG),
        table(20002, relname="stuck", n_dead_tup=1_300_000, autovacuum_count=12),
        table(20003, relname='a"[/b]\x1b[2J', relpages=4, reltuples=10.0, n_live_tup=10),
        use(20001), use(20002, last_autovacuum=STARTED + 990), use(20003),
        holder(held_s=7200.0), DatabaseAge(5, "shop", True, True, 100_000_000, 1),
        *more,
    )  # fmt: skip
    return FakeSource(*rows)


def churned(found: FakeSource) -> None:
    """Eight seconds later: 300 dead rows a second."""
    found.clock += 6
    events, *others = found.rows[type(table())]
    found.set(
        events._replace(n_tup_upd=events.n_tup_upd + 2400, n_dead_tup=events.n_dead_tup + 2400),
        *others,
    )


@asynccontextmanager
async def shown(
    found: FakeSource, *, size: tuple[int, int] = (160, 48)
) -> AsyncIterator[Pilot[int]]:
    async with running(found, size=size, first_pane="autovacuum", readings=1) as pilot:
        churned(found)
        app_of(pilot).schedule.now(again=True)
        await settle(pilot)
        await read_again(pilot)
        yield pilot


def pane(pilot: Pilot[int]) -> AutovacuumPane:
    return app_of(pilot).query_one(AutovacuumPane)


def line_of(pilot: Pilot[int], word: str) -> str:
    return next(line for line in screen_text(pilot).split("\n") if word in line)


async def test_head_rows_and_words() -> None:
    async with shown(source(run(relid=20002))) as pilot:
        text = screen_text(pilot)
        assert "workers 1/3" in text
        assert "391 MiB/s read 39 write" in text
        assert "pid 4242, idle in transaction for 2 h" in text
        assert "oldest db 50 % of forced" in text
        assert "counters 10 d" in text
        assert "advice" in line_of(pilot, "public.events")
        assert "running" in line_of(pilot, "public.stuck")
        assert "gives way after 1.00 s" in text


async def test_the_worst_is_on_top_and_blocked_is_said() -> None:
    async with shown(source()) as pilot:
        row = pane(pilot).table.cursor_row
        assert row is not None
        assert row.case.seen.label == "public.stuck"
        assert "blocked ‼" in line_of(pilot, "public.stuck")
        await pilot.press("enter")
        await pilot.pause()
        assert "keeps the dead rows" in screen_text(pilot)
        assert "nothing to run" in screen_text(pilot)


async def test_sessions_that_cannot_be_seen_are_counted() -> None:
    found = source(vitals(hidden=7))
    found.rows[HorizonHolder] = ()
    async with shown(found) as pilot:
        assert "horizon ?, cannot see 7 sessions" in screen_text(pilot)


async def test_server_text_cannot_draw() -> None:
    async with shown(source()) as pilot:
        text = screen_text(pilot)
        assert "\x1b" not in text
        assert "[/b]" in text


async def open_events(pilot: Pilot[int]) -> Composer:
    pane(pilot).table.move_to(20001)
    await pilot.press("enter")
    await pilot.pause()
    return pane(pilot).query_one(Composer)


async def test_the_proposal_is_the_start_and_effects_move_with_it() -> None:
    async with shown(source()) as pilot:
        composer = await open_events(pilot)
        text = screen_text(pilot)
        assert "50 + 0.2 × 200,000,000 = ≈ 40,000,050 dead rows" in text
        assert "SET (autovacuum_vacuum_scale_factor = 0.05)" in text
        assert "undo  ALTER TABLE public.events RESET (autovacuum_vacuum_scale_factor)" in text
        assert composer.has_focus
        assert "10.0 M" in line_of(pilot, "dead rows at")
        await pilot.press("enter", "backspace", "1")
        await pilot.pause()
        assert "SET (autovacuum_vacuum_scale_factor = 0.01)" in screen_text(pilot)
        assert "2.00 M" in line_of(pilot, "dead rows at")
        await pilot.press("enter", "r")
        await pilot.pause()
        assert "SET (autovacuum_vacuum_scale_factor = 0.05)" in screen_text(pilot)


async def test_a_refused_value_is_said_and_left_out() -> None:
    async with shown(source()) as pilot:
        composer = await open_events(pilot)
        await pilot.press("down", "enter", *"99999999999", "enter")
        await pilot.pause()
        text = screen_text(pilot)
        assert "between 0 and 2147483647" in text
        assert "autovacuum_vacuum_threshold = " not in text
        assert composer.editing  # it is not left behind with Enter
        await pilot.press("escape")
        await pilot.pause()
        assert "between 0 and" not in screen_text(pilot)


async def test_digits_are_values_in_edit_mode_alone() -> None:
    async with shown(source()) as pilot:
        composer = await open_events(pilot)
        before = pane(pilot).composed()
        assert before is not None
        assert "OPTIONS" in screen_text(pilot)
        await pilot.press("enter", "3", "q")
        await pilot.pause()
        assert app_of(pilot).current is pane(pilot)
        assert "EDIT" in screen_text(pilot)
        assert "scale_factor = 3)" in screen_text(pilot)
        await pilot.press("escape")
        await pilot.pause()
        after = pane(pilot).composed()
        assert after is not None
        assert after.change() == before.change()
        assert composer.has_focus
        await pilot.press("3")
        await settle(pilot)
        assert app_of(pilot).current is not pane(pilot)


async def test_the_mouse_takes_no_half_typed_value_along() -> None:
    async with shown(source()) as pilot:
        await open_events(pilot)
        await pilot.press("enter", "7")
        pane(pilot).table.focus()
        await pilot.pause()
        assert "scale_factor = 0.05)" in screen_text(pilot)


async def test_an_edited_override_goes_into_the_tray_where_nothing_was_proposed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    copies: list[str] = []
    async with shown(source()) as pilot:
        monkeypatch.setattr(app_of(pilot), "copy_text", lambda text, what: copies.append(text))
        pane(pilot).table.move_to(20002)
        await pilot.press("enter", "a")
        await pilot.pause()
        assert "Enter edits one" in screen_text(pilot)
        assert not app_of(pilot).tray.entries
        await pilot.press("enter", *"0.07", "enter", "escape", "a", "y", "u")
        await settle(pilot)
        (kept,) = app_of(pilot).tray.entries
    statement = "ALTER TABLE public.stuck SET (autovacuum_vacuum_scale_factor = 0.07);"
    undo = "ALTER TABLE public.stuck RESET (autovacuum_vacuum_scale_factor);"
    assert kept.remedy.sql == (statement,)
    assert kept.remedy.undo == (undo,)
    assert kept.rule == "autovacuum.override"
    assert "70.0 k dead rows" in kept.title
    assert statement in copies[0]
    assert copies[1] == undo


async def test_pressure_says_of_what() -> None:
    aged = table(20005, relname="aged", xid_age=190_000_000)
    loaded = table(20006, relname="loaded", n_ins_since_vacuum=10_000_000)
    found = FakeSource(*settings_rows(), aged, loaded)
    async with running(found, size=(80, 24), first_pane="autovacuum") as pilot:
        assert "95 % xid age    190 M   200 M" in line_of(pilot, "public.aged")
        assert "4975 % inserts   10.0 M   201 k" in line_of(pilot, "public.loaded")


async def test_polite_and_firm() -> None:
    blocks = VacuumBlock(
        20001,
        99,
        "ShareUpdateExclusiveLock",
        True,
        "deploy",
        "",
        "active",
        "",
        30.0,
        STARTED,
        False,
    )
    async with shown(source(blocks)) as pilot:
        await open_events(pilot)
        assert "firm (p): pid 99 holds SHARE UPDATE EXCLUSIVE for 30.0 s" in screen_text(pilot)
        copied = pane(pilot).copied_text()
        assert copied is not None
        assert "SET lock_timeout = '3000ms'" in copied[0]
        await pilot.press("p")
        await pilot.pause()
        copied = pane(pilot).copied_text()
        assert copied is not None
        assert "SET lock_timeout = '500ms'" in copied[0]


async def test_marked_tables_become_one_script(monkeypatch: pytest.MonkeyPatch) -> None:
    copies: list[str] = []
    other = table(20004, relname="items", n_tup_upd=PAST, **BIG)
    events = table(20001, relname="events", n_tup_upd=PAST, **BIG)
    found = source()
    found.set(events, other, use(20001), use(20004))
    async with running(found, size=(160, 48), first_pane="autovacuum", readings=1) as pilot:
        app = app_of(pilot)
        monkeypatch.setattr(app, "copy_text", lambda text, what: copies.append(text))
        found.clock += 6
        found.set(
            *(
                one._replace(n_tup_upd=PAST + 2400, n_dead_tup=2400)
                for one in found.rows[type(other)]
            )
        )
        app.schedule.now(again=True)
        await settle(pilot)
        for relid in (20001, 20004):
            pane(pilot).table.move_to(relid)
            await pilot.press("x")
        await pilot.pause()
        assert "2 marked" in screen_text(pilot)
        await pilot.press("y")
        await pilot.press("u")
    assert [text.count("ALTER TABLE public.") for text in copies] == [4, 2]
    script = copies[0].split("\n")
    assert [line for line in script if line.startswith("ALTER")] == [
        "ALTER TABLE public.events SET (autovacuum_vacuum_scale_factor = 0.05);",
        "ALTER TABLE public.items SET (autovacuum_vacuum_scale_factor = 0.05);",
    ]
    assert script[-1] == "RESET lock_timeout;"


async def test_many_small_tables_are_one_line() -> None:
    small = [
        table(21000 + n, relname=f"tenant_{n}", relpages=2, reltuples=20.0, n_live_tup=20)
        for n in range(300)
    ]
    async with shown(FakeSource(*settings_rows(), *small)) as pilot:
        assert "300 small tables, 1 due (s)" in screen_text(pilot)
        assert pane(pilot).table.row_count == 1
        await pilot.press("s")
        await pilot.pause()
        assert pane(pilot).table.row_count == 300


async def test_a_finding_leads_to_its_row_small_folded_filtered_or_toast() -> None:
    many = [table(21000 + n, relname=f"s{n}", relpages=1, reltuples=5.0) for n in range(300)]
    toast = table(30001, relname="pg_toast_20001", schemaname="pg_toast", relkind="t", **BIG)
    events = table(20001, relname="events", reltoastrelid=30001, **BIG)
    found = FakeSource(*settings_rows(), events, toast, *many)
    async with running(found, size=(120, 40), first_pane="autovacuum") as pilot:
        tab = pane(pilot)
        assert 21007 not in tab.table.keys
        for subject, relid in (
            (Subject("table", "s7", schema="public"), 21007),
            (Subject("table", "events", schema="public"), 20001),
            (Subject("table", "events", schema="public", of="toast"), 30001),
        ):
            tab.filter_text = "s299"
            tab.refilter()
            tab.seek(Finding("autovacuum.late", "notice", subject, "", ""))
            await pilot.pause()
            assert tab.table.keys[tab.table.cursor_index] == relid
            assert tab.filter_text == "" or relid in tab.table.keys
        assert tab.key_of(Subject("setting", "autovacuum")) is None
        assert tab.key_of(Subject("table", "s7", schema="other")) is None


async def test_state_and_name_are_in_view_at_every_width() -> None:
    async with shown(source(), size=(80, 30)) as pilot:
        for width in (80, 96, 104, 112, 118, 128, 136, 148, 160, 176, 196, 204):
            await pilot.resize_terminal(width, 30)
            await pilot.pause()
            line = line_of(pilot, "public.stuck")
            assert "blocked" in line, width
            assert len(line) <= width


async def test_ascii_alone_where_the_terminal_has_no_more() -> None:
    found = source(run(relid=20002))
    async with running(found, first_pane="autovacuum", config={"ascii": True}) as pilot:
        await pilot.press("enter")
        await pilot.pause()
        composer = pane(pilot).query_one(Composer)
        assert "50 + 0.2 x" in composer._text.plain
        assert composer._text.plain.isascii()
        assert screen_text(pilot).isascii()
