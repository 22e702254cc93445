"""All keys, from the bindings themselves, and what the columns say, from the columns."""

from __future__ import annotations

import textwrap
from typing import Any, ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.dom import DOMNode
from textual.screen import ModalScreen
from textual.widgets import Static

from pgtop.ui.live_pane import LivePane
from pgtop.ui.live_table import LiveTable


def keys_of(node: DOMNode | type[DOMNode], app: Any) -> list[tuple[str, str]]:
    """(keys, what they do) of one node's own bindings, keys of one action together."""
    keys: dict[str, list[str]] = {}
    for bound in (b for many in _bindings(node).key_to_bindings.values() for b in many):
        if bound.description:
            keys.setdefault(bound.description, []).append(app.get_key_display(bound))
    return [(" ".join(sorted(dict.fromkeys(names), key=len)), text) for text, names in keys.items()]


def _bindings(node: DOMNode | type[DOMNode]) -> Any:
    return node._merge_bindings() if isinstance(node, type) else node._bindings


class HelpScreen(ModalScreen[None]):
    """Keys of the tab, of every table and of pgtop."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,question_mark,enter", "close", "back", show=False)
    ]

    DEFAULT_CSS = """
    HelpScreen { align: center middle; }
    HelpScreen > VerticalScroll {
        width: 76; height: 90%; padding: 0 2; background: $surface; border: none;
    }
    """

    def __init__(self, pane: LivePane | None) -> None:
        super().__init__()
        self._pane = pane

    def compose(self) -> ComposeResult:
        """One list."""
        with VerticalScroll():
            yield Static(self._text())

    def on_mount(self) -> None:
        """Arrows scroll."""
        self.query_one(VerticalScroll).focus()

    def _text(self) -> Text:
        text = Text()
        sections: list[tuple[str, DOMNode | type[DOMNode]]] = []
        if self._pane is not None:
            sections.append((f"In {self._pane.TITLE}", self._pane))
        sections += [("In every table", LiveTable), ("Everywhere", self.app)]
        for title, node in sections:
            text.append(f"{title}\n", "bold")
            for keys, what in keys_of(node, self.app):
                text.append(f"  {keys:<22}", "bold")
                text.append(f"{what}\n")
            if node is self._pane and self._pane is not None and self._pane.NOTE:
                text.append(f"  {self._pane.NOTE}\n", "dim")
            text.append("\n")
            if node is self._pane:
                text.append_text(self._columns())
        text.append("( and ) scroll the detail below a table; Tab goes into it, and comes back.\n")
        text.append("Where it says locked, refused or missing, R asks again at once.\n")
        text.append("y on a session copies the statement that ends it.\n")
        text.append("‼ critical  ! warning  · notice   – nothing  ? not known  ≈ estimated\n")
        text.append("Esc closes this.")
        return text

    def _columns(self) -> Text:
        """What the columns of the tab's present view say, those too for which it is too narrow."""
        text = Text()
        assert self._pane is not None
        width = self._pane.table.size.width
        for column in self._pane.table.columns:
            if column.means:
                text.append(f"  {column.title:<16}", "bold")
                room = (
                    f" (from {column.from_width} columns on)" if column.from_width > width else ""
                )
                wrapped = textwrap.wrap(column.means + room, 52)
                text.append(f"\n{' ' * 18}".join(wrapped) + "\n")
        return Text.assemble(("Its columns\n", "bold"), text, "\n") if text else text

    def action_close(self) -> None:
        """Back to the tab."""
        self.dismiss()
