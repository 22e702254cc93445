"""Who holds the horizon, on real servers: each holder is named, and who holds nothing is not."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from pgtop.advice import Facts, judge
from pgtop.advice.thresholds import autovacuum as limits
from pgtop.advice.vacuum_blocked import BLOCKED_RULES
from pgtop.advice.vacuum_case import case
from pgtop.analysis.derived import Board
from pgtop.analysis.vacuum.state import VacuumState
from pgtop.model.finding import Finding
from pgtop.model.server import Server, Vitals
from pgtop.model.vacuum import HorizonHolder
from tests.db.reading import collecting
from tests.servers import TestServer, named_servers, running, standby

ROWS = 20_000


@pytest.fixture(scope="module", params=named_servers())
def keen(request: pytest.FixtureRequest) -> Iterator[TestServer]:
    """A server that keeps prepared transactions and slots, and looks for work every second."""
    options = {
        "autovacuum_naptime": "1s", "max_prepared_transactions": "5", "wal_level": "logical",
        "max_replication_slots": "5", "autovacuum_vacuum_cost_delay": "0",
    }  # fmt: skip
    with running(request.param, options) as server:
        server.execute("CREATE TABLE elsewhere (id int)")
        yield server


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "HELD_S", 0.5)


@contextmanager
def transaction(dsn: str, *statements: str) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
    with psycopg.connect(dsn) as conn:
        for statement in statements:
            conn.execute(statement.encode())
        yield conn
        conn.rollback()


def churn(server: TestServer, database: str) -> None:
    server.execute(f"UPDATE churned SET n = n + 1 WHERE id <= {ROWS // 2}", database=database)


@pytest.fixture
def churned(keen: TestServer) -> Iterator[str]:
    """A database whose table is about to be updated."""
    with keen.database() as name:
        keen.execute(
            # a run for the inserts could end after the churn and report that nothing is dead;
            # so could an analyze that went over the rows while the churn was not committed
            "CREATE TABLE churned (id int, n int) WITH ("
            " autovacuum_vacuum_insert_threshold = -1, autovacuum_analyze_threshold = 2000000000)",
            f"INSERT INTO churned SELECT i, 0 FROM generate_series(1, {ROWS}) i",
            "VACUUM ANALYZE churned",
            database=name,
        )
        yield name


async def verdict(server: TestServer, database: str) -> tuple[list[Finding], VacuumState]:
    """Findings once autovacuum came by in vain, or cleaned up."""
    board = Board()
    deadline = time.monotonic() + 40
    async with collecting(server.dsn(database)) as collector:
        while True:
            board.take(await collector.read([*VacuumState.READS, Server, Vitals]))
            state: VacuumState = board.derived[VacuumState]
            table = next(t for t in state.tables.values() if t.relname == "churned")
            found = judge(Facts(board.samples, board.derived), BLOCKED_RULES)
            counted = table.n_tup_upd >= ROWS // 2  # an earlier run is none after the churn
            ran = counted and table.autovacuum_count >= 1 and table.n_dead_tup < ROWS // 10
            if found.findings or ran:
                return list(found.findings), state
            assert time.monotonic() < deadline, f"autovacuum did not come: {table}"


def word(state: VacuumState) -> str:
    table = next(t for t in state.tables.values() if t.relname == "churned")
    one = case(state, table.relid)
    assert not one.proposal.changes
    return one.proposal.word


@pytest.mark.matrix
@pytest.mark.parametrize(
    ("statements", "state"),
    [
        (("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", "SELECT 1"), "idle in transaction"),
        (("CREATE TABLE mine (id int)",), "idle in transaction"),
    ],
    ids=["snapshot", "writer"],
)
async def test_a_transaction_is_named(
    keen: TestServer, churned: str, statements: tuple[str, ...], state: str
) -> None:
    with transaction(keen.dsn(churned), *statements) as holder:
        churn(keen, churned)
        found, seen = await verdict(keen, churned)
        assert [f.rule for f in found] == ["autovacuum.horizon_held"]
        assert found[0].subject.kind == "session"
        assert found[0].subject.name.startswith(f"{holder.info.backend_pid}@")
        assert state in found[0].title
        assert found[0].remedy is None
        assert word(seen) == "blocked"


@pytest.mark.matrix
async def test_a_victim_says_that_it_waits(keen: TestServer, churned: str) -> None:
    with psycopg.connect(keen.dsn(churned), autocommit=True) as conn:
        conn.execute("CREATE TABLE wanted (id int)")
    dsn = keen.dsn(churned)
    with transaction(dsn, "LOCK TABLE wanted"), psycopg.connect(dsn) as victim:
        victim.execute("SELECT txid_current()")
        waiting = threading.Thread(target=lambda: _refused(victim, "SELECT * FROM wanted"))
        waiting.start()
        try:
            async with collecting(dsn) as collector:
                for _ in range(100):
                    rows = (await collector.read([HorizonHolder])).sample(HorizonHolder).rows
                    waits = {int(row.name): row.waits for row in rows if row.kind == "session"}
                    if waits.get(victim.info.backend_pid):
                        break
                    await asyncio.sleep(0.05)
            assert waits[victim.info.backend_pid]
            assert list(waits.values()).count(True) == 1
        finally:
            victim.cancel()
            waiting.join()


def _refused(conn: psycopg.Connection[Any], sql: str) -> None:
    with contextlib.suppress(psycopg.Error):
        conn.execute(sql.encode())


@pytest.mark.matrix
async def test_a_prepared_transaction_is_named(keen: TestServer, churned: str) -> None:
    with psycopg.connect(keen.dsn(churned)) as conn:
        conn.execute("CREATE TABLE mine (id int)")
        conn.execute("PREPARE TRANSACTION 'forgotten'")
        conn.commit()
    try:
        churn(keen, churned)
        found, _ = await verdict(keen, churned)
        assert [(f.subject.kind, f.subject.name) for f in found] == [("prepared", "forgotten")]
    finally:
        keen.execute("ROLLBACK PREPARED 'forgotten'", database=churned)


@pytest.mark.matrix
@pytest.mark.parametrize("what", ["idle", "elsewhere", "logical slot", "other prepared"])
async def test_who_holds_nothing_is_not_accused(keen: TestServer, churned: str, what: str) -> None:
    slot = "SELECT pg_create_logical_replication_slot('reader', 'test_decoding')"
    if what == "idle":
        # READ COMMITTED after a SELECT: neither an xid nor a snapshot
        around = transaction(keen.dsn(churned), "SELECT 1")
    elif what == "elsewhere":
        around = transaction(keen.dsn(), "INSERT INTO elsewhere VALUES (1)")
    elif what == "other prepared":
        with psycopg.connect(keen.dsn()) as conn:
            conn.execute("INSERT INTO elsewhere VALUES (1)")
            conn.execute("PREPARE TRANSACTION 'afar'")
            conn.commit()
        around = transaction(keen.dsn())
    else:
        try:
            keen.execute(slot, database=churned)
        except psycopg.errors.UndefinedFile:
            pytest.skip("this server comes without test_decoding")
        around = transaction(keen.dsn())
    try:
        with around:
            churn(keen, churned)
            found, state = await verdict(keen, churned)
            assert found == []
            table = next(t for t in state.tables.values() if t.relname == "churned")
            assert table.n_dead_tup < ROWS // 10, "autovacuum removed them"
    finally:
        if what == "logical slot":
            keen.execute("SELECT pg_drop_replication_slot('reader')", database=churned)
        elif what == "other prepared":
            keen.execute("ROLLBACK PREPARED 'afar'")


@pytest.mark.matrix
async def test_a_lock_that_keeps_autovacuum_away(
    keen: TestServer, churned: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "STARVED_NAPTIMES", 2.0)
    lock = "LOCK TABLE churned IN SHARE UPDATE EXCLUSIVE MODE"  # lets writers through
    with transaction(keen.dsn(churned), lock) as holder:
        churn(keen, churned)
        found, seen = await verdict(keen, churned)
        assert [f.rule for f in found] == ["autovacuum.lock_starved"]
        assert f"pid {holder.info.backend_pid} holds ShareUpdateExclusive" in found[0].why
        assert word(seen) == "lock-starved"


@pytest.mark.matrix
@pytest.mark.parametrize("slot", [False, True], ids=["feedback", "slot"])
async def test_a_standbys_feedback_is_named(keen: TestServer, churned: str, slot: bool) -> None:
    options = {
        "hot_standby_feedback": "on", "wal_receiver_status_interval": "1s",
        "max_prepared_transactions": "5",
    }  # fmt: skip
    if slot:
        keen.execute("SELECT pg_create_physical_replication_slot('copy', true)")
        options["primary_slot_name"] = "copy"
    try:
        with standby(keen, options) as replica:
            reading = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", "SELECT 1"
            with transaction(replica.dsn(churned), *reading):
                _wait_for_feedback(keen, slot=slot)
                churn(keen, churned)
                found, seen = await verdict(keen, churned)
                kind = "slot" if slot else "standby"
                assert [(f.rule, f.subject.kind) for f in found] == [
                    ("autovacuum.horizon_held", kind)
                ]
                assert found[0].subject.name == ("copy" if slot else "standby")
                assert word(seen) == "blocked"
    finally:
        if slot:
            keen.execute("SELECT pg_drop_replication_slot('copy')")


def _wait_for_feedback(server: TestServer, *, slot: bool) -> None:
    view = "pg_replication_slots WHERE xmin" if slot else "pg_stat_replication WHERE backend_xmin"
    deadline = time.monotonic() + 20
    with server.connect() as conn:
        while time.monotonic() < deadline:
            row = conn.execute(f"SELECT count(*) FROM {view} IS NOT NULL".encode()).fetchone()
            if row is not None and row[0]:
                return
            time.sleep(0.1)
    raise AssertionError("the standby sent no feedback")
