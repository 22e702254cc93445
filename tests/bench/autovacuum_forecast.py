"""Predicted and real autovacuum on a churned table, before and after an override of ours.

    python -m tests.bench.autovacuum_forecast [RUNS] [ROWS] [BINARIES]

A private server (of the embedded binaries, else of a directory of others); one table under
constant updates of an indexed column. Half way to each run the forecast is written down; the
server's own log is the truth. Then the override is applied under the same churn, and dead rows
at the peak and runs an hour are compared with what the composer says.
"""

from __future__ import annotations

import asyncio
import re
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict

from pgtop.advice.vacuum_case import case
from pgtop.analysis.vacuum.options import Change, after
from pgtop.analysis.vacuum.state import VacuumState
from pgtop.analysis.vacuum.view import effect
from pgtop.db.collector import Collector
from pgtop.model.sample import Sample
from pgtop.model.server import DatabaseCounters, Server, Vitals
from tests.servers import running

ROWS = int(sys.argv[2]) if len(sys.argv) > 2 else 400_000
PER_S = 1_000
NAPTIME_S = 5.0
OVERRIDE = {"autovacuum_vacuum_scale_factor": "0.04"}


class Churn(threading.Thread):
    """Updates PER_S rows a second, each in a transaction of a few."""

    def __init__(self, dsn: str) -> None:
        super().__init__(daemon=True)
        self.dsn = dsn
        self.ended = threading.Event()

    def run(self) -> None:
        place, step = 0, PER_S // 20
        with psycopg.connect(self.dsn, autocommit=True) as conn:
            begun, done = time.monotonic(), 0
            while not self.ended.is_set():
                conn.execute(
                    "UPDATE churned SET n = n + 1 WHERE id = ANY (%s)",
                    ([(place + i * 7919) % ROWS for i in range(step)],),
                )
                place, done = (place + step * 7919) % ROWS, done + step
                self.ended.wait(max(0.0, begun + done / PER_S - time.monotonic()))


@dataclass
class Run:
    """One autovacuum: what was said, what came."""

    said_at: float
    said_in_s: float
    said_takes_s: float | None
    model_takes_s: float | None
    began: float | None = None
    took_s: float | None = None
    dead_at_peak: int = 0


class Watcher:
    """Reads as the tab does, and keeps what it says."""

    def __init__(self, dsn: str, log: Path) -> None:
        self.log = log
        params = {name: str(value) for name, value in conninfo_to_dict(dsn).items()}
        self.collector = Collector(params)
        self.state = VacuumState()
        self.relid = 0

    async def read(self) -> None:
        reading = await self.collector.read([*VacuumState.READS, Server, Vitals, DatabaseCounters])
        held = {kind: s for kind, s in reading.samples.items() if isinstance(s, Sample)}
        self.state = self.state.advanced(held, held)
        self.relid = next(t.relid for t in self.state.tables.values() if t.relname == "churned")

    def logged(self) -> list[float]:
        """Seconds of each run so far, by the server's log."""
        text = self.log.read_text(errors="replace")
        ours = r'automatic vacuum of table "[^"]*churned"'
        of = ours + r"(?:(?!automatic)[\s\S])*?elapsed: ([\d.]+) s"
        return [float(found) for found in re.findall(of, text)]

    async def next_run(self) -> Run:
        """Follow the table to the end of its next run."""
        said: Run | None = None
        peak, runs = 0, len(self.logged())
        while True:
            await asyncio.sleep(2.5 if said is None else 0.5)
            await self.read()
            one = case(self.state, self.relid)
            seen, table = one.seen, one.seen.table
            took = self.logged()
            if len(took) > runs:
                if said is not None:
                    said.took_s = took[-1]
                    said.began = self.state.at - said.took_s  # half a second late at most
                    said.dead_at_peak = peak
                    return said
                runs = len(took)
                continue
            peak = max(peak, table.n_dead_tup)
            if said is None and seen.next_s is not None and 0.35 < seen.pressure.dead < 1:
                said = Run(self.state.at, seen.next_s, seen.takes_s, seen.estimated_s)


async def watch(dsn: str, log: Path, runs: int) -> None:
    watcher = Watcher(dsn, log)
    await watcher.collector.open()
    naptime = NAPTIME_S
    print(f"{'said next':>10} {'came after':>11} {'said takes':>11} {'took':>7} {'peak dead':>10}")
    before = [await watcher.next_run() for _ in range(runs)]
    _print(before, naptime)
    one = case(watcher.state, watcher.relid)
    assert watcher.state.settings is not None
    rate = PER_S
    said = effect(
        one.seen, after(one.seen.options, Change(OVERRIDE)), watcher.state.settings, dead_per_s=rate
    )
    now = effect(one.seen, one.seen.options, watcher.state.settings, dead_per_s=rate)
    print(
        f"composer: {now.limits.vacuum:.0f} → {said.limits.vacuum:.0f} dead rows, peak"
        f" {now.peak:.0f} → {said.peak:.0f}, every {now.every_s:.0f} s → {said.every_s:.0f} s"
    )
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute("ALTER TABLE churned SET (autovacuum_vacuum_scale_factor = 0.04)")
    await watcher.next_run()  # the first one starts from the old backlog
    later = [await watcher.next_run() for _ in range(max(3, runs - 1))]
    _print(later, naptime)
    for name, group in (("before", before), ("after", later)):
        begins = [run.began for run in group if run.began]
        every = (begins[-1] - begins[0]) / (len(begins) - 1)
        peak = sum(run.dead_at_peak for run in group) / len(group)
        print(f"{name}: peak {peak:,.0f} dead, every {every:.1f} s, {3600 / every:.0f} runs/h")
    await watcher.collector.close()


def _print(runs: list[Run], naptime: float) -> None:
    for run in runs:
        assert run.began is not None
        came = run.began - run.said_at
        within = abs(came - run.said_in_s) <= 0.2 * run.said_in_s + naptime
        ratio = run.took_s / run.said_takes_s if run.took_s and run.said_takes_s else 0.0
        print(
            f"{run.said_in_s:>9.1f}s {came:>10.1f}s {run.said_takes_s or 0:>10.1f}s"
            f" {run.took_s or 0:>6.1f}s {run.dead_at_peak:>10,}"
            f"  {'ok' if within else 'OUTSIDE'}  took {ratio:.0%} of what was said"
            f" (model {run.model_takes_s or 0:.1f} s)"
        )


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    options = {
        "autovacuum_naptime": f"{NAPTIME_S:.0f}s", "shared_buffers": "16MB",
        "autovacuum_vacuum_scale_factor": "0.1", "autovacuum_analyze_threshold": "2000000000",
        "max_wal_size": "2GB", "log_autovacuum_min_duration": "0",
    }  # fmt: skip
    binaries = sys.argv[3] if len(sys.argv) > 3 else "embedded"
    with running(binaries, options=options) as server:
        print(f"PostgreSQL {server.version_num // 10000}, {ROWS:,} rows, {PER_S:,} updates/s")
        server.execute(
            "CREATE TABLE churned (id int PRIMARY KEY, n int, pad text) WITH (fillfactor = 80)",
            "INSERT INTO churned SELECT i, 0, repeat('x', 150)"
            f" FROM generate_series(0, {ROWS - 1}) i",
            "CREATE INDEX ON churned (n)",
            "VACUUM ANALYZE churned",
        )
        churn = Churn(server.dsn())
        churn.start()
        try:
            asyncio.run(watch(server.dsn(), server.server.log, runs))
        finally:
            churn.ended.set()
            churn.join()


if __name__ == "__main__":
    main()
