"""The tray's two questions on real servers: locks now, and what became of a statement."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import psycopg
import pytest

from pgtop.analysis.applied import Applied, applied, mark
from pgtop.analysis.ddl_parts import understood
from pgtop.analysis.table_locks import Outlook, outlook, target_of
from pgtop.db.collector import Collector
from pgtop.model.tray import AppliedState, LocksFor, TargetState
from tests.db.reading import collecting
from tests.servers import running as running_server

SUE = "SHARE UPDATE EXCLUSIVE"
CREATE = "CREATE INDEX CONCURRENTLY t_a_idx ON public.t (a);"


@pytest.fixture
def conn(any_database: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(any_database, autocommit=True) as conn:
        conn.execute("CREATE TABLE public.t (a int, b int)")
        conn.execute("INSERT INTO t SELECT n, n % 7 FROM generate_series(1, 20000) n")
        yield conn


@pytest.fixture
async def collector(any_database: str) -> AsyncIterator[Collector]:
    async with collecting(any_database, user="monitor") as collector:
        yield collector


async def look(collector: Collector, sql: str) -> Outlook:
    parts = understood(sql)
    target = target_of(parts)
    assert target is not None
    (locks,) = await collector.ask(LocksFor((target,)))
    return outlook(parts, locks, SUE)


async def state(collector: Collector, sql: str) -> TargetState:
    target = target_of(understood(sql))
    assert target is not None
    (found,) = await collector.ask(AppliedState((target,)))
    return found


async def judged(
    collector: Collector, sql: str, before: str | None = None, added_at: float = 0.0
) -> Applied:
    return applied(understood(sql), await state(collector, sql), before=before, added_at=added_at)


@contextlib.contextmanager
def running(dsn: str, sql: str) -> Iterator[int]:
    """`sql` in a session of its own, cancelled at the end; gives its pid."""
    with psycopg.connect(dsn, autocommit=True) as conn:

        def run() -> None:
            with contextlib.suppress(psycopg.Error):
                conn.execute(sql.encode())

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield conn.info.backend_pid
        finally:
            conn.cancel_safe()
            thread.join(10)


async def until(what: Any) -> None:
    for _ in range(200):
        if await what():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("did not come to be in time")


async def test_a_quiet_table_is_free(conn: psycopg.Connection[Any], collector: Collector) -> None:
    for sql in (CREATE, "ALTER TABLE public.t SET (fillfactor = 90);", "ANALYZE public.t;"):
        found = await look(collector, sql)
        assert (found.state, found.text) == ("free", "free")
        assert "vacuum and other DDL queue behind it; reads and writes go on" in found.detail[0]
    assert (await look(collector, "ANALYZE public.nothing;")).state == "unknown"


async def test_who_holds_the_lock_is_named(
    conn: psycopg.Connection[Any], collector: Collector, any_database: str
) -> None:
    with psycopg.connect(any_database, application_name="deploy") as other:
        other.execute("ALTER TABLE t SET (fillfactor = 80)")
        pid = other.info.backend_pid
        found = await look(collector, CREATE)
        assert (found.state, found.text) == ("waits", f"waits for pid {pid}")
        assert "postgres@deploy, idle in transaction" in found.detail[0]
        assert "holds SHARE UPDATE EXCLUSIVE" in found.detail[0]
        # An ordinary index has another lock, which this one excludes too.
        assert (await look(collector, "DROP INDEX public.t_a_idx;")).state == "unknown"


async def test_a_lock_on_another_table_is_in_nobodys_way(
    conn: psycopg.Connection[Any], collector: Collector, any_database: str
) -> None:
    conn.execute("CREATE TABLE elsewhere (a int)")
    with psycopg.connect(any_database) as other:
        other.execute("LOCK TABLE elsewhere IN ACCESS EXCLUSIVE MODE")
        assert (await look(collector, "ANALYZE public.t;")).text == "free"
        assert (await look(collector, "ANALYZE public.elsewhere;")).state == "waits"


async def test_what_a_role_may_not_see_is_said(
    conn: psycopg.Connection[Any], any_database: str
) -> None:
    with psycopg.connect(any_database) as other:
        other.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        other.execute("SELECT count(*) FROM t")
        async with collecting(any_database, user="nobody_role") as blind:
            found = await look(blind, CREATE)
            assert found.state != "free"
            assert any("may not be looked into" in line for line in found.detail)
            drop = await look(blind, "DROP INDEX CONCURRENTLY public.t_a_idx;")
            assert drop.state == "unknown"


async def test_access_exclusive_does_not_hold_the_question_up(
    conn: psycopg.Connection[Any], collector: Collector, any_database: str
) -> None:
    conn.execute("CREATE INDEX t_a_idx ON t (a)")
    with psycopg.connect(any_database) as other:
        other.execute("LOCK TABLE t IN ACCESS EXCLUSIVE MODE")
        for sql in ("DROP INDEX CONCURRENTLY public.t_a_idx;", "REINDEX INDEX public.t_a_idx;"):
            found = await look(collector, sql)
            assert found.text == f"waits for pid {other.info.backend_pid}"
        assert (await judged(collector, CREATE)).text == "valid"


async def test_a_reader_delays_the_drop_and_an_old_snapshot_the_build(
    conn: psycopg.Connection[Any], collector: Collector, any_database: str
) -> None:
    conn.execute("CREATE INDEX t_b_idx ON t (b)")
    conn.execute("CREATE TABLE elsewhere (a int)")
    with psycopg.connect(any_database) as reader:
        reader.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        reader.execute("SELECT count(*) FROM t")
        pid = reader.info.backend_pid

        async def old_enough() -> bool:
            return (await look(collector, CREATE)).state == "slow"

        drop = await look(collector, "DROP INDEX CONCURRENTLY public.t_b_idx;")
        assert (drop.state, drop.text) == ("slow", f"ends after pid {pid}")
        assert any("makes the index invisible first" in line for line in drop.detail)
        await until(old_enough)
        build = await look(collector, CREATE)
        assert build.text == f"ends after pid {pid}"
        assert any("older snapshot" in line for line in build.detail)


async def test_a_prepared_transaction_is_named() -> None:
    with (
        running_server(options={"max_prepared_transactions": "2"}) as server,
        server.connect() as conn,
    ):
        conn.execute("CREATE TABLE t (a int, b int)")
        for sql in ("BEGIN", "LOCK TABLE t IN SHARE ROW EXCLUSIVE MODE",
                    "PREPARE TRANSACTION 'forgotten'"):  # fmt: skip
            conn.execute(sql.encode())
        async with collecting(server.dsn(user="monitor")) as collector:
            found = await look(collector, CREATE)
            assert found.text == "waits for prepared forgotten"
            assert "holds SHARE ROW EXCLUSIVE" in found.detail[0]


async def test_a_build_that_waits_fails_and_is_run_by_someone_else(
    conn: psycopg.Connection[Any], collector: Collector, any_database: str
) -> None:
    assert (await judged(collector, CREATE)).state == "no"
    with psycopg.connect(any_database) as writer:
        writer.execute("INSERT INTO t VALUES (0, 0)")
        with running(any_database, CREATE):

            async def waiting() -> bool:
                return "waits for pid" in (await judged(collector, CREATE)).text

            await until(waiting)
            found = await judged(collector, CREATE)
            assert found.state == "running"
            assert f"waits for pid {writer.info.backend_pid}" in found.text
            behind = await look(collector, "ANALYZE public.t;")
            assert behind.state == "waits"
    failed = await judged(collector, CREATE)
    assert failed.state == "failed"
    assert failed.text.startswith("failed: invalid index left")
    conn.execute("DROP INDEX CONCURRENTLY t_a_idx")
    conn.execute(CREATE.encode())
    assert await judged(collector, CREATE) == Applied("yes", "valid")


async def test_a_rebuild_is_seen_by_its_new_oid_and_its_leftover(
    conn: psycopg.Connection[Any], collector: Collector, any_database: str
) -> None:
    conn.execute("CREATE INDEX t_a_idx ON t (a)")
    sql = "REINDEX INDEX CONCURRENTLY public.t_a_idx;"
    before = mark(await state(collector, sql))
    assert (await judged(collector, sql, before)).state == "no"
    with psycopg.connect(any_database) as writer:
        writer.execute("INSERT INTO t VALUES (0, 0)")
        with running(any_database, sql):

            async def waiting() -> bool:  # the copy is there when it waits for the writer
                copy = conn.execute("SELECT to_regclass('public.t_a_idx_ccnew')").fetchone()
                running = (await judged(collector, sql, before)).state == "running"
                return running and copy is not None and copy[0] is not None

            await until(waiting)
    failed = await judged(collector, sql, before)
    assert (failed.state, failed.text) == (
        "failed", "failed: invalid index left: public.t_a_idx_ccnew",
    )  # fmt: skip
    conn.execute("DROP INDEX t_a_idx_ccnew")
    conn.execute(sql.encode())
    assert await judged(collector, sql, before) == Applied("yes", "valid")


@pytest.mark.parametrize(
    ("sql", "word"),
    [
        ("ALTER TABLE public.t SET (autovacuum_vacuum_scale_factor = 0.010);", "option set"),
        ("ALTER TABLE public.t RESET (fillfactor);", "option reset"),
        ("ALTER TABLE public.t ALTER COLUMN a SET STATISTICS 500;", "option set"),
        ("ANALYZE public.t;", "applied"),
        ("VACUUM (ANALYZE) public.t;", "applied"),
        ("CREATE STATISTICS public.t_stats (ndistinct) ON a, b FROM public.t;", "applied"),
        ("DROP INDEX CONCURRENTLY public.t_old;", "applied"),
    ],
)
async def test_what_was_run_by_whoever_is_seen(
    conn: psycopg.Connection[Any], collector: Collector, sql: str, word: str
) -> None:
    conn.execute("ALTER TABLE t SET (fillfactor = 90)")
    conn.execute("CREATE INDEX t_old ON t (b)")
    row = conn.execute("SELECT extract(epoch FROM clock_timestamp())::float8").fetchone()
    assert row is not None
    assert (await judged(collector, sql, added_at=row[0])).state == "no"
    conn.execute(sql.encode())

    async def seen() -> bool:
        return (await judged(collector, sql, added_at=row[0])).state == "yes"

    await until(seen)  # statistics of tables are told by the backend when it is idle
    assert (await judged(collector, sql, added_at=row[0])).text == word


async def test_names_that_need_every_quote(
    conn: psycopg.Connection[Any], collector: Collector
) -> None:
    conn.execute('CREATE SCHEMA "we""ird"')
    conn.execute('CREATE TABLE "we""ird"."é\x1b\nx" ("select" int)')
    sql = 'CREATE INDEX CONCURRENTLY U&"i\\001B" ON "we""ird".U&"é\\001B\\000Ax" ("select");'
    assert (await judged(collector, sql)).state == "no"
    conn.execute(sql.encode())
    assert (await judged(collector, sql)).text == "valid"
    assert (await look(collector, sql)).text == "free"
