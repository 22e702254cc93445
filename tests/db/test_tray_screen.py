"""The DDL tab on a real server: what somebody else runs is on screen with the next reading."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from textual.pilot import Pilot

from pgtop.config import Config
from pgtop.model.finding import Finding, Subject
from pgtop.ui.app import PgtopApp
from tests.db.reading import collecting
from tests.db.test_tray import running
from tests.migration.cases import index
from tests.ui.driving import screen_text, settle

CREATE = Finding(
    rule="index.missing", severity="warning", subject=Subject("table", "t", "public"),
    title="t is read whole", why="600 k rows read to keep 2",
    remedy=index("t_a_idx", "public.t", "a"),
)  # fmt: skip


@pytest.fixture
async def pilot(
    any_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Pilot[int]]:
    monkeypatch.setenv("PGTOP_STATE", str(tmp_path))
    with psycopg.connect(any_database, autocommit=True) as conn:
        conn.execute("CREATE TABLE t AS SELECT n AS a FROM generate_series(1, 10000) n")
    async with collecting(any_database, user="monitor") as collector:
        app = PgtopApp(collector, config=Config(interval=3_600), first_pane="tray")
        async with app.run_test(size=(160, 30)) as pilot:
            await settle(pilot)
            app.add_to_tray(CREATE)
            await one_reading(pilot)
            yield pilot


async def one_reading(pilot: Pilot[int]) -> str:
    """The row after the next reading."""
    app = pilot.app
    assert isinstance(app, PgtopApp)
    before = app.schedule.status.read_at
    app.schedule.now()
    for _ in range(300):
        await pilot.pause(0.01)
        if app.schedule.status.read_at != before:
            break
    await settle(pilot)
    return next(line for line in screen_text(pilot).split("\n") if "CREATE INDEX" in line)


async def test_waiting_failed_and_run_by_someone_else(pilot: Pilot[int], any_database: str) -> None:
    sql = CREATE.remedy.sql[0] if CREATE.remedy else ""
    assert "· free" in await one_reading(pilot)
    with psycopg.connect(any_database, autocommit=True) as conn:
        with psycopg.connect(any_database) as writer:
            writer.execute("INSERT INTO t VALUES (0)")
            pid = writer.info.backend_pid
            assert f"ends after pid {pid}" in await one_reading(pilot)
            with running(any_database, sql):
                await until_building(conn)
                assert "waiting for writers" in await one_reading(pilot)
        assert "failed: invalid index left" in await one_reading(pilot)
        conn.execute("DROP INDEX CONCURRENTLY t_a_idx")
        conn.execute(sql.encode())
        row = await one_reading(pilot)
    assert "✓" in row
    assert "valid" in row


async def until_building(conn: psycopg.Connection[Any]) -> None:
    """Until the build waits for the writer's lock."""
    for _ in range(300):
        query = "SELECT current_locker_pid FROM pg_stat_progress_create_index"
        if any(row[0] for row in conn.execute(query).fetchall()):
            return
        await asyncio.sleep(0.02)
    raise AssertionError("the build did not come to wait")
