"""The Indexes tab on a database with tens of thousands of indexes.

    python tests/bench/indexes_big.py DSN

Prints the server's milliseconds for the first paint and for a refresh, the time to the first
rows, the time each key takes, how long the rules hold the screen, and what it takes until the
bloat of every index is judged; how long each view takes while tables are locked; beside it what
the sizes of all indexes and tables cost.
"""

from __future__ import annotations

import asyncio
import resource
import sys
import time
from typing import Any, ClassVar

import psycopg
from psycopg.conninfo import conninfo_to_dict

from pgtop.advice import Facts
from pgtop.advice.indexes import INDEX_RULES
from pgtop.advice.tables import TABLE_RULES
from pgtop.advice.thresholds import indexes as limits
from pgtop.config import Config
from pgtop.db import collector as collector_module
from pgtop.db.collector import Collector
from pgtop.db.connection import Answer, Session
from pgtop.model.index import Index, IndexUse
from pgtop.ui.app import PgtopApp
from pgtop.ui.index_head import VIEWS
from pgtop.ui.panes.indexes import IndexesPane
from tests.bench.terminal import Program

OLD = (
    "import sys; from pgtop.advice.thresholds import indexes as limits;"
    " limits.UNUSED_WINDOW_S = 0.0; from pgtop.cli.main import main; sys.exit(main())"
)
"""pgtop as on a server whose counters are old: those of production are, a bench's never."""


class Counted(Session):
    """A session that adds up what its readings of columns' statistics cost the server."""

    readings: ClassVar[list[float]] = []

    async def read(self, *args: Any, **kwargs: Any) -> Answer:
        """As ever."""
        answer = await super().read(*args, **kwargs)
        if any("FROM pg_stats " in statement.sql for statement in args[0]):
            self.readings.append(answer.server_ms)
        return answer


async def all_bloat(app: PgtopApp, pane: IndexesPane) -> None:
    """Wait until the head no longer says `bloat of n of m`."""
    began = time.monotonic()
    Counted.readings.clear()
    assert pane.found is not None
    total = pane.found.estimates.pending.total
    while pane.found.estimates.pending.waiting:  # noqa: ASYNC110
        await asyncio.sleep(0.5)
    asked = [ms for ms in Counted.readings if ms]
    print(
        f"bloat of {total} indexes: {time.monotonic() - began:.0f} s, {len(asked)} readings,"
        f" {sum(asked):.0f} ms of the server, the longest {max(asked, default=0):.0f} ms,"
        f" {sum(ms > 20 for ms in asked)} beyond 20 ms"
    )


def keys(dsn: str) -> None:
    """Key to paint from outside, while statistics come and when all have come."""
    program = Program([sys.executable, "-c", OLD, dsn])
    try:
        program.first(r"checked|Overview")
        program.child.send("5")
        print(f"first rows in a terminal after {program.first(r'all 60'):.2f} s")
        for when in ("while statistics come", "when all have come"):
            print(f"{when}: down {program.latency(['down'], 30, below=4)}")
            for view, word in (("u", "unused"), ("b", "bloated"), ("d", "duplicate")):
                print(f"{when}: {view} {program.latency([view], 1)}", end="")
                began = time.perf_counter()
                program.first(rf"{word} [0-9]")
                program.pump(30, lambda: "listing" not in program.text())
                print(f", its rows after {time.perf_counter() - began:.2f} s more")
                program.latency([view], 1)
                program.pump(2)
            if when.startswith("while"):
                began = time.perf_counter()
                program.pump(300, lambda: "bloat of" not in program.text())
                print(f"the rest of the bloat after {time.perf_counter() - began:.0f} s")
    finally:
        program.close()


async def locked(dsn: str, tables: int) -> None:
    """Each view with so many tables under ACCESS EXCLUSIVE: how long, and which rows say so."""
    params = {k: str(v) for k, v in conninfo_to_dict(dsn).items()}
    with psycopg.connect(dsn) as conn:
        found = conn.execute(
            "SELECT oid::int8, oid::regclass::text FROM pg_class"
            " WHERE relkind = 'r' AND oid >= 16384 ORDER BY relpages DESC, 1 LIMIT %s",
            (tables,),
        ).fetchall()
        for _, name in found:
            conn.execute(f"LOCK TABLE {name} IN ACCESS EXCLUSIVE MODE".encode())
        collector = Collector(params)
        await collector.open()
        app = PgtopApp(collector, config=Config(interval=2), first_pane="indexes")
        began = time.monotonic()
        async with app.run_test(size=(140, 40)) as pilot:
            pane = app.panes["indexes"]
            assert isinstance(pane, IndexesPane)
            while not pane.table.row_count:
                await pilot.pause(0.02)
            times = [f"first rows {time.monotonic() - began:.2f} s"]
            await pilot.pause(6)
            for key, word in (pair for pair in VIEWS.values() if pair[0]):
                began = time.monotonic()
                await pilot.press(key)
                while pane._listing.slicing:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
                times.append(f"{word} {time.monotonic() - began:.2f}")
            print(f"{tables} tables locked: {', '.join(times)}")
            assert pane.found is not None
            held = {oid for oid, _ in found}
            every = [i for many in pane.found.by_table.values() for i in many]
            said = {i.indrelid for i in every if pane._index_row(pane.found, i).lock is not None}
            print(f"  {len(said & held)} of {len(held)} say locked, {len(said - held)} others do")
        await collector.close()


def sizes(dsn: str) -> None:
    """What a tool that asks for sizes pays."""
    with psycopg.connect(dsn, autocommit=True) as conn:
        for what, sql in (
            ("sum(pg_relation_size) of indexes",
             "SELECT sum(pg_relation_size(indexrelid)) FROM pg_index"),
            ("sum(pg_total_relation_size) of tables",
             "SELECT sum(pg_total_relation_size(oid)) FROM pg_class WHERE relkind = 'r'"),
        ):  # fmt: skip
            best = 1e9
            for _ in range(3):
                began = time.perf_counter()
                conn.execute(sql)
                best = min(best, time.perf_counter() - began)
            print(f"{what}: {best * 1_000:.0f} ms")


async def main() -> None:
    sizes(sys.argv[1])
    params = {k: str(v) for k, v in conninfo_to_dict(sys.argv[1]).items()}
    collector = Collector(params)
    await collector.open()
    for kinds in ([Index], [IndexUse], [Index, IndexUse]):
        best = min([(await collector.read(kinds)).server_ms for _ in range(4)])
        print([kind.__name__ for kind in kinds], f"{best:.0f} ms of the server")
    app = PgtopApp(collector, config=Config(interval=3_600), first_pane="indexes")
    started = time.monotonic()
    async with app.run_test(size=(140, 40)) as pilot:
        pane = app.panes["indexes"]
        assert isinstance(pane, IndexesPane)
        while not pane.table.row_count:
            await pilot.pause(0.02)
        print(f"first rows after {time.monotonic() - started:.2f} s: {pane.table.row_count}")
        await pilot.pause(2)
        facts = Facts(app.schedule.board.samples, app.schedule.board.derived)
        for rule in (*INDEX_RULES, *TABLE_RULES):
            times = []
            for _ in range(2):
                began = time.perf_counter()
                try:
                    found = str(len(list(rule.judge(facts))))
                except Exception as error:
                    found = str(error)[:40]
                times.append((time.perf_counter() - began) * 1_000)
            print(f"  {rule.name:24} {times[0]:7.1f} ms, again {times[1]:6.1f} ms: {found}")
        await all_bloat(app, pane)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_024
    print(f"memory {memory:.0f} MB")
    await collector.close()
    for tables in (1, 100):
        await locked(sys.argv[1], tables)
    keys(sys.argv[1])


limits.UNUSED_WINDOW_S = 0.0
setattr(collector_module, "Session", Counted)  # noqa: B010  # to add up what it costs
asyncio.run(main())
