"""Every tab as text, at the sizes people have: a changed screen is a diff that one can read.

PGTOP_UPDATE_GOLDENS=1 writes them anew.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.ui.driving import screen_text
from tests.ui.playing import playing

GOLDENS = Path(__file__).parent / "goldens"

SCREENS: dict[str, dict[str, object]] = {
    "overview-80x24": {"size": (80, 24), "pane": "overview"},
    "overview-120x36": {"size": (120, 36), "pane": "overview"},
    "overview-80x24-ascii": {"size": (80, 24), "pane": "overview", "ascii": True},
    "activity-80x24": {"size": (80, 24), "pane": "activity"},
    "activity-160x48": {"size": (160, 48), "pane": "activity"},
    "connections-120x36": {"size": (120, 36), "pane": "connections"},
    "connections-80x24-ascii": {"size": (80, 24), "pane": "connections", "ascii": True},
    "replication-80x24": {"size": (80, 24), "pane": "replication"},
    "queries-80x24": {"size": (80, 24)},
    "queries-120x36": {"size": (120, 36)},
    "queries-160x48": {"size": (160, 48)},
    "queries-80x24-ascii": {"size": (80, 24), "ascii": True},
    "queries-by-mean-120x36": {"size": (120, 36), "keys": ("m",)},
    "help-120x36": {"size": (120, 36), "keys": ("question_mark",)},
    "queries-60x15": {"size": (60, 15)},
    "indexes-120x36": {"size": (120, 36), "pane": "indexes"},
    "indexes-80x24": {"size": (80, 24), "pane": "indexes"},
    "autovacuum-120x36": {"size": (120, 36), "pane": "autovacuum"},
    "autovacuum-80x24": {"size": (80, 24), "pane": "autovacuum"},
}
"""Name -> how to get there. A tab adds its lines here."""


@pytest.mark.parametrize("name", SCREENS)
async def test_screen(name: str) -> None:
    async with playing(**SCREENS[name]) as pilot:  # type: ignore[arg-type]
        shown = "\n".join(line.rstrip() for line in screen_text(pilot).split("\n")) + "\n"
    golden = GOLDENS / f"{name}.txt"
    if os.environ.get("PGTOP_UPDATE_GOLDENS"):
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(shown, encoding="utf-8")
    assert shown == golden.read_text(encoding="utf-8")
    if "ascii" in name:
        assert shown.isascii()
