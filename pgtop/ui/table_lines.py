"""The lines of a table: only those that changed are drawn, only rows in view are made."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Hashable, Sequence
from typing import Any, ClassVar, Generic, TypeVar, cast

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region, Size
from textual.strip import Strip
from textual.widget import Widget

from pgtop.terminal.safe import safe
from pgtop.ui.table_columns import TONES, Cell, Column, Placed, placed, scrolling
from pgtop.ui.table_text import clean, clip, clip_middle, fit

RowT = TypeVar("RowT")


class TableLines(Widget, Generic[RowT]):
    """Draws rows by their columns: a head, then those from `_top` on, one under the cursor."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "live-table--head",
        "live-table--sorted",
        "live-table--cursor",
        "live-table--stale",
        *(f"live-table--{tone}" for tone in TONES),
    }

    def __init__(
        self,
        columns: Sequence[Column[RowT]],
        *,
        id: str | None,  # noqa: A002
        empty: str,
    ) -> None:
        super().__init__(id=id)
        self.columns = tuple(columns)
        self._empty = empty
        self.stale = False
        """Greyed: what is shown is no longer known to be true."""

        self.sort_column: str | None = None
        self.descending = True
        self._keys: Sequence[Hashable] = ()
        self._row_of: Callable[[int], RowT] = lambda index: cast(RowT, None)
        self._rows: dict[int, RowT] = {}
        self._cursor = 0
        self._top = 0
        self._first_column = 0
        self._placed: tuple[tuple[Any, int, int], Placed[RowT]] | None = None
        self._strips: dict[int, Strip] = {}
        self._ascii = False
        self._styles: dict[str, Style] = {}

    @property
    def empty(self) -> str:
        """The sentence shown in place of rows."""
        return self._empty

    @empty.setter
    def empty(self, text: str) -> None:
        if text != self._empty:
            self._empty = text
            if not self._keys:
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
                title = title[: max(1, width - 2)] + ("▼" if self.descending else "▲")
                style = chosen
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
