from __future__ import annotations

import unicodedata

import pytest
from textual import events

from pgtop.model.sample import Disconnected, SourceError
from pgtop.model.server import Database, Role
from pgtop.model.statement import (
    DetailOf,
    FindStatements,
    Running,
    Statement,
    StatementDetail,
    StatementText,
    TextsOf,
    UseDatabase,
)
from pgtop.ui.filter import FilterLine
from pgtop.ui.live_table import LiveTable
from pgtop.ui.panes.queries import QueriesPane
from tests.factories import link, server, statement, text
from tests.hostile import CORPUS
from tests.ui.driving import app_of, read_again, running, screen_text, segments, settle
from tests.ui.fakes import FakeSource


def shop() -> FakeSource:
    return FakeSource(
        statement(1, calls=1_000, total_exec_time=9_000.0, rows=1_000),
        statement(2, calls=10, total_exec_time=5_000.0),
        text(1, "select often from a"),
        text(2, "select slow from b"),
    )


def statements(pilot_text: str) -> list[str]:
    """The statements on screen, top to bottom."""
    return [line[line.index("select ") :] for line in pilot_text.split("\n") if "select " in line]


async def test_first_reading_is_shown_by_total_time() -> None:
    async with running(shop(), readings=1) as pilot:
        shown = screen_text(pilot)
        assert statements(shown) == ["select often from a", "select slow from b"]
        assert "by total time ▼" in shown
        assert "since reset" in shown


async def test_m_sorts_by_mean_without_asking_the_server() -> None:
    source = shop()
    async with running(source, readings=1) as pilot:
        reads = source.reads
        await pilot.press("m")
        await pilot.pause()
        assert statements(screen_text(pilot)) == ["select slow from b", "select often from a"]
        assert "by mean time ▼" in screen_text(pilot)
        assert source.reads == reads


async def test_every_order_has_a_key_and_is_named() -> None:
    async with running(shop(), readings=1) as pilot:
        for key, words in (("c", "calls"), ("r", "rows"), ("i", "I/O"), ("x", "temp"),
                           ("w", "WAL"), ("t", "total time")):  # fmt: skip
            await pilot.press(key)
            await pilot.pause()
            assert f"by {words} ▼" in screen_text(pilot)


async def test_rates_come_from_two_readings() -> None:
    source = shop()
    async with running(source, readings=1) as pilot:
        source.set(
            statement(1, calls=1_020, total_exec_time=9_040.0),
            statement(2, calls=12, total_exec_time=5_200.0),
        )
        await read_again(pilot)
        shown = screen_text(pilot)
        assert statements(shown)[0] == "select slow from b"
        assert "last 2.00 s" in shown
        assert "83 %" in shown
        assert "100 ms" in shown  # 200 ms in two seconds
        await pilot.press("equals_sign")
        await pilot.pause()
        assert "since pgtop started" in screen_text(pilot)
        await pilot.press("equals_sign")
        await pilot.pause()
        assert statements(screen_text(pilot))[0] == "select often from a"


async def test_the_mark_is_a_base() -> None:
    source = shop()
    async with running(source) as pilot:
        await pilot.press("asterisk")
        source.set(statement(1, calls=1_002), statement(2, calls=10, total_exec_time=5_000.0))
        await read_again(pilot)
        assert "since the mark" in screen_text(pilot)


@pytest.mark.parametrize("row", [0, 25])
async def test_reader_keeps_their_place_when_rows_move(row: int) -> None:
    many = [statement(i, total_exec_time=1000.0 - i) for i in range(60)]
    source = FakeSource(*many, *(text(i, f"select {i}") for i in range(60)))
    async with running(source, readings=1) as pilot:
        await pilot.press("equals_sign", "equals_sign", "down")
        for _ in range(row):
            await pilot.press("down")
        table = app_of(pilot).query_one(QueriesPane).table
        watched = table.cursor_key
        line = table.cursor_index - table._top
        source.set(statement(99, total_exec_time=5_000.0), *many)
        await read_again(pilot)
        assert table.cursor_key == watched
        assert table.cursor_index == row + 2
        if table._top:
            assert table.cursor_index - table._top == line


async def test_untouched_the_cursor_stays_with_the_worst() -> None:
    source = shop()
    async with running(source) as pilot:
        table = app_of(pilot).query_one(QueriesPane).table
        assert table.cursor_key == (10, 5, 1, True)
        source.set(statement(1, calls=1_001), statement(2, calls=99, total_exec_time=9e6))
        await read_again(pilot)
        assert table.cursor_key == (10, 5, 2, True)


async def test_filter_by_text_and_by_user() -> None:
    async with running(shop()) as pilot:
        await pilot.press("slash", *"slow")
        await pilot.pause()
        assert statements(screen_text(pilot)) == ["select slow from b"]
        await pilot.press("enter")
        assert "/slow/" in screen_text(pilot)
        await pilot.press("escape")
        await pilot.pause()
        assert len(statements(screen_text(pilot))) == 2
        await pilot.press("slash", *"nobody", "enter")
        await pilot.pause()
        assert "no statement matches /nobody/" in screen_text(pilot)


async def test_digits_and_q_are_text_in_the_filter() -> None:
    async with running(shop()) as pilot:
        await pilot.press("slash", "q", "3")
        await pilot.pause()
        assert app_of(pilot).query_one(QueriesPane).filter_text == "q3"


async def test_missing_extension_says_what_to_run_and_y_copies_it() -> None:
    source = FakeSource()
    source.errors[Statement] = SourceError(
        "pg_stat_statements is not installed in this database",
        remedy="CREATE EXTENSION pg_stat_statements;",
        lasting=True,
    )
    async with running(source) as pilot:
        shown = screen_text(pilot)
        assert "is not installed" in shown
        assert "CREATE EXTENSION pg_stat_statements;" in shown
        await pilot.press("y")
        await settle(pilot)
        assert app_of(pilot).clipboard == "CREATE EXTENSION pg_stat_statements;"


async def test_d_finds_the_database_that_has_it_and_goes_there() -> None:
    source = FakeSource()
    source.errors[Statement] = SourceError("not installed here", lasting=True)
    source.answers[FindStatements] = "postgres"
    source.answers[UseDatabase] = "postgres"
    async with running(source) as pilot:
        await pilot.press("d")
        await settle(pilot)
        assert "it is in database postgres: d goes there" in screen_text(pilot)
        await pilot.press("d")
        await settle(pilot)
        assert UseDatabase("postgres") in source.asked


async def test_enter_shows_the_whole_text_and_every_counter() -> None:
    source = shop()
    source.answers[DetailOf] = StatementDetail(
        "select often from a\n where whole = $1", (("calls", 3.0), ("total_exec_time", 12.5))
    )
    async with running(source, size=(120, 40)) as pilot:
        await pilot.press("enter")
        await settle(pilot)
        await pilot.pause()
        shown = screen_text(pilot)
        assert "where whole = $1" in shown
        assert "total_exec_time 12.5 ms" in shown
        await pilot.press("escape")
        await pilot.pause()
        assert "where whole" not in screen_text(pilot)


async def test_y_copies_the_whole_statement() -> None:
    whole = "select " + ", ".join(f"column_{i}" for i in range(100))
    source = FakeSource(statement(1), text(1, whole))
    source.answers[DetailOf] = StatementDetail(whole, ())
    async with running(source) as pilot:
        await pilot.press("y")
        await settle(pilot)
        assert app_of(pilot).clipboard == whole


async def test_the_last_rows_stay_grey_with_their_age_when_the_link_is_lost() -> None:
    source = shop()
    async with running(source) as pilot:
        source.lost = Disconnected("connection lost: a[i] [/x]", retry_in=3.0)
        await read_again(pilot)
        shown = screen_text(pilot)
        assert "connection lost: a[i] [/x]" in shown
        assert "again in" in shown
        assert len(statements(shown)) == 2
        assert app_of(pilot).query_one(QueriesPane).table.stale
        source.lost = None
        await read_again(pilot)
        assert not app_of(pilot).query_one(QueriesPane).table.stale
        assert "connection lost" not in screen_text(pilot)


async def test_a_key_never_goes_to_what_is_gone() -> None:
    """`/` and Esc in one burst left the focus on a filter line that was removed: dead keys."""
    async with running(shop()) as pilot:
        app = app_of(pilot)
        await pilot.press("slash")
        (line,) = app.query(FilterLine)
        assert app.focused is line
        await line.remove()
        app.screen.set_focus(line)
        assert not line.is_attached
        await pilot.press("9")
        assert app.current is app.panes["tray"]
        await pilot.press("3")
        assert isinstance(app.focused, LiveTable)


async def test_a_question_that_finds_the_link_lost_says_so_at_once() -> None:
    source = shop()
    source.answers[DetailOf] = Disconnected("the link is frozen", retry_in=0.0)
    async with running(source) as pilot:
        app, reads = app_of(pilot), source.reads
        source.gate.clear()  # the reading after it is under way
        await pilot.press("enter")
        for _ in range(200):
            if "trying again" in screen_text(pilot):
                break
            await pilot.pause(0.02)
        assert "trying again …: the link is frozen" in screen_text(pilot)
        source.gate.set()
        await settle(pilot)
        assert source.reads > reads
        assert app.schedule.status.connected
        assert "the link is frozen" not in screen_text(pilot).split("\n")[0]


async def test_an_unreadable_view_keeps_its_reason_and_is_not_an_empty_list() -> None:
    source = shop()
    async with running(source) as pilot:
        source.errors[Statement] = SourceError("permission denied [/b]", remedy="GRANT x TO y;")
        await read_again(pilot)
        shown = screen_text(pilot)
        assert "permission denied [/b]" in shown
        assert "GRANT x TO y;" in shown


async def test_what_runs_now_is_shown_before_it_is_counted() -> None:
    source = shop()
    source.set(Running(7, 10, 5, 77, 7_200.0, "select endless from c"))
    async with running(source) as pilot:
        first = next(line for line in screen_text(pilot).split("\n") if "select endless" in line)
        assert "running 2 h" in first
        assert "1 running, oldest 2 h" in screen_text(pilot)


async def test_a_slow_server_gets_one_question_at_a_time() -> None:
    source = shop()
    async with running(source) as pilot:
        source.gate.clear()
        reads = source.reads
        for _ in range(3):
            app_of(pilot).schedule.now()
            await pilot.press("down", "up")
        assert source.reads == reads + 1
        source.gate.set()
        await read_again(pilot)


async def test_a_statement_that_is_new_gets_its_text_later_and_rarely() -> None:
    source = shop()
    source.answers[TextsOf] = (text(3, "select brand_new"),)
    async with running(source) as pilot:
        source.set(*source.rows[Statement], statement(3, calls=2))
        await read_again(pilot)
        assert not any(isinstance(r, TextsOf) for r in source.asked)
        app_of(pilot).schedule._texts_at -= 3_600
        await read_again(pilot)
        assert TextsOf(frozenset({3})) in source.asked
        await read_again(pilot)
        assert "select brand_new" in screen_text(pilot)
        assert sum(isinstance(r, TextsOf) for r in source.asked) == 1


async def test_too_small_a_terminal_says_so() -> None:
    async with running(shop(), size=(59, 14)) as pilot:
        assert "pgtop needs 60x15, this is 59x14" in screen_text(pilot)
        await pilot.resize_terminal(80, 24)
        await pilot.pause()
        await pilot.pause()
        assert "by total time" in screen_text(pilot)


async def test_freeze_stops_reading() -> None:
    source = shop()
    async with running(source) as pilot:
        await pilot.press("space")
        await pilot.pause(0.05)
        reads = source.reads
        app_of(pilot).schedule.now()
        await pilot.pause(0.05)
        assert source.reads == reads
        assert "frozen" in screen_text(pilot)


async def test_texts_that_cannot_be_read_leave_the_numbers() -> None:
    source = shop()
    source.errors[StatementText] = SourceError("invalid byte sequence", sqlstate="22021")
    async with running(source) as pilot:
        shown = screen_text(pilot)
        assert "9.00 ms" in shown
        assert "invalid byte sequence" in shown


async def test_keys_typed_ahead_reach_the_tab_they_were_typed_for() -> None:
    async with running(shop()) as pilot:
        await pilot.press("9")
        await pilot.pause()
        app = app_of(pilot)
        app.post_message(events.Key("3", "3"))
        app.post_message(events.Key("down", None))
        await pilot.pause()
        await pilot.pause()
        assert app.query_one(QueriesPane).table.cursor_index == 1


async def test_the_palette_copies_a_cell_and_a_row() -> None:
    async with running(shop()) as pilot:
        app = app_of(pilot)
        commands = {c.title: c for c in app.get_system_commands(app.screen)}
        commands["Copy cell: statement"].callback()
        assert app.clipboard == "select often from a"
        commands["Copy row"].callback()
        head, row = app.clipboard.split("\n")
        assert head.split("\t")[-1] == "statement"
        assert row.split("\t")[-1] == "select often from a"


@pytest.mark.parametrize("text", CORPUS, ids=range(len(CORPUS)))
async def test_hostile_text_cannot_draw(text: str) -> None:
    """As a statement's text, a role's, a database's and a running query's, and in its detail."""
    source = FakeSource(
        statement(1, calls=9), StatementText(10, 5, 1, True, text[:400], len(text)),
        Running(7, 10, 5, 77, 9.0, text[:400]), Role(10, text[:63]), Database(5, text[:63]),
        server(database=text[:63], user=text[:63]), link(host=text[:63]),
    )  # fmt: skip
    source.answers[DetailOf] = StatementDetail(text, (("calls", 1.0),))
    source.answers[TextsOf] = ()
    async with running(source, size=(130, 30)) as pilot:
        await pilot.press("enter")
        await settle(pilot)
        app_of(pilot).note(text[:200])
        await pilot.pause()
        for part in segments(pilot):
            assert not [c for c in part if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl")], (
                part
            )
