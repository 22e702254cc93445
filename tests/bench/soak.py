"""Memory, files and connections of the screen over a long time, its tabs changing under pgbench.

`python -m tests.bench.soak [--minutes 60]`; pgbench is taken from the path. The first two
minutes are left out: tabs are built when they are first opened.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import subprocess
import time
from pathlib import Path

import psycopg

from pgtop.demo.server import private_server
from tests.bench.queries import pgtop, report
from tests.bench.terminal import Program

KEYS = (
    *("1", "2", "3", "4", "5", "6", "7", "8", "9"),
    *("down", "up", "enter", "escape", "pgdn", "home", "space", "space", "<", ">"),
)
"""What a person presses while looking around; a second between two."""

RAW = {"down": "\x1b[B", "up": "\x1b[A", "enter": "\r", "escape": "\x1b", "pgdn": "\x1b[6~",
       "home": "\x1b[H", "space": " "}  # fmt: skip

WARM_S = 120.0


def resident_mb(pid: int) -> float:
    words = Path(f"/proc/{pid}/status").read_text().split("VmRSS:")[1].split()
    return int(words[0]) / 1024


def files(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


def sessions(dsn: str) -> int:
    with psycopg.connect(dsn, autocommit=True) as conn:
        row = conn.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pgtop'"
        ).fetchone()
    return int(row[0]) if row else -1


def soak(minutes: float) -> None:
    chosen = random.Random(11)
    with private_server({"shared_preload_libraries": "pg_stat_statements"}) as server:
        dsn = server.dsn()
        with psycopg.connect(dsn, autocommit=True) as conn:
            conn.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
        bench = shutil.which("pgbench") or "pgbench"
        address = ["-h", "127.0.0.1", "-p", str(server.port), "-U", "postgres", "postgres"]
        subprocess.run([bench, "-i", "-s", "5", "-q", *address], check=True, capture_output=True)
        load = subprocess.Popen(
            [bench, "-c", "2", "-R", "50", "-T", str(int(minutes * 60 + 600)), *address],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        program = Program(pgtop(server.port))
        pid = program.child.pid
        try:
            program.first(r"checked")
            began, said = time.monotonic(), 0.0
            before: tuple[float, int, int] | None = None
            while (passed := time.monotonic() - began) < minutes * 60:
                key = chosen.choice(KEYS)
                program.child.send(RAW.get(key, key))
                program.pump(1.0)
                if before is None and passed >= WARM_S:
                    before = resident_mb(pid), files(pid), sessions(dsn)
                if passed - said >= 300:
                    said = passed
                    report(f"after {passed / 60:.0f} min: resident MB", f"{resident_mb(pid):.1f}")
            after = resident_mb(pid), files(pid), sessions(dsn)
            names = ("resident MB", "open files", "sessions on the server")
            for name, then, now in zip(names, before or after, after, strict=True):
                report(f"{name}, after 2 min and at the end", f"{then:.1f}  {now:.1f}")
        finally:
            program.close()
            load.terminate()
            load.wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0)
    soak(parser.parse_args().minutes)
