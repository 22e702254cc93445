"""Where a finding stands in the Indexes tab: its view, and its row there."""

from __future__ import annotations

from collections.abc import Iterable

from pgtop.advice.index_facts import IndexFacts
from pgtop.analysis import names
from pgtop.model.finding import Finding, Subject
from pgtop.model.index import ForeignKey
from pgtop.model.table import Table

VIEW_OF = {
    "index.missing": "missing", "index.unused": "unused", "index.duplicate": "duplicate",
    "index.redundant": "duplicate", "index.bloated": "bloated", "index.invalid": "invalid",
    "index.": "all", "table.": "tables", "sequence.": "tables",
}  # fmt: skip
"""Beginning of a rule's name -> the view that has a row for its findings; the first counts."""


def view_of(finding: Finding) -> str | None:
    """The view that has a row for it; None: whichever is open."""
    return next((view for rule, view in VIEW_OF.items() if finding.rule.startswith(rule)), None)


def row_of(
    subject: Subject, view: str, found: IndexFacts, keys: Iterable[ForeignKey]
) -> int | None:
    """The oid of what a finding is about, among those that a view lists."""
    name = (subject.schema, subject.name)
    tables = found.usage.tables
    if view == "missing":
        of = ((key, tables.get(key.conrelid)) for key in keys if key.conname == subject.of)
        return next((key.oid for key, table in of if table and _named(table) == name), None)
    if view == "tables":
        itself = subject.kind == "table"
        every = tables.values()
        return next(
            (t.relid for t in every if (itself and _named(t) == name) or feeds(subject, t)), None
        )
    indexes = (index for many in found.by_table.values() for index in many)
    return next((i.indexrelid for i in indexes if (i.schemaname, i.relname) == name), None)


def _named(table: Table) -> tuple[str, str]:
    return table.schemaname, table.relname


def feeds(sequence: Subject, table: Table) -> bool:
    """Whether a column of the table takes a sequence's values."""
    column = sequence.of or ""
    same = sequence.kind == "sequence" and sequence.schema == table.schemaname
    return same and column.startswith(f"{names.quote(table.relname)}.")
