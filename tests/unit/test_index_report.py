"""The report's `indexes` section: what is broken first, and what each one is."""

from __future__ import annotations

from pgtop.advice import Facts
from pgtop.analysis.derived import Board
from pgtop.report.indexes import indexes_part
from pgtop.report.words import SECTIONS
from tests.factories import reading, rows_of
from tests.ui.test_indexes_pane import LIVE, READY, VALID, index, table, use, window


def test_invalid_indexes_come_first_and_each_says_what_it_is() -> None:
    board = Board()
    good = VALID | READY | LIVE | 8
    rows = rows_of(
        table(), window(60), index(1, "orders_pkey", flags=good | 1 | 2 | 1024, relpages=9_000),
        index(2, "by_mail", flags=good | 1 | 1024, relpages=900), index(3, "tags", amname="gin"),
        index(4, "half", flags=LIVE | 1, relpages=0), use(1, 7),
    )  # fmt: skip
    board.take(reading(rows))
    part = indexes_part(Facts(board.samples, board.derived))
    assert [each["name"] for each in part] == ["half", "orders_pkey", "tags", "by_mail"]
    columns = SECTIONS["indexes"][1]
    said = next(column for column in columns if column.title == "what")
    assert [said.value(each) for each in part] == ["invalid uniq", "PK", "gin", "uniq con"]
