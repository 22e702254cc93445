"""The Overview tab: what is wrong, worst first, and how the server does."""

from __future__ import annotations

import math
from collections.abc import Hashable
from typing import Any, ClassVar, cast

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Static

from pgtop.advice import Facts
from pgtop.advice.ending import end_sql
from pgtop.advice.summary import Cause, Entry, causes, entries, nothing_found, said
from pgtop.advice.verdict import Verdict
from pgtop.analysis import units
from pgtop.analysis.workload import Workload
from pgtop.model.advice import Advice
from pgtop.model.finding import SEVERITIES, Finding, Remedy
from pgtop.model.sample import Sample, SourceError
from pgtop.model.session import Session
from pgtop.model.statement import StatementKey
from pgtop.terminal.glyphs import SEVERITY
from pgtop.ui.detail import ascii_text
from pgtop.ui.finding_text import cut, finding_text, no_ddl
from pgtop.ui.lines import Line, Lines
from pgtop.ui.live_pane import LivePane
from pgtop.ui.live_table import LiveTable
from pgtop.ui.panes import owner
from pgtop.ui.schedule import Lanes
from pgtop.ui.signs import cause_line, load_line, sign_lines
from pgtop.ui.table_columns import Cell, Column, Tone

FIXED = 10
"""Lines of the screen that are neither findings nor the one under the cursor."""

SIGN_LINES = 2
"""Lines of vital signs."""


class OverviewPane(LivePane):
    """Findings, each leading to the row behind it and to its remedy."""

    NAME = "overview"
    DIGIT = "1"
    TITLE = "Overview"
    SHORT = "Over"
    LANES: ClassVar[Lanes] = {}
    SHOWS_ALL: ClassVar[bool] = True

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "none", "row", id="overview.row"),
        Binding("e", "plan", "plan", id="overview.plan"),
        Binding("a", "to_tray", "tray", id="overview.tray"),
        Binding("w", "why_not", "checked", id="overview.why"),
    ]

    DEFAULT_CSS = """
    OverviewPane #overview-signs { height: 4; }
    OverviewPane #overview-foot { height: auto; padding: 0 1; border-top: solid $primary; }
    OverviewPane #overview-foot.-ascii { border-top: ascii $primary; }
    .-small OverviewPane #overview-foot { display: none; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._places: dict[Hashable, int] = {}
        self._told_of: Verdict | None = None
        self._lines: tuple[tuple[Entry, ...], tuple[Cause, ...]] = (), ()

    def compose(self) -> ComposeResult:
        """Vital signs, a head, the findings, and the one under the cursor."""
        yield Lines(id="overview-signs")
        yield Lines(id=f"{self.NAME}-head")
        yield self.make_table()
        yield Static(id="overview-foot", markup=False)

    def make_table(self) -> LiveTable[Any]:
        """A mark, the title, its cost, and as far as there is room its rule and remedy."""
        return LiveTable(
            (
                Column("mark", " ", _mark, 2, "left", frozen=True),
                Column("title", "finding", _title, 40, "left", flex=True),
                Column("remedy", "remedy", _remedy, 40, "left", from_width=150),
                Column("rule", "rule", lambda e: ((e.worst.rule, "dim"),), 28, "left",
                       from_width=110),
            ),
            empty="reading …",
        )  # fmt: skip

    def show_facts(self, facts: Facts) -> None:
        """Findings as the rules left them, worst first."""
        self.query_one("#overview-signs", Lines).show(
            load_line(facts, self.app.size.width),
            *sign_lines(facts, self.app.size.width, SIGN_LINES),
            cause_line(self._told()[1], self.app.size.width),
        )
        verdict = self.frame.verdict
        if verdict is None:
            return
        shown = self._calmly([e for e in self._told()[0] if self._fits(e)])
        self.table.empty = self._empty(verdict)
        self.table.show_rows(shown)
        self.head.show(self._head_line(verdict, len(shown)))
        self._show_foot()

    def _calmly(self, found: list[Entry]) -> list[Entry]:
        """Worst first, but two that cost about the same keep the order they were seen in."""
        found.sort(
            key=lambda e: (
                SEVERITIES.index(e.severity),
                -_magnitude(e.worst.cost.ms_per_s),
                _magnitude(e.worst.cost.eta_s) if e.worst.cost.eta_s is not None else math.inf,
                -_magnitude(e.bytes),
                self._places.get(e.key, len(self._places)),
            )
        )
        self._places = {entry.key: number for number, entry in enumerate(found)}
        return found

    def _told(self) -> tuple[tuple[Entry, ...], tuple[Cause, ...]]:
        """The lines and the causes of the verdict: once for each, of 20,000 findings maybe."""
        verdict = self.frame.verdict
        if verdict is None:
            return (), ()
        if verdict is not self._told_of:
            self._told_of = verdict
            self._lines = entries(verdict.findings), causes(verdict)
        return self._lines

    def _fits(self, entry: Entry) -> bool:
        wanted = self.filter_text.lower()
        return not wanted or any(
            wanted in f"{f.title} {f.rule} {f.subject.schema}.{f.subject.name}".lower()
            for f in entry.findings
        )

    def _empty(self, verdict: Verdict) -> str:
        if self.filter_text:
            return f"no finding matches /{self.filter_text}/: / edits it, Esc forgets it"
        return nothing_found(verdict)

    def _head_line(self, verdict: Verdict, shown: int) -> Line:
        many = len(verdict.findings)
        left: list[tuple[str, Tone]] = [
            (f" {units.plural(many, 'finding')}, worst first" if many else " no finding", "strong")
        ]
        lines = len(self._told()[0])
        if lines < many:
            left.append((f", in {units.plural(lines, 'line')}", "dim"))
        if self.filter_text:
            left.append((f"  {shown} match /{self.filter_text}/", "key"))
        return Line(tuple(left), ((f"{said(verdict)}  ", "dim"), ("w", "key"), (" which ", "dim")))

    # -- the finding under the cursor ----------------------------------------------------

    @property
    def entry(self) -> Entry | None:
        """The line under the cursor."""
        return cast("Entry | None", self.table.cursor_row)

    def on_live_table_moved(self) -> None:
        """The foot follows the cursor."""
        self._show_foot()

    def _show_foot(self) -> None:
        entry = self.entry
        foot = self.query_one("#overview-foot", Static)
        foot.display = entry is not None
        if entry is not None:
            foot.set_class(self.ascii_only, "-ascii")
            text, more = finding_text(entry.findings), "  … v shows all"
            if self.ascii_only:
                text, more = ascii_text(text), "  ... v shows all"
            foot.update(cut(text, self.app.size.width - 2, self._room, more))

    @property
    def ascii_only(self) -> bool:
        """Whether the terminal has ASCII alone."""
        return bool(getattr(self.app, "ascii_only", False))

    @property
    def _room(self) -> int:
        """Lines of the foot: half of what the fixed lines leave."""
        return max(4, min(14, (self.app.size.height - FIXED) // 2))

    def offered(self) -> tuple[Finding | Remedy, ...]:
        """The findings of the line."""
        entry = self.entry
        if entry is None:
            return ()
        return tuple(f for f in entry.findings if f.remedy) or entry.findings[:1]

    def copied_text(self) -> tuple[str, str] | None:
        """The DDL of the line, else the finding as text."""
        entry = self.entry
        if entry is None:
            return (self.remedy, "remedy") if self.remedy else None
        ddl = [sql for f in entry.findings if f.remedy for sql in f.remedy.sql]
        if ddl:
            return "\n".join(f"{sql.rstrip(';')};" for sql in ddl), "DDL"
        session = next((s for s in self._sessions() if s.name == entry.worst.subject.name), None)
        ends = end_sql(session) if session is not None else None
        if ends is not None and entry.worst.subject.kind == "session":
            return ends, "statement that ends it"
        return finding_text(entry.findings).plain, "finding"

    def _sessions(self) -> tuple[Session, ...]:
        found = self.facts.samples.get(Session)
        return found.rows if isinstance(found, Sample) else ()

    def action_view_text(self) -> None:
        """The finding whole, to select by hand."""
        entry = self.entry
        if entry is not None:
            from pgtop.ui.screens.text import TextScreen

            self.app.push_screen(TextScreen(finding_text(entry.findings).plain))

    # -- keys ----------------------------------------------------------------------------

    def action_none(self) -> None:
        """Enter is the table's; this stands for it in the footer."""

    def on_live_table_selected(self) -> None:
        """Enter leads to the row behind the finding, in its tab."""
        entry = self.entry
        if entry is None:
            return
        if owner(entry.worst) is None:
            self.frame.note("all there is to say of it stands below")
        else:
            self.frame.show_finding(entry.worst)

    def action_plan(self) -> None:
        """The plan of the statement that the finding is about."""
        key = self._statement()
        if key is None:
            self.frame.note("e is for findings about a statement")
        else:
            self.frame.show_plan(key)

    def _statement(self) -> StatementKey | None:
        entry = self.entry
        workload = self.facts.derived.get(Workload)
        if entry is None or workload is None or workload.now is None:
            return None
        subject = entry.worst.subject
        if subject.kind == "statement":
            keys = workload.now.rows
            return next((key for key in keys if str(key[2]) == subject.name), None)
        advice = self.facts.samples.get(Advice)
        for found in advice.rows if isinstance(advice, Sample) else ():
            for advised in found.indexes:
                if advised.finding.key == entry.worst.key:
                    return cast("StatementKey | None", advised.gains[0].key)
        return None

    def action_why_not(self) -> None:
        """Every check and how it ended; what could not be read and what would help."""
        verdict = self.frame.verdict
        if verdict is not None:
            from pgtop.ui.screens.text import TextScreen

            self.app.push_screen(TextScreen(checks_text(verdict, self.facts)))


def _mark(entry: Entry) -> Cell:
    return ((SEVERITY[entry.severity], cast(Tone, entry.severity)),)


def _title(entry: Entry) -> Cell:
    finding = entry.worst
    tone: Tone = cast(Tone, entry.severity) if entry.severity == "critical" else ""
    if not entry.folded:
        return ((finding.title, tone),)
    size = f", {units.size(entry.bytes)} in all" if entry.bytes else ""
    return ((f"{len(entry.findings)} × {finding.rule}{size}: ", "strong"), (finding.title, tone))


def _remedy(entry: Entry) -> Cell:
    finding = entry.worst
    if finding.remedy is not None:
        return ((finding.remedy.sql[0], "notice"),)
    return ((no_ddl(finding), "dim"),)


def checks_text(verdict: Verdict, facts: Facts) -> str:
    """What could not be judged and why, what could not be read and what would help; then every
    check and what it found."""
    lines = [said(verdict)]
    for title, reasons in (
        ("not possible here", verdict.not_possible),
        ("need more time", verdict.needs_time),
    ):
        if reasons:
            lines += ["", title, ""]
            lines += [f"  {name:34} {why}" for name, why in reasons.items()]
    refused = [e for e in facts.samples.values() if isinstance(e, SourceError)]
    unread = {(e.why, e.remedy) for e in refused}
    if unread:
        lines += ["", "what could not be read", ""]
        lines += [f"  {why}{f': {sql}' if sql else ''}" for why, sql in sorted(unread, key=str)]
    found: dict[str, int] = {}
    for finding in verdict.findings:
        found[finding.rule] = found.get(finding.rule, 0) + 1
    lines += ["", "checked", ""]
    lines += [f"  {name:34} {found.get(name, 'nothing')} found" for name in verdict.judged]
    return "\n".join(lines)


def _magnitude(value: float | None) -> int:
    """In powers of two: what doubles changes its place, what wavers does not."""
    return math.frexp(value)[1] if value else -1_100
