"""The one way to the server: what it may do, what it leaves behind, directly and pooled."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from pgtop.db.connection import LinkFrozen, Session, Statement
from tests.lag import link
from tests.servers import TestServer, pooled

SETTINGS = ("transaction_read_only", "statement_timeout", "lock_timeout", "work_mem", "jit",
            "search_path", "idle_in_transaction_session_timeout")  # fmt: skip


@pytest.fixture(scope="module", params=["direct", "pooled"])
def route(request: pytest.FixtureRequest, any_server: TestServer) -> Iterator[str]:
    """A DSN: straight to the server, and through PgBouncer in transaction mode with one server
    connection, which every client shares."""
    if request.param == "direct":
        yield any_server.dsn()
    else:
        with pooled(any_server) as port:
            yield any_server.dsn(port=port)


@pytest.fixture
async def session(route: str) -> AsyncIterator[Session]:
    opened = await Session.open({k: str(v) for k, v in conninfo_to_dict(route).items()})
    yield opened
    await opened.close()


def standing(route: str, any_server: TestServer) -> tuple[list[tuple[str, ...]], int]:
    """What the next client of the same route finds set, and how many transactions stand open."""
    with psycopg.connect(route, autocommit=True, prepare_threshold=None) as client:
        found = [tuple(client.execute(f"SHOW {name}").fetchone() or ()) for name in SETTINGS]
    with any_server.connect() as watcher:
        row = watcher.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
            " AND application_name = 'pgtop' AND state <> 'idle'"
        ).fetchone()
    assert row is not None
    return found, row[0]


async def test_one_reading_is_one_round_trip(session: Session) -> None:
    answer = await session.read([Statement("SELECT 1::int8"), Statement("SELECT 'a'::text, true")])
    assert answer.rows == ([(1,)], [("a", True)])
    assert session.round_trips == 1
    assert answer.server_ms > 0
    assert abs(answer.taken_at - time.time()) < 60


@pytest.mark.parametrize(
    ("sql", "sqlstate"),
    [
        pytest.param("SELECT 1/0", "22012", id="error"),
        pytest.param("SELECT pg_sleep(5)", "57014", id="timeout"),
        pytest.param("CREATE TABLE written (a int)", "25006", id="write"),
        pytest.param("SELECT lo_creat(-1)", "25006", id="large object"),
        pytest.param("SELECT 1; SELECT 2", "42601", id="two statements"),
    ],
)
async def test_what_fails_leaves_nothing(
    session: Session, route: str, any_server: TestServer, sql: str, sqlstate: str
) -> None:
    if "lo_creat" in sql and any_server.version_num < 160000:
        pytest.skip("no write by the rules of these versions: inv_api.c learnt it in 16")
    before = await asyncio.to_thread(standing, route, any_server)
    answer = await session.read([Statement("SELECT 1::int8"), Statement(sql)], timeout_ms=300)
    assert answer.rows == ([(1,)],)
    assert getattr(answer.error, "sqlstate", None) == sqlstate
    assert await asyncio.to_thread(standing, route, any_server) == before
    assert before[1] == 0
    again = await session.read([Statement("SELECT 2::int8")])
    assert again.rows == ([(2,)],)


async def test_a_lock_wait_ends_by_our_own_limit(
    session: Session, route: str, any_server: TestServer
) -> None:
    before = await asyncio.to_thread(standing, route, any_server)
    with any_server.connect() as holder:
        holder.execute("CREATE TABLE held ()")
        holder.execute("BEGIN")
        holder.execute("LOCK TABLE held IN ACCESS EXCLUSIVE MODE")
        started = time.monotonic()
        answer = await session.read([Statement("SELECT pg_relation_size('public.held'::regclass)")])
        assert time.monotonic() - started < 2
        assert getattr(answer.error, "sqlstate", None) == "55P03"
        holder.execute("ROLLBACK")
        holder.execute("DROP TABLE held")
    assert await asyncio.to_thread(standing, route, any_server) == before


async def test_cancelling_ends_it_on_the_server(session: Session, any_server: TestServer) -> None:
    task = asyncio.ensure_future(
        session.read([Statement("SELECT pg_sleep(20)")], timeout_ms=30_000)
    )
    await asyncio.sleep(0.3)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await asyncio.to_thread(_sleeping, any_server) == 0
    assert (await session.read([Statement("SELECT 1::int8")])).rows == ([(1,)],)


async def test_closing_ends_it_on_the_server(route: str, any_server: TestServer) -> None:
    session = await Session.open({k: str(v) for k, v in conninfo_to_dict(route).items()})
    task = asyncio.ensure_future(
        session.read([Statement("SELECT pg_sleep(20)")], timeout_ms=30_000)
    )
    await asyncio.sleep(0.3)
    started = time.monotonic()
    await session.close()
    assert time.monotonic() - started < 1.5
    await asyncio.wait({task}, timeout=2)
    assert await asyncio.to_thread(_sleeping, any_server) == 0


def _sleeping(server: TestServer) -> int:
    """Sleepers that are still there after a moment's grace."""
    found = 1
    for _ in range(20):
        with server.connect() as watcher:
            rows = watcher.execute(
                "SELECT pid FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep(20)%'"
                " AND state = 'active'"
            ).fetchall()
        found = len(rows)
        if not found:
            break
        time.sleep(0.1)
    return found


async def test_no_session_setting_and_no_prepared_statement(
    session: Session, route: str, any_server: TestServer
) -> None:
    before = await asyncio.to_thread(standing, route, any_server)
    for _ in range(8):
        await session.read([Statement("SELECT 1::int8"), Statement("SELECT %s::text", ("a",))])
    answer = await session.read([Statement("SELECT count(*) FROM pg_prepared_statements")])
    assert answer.rows == ([(0,)],)
    assert await asyncio.to_thread(standing, route, any_server) == before
    shown = await session.conn.execute("SELECT current_setting('statement_timeout')")
    assert await shown.fetchone() == ("0",)


async def test_a_frozen_backend_is_given_up(any_server: TestServer) -> None:
    """Neither refused nor answered: the reading ends by our own watch, the line is cut."""
    session = await Session.open({k: str(v) for k, v in conninfo_to_dict(any_server.dsn()).items()})
    pid = session.conn.info.backend_pid
    os.kill(pid, signal.SIGSTOP)
    try:
        started = time.monotonic()
        with pytest.raises(LinkFrozen):
            await session.read([Statement("SELECT 1::int8")], timeout_ms=300)
        assert time.monotonic() - started < 5
    finally:
        os.kill(pid, signal.SIGCONT)
        await session.close()


@pytest.mark.parametrize("sql", ["SELECT 1::int8", "SELECT 1/0", "SELECT 1; SELECT 2"])
async def test_the_last_word_of_a_reading_is_sync(server: TestServer, sql: str) -> None:
    """A Flush behind it would have no answer: PgBouncer 1.18 waits for one, and the server
    connection that it lent is lost to the pool until our next reading."""
    with link(server.port) as line:
        opened = await Session.open(
            {k: str(v) for k, v in conninfo_to_dict(server.dsn(port=line.port)).items()}
        )
        line.sent.clear()
        await opened.read([Statement(sql)])
        kinds = _message_types(b"".join(line.sent))
        await opened.close()
    assert kinds == "PBDE" * 3 + "S"


def _message_types(sent: bytes) -> str:
    """The first letter of each message of the frontend's protocol."""
    kinds = ""
    while sent:
        kinds += chr(sent[0])
        sent = sent[1 + int.from_bytes(sent[1:5], "big") :]
    return kinds
