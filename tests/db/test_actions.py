"""Cancel and terminate hit the session that was meant, at what it was meant for, or nobody."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import psycopg
import pytest

from pgtop.db.collector import Collector
from pgtop.model.sample import SourceError
from pgtop.model.session import Ended, EndOf, Session
from tests.db.reading import collecting
from tests.servers import TestServer, pooled

NOTHING = Ended(found=True, same=False, sent=False)


class Victim:
    """A client's session."""

    def __init__(self, dsn: str) -> None:
        self.conn = psycopg.connect(dsn, autocommit=True, application_name="victim")
        self.pid = self.conn.info.backend_pid
        self.error: psycopg.Error | None = None
        self._thread: threading.Thread | None = None

    def runs(self, sql: str) -> None:
        """Begin a statement and do not wait for it."""

        def run() -> None:
            try:
                self.conn.execute(sql.encode())
            except psycopg.Error as error:
                self.error = error

        self._thread = threading.Thread(target=run, daemon=True)
        self._thread.start()

    def ended(self) -> psycopg.Error | None:
        """How the statement ended."""
        assert self._thread is not None
        self._thread.join(10)
        assert not self._thread.is_alive()
        return self.error


@contextmanager
def victim(dsn: str) -> Iterator[Victim]:
    made = Victim(dsn)
    try:
        yield made
    finally:
        made.conn.close()


async def seen(collector: Collector, pid: int, state: str) -> Session:
    """The session once it is in this state."""
    for _ in range(300):
        for row in (await collector.read([Session])).sample(Session).rows:
            if row.pid == pid and row.state == state:
                assert isinstance(row, Session)
                return row
        await asyncio.sleep(0.01)
    raise AssertionError(f"pid {pid} was never {state}")


def cancel(row: Session) -> EndOf:
    assert row.backend_start is not None
    return EndOf(pid=row.pid, backend_start=row.backend_start, terminate=False,
                 query_start=row.query_start)  # fmt: skip


def terminate(row: Session) -> EndOf:
    assert row.backend_start is not None
    xact = row.xact_start if row.idle_in_transaction else None
    return EndOf(pid=row.pid, backend_start=row.backend_start, terminate=True, xact_start=xact)


@pytest.mark.matrix
async def test_a_statement_is_cancelled_and_its_session_stays(any_database: str) -> None:
    with victim(any_database) as one:
        async with collecting(any_database) as collector:
            one.runs("SELECT pg_sleep(60)")
            row = await seen(collector, one.pid, "active")
            assert await collector.ask(cancel(row)) == Ended(found=True, same=True, sent=True)
            assert isinstance(one.ended(), psycopg.errors.QueryCanceled)
            assert one.conn.execute("SELECT 1").fetchone() == (1,)


@pytest.mark.matrix
async def test_a_statement_that_ended_meanwhile_is_not_paid_for_by_the_next(
    any_database: str,
) -> None:
    with victim(any_database) as one:
        async with collecting(any_database) as collector:
            one.runs("SELECT pg_sleep(0.3)")
            row = await seen(collector, one.pid, "active")
            assert one.ended() is None
            assert await collector.ask(cancel(row)) == NOTHING  # idle now
            one.runs("SELECT pg_sleep(1)")
            await seen(collector, one.pid, "active")
            assert await collector.ask(cancel(row)) == NOTHING
            assert one.ended() is None


@pytest.mark.matrix
async def test_a_transaction_that_ended_meanwhile_saves_its_session(any_database: str) -> None:
    with victim(any_database) as one:
        async with collecting(any_database) as collector:
            one.conn.execute("BEGIN")
            row = await seen(collector, one.pid, "idle in transaction")
            one.conn.execute("COMMIT")
            assert await collector.ask(terminate(row)) == NOTHING
            one.conn.execute("BEGIN")
            assert await collector.ask(terminate(row)) == NOTHING
            row = await seen(collector, one.pid, "idle in transaction")
            assert await collector.ask(terminate(row)) == Ended(found=True, same=True, sent=True)
            with pytest.raises(psycopg.OperationalError):
                one.conn.execute("SELECT 1")


@pytest.mark.matrix
async def test_a_pid_that_was_used_again_is_another_session(any_database: str) -> None:
    with victim(any_database) as one:
        async with collecting(any_database) as collector:
            row = await seen(collector, one.pid, "idle")
            assert row.backend_start is not None
            other = replace(terminate(row), backend_start=row.backend_start - 0.000_001)
            assert await collector.ask(other) == Ended(found=False, same=False, sent=False)
            assert one.conn.execute("SELECT 1").fetchone() == (1,)


async def test_a_session_that_ended_meanwhile(database: str) -> None:
    async with collecting(database) as collector:
        with victim(database) as one:
            row = await seen(collector, one.pid, "idle")
        for _ in range(300):
            if await collector.ask(terminate(row)) == Ended(False, False, False):
                return
            await asyncio.sleep(0.01)
    raise AssertionError("it is still there")


async def test_a_role_without_the_right_is_told_so(server: TestServer, database: str) -> None:
    with victim(database) as one:
        async with collecting(database, user="monitor") as collector:
            row = await seen(collector, one.pid, "idle")
            with pytest.raises(SourceError, match="pg_terminate_backend"):
                await collector.ask(terminate(row))
            assert one.conn.execute("SELECT 1").fetchone() == (1,)


async def test_it_works_through_a_pooler(server: TestServer) -> None:
    with server.database() as name, pooled(server) as port, victim(server.dsn(name)) as one:
        through = f"host=127.0.0.1 port={port} user=postgres dbname={name}"
        async with collecting(through) as collector:
            one.runs("SELECT pg_sleep(60)")
            row = await seen(collector, one.pid, "active")
            assert (await collector.ask(cancel(row))).sent
            assert isinstance(one.ended(), psycopg.errors.QueryCanceled)
