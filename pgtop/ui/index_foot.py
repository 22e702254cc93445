"""The foot of the Indexes tab: it follows the cursor and asks for the row's definition."""

from __future__ import annotations

import asyncio

from rich.text import Text
from textual import work

from pgtop.advice.index_facts import optional
from pgtop.advice.questions import lacks_undo
from pgtop.model.index import ForeignKey, Index, IndexBuild, IndexUse, Sequence
from pgtop.model.index_request import Definition, DefinitionOf
from pgtop.model.sample import SourceError
from pgtop.model.table import Partition, Table
from pgtop.terminal.safe import safe
from pgtop.ui.detail import Detail
from pgtop.ui.index_detail import (
    advised_text,
    index_text,
    key_text,
    table_text,
    why_no_key,
    why_nothing,
)
from pgtop.ui.index_key_rows import AdvisedRow, KeyRow
from pgtop.ui.index_reading import IndexReading
from pgtop.ui.index_rows import IndexRow
from pgtop.ui.index_table_rows import TableRow
from pgtop.ui.live_table import LiveTable

CATALOGUE = (Index, IndexUse, Table, ForeignKey, Partition, Sequence)
"""What somebody's DDL changes, read in slow lanes."""


class IndexFoot(IndexReading):
    """The part of the tab below its table."""

    def __init__(self) -> None:
        super().__init__()
        self._definition: Definition | SourceError | None = None
        self._definition_key: int | None = None

    def why_nothing_offered(self) -> str:
        """The reasons, as the foot tells them."""
        row = self.table.cursor_row
        reasons: tuple[str, ...] = ()
        if isinstance(row, IndexRow):
            reasons = tuple(why_nothing(row))
        elif isinstance(row, KeyRow):
            reasons = (f"no index is recommended: {why_no_key(row)}",)
        return "; ".join(reasons) or super().why_nothing_offered()

    def on_live_table_selected(self, event: LiveTable.Selected) -> None:
        """Enter opens the foot."""
        if not self.query(Detail):
            self.mount(Detail())
            self._definition_key = None  # one that was asked for its undo may be old
        self.call_after_refresh(self._follow)

    def on_live_table_moved(self) -> None:
        """The foot follows the cursor; names come for what came into view."""
        self._follow()
        self._read_more()

    def _follow(self) -> None:
        """The definition comes for the foot, and where a DROP has no undo without it."""
        row = self.table.cursor_row
        if (
            isinstance(row, IndexRow)
            and self._definition_key != row.key
            and (self.query(Detail) or any(map(lacks_undo, row.findings)))
        ):
            self._ask_definition(row.key)
        self._show_detail()

    @work(group="definition", exclusive=True)
    async def _ask_definition(self, key: int) -> None:
        self._definition_key, self._definition = key, None
        await asyncio.sleep(0.15)  # the cursor may be on its way
        try:
            found = await self.frame.ask(DefinitionOf(key))
            self._definition = found
            if found.sql is not None:
                self.frame.schedule.board.add(Definition, (found,))
        except SourceError as error:
            self._definition = error
            if error.lasting:  # what the rows say is no longer so
                self.frame.schedule.anew(CATALOGUE)
        self._show_detail()

    def _show_detail(self) -> None:
        shown = self.query(Detail)
        if not shown or not shown.first().is_mounted:
            return
        row = self.table.cursor_row
        if isinstance(row, IndexRow):
            known = self._definition if self._definition_key == row.key else None
            builds = tuple(optional(self.facts, IndexBuild))
            text = index_text(row, known, builds)
        elif isinstance(row, TableRow):
            text = table_text(row)
        elif isinstance(row, KeyRow):
            text = key_text(row)
        elif isinstance(row, AdvisedRow):
            text = advised_text(row)
        else:
            text = Text(safe(self.table.empty))
        shown.first().show(text, (self.mode, self.table.cursor_key))
