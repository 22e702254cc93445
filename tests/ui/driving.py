"""Runs the app on a fake source and reads its screen as text."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from textual.pilot import Pilot
from textual.worker import WorkerCancelled

from pgtop.advice.rules import RULES
from pgtop.config import Config
from pgtop.ui.app import PgtopApp
from tests.ui.fakes import FakeSource


@asynccontextmanager
async def running(
    source: FakeSource, *, size: tuple[int, int] = (120, 30), readings: int = 2, **options: Any
) -> AsyncIterator[Pilot[int]]:
    """The app with its first readings on screen and a timer too slow to matter."""
    config = Config(interval=3_600, **options.pop("config", {}))
    chosen = {"first_pane": "queries", "groups": {}, "rules": RULES, **options}
    app = PgtopApp(source, config=config, **chosen)
    async with app.run_test(size=size) as pilot:
        await settle(pilot)
        for _ in range(readings - 1):
            await read_again(pilot)
        yield pilot


async def settle(pilot: Pilot[int]) -> None:
    """Until nothing moves: a reading under way has arrived, what it brought is painted."""
    await pilot.pause()
    app = app_of(pilot)
    for _ in range(200):
        if app.schedule.status.asked_at is None and app.schedule.status.read_at is not None:
            break
        await pilot.pause(0.01)
    for _ in range(50):
        with contextlib.suppress(WorkerCancelled):  # a newer one took its place
            await app.workers.wait_for_complete()
            break
    await pilot.pause()


async def read_again(pilot: Pilot[int]) -> None:
    """One more reading."""
    app = app_of(pilot)
    source = app.source
    assert isinstance(source, FakeSource)
    before = source.reads
    app.schedule.now()
    for _ in range(500):
        if source.reads > before and app.schedule.status.asked_at is None:
            break
        await pilot.pause(0.01)
    await pilot.pause()


def app_of(pilot: Pilot[int]) -> PgtopApp:
    app = pilot.app
    assert isinstance(app, PgtopApp)
    return app


def screen_text(pilot: Pilot[int]) -> str:
    """What a person would see, line by line."""
    strips = pilot.app.screen._compositor.render_strips()
    return "\n".join("".join(s.text for s in strip).rstrip() for strip in strips)


def segments(pilot: Pilot[int]) -> list[str]:
    """Every piece of text on the screen."""
    strips = pilot.app.screen._compositor.render_strips()
    return [s.text for strip in strips for s in strip if not s.control]
