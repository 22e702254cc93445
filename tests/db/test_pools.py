"""A real PgBouncer before a real server: which of the two makes its clients wait?"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import psycopg
import pytest

from pgtop.advice import Facts, judge
from pgtop.advice.pools import POOL_RULES, behind, diagnosis
from pgtop.analysis.connections import Connections
from pgtop.analysis.derived import Board
from pgtop.cli.report import main as report
from pgtop.db.collector import Collector
from pgtop.db.pgbouncer import ANSWER_S, Console
from pgtop.model.connections import ConnectionLimit, SessionCounters
from pgtop.model.finding import Finding
from pgtop.model.pool import POOL_TYPES, Pool, Pooler, PoolServer
from pgtop.model.sample import SourceError
from pgtop.model.server import Server, Vitals
from pgtop.model.session import Session
from tests.lag import link
from tests.servers import TestServer, pooled

KINDS = (Server, Vitals, Session, ConnectionLimit, SessionCounters, *POOL_TYPES)


class Watcher:
    """Reads server and pooler, as the screen does."""

    def __init__(self, collector: Collector) -> None:
        self.collector = collector
        self.board = Board()

    async def look(self) -> list[Finding]:
        self.board.take(await self.collector.read(KINDS))
        return list(judge(self.facts, POOL_RULES).findings)

    @property
    def facts(self) -> Facts:
        return Facts(self.board.samples, self.board.derived)

    async def until(self, wanted: Callable[[list[Finding]], bool]) -> list[Finding]:
        deadline = time.monotonic() + 20
        while True:
            found = await self.look()
            if wanted(found):
                return found
            assert time.monotonic() < deadline, [f.title for f in found]
            await asyncio.sleep(0.1)

    def cause(self, name: str) -> str:
        facts = self.facts
        (pool,) = [row for row in facts.rows(Pool) if row.database == name]
        own = behind(facts.rows(PoolServer), facts.rows(Session))
        seen = diagnosis(pool, own, facts.get(Connections).at)
        return seen.cause


def _params(port: int, **more: str) -> dict[str, str]:
    return {"host": "127.0.0.1", "port": str(port), "user": "monitor", **more}


@asynccontextmanager
async def watching(server: TestServer, console_port: int) -> AsyncIterator[Watcher]:
    collector = Collector(
        _params(server.port, dbname="postgres"), console=Console(_params(console_port))
    )
    await collector.open()
    try:
        yield Watcher(collector)
    finally:
        await collector.close()


@asynccontextmanager
async def clients(port: int, name: str, many: int, *statements: str) -> AsyncIterator[None]:
    """`many` clients of the pooler, each running `statements` again and again."""

    async def client() -> None:
        conn = await psycopg.AsyncConnection.connect(
            f"host=127.0.0.1 port={port} user=postgres dbname={name}",
            autocommit=True, prepare_threshold=None,
        )  # fmt: skip
        try:
            while True:
                for statement in statements:
                    await conn.execute(statement.encode())
        finally:
            conn.pgconn.finish()

    tasks = [asyncio.create_task(client()) for _ in range(many)]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        broken = [e for e in ended if isinstance(e, Exception)]
        assert not [e for e in broken if not isinstance(e, psycopg.Error)], broken


@pytest.fixture
def shop(server: TestServer) -> Any:
    with server.database() as name:
        server.execute("CREATE TABLE stock (id int PRIMARY KEY, n int)",
                       "INSERT INTO stock VALUES (1, 0)", database=name)  # fmt: skip
        yield name


async def test_an_exhausted_pool_and_a_slow_database_are_told_apart(
    server: TestServer, shop: str
) -> None:
    update = "UPDATE stock SET n = n + 1 WHERE id = 1"
    with pooled(server, size=2) as port:
        async with watching(server, port) as watcher:
            async with clients(port, shop, 50, "SELECT pg_sleep(0.1)"):
                (exhausted,) = await watcher.until(lambda found: bool(found))
            assert exhausted.evidence["cause"] == "pool"
            assert exhausted.title.startswith("pool exhausted")
            assert exhausted.evidence["pool_size"] == 2
            assert int(exhausted.evidence["cl_waiting"] or 0) > 30

            with server.connect(shop) as holder:
                holder.execute("BEGIN")
                holder.execute(update.encode())
                async with clients(port, shop, 5, update):
                    (slow,) = await watcher.until(
                        lambda found: any(f.evidence["cause"] == "database" for f in found)
                    )
                    holder.execute("ROLLBACK")
            assert slow.title.startswith("database slow")
            assert "Lock/" in slow.why
            assert slow.no_remedy != exhausted.no_remedy


async def test_a_slow_database_with_an_idle_pool_is_not_the_pools_fault(
    server: TestServer, shop: str
) -> None:
    update = "UPDATE stock SET n = n + 1 WHERE id = 1"
    with pooled(server, size=20) as port, server.connect(shop) as holder:
        async with watching(server, port) as watcher:
            holder.execute("BEGIN")
            holder.execute(update.encode())
            async with clients(port, shop, 4, update):
                deadline = time.monotonic() + 15
                while await watcher.look() == [] and watcher.facts.rows(Pool):
                    here = [row for row in watcher.facts.rows(Pool) if row.database == shop]
                    if here and watcher.cause(shop) == "database":
                        break
                    assert time.monotonic() < deadline
                    await asyncio.sleep(0.1)
                assert await watcher.look() == []
                assert watcher.cause(shop) == "database"
                (row,) = [row for row in watcher.facts.rows(Pool) if row.database == shop]
                assert (row.cl_waiting, row.sv_active) == (0, 4)
                holder.execute("ROLLBACK")


async def test_idle_transactions_hold_the_pool(server: TestServer, shop: str) -> None:
    with pooled(server, size=2) as port:
        sitting = [
            psycopg.connect(f"host=127.0.0.1 port={port} user=postgres dbname={shop}",
                            autocommit=True, prepare_threshold=None)
            for _ in range(2)
        ]  # fmt: skip
        for conn in sitting:
            conn.execute("BEGIN")
            conn.execute("SELECT 1")
        async with watching(server, port) as watcher, clients(port, shop, 3, "SELECT 1"):
            (held,) = await watcher.until(lambda found: bool(found))
            assert held.evidence["cause"] == "transactions"
            for conn in sitting:
                conn.execute("ROLLBACK")
                conn.close()


async def test_the_pooler_tells_of_itself(server: TestServer, shop: str) -> None:
    with pooled(server, size=3) as port:
        async with watching(server, port) as watcher:
            assert await watcher.look() == []
            (pooler,) = watcher.facts.rows(Pooler)
            assert pooler.version[:2] == "1."
            assert (pooler.pool_mode, pooler.default_pool_size) == ("transaction", 3)
            assert pooler.where == f"127.0.0.1:{port}"


async def test_a_pooler_that_hangs_costs_a_second_once(server: TestServer, shop: str) -> None:
    with pooled(server) as port, link(port) as relay:
        async with watching(server, relay.port) as watcher:
            await watcher.look()
            relay.freeze()
            started = time.monotonic()
            await watcher.look()
            first = time.monotonic() - started
            started = time.monotonic()
            await watcher.look()
            again = time.monotonic() - started
            assert ANSWER_S <= first < ANSWER_S + 1
            assert again < 0.5
            failed = watcher.board.samples[Pool]
            assert isinstance(failed, SourceError)
            assert "no answer" in failed.why
            assert watcher.facts.rows(Session), "the server's own figures go on"


@pytest.mark.parametrize(
    ("changes", "says"),
    [({"user": "nobody_role"}, "stats_users"), ({"port": "1"}, "nothing listens")],
)
async def test_why_there_is_no_console(
    server: TestServer, shop: str, changes: dict[str, str], says: str
) -> None:
    with pooled(server) as port:
        console = Console({**_params(port), **changes})
        found = await console.read(POOL_TYPES)
        await console.close()
        for kind in POOL_TYPES:
            refused = found[kind]
            assert isinstance(refused, SourceError)
            assert says in refused.why


async def test_without_a_console_pools_are_unknown_not_empty(server: TestServer) -> None:
    collector = Collector(_params(server.port, dbname="postgres"))
    await collector.open()
    try:
        reading = await collector.read([Server, *POOL_TYPES])
    finally:
        await collector.close()
    with pytest.raises(SourceError, match="--pgbouncer"):
        reading.sample(Pool)
    assert reading.sample(Server).rows


async def test_the_report_has_the_pools(
    server: TestServer, shop: str, capsys: pytest.CaptureFixture[str]
) -> None:
    console = "host=127.0.0.1 user=monitor port={}"
    with pooled(server, size=2) as port:
        async with clients(port, shop, 20, "SELECT pg_sleep(0.2)"):
            async with watching(server, port) as watcher:
                await watcher.until(lambda found: bool(found))
            words = ["--window", "0.3", "--format", "json", "--section", "connections",
                     "--section", "findings", "--pgbouncer", console.format(port),
                     server.dsn(shop, "monitor")]  # fmt: skip
            status = await asyncio.to_thread(report, words)
    assert status in (0, 1)
    found = json.loads(capsys.readouterr().out)
    (part,) = [part for part in found["connections"]["pools"] if part["database"] == shop]
    assert part["cause"] == "pool"
    assert part["clients_waiting"] > 10
    assert "pool.waiting" in [finding["rule"] for finding in found["findings"]]
