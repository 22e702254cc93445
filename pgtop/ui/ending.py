"""How the screen ends: signals, a closed terminal, a defect. Always restored, always gone."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import sys
from typing import Any

from textual.app import App

DEFECT_STATUS = 70
"""sysexits.h EX_SOFTWARE."""


class Ending(App[int]):
    """The part of the app that knows how to leave."""

    defect: BaseException | None = None
    """What ended the app although it should not have; `cli` reports it, scrubbed."""

    def watch_terminal(self) -> None:
        """End on SIGTERM and SIGHUP, and when the terminal is gone without a SIGHUP.

        With SIGHUP ignored (nohup, some sudo) a closed terminal is only seen by asking;
        without asking, its end-of-file would keep one core busy for ever.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGHUP):
            if number == signal.SIGHUP and signal.getsignal(number) is signal.SIG_IGN:
                continue
            loop.add_signal_handler(number, self.exit, 128 + number)
        if self.is_headless or not sys.__stdin__ or not sys.__stdin__.isatty():
            return
        poll = select.poll()
        poll.register(sys.__stdin__.fileno(), select.POLLHUP | select.POLLERR | select.POLLNVAL)

        def look() -> None:
            if poll.poll(0):
                self._terminal_gone()

        self.set_interval(1.0, look)

    def _terminal_gone(self) -> None:
        """Nothing can be drawn any more: give the server a moment, then go for good."""
        status = 128 + signal.SIGHUP
        self.exit(status)
        asyncio.get_running_loop().call_later(1.0, os._exit, status)

    def _handle_exception(self, error: Exception) -> None:
        """A defect: keep it for the scrubbed report, show no locals."""
        self.defect = self.defect or error
        self._return_code = DEFECT_STATUS
        if self._exception is None:
            self._exception = error
            self._exception_event.set()
        self._close_messages_no_wait()

    def panic(self, *renderables: Any) -> None:
        """Textual would print them with the locals of every frame: leave that to the report."""
        self._close_messages_no_wait()
