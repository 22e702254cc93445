"""What the palette offers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from textual.app import App, SystemCommand

from pgtop.ui.live_pane import LivePane
from pgtop.ui.panes import PANES

if TYPE_CHECKING:
    from pgtop.ui.app import PgtopApp


def commands(app: PgtopApp, pane: LivePane | None) -> Iterator[SystemCommand]:
    """To every tab, what the app does, and copies of the row under the cursor."""
    for tab in PANES:
        yield SystemCommand(
            f"{tab.DIGIT} {tab.TITLE}", "Go to this tab", _call(app, f"tab({tab.DIGIT})")
        )
    for name, help_, action in (
        ("Freeze", "Stop reading, or go on", "freeze"),
        ("Read now", "Also what was refused before", "refresh_now"),
        ("Slower", "A longer interval", "interval(1)"),
        ("Faster", "A shorter interval", "interval(-1)"),
        ("Theme", "Choose colours", "change_theme"),
        ("Keys", "All keys", "help"),
        ("Quit", "Leave pgtop", "leave"),
    ):
        yield SystemCommand(name, help_, _call(app, action))
    yield from _copies(app, pane)


def _copies(app: PgtopApp, pane: LivePane | None) -> Iterator[SystemCommand]:
    """The row under the cursor, and each of its cells."""
    table = pane.table if pane is not None else None
    row = table.cursor_row if table is not None else None
    if table is None or row is None:
        return
    whole = table.as_tsv([table.cursor_index])
    yield SystemCommand("Copy row", "With its head, tabs between", _copy(app, whole, "row"))
    for column in table.columns:
        text = table.text_of(row, column).strip()
        yield SystemCommand(
            f"Copy cell: {column.title}", text[:60], _copy(app, text, f"cell {column.title}")
        )


def _call(app: App[Any], action: str) -> Callable[[], Any]:
    async def run() -> None:
        await app.run_action(action)

    return run


def _copy(app: PgtopApp, text: str, what: str) -> Callable[[], None]:
    return lambda: app.copy_text(text, what)
