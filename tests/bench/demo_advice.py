"""The demo's workload before and after its index advice is followed, word for word.

python -m tests.bench.demo_advice
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

import psycopg

from pgtop.cli.demo import SETTINGS, loaded
from pgtop.db.collector import Collector
from pgtop.demo import shop
from pgtop.demo.server import private_server
from pgtop.model.advice import Advice, Advise

WATCHED_S = 12.0

FORGOTTEN = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE state = 'idle in transaction'"
)
"""Which the finding about idle sessions says too."""


def main() -> None:
    with private_server(SETTINGS) as server:
        shop.build(server)
        with loaded(server, deployed_after_s=3_600.0):
            dsn = server.dsn(shop.DATABASE)
            time.sleep(5)
            before = _means(dsn)
            advice = asyncio.run(_advised(server.dsn(shop.DATABASE, shop.SCREEN_ROLE)))
            with psycopg.connect(dsn, autocommit=True) as conn:
                for each in advice.indexes:
                    assert each.finding.remedy is not None
                    for sql in each.finding.remedy.sql:
                        print(sql)
                        conn.execute(FORGOTTEN)  # its snapshot would hold the build up
                        conn.execute(sql.encode())
            time.sleep(3)
            after = _means(dsn)
    print("| statement | calls/s | mean before | mean after |\n|---|--:|--:|--:|")
    for text, (calls, mean) in sorted(before.items(), key=lambda e: -e[1][0] * e[1][1]):
        if text in after and calls * mean > 1:
            print(f"| {text[:70]} | {calls:.1f} | {mean:.3f} ms | {after[text][1]:.3f} ms |")
    total = [sum(calls * mean for calls, mean in found.values()) for found in (before, after)]
    print(f"all: {total[0]:.1f} → {total[1]:.1f} ms/s")


async def _advised(dsn: str) -> Advice:
    params = {k: str(v) for k, v in psycopg.conninfo.conninfo_to_dict(dsn).items()}
    collector = Collector(params)
    await collector.open()
    try:
        return await collector.ask(Advise(window_s=5.0))
    finally:
        await collector.close()


def _means(dsn: str) -> dict[str, tuple[float, float]]:
    """Statement -> (calls a second, mean in milliseconds) over some seconds."""
    with psycopg.connect(dsn, autocommit=True) as conn:
        first = _counted(conn)
        time.sleep(WATCHED_S)
        second = _counted(conn)
    found = {}
    for text, (calls, ms) in second.items():
        old = first.get(text, (0, 0.0))
        if calls > old[0] and "pg_stat" not in text:
            done = calls - old[0]
            found[text] = (done / WATCHED_S, (ms - old[1]) / done)
    return found


def _counted(conn: psycopg.Connection[Any]) -> dict[str, tuple[int, float]]:
    rows = conn.execute(
        "SELECT query, sum(calls)::int8, sum(total_exec_time)::float8 FROM pg_stat_statements"
        " WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())"
        " GROUP BY 1"
    )
    return {" ".join(query.split()): (calls, ms) for query, calls, ms in rows}


if __name__ == "__main__":
    main()
