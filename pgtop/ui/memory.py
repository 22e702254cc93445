"""Memory: what a large reading needed for a moment goes back to the system, and Python's
collector looks for cycles while nobody types."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import time

from textual import events
from textual.app import App

EVERY_S = 30.0
"""A millisecond or two each: 9,500 statements leave 7 to 11 MB of 88 behind."""

FIRST_S = 6.0
"""The first screen, and what it read at once, are behind then."""

QUIET_S = 3.0
"""So long after a key the next one may come at any moment …"""

LATEST_S = 300.0
"""… but somebody who types for so long waits once for 0.1 s: rows of 20,000 tables are many
objects to look through, though none of them is ever part of a cycle."""

NEVER = 100_000
"""Of younger collections, before the whole is looked through by itself."""


class Tidying(App[int]):
    """The part of the app that gives memory back."""

    _key_at = 0.0
    _collected_at = 0.0

    def keep_tidy(self) -> None:
        """From now on."""
        if not self.is_headless:
            gc.set_threshold(*gc.get_threshold()[:2], NEVER)
            self._collected_at = time.monotonic()
            self.set_timer(FIRST_S, self.tidy)
            self.set_interval(EVERY_S, self.tidy)

    async def on_event(self, event: events.Event) -> None:
        """As Textual's; when the last key came is kept."""
        if isinstance(event, events.Key):
            self._key_at = time.monotonic()
        await super().on_event(event)

    def tidy(self) -> None:
        """Look for cycles if nobody types, and give back what is free."""
        now = time.monotonic()
        if now - self._key_at > QUIET_S or now - self._collected_at > LATEST_S:
            self._collected_at = now
            gc.collect()
            if not gc.get_freeze_count():
                gc.freeze()  # modules and widgets stay: they need not be looked at again
        give_back()


def give_back() -> None:
    """Return freed pages, where the C library can (glibc's malloc_trim); else nothing."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
