"""Freed memory goes back to the system, where its C library can."""

import sys

import pytest

from pgtop.ui.memory import give_back


def _resident_mb() -> float:
    with open("/proc/self/status") as status:
        line = next(line for line in status if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def test_what_was_freed_in_small_pieces_is_given_back() -> None:
    if not sys.platform.startswith("linux"):
        pytest.skip("measured by /proc")
    kept = []
    held = []
    for number in range(60_000):  # every hundredth stays: the heap cannot shrink from its end
        piece = bytes(600)
        (kept if number % 100 == 0 else held).append(piece)
    full = _resident_mb()
    held.clear()
    give_back()
    assert _resident_mb() < full - 15
    assert len(kept) == 600
