"""Text by itself, full width, to select by hand with the terminal's own means."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import Screen
from textual.widgets import Static

from pgtop.terminal.safe import safe

MOST = 100_000
"""Characters shown; what is longer goes to the clipboard or a file whole."""


class TextScreen(Screen[None]):
    """Nothing but the text; mouse capture is off while it is shown."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,v,enter", "close", "back", show=False)
    ]

    def __init__(self, text: str) -> None:
        super().__init__()
        self._text = text

    def compose(self) -> ComposeResult:
        """The text, then how to get back."""
        shown = safe(self._text[:MOST], lines=True)
        cut = len(self._text) - MOST
        tail = f"\n(and {cut:,} characters more)" if cut > 0 else ""
        with VerticalScroll():
            yield Static(Text(shown + tail))
            yield Static(Text("\nselect with the mouse; Esc goes back", "dim"))

    def on_mount(self) -> None:
        """Arrows scroll; the terminal gets its mouse back."""
        self.query_one(VerticalScroll).focus()
        self._mouse(on=False)

    def on_unmount(self) -> None:
        """The mouse is ours again."""
        if getattr(self.app, "config", None) is None or self.app.config.mouse:  # type: ignore[attr-defined]
            self._mouse(on=True)

    def _mouse(self, *, on: bool) -> None:
        driver = self.app._driver
        toggle = getattr(driver, "_enable_mouse_support" if on else "_disable_mouse_support", None)
        if toggle is not None:
            toggle()

    def action_close(self) -> None:
        """Back to the tab."""
        self.dismiss()
