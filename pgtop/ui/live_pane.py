"""The base of every tab that follows the server."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, Any, ClassVar, cast

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widget import Widget

from pgtop.advice import Facts
from pgtop.analysis import units
from pgtop.model.finding import Finding, Remedy, Subject
from pgtop.model.sample import Sample, SourceError
from pgtop.ui.lines import Line, Lines
from pgtop.ui.live_table import LiveTable
from pgtop.ui.schedule import Lanes

if TYPE_CHECKING:
    from pgtop.ui.frame import Frame


GONE_S = 60.0
"""Rows older than this are not worth a look while newer ones cannot be read."""


class LivePane(Vertical):
    """A tab: says what it needs read, and shows it.

    Data moves one way: the schedule reads `LANES`, the app calls `show_facts`, which is
    pure sorting and formatting down to `LiveTable.show`. A pane never touches the source
    except through `self.ask`.
    """

    NAME: ClassVar[str]
    """Its id, lower case."""

    DIGIT: ClassVar[str]
    TITLE: ClassVar[str]
    SHORT: ClassVar[str]
    """Its name at 80 columns."""

    LANES: ClassVar[Lanes] = {}
    """What is read while it is in view; 0 is every interval."""

    NOTE: ClassVar[str] = ""
    """What `?` says of the tab's keys beyond their names."""

    AHEAD: ClassVar[frozenset[type[Any]]] = frozenset()
    """What its rows are made of, read before the rest where the rest takes long."""

    SHOWS_ALL: ClassVar[bool] = False
    """Whether it shows what is read in the background, for which no tab needs to be in view."""

    RULES: ClassVar[tuple[str, ...]] = ()
    """Beginnings of the names of the rules whose findings this tab explains; as its line in
    `PANES` says."""

    OF: ClassVar[type[Any] | None] = None
    """The row type that its rows are made of, where it is one."""

    ACTING: ClassVar[frozenset[str]] = frozenset()
    """Bindings, by id, that do nothing without --allow-actions: the foot does not offer them."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "filter", "filter", id="pane.filter"),
        Binding("y", "copy", "copy", id="pane.copy"),
        Binding("Y", "copy_all", "copy all shown", show=False, id="pane.copyall"),
        Binding("a", "to_tray", "tray", id="pane.tray"),
        Binding("v", "view_text", "text to select", show=False, id="pane.text"),
        Binding("escape", "back", "back", show=False, id="pane.back"),
        Binding(
            "left_parenthesis", "scroll_detail(-1)", "scroll the detail", show=False, id="pane.up"
        ),
        Binding(
            "right_parenthesis", "scroll_detail(1)", "scroll the detail", show=False, id="pane.down"
        ),
    ]

    DEFAULT_CSS = "LivePane { height: 1fr; }"

    def __init__(self) -> None:
        super().__init__(id=self.NAME)
        self.facts = Facts()
        self.filter_text = ""
        self._sought: Finding | None = None
        self.came_from: str | None = None
        """The tab whose finding led here: Esc goes back to it."""

        self.rows_at: float | None = None
        """When what is shown was read, by the server's clock; None: nothing is, or it may be
        of any time."""

        self.remedy: str | None = None
        """SQL that would bring what is missing; `y` copies it while nothing is shown."""

    def compose(self) -> ComposeResult:
        """A head line and a table."""
        yield Lines(id=f"{self.NAME}-head")
        yield self.make_table()

    def make_table(self) -> LiveTable[Any]:
        """The pane's table."""
        raise NotImplementedError  # every pane has its own columns

    @property
    def frame(self) -> Frame:
        """The application that holds it."""
        return cast("Frame", self.app)

    @property
    def table(self) -> LiveTable[Any]:
        """The pane's table."""
        return self.query_one(LiveTable)

    @property
    def head(self) -> Lines:
        """The line over the table."""
        return self.query_one(f"#{self.NAME}-head", Lines)

    def show_facts(self, facts: Facts) -> None:
        """Show what was read. Called after every reading while in view, and on coming into view."""
        raise NotImplementedError  # every pane shows something else

    def key_of(self, subject: Subject) -> Hashable | None:
        """The row of this tab that is about `subject`; None where there is none (yet)."""
        return None

    def seek(self, finding: Finding) -> None:
        """Put the cursor on the row behind a finding, as soon as it has been read."""
        self._sought = finding
        self.settle()

    def settle(self) -> None:
        """Called when rows were shown: a row that is sought may be among them."""
        if self._sought is None or not self.table.row_count:
            return
        key = self.key_of(self._sought.subject)
        if key is not None and self.table.move_to(key):
            self._sought = None
            self.reached()

    def reached(self) -> None:
        """The cursor is on the row that a finding led to: a pane may open it."""

    def shown(self) -> None:
        """What was read is on the screen now."""
        sample = self.facts.samples.get(self.OF) if self.OF is not None else None
        if isinstance(sample, Sample):
            self.rows_at = sample.taken_at

    def say_unreadable(self, error: SourceError) -> None:
        """In place of rows: why there are none, and what would help. Rows that were there a
        moment ago stay, grey, with their age, where the next reading may bring some again."""
        reading = self.frame.schedule.board.reading
        age = reading.taken_at - self.rows_at if reading and self.rows_at else GONE_S
        if error.passing and self.table.row_count and age < GONE_S:
            self.table.set_stale(True)
            self.head.show(
                Line(((f" ! {error.why}; these rows are {units.age(age)} old", "warning"),))
            )
            return
        self.rows_at = None
        self.head.show()
        self.remedy = error.remedy
        help_ = f"\n{error.remedy}  (y copies)" if error.remedy else ""
        self.table.empty = f"{error.why}{help_}"
        self.table.show((), lambda index: None)

    def focus_inside(self) -> None:
        """Take the keyboard: the pane came into view."""
        self.screen.set_focus(self.table)  # at once: the next key may be here already

    def refilter(self) -> None:
        """Show the same facts again with another filter, sort or base."""
        if self.query(LiveTable):  # a worker may end after the pane did
            self.show_facts(self.facts)

    # -- keys ----------------------------------------------------------------------------

    def action_filter(self) -> None:
        """Open the filter line."""
        from pgtop.ui.filter import FilterLine  # 15 ms, needed once

        if not self.query(FilterLine):
            self.mount(FilterLine(self))

    def action_scroll_detail(self, step: int) -> None:
        """A page of the detail, which need not have the keyboard for that."""
        for detail in self.query("Detail"):
            page = max(1, detail.size.height - 1)
            detail.scroll_relative(y=step * page, animate=False)

    def action_back(self) -> None:
        """Close what is open: first the filter; then back to where a finding led from."""
        if self.filter_text:
            self.filter_text = ""
            self.refilter()
        elif self.came_from is not None:
            back, self.came_from = self.came_from, None
            self.call_later(self.frame.show_pane, back)

    def copied_text(self) -> tuple[str, str] | None:
        """(text, what it is) for `y`; None where there is nothing."""
        row = self.table.cursor_row
        if row is None:
            return (self.remedy, "remedy") if self.remedy else None
        return self.table.as_tsv([self.table.cursor_index]), "row"

    def action_copy(self) -> None:
        """Copy what the cursor is on."""
        found = self.copied_text()
        if found is None:
            self.frame.note("nothing to copy here")
        else:
            self.frame.copy_text(*found)

    def action_copy_all(self) -> None:
        """Copy the table as it is shown."""
        table = self.table
        if table.row_count:
            self.frame.copy_text(table.as_tsv(), f"{table.row_count} rows")

    def offered(self) -> tuple[Finding | Remedy, ...]:
        """What `a` keeps: by default the finding or remedy that the row is or carries."""
        row = self.table.cursor_row
        several = getattr(row, "findings", None)
        if several:
            return tuple(each for each in several if each.remedy is not None) or tuple(several[:1])
        one = (row, getattr(row, "finding", None), getattr(row, "remedy", None))
        return tuple(each for each in one if isinstance(each, (Finding, Remedy)))[:1]

    def why_nothing_offered(self) -> str:
        """Said where the row has nothing for the tray."""
        return "nothing is recommended for this row"

    def action_to_tray(self) -> None:
        """Keep the remedy of the row in the DDL tray."""
        found = self.offered()
        if found:
            self.frame.add_to_tray(found, self.NAME)
        else:
            self.frame.note(self.why_nothing_offered())

    def action_view_text(self) -> None:
        """Show what `y` would copy full width, to select by hand."""
        found = self.copied_text()
        if found is not None:
            from pgtop.ui.screens.text import TextScreen

            self.app.push_screen(TextScreen(found[0]))


def pane_of(widget: Widget) -> LivePane | None:
    """The pane a widget stands in."""
    return next((node for node in widget.ancestors_with_self if isinstance(node, LivePane)), None)
