"""The one table of all tabs: rows are replaced while someone reads it.

Drawn by lines: a refresh costs what is visible, not what is held. The cursor stays on
the same key, whatever moves around it; every text is made harmless on its way to the
screen, so no server string can be markup or an escape sequence.
"""

from __future__ import annotations

import textwrap
import time
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar, cast

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from pgtop.terminal.safe import safe
from pgtop.ui.table_columns import TONES, Cell, Column, Placed, in_order, placed, scrolling
from pgtop.ui.table_text import clean, clip, clip_middle, fit

RowT = TypeVar("RowT")

SETTLED_S = 10.0
"""So long after its first rows the cursor stays with the worst, whichever it is; then with its row,
for somebody reads it."""


class LiveTable(Widget, Generic[RowT], can_focus=True):
    """Shows rows of `RowT` by their keys."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "live-table--head",
        "live-table--sorted",
        "live-table--cursor",
        "live-table--stale",
        *(f"live-table--{tone}" for tone in TONES),
    }

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
        super().__init__(id=id)
        self.columns = tuple(columns)
        self.empty = empty
        """The sentence shown in place of rows."""

        self.stale = False
        """Greyed: what is shown is no longer known to be true."""

        self.sort_column: str | None = None
        self.descending = True
        self._key_of = key or (lambda row: row.key)  # type: ignore[attr-defined]  # rows without `key` come with a function
        self._keys: Sequence[Hashable] = ()
        self._row_of: Callable[[int], RowT] = lambda index: cast(RowT, None)
        self._rows: dict[int, RowT] = {}
        self._cursor = 0
        self._anchored = False
        self._home = False
        self._first_rows_at = 0.0
        self._top = 0
        self._first_column = 0
        self._placed: tuple[tuple[Any, int, int], Placed[RowT]] | None = None
        self._strips: dict[int, Strip] = {}
        self._ascii = False
        self._styles: dict[str, Style] = {}

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
        """Sort by the column before or after the one that rules now."""
        names = [column.name for column in self.columns if column.sort is not None]
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

    @property
    def _height(self) -> int:
        return max(1, self.size.height - 1)

    def _clamp(self) -> None:
        """Keep the cursor among the rows, and in view."""
        rows = len(self._keys)
        self._cursor = max(0, min(self._cursor, rows - 1))
        if not self.size.height:  # another tab is in view: what is in sight here stays
            return
        self._top = max(0, min(self._top, self._cursor, max(0, rows - self._height)))
        if self._cursor >= self._top + self._height:
            self._top = self._cursor - self._height + 1

    # -- drawing -------------------------------------------------------------------------

    def on_mount(self) -> None:
        """Learn which glyphs the terminal has."""
        self._ascii = bool(getattr(self.app, "ascii_only", False))

    def on_resize(self) -> None:
        """Another height shows other rows."""
        self._clamp()
        self._strips.clear()

    def notify_style_update(self) -> None:
        """Another theme: forget the styles."""
        super().notify_style_update()
        self._styles.clear()
        self._strips.clear()

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """As many lines as rows, where the height is automatic."""
        return len(self._keys) + 1

    def _repaint(self) -> None:
        """Redraw the lines that changed: on a bad link every byte counts."""
        width, height = self.size.width, self.size.height
        if not width or not height or not self._strips:
            self.refresh()
            return
        changed = []
        for y in range(height):
            strip = self._line(y)
            if strip != self._strips.get(y):
                self._strips[y] = strip
                changed.append(Region(0, y, width, 1))
        if changed:
            self.refresh(*changed)

    def render_line(self, y: int) -> Strip:
        """One line of the table."""
        strip = self._strips.get(y)
        if strip is None or strip.cell_length != self.size.width:
            strip = self._strips[y] = self._line(y)
        return strip

    def _line(self, y: int) -> Strip:
        if y == 0:
            return self._head()
        index = self._top + y - 1
        width = self.size.width
        if index < len(self._keys):
            return self._body(index)
        if not self._keys and y >= 2:
            lines = [
                part
                for line in self.empty.split("\n")
                for part in textwrap.wrap(self._clean(line), max(10, width - 2))
            ]
            text = " " + lines[y - 2] if y - 2 < len(lines) else ""
            return Strip([Segment(set_cell_size(text, width), self._style("dim"))], width)
        return Strip([Segment(" " * width, self._style(""))], width)

    def _head(self) -> Strip:
        head, chosen = self._style("head"), self._style("sorted")
        segments = []
        for column, _, width in self._layout():
            title = column.title
            style = head
            if column.name == self.sort_column:
                title, style = title + ("▼" if self.descending else "▲"), chosen
            segments.append(
                Segment(fit(title, width - 1, column.align, plain=self._ascii) + " ", style)
            )
        return self._strip(segments, head)

    def _body(self, index: int) -> Strip:
        row = self._row(index)
        cursor = index == self._cursor
        base = self._style("cursor") if cursor else self._style("stale" if self.stale else "")
        segments: list[Segment] = []
        for column, _, width in self._layout():
            room = width - 1
            content = column.cell(row)
            pieces = ((content, ""),) if isinstance(content, str) else content
            self._add(segments, pieces, room, column, base)
            segments.append(Segment(" ", base))
        return self._strip(segments, base)

    def _add(
        self,
        segments: list[Segment],
        pieces: Sequence[tuple[str, Any]],
        room: int,
        column: Column[RowT],
        base: Style,
    ) -> None:
        cleaned = [(self._clean(text), tone) for text, tone in pieces]
        used = sum(cell_len(text) for text, _ in cleaned)
        if column.align == "right" and used < room:
            segments.append(Segment(" " * (room - used), base))
        left = room
        for text, tone in cleaned:
            size = cell_len(text)
            if size > left:
                cut = clip_middle if column.names and not tone else clip
                text, size = cut(text, left, plain=self._ascii), left
            style = base if self.stale or not tone else base + self._style(tone)
            segments.append(Segment(text, style))
            left -= size
            if left <= 0:
                break
        if column.align == "left" and left > 0:
            segments.append(Segment(" " * left, base))

    def _strip(self, segments: list[Segment], base: Style) -> Strip:
        width = self.size.width
        return Strip(segments).adjust_cell_length(width, base).simplify()

    def _row(self, index: int) -> RowT:
        row = self._rows.get(index)
        if row is None:
            row = self._rows[index] = self._row_of(index)
        return row

    def _last_column(self) -> int:
        return max(0, len(scrolling(self.columns, self.size.width)) - 1)

    def _layout(self) -> Placed[RowT]:
        """Worked out once for all lines: `size` alone costs 8 µs."""
        asked = (self.columns, self.size.width, self._first_column)
        if self._placed is None or self._placed[0] != asked:
            self._placed = (asked, placed(*asked))
        return self._placed[1]

    def _column(self, name: str | None) -> Column[RowT] | None:
        return next((column for column in self.columns if column.name == name), None)

    def _clean(self, text: str) -> str:
        return clean(text, plain=self._ascii)

    def _style(self, name: str) -> Style:
        style = self._styles.get(name)
        if style is None:
            if not name:
                style = self.rich_style
            elif name in TONES:
                style = foreground_of(self, f"live-table--{name}")
            else:
                style = self.get_component_rich_style(f"live-table--{name}")
            self._styles[name] = style
        return style


def foreground_of(widget: Widget, component: str) -> Style:
    """A component's colour and attributes without its background, which is the row's.

    Not Textual's partial style: that works out automatic colours against black.
    """
    full = widget.get_component_rich_style(component)
    return Style(
        color=full.color, bold=full.bold, dim=full.dim, italic=full.italic,
        underline=full.underline, reverse=full.reverse,
    )  # fmt: skip


def plain(cell: Cell) -> str:
    """A cell's text without its tones, harmless."""
    text = cell if isinstance(cell, str) else "".join(text for text, _ in cell)
    return safe(text)
