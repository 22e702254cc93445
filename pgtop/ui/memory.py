"""Memory: what a large reading needed for a moment goes back to the system, and Python's
collector looks for cycles while nobody types."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import time

from rich import cells
from textual._styles_cache import StylesCache

from pgtop.ui.giving_way import GivingWay

FIRST_S = 6.0
"""The first screen, and what it read at once, are behind then."""

EVERY_S = 10.0
"""Drawing a line leaves a cycle behind (a Textual strip holds itself once it was divided): 400
objects a second for somebody who looks around."""

SHARE = 100
"""A search comes after so many times what the last one took, …"""

DEAR_S = 0.1
"""A search that took so long, with the rows of 60,000 indexes 200 ms, leaves what it found alone:
the next ones take a tenth …"""

SHARE_ALL = 250
"""… until so many times later one looks at all again. Lines that were drawn meanwhile stay as
long: with a small database, where a search is cheap, that would only cost memory, 2 MB."""

PAUSE_S = 0.6
"""A search waits until no key came for so long, …"""

PAUSE_ALL_S = 3.0
"""… one that looks at all, in which the next key would wait five times as long, for more, …"""

AGAIN_S = 0.2
LATEST_S = 120.0
"""… at most this long."""

NEVER = 100_000
"""Of younger collections, before the whole is looked through by itself."""


class Tidying(GivingWay):
    """The part of the app that gives memory back."""

    _due_at = 0.0
    _all_at: float | None = None

    def keep_tidy(self) -> None:
        """From now on."""
        if not self.is_headless:
            gc.set_threshold(*gc.get_threshold()[:2], NEVER)
            self.set_timer(FIRST_S, self.tidy)

    def tidy(self) -> None:
        """Look for cycles and give back what is free, as soon as nobody types."""
        began = time.monotonic()
        self._due_at = self._due_at or began
        at_all = self._all_at is not None and began >= self._all_at
        pause = PAUSE_ALL_S if at_all or not gc.get_freeze_count() else PAUSE_S
        if began - self._key_at < pause and began - self._due_at < LATEST_S:
            self.set_timer(AGAIN_S, self.tidy)
            return
        if at_all:
            gc.unfreeze()
        forget_drawn()
        gc.collect()
        took = time.monotonic() - began
        if took >= DEAR_S:
            gc.freeze()
            self._all_at = began + SHARE_ALL * took
        elif not gc.get_freeze_count():
            gc.freeze()  # modules and the first widgets stay: they need not be looked at again
            self._all_at = None
        give_back()
        took = time.monotonic() - began
        wait = max(EVERY_S, SHARE * took)
        self._due_at = time.monotonic() + wait
        self.set_timer(wait, self.tidy)


def forget_drawn() -> None:
    """Let go of what only drawing remembered.

    Textual (8.2) keeps two colours for each of the last 1,024 widgets by a key that holds all
    lines they drew: details that somebody opened and closed for an hour were 6 MB
    (Textualize/textual#6665, open). Rich keeps the widths of 4,096 texts, numbers for the most
    part that do not come again: 1 MB.
    """
    for remembering in (StylesCache.get_inner_outer, cells.cached_cell_len):
        forget = getattr(remembering, "cache_clear", None)
        if forget is not None:
            forget()


def give_back() -> None:
    """Return freed pages, where the C library can (glibc's malloc_trim); else nothing."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
