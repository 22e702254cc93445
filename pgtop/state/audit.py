"""What was done to a server from the screen: one line each, without a literal."""

from __future__ import annotations

import time

from pgtop.state.files import Written, read, write

NAME = "actions.log"

MOST = 1_000
"""Lines kept."""


def noted(line: str, *, now: float | None = None) -> Written:
    """Add a line, its time in front. Raises `NowhereToWrite`."""
    moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now))
    before = (read(NAME) or "").splitlines()[-MOST + 1 :]
    return write(NAME, "\n".join([*before, f"{moment} {line}"]) + "\n")
