"""`pgtop demo`: a sick database of our own, under load, for as long as something looks at it."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import pgtop
from pgtop.cli.main import screen_parser
from pgtop.demo import shop
from pgtop.demo.binaries import ServerError
from pgtop.demo.server import Server, private_server

UNAVAILABLE = 4

DEPLOYED_AFTER_S = 40.0
"""A release makes one statement slow when the screen has seen how it was before."""

SETTINGS = {
    "listen_addresses": "",  # its socket lies where nobody else may go
    "wal_level": "minimal",  # what is filled as soon as it is created needs no log
    "max_wal_senders": "0",
    "max_wal_size": "2GB",
    "autovacuum_naptime": "20s",
    "max_parallel_workers_per_gather": "0",  # one core, however slow a query is
    "jit": "off",
}
"""Of the demo's server."""


def main(words: Sequence[str]) -> int:
    """`pgtop demo …`: the screen, the report or index advice on the demo's database."""
    if words and words[0] == "report":
        from pgtop.cli import report

        report.parser().parse_args(list(words[1:]))  # a wrong option is said before a server starts
        return run_demo(lambda conninfo: report.main([*words[1:], conninfo]))
    if words and words[0] == "advise":
        from pgtop.cli import advise

        advise.parser().parse_args(list(words[1:]))
        return run_demo(lambda conninfo: _advised(conninfo, words[1:]))
    from pgtop.cli.screen import USAGE, show, unfit_terminal

    options, others = parser().parse_known_args(list(words))
    screen_parser().parse_args(others)
    unfit = unfit_terminal()
    if unfit:
        sys.stderr.write(f"pgtop demo: {unfit}\n")
        return USAGE
    return run_demo(lambda conninfo: show(conninfo, seconds=options.seconds, words=tuple(others)))


WORKED_S = 10.0
"""How long the shop works before its statements are judged."""


def _advised(conninfo: str, words: Sequence[str]) -> int:
    """Advice once the applications have worked a while: before, nothing is counted."""
    from pgtop.cli import advise

    window = any(word.startswith("--window") for word in words)
    return advise.main([*words, *(() if window else ("--window", f"{WORKED_S:g}")), conninfo])


def parser() -> argparse.ArgumentParser:
    """Options of the demo by itself; the screen's are taken too."""
    found = argparse.ArgumentParser(
        prog="pgtop demo",
        description="A sick database of our own, under load, and the screen on it.",
        epilog="pgtop demo report …, advise …: the same on it. Options of the screen are those of"
        " pgtop.",
        allow_abbrev=False,
    )
    found.add_argument("--seconds", type=_seconds, metavar="N", help="end by itself after N")
    return found


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= 86_400:
        raise argparse.ArgumentTypeError(f"{text!r}: seconds up to 86400")
    return value


def run_demo(run: Callable[[str], int]) -> int:
    """Start server, shop and load; call `run` with a connection string; stop everything.

    Returns what `run` returns, 4 with a sentence where no server can be started, 130
    after Ctrl+C, 128 + n after another signal that ends.
    """
    # what psycopg says of a session that was cut off is not for the terminal
    logging.getLogger("psycopg").addHandler(logging.NullHandler())
    try:
        with _ending_signals(), private_server(SETTINGS) as server:
            with _progress() as said:
                shop.build(server, said)
            with loaded(server):
                return run(server.dsn(shop.DATABASE, shop.SCREEN_ROLE))
    except ServerError as error:
        sys.stderr.write(f"pgtop demo: {error}\n")
        return UNAVAILABLE
    except KeyboardInterrupt:
        return 130
    except _Ended as ended:
        return 128 + ended.number


@contextmanager
def loaded(server: Server, deployed_after_s: float = DEPLOYED_AFTER_S) -> Iterator[None]:
    """The shop's applications at work for the length of the block, in a process of their own."""
    # from a checkout that is not installed the package is found where we found it
    places = [str(Path(pgtop.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    load = subprocess.Popen(
        [sys.executable, "-m", "pgtop.demo.load", server.dsn(shop.DATABASE), str(deployed_after_s)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, places))},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=server.directory,
        start_new_session=True,
    )
    assert load.stdin is not None
    assert load.stdout is not None
    try:
        if not load.stdout.readline():
            raise ServerError("the demo's load ended at once")
        yield
    finally:
        load.kill()
        load.stdin.close()
        load.stdout.close()
        load.wait()


class _Ended(BaseException):
    """A signal that ends us, as an exception, so that the blocks above are left in order."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


@contextmanager
def _ending_signals() -> Iterator[None]:
    """SIGTERM and SIGHUP leave the block; the screen has its own handlers while it runs."""

    def end(number: int, frame: FrameType | None) -> None:
        raise _Ended(number)

    numbers = (signal.SIGTERM, signal.SIGHUP)
    # one that is ignored stays so: that is what nohup is for
    heard = [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, end) for number in heard}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _progress() -> Iterator[Callable[[str], None]]:
    """One line on standard error that replaces itself; nothing where that is no terminal."""
    terminal = sys.stderr.isatty()

    def said(words: str) -> None:
        if terminal:
            sys.stderr.write(f"\r\x1b[Kpgtop demo: {words} …")
            sys.stderr.flush()

    said("starting a server")
    try:
        yield said
    finally:
        if terminal:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
