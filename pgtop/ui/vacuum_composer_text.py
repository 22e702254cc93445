"""The composer as text: options, effects before and after, DDL, undo, lock."""

from __future__ import annotations

from io import StringIO

from rich.console import Console
from rich.style import Style
from rich.text import Text

from pgtop.advice.vacuum_case import options_after, remedy
from pgtop.advice.vacuum_script import lock_words
from pgtop.analysis import units
from pgtop.analysis.vacuum.view import Effect, effect
from pgtop.terminal.glyphs import ASCII
from pgtop.terminal.safe import safe
from pgtop.ui.vacuum_edits import Composed, started
from pgtop.ui.vacuum_words import formula, reason

SIDE_BY_SIDE = 126
"""Width from which the effects stand right of the options."""


class _AsciiText(Text):
    """Text whose pieces are put in with the terminal's few signs."""

    def append(self, text: Text | str, style: str | Style | None = None) -> _AsciiText:
        """A piece, translated."""
        plain = text.plain if isinstance(text, Text) else text
        super().append(safe(plain.translate(ASCII), lines=True, ascii_only=True), style)
        return self


def composer_text(
    made: Composed,
    cursor: int | None,
    width: int,
    *,
    editing: bool = False,
    ascii_only: bool = False,
) -> tuple[Text, int]:
    """The whole pane as text, and the line on which the cursor stands.

    What would run comes before the options: it is in view while they are edited.
    """
    text: Text = _AsciiText() if ascii_only else Text()
    one = made.one
    text.append(f"{safe(one.seen.label)}   ", "bold")
    text.append(f"{formula(one.seen)}\n")
    text.append(f"{safe(reason(one, made.state, made.settings))}\n", "italic")
    beside = width >= SIDE_BY_SIDE
    _ddl_lines(made, text)
    if not beside:
        text.append(f"{_effect_line(made)}\n")
    at = len(text.wrap(Console(width=width, file=StringIO()), width)) + (cursor or 0)
    lines = _option_lines(made, cursor, editing)
    effects = _effect_lines(made)
    for number in range(max(len(lines), len(effects)) if beside else len(lines)):
        pieces = lines[number] if number < len(lines) else []
        for piece, style in pieces:
            text.append(piece, style)
        if beside and number < len(effects):
            used = sum(len(piece) for piece, _ in pieces)
            text.append(" " * max(1, 84 - used) + "│ " + effects[number])
        text.append("\n")
    if not beside:
        text.append("\n".join(effects) + "\n")
    _notes(made, text)
    return text, at


def _option_lines(made: Composed, cursor: int | None, editing: bool) -> list[list[tuple[str, str]]]:
    head = f"{'option':<39}{'now (from)':<22}{'proposed':>8}   you"
    lines: list[list[tuple[str, str]]] = [[(head, "bold")]]
    wrong = made.problems()
    proposed = started(made.one)
    for place, name in enumerate(made.names()):
        now = made.one.seen.chosen[name]
        shown = f"{now.value} ({now.source})"
        mine = made.edits.get(name, "")
        here = place == cursor
        offered = proposed.get(name, units.NOTHING)
        line = safe(f"{name:<39}{shown:<22}{offered:>8} ", spaces=True)
        style = "bold" if mine else ""
        field = f"{mine:<9}"
        if here and editing:
            pieces = [(f"{line}▏", "bold"), (f"{mine}_".ljust(9), "reverse bold")]
        elif here:
            pieces = [(f"{line}▸{field}", "reverse")]
        else:
            pieces = [(f"{line} {field}", style)]
        if name in wrong:
            pieces.append((f" ! {wrong[name]}", "bold"))
        lines.append(pieces)
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


def _effect_line(made: Composed) -> str:
    """The effects that matter most, in a line."""
    now, then = effects_of(made)
    words = [f"dead rows {_rows(now.limits.vacuum)} → {_rows(then.limits.vacuum)}"]
    if now.every_s is not None or then.every_s is not None:
        words.append(f"every {units.seconds(now.every_s)} → {units.seconds(then.every_s)}")
    words.append(f"takes up to {_takes(now)} → {_takes(then)}")
    return "effect  " + ", ".join(words)


def _ddl_lines(made: Composed, text: Text) -> None:
    change, why = made.change(), made.nothing()
    if why is not None:
        text.append(f"{why}\n", "bold" if made.problems() else "dim")
    else:
        planned = remedy(made.one, made.state, change)
        for line in planned.sql:
            text.append(safe(line) + "\n", "bold")
        for line in planned.undo:
            text.append(f"undo  {safe(line)}\n", "dim")
        for name in made.problems():
            text.append(f"!     {name} is left out: refused\n", "bold")
        if planned.caution:
            text.append(f"!     {safe(planned.caution)}\n")
    words = lock_words(made.one, made.state, made.settings, polite=made.polite)
    manner = "polite" if made.polite else "firm"
    text.append(f"lock  SHARE UPDATE EXCLUSIVE, {manner} (p): {safe(words)}\n")


def _notes(made: Composed, text: Text) -> None:
    owner = made.one.seen.main.owner if made.one.seen.main else made.one.seen.table.owner
    for line in (
        f"run it as {safe(owner)}, the owner, or as a superuser",
        "it stops no reader and no writer; a running vacuum keeps its options",
        "counts are the server's estimates: ANALYZE overwrites, pruning lowers them",
        "y copies, u copies the undo, x marks several for one script",
    ):
        text.append(f"{line}\n", "dim")
