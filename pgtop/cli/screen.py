"""`pgtop`: the screen on a server."""

from __future__ import annotations

import argparse
import asyncio
import importlib
import os
import sys
from collections.abc import Awaitable
from typing import Any

from pgtop.config import Config, ConfigError, load
from pgtop.model.sample import Disconnected

USAGE = 2
DEFECT = 70


SLOW_S = 1.0
"""A connection that takes longer is announced."""


def run(options: argparse.Namespace, *, seconds: float | None = None) -> int:
    """Check the terminal, connect, show the screen; returns the exit status."""
    try:
        config = load(options.profile, _flags(options))
    except ConfigError as error:
        return _fail(str(error), USAGE)
    unfit = unfit_terminal()
    if unfit:
        return _fail(unfit, USAGE)
    from pgtop.cli.connect import (
        COULD_NOT_CONNECT,
        configure_log,
        console_params,
        params_of,
        scrubbed_failure,
    )

    try:
        configure_log(options.log)
        params = params_of(options, config.conninfo)
        console_params(config.pgbouncer)
    except (ValueError, OSError) as error:
        return _fail(str(error), USAGE)
    try:
        return asyncio.run(_screen(params, options, config, seconds))
    except Disconnected as error:
        named = options.conninfo or options.dbname or config.conninfo
        return _fail(scrubbed_failure(error.why, named), COULD_NOT_CONNECT)


def show(conninfo: str, *, seconds: float | None = None, words: tuple[str, ...] = ()) -> int:
    """The screen on `conninfo`, for the demo."""
    from pgtop.cli.main import screen_parser

    options = screen_parser().parse_args([*words, conninfo])
    return run(options, seconds=seconds)


def _flags(options: argparse.Namespace) -> dict[str, Any]:
    names = ("interval", "theme", "ascii", "allow_actions", "mouse", "pgbouncer")
    return {name: getattr(options, name) for name in names}


def unfit_terminal() -> str | None:
    """Why the screen cannot be shown here, with the next step; None if it can."""
    if not sys.stdin.isatty() or not sys.__stderr__ or not sys.__stderr__.isatty():
        return "the screen needs a terminal; `pgtop report` prints the same without one"
    if os.environ.get("TERM", "") in ("", "dumb"):
        return (
            f"TERM={os.environ.get('TERM', '')!r} cannot show a screen; set TERM to what the"
            " terminal is (xterm-256color), or use `pgtop report`"
        )
    return None


def prepare_environment() -> None:
    """What Textual reads when it is imported."""
    os.environ.setdefault("TEXTUAL_ANIMATIONS", "none")
    if os.environ.get("SSH_CONNECTION") or os.environ.get("SSH_TTY"):
        os.environ.setdefault("ESCDELAY", "250")  # sequences that the network split
        os.environ.setdefault("TEXTUAL_FPS", "20")


def plain_glyphs_needed() -> bool:
    """Whether the terminal's encoding has no box and block characters."""
    stream = sys.__stderr__
    encoding = (getattr(stream, "encoding", None) or "ascii").lower().replace("-", "")
    return encoding not in ("utf8", "utf_8")


async def _screen(
    params: dict[str, str], options: argparse.Namespace, config: Config, seconds: float | None
) -> int:
    from dataclasses import replace

    from pgtop.cli.connect import connected, console_params, torn
    from pgtop.cli.first import FIRST
    from pgtop.terminal.probe import probe

    prepare_environment()
    # Textual is imported while the terminal answers and the network connects. A password
    # prompt waits for the terminal: it must not read the terminal's reply.
    probing = asyncio.ensure_future(asyncio.to_thread(probe))
    loading = asyncio.ensure_future(asyncio.to_thread(importlib.import_module, "pgtop.ui.app"))
    host = params.get("host") or os.environ.get("PGHOST", "")
    named = "" if torn(options.conninfo or options.dbname or config.conninfo) else host
    slow = asyncio.get_running_loop().call_later(SLOW_S, say_connecting, named)
    try:
        collector = await connected(
            params,
            prompt=options.password,
            never_prompt=options.no_password,
            wait=options.wait,
            before_prompt=lambda: _before_prompt(slow, probing),
            pgbouncer=console_params(config.pgbouncer),
        )
    finally:
        slow.cancel()
        await probing  # its reply is ours, not the shell's
    # Read while Textual is still being imported; the texts, which cost more, follow.
    first = asyncio.ensure_future(collector.read(FIRST))
    ui = await loading
    from pgtop.ui.themes import unknown_theme  # Textual is there by now

    unknown = unknown_theme(config.theme)
    if unknown:
        await collector.close()
        return _fail(unknown, USAGE)
    if plain_glyphs_needed():
        config = replace(config, ascii=True)
    app = ui.PgtopApp(
        collector,
        config=config,
        seconds=seconds,
        first_reading=first,
        probe=await probing,
    )
    status = await app.run_async(mouse=config.mouse)
    if app.defect is not None:
        return _defect(app.defect)
    return int(app.return_code or status or 0)


async def _before_prompt(slow: asyncio.TimerHandle, probing: Awaitable[Any]) -> None:
    """A prompt is neither written over nor read from."""
    slow.cancel()
    await probing


def say_connecting(host: str) -> None:
    """Nothing is worse at that hour than a black screen."""
    from pgtop.terminal.safe import safe

    place = f" to {safe(host)}" if host else ""
    sys.stderr.write(f"pgtop: connecting{place} … (Ctrl+C ends it)\r\n")
    sys.stderr.flush()


def _defect(error: BaseException) -> int:
    """A defect of ours: where it happened, without what it held."""
    from pgtop.state.crash import write_report

    where = write_report(error)
    return _fail(f"a defect of pgtop, sorry. The report holds no data of yours:\n{where}", DEFECT)


def _fail(sentence: str, status: int) -> int:
    sys.stderr.write(f"pgtop: {sentence}\n")
    return status
