"""The composer: one table's options, edited in place, with what they would change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.message import Message
from textual.widgets import Static

from pgtop.analysis.vacuum.options import OPTIONS, to_bool
from pgtop.ui.detail import plain_edges
from pgtop.ui.vacuum_composer_text import composer_text
from pgtop.ui.vacuum_edits import RESET, Composed

CHOOSING = "OPTIONS  ↑↓ choose  Enter edit  Delete reset  r proposal  Esc table"
EDITING = "EDIT  type the value  Enter keeps it  Esc takes it back"
SWITCHING = "EDIT  space switches on and off  Enter keeps it  Esc takes it back"
OUTSIDE = "Enter goes to the options, Esc closes"

LOW = 30
"""Below so many lines of terminal the composer takes most of them."""


class Composer(VerticalScroll, can_focus=True):
    """Two modes, named on its border.

    Choosing, every key but the arrows, Enter, Delete and `r` is the tab's or the
    application's: a digit is a tab. Editing, from Enter to Enter or Esc, what is typed is the
    value and nothing else; effects and DDL follow each key.
    """

    DEFAULT_CSS = """
    Composer { height: 60%; border-top: solid $primary; padding: 0 1; }
    Composer:focus { border-top: solid $accent; }
    Composer.-ascii { border-top: ascii $primary; }
    Composer.-ascii:focus { border-top: ascii $accent; }
    Composer.-low { height: 78%; }
    .-small Composer { display: none; }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "choose(-1)", "option before", show=False),
        Binding("down", "choose(1)", "option after", show=False),
        Binding("enter", "edit", "edit the option", show=False),
        Binding("delete", "reset", "reset the option", show=False),
        Binding("r", "propose", "back to the proposal", show=False),
    ]

    @dataclass
    class Edited(Message):
        """An option got another value; None: no value of its own."""

        name: str
        text: str | None

    @dataclass
    class Proposed(Message):
        """Back to what is proposed."""

    def __init__(self) -> None:
        super().__init__()
        self.composed: Composed | None = None
        self.cursor = 0
        self.editing = False
        self._untouched = False
        """Editing began and nothing was typed: the first digit replaces the value."""

        self._value = ""
        """What was typed; messages about it may still be on their way."""

        self._before: str | None = None
        """The value when editing began, for Esc."""

        self._text = Text()

    def compose(self) -> ComposeResult:
        """One block of text."""
        yield Static(self._text)

    def on_mount(self) -> None:
        """In ASCII the border too."""
        plain_edges(self)

    def show(self, composed: Composed) -> None:
        """Another table, or the same with other numbers."""
        if self.composed is None or self.composed.one.key != composed.one.key:
            self.cursor = 0
            self.editing = False
        self.composed = composed
        self._draw()

    def on_resize(self) -> None:
        """Side by side, or one below the other."""
        self.set_class(self.app.size.height < LOW, "-low")
        self._draw()

    def on_focus(self) -> None:
        """Show the cursor."""
        self._draw()

    def on_blur(self) -> None:
        """Hide it; a value half typed is taken back."""
        if self.editing:
            self._leave(keep=False)
        self._draw()

    def _draw(self) -> None:
        if self.composed is None or not self.is_mounted:
            return
        chosen = self.cursor if self.has_focus else None
        ascii_only = bool(getattr(self.app, "ascii_only", False))
        self._name_mode(ascii_only)
        width = max(40, self.size.width - 2)
        text, line = composer_text(
            self.composed, chosen, width, editing=self.editing, ascii_only=ascii_only
        )
        if text != self._text:
            self._text = text
            self.query_one(Static).update(text)
        if chosen is not None:
            top, height = int(self.scroll_y), max(1, self.size.height)
            if line < top or line >= top + height:
                self.scroll_to(y=max(0, line - height + 2), animate=False)

    def _name_mode(self, ascii_only: bool) -> None:
        name = self._option()
        if not self.has_focus:
            words = OUTSIDE
        elif not self.editing or name is None:
            words = CHOOSING
        else:
            words = SWITCHING if OPTIONS[name].kind == "bool" else EDITING
        self.border_title = words.translate(
            {ord("↑"): "up/", ord("↓"): "down"} if ascii_only else {}
        )

    # -- keys ----------------------------------------------------------------------------

    def action_choose(self, step: int) -> None:
        """Another option."""
        if self.composed is not None:
            self.cursor = (self.cursor + step) % max(1, len(self.composed.names()))
            self._draw()

    def action_reset(self) -> None:
        """Take the option away, or the edit where the table has none of its own."""
        name, made = self._option(), self.composed
        if name is not None and made is not None:
            own = not made.one.seen.inherited and name in made.one.seen.options
            self.post_message(self.Edited(name, RESET if own else None))

    def action_propose(self) -> None:
        """Forget the edits."""
        self.post_message(self.Proposed())

    def action_edit(self) -> None:
        """What is typed from now on is the option's value."""
        name = self._option()
        if name is None or self.composed is None:
            return
        self._before = self.composed.edits.get(name)
        self._value = "" if self._before in (None, RESET) else str(self._before)
        self._untouched = True
        self.editing = True
        self._draw()

    def _leave(self, *, keep: bool) -> None:
        name = self._option()
        self.editing = False
        if not keep and name is not None and not self._untouched:
            self.post_message(self.Edited(name, self._before))
        self._draw()

    async def _on_key(self, event: events.Key) -> None:
        """Editing, every printable key is text; those that no number has are ignored."""
        if not self.editing or event.key.startswith("ctrl+"):
            return
        event.stop()
        event.prevent_default()
        if event.key == "escape":
            self._leave(keep=False)
        elif event.key in ("enter", "up", "down"):
            self._keep(0 if event.key == "enter" else -1 if event.key == "up" else 1)
        else:
            self._type(event)

    def _keep(self, step: int) -> None:
        """A value that the server would refuse is not left behind: its reason stands beside it."""
        name, made = self._option(), self.composed
        if (
            made is not None
            and name is not None
            and self._value
            and made.refuses(name, self._value)
        ):
            self.app.bell()
            return
        self._leave(keep=True)
        if step:
            self.action_choose(step)

    def _type(self, event: events.Key) -> None:
        name, made = self._option(), self.composed
        if name is None or made is None:
            return
        if OPTIONS[name].kind == "bool":
            if event.key != "space":
                return
            now = self._value or made.one.seen.chosen[name].value
            self._value = "false" if to_bool(now) else "true"
        elif event.key == "backspace":
            self._value = self._value[:-1]
        elif event.key == "delete":
            self._value = ""
        elif event.character and event.character in "0123456789.-":
            self._value = ("" if self._untouched else self._value) + event.character
        else:
            return
        self._untouched = False
        self.post_message(self.Edited(name, self._value or None))

    def _option(self) -> str | None:
        if self.composed is None:
            return None
        names = self.composed.names()
        return names[self.cursor] if self.cursor < len(names) else None
