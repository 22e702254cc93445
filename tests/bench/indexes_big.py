"""The Indexes tab on a database with tens of thousands of indexes.

    python tests/bench/indexes_big.py DSN

Prints the server's milliseconds for the first paint and for a refresh, the time to the first
rows, the time each key takes, and how long the rules hold the screen.
"""

from __future__ import annotations

import asyncio
import resource
import sys
import time

from psycopg.conninfo import conninfo_to_dict

from pgtop.advice import Facts
from pgtop.advice.indexes import INDEX_RULES
from pgtop.advice.tables import TABLE_RULES
from pgtop.config import Config
from pgtop.db.collector import Collector
from pgtop.model.index import Index, IndexUse
from pgtop.ui.app import PgtopApp
from pgtop.ui.panes.indexes import IndexesPane


async def main() -> None:
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
        for key in ("down", "u", "u", "d", "i", "b", "T", "T", "less_than_sign"):
            began = time.perf_counter()
            await pilot.press(key)
            print(f"  key {key}: {(time.perf_counter() - began) * 1_000:.0f} ms")
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_024
    print(f"memory {memory:.0f} MB")
    await collector.close()


asyncio.run(main())
