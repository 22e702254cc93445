"""Servers for the tests: real ones, private, gone with the test run.

`PGTOP_TEST_SERVERS` names directories of binaries (one for each version to test on),
separated by spaces; without it the embedded server alone is used.
"""

from __future__ import annotations

import itertools
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from pgtop.demo.binaries import ServerError, account
from pgtop.demo.server import Server, private_directory, private_server

ROLES = ("postgres", "monitor", "nobody_role")
"""A superuser, a member of pg_monitor, and one that was granted nothing."""

_numbers = itertools.count(1)


class TestServer:
    """A running server, as tests see it."""

    __test__ = False

    def __init__(self, server: Server) -> None:
        self.server = server
        self.version_num = 0

    def dsn(self, database: str = "postgres", user: str = "postgres", **more: Any) -> str:
        """A connection string."""
        return self.server.dsn(database, user, **more)

    @property
    def port(self) -> int:
        """On 127.0.0.1."""
        return self.server.port

    def connect(
        self, database: str = "postgres", user: str = "postgres", **more: Any
    ) -> psycopg.Connection[tuple[Any, ...]]:
        """A session of the test's own, in autocommit."""
        return psycopg.connect(self.dsn(database, user, **more), autocommit=True)

    def execute(self, *statements: str, database: str = "postgres") -> None:
        """Run statements as the superuser."""
        with self.connect(database) as conn:
            for statement in statements:
                conn.execute(statement.encode())

    def prepare(self) -> None:
        """What every test finds: the roles, and pg_stat_statements in `postgres` alone."""
        self.execute(
            "CREATE EXTENSION IF NOT EXISTS pg_stat_statements",
            "CREATE ROLE monitor LOGIN",
            "GRANT pg_monitor TO monitor",
            "CREATE ROLE nobody_role LOGIN",
        )
        with self.connect() as conn:
            self.version_num = conn.info.server_version

    @contextmanager
    def database(self, options: str = "", *, name: str = "") -> Iterator[str]:
        """A fresh database without any extension; gives its name and drops it afterwards.

        `options` stand behind CREATE DATABASE.
        """
        name = name or f"test_{next(_numbers)}"
        self.execute(f'CREATE DATABASE "{name}" {options}')
        try:
            yield name
        finally:
            self.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    @contextmanager
    def latin1_database(self) -> Iterator[str]:
        """A database that holds its text as Latin-1."""
        with self.database("ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0") as d:
            yield d

    @contextmanager
    def sql_ascii_database(self) -> Iterator[str]:
        """A database that holds whatever bytes it was given."""
        with self.database("ENCODING 'SQL_ASCII' TEMPLATE template0") as name:
            yield name


def named_servers() -> list[str]:
    """Directories of binaries to test on; "embedded" alone by default."""
    return os.environ.get("PGTOP_TEST_SERVERS", "").split() or ["embedded"]


@contextmanager
def running(
    binaries: str = "embedded", options: Mapping[str, str] | None = None
) -> Iterator[TestServer]:
    """A server of that directory of binaries, with the tests' roles."""
    place = None if binaries == "embedded" else Path(binaries)
    with private_server(options, binaries=place) as server:
        found = TestServer(server)
        found.prepare()
        yield found


@contextmanager
def pooled(server: TestServer, *, size: int = 1, user: str = "") -> Iterator[int]:
    """PgBouncer before `server`, in transaction mode; gives its port.

    `size` server connections. Clients come in as whoever they say they are, and the
    server sees `user`, or without it their own name. `postgres` may enter its console,
    `monitor` only read there.
    """
    program = shutil.which("pgbouncer", path=os.environ["PATH"] + ":/usr/sbin")
    if program is None:
        raise ServerError("pgbouncer is not installed; apt-get install pgbouncer")
    with private_directory() as (directory, by):
        port = _free_port()
        target = f"host=127.0.0.1 port={server.port}" + (f" user={user}" if user else "")
        names = directory / "users"
        names.write_text("".join(f'"{role}" ""\n' for role in ROLES))
        config = directory / "ini"
        config.write_text(
            f"[databases]\n* = {target}\n"
            f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
            f"auth_type = {'any' if user else 'trust'}\nauth_file = {names}\n"
            f"pool_mode = transaction\ndefault_pool_size = {size}\n"
            "admin_users = postgres\nstats_users = monitor\n"
        )
        who: dict[str, Any] = {}
        if by is not None:
            who = {"user": by.uid, "group": by.gid, "extra_groups": []}
        with (directory / "log").open("wb") as log:
            process = subprocess.Popen(
                [program, str(config)], cwd=directory, stdout=log, stderr=log, **who
            )
        try:
            if not _answers(port, process):
                raise ServerError((directory / "log").read_text(errors="replace"))
            yield port
        finally:
            process.terminate()
            process.wait(10)


def _answers(port: int, process: subprocess.Popen[bytes]) -> bool:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return True
        except OSError:
            time.sleep(0.02)
    return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Standby(TestServer):
    """A server that follows another."""

    def promote(self) -> None:
        """Make it a primary, and wait until it is."""
        self.execute("SELECT pg_promote(true, 30)")


@contextmanager
def standby(primary: TestServer, options: Mapping[str, str] | None = None) -> Iterator[Standby]:
    """A streaming standby of `primary`, made without pg_basebackup: not every build has it."""
    with private_directory() as (directory, by):
        server = Server(directory, _binaries_for(primary, directory), by)
        _copy_cluster(primary, server)
        (server.data / "standby.signal").touch()
        source = make_conninfo(primary.dsn(), application_name="standby")
        source = " ".join(f"{k}={v}" for k, v in conninfo_to_dict(source).items() if k != "dbname")
        if by is not None:
            for path in (server.data, *server.data.rglob("*")):
                os.chown(path, by.uid, by.gid, follow_symlinks=False)
        try:
            server.start({**(options or {}), "primary_conninfo": source, "hot_standby": "on"})
            found = Standby(server)
            found.version_num = primary.version_num
            _wait_until_readable(found)
            yield found
        finally:
            server.stop()


def _binaries_for(primary: TestServer, directory: Path) -> Path:
    from pgtop.demo.binaries import within_reach

    return within_reach(primary.server.binaries, account(), directory)


def _copy_cluster(primary: TestServer, server: Server) -> None:
    """A low-level base backup: the start and stop calls were renamed in 15."""
    with primary.connect() as conn:
        modern = conn.info.server_version >= 150000
        start = (
            "SELECT pg_backup_start('standby', true)"
            if modern
            else "SELECT pg_start_backup('standby', true, false)"
        )
        stop = (
            "SELECT labelfile FROM pg_backup_stop(false)"
            if modern
            else "SELECT labelfile FROM pg_stop_backup(false, false)"
        )
        conn.execute(start.encode())
        _copy_tree(primary.server.data, server.data)
        row = conn.execute(stop.encode()).fetchone()
        assert row is not None
    (server.data / "backup_label").write_text(row[0])
    # what was written during the copy is read from the primary's log of this moment
    _copy_tree(primary.server.data / "pg_wal", server.data / "pg_wal")


def _copy_tree(source: Path, target: Path) -> None:
    """A running server's files may vanish meanwhile: its log makes up for it."""
    skipped = {"postmaster.pid", "postmaster.opts", "pg_replslot", "pg_stat_tmp"}
    for directory, names, files in os.walk(source):
        place = target / Path(directory).relative_to(source)
        place.mkdir(mode=0o700, exist_ok=True)
        for name in [name for name in names if name in skipped]:
            names.remove(name)
            (place / name).mkdir(mode=0o700, exist_ok=True)
        for name in files:
            if name in skipped:
                continue
            try:
                shutil.copyfile(Path(directory, name), place / name)
                os.chmod(place / name, 0o600)
            except FileNotFoundError:
                continue


def _wait_until_readable(server: TestServer) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            server.execute("SELECT 1")
            return
        except psycopg.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
