"""The Replication tab: rows of a primary and of a standby, findings, detail."""

from __future__ import annotations

from typing import Any

from pgtop.advice import Facts, Rule
from pgtop.model.finding import Finding, Subject
from pgtop.model.replication import (
    Archiver,
    Checkpoints,
    Conflict,
    DatabaseTrust,
    Recovery,
    Slot,
    Standby,
    WalFiles,
    WalPlace,
)
from pgtop.model.sample import SourceError
from pgtop.model.server import Server
from tests.factories import server
from tests.hostile import CORPUS
from tests.ui.driving import app_of, read_again, running, screen_text, segments
from tests.ui.fakes import FakeSource
from tests.unit.test_replication_rules import place, recovery, slot, standby, trust

GIB = 1 << 30


def primary(*rows: Any) -> FakeSource:
    defaults: tuple[Any, ...] = (
        place(), Archiver("on", 5, "0" * 24, 4.0, 0, None, None), WalFiles(64, GIB, 2),
        Checkpoints(10, 1, 1.0, 1.0, 5, 30.0, 1 << 20), trust(),
    )  # fmt: skip
    kinds = {type(row) for row in rows}
    return FakeSource(*(row for row in defaults if type(row) not in kinds), *rows)


async def test_a_primary_shows_receivers_slots_archive_and_wal() -> None:
    source = primary(standby(5 << 20, sync_state="sync"), slot(3 * GIB, slot_name="gone"))
    async with running(source, first_pane="replication") as pilot:
        shown = screen_text(pilot)
        assert "standby replica" in shown
        assert "streaming sync" in shown
        assert "5.00 MB" in shown
        assert "slot gone" in shown
        assert "physical unused extended" in shown
        assert "1 receiver   1 of 10 slots" in shown
        assert "archive" in shown
        await pilot.press("enter")
        await pilot.pause()
        assert "not replayed yet" in screen_text(pilot)


async def test_a_standby_that_left_stays_on_the_screen_as_gone() -> None:
    source = primary(standby(pid=7))
    async with running(source, first_pane="replication", size=(140, 30)) as pilot:
        source.rows[Standby] = ()
        app_of(pilot).schedule.now(again=True)
        await read_again(pilot)
        line = next(x for x in screen_text(pilot).splitlines() if "standby replica" in x)
        assert "gone" in line
        assert "not connected for" in line


async def test_a_standby_shows_its_own_replay_and_what_it_cancelled() -> None:
    source = primary(
        server(in_recovery=True), place(in_recovery=True),
        recovery(replay_position=99 * GIB, replay_age_s=4.0),
        Conflict("shop", 0, 0, 7, 0, 0, None),
    )  # fmt: skip
    async with running(source, first_pane="replication") as pilot:
        shown = screen_text(pilot)
        assert "standby   WAL" in shown
        assert "from db1:5432" in shown
        assert "1.00 GB" in shown
        assert "7 snapshot" in shown


async def test_replayed_and_idle_is_no_lag_whatever_the_age() -> None:
    source = primary(server(in_recovery=True), place(in_recovery=True), recovery())
    async with running(source, first_pane="replication", size=(140, 30)) as pilot:
        line = next(x for x in screen_text(pilot).splitlines() if "replay here" in x)
        assert "15 min" not in line


async def test_what_is_hidden_is_said_so_and_is_no_zero() -> None:
    hidden = standby(
        state=None, application_name=None, client_addr=None, replay_behind=None,
        write_behind=None, flush_behind=None, sent_behind=None, replay_position=None,
    )  # fmt: skip
    source = primary(hidden)
    source.errors[WalFiles] = SourceError("permission denied", remedy="GRANT pg_monitor TO me;")
    async with running(source, first_pane="replication", size=(140, 30)) as pilot:
        shown = screen_text(pilot)
        line = next(x for x in shown.splitlines() if "standby 7" in x)
        assert "hidden from this role" in line
        assert "?" in line
        line = next(x for x in shown.splitlines() if "pg_wal" in x)
        assert "GRANT pg_monitor TO me;" in line


def pg_wal_rule(facts: Facts) -> tuple[Finding, ...]:
    return (
        Finding(
            "wal.retained", "warning", Subject("server", "pg_wal"), "pg_wal holds much", "because",
            no_remedy="no DDL: wait",
        ),
        Finding(
            "server.crash_restarted", "warning", Subject("server", "shop"), "it crashed", "why",
            no_remedy="no DDL: read the log",
        ),
    )  # fmt: skip


async def test_enter_on_overview_leads_to_the_row_with_its_finding() -> None:
    rules = (Rule("wal.retained", pg_wal_rule),)
    async with running(primary(), first_pane="overview", rules=rules, size=(140, 40)) as pilot:
        await pilot.press("down", "enter")
        await pilot.pause()
        await read_again(pilot)
        pane = app_of(pilot).current
        assert pane is not None
        assert pane.NAME == "replication"
        assert pane.table.cursor_key == ("server", "pg_wal")
        await pilot.press("enter")
        await pilot.pause()
        assert "pg_wal holds much" in screen_text(pilot)


async def test_hostile_names_draw_nothing() -> None:
    rows = [standby(1, pid=n, application_name=text) for n, text in enumerate(CORPUS)]
    slots = [slot(1, slot_name=text, plugin=text, database=text) for text in CORPUS]
    async with running(primary(*rows, *slots), first_pane="replication") as pilot:
        assert not [s for s in segments(pilot) if "\x1b" in s or "\x07" in s]


async def test_a_server_that_refuses_says_why() -> None:
    source = primary()
    source.errors[Slot] = SourceError("permission denied for view", remedy="GRANT x;")
    async with running(source, first_pane="replication") as pilot:
        assert "permission denied for view" in screen_text(pilot)


def test_the_rows_of_the_pane_are_all_types_of_the_subject() -> None:
    from pgtop.ui.panes.replication import ReplicationPane

    kinds = {WalPlace, Standby, Slot, Recovery, Archiver, WalFiles, Checkpoints, Conflict,
             DatabaseTrust}  # fmt: skip
    assert kinds <= set(ReplicationPane.LANES)
    assert Server not in ReplicationPane.LANES  # the header's
