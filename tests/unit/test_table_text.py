"""Text fills its cell exactly, whatever it is and however narrow the cell."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from pgtop.ui.table_text import clip, fit
from tests.hostile import CORPUS

ODD = [text[:300] for text in CORPUS]


@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize("width", range(1, 201))
def test_every_width_is_filled(width: int, plain: bool) -> None:
    for text in ODD:
        for align in ("left", "right"):
            shown = fit(text, width, align, plain=plain)
            assert cell_len(shown) == width
            assert shown.isprintable()
            assert not plain or shown.isascii()


@given(st.text(), st.integers(0, 40), st.booleans())
def test_any_text(text: str, room: int, plain: bool) -> None:
    assert cell_len(fit(text, room, "left", plain=plain)) == room


def test_half_of_a_wide_character_is_none() -> None:
    assert clip("漢字かな", 4, plain=False) == "漢… "
    assert clip("漢字かな", 5, plain=False) == "漢字…"
