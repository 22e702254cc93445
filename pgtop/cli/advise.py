"""`pgtop advise`: few indexes for a workload, each with its price; nothing is built."""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from pgtop.model.advice import Advice, Advise, Work
from pgtop.model.sample import Disconnected, SourceError

DONE, USAGE, NOTHING_READ = 0, 2, 4

FORMATS = ("text", "json", "psql", "django", "alembic", "rails", "files")

LARGEST_FILE = 16 << 20
"""Bytes of a file of statements."""

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?\Z", re.IGNORECASE)


def parser() -> argparse.ArgumentParser:
    """Options of `pgtop advise`."""
    from pgtop.cli.main import add_connection

    found = argparse.ArgumentParser(
        prog="pgtop advise",
        add_help=False,
        description="Few indexes for the statements of pg_stat_statements, or of files: priced by"
        " the planner where HypoPG is installed, never built, nothing run.",
    )
    add_connection(found)
    found.add_argument(
        "--queries", action="append", metavar="DIR|FILE", help="statements, instead; repeatable"
    )
    found.add_argument("--top", type=_count, default=30, metavar="N", help="by time (30)")
    found.add_argument("--max-size", type=size, metavar="SIZE", help="of all indexes: 500MB")
    found.add_argument(
        "--seconds", type=_seconds, default=10.0, metavar="N", help="for the search (10)"
    )
    found.add_argument(
        "--window", type=_window, default=0.0, metavar="SECONDS",
        help="watch so long what statements cost (0: as counted since the reset)",
    )  # fmt: skip
    found.add_argument("--format", choices=FORMATS, default="text")
    found.add_argument("--log", metavar="FILE", help="write what happens")
    return found


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 1_000:
        raise argparse.ArgumentTypeError(f"{text!r}: a number from 1 to 1000")
    return int(text)


def _seconds(text: str) -> float:
    return _between(text, 0.5, 3_600)


def _window(text: str) -> float:
    return _between(text, 0.0, 86_400)


def _between(text: str, least: float, most: float) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not least <= value <= most:
        raise argparse.ArgumentTypeError(f"{text!r}: seconds from {least:g} to {most:g}")
    return value


def size(text: str) -> float:
    """`500MB` as bytes, in powers of 1024 as PostgreSQL reads sizes."""
    found = _SIZE.match(text.strip())
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r}: a size such as 500MB or 2GB")
    return float(found[1]) * 1024.0 ** " kmgt".index(found[2].lower() or " ")


def main(words: Sequence[str]) -> int:
    """Run it; returns the exit status."""
    options = parser().parse_args(list(words))
    from pgtop.cli.connect import (
        COULD_NOT_CONNECT,
        configure_log,
        params_of,
        scrubbed_failure,
    )
    from pgtop.terminal.safe import safe

    if options.format == "rails":
        sys.stderr.write("pgtop advise: rails is not shipped; files gives plain SQL\n")
        return USAGE
    try:
        configure_log(options.log)
        params = params_of(options)
        works = read_works(options.queries or ())
    except (ValueError, OSError) as error:
        sys.stderr.write(f"pgtop advise: {safe(str(error))}\n")
        return USAGE
    try:
        advice, server, version = asyncio.run(_asked(params, options, works))
    except Disconnected as error:
        named = options.conninfo or options.dbname or ""
        sys.stderr.write(f"pgtop: {scrubbed_failure(error.why, named)}\n")
        return COULD_NOT_CONNECT
    except SourceError as error:
        remedy = f"\n{error.remedy}" if error.remedy else ""
        sys.stderr.write(f"pgtop advise: {safe(error.why)}{remedy}\n")
        return NOTHING_READ
    if not advice.indexes and options.format not in ("text", "json"):
        sys.stderr.write(
            "pgtop advise: nothing is advised, so there is no migration; --format text says why\n"
        )
        return DONE if advice.statements else NOTHING_READ
    sys.stdout.write(written(advice, options.format, server, version))
    sys.stdout.flush()
    return DONE if advice.statements else NOTHING_READ


def read_works(places: Sequence[str]) -> tuple[Work, ...]:
    """Statements of files: of a directory every `*.sql`, in order. Raises ValueError, OSError."""
    from pgtop.advisor.workload import works_of

    paths: list[tuple[Path, bool]] = []
    for place in map(Path, places):
        if place.is_dir():
            inside = [(path, True) for path in sorted(place.glob("*.sql"))]
            if not inside:
                raise ValueError(f"{place} holds no .sql file")
            paths += inside
        else:
            paths.append((place, len(places) > 1))
    works: list[Work] = []
    for path, alone in paths:
        if path.stat().st_size > LARGEST_FILE:
            raise ValueError(f"{path} is larger than {LARGEST_FILE >> 20} MB")
        text = path.read_text(encoding="utf-8", errors="backslashreplace")
        works += works_of(path.stem, text.lstrip("\ufeff"), alone=alone)
    if places and not works:
        raise ValueError(f"no statement in {', '.join(places)}")
    return tuple(works)


async def _asked(
    params: dict[str, str], options: argparse.Namespace, works: tuple[Work, ...]
) -> tuple[Advice, str, str]:
    """(the advice, `host:port/database`, the server's version)."""
    from pgtop.cli.connect import connected
    from pgtop.model.server import Link, Server

    collector = await connected(
        params, prompt=options.password, never_prompt=options.no_password, wait=False
    )
    said = _progress()
    try:
        reading = await collector.read((Server, Link))
        advice = await collector.ask(
            Advise(
                works=works, top=options.top, window_s=options.window, progress=said,
                max_bytes=options.max_size, seconds=options.seconds,
            )
        )  # fmt: skip
    finally:
        said("", 0.0)
        await collector.close()
    server, link = reading.samples[Server], reading.samples[Link]
    if isinstance(server, SourceError) or isinstance(link, SourceError):
        return advice, "", ""
    row, line = server.rows[0], link.rows[0]
    return advice, f"{line.host}:{line.port}/{row.database}", row.version


def _progress() -> Callable[[str, float], None]:
    """One line on standard error that replaces itself; nothing where that is no terminal."""
    terminal = sys.stderr.isatty()

    def said(stage: str, fraction: float) -> None:
        if not terminal:
            return
        line = f"pgtop advise: {stage} {fraction:4.0%}" if stage else ""
        sys.stderr.write(f"\r\x1b[K{line}")
        sys.stderr.flush()

    return said


def written(advice: Advice, form: str, server: str, version: str) -> str:
    """The answer in one of the formats."""
    from pgtop.report.advise import as_json, as_text

    if form == "json":
        return json.dumps(as_json(advice), indent=1, ensure_ascii=True) + "\n"
    if form == "text":
        return as_text(advice)
    from pgtop.migration import files_for
    from pgtop.migration.plan import joined

    findings = [each.finding for each in advice.indexes]
    files = files_for(form, findings, server=server, version=version, at=time.time())
    return joined(files)
