"""What the Collector does when the server or the way to it fails: a sentence, and on it goes."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Iterator

import psutil
import pytest
from psycopg.conninfo import conninfo_to_dict

from pgtop.db.collector import Collector
from pgtop.db.queries import QUERIES
from pgtop.db.refusals import RETRY_LOCKED_S
from pgtop.model.sample import Disconnected, Reading, Sample, SourceError
from pgtop.model.server import Server, Vitals
from pgtop.model.statement import Statement
from tests.db.reading import collecting
from tests.lag import Link, link
from tests.servers import TestServer, running, standby

FROZEN_S = 7.0
"""Our own time limit, and a second for slow machines."""


@pytest.fixture(scope="module")
def victim() -> Iterator[TestServer]:
    """A server that may be restarted and stopped."""
    with running(options={"max_connections": "12", "superuser_reserved_connections": "3"}) as found:
        yield found


@pytest.fixture
def line(victim: TestServer) -> Iterator[Link]:
    """A link to `victim` that can be cut."""
    with link(victim.port) as found:
        yield found


async def until_read(collector: Collector, within_s: float = 20.0) -> tuple[Reading, list[str]]:
    """Read again and again as the screen does; the sentences it showed meanwhile."""
    shown: list[str] = []
    deadline = time.monotonic() + within_s
    while True:
        try:
            return await collector.read([Vitals, Server]), shown
        except Disconnected as error:
            shown.append(error.why)
            wait = error.retry_in
        assert wait is not None, shown
        assert time.monotonic() < deadline, shown
        await asyncio.sleep(wait)


def backends(server: TestServer) -> list[tuple[int, str]]:
    """(pid, state) of pgtop's sessions on the server."""
    with server.connect() as conn:
        return [
            (int(pid), str(state))
            for pid, state in conn.execute(
                "SELECT pid, state FROM pg_stat_activity WHERE application_name = 'pgtop'"
            ).fetchall()
        ]


async def gone(server: TestServer, pid: int, within_s: float = 10.0) -> None:
    deadline = time.monotonic() + within_s
    while pid in [found for found, _ in await asyncio.to_thread(backends, server)]:
        assert time.monotonic() < deadline, "left on the server"
        await asyncio.sleep(0.05)


async def test_a_restart(victim: TestServer) -> None:
    async with collecting(victim.dsn()) as collector:
        before = (await collector.read([Server])).sample(Server).rows[0]
        await asyncio.to_thread(victim.server.restart)
        after, shown = await until_read(collector)
        assert len(shown) == 1
        assert "connection lost" in shown[0]
        assert after.sample(Server).rows[0].started_at > before.started_at
        assert collector.catalog.version_num == victim.version_num


async def test_a_server_that_is_down_and_comes_back(victim: TestServer) -> None:
    async with collecting(victim.dsn()) as collector:
        await asyncio.to_thread(victim.server.stop)
        with pytest.raises(Disconnected):
            await collector.read([Vitals])
        waits = []
        for _ in range(4):
            with pytest.raises(Disconnected, match="nothing listens at") as refused:
                await collector.read([Vitals])
            waits.append(refused.value.retry_in or 0.0)
        assert waits[-1] > waits[0], "backs off"
        await asyncio.to_thread(victim.server.start)
        await collector.read([Vitals])


async def test_our_backend_is_terminated(victim: TestServer) -> None:
    async with collecting(victim.dsn()) as collector:
        await collector.read([Vitals])
        ((pid, state),) = await asyncio.to_thread(backends, victim)
        assert state == "idle"
        victim.execute(f"SELECT pg_terminate_backend({pid})")
        _, shown = await until_read(collector)
        assert len(shown) <= 1
        ((other, _),) = await asyncio.to_thread(backends, victim)
        assert other != pid


async def test_a_reset_link(victim: TestServer, line: Link) -> None:
    async with collecting(victim.dsn(port=line.port)) as collector:
        await collector.read([Vitals])
        line.reset()
        _, shown = await until_read(collector)
        assert len(shown) == 1
        assert "connection lost" in shown[0]


async def test_a_frozen_link(victim: TestServer, line: Link) -> None:
    async with collecting(victim.dsn(port=line.port)) as collector:
        await collector.read([Vitals])
        ((pid, _),) = await asyncio.to_thread(backends, victim)
        line.freeze()
        started = time.monotonic()
        with pytest.raises(Disconnected, match="frozen"):
            await collector.read([Vitals])
        assert time.monotonic() - started < FROZEN_S
        line.thaw()
        await until_read(collector)
        await gone(victim, pid)


async def test_the_loop_lives_while_the_link_is_frozen(victim: TestServer, line: Link) -> None:
    async with collecting(victim.dsn(port=line.port)) as collector:
        await collector.read([Vitals])
        line.freeze()
        reading = asyncio.ensure_future(collector.read([Vitals]))
        longest, last = 0.0, time.monotonic()
        while not reading.done():
            await asyncio.sleep(0.005)
            now = time.monotonic()
            longest, last = max(longest, now - last), now
        assert isinstance(reading.exception(), Disconnected)
        assert longest < 0.5, "a key would have waited for the network"


async def test_quitting_on_a_frozen_link_takes_no_time(victim: TestServer, line: Link) -> None:
    async with collecting(victim.dsn(port=line.port)) as collector:
        line.freeze()
        reading = asyncio.ensure_future(collector.read([Vitals]))
        await asyncio.sleep(0.2)
        started = time.monotonic()
        reading.cancel()
        await asyncio.wait({reading})
        await collector.close()
        assert time.monotonic() - started < 2.5, "two seconds, and what a busy machine adds"


async def test_a_slow_link_costs_one_round_trip(victim: TestServer) -> None:
    with link(victim.port, delay_s=0.05) as slow:
        async with collecting(victim.dsn(port=slow.port)) as collector:
            await collector.read(list(QUERIES))
            started = time.monotonic()
            reading = await collector.read([Vitals, Server])
            assert reading.round_trips == 1
            assert time.monotonic() - started < 0.4


@pytest.mark.parametrize("whole", [False, True], ids=["our backend", "the whole server"])
async def test_a_stopped_server(victim: TestServer, whole: bool) -> None:
    async with collecting(victim.dsn()) as collector:
        await collector.read([Vitals])
        ((pid, _),) = await asyncio.to_thread(backends, victim)
        stopped = [pid]
        if whole:
            parent = psutil.Process(victim.server.pid)
            stopped = [parent.pid, *(child.pid for child in parent.children())]
        for process in stopped:
            os.kill(process, signal.SIGSTOP)
        try:
            started = time.monotonic()
            with pytest.raises(Disconnected, match="frozen"):
                await collector.read([Vitals])
            assert time.monotonic() - started < FROZEN_S
            if whole:
                started = time.monotonic()
                with pytest.raises(Disconnected) as refused:
                    await collector.read([Vitals])
                assert time.monotonic() - started < FROZEN_S
                assert refused.value.retry_in is not None
        finally:
            for process in reversed(stopped):
                os.kill(process, signal.SIGCONT)
        await until_read(collector)
        await gone(victim, pid)


async def test_no_free_slot(victim: TestServer) -> None:
    params = {k: str(v) for k, v in conninfo_to_dict(victim.dsn(user="monitor")).items()}
    collector = Collector(params)
    clients = [victim.connect(user="nobody_role") for _ in range(9)]
    try:
        with pytest.raises(Disconnected, match="no free connection slot") as refused:
            await collector.open()
        assert refused.value.retry_in is not None
    finally:
        for client in clients:
            client.close()
    await until_read(collector)
    await collector.close()


async def test_no_second_connection_is_no_lost_connection(victim: TestServer) -> None:
    async with collecting(victim.dsn(user="monitor")) as collector:
        clients = [victim.connect(user="nobody_role") for _ in range(8)]
        try:
            with pytest.raises(Disconnected, match="no free connection slot") as refused:
                async with collector.second():
                    pass
            assert refused.value.retry_in is None
            assert (await collector.read([Vitals])).sample(Vitals).rows
        finally:
            for client in clients:
                client.close()


async def test_a_locked_catalogue_relation_costs_its_own_readings(victim: TestServer) -> None:
    async with collecting(victim.dsn()) as collector:
        # a session's first look at a view may need more of the catalogue than its rows do
        await collector.read(list(QUERIES))
        with victim.connect() as holder:
            holder.execute("BEGIN")
            holder.execute("LOCK TABLE pg_constraint IN ACCESS EXCLUSIVE MODE")
            reading = await collector.read(list(QUERIES))
            failed = {t: e for t, e in reading.samples.items() if isinstance(e, SourceError)}
            locked = [e for e in failed.values() if e.sqlstate == "55P03"]
            assert locked, "nothing met the lock: the test shows nothing"
            assert all("lock_timeout" in e.why for e in locked)
            assert isinstance(reading.samples[Vitals], Sample)
            again = await collector.read(list(QUERIES))
            assert again.round_trips == 1, "what met a lock is left out for a while"
            await asyncio.sleep(RETRY_LOCKED_S)
            again = await collector.read(list(QUERIES))
            assert again.round_trips == 3, "one is tried for all, and who holds it is asked"
            holds = f"pid {holder.info.backend_pid} (idle in transaction) has locked pg_constraint"
            assert sum(holds in e.why for e in locked) == len(locked)
            holder.execute("ROLLBACK")
        await asyncio.sleep(RETRY_LOCKED_S)
        await collector.read(list(QUERIES))
        healed = await collector.read(list(QUERIES))
        assert not [e for e in healed.samples.values() if getattr(e, "sqlstate", None) == "55P03"]


async def test_a_catalogue_that_is_locked_when_pgtop_comes_is_named(victim: TestServer) -> None:
    params = {k: str(v) for k, v in conninfo_to_dict(victim.dsn(user="monitor")).items()}
    async with collecting(victim.dsn()) as here:
        await here.read([Vitals])
        with victim.connect() as holder:
            holder.execute("BEGIN")
            holder.execute("LOCK TABLE pg_extension IN ACCESS EXCLUSIVE MODE")
            pid = holder.info.backend_pid
            with pytest.raises(Disconnected, match=f"pid {pid} .*has locked pg_extension") as told:
                await Collector(params).open()
            assert told.value.retry_in is not None
            here.forget_refusals()
            assert isinstance((await here.read([Vitals])).samples[Vitals], Sample)


async def test_a_reset_of_the_statistics(victim: TestServer) -> None:
    async with collecting(victim.dsn()) as collector:
        assert (await collector.read([Statement])).sample(Statement).rows
        victim.execute("SELECT pg_stat_statements_reset()")
        after = await collector.read([Statement])
        assert isinstance(after.samples[Statement], Sample)


async def test_a_fail_over(victim: TestServer, line: Link) -> None:
    with standby(victim, {"max_connections": "12"}) as follower:
        async with collecting(victim.dsn(port=line.port)) as collector:
            first = (await collector.read([Server])).sample(Server).rows[0]
            line.target = follower.port
            line.reset()
            reading, shown = await until_read(collector)
            assert len(shown) == 1
            second = reading.sample(Server).rows[0]
            assert (first.in_recovery, second.in_recovery) == (False, True)
            assert collector.catalog.in_recovery
            await asyncio.to_thread(follower.promote)
            third = (await collector.read([Server])).sample(Server).rows[0]
            assert third.in_recovery is False
