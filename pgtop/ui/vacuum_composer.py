"""The composer: one table's options, edited in place, with what they would change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from rich.style import Style
from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.message import Message
from textual.widgets import Static

from pgtop.advice.vacuum_case import Case, options_after, remedy
from pgtop.advice.vacuum_script import lock_words
from pgtop.analysis import units
from pgtop.analysis.vacuum.options import EDITABLE, OPTIONS, Change, problem
from pgtop.analysis.vacuum.settings import VacuumSettings
from pgtop.analysis.vacuum.state import VacuumState
from pgtop.analysis.vacuum.view import Effect, effect
from pgtop.terminal.glyphs import ASCII
from pgtop.terminal.safe import safe
from pgtop.ui.vacuum_words import formula, reason

RESET = "reset"
"""In place of a value: take the option away."""

SIDE_BY_SIDE = 112
"""Width from which the effects stand right of the options."""


@dataclass(frozen=True, slots=True)
class Composed:
    """What the composer shows."""

    one: Case
    state: VacuumState
    settings: VacuumSettings
    edits: Mapping[str, str]
    """Option -> value, or `reset`."""

    polite: bool

    def names(self) -> list[str]:
        """The options that can be edited here."""
        return [name for name in EDITABLE if name in self.one.seen.chosen]

    def problems(self) -> dict[str, str]:
        """Option -> why the server would refuse its value."""
        toast = self.one.seen.table.relkind == "t"
        version = self.settings.version_num
        found = {
            name: problem(name, text, version, toast=toast)
            for name, text in self.edits.items()
            if text != RESET
        }
        return {name: why for name, why in found.items() if why is not None}

    def change(self) -> Change:
        """The edits that change something and that the server takes."""
        wrong = self.problems()
        now = {} if self.one.seen.inherited else self.one.seen.options
        return Change(
            sets={
                name: text
                for name, text in self.edits.items()
                if text != RESET and name not in wrong and now.get(name) != text
            },
            resets=tuple(n for n, text in self.edits.items() if text == RESET and n in now),
        )


def started(one: Case) -> dict[str, str]:
    """The edits to begin with: what is proposed."""
    return {**one.proposal.sets, **dict.fromkeys(one.proposal.resets, RESET)}


class Composer(VerticalScroll, can_focus=True):
    """Up and down choose an option, digits and a point write its value, Delete takes it away."""

    DEFAULT_CSS = """
    Composer { height: 60%; border-top: solid $primary; padding: 0 1; }
    Composer:focus { border-top: solid $accent; }
    .-small Composer { display: none; }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "choose(-1)", "option before", show=False),
        Binding("down", "choose(1)", "option after", show=False),
        Binding("delete", "reset", "reset the option", show=False),
        Binding("enter", "propose", "back to the proposal", show=False),
    ]

    @dataclass
    class Edited(Message):
        """An option got another value; None: as proposed."""

        name: str
        text: str | None

    @dataclass
    class Proposed(Message):
        """Back to what is proposed."""

    def __init__(self) -> None:
        super().__init__()
        self.composed: Composed | None = None
        self.cursor = 0
        self._text = Text()
        self._line_of_cursor = 0

    def compose(self) -> ComposeResult:
        """One block of text."""
        yield Static(self._text)

    def show(self, composed: Composed) -> None:
        """Another table, or the same with other numbers."""
        if self.composed is None or self.composed.one.key != composed.one.key:
            self.cursor = 0
        self.composed = composed
        self._draw()

    def on_resize(self) -> None:
        """Side by side, or one below the other."""
        self._draw()

    def on_focus(self) -> None:
        """Show the cursor."""
        self._draw()

    def on_blur(self) -> None:
        """Hide it."""
        self._draw()

    def _draw(self) -> None:
        if self.composed is None or not self.is_mounted:
            return
        chosen = self.cursor if self.has_focus else None
        ascii_only = bool(getattr(self.app, "ascii_only", False))
        width = max(40, self.size.width - 2)
        text, line = composer_text(self.composed, chosen, width, ascii_only=ascii_only)
        if text != self._text:
            self._text = text
            self.query_one(Static).update(text)
        if chosen is not None:
            top, height = int(self.scroll_y), max(1, self.size.height)
            if line < top or line >= top + height:
                self.scroll_to(y=max(0, line - height // 2), animate=False)

    # -- keys ----------------------------------------------------------------------------

    def action_choose(self, step: int) -> None:
        """Another option."""
        if self.composed is not None:
            self.cursor = (self.cursor + step) % max(1, len(self.composed.names()))
            self._draw()

    def action_reset(self) -> None:
        """Take the option away."""
        name = self._option()
        if name is not None:
            self.post_message(self.Edited(name, RESET))

    def action_propose(self) -> None:
        """Forget the edits."""
        self.post_message(self.Proposed())

    async def _on_key(self, event: events.Key) -> None:
        """Digits, a point and a minus are the value; letters stay the tab's keys."""
        name = self._option()
        if name is None or self.composed is None:
            return
        before = self.composed.edits.get(name, "")
        before = "" if before == RESET else before
        char = event.character or ""
        if OPTIONS[name].kind == "bool":
            if event.key != "space":
                return
            now = before or self.composed.one.seen.chosen[name].value
            text: str | None = "false" if now in ("true", "on") else "true"
        elif event.key == "backspace":
            text = before[:-1] or None
        elif char and char in "0123456789.-":
            text = before + char
        else:
            return
        event.stop()
        event.prevent_default()
        self.post_message(self.Edited(name, text))

    def _option(self) -> str | None:
        if self.composed is None:
            return None
        names = self.composed.names()
        return names[self.cursor] if self.cursor < len(names) else None


class _AsciiText(Text):
    """Text whose pieces are put in with the terminal's few signs."""

    def append(self, text: Text | str, style: str | Style | None = None) -> _AsciiText:
        """A piece, translated."""
        plain = text.plain if isinstance(text, Text) else text
        super().append(safe(plain.translate(ASCII), lines=True, ascii_only=True), style)
        return self


def composer_text(
    made: Composed, cursor: int | None, width: int, *, ascii_only: bool = False
) -> tuple[Text, int]:
    """The whole pane as text, and the line on which the cursor stands."""
    text: Text = _AsciiText() if ascii_only else Text()
    one = made.one
    text.append(f"{safe(one.seen.label)}   ", "bold")
    text.append(f"{formula(one.seen)}\n")
    text.append(f"{safe(reason(one, made.state, made.settings))}\n", "italic")
    lines = [*_option_lines(made, cursor)]
    beside = width >= SIDE_BY_SIDE
    effects = _effect_lines(made)
    at = text.plain.count("\n") + 1 + (cursor or 0)
    for number, (line, style) in enumerate(lines):
        text.append(line.ljust(72) if beside else line, style)
        if beside and number < len(effects):
            text.append("│ " + effects[number])
        text.append("\n")
    if not beside:
        text.append("\n".join(effects) + "\n")
    _ddl_lines(made, text)
    return text, at


def _option_lines(made: Composed, cursor: int | None) -> list[tuple[str, str]]:
    head = f"{'option':<40}{'now (from)':<19}{'proposed':>9}  you"
    lines = [(head, "bold")]
    wrong = made.problems()
    proposed = started(made.one)
    for place, name in enumerate(made.names()):
        now = made.one.seen.chosen[name]
        shown = f"{now.value} ({now.source})"
        mine = made.edits.get(name, "")
        mark = "▏" if place == cursor else " "
        said = f"  ! {wrong[name]}" if name in wrong else ""
        line = f"{name:<40}{shown:<19}{proposed.get(name, units.NOTHING):>9} {mark}{mine}{said}"
        style = "reverse" if place == cursor else "bold" if mine else ""
        lines.append((safe(line, spaces=True), style))
    return lines


def effects_of(made: Composed) -> tuple[Effect, Effect]:
    """(as it is, as composed), at the churn that the proposal reckons with."""
    seen, proposal = made.one.seen, made.one.proposal
    dead, inserts, changes = proposal.dead_per_s, proposal.inserts_per_s, None
    if seen.rates is not None:
        dead = seen.rates.dead if dead is None else dead
        inserts = seen.rates.inserts if inserts is None else inserts
        changes = seen.rates.changes
    rates = {"dead_per_s": dead, "inserts_per_s": inserts, "changes_per_s": changes}
    return (
        effect(seen, seen.options, made.settings, **rates),
        effect(seen, options_after(made.one, made.change()), made.settings, **rates),
    )


def _effect_lines(made: Composed) -> list[str]:
    now, then = effects_of(made)
    known = made.one.proposal.dead_per_s is not None or made.one.seen.rates is not None

    def _time(value: float | None) -> str:
        # A rate that is known and nil: never.
        return units.seconds(value) if value is not None or not known else units.NOTHING

    rows = [
        ("dead rows at", _rows(now.limits.vacuum), _rows(then.limits.vacuum), ""),
        ("  at the peak", _peak(now), _peak(then), ""),
        ("  share", units.percent(now.dead_fraction), units.percent(then.dead_fraction), ""),
        ("  every", _time(now.every_s), _time(then.every_s), ""),
        ("takes up to", _takes(now), _takes(then), ""),
        ("index passes", str(now.passes), str(then.passes), ""),
        ("of its time", units.percent(now.duty), units.percent(then.duty), ""),
        ("inserts at", _rows(now.limits.insert), _rows(then.limits.insert), ""),
        ("  every", _time(now.insert_every_s), _time(then.insert_every_s), ""),
        ("analyze at", _rows(now.limits.analyze), _rows(then.limits.analyze), ""),
        ("reads up to", _speed(now, "read"), _speed(then, "read"), ""),
        ("writes up to", _speed(now, "write"), _speed(then, "write"), ""),
    ]
    lines = [f"{'effect':<13}{'now':>12}{'then':>12}"]
    lines += [f"{name:<13}{a:>12}{b:>12} {unit}".rstrip() for name, a, b, unit in rows]
    if not then.pace.balanced:
        lines.append("leaves the shared budget: comes on top of it")
    return lines


def _rows(value: float | None) -> str:
    return "off" if value is None else units.count(value)


def _peak(seen: Effect) -> str:
    return units.UNKNOWN if seen.peak is None else units.count(seen.peak)


def _takes(seen: Effect) -> str:
    return "as the disk" if seen.takes_s is None else units.seconds(seen.takes_s)


def _speed(seen: Effect, kind: str) -> str:
    pace = seen.pace
    value = pace.read_bytes_per_s if kind == "read" else pace.write_bytes_per_s
    return "the disk" if value is None else f"{units.size(value)}/s"


def _ddl_lines(made: Composed, text: Text) -> None:
    change = made.change()
    if not change.sets and not change.resets:
        text.append("nothing to run: no option differs from what is set\n", "dim")
    else:
        planned = remedy(made.one, made.state, change)
        for line in planned.sql:
            text.append(safe(line) + "\n", "bold")
        for line in planned.undo:
            text.append(f"undo  {safe(line)}\n", "dim")
        if planned.caution:
            text.append(f"!     {safe(planned.caution)}\n")
        owner = made.one.seen.main.owner if made.one.seen.main else made.one.seen.table.owner
        text.append(f"as    {safe(owner)}, the owner, or a superuser\n", "dim")
    words = lock_words(made.one, made.state, made.settings, polite=made.polite)
    manner = "polite" if made.polite else "firm"
    text.append(f"lock  SHARE UPDATE EXCLUSIVE, {manner}: {safe(words)}\n")
    text.append("it stops no reader and no writer; a running vacuum keeps its options\n", "dim")
    text.append(
        "counts are the server's estimates: ANALYZE overwrites, pruning lowers them\n", "dim"
    )
    text.append(
        "↑↓ option  0-9 . - value  Delete reset  Enter proposal  p polite/firm  y copy  u copy"
        " undo  x mark  Esc table",
        "dim",
    )
