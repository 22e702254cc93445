"""What the Queries tab costs and how fast it answers, beside pg_activity where it is installed.

`python -m tests.bench.queries [--statements 9500]`; some three minutes. Machines are noisy:
compare within one run.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import Any

import psycopg

from pgtop.demo.server import private_server
from tests.bench.terminal import Program
from tests.lag import link

ROWS = r"by total time.*\n.*\n.*%"
"""The first rows of the Queries tab."""

OWN = "SELECT /* pgtop */%"


def fill(dsn: str, statements: int) -> None:
    """Statements of an ORM's length: 2 to 6 kB each, every one another tree."""
    chosen = random.Random(7)
    with psycopg.connect(dsn, autocommit=True) as conn:
        for i in range(statements):
            alias = "t" + "x" * (i % 20) + str(i)
            names = (f"{alias}.relname AS c{i}_{j}" for j in range(chosen.randint(40, 120)))
            where = " AND ".join(f"{alias}.relpages > {k}" for k in range(i % 50 + 1))
            conn.execute(
                f"SELECT {', '.join(names)} FROM pg_class AS {alias}"
                f" WHERE {alias}.oid = 0 AND {where} LIMIT {i % 3}".encode(),
                prepare=False,
            )


def own(dsn: str) -> dict[str, tuple[int, float, int]]:
    """pgtop's own statements: (calls, mean ms, temporary blocks) by what they begin with."""
    with psycopg.connect(dsn, autocommit=True) as conn:
        rows = conn.execute(
            "SELECT left(query, 75), calls, mean_exec_time, temp_blks_written"
            " FROM pg_stat_statements WHERE query LIKE %s", (OWN,),
        ).fetchall()  # fmt: skip
    return {text: (calls, mean, temp) for text, calls, mean, temp in rows}


def report(name: str, value: Any) -> None:
    print(f"{name:<58} {value}")


def pgtop(port: int) -> list[str]:
    return [
        sys.executable,
        "-m",
        "pgtop",
        f"host=127.0.0.1 port={port} user=postgres dbname=postgres",
    ]


def costs(dsn: str, port: int, directory: Path) -> None:
    program = Program(pgtop(port))
    report("first screen, what was checked so far", f"{program.first('[0-9] checked'):.2f} s")
    program.child.send("3")
    report("… and the statements", f"{program.first(ROWS):.2f} s")
    program.pump(3)
    for name, value in program.steady(20).items():
        report(f"steady, 2 s interval: {name}", f"{value:.1f}")
    report("key to paint", program.latency(["down", "up", "m", "t", "pgdn"], 6))
    report("switching a tab", program.latency(["4", "3", "9", "3"], 3))
    stopped(program, dsn, directory)
    program.close()
    for text, (calls, mean, temp) in sorted(own(dsn).items(), key=lambda i: -i[1][1])[:4]:
        words = " ".join(text.removeprefix("SELECT /* pgtop */").split())[:44]
        report(f"  {words}", f"{mean:.1f} ms × {calls}, {temp} temp blocks")


def stopped(program: Program, dsn: str, directory: Path) -> None:
    """Our backend and the postmaster stopped: do the keys still answer?"""
    with psycopg.connect(dsn, autocommit=True) as conn:
        rows = conn.execute(
            "SELECT pid FROM pg_stat_activity WHERE application_name = 'pgtop'"
        ).fetchall()
    postmaster = int((directory / "data" / "postmaster.pid").read_text().split("\n")[0])
    pids = [*(row[0] for row in rows), postmaster]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        program.pump(5)
        report("key to paint, backend and postmaster stopped",
               program.latency(["down", "up", "m", "t"], 5))  # fmt: skip
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
    program.pump(3)


def slow_link(port: int) -> None:
    with link(port, delay_s=0.05) as slow:
        program = Program(pgtop(slow.port))
        report("first screen at 100 ms round trip", f"{program.first('[0-9] checked'):.2f} s")
        program.child.send("3")
        report("… and the statements", f"{program.first(ROWS):.2f} s")
        program.pump(3)
        report("key to paint at 100 ms round trip",
               program.latency(["down", "up", "m", "t"], 5))  # fmt: skip
        program.close()


def peer(port: int) -> None:
    activity = shutil.which("pg_activity")
    if activity is None:
        report("pg_activity", "not installed: pip install pg_activity psycopg[binary]")
        return
    words = [activity, "-h", "127.0.0.1", "-p", str(port), "-U", "postgres", "-d", "postgres"]
    program = Program(words)
    report("pg_activity: first screen", f"{program.first('RUNNING QUERIES'):.2f} s")
    program.pump(3)
    report("pg_activity: key to paint", program.latency(["r", "w", "c", "m"], 3, below=0))
    program.close()


def version() -> None:
    began = time.perf_counter()
    for _ in range(5):
        os.spawnv(os.P_WAIT, sys.executable, [sys.executable, "-m", "pgtop", "--version"])
    report("--version", f"{(time.perf_counter() - began) / 5 * 1000:.0f} ms")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--statements", type=int, default=9_500)
    chosen = parser.parse_args().statements
    settings = {"listen_addresses": "127.0.0.1", "pg_stat_statements.max": "20000"}
    for statements in (1_000, chosen):
        with private_server(settings) as server:
            with psycopg.connect(server.dsn(), autocommit=True) as conn:
                conn.execute("CREATE EXTENSION pg_stat_statements")
            fill(server.dsn(), statements)
            print(f"\n{statements:,} statements")
            costs(server.dsn(), server.port, server.directory)
            if statements == chosen:
                slow_link(server.port)
                peer(server.port)
    version()


if __name__ == "__main__":
    main()
