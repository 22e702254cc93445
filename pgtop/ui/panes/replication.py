"""The Replication tab: where WAL goes, who is behind, what is kept, and what recovery says."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, ClassVar, cast

from rich.text import Text
from textual.binding import Binding, BindingType

from pgtop.advice import Facts
from pgtop.analysis import units
from pgtop.analysis.replication import WalFlow
from pgtop.model.finding import Finding, Subject
from pgtop.model.replication import (
    Archiver,
    Checkpoints,
    Conflict,
    DatabaseTrust,
    Recovery,
    Slot,
    Standby,
    WalCounters,
    WalFiles,
    WalPlace,
)
from pgtop.model.sample import SourceError
from pgtop.terminal.safe import safe
from pgtop.ui.detail import Detail
from pgtop.ui.finding_text import finding_text
from pgtop.ui.lines import Line
from pgtop.ui.live_pane import LivePane
from pgtop.ui.live_table import LiveTable
from pgtop.ui.replication_columns import columns
from pgtop.ui.replication_refused import refused
from pgtop.ui.replication_rows import Row, key_of, read, rows_of
from pgtop.ui.schedule import Lanes
from pgtop.ui.table_columns import Tone

RULES = ("replication.", "wal.", "checkpoint.", "integrity.", "server.")


class ReplicationPane(LivePane):
    """Standbys, slots, the archive, WAL and checkpoints, on a primary and on a standby."""

    NAME = "replication"
    DIGIT = "8"
    TITLE = "Replication"
    SHORT = "Repl"
    OF = Slot
    RULES = RULES
    LANES: ClassVar[Lanes] = {
        WalPlace: 5,
        Standby: 5,
        Slot: 5,
        Recovery: 5,
        # read from the statistics, which up to 14 a process writes out for us each time
        Archiver: 30,
        WalFiles: 30,
        Checkpoints: 30,
        WalCounters: 30,
        Conflict: 30,
        DatabaseTrust: 60,
    }

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "none", "detail", id="replication.detail"),
    ]

    def make_table(self) -> LiveTable[Any]:
        """In the order of the subject unless a column is chosen."""
        return LiveTable(columns(), empty="reading …")

    # -- facts in ------------------------------------------------------------------------

    def show_facts(self, facts: Facts) -> None:
        """Everything that was read; what was refused says so in its row."""
        found = facts.samples.get(Slot)
        if isinstance(found, SourceError) and found.passing:
            self.say_unreadable(found)
            return
        if found is None:
            return
        every = (*rows_of(facts, self._findings()), *refused(facts))
        rows = [row for row in every if self._fits(row)]
        self.table.empty = f"nothing matches /{self.filter_text}/: / edits it, Esc forgets it"
        self.table.show_rows(rows)
        self.head.show(self._head_line(facts))
        self._show_detail()

    def _findings(self) -> tuple[Finding, ...]:
        verdict = self.frame.verdict
        return verdict.of(*RULES) if verdict else ()

    def _fits(self, row: Row) -> bool:
        wanted = self.filter_text.lower()
        return not wanted or wanted in f"{row.name} {row.state} {row.said}".lower()

    def _head_line(self, facts: Facts) -> Line:
        places = cast("tuple[WalPlace, ...]", read(facts, WalPlace))
        standbys, slots = _number(facts, Standby), _number(facts, Slot)
        flow = facts.derived.get(WalFlow)
        left: list[tuple[str, Tone]] = []
        if places:
            role = "standby" if places[0].in_recovery else "primary"
            left.append((f" {role}", "strong"))
            rate = None if flow is None else flow.wal.per_s
            word = "received" if places[0].in_recovery else "written"
            left.append((f"   WAL {units.size(rate)}/s {word}", ""))
        left.append((f"   {standbys} {'receiver' if standbys == '1' else 'receivers'}", ""))
        if places:
            left.append((f"   {slots} of {places[0].max_replication_slots} slots", ""))
            if places[0].archive_mode == "off":
                left.append(("   no archive", "dim"))
        if self.filter_text:
            left.append((f"   /{self.filter_text}/", "key"))
        return Line(tuple(left))

    def key_of(self, subject: Subject) -> Hashable | None:
        """The row of a finding."""
        return key_of(subject)

    # -- detail --------------------------------------------------------------------------

    def action_none(self) -> None:
        """Enter is the table's; this stands for it in the footer."""

    def on_live_table_selected(self) -> None:
        """Enter opens the detail."""
        if not self.query(Detail):
            self.mount(Detail())
        self.call_after_refresh(self._show_detail)

    def on_live_table_moved(self) -> None:
        """The detail follows the cursor."""
        self._show_detail()

    def _show_detail(self) -> None:
        found = self.query(Detail)
        if not found or not found.first().is_mounted:
            return
        row = cast("Row | None", self.table.cursor_row)
        found.first().show(Text("nothing under the cursor") if row is None else detail_text(row))

    def copied_text(self) -> tuple[str, str] | None:
        """The row with all its figures."""
        row = cast("Row | None", self.table.cursor_row)
        if row is None:
            return super().copied_text()
        return detail_text(row).plain, row.name

    def offered(self) -> tuple[Finding, ...]:
        """The findings of the row that have a remedy."""
        row = cast("Row | None", self.table.cursor_row)
        return () if row is None else tuple(f for f in row.findings if f.remedy is not None)

    def action_back(self) -> None:
        """Close the detail, then forget the filter."""
        detail = self.query(Detail)
        if detail:
            detail.first().remove()
            self.focus_inside()
        else:
            super().action_back()


def _number(facts: Facts, kind: type[Any]) -> str:
    refused = isinstance(facts.samples.get(kind), SourceError)
    return units.UNKNOWN if refused else str(len(read(facts, kind)))


def detail_text(row: Row) -> Text:
    """Its findings, then all that is known of it."""
    text = Text()
    for finding in row.findings:
        text.append_text(finding_text((finding,)))
        text.append("\n\n")
    text.append(safe(row.name), "bold")
    text.append(f"   {safe(row.state)}\n")
    width = max((len(name) for name, _ in row.more), default=0)
    for name, value in row.more:
        text.append(f"{name:{width}}  ", "dim")
        text.append(safe(value) + "\n")
    return text
