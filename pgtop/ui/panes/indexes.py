"""The Indexes tab: what is used, what is air, what to drop, build or rebuild."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from collections.abc import Sequence as Listed
from dataclasses import replace
from typing import Any, ClassVar

from textual import work
from textual.binding import Binding, BindingType
from textual.timer import Timer

from pgtop.advice import Facts, NotJudged
from pgtop.advice.foreign_keys import bare_keys
from pgtop.advice.index_facts import IndexFacts, gathered, optional
from pgtop.advice.index_going import may_be_unused
from pgtop.advice.index_remedies import built_again, dropped
from pgtop.advice.questions import lacks_undo
from pgtop.advice.verdict import Found
from pgtop.analysis.bloat import LEAST_PAGES
from pgtop.model.finding import Finding, Subject
from pgtop.model.index import (
    CounterWindow,
    ForeignKey,
    Index,
    IndexBuild,
    IndexUse,
    OperatorClass,
    Sequence,
)
from pgtop.model.index_request import Definition
from pgtop.model.sample import SourceError
from pgtop.model.table import Partition, Table, TableUse
from pgtop.model.vacuum import HorizonHolder, VacuumBlock
from pgtop.ui.detail import Detail
from pgtop.ui.index_foot import CATALOGUE, IndexFoot
from pgtop.ui.index_head import VIEWS, head_line
from pgtop.ui.index_key_rows import AdvisedRow, KeyRow, key_columns
from pgtop.ui.index_listing import Listing, ordered
from pgtop.ui.index_measuring import IndexMeasuring
from pgtop.ui.index_places import feeds, row_of, view_of
from pgtop.ui.index_rows import INDEX_SORTS, LOUD_FRACTION, IndexRow, index_columns
from pgtop.ui.index_table_rows import TABLE_SORTS, TableRow, table_columns
from pgtop.ui.index_unknown import why_unknown
from pgtop.ui.live_table import LiveTable
from pgtop.ui.schedule import Lanes
from pgtop.ui.table_columns import Column

RULES_OF = {
    "duplicate": ("index.duplicate", "index.redundant"),
    "missing": ("index.missing_fk", "index.missing"),
}

LOOKS = "I on a statement in Queries looks for more"

EMPTY = {
    "all": "no index in this database",
    "unused": "every index that may be dropped was scanned",
    "duplicate": "no index repeats another",
    "invalid": "all indexes are valid",
    "missing": f"every foreign key has an index; {LOOKS}",
    "tables": "no table in this database",
}
UNKNOWN = {
    "unused": "which indexes may be dropped is not known",
    "duplicate": "which indexes repeat others is not known",
    "missing": "which foreign keys have no index is not known",
    "tables": "tables are not known",
}
"""View -> what its emptiness means, and what where its rows are not known."""


class IndexesPane(IndexFoot, IndexMeasuring):
    """Indexes by size, use and bloat; tables; foreign keys without an index."""

    NAME = "indexes"
    DIGIT = "5"
    TITLE = "Indexes"
    SHORT = "Index"
    OF = Index
    RULES = ("index.", "table.bloated", "table.stale_statistics", "sequence.")
    NOTE = "the key of a view again: all indexes"
    LANES: ClassVar[Lanes] = {
        Index: 120, IndexUse: 10, Table: 60, TableUse: 60, Partition: 120, OperatorClass: 600,
        CounterWindow: 60, IndexBuild: 0, ForeignKey: 120, Sequence: 120, HorizonHolder: 60,
        VacuumBlock: 5,
    }  # fmt: skip
    AHEAD = frozenset({Index, CounterWindow, Partition, OperatorClass, IndexBuild, VacuumBlock})

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "none", "detail", id="indexes.detail"),
        Binding("M", "measure", "measure", id="indexes.measure"),
        *(
            Binding(key, f"view('{view}')", word, show=view != "tables", id=f"indexes.{view}")
            for view, (key, word) in VIEWS.items()
            if key
        ),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._listing = Listing()
        self._later: Timer | None = None
        self._uses: Mapping[int, IndexUse] | None = None

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
        self._notice_ddl(found)
        self._locks = {
            lock.relid: lock
            for lock in optional(facts, VacuumBlock)
            if lock.granted and lock.mode == "AccessExclusiveLock"
        }
        unknown = why_unknown(self.mode, facts, self.frame.verdict)
        if self.mode == "tables":
            shown = self._show_tables(found)
        elif self.mode == "missing":
            shown = self._show_keys(found, () if unknown else facts.rows(ForeignKey))
        else:
            shown = self._show_indexes(found)
        self.table.empty = self._empty_words(unknown)
        self.head.show(
            head_line(
                found, self.mode, shown, self.app.size.width,
                sure=unknown is None, wanted=self.filter_text,
            )
        )  # fmt: skip
        self._follow()
        self._read_more()

    def _notice_ddl(self, found: IndexFacts) -> None:
        """Counters come every ten seconds, the catalogue every two minutes: where those are of
        other indexes than before, it is read now."""
        uses = found.usage.indexes
        if uses is self._uses:
            return
        if self._uses and uses.keys() != self._uses.keys():
            self.frame.schedule.anew(CATALOGUE)
        self._uses = uses

    def _about(self, name: str, schema: str, kind: str, *rules: str) -> tuple[Finding, ...]:
        """What these rules, this tab's by themselves, found of an object and its parts."""
        verdict = self.frame.verdict
        return tuple(
            finding
            for finding in (verdict.about(name, *(rules or self.RULES)) if verdict else ())
            if finding.subject.kind == kind and finding.subject.schema == schema
        )

    def _repeats(self) -> tuple[Found | None, ...]:
        """What the view of duplicates is made of."""
        found = self.frame.verdict.found if self.frame.verdict else {}
        return tuple(found.get(rule) for rule in RULES_OF["duplicate"])

    def _show_indexes(self, found: IndexFacts) -> int:
        rows = self._listed(found, self._everything(found), self._kept(found), INDEX_SORTS)
        self._use(index_columns(self.mode))
        keys = self._listing.keys if rows is self._listing.rows else []
        self.table.show(keys, lambda at: self._index_row(found, rows[at]))
        return len(rows)

    def _index_row(self, found: IndexFacts, index: Index) -> IndexRow:
        lock = self._locks.get(index.indexrelid) or self._locks.get(index.indrelid)
        size = self._size_of(index.indexrelid, index.relpages)
        name = self._names.get(index.indexrelid)
        return IndexRow(found, index, name, self._of(index), lock, size)

    def _everything(self, found: IndexFacts) -> Iterable[Index]:
        return (index for many in found.by_table.values() for index in many)

    def _listed(
        self, found: IndexFacts, rows: Iterable[Any], keep: Callable[[Any], bool], sorts: Any
    ) -> list[Any]:
        """The view's rows in their order: a slice of the work now, the rest between keys."""
        column = self.table.sort_column
        by = sorts.get(column) or sorts["size"]
        descending = self.table.descending
        catalogue_alone = self.mode in ("all", "invalid") and column in ("size", "index")
        view = (self.mode, column or "", descending, self.filter_text)
        by_bloat = self.mode == "bloated" or column == "bloat"
        inputs = (
            found.by_table, found.estimates.pending.waiting if by_bloat else 0,
            *(self._repeats() if self.mode == "duplicate" else ()),
            *((found.foreign_keys, found.blind) if self.mode == "unused" else ()),
            *(() if catalogue_alone else
              (found.usage.indexes, found.usage.tables, found.usage.table_uses)),
        )  # fmt: skip
        ready = self._listing.want(
            view, inputs,
            lambda: ordered(rows, keep, lambda row: by(found, row), descending=descending),
        )  # fmt: skip
        later = self._listing.again_in(inputs)
        if not ready:
            self._go_on_listing()
        elif later and self._later is None:
            self._later = self.set_timer(later, self._list_again)
        return self._listing.rows if self._listing.of == self.mode else []

    def _list_again(self) -> None:
        self._later = None
        self.refilter()

    @work(group="listing", exclusive=True)
    async def _go_on_listing(self) -> None:
        for _ in self._listing.slices():
            await self.frame.give_way()
        self.refilter()

    def _kept(self, found: IndexFacts) -> Callable[[Index], bool]:
        """Which indexes the view lists."""
        needle = self.filter_text.lower()  # partitions stand behind their parent's otherwise
        rules = RULES_OF["duplicate"]
        chosen: Callable[[Index], bool] = {
            "unused": lambda i: may_be_unused(found, i),
            "invalid": lambda i: not i.indisvalid,
            "bloated": lambda i: i.relpages >= LEAST_PAGES and self._is_bloated(found, i),
            "duplicate": lambda i: bool(self._about(i.relname, i.schemaname, "index", *rules)),
        }.get(self.mode, lambda i: bool(needle) or not i.parent)
        if not needle:
            return chosen
        return lambda i: (
            needle in f"{i.ident} {found.table_ident(i)} {i.amname}".lower() and chosen(i)
        )

    def _use(self, columns: Listed[Column[Any]]) -> None:
        """Change the columns; rows of another kind go first, they do not fit them."""

        def shape(some: Iterable[Column[Any]]) -> Listed[tuple[str, int]]:
            return [(column.name, column.from_width) for column in some]

        if shape(columns) != shape(self.table.columns):
            self.table.show((), lambda at: None)
            self.table.set_columns(columns)

    def _of(self, index: Index) -> tuple[Finding, ...]:
        every = self._about(index.relname, index.schemaname, "index")
        found = self.found
        if found is None or index.indexrelid not in found.usage.definitions:
            return every
        return tuple(
            replace(f, remedy=dropped(found, index)) if lacks_undo(f) else f for f in every
        )

    def _is_bloated(self, found: IndexFacts, index: Index) -> bool:
        fraction = found.estimates.of_index(index).fraction
        return fraction is not None and fraction >= LOUD_FRACTION

    def _show_tables(self, found: IndexFacts) -> int:
        needle = self.filter_text.lower()
        rows = self._listed(
            found,
            found.usage.tables.values(),
            lambda t: t.relkind in ("r", "m") and not t.system and needle in t.ident.lower(),
            TABLE_SORTS,
        )
        self._use(table_columns())
        self.table.show(
            self._listing.keys if rows is self._listing.rows else [],
            lambda at: self._table_row(found, rows[at]),
        )
        return len(rows)

    def _table_row(self, found: IndexFacts, table: Table) -> TableRow:
        size = self._size_of(table.relid, table.relpages)
        lock = self._locks.get(table.relid)
        return TableRow(found, table, self._of_table(table), lock, size)

    def _of_table(self, table: Table) -> tuple[Finding, ...]:
        every = self._about(table.relname, table.schemaname, "table")
        verdict = self.frame.verdict
        fed = (f for f in (verdict.of("sequence.") if verdict else ()) if feeds(f.subject, table))
        return (*fed, *(f for f in every if f.subject.of is None))  # not of its keys

    def _show_keys(self, found: IndexFacts, keys: tuple[ForeignKey, ...]) -> int:
        tables = found.usage.tables
        rows = []
        for key, support, bare in bare_keys(found, keys):
            pages = sum(tables[leaf].relpages for leaf in bare if leaf in tables)
            child = tables.get(key.conrelid)
            told = self._about(child.relname, child.schemaname, "table") if child else ()
            findings = tuple(f for f in told if f.subject.of == key.conname)
            rows.append(KeyRow(found, key, support, pages, findings))
        rows.sort(key=lambda row: (not row.findings, -row.pages))
        every: list[AdvisedRow | KeyRow] = [*self._advised(), *rows]
        self._use(key_columns())
        self.table.show([row.key for row in every], every.__getitem__)
        return len(every)

    def _advised(self) -> list[AdvisedRow]:
        """Indexes that were advised for statements, the worst missed first."""
        verdict = self.frame.verdict
        found = verdict.found.get("index.missing") if verdict else None
        findings = found.findings if found else ()
        return [AdvisedRow(finding, place) for place, finding in enumerate(findings)]

    def _empty_words(self, unknown: str | None) -> str:
        if self._listing.of != self.mode and self.mode != "missing":
            return "listing …"
        if unknown is not None:
            return f"{UNKNOWN[self.mode]}: {unknown}"
        if self.filter_text:
            return f"nothing matches /{self.filter_text}/: / edits it, Esc forgets it"
        if self.mode == "bloated":  # with rows, nobody reads it, and it would cost
            rows = self._listing.rows
            return "" if rows else f"no index is known to be bloated{self._not_judged()}"
        if self.mode == "missing" and not optional(self.facts, ForeignKey):
            return f"no foreign key in this database; {LOOKS}"
        return EMPTY[self.mode]

    def _not_judged(self) -> str:
        """How many of the biggest indexes nothing is known of, and why."""
        if self.found is None:
            return ""
        found = self.found.estimates
        big = found.pending.biggest
        bloats = [found.of_index(index) for index in big]
        unknown = [bloat.why for bloat in bloats if bloat.fraction is None]
        if not unknown:
            return ""
        return f"; of {len(unknown)} of the {len(big)} biggest nothing is: {unknown[0]}"

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
        """Each finding in the view that has a row for it."""
        mode = view_of(finding)
        if mode is not None and self.mode != mode:
            self.action_view(mode)
        super().seek(finding)

    def key_of(self, subject: Subject) -> Hashable | None:
        """The row of an index, a foreign key, a table or a sequence by its name."""
        if self.mode == "missing":
            for row in self._advised():
                if row.finding.subject == subject:
                    return row.key
        keys = optional(self.facts, ForeignKey)
        return None if self.found is None else row_of(subject, self.mode, self.found, keys)

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
        if isinstance(row, IndexRow) and self._definition_key == row.key:
            known, index = self._definition, row.index
            if isinstance(known, Definition) and known.sql and not index.partitioned:
                return f"{known.sql};", "definition"
            if isinstance(known, Definition) and known.sql and row.found.table_ident(index):
                return "\n".join(built_again(row.found, index, known.sql)), "definition"
        return super().copied_text()

    def action_back(self) -> None:
        """End a measurement, close the foot, forget the filter, go back to all."""
        if self.stop_measuring():
            return
        if self.query(Detail):
            self.query(Detail).first().remove()
            self.focus_inside()
        elif self.filter_text or self.mode == "all" or self.came_from is not None:
            super().action_back()
        else:
            self.action_view(self.mode)
