"""Parallel workers that wait are their leader, in the tree, on the tab and in the load."""

from __future__ import annotations

import psycopg
import pytest

from pgtop.analysis.blocks import Blocks
from pgtop.analysis.derived import Board
from pgtop.analysis.waits import Waits
from pgtop.model.sample import Sample
from pgtop.model.session import Session
from pgtop.ui.activity_rows import session_rows
from tests.db.test_locks import Scene, read, scene

__all__ = ["scene"]

PARALLEL = """\
SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0;
SET max_parallel_workers_per_gather = 2; SET parallel_leader_participation = on;
SELECT count(looked(i)) FROM many
"""
"""Each process calls the function, which reads a table that somebody has locked."""


@pytest.mark.matrix
async def test_workers_that_wait_are_one_session(scene: Scene) -> None:
    with psycopg.connect(scene.dsn, autocommit=True) as conn:
        conn.execute("CREATE TABLE many (i int) WITH (parallel_workers = 2)")
        conn.execute("INSERT INTO many SELECT generate_series(1, 50000)")
        conn.execute("ANALYZE many")
        conn.execute(
            "CREATE FUNCTION looked(i int) RETURNS bigint LANGUAGE plpgsql PARALLEL SAFE COST 10000"
            " AS $$ BEGIN RETURN (SELECT count(*) FROM orders WHERE id = i); END $$"
        )
    root = scene.holds("LOCK TABLE orders IN ACCESS EXCLUSIVE MODE")
    leader = scene.waits(PARALLEL)
    for _ in range(50):
        roots, reading = await read(scene.dsn)
        sessions: Sample[Session] = reading.sample(Session)
        workers = [s for s in sessions.rows if s.parallel_worker and s.leader_pid == leader]
        waiting = [s for s in workers if s.wait_event_type == "Lock"]
        if len(waiting) == 2:
            break
    else:
        pytest.fail(f"two workers never waited: {workers}")
    (found,) = roots
    assert (found.who, found.waiting, found.freed) == ((root, None), 1, 1)
    assert [node.pid for node in found.node.children] == [leader]
    board = Board()
    board.take(reading)
    rows, _ = session_rows(sessions, board.derived[Blocks], only_tree=False, with_idle=False)
    assert [(row.pid, row.workers) for row in rows] == [(root, 0), (leader, 2)]
    load: Waits = board.derived[Waits]
    assert [(s.name, s.average) for s in load.classes()] == [("Lock", 3.0)]
