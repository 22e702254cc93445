"""A terminal program measured from outside: first rows, key to paint, CPU, memory, bytes."""

from __future__ import annotations

import os
import re
import select
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pexpect
import psutil
import pyte

KEYS = {"down": "\x1b[B", "up": "\x1b[A", "pgdn": "\x1b[6~", "enter": "\r", "esc": "\x1b"}


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds from a key to its paint."""

    median_ms: float
    max_ms: float
    keys: int

    def __str__(self) -> str:
        return f"{self.median_ms:.1f} ms median, {self.max_ms:.1f} max of {self.keys}"


class Program:
    """A program on a pty of 120x40 that answers what terminals are asked."""

    def __init__(self, command: Sequence[str], env: Mapping[str, str] = os.environ) -> None:
        self.screen = pyte.Screen(120, 40)
        self._stream = pyte.ByteStream(self.screen)
        self.bytes = 0
        self.started = time.perf_counter()
        self.painted = self.started
        self.child: Any = pexpect.spawn(
            command[0], list(command[1:]), dimensions=(40, 120), timeout=None,
            env={**env, "TERM": "xterm-256color", "COLORTERM": "truecolor"},
        )  # fmt: skip
        self.child.delaybeforesend = None

    def text(self) -> str:
        return "\n".join(self.screen.display)

    def pump(self, seconds: float, stop: Callable[[], bool] = lambda: False) -> bool:
        """Feed the screen for a while, or until `stop` holds."""
        until = time.perf_counter() + seconds
        while (left := until - time.perf_counter()) > 0:
            if not select.select([self.child.child_fd], [], [], min(left, 0.05))[0]:
                continue
            try:
                data = os.read(self.child.child_fd, 65_536)
            except OSError:
                return stop()
            if b"\x1b[6n" in data:
                self.child.send(b"\x1b[1;1R")
            if b"\x1b[c" in data:
                self.child.send(b"\x1b[?62;52c")
            self._stream.feed(data)
            self.bytes += len(data)
            self.painted = time.perf_counter()
            if stop():
                return True
        return stop()

    def first(self, pattern: str, limit_s: float = 60.0) -> float:
        """Seconds from the start until the screen shows `pattern`."""
        if not self.pump(limit_s, lambda: re.search(pattern, self.text()) is not None):
            raise AssertionError(f"never saw {pattern!r}:\n{self.text()}")
        return self.painted - self.started

    def latency(self, keys: Sequence[str], repeat: int, *, below: int = 2) -> Latency:
        """Key to paint; `below` leaves out header lines, which change by themselves."""
        found = []
        for _ in range(repeat):
            for key in keys:
                self.pump(0.15)
                before = self._look(below)
                sent = time.perf_counter()
                self.child.send(KEYS.get(key, key))
                seen = self.pump(3, lambda before=before: self._look(below) != before)  # type: ignore[misc]
                found.append((self.painted - sent) * 1_000 if seen else 3_000.0)
        return Latency(statistics.median(found), max(found), len(found))

    def _look(self, below: int) -> int:
        buffer = self.screen.buffer
        return hash(tuple(buffer[y][x] for y in range(below, 40) for x in range(120)))

    def steady(self, seconds: float) -> dict[str, float]:
        """CPU per cent, bytes per second, resident MB over a while without keys."""
        process = psutil.Process(self.child.pid)
        cpu, sent, began = sum(process.cpu_times()[:2]), self.bytes, time.perf_counter()
        self.pump(seconds)
        took = time.perf_counter() - began
        return {
            "cpu_percent": 100 * (sum(process.cpu_times()[:2]) - cpu) / took,
            "bytes_per_s": (self.bytes - sent) / took,
            "rss_mb": process.memory_info().rss / 1e6,
        }

    def close(self) -> None:
        self.child.close(force=True)
