from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgtop.analysis import units


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (7, "7"), (9_999, "9,999"), (12_300, "12.3 k"), (4_100_000, "4.10 M"),
     (999_950, "1.00 M"), (None, "?")],
)  # fmt: skip
def test_count(value: float | None, text: str) -> None:
    assert units.count(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0.00 ms"), (0.00274, "2.74 µs"), (0.000274, "0.27 µs"), (0.02, "0.02 ms"),
     (348, "348 ms"), (1_020, "1.02 s"), (999.6, "1.00 s"),
     (65_000, "1 min 05 s"), (7_980_000, "2 h 13 min"), (None, "?")],
)  # fmt: skip
def test_ms(value: float | None, text: str) -> None:
    assert units.ms(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(8192, "8.00 kB"), (1 << 30, "1.00 GB"), (512, "512 B"), (None, "?")]
)
def test_size(value: float | None, text: str) -> None:
    assert units.size(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0 %"), (0.0001, "<0.1 %"), (0.623, "62 %"), (0.9999, "99.9 %"), (1.0, "100 %")],
)
def test_percent_never_rounds_up_to_all(value: float, text: str) -> None:
    assert units.percent(value) == text


@given(st.floats(min_value=0, max_value=1e13))
def test_every_number_is_short_and_has_no_exponent(value: float) -> None:
    for shown in (units.count, units.rate, units.size, units.ms, units.seconds, units.age):
        text = shown(value)
        assert "e" not in text.replace("end", "")
        assert len(text) <= 15


@given(st.floats(min_value=0, max_value=1), st.integers(1, 40))
def test_a_bar_is_as_wide_as_asked(fraction: float, width: int) -> None:
    assert len(units.bar(fraction, width)) == width
