"""What was done to a server from the screen: one line of JSON for each step, no literal in it."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping

from pgtop.state.files import Written, append

NAME = "actions.log"


def noted(
    fields: Mapping[str, str | int | float | bool | None], *, now: float | None = None
) -> Written:
    """Add a line, its time in front. Raises `NowhereToWrite`.

    Control characters become `\\u…`: nothing in the file can draw on a terminal.
    """
    moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now))
    return append(NAME, json.dumps({"at": moment, **fields}, ensure_ascii=True) + "\n")
