"""A pane's detail: text under the table that follows the cursor, Esc closes."""

from __future__ import annotations

import itertools
from collections.abc import Hashable
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.scrollbar import ScrollBarRender
from textual.widgets import Static

from pgtop.terminal.glyphs import ASCII
from pgtop.terminal.safe import safe


class PlainBar(ScrollBarRender):
    """A scroll bar of coloured blanks, for terminals without block characters."""

    VERTICAL_BARS: ClassVar[list[str]] = [" "] * 8
    HORIZONTAL_BARS: ClassVar[list[str]] = [" "] * 8


def plain_edges(widget: VerticalScroll) -> None:
    """Where the terminal has ASCII alone, draw border and scroll bar with it."""
    if bool(getattr(widget.app, "ascii_only", False)):
        widget.add_class("-ascii")
        # Textual reads it from the instance, whatever it declares.
        widget.vertical_scrollbar.renderer = PlainBar  # type: ignore[misc]  # an instance may have its own


def ascii_text(text: Text) -> Text:
    """The same in ASCII alone, styles and all."""
    made = Text(style=text.style)
    marks = sorted({0, len(text), *(m for span in text.spans for m in (span.start, span.end))})
    for start, end in itertools.pairwise(marks):
        piece = text[start:end]
        before = len(made)
        made.append(safe(piece.plain.translate(ASCII), lines=True, ascii_only=True))
        for span in piece.spans:
            made.stylize(span.style, before, len(made))
    return made


class Detail(VerticalScroll):
    """Wrapped text; `(` and `)` scroll it, and arrows once Tab gave it the keyboard."""

    DEFAULT_CSS = """
    Detail { height: 50%; border-top: solid $primary; padding: 0 1; border-title-align: right; }
    Detail.-ascii { border-top: ascii $primary; }
    .-small Detail { display: none; }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("pagedown", "page_down", "page down", show=False),
        Binding("pageup", "page_up", "page up", show=False),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._text = Text()
        self._of: Hashable = None

    def compose(self) -> ComposeResult:
        """One block of text."""
        yield Static(self._text)

    def on_mount(self) -> None:
        """In ASCII the border too."""
        plain_edges(self)
        self.watch(self, "show_vertical_scrollbar", self._tell_of_more)

    def show(self, text: Text, of: Hashable = None) -> None:
        """Replace the text; the place is kept as long as it is of the same thing."""
        if of != self._of:
            self._of = of
            self.scroll_home(animate=False)
        if self.has_class("-ascii"):
            text = ascii_text(text)
        if text != self._text:
            self._text = text
            self.query_one(Static).update(text)

    def _tell_of_more(self, more: bool) -> None:
        """In the border: that there is more than is seen."""
        self.border_title = "( ) for more" if more else ""
