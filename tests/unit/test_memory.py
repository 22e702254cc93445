"""Freed memory goes back to the system, where its C library can; nothing is kept without use."""

from __future__ import annotations

import gc
import sys
import weakref

import pytest
from textual._styles_cache import StylesCache
from textual.color import Color

from pgtop.ui.memory import (
    AGAIN_S,
    LATEST_S,
    PAUSE_ALL_S,
    PAUSE_S,
    SHARE,
    Tidying,
    forget_drawn,
    give_back,
)


def _resident_mb() -> float:
    with open("/proc/self/status") as status:
        line = next(line for line in status if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def test_what_was_freed_in_small_pieces_is_given_back() -> None:
    if not sys.platform.startswith("linux"):
        pytest.skip("measured by /proc")
    kept: list[bytearray] = []
    freed: list[bytearray] = []
    for number in range(20_000):  # every hundredth stays: the heap cannot shrink from its end
        (kept if number % 100 == 0 else freed).append(bytearray(b"x" * 3_000))
    full = _resident_mb()
    freed.clear()
    held = _resident_mb()
    give_back()
    assert held > full - 5, "the C library gives it back by itself: nothing to do here"
    assert _resident_mb() < full - 40
    assert len(kept) == 200


def test_cycles_are_looked_for_in_a_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1_000.0
    looked: list[float] = []
    timers: list[float] = []

    def search() -> None:
        nonlocal now
        looked.append(now)
        now += 0.5

    monkeypatch.setattr("pgtop.ui.memory.time.monotonic", lambda: now)
    monkeypatch.setattr("pgtop.ui.memory.gc.collect", search)
    monkeypatch.setattr("pgtop.ui.memory.gc.freeze", lambda: None)
    monkeypatch.setattr("pgtop.ui.memory.gc.unfreeze", lambda: None)
    frozen = 0
    monkeypatch.setattr("pgtop.ui.memory.gc.get_freeze_count", lambda: frozen)
    app = Tidying()
    monkeypatch.setattr(app, "set_timer", lambda after, _: timers.append(after))
    app._key_at = now
    app.tidy()
    assert (looked, timers) == ([], [AGAIN_S]), "somebody types"
    now += PAUSE_S
    app.tidy()
    assert not looked, "the first looks at all: a key would wait longer"
    now = app._key_at + PAUSE_ALL_S
    app.tidy()
    assert looked == [1_000.0 + PAUSE_ALL_S]
    assert timers[-1] == pytest.approx(SHARE * 0.5), "the next one after its share of the time"
    frozen = 1
    now += timers[-1]
    app._key_at = now - PAUSE_S - 0.01
    app.tidy()
    assert len(looked) == 2, "what is new is looked at soon"
    now += timers[-1] + LATEST_S
    app._key_at = now
    app.tidy()
    assert len(looked) == 3, "who types all the time waits once"


def test_what_one_search_left_is_looked_at_again_by_and_by(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Node:
        itself: Node

    now = 1_000.0
    monkeypatch.setattr("pgtop.ui.memory.time.monotonic", lambda: now)
    monkeypatch.setattr("pgtop.ui.memory.DEAR_S", 0.0)
    app = Tidying()
    monkeypatch.setattr(app, "set_timer", lambda after, _: None)
    try:
        app.tidy()
        node = Node()
        node.itself = node
        held = weakref.ref(node)
        app.tidy()
        assert gc.get_freeze_count() > 10_000, "there is little to look at next time"
        del node
        monkeypatch.setattr("pgtop.ui.memory.DEAR_S", 1.0)
        app._all_at = now + 10
        app.tidy()
        assert held() is not None
        now += 10
        app.tidy()
        assert held() is None
    finally:
        gc.unfreeze()


def test_widgets_that_are_gone_leave_no_lines_behind() -> None:
    drawn = StylesCache()
    drawn.get_inner_outer(Color(0, 0, 0), Color(9, 9, 9))
    held = weakref.ref(drawn)
    del drawn
    gc.collect()
    assert held() is not None, "Textual lets go of it by itself: nothing to do here"
    forget_drawn()
    gc.collect()
    assert held() is None
