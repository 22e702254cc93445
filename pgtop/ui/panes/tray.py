"""The DDL tab: what was recommended and kept, whether it could run now, and whether it was."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import Any, ClassVar, cast

from textual import work
from textual.binding import Binding, BindingType

from pgtop.advice import Facts
from pgtop.analysis import units
from pgtop.analysis.applied import Applied, applied, mark
from pgtop.analysis.ddl_parts import harmless
from pgtop.analysis.table_locks import Outlook, outlook
from pgtop.migration import TOOLS
from pgtop.migration.plan import LEFT_OUT, File, Plan, joined, plan
from pgtop.model.sample import SourceError
from pgtop.model.tray import AppliedState, Locks, LocksFor, Target, TargetState, Tray
from pgtop.ui.detail import Detail
from pgtop.ui.index_foot import CATALOGUE
from pgtop.ui.lines import Line
from pgtop.ui.live_pane import LivePane
from pgtop.ui.live_table import LiveTable
from pgtop.ui.tray_rows import TrayKey, TrayRow, columns, detail, rows_of

EMPTY = "nothing kept yet: `a` on a finding or a row of any tab puts its DDL here"


class TrayPane(LivePane):
    """Statements in the order in which they are to be run. Nothing here is ever run by pgtop."""

    NAME = "tray"
    DIGIT = "9"
    TITLE = "DDL"
    SHORT = "DDL"

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "none", "detail", id="tray.detail"),
        Binding("f", "format", "format", id="tray.format"),
        Binding("w", "write", "write files", id="tray.write"),
        Binding("u", "copy_undo", "copy undo", show=False, id="tray.undo"),
        Binding("x", "mark", "mark", id="tray.mark"),
        Binding("delete", "remove", "remove", id="tray.remove"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.tool = "psql"
        self._marked: frozenset[str] = frozenset()
        self._outlooks: dict[TrayKey, Outlook] = {}
        self._states: dict[TrayKey, Applied] = {}
        self._asking = False
        self._trouble = ""

    def make_table(self) -> LiveTable[Any]:
        """In running order unless a column is chosen."""
        return LiveTable(columns(0), empty=EMPTY)

    @property
    def tray(self) -> Tray:
        """The tray of this server and database."""
        return self.frame.tray

    # -- facts in ------------------------------------------------------------------------

    def show_facts(self, facts: Facts) -> None:
        """What is known, at once; what the server says now follows."""
        self._show()
        if not self._asking and self.tray.entries:
            self._asking = True
            self._ask()

    def _show(self) -> None:
        rows = self._rows()
        self.table.set_columns(columns(self.table.size.width))
        self.table.show_rows([row for row in rows if self._fits(row)])
        self.head.show(self._head_line(rows))
        self._show_detail()

    def _rows(self) -> list[TrayRow]:
        return rows_of(self.tray, self._marked, self._outlooks, self._states, self._now())

    def _fits(self, row: TrayRow) -> bool:
        wanted = self.filter_text.lower()
        return wanted in row.parts.sql.lower() or wanted in row.entry.rule

    def _now(self) -> float | None:
        reading = self.frame.schedule.board.reading
        return None if reading is None else reading.taken_at

    def _head_line(self, rows: list[TrayRow]) -> Line:
        done = sum(row.done for row in rows)
        failed = sum(row.applied is not None and row.applied.state == "failed" for row in rows)
        pieces: list[Any] = [(f" {units.plural(len(rows), 'statement')}", "strong")]
        if done:
            pieces.append((f"   {done} applied", "good"))
        if failed:
            pieces.append((f"   {failed} failed", "critical"))
        if self._marked:
            pieces.append((f"   {len(self._marked)} marked", "key"))
        if self.filter_text:
            pieces.append((f"   /{self.filter_text}/", "key"))
        pieces.append((f"   {self.tool} ▾", "key"))
        if self._trouble:
            pieces.append((f"   {self._trouble}", "warning"))
        return Line(pieces, (("run by you, never by pgtop ", "dim"),))

    @work(group="tray", exclusive=True)
    async def _ask(self) -> None:
        """Locks and catalogue for every statement, once a reading while in view."""
        try:
            rows = [row for row in self._rows() if row.target is not None]
            targets = tuple(cast(Target, row.target) for row in rows)
            locks = await self.frame.ask(LocksFor(targets))
            states = await self.frame.ask(AppliedState(targets))
        except SourceError as error:
            self._trouble = error.why
            self._outlooks.clear()
            self._states.clear()
        else:
            self._trouble = ""
            self._take(rows, locks, states)
        finally:
            self._asking = False
        self._show()

    def _take(
        self, rows: list[TrayRow], locks: tuple[Locks, ...], states: tuple[TargetState, ...]
    ) -> None:
        marks: dict[str, dict[str, str]] = {}
        for row, lock, state in zip(rows, locks, states, strict=True):
            sql = row.entry.remedy.sql[row.number]
            before = row.entry.before.get(sql)
            if before is None:
                before = marks.setdefault(row.entry.key, {})[sql] = mark(state)
            self._outlooks[row.key] = outlook(row.parts, lock, row.entry.remedy.lock)
            known = self._states.get(row.key)
            now = applied(row.parts, state, before=before, added_at=row.entry.added_at)
            if known is not None and known.state != now.state:
                self.frame.schedule.anew(CATALOGUE)
            self._states[row.key] = now
        if marks:
            self._change(lambda tray: _with_marks(tray, marks))

    def _change(self, change: Any) -> None:
        self.frame.change_tray(change)

    def _show_detail(self) -> None:
        found = self.query(Detail)
        row = cast("TrayRow | None", self.table.cursor_row)
        if found and row is None:
            found.first().remove()
        elif found and found.first().is_mounted and row is not None:
            session = row.parts.verb == "session"
            notes = self._plan().notes
            found.first().show(
                detail(row, tuple(n for n in notes if n.startswith(LEFT_OUT) == session))
            )

    # -- keys ----------------------------------------------------------------------------

    def on_live_table_selected(self) -> None:
        """Enter opens the detail."""
        if not self.query(Detail):
            self.mount(Detail())
        self.call_after_refresh(self._show_detail)

    def on_resize(self) -> None:
        """Another width has other columns."""
        self.call_after_refresh(self._show)

    def on_live_table_moved(self) -> None:
        """The detail follows the cursor."""
        self._show_detail()

    def on_live_table_sort_changed(self) -> None:
        """Show the same rows in another order."""
        self._show()

    def action_back(self) -> None:
        """Close the detail, then the filter."""
        if self.query(Detail):
            self.query_one(Detail).remove()
        else:
            super().action_back()

    def action_none(self) -> None:
        """Enter is the table's."""

    def action_format(self) -> None:
        """The next tool."""
        names = list(TOOLS)
        self.tool = names[(names.index(self.tool) + 1) % len(names)]
        self._show()

    def action_mark(self) -> None:
        """Mark the entry, or no longer: Y and w then take the marked ones alone."""
        row = cast("TrayRow | None", self.table.cursor_row)
        if row is not None:
            self._marked ^= {row.entry.key}
            self._show()

    def action_remove(self) -> None:
        """Take the entry out of the tray; nothing changes on the server."""
        row = cast("TrayRow | None", self.table.cursor_row)
        if row is not None:
            key = row.entry.key
            self._marked -= {key}
            self._change(lambda tray: tray.without(key))
            self.frame.note(f"out of the tray: {row.entry.rule} {row.entry.title}")
            self._show()

    def copied_text(self) -> tuple[str, str] | None:
        """The statement under the cursor."""
        row = cast("TrayRow | None", self.table.cursor_row)
        return None if row is None else (row.parts.sql, "statement")

    def action_copy_undo(self) -> None:
        """Copy what takes the entry back."""
        row = cast("TrayRow | None", self.table.cursor_row)
        undo = row.entry.remedy.undo if row is not None else ()
        if undo:
            self.frame.copy_text("\n".join(map(harmless, undo)), "undo")
        else:
            self.frame.note("there is nothing to undo")

    def _plan(self) -> Plan:
        chosen = [e for e in self.tray.entries if not self._marked or e.key in self._marked]
        return plan(chosen, made_at=time.time())

    def _files(self) -> tuple[File, ...]:
        return TOOLS[self.tool](self._plan())

    def action_copy_all(self) -> None:
        """Copy all, or the marked, in the chosen format."""
        if self.tray.entries:
            what = f"DDL for {self.tool}"
            self.frame.copy_text(joined(self._files()), what)

    @work(group="tray-write", exclusive=True)
    async def action_write(self) -> None:
        """Write the files of the chosen format below the working directory."""
        from pgtop.state.exports import export
        from pgtop.state.files import shown

        if not self.tray.entries:
            return
        files = [(file.path, file.text) for file in self._files()]
        name = time.strftime(f"pgtop-{self.tool}-%Y%m%d%H%M%S", time.gmtime())
        try:
            written = await asyncio.to_thread(export, files, name)
        except OSError as error:
            self.frame.note(f"not written: {error}", "warning")
            return
        note = f" ({written.note})" if written.note else ""
        count = units.plural(len(files), "file")
        first = next(iter(self._plan().notes), "")
        read = f"; read first: {first}" if first else ""
        self.frame.note(
            f"{count} in {shown(written.path)}{note}{read}", "warning" if first else "information"
        )


def _with_marks(tray: Tray, marks: dict[str, dict[str, str]]) -> Tray:
    entries = tuple(
        replace(entry, before={**marks.get(entry.key, {}), **entry.before})
        for entry in tray.entries
    )
    return replace(tray, entries=entries)
