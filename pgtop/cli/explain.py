"""`pgtop explain`: a plan from a file, a pipe or the server, printed or on the screen."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pgtop.report.plan_view import PlanView

DONE, USAGE, NOTHING_READ = 0, 2, 4

FORMATS = ("text", "json", "markdown")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `pgtop explain`; the positional is the file, or CONNINFO after --sql."""
    parser.add_argument("--format", choices=FORMATS, help="instead of the screen")
    parser.add_argument("--sql", metavar="FILE", help="ask the server for this statement's plan")
    parser.add_argument(
        "--analyze",
        action="store_true",
        help="with --sql: run the statement, read only, and roll back; only SELECT",
    )
    parser.add_argument(
        "--search-path", metavar="PATH", help="with --sql: the statement's search_path"
    )
    parser.add_argument("--ascii", action="store_true", default=None, help="draw with ASCII alone")
    parser.add_argument("--log", metavar="FILE", help="write what happens")


def main(words: Sequence[str]) -> int:
    """Run it; returns the exit status."""
    from pgtop.cli.main import add_connection

    parser = argparse.ArgumentParser(
        prog="pgtop explain",
        add_help=False,
        description="A plan in JSON, TEXT, YAML or XML, or an auto_explain log, from FILE or a pipe"
        " (-); with --sql the plan that the server of CONNINFO makes.",
    )
    add_connection(
        parser, "FILE|CONNINFO",
        "the plan's file, or - for a pipe; with --sql what to connect to, as psql takes it",
    )  # fmt: skip
    add_arguments(parser)
    return run_explain(parser.parse_args(list(words)))


def run_explain(options: argparse.Namespace) -> int:
    """Read the plan, or ask for it, and print or show it."""
    from pgtop.model.plan import PlanError

    if options.analyze and not options.sql:
        sys.stderr.write("pgtop explain: --analyze needs --sql\n")
        return USAGE
    if options.sql and options.sql == "-" and options.conninfo == "-":
        sys.stderr.write("pgtop explain: standard input is the statement, not the connection\n")
        return USAGE
    try:
        if options.sql:
            from pgtop.cli.explain_sql import asked

            return asked(options, _text_of(options.sql))
        if options.conninfo is None and sys.stdin.isatty():
            sys.stderr.write("pgtop explain: name a FILE, or - for standard input\n")
            return USAGE
        text = _text_of(options.conninfo or "-")
    except OSError as error:
        sys.stderr.write(f"pgtop explain: {error.strerror}: {error.filename}\n")
        return USAGE
    from pgtop.analysis.plan.parse import parse
    from pgtop.report.plan_view import PlanView
    from pgtop.terminal.safe import safe

    try:
        views = [PlanView.of(plan) for plan in parse(text)]
    except PlanError as error:
        sys.stderr.write(f"pgtop explain: {safe(str(error))}\n")
        return NOTHING_READ
    if options.format is None and sys.stdout.isatty():
        from pgtop.cli.explain_screen import show

        return show(text, options)
    write(views, options.format or "text")
    return DONE


def _text_of(name: str) -> str:
    """A file's text, or standard input's; undecodable bytes stay visible."""
    data = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", "replace")
    return data.decode("utf-8", "backslashreplace")


def write(views: Sequence[PlanView], form: str) -> None:
    """Print plans; one after the other but for JSON, which is one document."""
    from pgtop.report import plan as report

    if form == "json":
        sys.stdout.writelines(report.json_parts(views))
        sys.stdout.write("\n")
        return
    lines = report.markdown_lines if form == "markdown" else report.text_lines
    for line in _separated(lines(view) for view in views):
        sys.stdout.write(line + "\n")


def _separated(parts: Iterator[Iterator[str]]) -> Iterator[str]:
    for index, part in enumerate(parts):
        if index:
            yield ""
        yield from part
