"""The Queries tab: which statements cost what, now and since."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, cast

from textual import work
from textual.binding import Binding, BindingType

from pgtop.advice import Facts
from pgtop.analysis import units
from pgtop.analysis.names import quote
from pgtop.analysis.statement_delta import Delta
from pgtop.analysis.workload import Metric, StatementView, TimeBase, Window, Workload
from pgtop.model.finding import Subject
from pgtop.model.sample import Sample, SourceError
from pgtop.model.server import Database, Role, Server
from pgtop.model.statement import (
    DetailOf,
    FindStatements,
    Running,
    Statement,
    StatementDetail,
    StatementKey,
    StatementsInfo,
    StatementText,
    UseDatabase,
)
from pgtop.terminal.safe import safe
from pgtop.ui.lines import Line
from pgtop.ui.live_table import LiveTable
from pgtop.ui.schedule import Lanes
from pgtop.ui.statement_asking import StatementAsking
from pgtop.ui.statement_columns import BY_VIEW, columns
from pgtop.ui.table_columns import Tone

ORDERS: Mapping[str, tuple[Metric, str]] = {
    "t": ("total", "total time"),
    "m": ("mean", "mean time"),
    "c": ("calls", "calls"),
    "r": ("rows", "rows"),
    "i": ("io", "I/O"),
    "x": ("temp", "temp"),
    "w": ("wal", "WAL"),
}
"""Key -> (metric, what the head calls it)."""

NOTED_AFTER_S = 0.5
"""A statement under way is worth a word from this age on."""

TIME_BASES: tuple[TimeBase, ...] = ("interval", "mark", "reset")


class QueriesPane(StatementAsking):
    """Statements by total time, mean time, calls, rows, I/O, temp and WAL."""

    NAME = "queries"
    DIGIT = "3"
    TITLE = "Queries"
    SHORT = "Query"
    OF = Statement
    RULES = ("query.", "io.")
    LANES: ClassVar[Lanes] = {
        Statement: 0,
        Running: 0,
        StatementText: float("inf"),  # once; later only those of new statements
        Role: 60,
        Database: 60,
        StatementsInfo: 0,
    }

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "none", "detail", id="queries.detail"),
        Binding("e", "plan", "plan", id="queries.plan"),
        Binding("I", "advise", "index?", id="queries.advise"),
        Binding("equals_sign", "time_base", "time base", id="queries.base"),
        Binding("asterisk", "mark", "mark", id="queries.mark"),
        *(
            Binding(key, f"order('{metric}')", f"by {words}", show=False, id=f"queries.{metric}")
            for key, (metric, words) in ORDERS.items()
        ),
        Binding("d", "find_database", "find the extension", show=False, id="queries.find"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.metric: Metric = "total"
        self.time_base: TimeBase = "interval"
        self._deltas: dict[StatementKey, Delta] = {}
        self._total_ms = 0.0
        self._found: str | None = None

    def make_table(self) -> LiveTable[Any]:
        """Columns for rates; `columns` changes them with the time base."""
        table: LiveTable[StatementView] = LiveTable(
            columns(per_s=True, tags=self._tags), empty="reading pg_stat_statements …"
        )
        table.sort_column = "total"
        return table

    # -- facts in ------------------------------------------------------------------------

    def show_facts(self, facts: Facts) -> None:
        """Order the keys; views are made for the visible rows alone."""
        counters = facts.samples.get(Statement)
        if isinstance(counters, SourceError):
            self._say_missing(counters)
            return
        workload = facts.derived.get(Workload)
        if workload is None or workload.now is None:
            return
        window = self.window = workload.window(self.time_base)
        deltas = self._deltas = window.deltas()
        self._total_ms = sum(d.exec_ms for d in deltas.values())
        table = self.table
        keys = self._filtered(self._ordered(window, deltas), workload)
        table.set_columns(columns(per_s=window.time_base != "reset", tags=self._tags))
        table.empty = self._empty_words(workload)
        total = self._total_ms
        table.show(keys, lambda index: window.view(keys[index], total))
        self.head.show(self._head_line(workload, window, len(keys)))
        self._show_detail()

    def _ordered(self, window: Window, deltas: dict[StatementKey, Delta]) -> list[StatementKey]:
        column = self.table.sort_column or "total"
        if column in BY_VIEW:
            keys = window.ordered("total", deltas)
            views = {key: BY_VIEW[column](window.view(key, self._total_ms)) for key in keys}
            known = [key for key in keys if views[key] is not None]
            known.sort(key=views.__getitem__, reverse=self.table.descending)
            return known + [key for key in keys if views[key] is None]
        return window.ordered(self.metric, deltas, descending=self.table.descending)

    def _filtered(self, keys: list[StatementKey], workload: Workload) -> list[StatementKey]:
        needle = self.filter_text.lower()
        if not needle:
            return keys
        texts, roles, databases = workload.texts, workload.roles, workload.databases
        return [
            key
            for key in keys
            if needle in texts.get(key, "").lower()
            or needle in roles.get(key[0], "").lower()
            or needle in databases.get(key[1], "").lower()
        ]

    def _empty_words(self, workload: Workload) -> str:
        if self.filter_text:
            return f"no statement matches /{self.filter_text}/: / edits it, Esc forgets it"
        if workload.hidden:
            return (
                f"{workload.hidden} statements of other roles are hidden from this role:"
                f"\n{self._grant()}"
            )
        return "pg_stat_statements has no statement yet"

    def _grant(self) -> str:
        """What would show the statements of other roles."""
        server = self.facts.samples.get(Server)
        if isinstance(server, Sample) and server.rows:
            return f"GRANT pg_monitor TO {quote(server.rows[0].user)};"
        return "GRANT pg_monitor"

    def _say_missing(self, error: SourceError) -> None:
        if error.passing:
            self.say_unreadable(error)
            return
        missing = error.lasting and error.sqlstate is None
        elsewhere = ""
        if self._found:
            elsewhere = f"; it is in database {self._found}: d goes there"
        elif missing:
            elsewhere = "; d looks into the other databases"
        self.say_unreadable(
            SourceError(error.why + elsewhere, sqlstate=error.sqlstate, remedy=error.remedy)
        )
        self.head.show(Line(((" statements cannot be read", "warning"),)))

    def _head_line(self, workload: Workload, window: Window, shown: int) -> Line:
        words = next(words for metric, words in ORDERS.values() if metric == self.metric)
        if self.table.sort_column in BY_VIEW:
            words = str(self.table.sort_column)
        calls = sum(d.calls for d in self._deltas.values())
        of = f"{units.count(shown)} statements" + (" match" if self.filter_text else "")
        if window.seconds and window.time_base != "reset":
            of += f", {units.rate(calls / window.seconds)} calls/s"
        left: list[tuple[str, Tone]] = [
            (f" by {words} {'▼' if self.table.descending else '▲'}", "strong"),
            (f"  {base_words(window, workload, self.time_base)}", "notice"),
            (f"  {of}", ""),
        ]
        if self.filter_text:
            left.append((f"  /{self.filter_text}/", "key"))
        running = [age for _, age in workload.running.values()]
        if running:
            left.append((f"  {len(running)} running, oldest {units.age(max(running))}", "notice"))
        texts = self.facts.samples.get(StatementText)
        if isinstance(texts, SourceError):
            left.append((f"  ! no texts: {texts.why}", "warning"))
        if workload.hidden:
            left.append((f"  ! {workload.hidden} hidden: {self._grant()}", "warning"))
        keys = self._order_keys(brief=False)
        if sum(len(text) for text, _ in (*left, *keys)) >= self.app.size.width:
            keys = self._order_keys(brief=True)
        return Line(tuple(left), tuple(keys))

    def _order_keys(self, *, brief: bool) -> list[tuple[str, Tone]]:
        """The keys of the orders; with their names where there is room."""
        keys: list[tuple[str, Tone]] = []
        for key, (metric, name) in ORDERS.items():
            chosen = metric == self.metric
            keys.append((f"{key} ", "strong" if brief and chosen else "key"))
            if not brief:
                words = name.removesuffix(" time")
                keys.append((f"{words}  ", "strong" if chosen else "dim"))
        return keys

    def _tags(self, view: StatementView) -> tuple[tuple[str, Tone], ...]:
        tags: list[tuple[str, Tone]] = []
        if view.running and (view.running_s or 0.0) >= NOTED_AFTER_S:
            many = f"{view.running}× " if view.running > 1 else ""
            tone: Tone = "warning" if (view.running_s or 0) >= 60 else "notice"
            tags.append((f"{many}running {units.age(view.running_s)} ", tone))
        server = self.facts.samples.get(Server)
        here = server.rows[0].database if isinstance(server, Sample) and server.rows else None
        named = isinstance(self.facts.samples.get(Database), Sample)
        if here is not None and named and view.database != here:
            tags.append((f"{safe(view.database)}: ", "dim"))
        verdict = self.frame.verdict
        for finding in verdict.about(str(view.key[2])) if verdict else ():
            if finding.subject.kind == "statement":
                tags.append((RULE_TAGS.get(finding.rule, finding.rule) + " ", "warning"))
        return tuple(tags)

    # -- keys ----------------------------------------------------------------------------

    def action_order(self, metric: Metric) -> None:
        """Order by one metric, worst first; once more turns it round."""
        self.metric = metric
        self.table.sort_by(metric, tell=False)
        self.refilter()

    def on_live_table_sort_changed(self, event: LiveTable.SortChanged) -> None:
        """`<`, `>` or a click on a head chose a column."""
        name = event.table.sort_column or "total"
        if name in {metric for metric, _ in ORDERS.values()}:
            self.metric = name
        self.refilter()

    def action_time_base(self) -> None:
        """Last interval, since the mark, since the reset."""
        nearby = TIME_BASES.index(self.time_base)
        self.time_base = TIME_BASES[(nearby + 1) % len(TIME_BASES)]
        self.refilter()

    def action_mark(self) -> None:
        """Compare with this moment from now on."""
        board = self.frame.schedule.board
        workload = board.derived.get(Workload)
        if workload is None or workload.now is None:
            return
        board.derived[Workload] = workload.marked()
        self.time_base = "mark"
        self.frame.paint()
        self.frame.note("mark set: the figures count from here; = changes the base")

    def action_none(self) -> None:
        """Enter is the table's; this stands for it in the footer."""

    def action_plan(self) -> None:
        """The plan of the statement under the cursor."""
        key = cast("StatementKey | None", self.table.cursor_key)
        workload = self.facts.derived.get(Workload)
        if key is None or workload is None or workload.now is None:
            return
        if key not in workload.now.rows:
            self.frame.note(
                "it has not ended once: e on its session in Activity plans it by its text"
            )
            return
        self.frame.show_plan(key)

    def copied_text(self) -> tuple[str, str] | None:
        """The statement under the cursor: whole where it was opened, else as far as it is known."""
        key = self.table.cursor_key
        if key is None:
            return super().copied_text()
        if key == self._detail_key and isinstance(self._detail, StatementDetail):
            return self._detail.query, "statement"
        workload = self.facts.derived.get(Workload)
        text = workload.texts.get(key) if workload else None
        return (text, "statement") if text else None

    def action_copy(self) -> None:
        """Copy the whole statement, not the part that fits."""
        key = cast("StatementKey | None", self.table.cursor_key)
        workload = self.facts.derived.get(Workload)
        if key is None or workload is None:
            super().action_copy()
        elif workload.lengths.get(key, 0) > len(workload.texts.get(key, "")) and (
            key != self._detail_key or not isinstance(self._detail, StatementDetail)
        ):
            self._copy_whole(key)
        else:
            super().action_copy()

    @work(group="copy", exclusive=True, exit_on_error=True)
    async def _copy_whole(self, key: StatementKey) -> None:
        try:
            detail = await self.frame.ask(DetailOf(key))
        except SourceError as error:
            self.frame.note(f"not copied: {error.why}", "warning")
            return
        self.frame.copy_text(detail.query, "statement")

    # -- where the extension is ------------------------------------------------------------

    def action_find_database(self) -> None:
        """Look for pg_stat_statements in the other databases; once found, go there."""
        if not isinstance(self.facts.samples.get(Statement), SourceError):
            return
        if self._found:
            self._go_there(self._found)
        else:
            self._find()

    @work(group="find", exclusive=True)
    async def _find(self) -> None:
        self.frame.note("looking into the other databases, one after another …")
        try:
            self._found = await self.frame.ask(FindStatements())
        except SourceError as error:
            self.frame.note(error.why, "warning")
            return
        self.refilter()

    @work(group="find", exclusive=True)
    async def _go_there(self, datname: str) -> None:
        try:
            await self.frame.ask(UseDatabase(datname))
        except SourceError as error:
            self.frame.note(f"{datname}: {error.why}", "warning")
            return
        self._found = None
        self.frame.schedule.now(again=True)

    def key_of(self, subject: Subject) -> StatementKey | None:
        """The statement of a finding."""
        return next((key for key in self._deltas if str(key[2]) == subject.name), None)


RULE_TAGS = {"query.n_plus_one": "N+1", "query.spills": "spills", "query.regressed": "slower"}
"""A word in front of a statement that a rule names."""


def base_words(window: Window, workload: Workload, wanted: TimeBase) -> str:
    """How the head names the time base; `wanted` may be older than the counters."""
    if window.time_base == "interval":
        return f"last {units.seconds(window.seconds)}"
    if window.time_base == "mark":
        since = "since the mark" if workload.mark else "since pgtop started"
        return f"{since}, {units.seconds(window.seconds)}"
    if window.seconds is None:
        return "since reset (when is not known: extension before 1.9)"
    late = "" if wanted == "reset" or not workload.previous else ", the base is older"
    return f"since reset {units.seconds(max(0.0, window.seconds))} ago{late}"
