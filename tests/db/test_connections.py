"""Limits on connections, on real servers."""

from __future__ import annotations

import asyncio
import time
from contextlib import ExitStack

import psycopg
import pytest

from pgtop.advice import Facts, judge
from pgtop.advice.connections import CONNECTION_RULES
from pgtop.analysis.connections import Connections
from pgtop.analysis.derived import Board
from pgtop.db.collector import Collector
from pgtop.model.connections import ConnectionLimit, SessionCounters
from pgtop.model.finding import Finding
from pgtop.model.server import Server, Vitals
from pgtop.model.session import Session
from tests.db.reading import collecting
from tests.servers import TestServer

KINDS = (Server, Vitals, Session, ConnectionLimit, SessionCounters)


async def look(collector: Collector, board: Board) -> list[Finding]:
    board.take(await collector.read(KINDS))
    return list(judge(Facts(board.samples, board.derived), CONNECTION_RULES).findings)


async def test_a_roles_limit_that_is_reached(any_server: TestServer) -> None:
    with any_server.database() as name, ExitStack() as stack:
        any_server.execute("CREATE ROLE bounded LOGIN CONNECTION LIMIT 5")
        stack.callback(any_server.execute, "DROP ROLE bounded")
        async with collecting(any_server.dsn(name, "monitor")) as collector:
            board = Board()
            assert await look(collector, board) == []
            for _ in range(5):
                stack.enter_context(any_server.connect(name, "bounded"))
            (finding,) = await look(collector, board)
            with pytest.raises(psycopg.OperationalError, match="too many connections"):
                any_server.connect(name, "bounded")
    assert (finding.severity, finding.subject.of) == ("critical", "bounded")
    assert finding.evidence["used"] == 5


async def test_a_databases_limit_that_is_reached(any_server: TestServer) -> None:
    with any_server.database() as name, ExitStack() as stack:
        any_server.execute(f'ALTER DATABASE "{name}" CONNECTION LIMIT 3')
        for _ in range(3):
            stack.enter_context(any_server.connect(name, "monitor"))
        async with collecting(any_server.dsn("postgres", "nobody_role")) as collector:
            (finding,) = await look(collector, Board())
    assert finding.subject.kind == "database"
    assert finding.subject.name == name


async def test_new_sessions_are_counted_by_the_server_from_14_on(any_server: TestServer) -> None:
    async with collecting(any_server.dsn("postgres", "monitor")) as collector:
        board = Board()
        await look(collector, board)
        for _ in range(12):
            any_server.connect().close()
        deadline = time.monotonic() + 15
        while True:
            await look(collector, board)
            found: Connections = board.derived[Connections]
            if any_server.version_num < 140000:
                assert not found.opened_exactly
                assert found.opened_per_s is not None
                return
            if found.opened_exactly and (found.opened_per_s or 0.0) > 0:
                return
            assert time.monotonic() < deadline
            await asyncio.sleep(0.2)
