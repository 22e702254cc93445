"""pgtop in a terminal of a test's own, its screen read as text."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Mapping, Sequence

import pyte

from tests.terminal.outer import Outer, until

LEFT = b"\x1b[?1049l"
"""Leaves the alternate screen: the user's own is back."""


UNKNOWN = re.compile(rb"\x1b\[[<>][0-9]*u")
"""Private sequences that pyte does not know: it would print their parameters."""
HALF = re.compile(rb"\x1b(\[[<>0-9;?]*)?\Z")
"""A sequence that has only half arrived."""


class Program(Outer):
    """pgtop on a pty, its screen read as text."""

    def __init__(self, words: Sequence[str], env: Mapping[str, str]) -> None:
        self._drawn = 0
        self._screen = pyte.Screen(120, 40)
        self._stream = pyte.ByteStream(self._screen)
        super().__init__(words, env)

    def shown(self) -> str:
        """The screen now: only what came since the last look is drawn anew, or a second
        that a sentence stands is gone before it is looked at."""
        fresh = self.arrived[self._drawn :]
        if half := HALF.search(fresh):
            fresh = fresh[: half.start()]
        self._stream.feed(UNKNOWN.sub(b"", fresh))
        self._drawn += len(fresh)
        return "\n".join(self._screen.display)

    def see(self, words: str, limit_s: float = 10.0) -> None:
        until(lambda: words in self.shown(), limit_s)

    def open_queries(self) -> None:
        """From the first screen to the statements."""
        self.see(" checked")
        self.type(b"3")
        self.see("by total time")

    def ended(self, limit_s: float = 3.0) -> tuple[int, float]:
        """(exit status, seconds until it came)."""
        started = time.monotonic()
        while time.monotonic() - started < limit_s:
            done, status = os.waitpid(self.pid, os.WNOHANG)
            if done:
                time.sleep(0.1)
                return os.waitstatus_to_exitcode(status), time.monotonic() - started
            time.sleep(0.01)
        shown = self.shown()
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        raise AssertionError(f"still there after {limit_s} s:\n{shown}")
