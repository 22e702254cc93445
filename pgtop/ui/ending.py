"""How the screen ends: signals, a closed terminal, a defect. Always restored, always gone."""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import signal
import sys
import termios
import threading
from collections.abc import Callable
from typing import Any

from textual.app import App
from textual.worker import WorkerFailed

DEFECT_STATUS = 70
"""sysexits.h EX_SOFTWARE."""

GOING_S = 1.5
"""From the wish to leave until it is done the hard way: two seconds are what users wait."""

_LEAVE = (
    b"\x1b[?2004l\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?1015l\x1b[?1004l\x1b[?2048l"
    b"\x1b[?2026l\x1b[0m\x1b[?7h\x1b[<u\x1b[?1049l\x1b[?25h"
)
"""What Textual's driver sends at its end: paste, mouse, focus, synchronised output, colours,
wrapping and keyboard as they were, the user's own screen, a cursor."""


class Ending(App[int]):
    """The part of the app that knows how to leave."""

    defect: BaseException | None = None
    """What ended the app although it should not have; `cli` reports it, scrubbed."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._over = threading.Event()
        self._forcing: threading.Thread | None = None

    def watch_terminal(self) -> None:
        """End on SIGTERM and SIGHUP, and when the terminal is gone without a SIGHUP.

        With SIGHUP ignored (nohup, some sudo) a closed terminal is only seen by asking;
        without asking, its end-of-file would keep one core busy for ever.
        """
        if self.is_headless:
            return
        loop = asyncio.get_running_loop()

        def leave(number: int, _frame: object = None) -> None:
            # Not by the loop's own signal handling: it may stand still, in a write to a
            # terminal that takes nothing, where this is called all the same.
            self._force_soon(128 + number)
            with contextlib.suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(self.exit, 128 + number)

        for number in (signal.SIGTERM, signal.SIGHUP):
            if number == signal.SIGHUP and signal.getsignal(number) is signal.SIG_IGN:
                continue
            signal.signal(number, leave)
        if sys.__stdin__ and sys.__stdin__.isatty():
            waited = (sys.__stdin__.fileno(), leave)
            threading.Thread(target=_hung_up, args=waited, name="terminal", daemon=True).start()

    def exit(self, result: int | None = None, return_code: int = 0, message: Any = None) -> None:
        """As Textual's, and if its own end takes too long, without it."""
        self._force_soon(return_code or result or 0)
        super().exit(result, return_code, message)

    async def run_async(self, **options: Any) -> int | None:
        """As Textual's; what is left to do after it is done in peace."""
        try:
            return await super().run_async(**options)
        finally:
            self._over.set()

    def _force_soon(self, status: int) -> None:
        if self._forcing is None and not self.is_headless:
            self._forcing = threading.Thread(target=self._force, args=(status,), daemon=True)
            self._forcing.start()

    def _force(self, status: int) -> None:
        if self._over.wait(GOING_S):
            return
        _restore(getattr(self._driver, "attrs_before", None))
        os._exit(status)

    def _handle_exception(self, error: Exception) -> None:
        """A defect: keep it for the scrubbed report, show no locals. Of a worker that failed,
        what failed in it: the wrapper knows no place."""
        if isinstance(error, WorkerFailed) and isinstance(error.error, Exception):
            error = error.error
        self.defect = self.defect or error
        self._return_code = DEFECT_STATUS
        if self._exception is None:
            self._exception = error
            self._exception_event.set()
        self._close_messages_no_wait()

    def panic(self, *renderables: Any) -> None:
        """Textual would print them with the locals of every frame: leave that to the report."""
        self._close_messages_no_wait()


def _hung_up(terminal: int, leave: Callable[[int], None]) -> None:
    """A thread of its own: the one that reads keys spins on the end of file and leaves the
    loop little time, on a busy machine too little to go by itself."""
    poll = select.poll()
    poll.register(terminal, 0)  # told of a hang-up, and of nothing else
    poll.poll()
    leave(signal.SIGHUP)


def _restore(attributes: Any) -> None:
    """The terminal as it was, as far as it takes anything without making us wait."""
    if sys.__stderr__ is None or sys.__stdin__ is None:
        return
    with contextlib.suppress(OSError, ValueError, termios.error):
        if attributes is not None:
            termios.tcsetattr(sys.__stdin__.fileno(), termios.TCSANOW, attributes)
        out = sys.__stderr__.fileno()
        poll = select.poll()
        poll.register(out, select.POLLOUT)
        if any(event & select.POLLOUT for _, event in poll.poll(0)):
            os.write(out, _LEAVE)
