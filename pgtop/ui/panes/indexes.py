"""The Indexes tab: what is used, what is air, what to drop, build or rebuild."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable
from collections.abc import Sequence as Listed
from typing import Any, ClassVar, cast

from rich.text import Text
from textual import work
from textual.binding import Binding, BindingType
from textual.worker import WorkerState

from pgtop.advice import Facts, NotJudged
from pgtop.advice.index_facts import IndexFacts, gathered, optional
from pgtop.advice.indexes import bare_keys, unused_candidates
from pgtop.advice.thresholds import indexes as limits
from pgtop.analysis import units
from pgtop.analysis.bloat import LEAST_PAGES
from pgtop.model.finding import Finding, Subject
from pgtop.model.index import (
    ColumnStatistics,
    CounterWindow,
    Definition,
    DefinitionOf,
    ForeignKey,
    Index,
    IndexBuild,
    IndexUse,
    KeysOf,
    Measure,
    Measured,
    OperatorClass,
    Sequence,
    SequenceValue,
    StatisticsOf,
    ValuesOf,
)
from pgtop.model.sample import SourceError
from pgtop.model.table import Partition, Table, TableUse
from pgtop.model.vacuum import HorizonHolder, VacuumBlock
from pgtop.terminal.safe import safe
from pgtop.ui.detail import Detail
from pgtop.ui.index_detail import advised_text, index_text, key_text, table_text
from pgtop.ui.index_rows import (
    INDEX_SORTS,
    TABLE_SORTS,
    AdvisedRow,
    IndexRow,
    KeyRow,
    TableRow,
    index_columns,
    key_columns,
    table_columns,
)
from pgtop.ui.lines import Line
from pgtop.ui.live_pane import LivePane
from pgtop.ui.live_table import Column, LiveTable, Tone
from pgtop.ui.schedule import Lanes

VIEWS = {
    "all": ("", "all"),
    "unused": ("u", "unused"),
    "duplicate": ("d", "duplicate"),
    "bloated": ("b", "bloated"),
    "invalid": ("i", "invalid"),
    "missing": ("m", "missing"),
    "tables": ("T", "tables"),
}
"""View -> (key, word)."""

RULES_OF = {
    "duplicate": ("index.duplicate", "index.redundant"),
    "missing": ("index.missing_fk", "index.missing"),
}

TABLES_AT_ONCE = 40
"""Tables whose statistics one question brings: some 200 columns, a few milliseconds."""

BREATH_S = 0.2
"""Between two such questions."""

BYTES_PER_S = 300e6
"""How fast a relation is read when it is measured: an SSD, cold."""

BUDGET_S = 60.0
WIDE = 1 << 53
"""A sequence that ends beyond it does not run out in anybody's time."""

WIDE_HEAD = 110
"""From this width on the head names the views; below, their keys alone."""


class IndexesPane(LivePane):
    """Indexes by size, use and bloat; tables; foreign keys without an index."""

    NAME = "indexes"
    DIGIT = "5"
    TITLE = "Indexes"
    SHORT = "Index"
    RULES = ("index.", "table.bloated", "table.stale_statistics", "sequence.")
    LANES: ClassVar[Lanes] = {
        Index: 120, IndexUse: 10, Table: 60, TableUse: 60, Partition: 120, OperatorClass: 600,
        CounterWindow: 60, IndexBuild: 0, ForeignKey: 120, Sequence: 120, HorizonHolder: 60,
        VacuumBlock: 5,
    }  # fmt: skip

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "none", "detail", id="indexes.detail"),
        *(
            Binding(key, f"view('{view}')", word, show=view != "tables", id=f"indexes.{view}")
            for view, (key, word) in VIEWS.items()
            if key
        ),
        Binding("M", "measure", "measure", id="indexes.measure"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.mode = "all"
        self.found: IndexFacts | None = None
        self._names: dict[int, str] = {}
        self._locks: dict[int, VacuumBlock] = {}
        self._tags: dict[tuple[str | None, str], tuple[Finding, ...]] = {}
        self._judged: Any = None
        self._order: tuple[tuple[Any, ...], list[Index]] | None = None
        self._big_of: tuple[Any, list[Index]] | None = None
        self._sequences_at = -1e9
        self._definition: Definition | SourceError | None = None
        self._definition_key: int | None = None

    def make_table(self) -> LiveTable[Any]:
        """Indexes by size at first."""
        table: LiveTable[Any] = LiveTable(index_columns(), empty="reading the catalogues …")
        table.sort_column = "size"
        return table

    # -- facts in ------------------------------------------------------------------------

    def show_facts(self, facts: Facts) -> None:
        """Order the keys; rows are made for the visible ones alone."""
        error = facts.samples.get(Index)
        if isinstance(error, SourceError):
            self.say_unreadable(error)
            return
        try:
            found = self.found = gathered(facts)
        except NotJudged as reason:
            self.table.empty = f"{reason} …"
            return
        self._collect_findings()
        self._locks = {
            lock.relid: lock
            for lock in optional(facts, VacuumBlock)
            if lock.granted and lock.mode == "AccessExclusiveLock"
        }
        if self.mode == "tables":
            shown = self._show_tables(found)
        elif self.mode == "missing":
            shown = self._show_keys(found, facts)
        else:
            shown = self._show_indexes(found)
        self.table.empty = self._empty_words()
        self.head.show(self._head_line(found, shown))
        self._show_detail()
        self._read_more()

    def _collect_findings(self) -> None:
        verdict = self.frame.verdict
        if verdict is self._judged:
            return
        self._judged = verdict
        tags: dict[tuple[str | None, str], tuple[Finding, ...]] = {}
        for finding in verdict.findings if verdict else ():
            if finding.rule.startswith(self.RULES):
                name = finding.subject.of if finding.rule == "index.missing_fk" else None
                key = (finding.subject.schema, name or finding.subject.name)
                tags[key] = (*tags.get(key, ()), finding)
        self._tags = tags

    def _show_indexes(self, found: IndexFacts) -> int:
        rows = self._ordered(found)
        self._use(index_columns())
        self.table.show(
            [row.indexrelid for row in rows],
            lambda at: IndexRow(
                found,
                rows[at],
                self._names.get(rows[at].indexrelid),
                self._of(rows[at]),
                self._locks.get(rows[at].indexrelid) or self._locks.get(rows[at].indrelid),
            ),
        )
        return len(rows)

    def _ordered(self, found: IndexFacts) -> list[Index]:
        """The view's rows in their order; kept where only new catalogue rows would change it."""
        column = self.table.sort_column
        state = (self.mode, column, self.table.descending, self.filter_text, found.by_table)
        lasting = self.mode == "all" and column in ("size", "index")
        kept = self._order
        if lasting and kept is not None and kept[0][:4] == state[:4] and kept[0][4] is state[4]:
            return kept[1]
        rows = self._sorted(self._indexes(found), INDEX_SORTS, found)
        self._order = (state, rows) if lasting else None
        return rows

    def _big(self, found: IndexFacts) -> list[Index]:
        """Indexes that are big enough for an estimate, the biggest first."""
        if self._big_of is None or self._big_of[0] is not found.by_table:
            rows = [i for many in found.by_table.values() for i in many]
            rows = [i for i in rows if i.relpages >= LEAST_PAGES]
            rows.sort(key=lambda i: -i.relpages)
            self._big_of = (found.by_table, rows)
        return self._big_of[1]

    def _use(self, columns: Listed[Column[Any]]) -> None:
        """Change the columns; rows of another kind go first, they do not fit them."""
        names = [column.name for column in columns]
        if names != [column.name for column in self.table.columns]:
            self.table.show((), lambda at: None)
            self.table.set_columns(columns)

    def _of(self, index: Index) -> tuple[Finding, ...]:
        return tuple(
            f
            for f in self._tags.get((index.schemaname, index.relname), ())
            if f.subject.kind == "index"
        )

    def _indexes(self, found: IndexFacts) -> list[Index]:
        rows: list[Index] = [i for many in found.by_table.values() for i in many]
        if self.mode == "unused":
            rows = list(unused_candidates(found))
        elif self.mode == "invalid":
            rows = [i for i in rows if not i.indisvalid]
        elif self.mode == "bloated":
            rows = [i for i in rows if i.relpages >= LEAST_PAGES and self._is_bloated(found, i)]
        elif self.mode == "duplicate":
            rules = RULES_OF["duplicate"]
            rows = [i for i in rows if any(f.rule in rules for f in self._of(i))]
        else:  # partitions stand behind their parent's index
            rows = [i for i in rows if not i.parent]
        needle = self.filter_text.lower()
        if needle:
            rows = [i for i in rows if needle in f"{i.ident} {i.table_ident} {i.amname}".lower()]
        return rows

    def _is_bloated(self, found: IndexFacts, index: Index) -> bool:
        fraction = found.estimates.of_index(index).fraction
        return fraction is not None and fraction >= 0.30

    def _sorted(self, rows: list[Any], sorts: Any, found: IndexFacts) -> list[Any]:
        column = self.table.sort_column
        by = sorts.get(column) or sorts["size"]
        values = {id(row): by(found, row) for row in rows}
        known = [row for row in rows if values[id(row)] is not None]
        known.sort(key=lambda row: values[id(row)], reverse=self.table.descending)
        return known + [row for row in rows if values[id(row)] is None]

    def _show_tables(self, found: IndexFacts) -> int:
        needle = self.filter_text.lower()
        rows = [
            t
            for t in found.usage.tables.values()
            if t.relkind in ("r", "m") and not t.system and needle in t.ident.lower()
        ]
        rows = self._sorted(rows, TABLE_SORTS, found)
        self._use(table_columns())
        self.table.show(
            [row.relid for row in rows],
            lambda at: TableRow(
                found, rows[at], self._of_table(rows[at]), self._locks.get(rows[at].relid)
            ),
        )
        return len(rows)

    def _of_table(self, table: Table) -> tuple[Finding, ...]:
        of = self._tags.get((table.schemaname, table.relname), ())
        return tuple(f for f in of if f.subject.kind == "table")

    def _show_keys(self, found: IndexFacts, facts: Facts) -> int:
        keys = tuple(optional(facts, ForeignKey))
        tables = found.usage.tables
        rows = []
        for key, support, bare in bare_keys(found, keys):
            pages = sum(tables[leaf].relpages for leaf in bare if leaf in tables)
            child = tables.get(key.conrelid)
            schema = child.schemaname if child else None
            findings = self._tags.get((schema, key.conname), ())
            rows.append(KeyRow(found, key, support, pages, findings))
        rows.sort(key=lambda row: (not row.findings, -row.pages))
        every: list[AdvisedRow | KeyRow] = [*self._advised(), *rows]
        self._use(key_columns())
        self.table.show([row.key for row in every], every.__getitem__)
        return len(every)

    def _advised(self) -> list[AdvisedRow]:
        """Indexes that were advised for statements, the worst missed first."""
        verdict = self.frame.verdict
        found = [f for f in (verdict.findings if verdict else ()) if f.rule == "index.missing"]
        return [AdvisedRow(finding, place) for place, finding in enumerate(found)]

    def _empty_words(self) -> str:
        if self.filter_text:
            return f"nothing matches /{self.filter_text}/: / edits it, Esc forgets it"
        return {
            "all": "no index in this database",
            "unused": "every index that may be dropped was scanned",
            "duplicate": "no index repeats another",
            "bloated": "no index is known to be bloated",
            "invalid": "all indexes are valid",
            "missing": "every foreign key has an index; I on a statement in Queries looks for more",
            "tables": "no table in this database",
        }[self.mode]

    def _head_line(self, found: IndexFacts, shown: int) -> Line:
        left: list[tuple[str, Tone]] = [(" ", "")]
        wide = self.size.width >= WIDE_HEAD
        for view, (key, word) in VIEWS.items():
            chosen = view == self.mode
            if key:
                left.append((f"{key} ", "key"))
            number = f" {units.count(shown)}" if chosen else ""
            if chosen or wide:
                left.append((f"{word}{number}  ", "strong" if chosen else "dim"))
        left.append(self._progress(found))
        return Line(tuple(left), (self._window_words(found),), urgent=True)

    def _progress(self, found: IndexFacts) -> tuple[str, Tone]:
        total = len(self._big(found))
        waiting = sum(1 for i in self._big(found) if self._waits(found, i))
        if not waiting:
            return ("", "")
        return (f"bloat of {units.count(total - waiting)} of {units.count(total)}", "notice")

    def _waits(self, found: IndexFacts, index: Index) -> bool:
        return index.relpages >= LEAST_PAGES and found.estimates.waits_for_statistics(index)

    def _window_words(self, found: IndexFacts) -> tuple[str, Tone]:
        window = found.window_s
        if found.window.in_recovery:
            return ("standby: the primary's scans are not counted here ", "warning")
        if window is None:
            return ("counters since ? ", "warning")
        young = window < limits.UNUSED_WINDOW_S
        text = f"counters {units.age(window)}" + (" (young)" if young else "")
        if found.window.replicas:
            text += f", {units.plural(found.window.replicas, 'replica')}: look there too"
        return (text + " ", "warning" if young or found.window.replicas else "dim")

    # -- what comes bit by bit -------------------------------------------------------------

    def _read_more(self) -> None:
        """Names of visible rows, statistics, sequences: unless that is under way."""
        for worker in self.workers:
            if worker.group == "more" and worker.state in (
                WorkerState.PENDING, WorkerState.RUNNING,
            ):  # fmt: skip
                return
        if self._visible_unnamed() or self._relations_waiting() or self._sequences_due():
            self._more()

    def _visible(self) -> list[int]:
        table = self.table
        first = max(0, table.cursor_index - 60)
        return [int(cast(int, key)) for key in table.keys[first : first + 160]]

    def _visible_unnamed(self) -> list[int]:
        if self.mode in ("tables", "missing"):
            return []
        return [key for key in self._visible() if key not in self._names]

    def _relations_waiting(self) -> list[int]:
        """Tables whose columns are not known: those in view first, then the biggest."""
        found = self.found
        if found is None:
            return []
        estimates = found.estimates
        waiting: dict[int, None] = {}
        for key in self._visible():
            index = estimates.index(key)
            relid = index.indrelid if index is not None else key
            table = found.usage.tables.get(relid)
            big = table is not None and table.relpages >= LEAST_PAGES
            if (index is not None and self._waits(found, index)) or (
                index is None and big and not estimates.columns(relid)
            ):
                waiting[relid] = None
        rest = [i for i in self._big(found) if self._waits(found, i)]
        waiting.update(dict.fromkeys(i.indrelid for i in rest))
        return list(waiting)

    def _sequences_due(self) -> bool:
        now = self.frame.schedule.board.reading
        return now is not None and now.taken_at - self._sequences_at >= 300

    @work(group="more", exclusive=True)
    async def _more(self) -> None:
        board = self.frame.schedule.board
        try:
            unnamed = self._visible_unnamed()
            if unnamed:
                self._names.update(dict.fromkeys(unnamed, ""))
                self._names.update(await self.frame.ask(KeysOf(tuple(unnamed))))
            if self._sequences_due():
                self._sequences_at = board.reading.taken_at if board.reading else 0.0
                near = [s for s in optional(self.facts, Sequence) if abs(s.limit) < WIDE]
                asked = ValuesOf(tuple(s.seqrelid for s in near if not s.seqcycle))
                if asked.seqrelids:
                    board.add(SequenceValue, await self.frame.ask(asked))
            for _ in range(500):
                waiting = self._relations_waiting()[:TABLES_AT_ONCE]
                if not waiting or not self.display:
                    break
                rows = await self.frame.ask(StatisticsOf(tuple(waiting)))
                board.add(ColumnStatistics, rows)
                if not rows:
                    break
                self.refilter()
                await asyncio.sleep(BREATH_S)
        except SourceError as error:
            self.frame.note(error.why, "warning")
        self.refilter()

    # -- keys ----------------------------------------------------------------------------

    def action_none(self) -> None:
        """Enter is the table's; this stands for it in the footer."""

    def action_view(self, view: str) -> None:
        """Another view; the same key again goes back to all."""
        self.mode = "all" if view == self.mode else view
        self.table.sort_by("bloat" if self.mode == "bloated" else "size", tell=False)
        self.table.descending = True
        self.refilter()

    def on_live_table_sort_changed(self) -> None:
        """`<`, `>` or a click on a head chose a column."""
        self.refilter()

    def seek(self, finding: Finding) -> None:
        """An index that was advised stands in the view of what is missing."""
        if finding.rule == "index.missing" and self.mode != "missing":
            self.action_view("missing")
        super().seek(finding)

    def key_of(self, subject: Subject) -> Hashable | None:
        """The row of an index by its name, advised or there."""
        if self.mode == "missing":
            return next((r.key for r in self._advised() if r.finding.subject == subject), None)
        every = self.found.by_table.values() if self.found is not None else ()
        return next(
            (
                index.indexrelid
                for indexes in every
                for index in indexes
                if subject.kind == "index"
                and (index.schemaname, index.relname) == (subject.schema, subject.name)
            ),
            None,
        )

    def offered(self) -> tuple[Finding, ...]:
        """What `a` keeps: the row's findings that have a remedy."""
        row = self.table.cursor_row
        findings: Listed[Finding] = getattr(row, "findings", ())
        return tuple(f for f in findings if f.remedy is not None) or tuple(findings[:1])

    def copied_text(self) -> tuple[str, str] | None:
        """The DDL of the row, else its definition, else the row."""
        row = self.table.cursor_row
        for finding in getattr(row, "findings", ()):
            if finding.remedy is not None:
                return "\n".join(finding.remedy.sql), "DDL"
        found = self._definition
        here = isinstance(row, IndexRow) and self._definition_key == row.key
        if here and isinstance(found, Definition) and found.sql:
            return f"{found.sql};", "definition"
        return super().copied_text()

    def action_measure(self) -> None:
        """Read the index or the table whole and say exactly."""
        row = self.table.cursor_row
        if isinstance(row, IndexRow):
            self._measure_index(row.index)
        elif isinstance(row, TableRow):
            fill = int(row.table.option("fillfactor") or 100)
            self._measure(Measure(row.table.relid, "heap", fill, BUDGET_S), row.table.size_bytes)
        else:
            self.frame.note("M measures an index or a table")

    def _measure_index(self, index: Index) -> None:
        if index.amname not in ("btree", "gin", "hash") or index.partitioned:
            what = "a partitioned index" if index.partitioned else index.amname
            self.frame.note(f"{what} cannot be measured: pgstattuple does not read it", "warning")
            return
        fill = int(index.option("fillfactor") or 90)
        method: Any = index.amname
        self._measure(Measure(index.indexrelid, method, fill, BUDGET_S), index.size_bytes)

    @work(group="measure", exclusive=True)
    async def _measure(self, request: Measure, size: int) -> None:
        app = self.frame
        predicted = units.seconds(size / BYTES_PER_S)
        app.note(
            f"reads {units.size(size)} on a second connection, ≈ {predicted}, at most"
            f" {units.seconds(request.budget_s)}; Esc ends it"
        )
        try:
            measured: Measured = await app.ask(request)
        except SourceError as error:
            app.note(f"not measured: {error.why}" + (f" — {error.remedy}" if error.remedy else ""),
                     "warning")  # fmt: skip
            return
        app.schedule.board.add(Measured, (measured,))
        app.note(
            f"a rebuild frees {units.size(measured.free_bytes)} of"
            f" {units.size(measured.size_bytes)}; {measured.detail}"
        )
        self.refilter()

    # -- detail --------------------------------------------------------------------------

    def on_live_table_selected(self, event: LiveTable.Selected) -> None:
        """Enter opens the foot."""
        if not self.query(Detail):
            self.mount(Detail())
        self.call_after_refresh(self._follow)

    def on_live_table_moved(self) -> None:
        """The foot follows the cursor; names come for what came into view."""
        if self.query(Detail):
            self._follow()
        self._read_more()

    def _follow(self) -> None:
        row = self.table.cursor_row
        if isinstance(row, IndexRow) and self._definition_key != row.key:
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
            text = Text(safe(self._empty_words()))
        shown.first().show(text)

    def action_back(self) -> None:
        """End a measurement, close the foot, forget the filter, go back to all."""
        measuring = [
            w for w in self.workers if w.group == "measure" and w.state == WorkerState.RUNNING
        ]
        if measuring:
            for worker in measuring:
                worker.cancel()
            self.frame.note("measuring ended")
        elif self.query(Detail):
            self.query(Detail).first().remove()
            self.focus_inside()
        elif self.filter_text or self.mode == "all":
            super().action_back()
        else:
            self.action_view(self.mode)
