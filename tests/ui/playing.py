"""The app on the recording of the demo, held still."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from textual.pilot import Pilot

from pgtop.advice.rules import RULES
from pgtop.analysis.groups import Group
from pgtop.config import Config
from pgtop.db.queries import QUERIES
from pgtop.ui.app import PgtopApp
from tests.recording import Recording
from tests.ui.driving import app_of

EVERYTHING = {"everything": Group(tuple(QUERIES), 0, 1e9)}
"""What the first screen tells of, read behind every reading."""


@asynccontextmanager
async def playing(
    size: tuple[int, int], *, pane: str = "queries", keys: tuple[str, ...] = (), **config: Any
) -> AsyncIterator[Pilot[int]]:
    """The recording played to its end on one tab, then some keys."""
    source = Recording()
    app = PgtopApp(
        source, config=Config(interval=2.0, **{"theme": "dark", **config}), rules=RULES,
        first_pane=pane, groups=EVERYTHING if pane == "overview" else {},
    )  # fmt: skip
    app.schedule.interval = 3_600.0
    app._advised_at = math.inf  # a search takes as long as it takes
    async with app.run_test(size=size) as pilot:
        await _idle(pilot, source, 1)
        while source.reads < source.length:
            app.schedule._texts_at = -1e9  # the recording answers at once
            app.schedule._read_at = dict.fromkeys(app.schedule._read_at, -1e9)
            before = source.reads
            app.schedule.now()
            await _idle(pilot, source, before + 1)
        app.schedule.interval = 2.0
        app.schedule._began = -1e9  # what it cost, over a whole minute
        app.paint()
        await pilot.pause()
        if keys:
            await pilot.press(*keys)
            await pilot.app.workers.wait_for_complete()
            await pilot.pause()
        yield pilot


async def _idle(pilot: Pilot[int], source: Recording, reads: int) -> None:
    """Until as much was read, in the background too, and all of it judged."""
    app = app_of(pilot)
    quiet = 0
    for _ in range(1_000):
        busy = source.reads < reads or app.schedule.status.asked_at is not None
        quiet = 0 if busy or (app.schedule._due_group() and app.groups) else quiet + 1
        if quiet > 5:
            return
        await pilot.pause(0.01)
