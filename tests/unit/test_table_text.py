"""Text fills its cell exactly, whatever it is and however narrow the cell."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from pgtop.ui.table_text import clean, clip, clip_middle, fit
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


@given(st.text(), st.integers(0, 40), st.booleans())
def test_what_loses_its_middle_fills_its_cell(text: str, room: int, plain: bool) -> None:
    assert cell_len(clip_middle(clean(text, plain=plain), room, plain=plain)) == room


def test_names_of_one_family_stay_apart() -> None:
    first, second = (f"index_orders_on_user_id_and_status_{end}" for end in ("at", "at1"))
    cut = [clip_middle(name, 24, plain=False) for name in (first, second)]
    assert cut == ["index_order…nd_status_at", "index_order…d_status_at1"]
    assert clip_middle("漢字かな漢字かな", 9, plain=False) == "漢字…かな"


def test_half_of_a_wide_character_is_none() -> None:
    assert clip("漢字かな", 4, plain=False) == "漢… "
    assert clip("漢字かな", 5, plain=False) == "漢字…"
