"""Long work of the screen's loop and keys."""

from __future__ import annotations

import time

from textual import events

from pgtop.ui.giving_way import GIVEN_S, KEY_S, GivingWay


async def test_a_slice_of_work_waits_while_a_key_is_on_its_way() -> None:
    app = GivingWay()

    async def waited() -> float:
        began = time.perf_counter()
        await app.give_way()
        return time.perf_counter() - began

    assert await waited() < GIVEN_S / 2
    async with app.run_test():
        await app.on_event(events.Key("j", "j"))
        assert time.monotonic() - app._key_at < KEY_S
        assert await waited() >= GIVEN_S * 0.9
        app._key_at -= KEY_S
        assert await waited() < GIVEN_S / 2
