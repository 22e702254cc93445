"""A terminal that a test looks into: a pty, what arrived at it, and its answers."""

from __future__ import annotations

import base64
import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import threading
import time
from collections.abc import Callable, Mapping, Sequence

_OSC52 = re.compile(rb"\x1b\]52;c?;([A-Za-z0-9+/=]*)(?:\x07|\x1b\\)")


class Outer:
    """Runs a command on a pty. `answers` maps what is asked to what the terminal replies."""

    def __init__(
        self,
        command: Sequence[str],
        env: Mapping[str, str],
        *,
        answers: Mapping[bytes, bytes] | None = None,
        delay_s: float = 0.0,
    ) -> None:
        self.arrived = b""
        self.listening = True
        """False: a terminal that reads nothing more, so that writing to it blocks."""

        self._answers = dict(answers or {})
        self._delay = delay_s
        self.pid, self._fd = pty.fork()
        if self.pid == 0:
            signal.signal(signal.SIGHUP, signal.SIG_DFL)  # the run itself may be under nohup
            os.execvpe(command[0], list(command), dict(env))
        fcntl.ioctl(self._fd, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        answered = 0
        while self._fd >= 0:
            try:
                if not self.listening:
                    time.sleep(0.02)
                    continue
                if not select.select([self._fd], [], [], 0.1)[0]:
                    continue
                part = os.read(self._fd, 65536)
            except (OSError, ValueError):
                return
            if not part:
                return
            self.arrived += part
            for question, answer in self._answers.items():
                if question in self.arrived[answered:]:
                    time.sleep(self._delay)
                    os.write(self._fd, answer)
                    answered = len(self.arrived)

    def type(self, keys: bytes) -> None:
        os.write(self._fd, keys)

    def hang_up(self) -> None:
        """Close the terminal under what runs in it."""
        fd, self._fd = self._fd, -1
        self._thread.join()  # or it would read from whoever gets the number next
        os.close(fd)

    def clipboard(self) -> list[bytes]:
        """Every text that a clipboard sequence brought to this terminal."""
        return [base64.b64decode(found) for found in _OSC52.findall(self.arrived)]

    def close(self) -> int:
        """End what runs here; its wait status."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGHUP)
        self.hang_up()
        for _ in range(100):
            done, status = os.waitpid(self.pid, os.WNOHANG)
            if done:
                return status
            time.sleep(0.02)
        os.kill(self.pid, signal.SIGKILL)
        return os.waitpid(self.pid, 0)[1]


def until(what: Callable[[], object], limit_s: float = 8.0) -> None:
    """Wait until something holds; a test that waits longer has failed."""
    deadline = time.monotonic() + limit_s
    while not what():
        if time.monotonic() > deadline:
            raise AssertionError("did not come to be in time")
        time.sleep(0.02)
