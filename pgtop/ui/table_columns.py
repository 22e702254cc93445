"""Columns of a table: what each shows, what it sorts by, and where it stands."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

RowT = TypeVar("RowT")

Tone = Literal["", "dim", "critical", "warning", "notice", "good", "bar", "key", "strong"]
"""What a piece of text means; the stylesheet says how that looks."""

Cell = str | tuple[tuple[str, Tone], ...]
"""Plain text, or pieces each with its tone."""

TONES: tuple[Tone, ...] = (
    "dim", "critical", "warning", "notice", "good", "bar", "key", "strong",
)  # fmt: skip

CellOf = Callable[[RowT], "Cell"]
SortOf = Callable[[RowT], Any]


@dataclass(frozen=True, slots=True)
class Column(Generic[RowT]):
    """One column: its head, what it shows of a row, and what it sorts by."""

    name: str
    title: str
    cell: CellOf[RowT]
    width: int = 8
    align: Literal["left", "right"] = "right"
    sort: SortOf[RowT] | None = None
    """Numbers, or texts; None sorts last. Without it the column cannot be sorted by."""

    descending: bool = True
    """The direction in which it sorts first: the worst on top."""

    frozen: bool = False
    """Stays in view when the others scroll sideways."""

    flex: bool = False
    """Takes the width that is left; `width` is its least."""

    names: bool = False
    """Its plain pieces are names: one that does not fit loses its middle, for names of one
    family (partitions, what ORMs make up) differ at their ends."""

    from_width: int = 0
    """Hidden where the table is narrower than this."""

    means: str = ""
    """What it says, for the help; nothing where the title says it."""


Placed = tuple[tuple[Column[RowT], int, int], ...]
"""(column, x, width) of the columns in view; a width holds one blank behind the text."""


def scrolling(columns: Sequence[Column[RowT]], width: int) -> list[Column[RowT]]:
    """Those that move sideways, of what a table of this width shows."""
    return [column for column in columns if not column.frozen and column.from_width <= width]


def placed(columns: Sequence[Column[RowT]], width: int, skipped: int) -> Placed[RowT]:
    """Where each column stands, the first `skipped` of those that scroll being out of view."""
    visible = [column for column in columns if column.from_width <= width]
    gone = {column.name for column in scrolling(columns, width)[:skipped]}
    least = {column.name: _least(column, width) for column in visible}
    room = width - sum(least[column.name] + 1 for column in visible if column.frozen)
    chosen: list[Column[RowT]] = []
    full = False
    for column in visible:
        if column.frozen:
            chosen.append(column)
        elif column.name not in gone and not full:
            if column.width + 1 <= room:
                chosen.append(column)
                room -= column.width + 1
            else:
                full = True
    flexible = sum(column.flex for column in chosen) or 1
    found, x = [], 0
    for column in chosen:
        more = max(0, room) // flexible if column.flex else 0
        found.append((column, x, least[column.name] + 1 + more))
        x += least[column.name] + 1 + more
    return tuple(found)


def _least(column: Column[RowT], width: int) -> int:
    """A frozen text that takes what is left keeps two fifths of the table."""
    return max(column.width, width * 2 // 5) if column.frozen and column.flex else column.width


def in_order(
    rows: Sequence[RowT], column: Column[RowT] | None, *, descending: bool
) -> Sequence[RowT]:
    """`rows` by a column: missing values last, ties in their order."""
    if column is None or column.sort is None:
        return rows
    by = column.sort
    known = [row for row in rows if by(row) is not None]
    missing = [row for row in rows if by(row) is None]
    known.sort(key=by, reverse=descending)
    return [*known, *missing]
