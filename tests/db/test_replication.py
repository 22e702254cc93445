"""A real primary with standby, slots and archive: what is read, and what the rules say of it."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest

from pgtop.advice import Facts, judge
from pgtop.advice.replication import REPLICATION_RULES
from pgtop.advice.trust import TRUST_RULES
from pgtop.advice.wal import WAL_RULES
from pgtop.analysis.derived import Board
from pgtop.analysis.groups import GROUPS
from pgtop.db.collector import Collector
from pgtop.model.finding import Finding
from pgtop.model.replication import Recovery, Slot, Standby, WalPlace
from pgtop.model.sample import Disconnected, Sample
from pgtop.model.server import Server
from tests.db.reading import collecting
from tests.servers import Standby as StandbyServer
from tests.servers import TestServer, named_servers, running, standby

TYPES: tuple[type[Any], ...] = (Server, *GROUPS["replication"].types, *GROUPS["wal"].types)

RULES = (*REPLICATION_RULES, *WAL_RULES, *TRUST_RULES)

MIB = 1 << 20


@pytest.fixture(scope="module", params=named_servers())
def primary(request: pytest.FixtureRequest) -> Iterator[TestServer]:
    """With room for slots, an archive that takes everything, and small WAL."""
    options = {"wal_level": "logical", "archive_mode": "on", "wal_keep_size": "0",
               "max_wal_size": "64MB", "min_wal_size": "32MB", "max_replication_slots": "8",
               "max_wal_senders": "8"}  # fmt: skip
    with running(request.param, options) as found:
        archive_with(found, "true")
        yield found


def archive_with(server: TestServer, command: str) -> None:
    server.execute(f"ALTER SYSTEM SET archive_command = '{command}'", "SELECT pg_reload_conf()")


@pytest.fixture(scope="module")
def follower(primary: TestServer) -> Iterator[StandbyServer]:
    """Follows over a slot."""
    primary.execute("SELECT pg_create_physical_replication_slot('follower')")
    with standby(primary, {"primary_slot_name": "follower"}) as found:
        yield found


@dataclass
class Watch:
    """Readings of a server, as far apart as a test says: the clock of what was read is moved."""

    collector: Collector
    board: Board
    later: float = 0.0

    async def read(self, after: float = 5.0) -> None:
        self.later += after
        reading = await self.collector.read(TYPES)
        samples = {
            kind: replace(found, taken_at=found.taken_at + self.later)
            if isinstance(found, Sample)
            else found
            for kind, found in reading.samples.items()
        }
        self.board.take(replace(reading, samples=samples))

    def findings(self) -> dict[str, Finding]:
        verdict = judge(Facts(self.board.samples, self.board.derived), RULES)
        return {f.rule: f for f in verdict.findings}

    def rows(self, kind: type[Any]) -> list[Any]:
        found = self.board.samples[kind]
        assert isinstance(found, Sample), found
        return list(found.rows)


@asynccontextmanager
async def watching(dsn: str) -> AsyncIterator[Watch]:
    async with collecting(dsn) as collector:
        yield Watch(collector, Board())


def write(server: TestServer, mebibytes: int) -> None:
    """So much WAL, flushed."""
    with server.connect() as conn:
        for _ in range(mebibytes):
            conn.execute("SELECT pg_logical_emit_message(false, 'test', repeat('x', 1048000))")
        conn.execute("SELECT pg_logical_emit_message(true, 'test', '')")


def switch(server: TestServer, segments: int) -> None:
    """Begin so many new segments of 16 MB."""
    with server.connect() as conn:
        for _ in range(segments):
            conn.execute("SELECT pg_logical_emit_message(true, 'test', '')")
            conn.execute("SELECT pg_switch_wal()")


async def until_followed(primary: TestServer, follower: TestServer) -> None:
    with primary.connect() as conn:
        row = conn.execute("SELECT pg_current_wal_flush_lsn()::text").fetchone()
    assert row is not None
    with follower.connect() as conn:
        for _ in range(1_000):
            if conn.execute("SELECT pg_last_wal_replay_lsn() >= %s", row).fetchone() == (True,):
                return
            await asyncio.sleep(0.02)
    raise AssertionError("the standby does not follow")


async def test_a_quiet_pair_has_no_finding_on_either_side(
    primary: TestServer, follower: StandbyServer
) -> None:
    await until_followed(primary, follower)
    async with watching(primary.dsn()) as here, watching(follower.dsn()) as there:
        for _ in range(20):
            write(primary, 1)
            await here.read()
            await there.read()
        assert here.findings() == {}
        assert there.findings() == {}
        (row,) = here.rows(Standby)
        assert (row.application_name, row.state, row.slot_name) == (
            "standby", "streaming", "follower",
        )  # fmt: skip
        (own,) = there.rows(Recovery)
        assert own.receiver_status == "streaming"
        assert own.slot_name == "follower"
        assert here.rows(Recovery) == []


async def test_paused_replay_is_lag_there_and_named_here(
    primary: TestServer, follower: StandbyServer
) -> None:
    async with watching(primary.dsn()) as here, watching(follower.dsn()) as there:
        await until_followed(primary, follower)
        await here.read()
        follower.execute("SELECT pg_wal_replay_pause()")
        try:
            for _ in range(4):
                write(primary, 2)
                await here.read(20)
            await there.read()
            found = here.findings()["replication.lag"]
            assert found.severity == "warning"
            assert found.subject.name == "standby"
            assert found.evidence["behind_bytes"] == pytest.approx(8 * MIB, rel=0.2)
            assert float(found.evidence["lag_s"] or 0) >= 40
            own = there.findings()["replication.lag"]
            assert "paused" in own.title
        finally:
            follower.execute("SELECT pg_wal_replay_resume()")
        await until_followed(primary, follower)
        for _ in range(3):
            await here.read()
            await there.read()
        assert here.findings() == {}
        assert there.findings() == {}


async def until_kept(primary: TestServer, slot: str) -> None:
    """The slot needs nothing of what was written until now."""
    with primary.connect() as conn:
        row = conn.execute("SELECT pg_current_wal_flush_lsn()::text").fetchone()
        assert row is not None
        for _ in range(1_000):
            if conn.execute(
                "SELECT restart_lsn >= %s::pg_lsn FROM pg_replication_slots WHERE slot_name = %s",
                (*row, slot),
            ).fetchone() == (True,):
                return
            await asyncio.sleep(0.02)
    raise AssertionError(f"slot {slot} does not move")


async def keep_for_slots(primary: TestServer, size: str) -> None:
    """Set max_slot_wal_keep_size; new sessions and the next checkpoint go by it."""
    primary.execute(
        f"ALTER SYSTEM SET max_slot_wal_keep_size = '{size}'", "SELECT pg_reload_conf()"
    )
    for _ in range(1_000):
        with primary.connect() as conn:
            if conn.execute(
                "SELECT current_setting('max_slot_wal_keep_size') = %s", (size,)
            ).fetchone() == (True,):
                break
        await asyncio.sleep(0.02)
    else:
        raise AssertionError("the server did not reload its settings")
    primary.execute("SELECT pg_sleep(0.2)", "CHECKPOINT")


async def test_a_slot_that_nobody_uses_and_then_loses_its_wal(
    primary: TestServer, follower: StandbyServer
) -> None:
    primary.execute("SELECT pg_create_physical_replication_slot('gone', true)")
    try:
        async with watching(primary.dsn()) as here:
            for _ in range(6):
                switch(primary, 4)
                await here.read(10)
            found = here.findings()["replication.slot_inactive"]
            assert found.subject.name == "gone"
            assert int(found.evidence["retained_bytes"] or 0) >= 256 * MIB
            await until_kept(primary, "follower")  # else it is lost with the other
            await keep_for_slots(primary, "32MB")
            await here.read()
            assert "is lost" in here.findings()["replication.slot_inactive"].title
            (row,) = [row for row in here.rows(Slot) if row.slot_name == "gone"]
            assert row.lost
    finally:
        primary.execute("SELECT pg_drop_replication_slot('gone')")
        await keep_for_slots(primary, "-1")


async def test_a_consumer_of_changes_that_confirms_nothing(primary: TestServer) -> None:
    primary.execute(
        "CREATE PUBLICATION everything FOR ALL TABLES",
        "SELECT pg_create_logical_replication_slot('cdc', 'pgoutput')",
    )
    try:
        with primary.connect(replication="database") as consumer:
            consumer.pgconn.exec_(
                b"START_REPLICATION SLOT cdc LOGICAL 0/0"
                b" (proto_version '1', publication_names 'everything')"
            )
            async with watching(primary.dsn()) as here:
                for _ in range(5):
                    switch(primary, 4)
                    await here.read(10)
                found = here.findings()["replication.decoding_lag"]
                assert found.severity == "warning"
                assert "confirms nothing" in found.why
                assert "replication.slot_inactive" not in here.findings()
                (row,) = [r for r in here.rows(Standby) if r.slot_name == "cdc"]
                assert row.slot_type == "logical"
            consumer.pgconn.finish()
        for _ in range(200):  # until its walsender has noticed
            with primary.connect() as conn:
                used = conn.execute(
                    "SELECT active FROM pg_replication_slots WHERE slot_name = 'cdc'"
                ).fetchone()
            if used == (False,):
                break
            await asyncio.sleep(0.05)
    finally:
        primary.execute("SELECT pg_drop_replication_slot('cdc')", "DROP PUBLICATION everything")


async def test_wal_that_forces_checkpoints_gets_more_room(primary: TestServer) -> None:
    async with watching(primary.dsn()) as here:
        await here.read(15)
        for _ in range(40):
            write(primary, 40)
            await here.read(15)
            found = here.findings().get("checkpoint.forced")
            if found:
                break
        assert found is not None
        assert found.severity == "notice"
        assert found.remedy is not None
        assert found.remedy.sql[0].startswith("ALTER SYSTEM SET max_wal_size = ")


async def test_an_archive_that_fails(primary: TestServer) -> None:
    archive_with(primary, "false")
    try:
        switch(primary, 1)
        async with watching(primary.dsn()) as here:
            for _ in range(200):
                await here.read()
                found = here.findings().get("wal.archiver_failing")
                if found:
                    break
                await asyncio.sleep(0.1)
            assert found is not None
            assert int(found.evidence["segments_waiting"] or 0) >= 1
    finally:
        archive_with(primary, "true")


async def test_a_promotion_while_connected(primary: TestServer) -> None:
    with standby(primary) as server:
        await until_followed(primary, server)
        async with watching(server.dsn()) as there:
            await there.read()
            (before,) = there.rows(WalPlace)
            assert before.in_recovery
            restarts = there.board.restarts
            server.promote()
            for _ in range(3):
                await there.read()
            (after,) = there.rows(WalPlace)
            assert not after.in_recovery
            assert there.rows(Recovery) == []
            assert there.board.restarts == restarts + 1
            assert "replication.lag" not in there.findings()
            refused = [e for e in there.board.samples.values() if not isinstance(e, Sample)]
            assert not [e for e in refused if "came with PostgreSQL 14" not in e.why]


async def test_a_standby_that_is_stopped_is_missed(primary: TestServer) -> None:
    async with watching(primary.dsn()) as here:
        with standby(primary) as server:
            await until_followed(primary, server)
            for _ in range(5):
                await here.read(20)
            assert "replication.standby_gone" not in here.findings()
        for _ in range(100):
            await here.read(1)
            if not [row for row in here.rows(Standby) if row.slot_name is None]:
                break
            await asyncio.sleep(0.05)
        await here.read(40)
        found = here.findings()["replication.standby_gone"]
        assert found.subject.name == "standby"


async def test_a_crash_is_told_by_the_checkpointer(primary: TestServer) -> None:
    with primary.connect() as conn:
        conn.execute(
            "SELECT pg_sleep(greatest(0, 11 - extract(epoch FROM clock_timestamp()"
            " - pg_postmaster_start_time())))"
        )
        pid = conn.info.backend_pid
        os.kill(pid, signal.SIGKILL)
    async with back_again(primary) as here:
        await here.read()
        found = here.findings()["server.crash_restarted"]
        assert found.severity == "warning"
        assert 0 <= float(found.evidence["ago_s"] or 0) < 60


@asynccontextmanager
async def back_again(server: TestServer) -> AsyncIterator[Watch]:
    """Watching, as soon as the server takes connections again."""
    for _ in range(300):
        try:
            async with collecting(server.dsn()):
                break
        except Disconnected:
            await asyncio.sleep(0.1)
    async with watching(server.dsn()) as watch:
        yield watch
