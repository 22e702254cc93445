"""The header's lines: what a narrow screen cuts is never the age of the data."""

from __future__ import annotations

import pytest

from pgtop.analysis.derived import Board
from pgtop.ui.header import header_lines
from pgtop.ui.schedule import Status
from tests.factories import link, reading, rows_of, server, vitals

LONG = "no free connection slot: remaining connection slots are reserved for roles with rights"


@pytest.mark.parametrize("width", [80, 100, 120, 200])
def test_a_lost_connection_says_first_how_old_the_data_is_and_when_it_goes_on(width: int) -> None:
    board = Board()
    board.take(reading(rows_of(server(), link(), vitals())))
    status = Status(connected=False, why=LONG, retry_at=104.0, read_at=88.0)
    line = header_lines(board, status, width, 100.0, 2.0, 1.0)[0]
    assert line.right[0] == (f"‼ data 12 s old, again in 4 s: {LONG}", "critical")
    whole = [piece for piece, _ in header_lines(board, Status(), 200, 0.0, 2.0, 1.0)[0].left]
    left = [piece for piece, _ in line.left]
    assert left == whole[: len(left)], "a piece of where we are is whole or not there"
