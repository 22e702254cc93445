"""The app on the recording of the demo, held still."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from textual.pilot import Pilot

from pgtop.advice.rules import RULES
from pgtop.config import Config
from pgtop.ui.app import PgtopApp
from tests.recording import Recording
from tests.ui.driving import app_of


@asynccontextmanager
async def playing(
    size: tuple[int, int], *, pane: str = "queries", keys: tuple[str, ...] = (), **config: Any
) -> AsyncIterator[Pilot[int]]:
    """The recording played to its end on one tab, then some keys."""
    source = Recording()
    chosen = {"theme": "dark", **config}
    app = PgtopApp(
        source, config=Config(interval=2.0, **chosen), rules=RULES, first_pane=pane, groups={}
    )
    app.schedule.interval = 3_600.0
    async with app.run_test(size=size) as pilot:
        for number in range(1, source.length + 1):
            for _ in range(500):
                if source.reads >= number and app_of(pilot).schedule.status.asked_at is None:
                    break
                await pilot.pause(0.01)
            app.schedule._texts_at = -1e9  # the recording answers at once
            if number < source.length:
                app.schedule.now()
        app.schedule.interval = 2.0
        app.paint()
        await pilot.pause()
        if keys:
            await pilot.press(*keys)
            await pilot.app.workers.wait_for_complete()
            await pilot.pause()
        yield pilot
