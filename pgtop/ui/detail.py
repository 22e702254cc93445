"""A pane's detail: text under the table that follows the cursor, Esc closes."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.scrollbar import ScrollBarRender
from textual.widgets import Static


class PlainBar(ScrollBarRender):
    """A scroll bar of coloured blanks, for terminals without block characters."""

    VERTICAL_BARS: ClassVar[list[str]] = [" "] * 8
    HORIZONTAL_BARS: ClassVar[list[str]] = [" "] * 8


def plain_edges(widget: VerticalScroll) -> None:
    """Where the terminal has ASCII alone, draw border and scroll bar with it."""
    if bool(getattr(widget.app, "ascii_only", False)):
        widget.add_class("-ascii")
        # Textual reads it from the instance, whatever it declares.
        widget.vertical_scrollbar.renderer = PlainBar  # type: ignore[misc]


class Detail(VerticalScroll):
    """Wrapped text; give it the keyboard with Tab to scroll it."""

    DEFAULT_CSS = """
    Detail { height: 50%; border-top: solid $primary; padding: 0 1; }
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

    def compose(self) -> ComposeResult:
        """One block of text."""
        yield Static(self._text)

    def on_mount(self) -> None:
        """In ASCII the border too."""
        plain_edges(self)

    def show(self, text: Text) -> None:
        """Replace the text; the place is kept where it is the same text."""
        if text != self._text:
            self._text = text
            self.query_one(Static).update(text)
