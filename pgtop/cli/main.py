"""The command line. Imports nothing heavy: `--version` and `--help` answer at once."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from pgtop import __version__

COMMANDS = ("demo", "report", "explain", "advise", "doctor")

EPILOG = """\
commands (the first word decides; a database of that name is -d NAME):
  pgtop demo [--seconds N]         a sick database of our own, and the screen on it
  pgtop report [CONNINFO]          every view once, and the findings, as text, JSON, Markdown
  pgtop explain [FILE|-]           a plan from a file or a pipe
  pgtop advise [CONNINFO]          few indexes for a workload, priced and never built
  pgtop doctor                     the terminal and the clipboard, tried

exit status: 0 done, 1 report found something critical, 2 wrong usage or unfit terminal,
3 could not connect, 4 nothing could be read, 70 a defect of pgtop, 128+n ended by signal n
"""


def screen_parser(prog: str = "pgtop") -> argparse.ArgumentParser:
    """Options of the screen."""
    parser = argparse.ArgumentParser(
        prog=prog,
        description="Live PostgreSQL inspection: what is slow, why, and the DDL that ends it.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        add_help=False,
    )
    add_connection(parser)
    group = parser.add_argument_group("screen")
    group.add_argument("--interval", type=_interval, metavar="SECONDS", help="between readings (2)")
    group.add_argument(
        "--allow-actions",
        action="store_true",
        default=None,
        help="let the screen cancel, terminate and ANALYZE, each after a question",
    )
    add_pooler(group)
    group.add_argument("--theme", metavar="NAME", help="dark, light, ansi or a Textual theme")
    group.add_argument("--ascii", action="store_true", default=None, help="draw with ASCII alone")
    group.add_argument(
        "--no-mouse", dest="mouse", action="store_false", default=None, help="leave the mouse alone"
    )
    group.add_argument("--log", metavar="FILE", help="write what happens, without statement texts")
    group.add_argument("--profile", metavar="NAME", help="[profile.NAME] of config.toml")
    group.add_argument(
        "--wait", action="store_true", help="keep trying until the server has a free slot"
    )
    group.add_argument("--version", action="store_true", help="show the version and exit")
    return parser


def add_pooler(parser: argparse._ActionsContainer) -> None:
    """PgBouncer's console, beside the server."""
    parser.add_argument(
        "--pgbouncer",
        metavar="CONNINFO",
        help="PgBouncer's console, to show its pools: 'host=… port=6432 user=…'",
    )


def add_connection(
    parser: argparse.ArgumentParser,
    positional: str = "CONNINFO",
    words: str = "a URI, key=value string, or database name",
) -> None:
    """psql's connection options; libpq reads its environment and files by itself."""
    parser.add_argument("conninfo", nargs="?", metavar=positional, help=words)
    group = parser.add_argument_group("connection, as psql takes it")
    group.add_argument("-h", "--host", metavar="HOST")
    group.add_argument("-p", "--port", metavar="PORT")
    group.add_argument("-U", "--username", metavar="NAME")
    group.add_argument("-d", "--dbname", metavar="NAME")
    group.add_argument("-w", "--no-password", action="store_true", help="never ask for a password")
    group.add_argument("-W", "--password", action="store_true", help="ask for a password first")
    group.add_argument("--service", metavar="NAME", help="of pg_service.conf")
    parser.add_argument("-?", "--help", action="help", help="show this and exit")


def _interval(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0.2 <= value <= 3_600:
        raise argparse.ArgumentTypeError(f"{text!r}: seconds from 0.2 to 3600")
    return value


def main(argv: Sequence[str] | None = None) -> int:
    """Run pgtop; returns its exit status."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        if words and words[0] in COMMANDS:
            return _command(words[0], words[1:])
        options = screen_parser().parse_args(words)
        if options.version:
            sys.stdout.write(_version())
            return 0
        from pgtop.cli.screen import run

        status = run(options)
        _let_go()
        return status
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return 141


def _let_go() -> None:
    """What a terminal that is gone did not take is dropped: Python, failing to write it at its
    very end, would put a status of its own (120) in place of ours."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _version() -> str:
    return f"pgtop {__version__} (Python {sys.version.split()[0]}, the Textual one)\n"


def _command(name: str, words: list[str]) -> int:
    if name == "report":
        from pgtop.cli.report import main as report

        return report(words)
    if name == "demo":
        from pgtop.cli.demo import main as demo

        return demo(words)
    if name == "explain":
        from pgtop.cli.explain import main as explain

        return explain(words)
    if name == "doctor":
        from pgtop.cli.doctor import main as doctor

        return doctor(words)
    from pgtop.cli.advise import main as advise

    return advise(words)
