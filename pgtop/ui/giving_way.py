"""Work of the screen's loop gives way to keys."""

from __future__ import annotations

import asyncio
import sys
import time

from textual import events
from textual.app import App

KEY_S = 0.05
"""So long after a key what it sets off may be under way: a key goes through some ten turns of the
loop before its line is drawn, …"""

GIVEN_S = 0.02
"""… and a slice of work in each of them would make 70 ms of it."""

SWITCH_S = 0.0005


class GivingWay(App[int]):
    """The part of the app that knows when a key came."""

    _key_at = 0.0

    def put_keys_first(self) -> None:
        """From now on a thread that works something out hands over after half a millisecond: the
        loop waits for it after each system call."""
        if not self.is_headless:
            sys.setswitchinterval(SWITCH_S)

    async def on_event(self, event: events.Event) -> None:
        """As Textual's; when the last key came is kept."""
        if isinstance(event, events.Key):
            self._key_at = time.monotonic()
        await super().on_event(event)

    async def give_way(self) -> None:
        """Between two slices of work: to what waits, and to all that a key sets off."""
        pressed = time.monotonic() - self._key_at < KEY_S
        await asyncio.sleep(GIVEN_S if pressed else 0)
