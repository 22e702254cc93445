"""What is asked about one statement: its detail, and the indexes that it lacks."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any, cast

from rich.text import Text
from textual import work

from pgtop.analysis.derived import Board
from pgtop.analysis.workload import StatementView, Window, Workload
from pgtop.model.advice import Advice, Advise
from pgtop.model.finding import Finding, Remedy
from pgtop.model.sample import Sample, SourceError
from pgtop.model.statement import DetailOf, StatementDetail, StatementKey
from pgtop.report.advise import as_text
from pgtop.terminal.safe import safe
from pgtop.ui.detail import Detail
from pgtop.ui.live_pane import LivePane
from pgtop.ui.live_table import LiveTable
from pgtop.ui.statement_detail import detail_text

ADVISED_S = 5.0
"""A search for the indexes of one statement takes tens of milliseconds, mostly."""


class StatementAsking(LivePane):
    """The part of the Queries tab that asks about the statement under the cursor."""

    def __init__(self) -> None:
        super().__init__()
        self.window: Window | None = None
        self._detail: StatementDetail | SourceError | None = None
        self._detail_key: StatementKey | None = None
        self._detail_at = 0.0
        self._advice: dict[StatementKey, Text] = {}

    # -- detail --------------------------------------------------------------------------

    def on_live_table_selected(self, event: LiveTable.Selected) -> None:
        """Enter opens the detail, once more asks again."""
        if not self.query(Detail):
            self.mount(Detail())
        self._ask_detail(cast(StatementKey, event.key))

    def on_live_table_moved(self) -> None:
        """The detail follows the cursor."""
        if self.query(Detail):
            self._show_detail()
            key = self.table.cursor_key
            if key is not None and key != self._detail_key:
                self.set_timer(0.3, lambda: self._ask_if_still(key))

    def _ask_if_still(self, key: Any) -> None:
        if key == self.table.cursor_key and key != self._detail_key and self.query(Detail):
            self._ask_detail(key)

    @work(group="detail", exclusive=True)
    async def _ask_detail(self, key: StatementKey) -> None:
        self._detail_key, self._detail = key, None
        workload = self.facts.derived.get(Workload)
        self._detail_at = workload.now.taken_at if workload and workload.now else 0.0
        if workload and workload.now and key not in workload.now.rows:
            self._detail = SourceError("it has not ended once yet: no counter holds it")
            self.call_after_refresh(self._show_detail)
            return
        self.call_after_refresh(self._show_detail)
        try:
            self._detail = await self.frame.ask(DetailOf(key))
        except SourceError as error:
            self._detail = error
        self._show_detail()

    def _show_detail(self) -> None:
        found = self.query(Detail)
        if not found or not found.first().is_mounted:
            return
        view = cast("StatementView | None", self.table.cursor_row)
        if view is None or self.window is None:
            found.first().show(Text("no statement under the cursor"))
            return
        detail = self._detail if self._detail_key == view.key else None
        workload = self.facts.derived.get(Workload)
        history = workload.points(view.key) if workload else ()
        now = workload.now.taken_at if workload and workload.now else 0.0
        text = detail_text(
            view, detail, history, self._findings(view),
            idle_s=now - history[-1][0] if history else 0.0, old_s=max(0.0, now - self._detail_at),
        )  # fmt: skip
        found.first().show(self._advice.get(view.key, Text()) + text)

    def _findings(self, view: StatementView) -> list[str]:
        told = view.key in self._advice
        return [
            f"{f.title}. {f.why}" + (f" {f.no_remedy}" if f.no_remedy else "")
            for f in self._about(view)
            if not (told and f.rule == "index.missing")
        ]

    def _about(self, view: StatementView) -> tuple[Finding, ...]:
        verdict = self.frame.verdict
        of_statement = tuple(
            f
            for f in (verdict.about(str(view.key[2])) if verdict else ())
            if f.subject.kind == "statement"
        )
        return (*of_statement, *advised_for(self.facts.samples.get(Advice), view.key))

    # -- index advice ------------------------------------------------------------------------

    def action_advise(self) -> None:
        """Look for an index that makes the statement under the cursor cheaper."""
        key = cast("StatementKey | None", self.table.cursor_key)
        if key is None:
            return
        if not self.query(Detail):
            self.mount(Detail())
            self._ask_detail(key)
        self._advise(key)

    @work(group="advise", exclusive=True)
    async def _advise(self, key: StatementKey) -> None:
        def say(stage: str, fraction: float = 0.0) -> None:
            words = f"looking for indexes on a second connection: {stage} {fraction:.0%}"
            self._advice[key] = Text(f"{words}; Esc ends it\n\n", "dim")
            self._show_detail()

        say("asking")
        try:
            found = await self.frame.ask(Advise(keys=(key,), seconds=ADVISED_S, progress=say))
        except SourceError as error:
            remedy = f": {error.remedy}" if error.remedy else ""
            self._advice[key] = Text(f"! no index advice: {safe(error.why + remedy)}\n\n")
        except asyncio.CancelledError:
            self._advice.pop(key, None)
            raise
        else:
            self._advice[key] = Text(as_text(found) + "\n")
            keep_advice(self.frame.schedule.board, found)
            self.frame.paint()
        self._show_detail()

    def offered(self) -> tuple[Finding | Remedy, ...]:
        """The findings about the statement under the cursor."""
        view = cast("StatementView | None", self.table.cursor_row)
        return () if view is None else self._about(view)

    def action_back(self) -> None:
        """Close the detail, then forget the filter."""
        detail = self.query(Detail)
        if detail:
            self.workers.cancel_group(self, "advise")
            detail.first().remove()
            self.focus_inside()
        else:
            super().action_back()


def advised_for(found: Sample[Advice] | SourceError | None, key: StatementKey) -> list[Finding]:
    """Indexes that were advised and make this statement cheaper."""
    rows = found.rows if isinstance(found, Sample) else ()
    advised = (each for advice in rows for each in advice.indexes)
    findings = {
        each.finding.key: each.finding
        for each in advised
        if any(gain.key == key for gain in each.gains)
    }
    return list(findings.values())


def keep_advice(board: Board, found: Advice) -> None:
    """Beside what was advised before for other statements: rules look at all of it."""
    held = board.samples.get(Advice)
    before = held.rows if isinstance(held, Sample) else ()
    asked = {gain.key for gain in found.statements}
    said = {each.finding.key for each in found.indexes}
    others = tuple(
        replace(each, indexes=tuple(i for i in each.indexes if i.finding.key not in said))
        for each in before
        if not asked >= {gain.key for gain in each.statements}
    )
    board.add(Advice, (*others, found))
