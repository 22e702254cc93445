"""A private PostgreSQL: started in a directory of its own, gone with whoever started it."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from psycopg.conninfo import make_conninfo

from pgtop.demo import guardian
from pgtop.demo.binaries import Account, ServerError, account, find, reachable, within_reach

START_WITHIN_S = 60.0
STOP_WITHIN_S = 10.0

SOCKET_PATH_BYTES = 90
"""Below the 103 to 107 bytes that systems give a socket's address, with room for its name."""

LOG_LINES = 8
"""Of a server that did not start: enough to hold its reason and the hint."""

SIGNALS = {"immediate": signal.SIGQUIT, "fast": signal.SIGINT, "smart": signal.SIGTERM}
"""pg_ctl's names of the ways to stop."""

DEFAULTS: Mapping[str, str] = {
    "listen_addresses": "127.0.0.1",
    "shared_preload_libraries": "pg_stat_statements",
    "track_io_timing": "on",
    "max_connections": "100",
    # nothing in here is worth a wait for the disk
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
}


class Server:
    """A private server, between `start` and `stop`."""

    def __init__(self, directory: Path, binaries: Path, by: Account | None) -> None:
        self.directory = directory
        self.binaries = binaries
        self.port = 0
        self.options: dict[str, str] = {}
        self._by = by
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def data(self) -> Path:
        """The data directory."""
        return self.directory / "data"

    @property
    def log(self) -> Path:
        """The server's messages."""
        return self.directory / "log"

    @property
    def pid(self) -> int:
        """The postmaster's; only while it runs."""
        assert self._process is not None
        return self._process.pid

    def dsn(self, database: str = "postgres", user: str = "postgres", **more: Any) -> str:
        """A connection string, over TCP if the server listens there and else its socket."""
        host = self.options["listen_addresses"] or str(self.directory)
        parts = {"host": host, "port": self.port, "user": user, "dbname": database, **more}
        return make_conninfo("", **parts)

    def run(self, *words: str | Path) -> None:
        """One of the server's programs, as the server's user. Raises `ServerError`."""
        done = subprocess.run(
            [str(word) for word in words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
            **self._surroundings(),
        )
        if done.returncode:
            told = done.stdout.decode(errors="replace")
            raise ServerError(f"{Path(words[0]).name} failed: {_last_lines(told)}")

    def initialize(self) -> None:
        """Make the data directory: UTF-8, C collation, everybody trusted who can get here."""
        self.run(
            *(self.binaries / "initdb", "-D", self.data, "-U", "postgres", "--auth=trust"),
            *("--encoding=UTF8", "--no-locale", "--no-sync"),
        )

    def start(self, options: Mapping[str, str] | None = None) -> None:
        """Start and wait until it takes connections. Raises `ServerError` with its last words."""
        self.options = {**DEFAULTS, **self.options, **(options or {})}
        attempts = 1 if self.port else 3
        for attempt in range(1, attempts + 1):
            port = self.port or self._free_port()
            failure = self._started(port)
            if failure is None:
                self.port = port
                return
            # somebody took the port between our look and the server's
            if attempt == attempts or "Address already in use" not in failure:
                raise ServerError(f"the server did not start: {_last_lines(failure)}")

    def _free_port(self) -> int:
        if not self.options["listen_addresses"]:
            return 5432  # the socket's directory is ours alone
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            return int(probe.getsockname()[1])

    def _started(self, port: int) -> str | None:
        """None, or what the server logged instead of starting."""
        with self.log.open("ab") as log:
            before = log.tell()
            self._process = process = subprocess.Popen(
                self._command(port),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **self._surroundings(),
            )
        deadline = time.monotonic() + START_WITHIN_S
        while time.monotonic() < deadline and process.poll() is None:
            if self._ready():
                return None
            time.sleep(0.01)
        self.stop()
        return self.log.read_bytes()[before:].decode(errors="replace")

    def _command(self, port: int) -> list[str]:
        words = [str(self.binaries / "postgres"), "-D", str(self.data)]
        places = {"port": str(port), "unix_socket_directories": str(self.directory)}
        for name, value in {**self.options, **places}.items():
            words += ["-c", f"{name}={value}"]
        return words

    def _ready(self) -> bool:
        """The eighth line of postmaster.pid says so (pidfile.h, LOCK_FILE_LINE_PM_STATUS)."""
        try:
            lines = (self.data / "postmaster.pid").read_text(encoding="utf-8").splitlines()
        except OSError:
            return False
        return len(lines) >= 8 and lines[7].strip() in ("ready", "standby")

    def _surroundings(self) -> dict[str, Any]:
        """Where and as whom: the guardian knows its processes by their working directory."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        found: dict[str, Any] = {"cwd": self.directory, "env": {**kept, "LC_ALL": "C"}}
        if self._by is not None:
            found.update(user=self._by.uid, group=self._by.gid, extra_groups=[])
        return found

    def stop(self, *, mode: str = "immediate") -> None:
        """Stop it; a second call does nothing. `mode`: one of `SIGNALS`."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.poll() is None:
            process.send_signal(SIGNALS[mode])
        try:
            process.wait(STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def restart(self, *, mode: str = "fast") -> None:
        """Stop and start again, on the same port with the same options."""
        self.stop(mode=mode)
        self.start()


@contextmanager
def private_server(
    options: Mapping[str, str] | None = None, *, binaries: Path | None = None
) -> Iterator[Server]:
    """A server of our own for the length of the block, and not a moment longer.

    It ends, and its directory goes, also if this process is killed. Raises `ServerError`.
    """
    chosen = binaries or find()
    server = None
    try:
        with private_directory() as (directory, by):
            server = Server(directory, within_reach(chosen, by, directory), by)
            server.initialize()
            server.start(options)
            yield server
    finally:
        if server is not None:
            server.stop()  # the guardian has ended it: this takes note


@contextmanager
def private_directory() -> Iterator[tuple[Path, Account | None]]:
    """A directory that only the `Account` (and we) may enter, watched over by a guardian.

    The guardian ends every process whose working directory lies in it, and removes it.
    """
    by = account()
    directory = Path(tempfile.mkdtemp(prefix="pgtop-", dir=_temporary(by))).resolve()
    watch = None
    try:
        watch = subprocess.Popen(
            [sys.executable, "-I", "-S", guardian.__file__, str(directory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            start_new_session=True,
        )
        if by is not None:
            os.chown(directory, by.uid, by.gid)
        yield directory, by
    finally:
        if watch is None:
            shutil.rmtree(directory, ignore_errors=True)
        else:
            _dismiss(watch)


def _dismiss(watch: subprocess.Popen[bytes]) -> None:
    assert watch.stdin is not None
    watch.stdin.close()
    try:
        watch.wait(STOP_WITHIN_S)
    except subprocess.TimeoutExpired:
        watch.kill()
        watch.wait()


def _temporary(by: Account | None) -> str:
    """The temporary directory, unless the server's user cannot go there or its name is too long."""
    for place in (tempfile.gettempdir(), "/tmp", "/var/tmp"):
        path = Path(place).resolve()
        fits = len(os.fsencode(path)) < SOCKET_PATH_BYTES - 20
        if path.is_dir() and fits and reachable(path, by):
            return str(path)
    raise ServerError("no temporary directory that the server's user may enter; set TMPDIR")


def _last_lines(text: str) -> str:
    return "\n".join(text.strip().splitlines()[-LOG_LINES:])
