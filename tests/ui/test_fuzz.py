"""Random keys and sizes on a server full of hostile names and texts, in a real terminal."""

from __future__ import annotations

import contextlib
import fcntl
import os
import random
import struct
import sys
import termios
import time
from pathlib import Path

import psycopg
import pytest

from tests.hostile import CORPUS
from tests.servers import TestServer
from tests.terminal.outer import until
from tests.terminal.program import Program

KEYS = int(os.environ.get("PGTOP_FUZZ_KEYS", "500"))
"""Ten thousand take some minutes."""

SEEDS = [int(seed) for seed in os.environ.get("PGTOP_FUZZ_SEEDS", "1").split()]

BEHIND_S = 60.0
"""A hundred keys a second are more than a busy machine takes: they wait in the terminal."""

SPECIAL = (
    *(b"\x1b[A", b"\x1b[B", b"\x1b[C", b"\x1b[D", b"\x1b[5~", b"\x1b[6~", b"\x1b[H", b"\x1b[F"),
    *(b"\r", b"\t", b"\x1b[Z", b"\x7f", b"\x1b", b" ", b"/", b"?", b"<", b">", b"=", b"*", b"+"),
)
PLAIN = tuple(
    bytes([code]) for code in b"abcdefghijklmnoprstuvwxyz0123456789ABCDEFGHIJKLMNOPRSTUVWXYZ"
)
"""Without q, which is tested by itself."""

SIZES = ((40, 120), (24, 80), (60, 300), (15, 60), (10, 40), (1, 1), (40, 120))
"""(rows, columns)."""

NEVER = (
    *(b"\x1b]52;c;cm0gLXJmIH4=", b"\x1b]0;title", b"\x1b[5;5H \x1b[31m", b"\xc2\x9b", b"\xc2\x9d"),
    *(text.encode() for text in ("\u202e", "\u202c", "\u2066", "\u200b", "\ufeff", "\U000e0041")),
)
"""What must never arrive at the terminal."""


@pytest.fixture
def hostile(server: TestServer) -> str:
    """The name of a database with the corpus in names, comments and statements."""
    sendable = [text.replace("\x00", "") for text in CORPUS]
    sendable = [text for text in sendable if not any("\ud800" <= c <= "\udfff" for c in text)]
    name = "hostile \x1b[31m [/x]"
    server.execute(f'DROP DATABASE IF EXISTS "{name}"', f'CREATE DATABASE "{name}"')
    with psycopg.connect(server.dsn(name), autocommit=True, prepare_threshold=None) as conn:
        conn.execute("CREATE EXTENSION pg_stat_statements")
        conn.execute("SELECT pg_stat_statements_reset()")
        for text in sendable:
            short = text.encode()[:55].decode("utf-8", "ignore").replace('"', '""')
            conn.execute(f'CREATE TABLE "{short}" ("{short}" int PRIMARY KEY)'.encode())
            conn.execute(f'INSERT INTO "{short}" SELECT generate_series(1, 2000)'.encode())
            literal = text.replace("'", "''")
            conn.execute(f"""COMMENT ON TABLE "{short}" IS '{literal[:9_000]}'""".encode())
            plain = text.replace("*/", "")
            conn.execute(f'SELECT count(*) /* {plain} */ AS "{short}" FROM "{short}"'.encode())
    return name


@pytest.mark.parametrize("seed", SEEDS)
def test_random_keys_over_hostile_data(
    server: TestServer, hostile: str, tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)
    program = _started(server, hostile, tmp_path)
    pressed: list[bytes] = []
    try:
        for number in range(KEYS):
            key = chance.choice(SPECIAL if chance.random() < 0.4 else PLAIN)
            pressed.append(key)
            program.type(key)
            if number % 50 == 49:
                size = struct.pack("HHHH", *chance.choice(SIZES), 0, 0)
                fcntl.ioctl(program._fd, termios.TIOCSWINSZ, size)
            time.sleep(0.01)
            done, status = os.waitpid(program.pid, os.WNOHANG)
            assert not done, _obituary(status, pressed, tmp_path)
        fcntl.ioctl(program._fd, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
        for _ in range(4):
            program.type(b"\x1b")
            time.sleep(0.3)
        seen = len(program.arrived)
        program.type(b"3")
        until(lambda: len(program.arrived) > seen, BEHIND_S)
        found = [text for text in NEVER if text in program.arrived]
        assert found == []
        program.type(b"q")
        assert program.ended(BEHIND_S)[0] == 0
    finally:
        with contextlib.suppress(ProcessLookupError, ChildProcessError, OSError):
            os.kill(program.pid, 9)
            os.waitpid(program.pid, 0)
    assert not list(tmp_path.rglob("*crash*/*"))


def _obituary(status: int, pressed: list[bytes], home: Path) -> str:
    reports = [path.read_text()[-3_000:] for path in home.rglob("*crash*/*")]
    last = b" ".join(pressed[-30:])
    return f"status {os.waitstatus_to_exitcode(status)} after {last!r}\n" + "\n".join(reports)


def _started(server: TestServer, database: str, home: Path) -> Program:
    env = {
        "HOME": str(home),
        "PATH": os.environ["PATH"],
        "TERM": "xterm-256color",
        "LANG": "C.UTF-8",
        # files that keys write are written where the program stands
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    run = [sys.executable, "-m", "pgtop", "--interval", "0.5", server.dsn(database)]
    program = Program(["env", "-C", str(home), *run], env)
    program.open_queries()
    return program
