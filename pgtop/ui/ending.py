"""How the screen ends: signals, a closed terminal, a defect. Always restored, always gone."""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import signal
import sys
import threading
import time
from typing import Any

from textual.app import App

DEFECT_STATUS = 70
"""sysexits.h EX_SOFTWARE."""

GONE_STATUS = 128 + signal.SIGHUP

GOING_S = 1.0
"""Nothing can be drawn any more: a moment to end on the server what runs there, then go."""


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
        poll.register(sys.__stdin__.fileno(), 0)  # told of a hang-up and of nothing else

        def wait() -> None:
            """A thread of its own: the one that reads keys now spins on the end of file and
            leaves the loop little time, on a busy machine too little to go by itself."""
            poll.poll()
            with contextlib.suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(self.exit, GONE_STATUS)
            time.sleep(GOING_S)
            os._exit(GONE_STATUS)

        threading.Thread(target=wait, name="terminal", daemon=True).start()

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
