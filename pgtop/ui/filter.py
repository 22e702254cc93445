"""The filter line of a pane."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.widgets import Input

if TYPE_CHECKING:
    from pgtop.ui.live_pane import LivePane


class FilterLine(Input):
    """Filters while one types; Enter keeps, Esc forgets."""

    DEFAULT_CSS = """
    FilterLine { dock: bottom; height: 1; border: none; padding: 0 1; }
    FilterLine:focus { border: none; }
    """

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "forget", "forget", show=False)]

    def __init__(self, pane: LivePane) -> None:
        super().__init__(pane.filter_text, placeholder="filter: text, Enter keeps, Esc forgets")
        self.cursor_blink = False
        self._pane = pane

    def on_mount(self) -> None:
        """Take the keyboard, at once: Textual's own focus() comes later, when a quick Esc may
        have closed the line already, and every key after it would go to what is gone."""
        self.screen.set_focus(self)

    def on_input_changed(self, event: Input.Changed) -> None:
        """Filter as one types."""
        self._pane.filter_text = event.value.strip()
        self._pane.refilter()

    def on_input_submitted(self) -> None:
        """Keep it."""
        self._leave()

    def action_forget(self) -> None:
        """Show everything again."""
        self._pane.filter_text = ""
        self._pane.refilter()
        self._leave()

    def on_blur(self) -> None:
        """Gone elsewhere: keep the filter, not the line."""
        if self.is_attached:
            self.remove()

    def _leave(self) -> None:
        self._pane.focus_inside()
