"""Fixed lines of text: header, tabs, a pane's head, footer. Redrawn only where they changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from pgtop.terminal.glyphs import ASCII
from pgtop.terminal.safe import safe
from pgtop.ui.table_columns import TONES, Tone
from pgtop.ui.table_lines import foreground_of

Pieces = Sequence[tuple[str, Tone]]


@dataclass(frozen=True, slots=True)
class Line:
    """Pieces from the left and, where there is room, pieces at the right edge."""

    left: Pieces = ()
    right: Pieces = ()
    urgent: bool = False
    """The right part keeps its room, and the left is cut."""


class Lines(Widget):
    """Shows as many lines as it was given."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {f"lines--{tone}" for tone in TONES}

    DEFAULT_CSS = "Lines { height: 1; }"

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._lines: tuple[Line, ...] = ()
        self._styles: dict[str, Style] = {}

    def show(self, *lines: Line) -> None:
        """Replace the lines."""
        before, self._lines = self._lines, lines
        width = self.size.width
        changed = [
            Region(0, y, width, 1)
            for y in range(max(len(before), len(lines)))
            if before[y : y + 1] != lines[y : y + 1]
        ]
        if changed:
            self.refresh(*changed)

    @property
    def lines(self) -> tuple[Line, ...]:
        """What is shown."""
        return self._lines

    def notify_style_update(self) -> None:
        """Another theme: forget the styles."""
        super().notify_style_update()
        self._styles.clear()

    def render_line(self, y: int) -> Strip:
        """One line, the right part dropped where both do not fit."""
        width, base = self.size.width, self._style("")
        if y >= len(self._lines):
            return Strip([Segment(" " * width, base)], width)
        line = self._lines[y]
        left = self._segments(line.left)
        right = self._segments(line.right)
        used = sum(s.cell_length for s in left)
        tail = sum(s.cell_length for s in right)
        if line.urgent and used + tail >= width:
            room = max(0, width - tail - 1)
            left = list(Strip(left).crop(0, room))
            used = room
        if right and (used + tail < width or line.urgent):
            left.append(Segment(" " * (width - used - tail), base))
            left.extend(right)
        return Strip(left).adjust_cell_length(width, base).simplify()

    def _segments(self, pieces: Pieces) -> list[Segment]:
        ascii_only = bool(getattr(self.app, "ascii_only", False))
        segments = []
        for text, tone in pieces:
            if ascii_only:
                text = text.translate(ASCII)
            text = safe(text, spaces=True, ascii_only=ascii_only)
            segments.append(Segment(text, self._style(tone)))
        return segments

    def _style(self, tone: str) -> Style:
        style = self._styles.get(tone)
        if style is None:
            style = self.rich_style
            if tone:
                style += foreground_of(self, f"lines--{tone}")
            self._styles[tone] = style
        return style


def clipped(text: str, width: int) -> str:
    """`text` in at most `width` cells, its end marked where it was cut."""
    if cell_len(text) <= width:
        return text
    return set_cell_size(text, max(0, width - 1)).rstrip() + "…" if width > 0 else ""
