"""Model values as cells and text: what colour means what, in one place."""

from __future__ import annotations

from rich.text import Text

from pgtop.analysis import units
from pgtop.terminal.safe import safe
from pgtop.ui.table_columns import Cell, Tone

MOST_HIGHLIGHTED = 20_000
"""Characters of a statement that get colours; the rest follows plain."""


def share_cell(fraction: float | None) -> Cell:
    """A share and its bar: ` 62 % ██████▏`."""
    if fraction is None:
        return units.UNKNOWN
    text = units.percent(fraction)
    return ((text.rjust(6) + " ", ""), (units.bar(fraction, 8), "bar"))


def sql_cell(query: str | None, tags: tuple[tuple[str, Tone], ...] = ()) -> Cell:
    """A statement on one line, behind its tags."""
    if query is None:
        return (*tags, ("(text not read)", "dim"))
    return (*tags, (safe(query[:600]), ""))


def sql_text(query: str) -> Text:
    """A whole statement, harmless, wrapped where it was, highlighted."""
    shown = safe(query, lines=True)
    head, tail = shown[:MOST_HIGHLIGHTED], shown[MOST_HIGHLIGHTED:]
    text = _highlighted(head)
    text.append(tail)
    return text


def _highlighted(sql: str) -> Text:
    from pygments.lexers.sql import PostgresLexer  # 40 ms, when a statement is first opened
    from pygments.token import Comment, Keyword, Name, Number, String

    styles = ((Keyword, "bold"), (String, "green"), (Number, "cyan"), (Comment, "dim"),
              (Name.Builtin, "bold"), (Name.Variable, "cyan"))  # fmt: skip
    text = Text()
    for token, value in PostgresLexer(stripnl=False, ensurenl=False).get_tokens(sql):
        style = next((name for kind, name in styles if token in kind), "")
        text.append(value, style)
    return text
