"""Ends a private server with its owner: run as a script, it needs nothing but Python.

Its standard input is a pipe whose other end the owner holds. End of file means that the
owner is done or dead, by whatever signal: the processes that work in the directory are
ended, and the directory is removed. It is the one way out for every exit.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time

QUIT_WITHIN_S = 3.0
"""An immediate shutdown takes milliseconds; afterwards whatever is left is killed."""


def guard(directory: str) -> None:
    """Wait for the owner's end, then leave nothing behind."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)
    while os.read(0, 4_096):
        pass
    end_processes(directory)
    remove(directory)


def end_processes(directory: str) -> None:
    """Stop the postmasters at once (their data is thrown away), then kill what is left."""
    postmasters = _postmasters(directory)
    for pid in postmasters:
        _signal(pid, signal.SIGQUIT)
    deadline = time.monotonic() + QUIT_WITHIN_S
    while time.monotonic() < deadline and any(_works_in(pid, directory) for pid in postmasters):
        time.sleep(0.02)
    for pid in _processes():
        if _works_in(pid, directory):
            _signal(pid, signal.SIGKILL)


def remove(directory: str) -> None:
    """Remove the directory, again while somebody still writes into it."""
    deadline = time.monotonic() + QUIT_WITHIN_S
    while os.path.lexists(directory) and time.monotonic() < deadline:
        shutil.rmtree(directory, ignore_errors=True)
        if os.path.lexists(directory):
            time.sleep(0.05)


def _postmasters(directory: str) -> list[int]:
    found = []
    for name in sorted(os.listdir(directory)) if os.path.isdir(directory) else ():
        try:
            with open(os.path.join(directory, name, "postmaster.pid"), encoding="utf-8") as lines:
                # a single-user backend, as initdb runs it, writes its pid negated
                pid = abs(int(lines.readline()))
        except (OSError, ValueError):
            continue
        if _works_in(pid, directory):
            found.append(pid)
    return found


def _processes() -> list[int]:
    try:
        return [int(name) for name in os.listdir("/proc") if name.isdigit()]
    except OSError:
        return []


def _works_in(pid: int, directory: str) -> bool:
    """Whether the process lives and, where that can be seen, is not another under a used pid."""
    if not os.path.isdir("/proc/self"):
        return _signal(pid, 0)
    try:
        where = os.readlink(f"/proc/{pid}/cwd")
    except OSError:
        return False
    return where == directory or where.startswith(directory + os.sep)


def _signal(pid: int, number: int) -> bool:
    try:
        os.kill(pid, number)
    except OSError:
        return False
    return True


if __name__ == "__main__":
    guard(os.path.realpath(sys.argv[1]))
