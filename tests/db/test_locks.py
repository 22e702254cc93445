"""Real locks: trees, queues, prepared transactions; the right root each time."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from pgtop.analysis.blocking import Root, forest
from pgtop.db.collector import Collector
from pgtop.demo.server import private_server
from pgtop.model.sample import Reading
from pgtop.model.session import LockHolder, LockWait, Prepared, Session

ROW_TYPES = (Session, LockWait, LockHolder, Prepared)


class Scene:
    """Sessions that hold and wait, ended with the test."""

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn
        self._held: list[psycopg.Connection] = []
        self._waiting: list[psycopg.Connection] = []
        self._threads: list[threading.Thread] = []

    def holds(self, *statements: str, name: str = "holder") -> int:
        """A session in a transaction that has run these; its pid."""
        conn = psycopg.connect(self.dsn, autocommit=True, application_name=name)
        self._held.append(conn)
        conn.execute("BEGIN")
        for sql in statements:
            conn.execute(sql.encode())
        return conn.info.backend_pid

    def waits(self, sql: str, name: str = "waiter") -> int:
        """A session that runs this and has begun to wait; its pid."""
        conn = psycopg.connect(self.dsn, autocommit=True, application_name=name)
        self._waiting.append(conn)

        def run() -> None:
            with contextlib.suppress(psycopg.Error):
                conn.execute(sql.encode())

        thread = threading.Thread(target=run, daemon=True)
        self._threads.append(thread)
        thread.start()
        pid = conn.info.backend_pid
        with psycopg.connect(self.dsn, autocommit=True) as look:
            for _ in range(500):
                if look.execute(
                    "SELECT 1 FROM pg_stat_activity WHERE pid = %s AND wait_event_type = 'Lock'",
                    (pid,),
                ).fetchone():
                    return pid
                time.sleep(0.01)
        raise AssertionError("it does not wait")

    def end(self) -> None:
        with psycopg.connect(self.dsn, autocommit=True) as conn:
            conn.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name IN ('holder', 'waiter')"
            )
            for (gid,) in conn.execute("SELECT gid FROM pg_prepared_xacts").fetchall():
                conn.execute(b"ROLLBACK PREPARED '" + gid.replace("'", "''").encode() + b"'")
        for thread in self._threads:
            thread.join(5)
        for conn in (*self._held, *self._waiting):
            conn.close()


async def read(dsn: str) -> tuple[tuple[Root, ...], Reading]:
    collector = Collector({k: str(v) for k, v in conninfo_to_dict(dsn).items()})
    await collector.open()
    try:
        reading = await collector.read(ROW_TYPES)
        reading = await collector.read(ROW_TYPES)
    finally:
        await collector.close()
    roots = forest(
        reading.sample(Session).rows,
        reading.sample(LockWait).rows,
        reading.sample(LockHolder).rows,
        reading.sample(Prepared).rows,
        reading.taken_at,
    )
    return roots, reading


@pytest.fixture
def scene(any_database: str) -> Iterator[Scene]:
    with psycopg.connect(any_database, autocommit=True) as conn:
        conn.execute("CREATE TABLE orders (id int PRIMARY KEY, v int)")
        conn.execute("INSERT INTO orders SELECT i, 0 FROM generate_series(1, 100) i")
    made = Scene(any_database)
    yield made
    made.end()


@pytest.mark.matrix
async def test_three_levels_and_a_ddl_with_a_queue(scene: Scene) -> None:
    root = scene.holds("UPDATE orders SET v = 1 WHERE id = 1")
    second = scene.waits("UPDATE orders SET v = 2 WHERE id = 1")
    third = scene.waits("UPDATE orders SET v = 3 WHERE id = 1")
    ddl = scene.waits("ALTER TABLE orders ADD COLUMN w int")
    readers = [scene.waits("SELECT count(*) FROM orders") for _ in range(3)]
    (found,), reading = await read(scene.dsn)
    tree = [(depth, n.pid) for depth, n in found.node.walk()]
    assert (found.who, found.kind) == ((root, None), "idle")
    assert (1, second) in tree
    assert (2, third) in tree
    assert (1, ddl) in tree
    assert {pid for depth, pid in tree if depth == 2} == {third, *readers}
    assert (found.waiting, found.freed) == (6, 6)
    assert found.holder is not None
    assert found.holder.relations == "RowExclusiveLock public.orders"
    waits = {w.pid: w for w in reading.sample(LockWait).rows}
    assert waits[second].relation == "public.orders"
    assert waits[ddl].mode == "AccessExclusiveLock"
    assert found.waited_s is not None


@pytest.mark.matrix
async def test_nobody_waits(scene: Scene) -> None:
    scene.holds("UPDATE orders SET v = 1 WHERE id = 1")
    roots, reading = await read(scene.dsn)
    assert roots == ()
    assert reading.sample(LockHolder).rows == ()


async def test_a_prepared_transaction_and_five_hundred_sessions() -> None:
    options = {"max_connections": "620", "max_prepared_transactions": "5"}
    with private_server(options) as server:
        dsn = server.dsn()
        with psycopg.connect(dsn, autocommit=True) as conn:
            conn.execute("CREATE TABLE orders (id int PRIMARY KEY, v int)")
            conn.execute("INSERT INTO orders SELECT i, 0 FROM generate_series(1, 1000) i")
        scene = Scene(dsn)
        try:
            with psycopg.connect(dsn, autocommit=True) as conn:
                conn.execute("BEGIN")
                conn.execute("UPDATE orders SET v = 1 WHERE id = 7")
                conn.execute("PREPARE TRANSACTION 'it''s held'")
            behind = scene.waits("UPDATE orders SET v = 2 WHERE id = 7")
            for number in range(198):
                scene.holds(f"SELECT v FROM orders WHERE id = {number + 100}")
            root = scene.holds("UPDATE orders SET v = 1 WHERE id = 1")
            for _ in range(300):
                scene.waits("UPDATE orders SET v = 2 WHERE id = 1")
            roots, reading = await read(dsn)
            first, second = roots
            assert (first.who, first.waiting, first.freed) == ((root, None), 300, 300)
            assert (second.who, second.kind) == ((0, "it's held"), "prepared")
            assert second.node.children[0].pid == behind
            assert second.holder is not None
            print(f"500 sessions, 301 wait: {reading.server_ms:.1f} ms")
        finally:
            scene.end()
