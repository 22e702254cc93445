"""`pgtop explain FILE` on a terminal: the Plan tab alone, without a server."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pgtop.model.request import AnswerT, Request
from pgtop.model.sample import Reading, SourceError

OFFLINE = "there is no connection: the plan was read from a file"


class Offline:
    """A source that knows nothing: every row type is unreadable, with the reason."""

    async def read(self, types: Iterable[type[Any]]) -> Reading:
        """Nothing, at once."""
        import time

        refused = SourceError(OFFLINE, lasting=True)
        return Reading(
            samples=dict.fromkeys(types, refused),
            taken_at=time.time(), arrived_at=time.monotonic(), server_ms=0.0, round_trips=0,
        )  # fmt: skip

    async def ask(self, request: Request[AnswerT]) -> AnswerT:
        """Nothing can be asked."""
        raise SourceError(OFFLINE, lasting=True)

    async def close(self) -> None:
        """There is nothing to close."""


def show(text: str, options: argparse.Namespace) -> int:
    """The screen on a plan; its keys come from the terminal, also after a pipe."""
    from pgtop.cli.screen import plain_glyphs_needed, prepare_environment, unfit_terminal
    from pgtop.config import Config

    if not sys.stdin.isatty():
        terminal = os.open("/dev/tty", os.O_RDWR)
        os.dup2(terminal, 0)
        os.close(terminal)
        sys.stdin = open(0, closefd=False)  # noqa: SIM115  # the process's own
        sys.__stdin__ = sys.stdin  # type: ignore[misc]  # the terminal takes the place of the pipe
    unfit = unfit_terminal()
    if unfit:
        sys.stderr.write(f"pgtop: {unfit}\n")
        return 2
    prepare_environment()
    from pgtop.ui import app as ui
    from pgtop.ui.panes.plan import PlanPane

    class PlanApp(ui.PgtopApp):
        """Opens the plan when the tab is there."""

        CSS_PATH = str(Path(ui.__file__).with_name("pgtop.tcss"))

        async def on_mount(self) -> None:
            self.call_later(self.open_plan)  # when the app's own on_mount has made the tab

        async def open_plan(self) -> None:
            pane = await self.show_pane("plan")
            assert isinstance(pane, PlanPane)
            pane.open_text(text, "a file's")

    config = Config(interval=3_600.0, ascii=bool(options.ascii) or plain_glyphs_needed())
    app = PlanApp(Offline(), config=config, first_pane="plan")
    status = asyncio.run(app.run_async())
    if app.defect is not None:
        from pgtop.state.crash import write_report

        sys.stderr.write(f"pgtop: a defect of pgtop, sorry: {write_report(app.defect)}\n")
        return 70
    return int(app.return_code or status or 0)
