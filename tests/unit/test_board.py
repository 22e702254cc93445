"""The board: what a large reading changes is worked out beside it, and kept at one stroke."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

from pgtop.analysis.derived import Board
from pgtop.analysis.usage import Usage
from pgtop.model.index import IndexUse
from pgtop.model.sample import Reading
from pgtop.ui.schedule import BESIDE_ROWS, Schedule
from tests.factories import reading, rows_of
from tests.ui.test_indexes_pane import index, table, use, window


def _reading(scans: int) -> Reading:
    return reading(rows_of(table(), window(40), index(1, "one"), use(1, scans)))


def test_what_is_worked_out_changes_nothing_until_it_is_kept() -> None:
    board, other = Board(), Board()
    for each in (board, other):
        each.take(_reading(5))
    before: Usage = board.derived[Usage]
    held = dict(board.samples), dict(board.derived), board.reading
    found = board.worked_out(_reading(9))
    assert (board.samples, board.derived, board.reading) == held
    assert before.indexes[1].idx_scan == 5
    board.keep(_reading(9), found)
    other.take(_reading(9))
    assert board.derived[Usage].indexes[1].idx_scan == 9
    assert before.indexes[1].idx_scan == 5
    assert board.samples.keys() == other.samples.keys()
    assert board.derived.keys() == other.derived.keys()


async def test_a_large_reading_is_worked_out_beside_the_loop() -> None:
    many = tuple(use(number, 1) for number in range(BESIDE_ROWS))
    threads: list[threading.Thread] = []

    class Seen(Board):
        def worked_out(self, reading: Reading) -> Any:
            threads.append(threading.current_thread())
            return super().worked_out(reading)

    async def changed(of_tab: bool) -> None:
        done.set()

    done = asyncio.Event()
    schedule = Schedule(
        _Source(reading({IndexUse: many})), interval=60, lanes=lambda: {IndexUse: 0},
        on_change=changed, groups={},
    )  # fmt: skip
    schedule.board = Seen()
    schedule.start()
    await asyncio.wait_for(done.wait(), 5)
    await schedule.stop()
    assert len(schedule.board.derived[Usage].indexes) == BESIDE_ROWS
    assert threads
    assert threading.main_thread() not in threads


class _Source:
    def __init__(self, answer: Reading) -> None:
        self.answer = answer

    async def read(self, types: Any) -> Reading:
        return self.answer

    async def ask(self, request: Any) -> Any:
        raise AssertionError("nothing is asked here")

    async def close(self) -> None:
        return
