"""What the Indexes tab shows of an index that is missing: foreign keys without one, advice."""

from __future__ import annotations

from dataclasses import dataclass

from pgtop.advice.index_facts import IndexFacts
from pgtop.analysis import units
from pgtop.model.finding import Finding
from pgtop.model.index import ForeignKey
from pgtop.ui.index_rows import tags
from pgtop.ui.table_columns import Cell, Column

SUPPORT = {0: "none", 1: "weak", 2: "a part", 3: "full"}


@dataclass(frozen=True, slots=True)
class KeyRow:
    """A foreign key without an index in view."""

    found: IndexFacts
    foreign_key: ForeignKey
    support: int
    pages: int
    findings: tuple[Finding, ...]

    @property
    def key(self) -> int:
        """Its oid."""
        return self.foreign_key.oid


@dataclass(frozen=True, slots=True)
class AdvisedRow:
    """An index that was advised, in view."""

    finding: Finding
    place: int

    @property
    def key(self) -> int:
        """Below zero: it has no oid."""
        return -1 - self.place

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Its only one."""
        return (self.finding,)


def key_columns() -> tuple[Column[KeyRow | AdvisedRow], ...]:
    """The columns of the view of what is missing: advised indexes, bare foreign keys."""
    return (
        Column("size", "reads", _reads_cell, 8,
               means=("the table that is read whole for want of the index, or what the index "
                      "would spare")),
        Column("deleted", "deleted", _deleted_cell, 8,
               means="rows deleted from the table referred to since the counters began"),
        Column("support", "index", _support_cell, 7, "left",
               means="whether an index covers the key: none, weak, a part, full"),
        Column("key", "foreign key, or index advised", _key_cell, 30, "left", frozen=True,
               flex=True),
    )  # fmt: skip


def _reads_cell(row: KeyRow | AdvisedRow) -> Cell:
    return units.size(row.pages * 8192) if isinstance(row, KeyRow) else units.NOTHING


def _deleted_cell(row: KeyRow | AdvisedRow) -> Cell:
    if isinstance(row, AdvisedRow):
        return units.NOTHING
    return units.count(row.found.usage.deleted(row.foreign_key.confrelid))


def _support_cell(row: KeyRow | AdvisedRow) -> Cell:
    return SUPPORT[row.support] if isinstance(row, KeyRow) else "advised"


def _key_cell(row: KeyRow | AdvisedRow) -> Cell:
    if isinstance(row, AdvisedRow):
        return ((row.finding.title, "warning" if row.finding.severity != "notice" else ""),)
    tables, key = row.found.usage.tables, row.foreign_key
    child, parent = tables.get(key.conrelid), tables.get(key.confrelid)
    return (
        *tags(row.findings),
        (f"{child.ident if child else key.conrelid} ({key.columns})", ""),
        (f" → {parent.ident if parent else key.confrelid}   {key.conname}", "dim"),
    )
