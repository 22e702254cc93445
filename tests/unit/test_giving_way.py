"""Long work of the screen's loop and keys."""

from __future__ import annotations

from time import perf_counter

import pytest
from textual import events

from pgtop.ui.giving_way import GIVEN_S, KEY_S, GivingWay


async def test_a_slice_of_work_waits_while_a_key_is_on_its_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 1_000.0
    monkeypatch.setattr("pgtop.ui.giving_way.time.monotonic", lambda: now)
    app = GivingWay()

    async def waited() -> float:
        began = perf_counter()
        await app.give_way()
        return perf_counter() - began

    assert await waited() < GIVEN_S / 2
    async with app.run_test():
        await app.on_event(events.Key("j", "j"))
        assert await waited() >= GIVEN_S * 0.9
        now += KEY_S
        assert await waited() < GIVEN_S / 2
