"""The Connections tab, driven by keys."""

from __future__ import annotations

from typing import Any

import pytest

from pgtop.model.connections import ConnectionLimit
from pgtop.model.pool import POOL_TYPES
from pgtop.model.sample import SourceError
from pgtop.model.session import Session
from pgtop.ui.panes.connections import ConnectionsPane
from tests.factories import STARTED, link, vitals
from tests.session_rows import pool, pool_servers, pooler, session
from tests.ui.driving import app_of, running, screen_text
from tests.ui.fakes import FakeSource

AT = STARTED + 1004.0
SIZES = [(80, 24), (160, 48)]
NONE_GIVEN = SourceError("no pooler's console was given: --pgbouncer …", lasting=True)


def here(pid: int, **fields: Any) -> Session:
    return session(pid, at=AT, **fields)


SESSIONS = (
    here(1, state="active", since=0.01, application_name="web"),
    here(2, state="active", since=0.02, application_name="web"),
    here(3, state="idle in transaction", since=700.0, application_name="job", usename="batch"),
    here(4, since=4.0, application_name="a[/b]\x1b[2J", client_addr=None, usename="ops"),
)
QUEUE = (
    pool(cl_waiting=48, maxwait_s=3.2),
    pool(database="pgbouncer", user="pgbouncer"),
    pooler(),
    *pool_servers(1, 2),
)


def alone() -> FakeSource:
    """A server without a console."""
    source = FakeSource(*SESSIONS, ConnectionLimit("role", "batch", 10))
    source.errors = dict.fromkeys(POOL_TYPES, NONE_GIVEN)
    return source


@pytest.mark.parametrize("size", SIZES)
async def test_applications_first_and_each_key_its_view(size: tuple[int, int]) -> None:
    async with running(alone(), size=size, first_pane="connections") as pilot:
        text = screen_text(pilot)
        assert "by application name" in text
        assert text.index("web") < text.index("job")
        assert "--pgbouncer" in text
        for key, name, row in (
            ("s", "by state", "idle in transaction"),
            ("d", "by database", "shop"),
            ("u", "by user", "batch"),
            ("c", "by client", "10.0.0.1"),
        ):
            await pilot.press(key)
            await pilot.pause()
            text = screen_text(pilot)
            assert name in text
            assert row in text
        await pilot.press("p")
        await pilot.pause()
        assert "no pooler's console was given" in screen_text(pilot)


async def test_a_pooler_between_us_and_the_server_is_offered() -> None:
    source = alone()
    source.set(link(pooler="pooler", host="db1", port="6432"))
    async with running(source, first_pane="connections") as pilot:
        assert "--pgbouncer 'host=db1 port=6432 dbname=pgbouncer" in screen_text(pilot)


@pytest.mark.parametrize("size", SIZES)
async def test_pools_and_server_in_one_picture(size: tuple[int, int]) -> None:
    source = FakeSource(*SESSIONS, *QUEUE)
    async with running(source, size=size, first_pane="connections") as pilot:
        text = screen_text(pilot)
        assert "50 clients, 48 wait up to 3 s → PgBouncer" in text
        assert "PostgreSQL 14 of 97" in text
        assert "shop/web: statements are quick: the pool is too small" in text
        assert "pool too small" in text
        assert "pgbouncer/pgbouncer" not in text
        await pilot.press("enter")
        await pilot.pause()
        await pilot.pause()
        if size[1] > 24:
            assert "1.21 can" in screen_text(pilot)


async def test_the_finding_leads_to_its_pool() -> None:
    source = FakeSource(*SESSIONS, *QUEUE)
    async with running(source, first_pane="connections", size=(160, 48)) as pilot:
        app = app_of(pilot)
        pane = app.panes["connections"]
        assert isinstance(pane, ConnectionsPane)
        await pilot.press("n")
        await pilot.pause()
        assert app.verdict is not None
        (finding,) = [f for f in app.verdict.findings if f.rule == "pool.waiting"]
        pane.seek(finding)
        await pilot.pause()
        assert pane.view == "pools"
        assert pane.table.cursor_key == ("shop", "web")
        assert pane.offered() == (finding,)


async def test_hints_come_with_a_key_and_go_with_escape() -> None:
    async with running(alone(), first_pane="connections", size=(160, 48)) as pilot:
        await pilot.press("h")
        await pilot.pause()
        await pilot.pause()
        text = screen_text(pilot)
        for name in ("Django", "Rails", "SQLAlchemy", "Prisma", "node-postgres", "LISTEN"):
            assert name in text
        await pilot.press("escape")
        await pilot.pause()
        assert "Django" not in screen_text(pilot)


async def test_detail_lists_the_sessions_and_nothing_draws() -> None:
    async with running(alone(), first_pane="connections", size=(160, 48)) as pilot:
        await pilot.press("u", "down", "enter")
        await pilot.pause()
        await pilot.pause()
        text = screen_text(pilot)
        assert "idle in transaction" in text
        await pilot.press("n", "end")
        await pilot.pause()
        text = screen_text(pilot)
        assert "\x1b" not in text
        assert "a[/b]␛[2J" in text


async def test_filter() -> None:
    async with running(alone(), first_pane="connections") as pilot:
        await pilot.press("slash", *"job", "enter")
        await pilot.pause()
        text = screen_text(pilot)
        assert "job" in text
        assert "web" not in text.split("by application name")[1]


async def test_what_is_hidden_is_said() -> None:
    hidden = here(5, backend_type=None, state=None, hidden=True, backend_start=None,
                  application_name=None, query_start=None, state_change=None)  # fmt: skip
    source = FakeSource(hidden, vitals(client_backends=None, sessions=30, hidden=1))
    source.errors = dict.fromkeys(POOL_TYPES, NONE_GIVEN)
    async with running(source, first_pane="connections") as pilot:
        text = screen_text(pilot)
        assert "1 hidden: GRANT pg_monitor" in text
        assert "hidden from this role" in text
        assert "≈ 30 of 97" in text


async def test_refused_sessions_say_why() -> None:
    source = alone()
    source.errors[Session] = SourceError("no sessions today")
    async with running(source, first_pane="connections") as pilot:
        assert "no sessions today" in screen_text(pilot)


async def test_ascii() -> None:
    source = FakeSource(*SESSIONS, *QUEUE)
    async with running(source, first_pane="connections", config={"ascii": True}) as pilot:
        assert screen_text(pilot).isascii()
