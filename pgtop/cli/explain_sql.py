"""`pgtop explain --sql`: the plan that a server makes of a statement."""

from __future__ import annotations

import argparse
import asyncio
import sys
from typing import TYPE_CHECKING

from pgtop.model.plan_request import CheckAnalyze, PlanAnswer, PlanOf
from pgtop.model.sample import Disconnected, SourceError

if TYPE_CHECKING:
    from pgtop.db.collector import Collector

USAGE, NOTHING_READ = 2, 4


def asked(options: argparse.Namespace, text: str) -> int:
    """Ask, and print; returns the exit status."""
    from pgtop.cli.connect import (
        COULD_NOT_CONNECT,
        configure_log,
        params_of,
        scrubbed_failure,
    )
    from pgtop.terminal.safe import safe

    try:
        configure_log(options.log)
        params = params_of(options)
    except (ValueError, OSError) as error:
        sys.stderr.write(f"pgtop: {error}\n")
        return USAGE
    try:
        answer = asyncio.run(_answer(params, options, text))
    except Disconnected as error:
        named = options.conninfo or options.dbname or ""
        sys.stderr.write(f"pgtop: {scrubbed_failure(error.why, named)}\n")
        return COULD_NOT_CONNECT
    except SourceError as error:
        remedy = f"\n{error.remedy}" if error.remedy else ""
        sys.stderr.write(f"pgtop explain: {safe(error.why)}{remedy}\n")
        return NOTHING_READ
    _print(answer, options.format or "text")
    return 0


async def _answer(params: dict[str, str], options: argparse.Namespace, text: str) -> PlanAnswer:
    from pgtop.cli.connect import connected

    collector = await connected(
        params, prompt=options.password, never_prompt=options.no_password, wait=False
    )
    try:
        return await _ask(collector, options, text)
    finally:
        await collector.close()


async def _ask(collector: Collector, options: argparse.Namespace, text: str) -> PlanAnswer:
    timing = True
    if options.analyze:
        check = await collector.ask(CheckAnalyze(text=text, search_path=options.search_path))
        if check.dangerous or check.volatile:
            names = ", ".join((*check.dangerous, *check.volatile))
            raise SourceError(f"not run: it calls {names}, whose effects no ROLLBACK may undo")
        timing = check.timing
    return await collector.ask(
        PlanOf(
            text=text, search_path=options.search_path, analyze=options.analyze, timing=timing
        )
    )  # fmt: skip


def _print(answer: PlanAnswer, form: str) -> None:
    from pgtop.cli.explain import write
    from pgtop.report.plan_view import PlanView
    from pgtop.terminal.safe import safe

    views = [PlanView.of(plan, answer.facts) for plan in answer.plans]
    said = "; ".join((f"{answer.way}, {answer.database} as {answer.role}", *answer.notes))
    if form == "json":
        sys.stderr.write(safe(said) + "\n")
    else:
        sys.stdout.write(safe(said) + "\n")
    write(views, form)
