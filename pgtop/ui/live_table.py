"""The one table of all tabs: rows are replaced while someone reads it.

Drawn by lines: a refresh costs what is visible, not what is held. The cursor stays on
the same key, whatever moves around it; every text is made harmless on its way to the
screen, so no server string can be markup or an escape sequence.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message

from pgtop.ui.table_columns import Column, in_order, scrolling
from pgtop.ui.table_lines import TableLines, plain

RowT = TypeVar("RowT")

SETTLED_S = 10.0
"""So long after its first rows the cursor stays with the worst, whichever it is; then with its row,
for somebody reads it."""


class LiveTable(TableLines[RowT], can_focus=True):
    """Shows rows of `RowT` by their keys."""

    DEFAULT_CSS = "LiveTable { height: 1fr; }"

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "up", show=False, id="table.up"),
        Binding("down,j", "move(1)", "down", show=False, id="table.down"),
        Binding("pageup", "page(-1)", "page up", show=False, id="table.pageup"),
        Binding("pagedown", "page(1)", "page down", show=False, id="table.pagedown"),
        Binding("home", "home", "first row", show=False, id="table.home"),
        Binding("end", "end", "last row", show=False, id="table.end"),
        Binding("left", "column(-1)", "column before", show=False, id="table.left"),
        Binding("right", "column(1)", "column after", show=False, id="table.right"),
        Binding("enter", "select", "open", show=False, id="table.enter"),
        Binding("less_than_sign", "sort_next(-1)", "sort before", show=False, id="table.sortleft"),
        Binding(
            "greater_than_sign", "sort_next(1)", "sort after", show=False, id="table.sortright"
        ),
    ]

    @dataclass
    class Moved(Message):
        """The cursor is on another row."""

        table: LiveTable[Any]

        @property
        def control(self) -> LiveTable[Any]:
            """Which table sent it."""
            return self.table

    @dataclass
    class Selected(Message):
        """Enter was pressed on a row."""

        table: LiveTable[Any]
        key: Hashable

        @property
        def control(self) -> LiveTable[Any]:
            """Which table sent it."""
            return self.table

    @dataclass
    class SortChanged(Message):
        """The user chose another column to sort by."""

        table: LiveTable[Any]

        @property
        def control(self) -> LiveTable[Any]:
            """Which table sent it."""
            return self.table

    def __init__(
        self,
        columns: Sequence[Column[RowT]],
        *,
        key: Callable[[RowT], Hashable] | None = None,
        id: str | None = None,  # noqa: A002
        empty: str = "nothing to show",
    ) -> None:
        super().__init__(columns, id=id, empty=empty)
        self._key_of = key or (lambda row: row.key)  # type: ignore[attr-defined]  # rows without `key` come with a function
        self._anchored = False
        self._home = False
        self._first_rows_at = 0.0

    # -- rows in -------------------------------------------------------------------------

    def show_rows(self, rows: Sequence[RowT]) -> None:
        """Show `rows`, sorted by the chosen column if there is one, else in their order."""
        ordered = self.sorted(rows)
        self.show([self._key_of(row) for row in ordered], ordered.__getitem__)

    def show(self, keys: Sequence[Hashable], row_of: Callable[[int], RowT]) -> None:
        """Show the rows of `keys` in this order; `row_of(index)` makes the visible ones only."""
        old_key, old_line = self.cursor_key, self._cursor - self._top
        if old_key is not None and not self._home:
            self._first_rows_at = self._first_rows_at or time.monotonic()
            self._anchored = self._anchored or time.monotonic() - self._first_rows_at > SETTLED_S
        self._keys, self._row_of = keys, row_of
        self._rows.clear()
        if self._anchored and old_key is not None:
            self._cursor = self._index_of(old_key, self._cursor)
            if self._top:
                self._top = self._cursor - old_line
        elif not self._anchored:
            self._cursor = 0
        self._clamp()
        self._repaint()
        if self.cursor_key != old_key:
            self.post_message(self.Moved(self))

    def sorted(self, rows: Sequence[RowT]) -> Sequence[RowT]:
        """`rows` by the chosen column."""
        return in_order(rows, self._column(self.sort_column), descending=self.descending)

    def set_columns(self, columns: Sequence[Column[RowT]]) -> None:
        """Change the columns. The next `show` paints them: the rows that are shown until then
        may be of another kind, or of another plan, and would not fit."""
        self.columns = tuple(columns)
        self._first_column = min(
            self._first_column, max(0, len(scrolling(self.columns, self.size.width)) - 1)
        )
        if not self._keys:
            self._repaint()

    def set_stale(self, stale: bool) -> None:
        """Grey everything, or stop."""
        if stale != self.stale:
            self.stale = stale
            self._repaint()

    def _index_of(self, key: Hashable, near: int) -> int:
        """Where `key` is now; where it is gone, the place where it was."""
        try:
            return self._keys.index(key)
        except ValueError:
            return min(near, max(0, len(self._keys) - 1))

    # -- what the pane asks --------------------------------------------------------------

    @property
    def row_count(self) -> int:
        """How many rows there are."""
        return len(self._keys)

    @property
    def cursor_key(self) -> Hashable | None:
        """The key of the row under the cursor."""
        return self._keys[self._cursor] if self._cursor < len(self._keys) else None

    @property
    def cursor_row(self) -> RowT | None:
        """The row under the cursor."""
        return self._row(self._cursor) if self._cursor < len(self._keys) else None

    @property
    def cursor_index(self) -> int:
        """Its place, from 0."""
        return self._cursor

    @property
    def keys(self) -> Sequence[Hashable]:
        """All keys in the order shown."""
        return self._keys

    def move_to(self, key: Hashable) -> bool:
        """Put the cursor on `key`; False where there is no such row."""
        if key not in self._keys:
            return False
        self._go(self._keys.index(key))
        return True

    def text_of(self, row: RowT, column: Column[RowT]) -> str:
        """A cell as plain, harmless text."""
        return plain(column.cell(row))

    def as_tsv(self, keys: Sequence[int] | None = None) -> str:
        """The rows at these places, or all, as tab-separated text with a head."""
        lines = ["\t".join(column.title for column in self.columns)]
        for index in range(len(self._keys)) if keys is None else keys:
            row = self._row(index)
            lines.append("\t".join(self.text_of(row, column).strip() for column in self.columns))
        return "\n".join(lines)

    # -- moving --------------------------------------------------------------------------

    def action_move(self, step: int) -> None:
        """Up or down by rows."""
        self._go(self._cursor + step)

    def action_page(self, step: int) -> None:
        """Up or down by a screenful."""
        self._go(self._cursor + step * max(1, self._height - 1))

    def action_home(self) -> None:
        """To the first row; the cursor then stays with the worst, whichever it is."""
        self._go(0)
        self._anchored, self._home = False, True

    def action_end(self) -> None:
        """To the last row."""
        self._go(len(self._keys) - 1)

    def action_column(self, step: int) -> None:
        """Scroll sideways by one column."""
        self._first_column = max(0, min(self._last_column(), self._first_column + step))
        self._repaint()

    def action_select(self) -> None:
        """Open the row."""
        key = self.cursor_key
        if key is not None:
            self.post_message(self.Selected(self, key))

    def action_sort_next(self, step: int) -> None:
        """Sort by the column before or after the one that rules now, of those that are shown."""
        width = self.size.width
        names = [c.name for c in self.columns if c.sort is not None and c.from_width <= width]
        if not names:
            return
        current = names.index(self.sort_column) if self.sort_column in names else -1
        if current == -1 and step < 0:
            current = 0
        self.sort_by(names[(current + step) % len(names)])

    def sort_by(self, name: str | None, *, tell: bool = True) -> None:
        """Sort by a column; once more turns it round."""
        column = self._column(name)
        if column is not None and name == self.sort_column:
            self.descending = not self.descending
        else:
            self.descending = column.descending if column else True
        self.sort_column = name
        self._anchored = False
        if tell:
            self.post_message(self.SortChanged(self))

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Scroll by three rows."""
        self._go(self._cursor + 3)
        event.stop()

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Scroll by three rows."""
        self._go(self._cursor - 3)
        event.stop()

    def on_click(self, event: events.Click) -> None:
        """A click on a row moves there, on a head sorts."""
        if event.y == 0:
            for column, start, width in self._layout():
                if start <= event.x < start + width and column.sort is not None:
                    self.sort_by(column.name)
        elif self._top + event.y - 1 < len(self._keys):
            self._go(self._top + event.y - 1)

    def _go(self, index: int) -> None:
        index = max(0, min(index, len(self._keys) - 1))
        self._anchored, self._home = True, False
        if index != self._cursor:
            self._cursor = index
            self.post_message(self.Moved(self))
        self._clamp()
        self._repaint()
