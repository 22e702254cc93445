"""What the Connections tab costs the server, and the pooler's console, each time it is read.

`python -m tests.bench.connections [SESSIONS]` on the embedded server, through PgBouncer.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time

import psycopg

from pgtop.analysis.derived import Board
from pgtop.db.collector import Collector
from pgtop.db.pgbouncer import Console
from pgtop.model.pool import POOL_TYPES
from pgtop.ui.panes.connections import ConnectionsPane
from pgtop.ui.schedule import HEADER
from tests.servers import pooled, running

READINGS = 30


async def measure(many: int) -> None:
    """Print milliseconds of the server, of the whole reading, and of deriving its facts."""
    with running(options={"max_connections": str(many + 50)}) as server, pooled(server) as port:
        sessions = [psycopg.connect(server.dsn(), autocommit=True) for _ in range(many)]
        params = {"host": "127.0.0.1", "port": str(server.port), "user": "monitor",
                  "dbname": "postgres"}  # fmt: skip
        console = Console({"host": "127.0.0.1", "port": str(port), "user": "monitor"})
        collector = Collector(params, console=console)
        await collector.open()
        board = Board()
        fast = [kind for kind, least in ConnectionsPane.LANES.items() if least == 0]
        for name, kinds in (
            ("header alone", list(HEADER)),
            ("every interval, without the console", [
                *HEADER, *(kind for kind in fast if kind not in POOL_TYPES)]),
            ("every interval", [*HEADER, *fast]),
            ("all", [*HEADER, *ConnectionsPane.LANES]),
        ):  # fmt: skip
            server_ms, whole_ms, derive_ms = [], [], []
            for _ in range(READINGS):
                started = time.perf_counter()
                reading = await collector.read(kinds)
                read = time.perf_counter()
                board.take(reading)
                server_ms.append(reading.server_ms)
                whole_ms.append((read - started) * 1000)
                derive_ms.append((time.perf_counter() - read) * 1000)
            middle = [statistics.median(each) for each in (server_ms, whole_ms, derive_ms)]
            print(f"{many} sessions, {name}: server {middle[0]:.2f} ms, whole"
                  f" {middle[1]:.2f} ms, derived in {middle[2]:.2f} ms")  # fmt: skip
        await collector.close()
        for session in sessions:
            session.close()


if __name__ == "__main__":
    asyncio.run(measure(int(sys.argv[1]) if len(sys.argv) > 1 else 200))
