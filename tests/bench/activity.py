"""What Overview and Activity cost the server, beside pg_activity where it is installed.

`python -m tests.bench.activity [--tables 20000] [--sessions 200] [--seconds 40]`; some four
minutes. Of the sessions a fifth is active, of these `--waiting` (10) behind one row lock, the
others are idle.
Milliseconds a second are the processor's, of the backend that the program is connected to; those
of the statements alone, planned and executed, stand behind. Compare within one run.
"""

from __future__ import annotations

import argparse
import contextlib
import shutil
import sys
import threading
import time
from collections.abc import Iterator

import psutil
import psycopg

from pgtop.demo.server import private_server
from tests.bench.terminal import Program

BATCH = 500
ROLES = ("ours", "peer")


def fill(dsn: str, tables: int) -> None:
    """Tables with a row each, and a role for each program."""
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute("CREATE EXTENSION pg_stat_statements")
        for role in ROLES:
            conn.execute(f"CREATE ROLE {role} LOGIN SUPERUSER".encode())
        for first in range(0, tables, BATCH):
            last = min(first + BATCH, tables) - 1
            conn.execute(
                f"DO $$ BEGIN FOR i IN {first}..{last} LOOP"
                " EXECUTE format('CREATE TABLE t%s (a int)', i);"
                " EXECUTE format('INSERT INTO t%s VALUES (1)', i);"
                " END LOOP; END $$".encode()
            )
        conn.execute("CREATE TABLE hot (id int PRIMARY KEY, v int)")
        conn.execute("INSERT INTO hot VALUES (1, 0)")


@contextlib.contextmanager
def crowd(dsn: str, sessions: int, waiting: int = 10) -> Iterator[None]:
    """Sessions: one that holds a row, those that wait for it, some at work, the rest idle."""
    found = [
        psycopg.connect(dsn, autocommit=True, application_name=f"app{i % 5}")
        for i in range(sessions)
    ]

    def run(conn: psycopg.Connection, sql: bytes) -> None:
        with contextlib.suppress(psycopg.Error):
            conn.execute(sql)

    found[0].execute("BEGIN")
    found[0].execute("UPDATE hot SET v = 1")
    busy = sessions // 5
    threads = [
        threading.Thread(
            target=run,
            args=(conn, b"UPDATE hot SET v = 2" if i < waiting else b"SELECT pg_sleep(1000)"),
            daemon=True,
        )
        for i, conn in enumerate(found[1 : 1 + busy])
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        with psycopg.connect(dsn, autocommit=True) as conn:
            conn.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name LIKE 'app_'"
            )
        for thread in threads:
            thread.join(5)
        for each in found:
            each.close()


def spent(dsn: str, role: str) -> tuple[float, float]:
    """(processor ms of the role's backends, ms of its statements) since they began."""
    with psycopg.connect(dsn, autocommit=True) as conn:
        pids = conn.execute("SELECT pid FROM pg_stat_activity WHERE usename = %s", (role,))
        cpu = sum(sum(psutil.Process(pid).cpu_times()[:2]) for (pid,) in pids.fetchall())
        row = conn.execute(
            "SELECT sum(total_plan_time + total_exec_time)::float8 FROM pg_stat_statements s"
            " JOIN pg_roles r ON r.oid = s.userid WHERE rolname = %s", (role,),
        ).fetchone()  # fmt: skip
    return cpu * 1_000, (row[0] or 0.0) if row else 0.0


def costliest(dsn: str, role: str) -> dict[str, float]:
    """ms of each of the role's statements so far, by what they begin with."""
    with psycopg.connect(dsn, autocommit=True) as conn:
        rows = conn.execute(
            "SELECT left(regexp_replace(query, '\\s+', ' ', 'g'), 90),"
            " sum(total_plan_time + total_exec_time)::float8 FROM pg_stat_statements s"
            " JOIN pg_roles r ON r.oid = s.userid WHERE rolname = %s GROUP BY queryid, 1", (role,),
        ).fetchall()  # fmt: skip
    found: dict[str, float] = {}
    for text, ms in rows:
        found[text] = found.get(text, 0.0) + ms
    return found


def measured(dsn: str, role: str, program: Program, seconds: float, name: str) -> None:
    texts = costliest(dsn, role)
    before, began = spent(dsn, role), time.perf_counter()
    program.pump(seconds)
    after, took = spent(dsn, role), time.perf_counter() - began
    cpu, statements = ((b - a) / took for a, b in zip(before, after, strict=True))
    print(f"{name:<40} {cpu:6.1f} ms/s   statements {statements:6.1f} ms/s", flush=True)
    more = {text: ms - texts.get(text, 0.0) for text, ms in costliest(dsn, role).items()}
    for text, ms in sorted(more.items(), key=lambda item: -item[1])[:5]:
        print(f"    {ms / took:5.2f} ms/s  {text.removeprefix('SELECT /* pgtop */ ')}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tables", type=int, default=20_000)
    parser.add_argument("--sessions", type=int, default=200)
    parser.add_argument("--waiting", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=40.0)
    chosen = parser.parse_args()
    settings = {
        "listen_addresses": "127.0.0.1", "max_connections": str(chosen.sessions + 50),
        "max_locks_per_transaction": "256", "pg_stat_statements.track_planning": "on",
    }  # fmt: skip
    with private_server(settings) as server:
        dsn = server.dsn()
        fill(dsn, chosen.tables)
        where = f"host=127.0.0.1 port={server.port} user=ours dbname=postgres"
        with crowd(dsn, chosen.sessions, chosen.waiting):
            program = Program([sys.executable, "-m", "pgtop", where])
            program.first("finding")
            measured(dsn, "ours", program, 20, "pgtop: first 20 s, everything read once")
            program.child.send("2")
            program.first("blocking tree|all sessions")
            measured(dsn, "ours", program, chosen.seconds, "pgtop: Activity")
            program.child.send("1")
            program.pump(2)
            measured(dsn, "ours", program, chosen.seconds, "pgtop: Overview")
            program.close()
            activity = shutil.which("pg_activity")
            if activity is None:
                print("pg_activity is not installed: pip install pg_activity psycopg[binary]")
                return
            words = ["-h", "127.0.0.1", "-p", str(server.port), "-U", "peer", "-d", "postgres"]
            peer = Program([activity, *words])
            peer.first("RUNNING QUERIES")
            peer.pump(5)
            measured(dsn, "peer", peer, chosen.seconds, "pg_activity, as it starts")
            peer.close()


if __name__ == "__main__":
    main()
