"""The question before a statement is run: where, as whom, and what it calls."""

from __future__ import annotations

from typing import Any, ClassVar, cast

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Static

from pgtop.analysis import units
from pgtop.model.plan_request import AnalyzeCheck, CheckAnalyze, PlanOf
from pgtop.terminal.safe import safe
from pgtop.ui.frame import Frame


class RunScreen(ModalScreen[bool]):
    """Y runs it; every other answer does not."""

    DEFAULT_CSS = """
    RunScreen { align: center middle; }
    RunScreen Vertical { width: 80%; max-width: 100; height: auto; max-height: 90%;
                         border: solid $warning; padding: 1 2; background: $surface; }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("Y", "answer(True)", "run it"),
        Binding("escape,n,q", "answer(False)", "leave it"),
    ]

    def __init__(self, text: Text) -> None:
        super().__init__()
        self._text = text

    def compose(self) -> ComposeResult:
        """One block of text."""
        yield Vertical(Static(self._text))

    def action_answer(self, run: bool) -> None:
        """Close with the answer."""
        self.dismiss(run)


async def asked_to_run(app: App[Any], request: PlanOf, text: str) -> PlanOf | None:
    """What to ask the server for if the user agrees, else None. Raises SourceError."""
    check = await cast(Frame, app).ask(
        CheckAnalyze(text=text, dbname=request.dbname, search_path=request.search_path)
    )
    if not await app.push_screen_wait(RunScreen(_question(check, text))):
        return None
    return PlanOf(
        text=text, dbname=request.dbname, search_path=request.search_path, role=request.role,
        analyze=True, timing=check.timing,
    )  # fmt: skip


def _question(check: AnalyzeCheck, text: str) -> Text:
    asked = Text()
    asked.append("Run this statement?\n\n", "bold")
    asked.append(safe(text, lines=True)[:800] + "\n\n")
    asked.append(f"server    {safe(check.host)}\ndatabase  {safe(check.database)}\n")
    asked.append(f"role      {safe(check.role)}\n\n")
    asked.append(
        "In a READ ONLY transaction that is rolled back, ended after 60 s; Esc ends it on the"
        " server. It reads as much as it reads.\n"
    )
    asked.append(f"The planner expects {units.count(check.planned_rows)} rows through its nodes")
    asked.append("." if check.timing else ": without TIMING first.")
    asked.append("\n")
    if check.dangerous:
        asked.append(
            f"\n‼ No ROLLBACK takes back what {', '.join(map(safe, check.dangerous))} does.\n",
            "bold red",
        )
    if check.volatile:
        asked.append(f"\n! Volatile: {', '.join(map(safe, check.volatile))}\n", "yellow")
    asked.append("\nY  run it      Esc  leave it", "bold")
    return asked
