"""`pgtop report`: every view once, and the findings, without a screen."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from typing import Any

from pgtop.model.sample import Disconnected, SourceError

CRITICAL, USAGE, NOTHING_READ = 1, 2, 4

STEPS = 3
"""Intervals a window is read in: rules want a pattern to hold three times running."""

SECTIONS = (
    "queries", "tables", "indexes", "autovacuum", "sessions", "connections", "replication",
    "findings",
)  # fmt: skip


def parser() -> argparse.ArgumentParser:
    """Options of `pgtop report`."""
    from pgtop.cli.main import add_connection, add_pooler

    found = argparse.ArgumentParser(
        prog="pgtop report", add_help=False, description="Every view once, and the findings."
    )
    add_connection(found)
    found.add_argument(
        "--section", action="append", choices=SECTIONS, help="only this one; may be repeated"
    )
    found.add_argument(
        "--window", type=_seconds, default=10.0, metavar="SECONDS", help="to watch (10; 0: once)"
    )
    add_pooler(found)
    found.add_argument("--format", choices=("text", "json", "markdown"), default="text")
    found.add_argument(
        "--redact", action="store_true", help="mask literals too; passwords always are"
    )
    found.add_argument("--wait", action="store_true", help="keep trying to connect")
    found.add_argument("--log", metavar="FILE", help="write what happens")
    return found


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 86_400:
        raise argparse.ArgumentTypeError(f"{text!r}: seconds from 0 to 86400")
    return value


def main(words: Sequence[str]) -> int:
    """Run it; returns the exit status."""
    options = parser().parse_args(list(words))
    from pgtop.cli.connect import (
        COULD_NOT_CONNECT,
        configure_log,
        console_params,
        params_of,
        scrubbed_failure,
    )

    try:
        configure_log(options.log)
        params = params_of(options)
        console_params(options.pgbouncer or "")
    except (ValueError, OSError) as error:
        sys.stderr.write(f"pgtop: {error}\n")
        return USAGE
    try:
        report = asyncio.run(_report(params, options))
    except Disconnected as error:
        named = options.conninfo or options.dbname or ""
        sys.stderr.write(f"pgtop: {scrubbed_failure(error.why, named)}\n")
        return COULD_NOT_CONNECT
    sys.stdout.write(_written(report, options.format))
    sys.stdout.flush()
    return _status(report, options.section)


def _written(report: dict[str, Any], form: str) -> str:
    from pgtop.report.words import as_markdown, as_text

    if form == "json":
        return json.dumps(report, indent=1, ensure_ascii=True) + "\n"
    return as_markdown(report) if form == "markdown" else as_text(report)


def _status(report: dict[str, Any], sections: list[str] | None) -> int:
    """1 for something critical, 4 where nothing that was asked could be read."""
    asked = [name for name in sections or SECTIONS if name != "findings"]
    refused = {part["what"]: part for part in report["unavailable"]}
    if asked and not any(name in report for name in asked) and refused.keys() & set(asked):
        for name in asked:
            if name in refused:
                part = refused[name]
                remedy = f": {part['remedy']}" if part["remedy"] else ""
                sys.stderr.write(f"pgtop: {name}: {part['why']}{remedy}\n")
        return NOTHING_READ
    critical = any(part["severity"] == "critical" for part in report.get("findings", ()))
    return CRITICAL if critical else 0


async def _report(params: dict[str, str], options: argparse.Namespace) -> dict[str, Any]:
    from pgtop.cli.connect import connected, console_params
    from pgtop.cli.views import Watch

    collector = await connected(
        params,
        prompt=options.password,
        never_prompt=options.no_password,
        wait=options.wait,
        pgbouncer=console_params(options.pgbouncer or ""),
    )
    try:
        sections = options.section or SECTIONS
        watch = Watch(collector, sections)
        await watch.read(first=True)
        for step in range(STEPS if options.window else 0):
            await asyncio.sleep(options.window / STEPS)
            await watch.read(last=step == STEPS - 1)
        await watch.advise()
        return watch.document(redact=options.redact)
    except SourceError as error:
        raise error if isinstance(error, Disconnected) else Disconnected(error.why) from error
    finally:
        await collector.close()
