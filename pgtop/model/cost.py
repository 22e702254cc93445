"""What a statement would cost with indexes that do not exist: questions, answers, who answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, Protocol

from pgtop.model.plan import Plan

VerifiedBy = Literal["hypopg", "none"]
"""Who said what a statement would cost: the planner itself, or our arithmetic alone."""


@dataclass(frozen=True, slots=True)
class NewIndex:
    """An index that does not exist. Two with the same definition are the same."""

    relid: int
    """oid of its table; of the partitioned one where the table is partitioned."""

    keys: tuple[str, ...]
    """As CREATE INDEX wants them: `created_at DESC`, `(lower(email))`, `tags gin_trgm_ops`."""

    method: str = "btree"
    include: tuple[str, ...] = ()
    """INCLUDE columns, quoted."""

    where: str = ""
    columns: tuple[str, ...] = field(default=(), compare=False)
    """Every column it depends on, unquoted: keys, INCLUDE, expressions, predicate."""

    selectivity: float = field(default=1.0, compare=False)
    """Which share of the table's rows its predicate keeps."""

    @property
    def words(self) -> str:
        """`(a, b) INCLUDE (c) WHERE d`; the method before it where it is no B-tree."""
        text = f"({', '.join(self.keys)})"
        if self.method != "btree":
            text = f"USING {self.method} {text}"
        if self.include:
            text += f" INCLUDE ({', '.join(self.include)})"
        return f"{text} WHERE {self.where}" if self.where else text


@dataclass(frozen=True, slots=True)
class CostOf:
    """Asks what a statement would cost if these indexes existed."""

    statement: int
    """Its place in the workload."""

    indexes: frozenset[NewIndex] = frozenset()


@dataclass(frozen=True, slots=True, eq=False)
class Priced:
    """What a statement would cost."""

    cost: float
    """The planner's units, of the whole statement."""

    plans: tuple[Plan, ...] = ()
    used: frozenset[NewIndex] = frozenset()
    risky: frozenset[NewIndex] = frozenset()
    """Of those used: walked in order under a LIMIT while a filter drops most rows, which
    is quick only if matching rows come early."""

    refused: str | None = None
    """Why there is no such index: its expression is not IMMUTABLE, for one."""

    verified: bool = True
    """Whether the planner said so; False: our own arithmetic had a part in it."""


class CostModel(Protocol):
    """Whoever can tell what a statement would cost."""

    verified_by: VerifiedBy

    async def price(self, question: CostOf) -> Priced:
        """The answer. Raises SourceError where the statement cannot be planned any more."""
        ...
