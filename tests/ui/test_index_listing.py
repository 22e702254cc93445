"""Rows chosen and ordered bit by bit: the same as in one go, and a slice at a time."""

from __future__ import annotations

import gc
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgtop.ui.index_listing import SHARE, SLICE_S, Listing, Steps, ordered
from tests.ui.driving import app_of, running, screen_text, settle
from tests.ui.test_indexes_pane import index, shop, use

Row = tuple[int, int | None]


@given(st.lists(st.tuples(st.integers(), st.none() | st.integers(-5, 5))), st.booleans())
def test_in_slices_or_in_one_go(rows: list[Row], descending: bool) -> None:
    listing = Listing()
    ready = listing.want(
        ("all",),
        (rows,),
        lambda: ordered(rows, lambda r: r[0] >= 0, lambda r: r[1], descending=descending),
    )
    for _ in listing.slices():
        assert not ready
    kept = [row for row in rows if row[0] >= 0]
    known = [row for row in kept if row[1] is not None]
    known.sort(key=lambda r: r[1] or 0, reverse=descending)
    assert listing.rows == known + [row for row in kept if row[1] is None]
    assert listing.keys == [row[0] for row in listing.rows]


def test_a_hundred_thousand_rows_stop_between_slices() -> None:
    rows: list[Row] = [(n, n * 7919 % 100_003) for n in range(100_000)]
    listing, steps = Listing(), 0
    gc.disable()
    try:
        longest, before = 0.0, process_time()
        ready = listing.want(
            ("all",),
            (rows,),
            lambda: ordered(rows, lambda r: True, lambda r: r[1], descending=False),
        )
        assert not ready
        assert listing.of is None
        for _ in listing.slices():
            longest, before, steps = (
                max(longest, process_time() - before),
                process_time(),
                steps + 1,
            )
    finally:
        gc.enable()
    assert steps > 3
    assert longest < 10 * SLICE_S
    assert [row[1] for row in listing.rows] == sorted(n * 7919 % 100_003 for n in range(100_000))


def test_other_inputs_wait_until_the_rows_are_there_and_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Statistics come five times a second: what a key asked for is not begun anew for each."""
    now = 100.0
    monkeypatch.setattr("pgtop.ui.index_listing.perf_counter", lambda: now)
    listing, begun = Listing(), []

    def steps(number: int) -> Steps:
        begun.append(number)
        yield
        return [(number,)]

    assert listing.want(("u",), (1,), lambda: steps(1))
    assert listing.keys == [1]
    now += 0.5
    assert listing.want(("u",), (2,), lambda: steps(2)), "those took no time: at once"
    assert begun == [1, 2]

    def long(number: int) -> Steps:
        nonlocal now
        begun.append(number)
        now += SLICE_S + 0.3
        yield
        return [(number,)]

    assert not listing.want(("b",), (3,), lambda: long(4)), "another view begins at once"
    assert listing.want(("b",), (5,), lambda: long(5)), "the rows under way are finished first"
    assert listing.keys == [4]
    assert listing.again_in((5,)) == pytest.approx(SHARE * (SLICE_S + 0.3))
    assert listing.want(("b",), (5,), lambda: long(5))
    assert begun[-1] == 4
    now += SHARE
    listing.want(("b",), (5,), lambda: long(5))
    assert begun[-1] == 5


async def test_a_view_of_many_indexes_comes_after_its_key() -> None:
    many = [index(100 + n, f"i{n}", relpages=20 + n) for n in range(20_000)]
    scanned = [use(100 + n, n % 2) for n in range(20_000)]
    async with running(shop(60, *many, *scanned), size=(150, 30), first_pane="indexes") as pilot:
        table = app_of(pilot).panes["indexes"].table
        await settle(pilot)
        assert table.row_count == 20_003
        await pilot.press("u")
        await settle(pilot)
        assert table.row_count == 10_000 + 1
        assert "unused 10.0 k" in screen_text(pilot)
        assert "i19998 " in screen_text(pilot)
