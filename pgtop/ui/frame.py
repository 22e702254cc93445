"""What a pane may ask of the application that holds it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Protocol

from pgtop.advice.verdict import Verdict
from pgtop.config import Config
from pgtop.model.finding import Finding, Remedy
from pgtop.model.request import AnswerT, Request
from pgtop.model.statement import StatementKey
from pgtop.model.tray import Tray
from pgtop.ui.schedule import Schedule

if TYPE_CHECKING:
    from pgtop.ui.live_pane import LivePane


class Frame(Protocol):
    """The application, as panes know it."""

    config: Config
    schedule: Schedule
    verdict: Verdict | None
    """What the rules said last; None before the first time."""

    @property
    def tray(self) -> Tray:
        """The DDL kept for this server."""
        ...

    def note(self, message: str, severity: str = "information") -> None:
        """A short message at the foot."""
        ...

    def copy_text(self, text: str, what: str) -> None:
        """Copy by the best way there is, and say where it went."""
        ...

    def add_to_tray(self, found: Iterable[Finding | Remedy], source: str) -> None:
        """Keep remedies in the DDL tray; `source` is the tab they come from."""
        ...

    def change_tray(self, change: Callable[[Tray], Tray]) -> None:
        """Change the tray, its file too."""
        ...

    async def give_way(self) -> None:
        """To keys, between two slices of long work."""
        ...

    async def ask(self, request: Request[AnswerT]) -> AnswerT:
        """A question to the server; cancelling the caller ends it there."""
        ...

    def show_plan(self, key: StatementKey) -> None:
        """Open the Plan tab and ask for this statement's plan."""
        ...

    def show_finding(self, finding: Finding) -> None:
        """Open the tab that explains it, with the cursor on the row behind it."""
        ...

    async def show_pane(self, name: str) -> LivePane:
        """Bring a tab into view."""
        ...

    def paint(self) -> None:
        """Everything from what is known now."""
        ...
