"""Sparklines: scaled to their highest value; what does not change is a line, not a wall."""

from __future__ import annotations

from pgtop.terminal.glyphs import sparkline


def test_the_highest_value_is_a_full_block() -> None:
    assert sparkline([0, 2, 4], 3) == "▁▄█"


def test_what_does_not_change_is_a_line_in_the_middle() -> None:
    assert sparkline([7, 7, 7], 4) == " ▄▄▄"
    assert sparkline([0, 0], 2) == "▁▁"


def test_the_last_values_are_shown() -> None:
    assert sparkline([9, 9, 9, 1, 2], 2) == "▄█"
