"""The Queries tab: which statements cost what, now and since."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, cast

from rich.text import Text
from textual import work
from textual.binding import Binding, BindingType

from pgtop.advice import Facts
from pgtop.analysis import units
from pgtop.analysis.workload import (
    Delta,
    Metric,
    StatementView,
    TimeBase,
    Window,
    Workload,
)
from pgtop.model.sample import Disconnected, SourceError
from pgtop.model.server import Database, Role
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
from pgtop.terminal.glyphs import sparkline
from pgtop.terminal.safe import safe
from pgtop.ui.detail import Detail
from pgtop.ui.lines import Line
from pgtop.ui.live_pane import LivePane
from pgtop.ui.live_table import Cell, Column, LiveTable, Tone
from pgtop.ui.schedule import Lanes
from pgtop.ui.text import share_cell, sql_cell, sql_text

BLOCK = 8192

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

TIME_BASES: tuple[TimeBase, ...] = ("interval", "mark", "reset")


class QueriesPane(LivePane):
    """Statements by total time, mean time, calls, rows, I/O, temp and WAL."""

    NAME = "queries"
    DIGIT = "3"
    TITLE = "Queries"
    SHORT = "Query"
    RULES = ("query.",)
    LANES: ClassVar[Lanes] = {
        Statement: 0,
        Running: 0,
        StatementText: float("inf"),  # once; later only those of new statements
        Role: 60,
        Database: 60,
        StatementsInfo: 30,
    }

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "none", "detail", id="queries.detail"),
        Binding("e", "plan", "plan", show=False, id="queries.plan"),
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
        self.window: Window | None = None
        self._deltas: dict[StatementKey, Delta] = {}
        self._total_ms = 0.0
        self._detail: StatementDetail | SourceError | None = None
        self._detail_key: StatementKey | None = None
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
                " GRANT pg_monitor shows them"
            )
        return "pg_stat_statements has no statement yet"

    def _say_missing(self, error: SourceError) -> None:
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
            (f"  {base_words(window, workload)}", "notice"),
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
            left.append((f"  ! {workload.hidden} hidden: GRANT pg_monitor", "warning"))
        keys: list[tuple[str, Tone]] = []
        for key, (metric, name) in ORDERS.items():
            tone: Tone = "strong" if metric == self.metric else "dim"
            keys += [(f"{key} ", "key"), (f"{name.removesuffix(' time')}  ", tone)]
        return Line(tuple(left), tuple(keys))

    def _tags(self, view: StatementView) -> tuple[tuple[str, Tone], ...]:
        tags: list[tuple[str, Tone]] = []
        if view.running:
            many = f"{view.running}× " if view.running > 1 else ""
            tone: Tone = "warning" if (view.running_s or 0) >= 60 else "notice"
            tags.append((f"{many}running {units.age(view.running_s)} ", tone))
        verdict = getattr(self.app, "verdict", None)
        for finding in verdict.findings if verdict else ():
            subject = finding.subject
            if subject.kind == "statement" and subject.name == str(view.key[2]):
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
        board = self.app.schedule.board  # type: ignore[attr-defined]
        workload = board.derived.get(Workload)
        if workload is None or workload.now is None:
            return
        board.derived[Workload] = workload.marked()
        self.time_base = "mark"
        self.app.paint()  # type: ignore[attr-defined]
        self.app.note("mark set: the figures count from here; = changes the base")  # type: ignore[attr-defined]

    def action_none(self) -> None:
        """Enter is the table's; this stands for it in the footer."""

    def action_plan(self) -> None:
        """The plan of the statement under the cursor."""
        show = getattr(self.app, "show_plan", None)
        key = self.table.cursor_key
        if show is None or key is None:
            return
        show(cast(StatementKey, key))

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
            detail = await self.app.ask(DetailOf(key))  # type: ignore[attr-defined]
        except SourceError as error:
            self.app.note(f"not copied: {error.why}", "warning")  # type: ignore[attr-defined]
            return
        self.app.copy_text(detail.query, "statement")  # type: ignore[attr-defined]

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
        self.app.note("looking into the other databases, one after another …")  # type: ignore[attr-defined]
        try:
            self._found = await self.app.ask(FindStatements())  # type: ignore[attr-defined]
        except SourceError as error:
            self.app.note(error.why, "warning")  # type: ignore[attr-defined]
            return
        self.refilter()

    @work(group="find", exclusive=True)
    async def _go_there(self, datname: str) -> None:
        try:
            await self.app.ask(UseDatabase(datname))  # type: ignore[attr-defined]
        except SourceError as error:
            self.app.note(f"{datname}: {error.why}", "warning")  # type: ignore[attr-defined]
            return
        self._found = None
        self.app.schedule.now(again=True)  # type: ignore[attr-defined]

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
        self.call_after_refresh(self._show_detail)
        try:
            self._detail = await self.app.ask(DetailOf(key))  # type: ignore[attr-defined]
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
        history = workload.history.get(view.key, ()) if workload else ()
        found.first().show(detail_text(view, self.window, detail, history, self._findings(view)))

    def _findings(self, view: StatementView) -> list[str]:
        verdict = getattr(self.app, "verdict", None)
        return [
            f"{f.title}. {f.why}" + (f" {f.no_remedy}" if f.no_remedy else "")
            for f in (verdict.findings if verdict else ())
            if f.subject.kind == "statement" and f.subject.name == str(view.key[2])
        ]

    def action_back(self) -> None:
        """Close the detail, then forget the filter."""
        detail = self.query(Detail)
        if detail:
            detail.first().remove()
            self.focus_inside()
        else:
            super().action_back()


RULE_TAGS = {"query.n_plus_one": "N+1", "query.spills": "spills", "query.regressed": "slower"}
"""A word in front of a statement that a rule names."""


def base_words(window: Window, workload: Workload) -> str:
    """How the head names the time base."""
    if window.time_base == "interval":
        return f"last {units.seconds(window.seconds)}"
    if window.time_base == "mark":
        since = "since the mark" if workload.mark else "since pgtop started"
        return f"{since}, {units.seconds(window.seconds)}"
    if window.seconds is None:
        return "since reset (when is not known: extension before 1.9)"
    return f"since reset {units.seconds(window.seconds)} ago"


BY_VIEW: Mapping[str, Callable[[StatementView], Any]] = {
    "share": lambda v: v.share,
    "reset mean": lambda v: v.reset_mean_ms,
    "hit": lambda v: v.delta.hit_fraction if v.delta else None,
    "user": lambda v: v.user,
    "database": lambda v: v.database,
}
"""Columns that are no metric of their own: sorted by what they show."""


def columns(
    *, per_s: bool, tags: Callable[[StatementView], tuple[tuple[str, Tone], ...]]
) -> tuple[Column[StatementView], ...]:
    """The table's columns: per second in a window, totals since the reset."""

    def amount(pick: Callable[[Delta], float | None], shown: Callable[[float | None], str]) -> Any:
        def cell(view: StatementView) -> Cell:
            if view.delta is None:
                return units.UNKNOWN
            value = pick(view.delta)
            if value is None:
                return units.UNKNOWN
            if value == 0:
                return units.NOTHING
            return shown(view.per_s(value) if per_s else value)

        return cell

    s = "/s" if per_s else ""
    whole = units.rate if per_s else units.count
    sortable: Callable[[StatementView], Any] = lambda view: None  # noqa: E731 - the pane sorts keys
    return (
        Column("share", "share", lambda v: _share(v), 15, "left", sortable,
               from_width=100),
        Column("total", f"total{s}", amount(lambda d: d.exec_ms, units.ms), 8, sort=sortable),
        Column("mean", "mean", lambda v: _mean(v), 8, sort=sortable),
        Column("reset mean", "mean·reset", lambda v: _reset_mean(v), 10, sort=sortable,
               from_width=90),
        Column("calls", f"calls{s}", amount(lambda d: float(d.calls), whole), 7, sort=sortable),
        Column("rows", "rows/call", lambda v: _rows_per_call(v), 9, sort=sortable,
               from_width=100),
        Column("hit", "hit", lambda v: _hit(v), 6, sort=sortable, descending=False,
               from_width=120),
        Column("io", f"read+wr{s}", amount(lambda d: float((d.read + d.written) * BLOCK),
               units.size), 9, sort=sortable, from_width=140),
        Column("temp", f"temp{s}", amount(lambda d: float(d.temp_blocks * BLOCK), units.size), 8,
               sort=sortable, from_width=110),
        Column("wal", f"WAL{s}", amount(lambda d: d.wal_bytes, units.size), 8, sort=sortable,
               from_width=150),
        Column("user", "user", lambda v: v.user, 9, "left", sortable, descending=False,
               from_width=90),
        Column("database", "database", lambda v: v.database, 9, "left", sortable,
               descending=False, from_width=160),
        Column("statement", "statement", lambda v: sql_cell(v.query, tags(v)), 30, "left",
               frozen=True, flex=True),
    )  # fmt: skip


def _share(view: StatementView) -> Cell:
    if view.delta is not None and not view.delta.calls:
        return units.NOTHING.rjust(6)
    return share_cell(view.share)


def _mean(view: StatementView) -> Cell:
    if view.delta is None:
        return units.UNKNOWN
    return units.NOTHING if view.delta.mean_ms is None else units.ms(view.delta.mean_ms)


def _reset_mean(view: StatementView) -> Cell:
    if view.reset_mean_ms is None:
        return units.NOTHING
    text = units.ms(view.reset_mean_ms)
    mean = view.delta.mean_ms if view.delta else None
    if mean is not None and mean >= 2 * view.reset_mean_ms and mean - view.reset_mean_ms >= 1:
        return ((text, ""), ("↑", "warning"))
    return ((text, "dim"), (" ", ""))


def _rows_per_call(view: StatementView) -> Cell:
    if view.delta is None:
        return units.UNKNOWN
    value = view.delta.rows_per_call
    return units.NOTHING if value is None else units.rate(value)


def _hit(view: StatementView) -> Cell:
    if view.delta is None:
        return units.UNKNOWN
    value = view.delta.hit_fraction
    return units.NOTHING if value is None else units.percent(value)


def detail_text(
    view: StatementView,
    window: Window,
    detail: StatementDetail | SourceError | None,
    history: tuple[tuple[float, float, float], ...],
    findings: list[str],
) -> Text:
    """Everything about one statement."""
    text = Text()
    text.append(safe(f"{view.user} on {view.database}   queryid {view.key[2]}"), "bold")
    if view.key[3] is False:
        text.append("   called inside a function")
    text.append("\n")
    for finding in findings:
        text.append(f"! {safe(finding)}\n", "bold")
    if history:
        values = [ms for _, ms, _ in history]
        text.append(f"ms/s  {sparkline(values, min(60, len(values)))}  ")
        text.append(f"now {units.rate(values[-1])}, most {units.rate(max(values))}\n")
    if isinstance(detail, StatementDetail):
        text.append_text(sql_text(detail.query))
        text.append("\n\n")
        text.append(_counters(detail))
        return text
    text.append_text(sql_text(view.query or "(text not read yet)"))
    if isinstance(detail, SourceError):
        lost = " (no connection)" if isinstance(detail, Disconnected) else ""
        text.append(f"\n\n! {safe(detail.why)}{lost}")
    else:
        text.append("\n\nreading the whole text and all counters …", "dim")
    return text


def _counters(detail: StatementDetail) -> str:
    """Every counter with its unit, two or three a line."""
    cells = [f"{name} {_with_unit(name, value)}" for name, value in detail.counters]
    width = max(map(len, cells), default=0) + 3
    per_line = max(1, 110 // width)
    lines = (cells[i : i + per_line] for i in range(0, len(cells), per_line))
    return "\n".join("".join(cell.ljust(width) for cell in line).rstrip() for line in lines)


def _with_unit(name: str, value: float | None) -> str:
    if value is None:
        return units.UNKNOWN
    if name.endswith("_time"):
        return units.ms(value)
    if "_blks_" in name:
        return f"{units.count(value)} blocks"
    if name.endswith("_bytes"):
        return units.size(value)
    return units.count(value)
