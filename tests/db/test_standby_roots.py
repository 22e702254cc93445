"""On a standby replay itself is in the way, on a primary a standby: no cancel is offered."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress

import psycopg

from pgtop.advice import Facts, judge
from pgtop.advice.ending import end_sql
from pgtop.advice.sessions import SESSION_RULES
from pgtop.advice.thresholds import sessions as limits
from pgtop.analysis.blocks import Blocks
from pgtop.analysis.derived import Board
from pgtop.analysis.waits import Waits
from pgtop.demo.server import private_server
from pgtop.model.server import Server
from tests.db.reading import collecting
from tests.db.test_locks import ROW_TYPES, Scene
from tests.servers import TestServer, standby


async def test_replay_is_named_and_not_to_be_cancelled(server: TestServer) -> None:
    board = Board()
    with (
        standby(server) as behind,
        psycopg.connect(server.dsn(), autocommit=True) as conn,
        psycopg.connect(behind.dsn(), autocommit=True) as reader,
    ):
        conn.execute("CREATE TABLE replayed (id int)")
        conn.execute("BEGIN")
        conn.execute("LOCK TABLE replayed IN ACCESS EXCLUSIVE MODE")
        server.execute("CREATE TABLE flushed (id int)")  # the lock's WAL goes out with it
        for _ in range(200):
            found = reader.execute(  # this one's: to make a table takes such a lock too
                "SELECT 1 FROM pg_locks WHERE mode = 'AccessExclusiveLock'"
                " AND relation = to_regclass('replayed')"
            )
            if found.fetchone():
                break
            await asyncio.sleep(0.05)

        def read() -> None:
            with suppress(psycopg.Error):
                reader.execute("SELECT count(*) FROM replayed")

        thread = threading.Thread(target=read, daemon=True)
        thread.start()
        async with collecting(behind.dsn()) as collector:
            for _ in range(200):
                board.take(await collector.read((Server, *ROW_TYPES)))
                if (
                    board.derived[Blocks].roots
                    and board.derived[Blocks].longest_s(board.derived[Blocks].roots[0])
                    > limits.BLOCKED_S
                ):
                    break
                await asyncio.sleep(0.1)
        (root,) = board.derived[Blocks].roots
        assert (root.kind, root.waiting) == ("recovery", 1)
        (one,) = judge(Facts(board.samples, board.derived), SESSION_RULES).findings
        assert one.rule == "locks.blocking"
        assert "replay on this standby" in one.title
        assert (one.no_remedy or "").startswith("no DDL, no cancel")
        conn.execute("COMMIT")
        server.execute("DROP TABLE replayed, flushed")
        thread.join(20)


async def test_a_commit_that_waits_for_a_standby_is_no_root_to_cancel() -> None:
    board = Board()
    options = {"synchronous_standby_names": "nobody", "synchronous_commit": "on"}
    with private_server(options) as server:
        with psycopg.connect(server.dsn(), autocommit=True) as conn:
            conn.execute("SET synchronous_commit = local")
            conn.execute("CREATE TABLE orders (id int, v int)")
            conn.execute("INSERT INTO orders VALUES (1, 0)")
        scene = Scene(server.dsn())
        try:
            sync = psycopg.connect(server.dsn(), autocommit=True, application_name="holder")
            thread = threading.Thread(
                target=_quietly, args=(sync, "UPDATE orders SET v = 1"), daemon=True
            )
            thread.start()
            async with collecting(server.dsn()) as collector:
                for _ in range(200):
                    board.take(await collector.read((Server, *ROW_TYPES)))
                    if board.derived[Waits].sync:
                        break
                    await asyncio.sleep(0.02)
                behind = scene.waits("UPDATE orders SET v = 2")
                board.take(await collector.read((Server, *ROW_TYPES)))
            (root,) = board.derived[Blocks].roots
            assert (root.kind, root.node.pid) == ("sync", sync.info.backend_pid)
            assert root.node.children[0].pid == behind
            assert [key[0] for key in board.derived[Waits].sync] == [root.node.pid]
            assert root.node.session is not None
            assert end_sql(root.node.session) is None
        finally:
            scene.end()
            thread.join(5)
            sync.close()


def _quietly(conn: psycopg.Connection, sql: str) -> None:
    with suppress(psycopg.Error):
        conn.execute(sql.encode())
