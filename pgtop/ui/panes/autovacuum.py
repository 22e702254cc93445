"""The Autovacuum tab: why a table is not vacuumed, when it will be, and what changes it."""

from __future__ import annotations

from typing import Any, ClassVar, cast

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from pgtop.advice import Facts
from pgtop.advice.vacuum_case import Case, case, prepared, preparing
from pgtop.advice.vacuum_script import Planned, override, prefers_polite, script, undo_script
from pgtop.analysis import units
from pgtop.analysis.vacuum.settings import VacuumSettings
from pgtop.analysis.vacuum.state import VacuumState
from pgtop.model.finding import Finding, Remedy, Subject
from pgtop.model.sample import Sample, SourceError
from pgtop.model.table import IndexPages, Partition, Table, TableUse
from pgtop.model.vacuum import (
    DatabaseAge,
    HorizonHolder,
    ParentStatistics,
    PinWait,
    VacuumBlock,
    VacuumRun,
    VacuumScore,
    VacuumSetting,
    XidClock,
)
from pgtop.ui.lines import Line, Lines
from pgtop.ui.live_pane import LivePane
from pgtop.ui.live_table import LiveTable
from pgtop.ui.schedule import Lanes
from pgtop.ui.table_columns import Tone
from pgtop.ui.vacuum_columns import VacuumRow, columns, head_lines, running_lines
from pgtop.ui.vacuum_composer import Composer
from pgtop.ui.vacuum_edits import Composed, started
from pgtop.ui.vacuum_rows import FOLDED, VacuumRows


class AutovacuumPane(LivePane):
    """Tables by the dead space beyond their threshold, then by pressure."""

    NAME = "autovacuum"
    DIGIT = "6"
    TITLE = "Autovacuum"
    SHORT = "Vacuum"
    OF = Table
    RULES = ("autovacuum.", "wraparound.", "table.fillfactor", "partition.")
    LANES: ClassVar[Lanes] = {
        VacuumRun: 0,
        HorizonHolder: 5,
        VacuumBlock: 5,
        PinWait: 10,
        XidClock: 10,
        DatabaseAge: 30,
        Table: 60,
        VacuumScore: 60,
        TableUse: 120,
        VacuumSetting: 120,
        IndexPages: 300,
        Partition: 300,
        ParentStatistics: 300,
    }

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "none", "edit", id="autovacuum.edit"),
        Binding("p", "polite", "polite/firm", id="autovacuum.polite"),
        Binding("u", "copy_undo", "copy undo", id="autovacuum.undo"),
        Binding("x", "mark", "mark", id="autovacuum.mark"),
        Binding("s", "small", "small tables", id="autovacuum.small"),
    ]

    DEFAULT_CSS = """
    #autovacuum-running { height: auto; max-height: 5; }
    """

    def __init__(self) -> None:
        super().__init__()
        self.polite: dict[int, bool] = {}
        """Chosen by hand; else by what runs."""

        self.edits: dict[int, dict[str, str]] = {}
        self.marked: dict[int, None] = {}
        """In the order in which they were marked."""

        self.rows = VacuumRows()

    def compose(self) -> ComposeResult:
        """Head, table, vacuums under way; the composer comes with Enter."""
        yield Lines(id="autovacuum-head")
        yield self.make_table()
        yield Lines(id="autovacuum-running")

    def make_table(self) -> LiveTable[Any]:
        """The table; its own order is the worst first."""
        return LiveTable(columns(), empty="reading tables and their counters …")

    # -- facts in ------------------------------------------------------------------------

    def show_facts(self, facts: Facts) -> None:
        """Rows, head, running vacuums, composer."""
        for row_type in (Table, VacuumSetting):
            found = facts.samples.get(row_type)
            if isinstance(found, SourceError):
                self.say_unreadable(found)
                return
        state = self._state()
        if state is None or state.settings is None:
            return
        if not prepared(state):
            self._prepare()
            return
        table = self.table
        table.empty = (
            f"no table matches /{self.filter_text}/: / edits it, Esc forgets it"
            if self.filter_text
            else "no user table in this database"
        )
        keys = self.rows.keys(state, self.filter_text)
        if table.sort_column is not None:
            table.show_rows([self._row(state, key) for key in keys])
        else:
            table.show(keys, lambda index: self._row(state, keys[index]))
        self._show_head(state, state.settings)
        running = [Line(pieces) for pieces in running_lines(state, state.settings)]
        lines = self.query_one("#autovacuum-running", Lines)
        lines.styles.height = len(running)
        lines.show(*running)
        self._show_composer()

    @work(group="prepare", exclusive=True)
    async def _prepare(self) -> None:
        """Many big tables take longer to judge than a step may: the rows before stay meanwhile."""
        for _ in preparing(self.facts):
            await self.frame.give_way()
        self.refilter()

    def _state(self) -> VacuumState | None:
        state: VacuumState | None = self.facts.derived.get(VacuumState)
        return state if state is not None and state.tables else None

    def _settings(self) -> VacuumSettings | None:
        state = self._state()
        return state.settings if state is not None else None

    def _row(self, state: VacuumState, key: int) -> VacuumRow:
        if key != FOLDED:
            return VacuumRow(key, self.rows.case_of(state, key), state.at, key in self.marked)
        pressures = [state.pressures[relid] for relid in self.rows.folded]
        return VacuumRow(
            FOLDED, None, state.at, folded=len(pressures),
            folded_due=sum(share > 1 for share in pressures),
            folded_worst=max(pressures),
        )  # fmt: skip

    def _show_head(self, state: VacuumState, settings: VacuumSettings) -> None:
        known = isinstance(self.facts.samples.get(VacuumRun), Sample)
        lines = head_lines(state, settings, self.app.size.width, runs_known=known)
        if self.filter_text:
            lines[0].insert(0, (f" /{self.filter_text}/", "key"))
        if self.marked:
            lines[0].insert(0, (f" {len(self.marked)} marked", "key"))
        right: list[tuple[str, Tone]] = []
        if state.churn.seconds is None:
            right.append(("rates after the next sample ", "dim"))
        self.head.styles.height = len(lines)
        self.head.show(Line(lines[0], right), *(Line(line) for line in lines[1:]))

    # -- from a finding ------------------------------------------------------------------

    def key_of(self, subject: Subject) -> int | None:
        """The table of a finding, or its TOAST table; what is about the server has no row."""
        state = self._state()
        if state is None or subject.kind != "table":
            return None
        name = (subject.schema, subject.name)
        found = [t for t in state.tables.values() if (t.schemaname, t.relname) == name]
        if not found:
            return None
        return found[0].reltoastrelid if subject.of == "toast" else found[0].relid

    def settle(self) -> None:
        """A small table, or one that the filter hides, comes into view once it is sought."""
        if self._sought is not None and self.table.row_count:
            key = self.key_of(self._sought.subject)
            if key is not None and key not in self.table.keys:
                self.rows.wanted, self.filter_text = key, ""
                self.refilter()
        super().settle()

    # -- composer ------------------------------------------------------------------------

    def on_live_table_selected(self, event: LiveTable.Selected) -> None:
        """Enter opens the composer and goes in; on the folded line it unfolds."""
        if event.key == FOLDED:
            self.action_small()
            return
        found = self.query(Composer)
        composer = found.first() if found else Composer()
        if not found:
            self.mount(composer)
        composer.focus()
        self.call_after_refresh(self._show_composer)

    def on_live_table_moved(self) -> None:
        """The composer follows the cursor."""
        self._show_composer()

    def on_live_table_sort_changed(self) -> None:
        """`<`, `>` or a click chose a column."""
        self.refilter()

    def composed(self) -> Composed | None:
        """What the composer is about: the row under the cursor with its edits."""
        row = cast("VacuumRow | None", self.table.cursor_row)
        state, settings = self._state(), self._settings()
        if row is None or row.case is None or state is None or settings is None:
            return None
        return self._composed(row.case, state, settings)

    def _composed(self, one: Case, state: VacuumState, settings: VacuumSettings) -> Composed:
        edits = self.edits.get(one.key)
        polite = self.polite.get(one.key, prefers_polite(one))
        return Composed(one, state, settings, started(one) if edits is None else edits, polite)

    def _show_composer(self) -> None:
        found = self.query(Composer)
        made = self.composed()
        if found and made is not None:
            found.first().show(made)

    def on_composer_edited(self, event: Composer.Edited) -> None:
        """One option has another value: its effects move at once."""
        made = self.composed()
        if made is None:
            return
        edits = dict(made.edits)
        if event.text is None:
            edits.pop(event.name, None)
        else:
            edits[event.name] = event.text
        self.edits[made.one.key] = edits
        self._show_composer()

    def on_composer_proposed(self) -> None:
        """Back to the proposal."""
        made = self.composed()
        if made is not None:
            self.edits.pop(made.one.key, None)
            self._show_composer()

    def action_none(self) -> None:
        """Enter is the table's; this stands for it in the footer."""

    def action_back(self) -> None:
        """From the composer to the table, then close it, then forget the filter."""
        found = self.query(Composer)
        if found and found.first().has_focus:
            self.focus_inside()
        elif found:
            found.first().remove()
            self.focus_inside()
        else:
            super().action_back()

    # -- keys ----------------------------------------------------------------------------

    def action_small(self) -> None:
        """Show the small tables one by one, or fold them again."""
        self.rows.unfolded = not self.rows.unfolded
        self.refilter()

    def action_polite(self) -> None:
        """Polite gives way to a running vacuum, firm cancels it."""
        made = self.composed()
        if made is None:
            return
        self.polite[made.one.key] = not made.polite
        says = "polite: gives way to a running vacuum" if not made.polite else (
            "firm: a running plain autovacuum of the table is cancelled"
        )  # fmt: skip
        self.frame.note(says)
        self._show_composer()

    def action_mark(self) -> None:
        """Mark the row for the script, or no longer."""
        made = self.composed()
        if made is None:
            return
        if made.one.key in self.marked:
            del self.marked[made.one.key]
        else:
            self.marked[made.one.key] = None
        self.refilter()

    def planned(self) -> list[Planned]:
        """What `y` copies: the marked tables, else the one under the cursor."""
        state, settings = self._state(), self._settings()
        if state is None or settings is None:
            return []
        if self.marked:
            cases = [case(state, relid) for relid in self.marked if relid in state.tables]
            made = [self._composed(one, state, settings) for one in cases]
        else:
            one = self.composed()
            made = [one] if one is not None else []
        plans = [Planned(m.one, m.change()) for m in made]
        return [plan for plan in plans if plan.change.sets or plan.change.resets]

    def copied_text(self) -> tuple[str, str] | None:
        """The script; where nothing is to change, the row."""
        state, settings = self._state(), self._settings()
        plans = self.planned()
        if not plans or state is None or settings is None:
            return super().copied_text()
        made = self.composed()
        polite = made.polite if made is not None else False
        text = script(plans, state, settings, polite=polite)
        return text, f"script for {units.plural(len(plans), 'table')}"

    def action_copy_undo(self) -> None:
        """Copy what takes the script back."""
        state = self._state()
        plans = self.planned()
        if not plans or state is None:
            made = self.composed()
            self.frame.note((made and made.nothing()) or "nothing to undo: no option would change")
            return
        self.frame.copy_text(undo_script(plans, state), "undo")

    def offered(self) -> tuple[Finding | Remedy, ...]:
        """What `a` keeps: what `y` would copy, one finding a table."""
        state, settings = self._state(), self._settings()
        if state is None or settings is None:
            return ()
        return tuple(override(plan, state, settings) for plan in self.planned())

    def action_to_tray(self) -> None:
        """Keep the override, proposed or edited by hand; where there is none, say why."""
        made = self.composed()
        if self.planned():
            super().action_to_tray()
        elif made is None:
            self.frame.note("small tables need no override: s shows them one by one")
        else:
            self.frame.note(made.nothing() or "nothing to run")
