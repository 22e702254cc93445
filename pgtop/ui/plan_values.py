"""The line in which values for a statement's parameters are typed."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.widgets import Input

from pgtop.analysis.plan.text_values import items

if TYPE_CHECKING:
    from pgtop.ui.plan_asking import PlanAsking


class ValuesLine(Input):
    """SQL expressions for $1, $2, …, with commas between; nothing: those of pg_stats."""

    DEFAULT_CSS = """
    ValuesLine { dock: bottom; height: 1; border: none; padding: 0 1; }
    ValuesLine:focus { border: none; }
    """

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "forget", "forget", show=False)]

    def __init__(self, pane: PlanAsking) -> None:
        super().__init__(
            placeholder="$1, $2, … as SQL: 42, 'done', now() - interval '1 day';"
            " Enter alone: pg_stats"
        )
        self.cursor_blink = False
        self._pane = pane

    def on_mount(self) -> None:
        """Take the keyboard."""
        self.screen.set_focus(self)

    def on_input_submitted(self) -> None:
        """Ask with what was typed."""
        text = self.value.strip()
        self._pane.use_values(tuple(items(text)) if text else ())
        self.action_forget()

    def action_forget(self) -> None:
        """Back to the tree."""
        self._pane.focus_inside()
        self.remove()
