"""Conditions as keys of an index: which column or expression, compared how, how rarely true."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from pgtop.advice.thresholds import advisor as limit
from pgtop.advisor.wishes import Wish
from pgtop.analysis.plan.conditions import Condition
from pgtop.model.advice import WorkColumn, WorkTable

TermKind = Literal["equal", "in", "range", "pattern", "container", "not null"]

TEXTS = frozenset({"text", "character varying", "character", "name", "bpchar", "varchar"})
UNKNOWN_RANGE = 1 / 3
"""DEFAULT_INEQ_SEL (selfuncs.h)."""

UNKNOWN_EQUAL = 0.005
"""DEFAULT_EQ_SEL (selfuncs.h)."""

_ARRAY_COLUMN = re.compile(r"= ANY \(+(?P<name>[^()]+?)\)+\Z")


@dataclass(frozen=True, slots=True)
class Term:
    """One condition that an index might serve."""

    kind: TermKind
    sql: str
    """The key: a quoted column, or an expression in brackets."""

    column: WorkColumn
    condition: Condition
    selectivity: float
    """Share of the table's rows, as the statistics have it."""

    @property
    def plain(self) -> bool:
        """Whether the key is the column itself."""
        return self.sql == self.column.sql


def terms(wish: Wish, said: list[str]) -> tuple[Term, ...]:
    """What the wish's own conditions give; what no index can serve goes to `said`."""
    found: dict[tuple[str, TermKind, str], Term] = {}
    for condition in wish.local:
        for term in _terms(wish, condition, said):
            found.setdefault((term.sql, term.kind, term.condition.operator), term)
    return tuple(found.values())


def branches(wish: Wish) -> Iterator[tuple[tuple[Term, ...], ...]]:
    """The branches of each OR over several columns, each with its terms."""
    for condition in wish.local:
        if condition.kind == "or" and one_column(condition) is None:
            parts = tuple(
                tuple(term for part in branch for term in _terms(wish, part, []))
                for branch in condition.parts
            )
            if all(parts):
                yield parts


def one_column(condition: Condition) -> Condition | None:
    """An OR that compares one column in every branch, as an IN; None for any other."""
    parts = [part for branch in condition.parts for part in branch]
    first = parts[0] if parts else None
    if (
        first is None
        or any(len(branch) != 1 for branch in condition.parts)
        or any(
            part.column != first.column
            or part.alias != first.alias
            or part.kind not in ("equal", "in", "null", "boolean")
            or part.expression != first.expression
            or part.cast is not None
            for part in parts
        )
        or first.column is None
    ):
        return None
    return Condition(
        condition.text, "in", first.column, first.alias, first.expression, None, "=",
        ",".join(part.value for part in parts), all(part.constant for part in parts),
    )  # fmt: skip


def own_text(text: str, wish: Wish) -> str:
    """A condition or expression without the table's alias before its columns."""
    names = {wish.alias, re.sub(r"_\d+\Z", "", wish.alias) if wish.table.leaves else wish.alias}
    for name in names | {wish.node.relation or wish.alias}:
        quoted = '"' + name.replace('"', '""') + '"'
        for form in (re.escape(name), re.escape(quoted)):
            text = re.sub(rf'(?<![\w"$]){form}\.(?=["\w])', "", text)
    return text


def _terms(wish: Wish, condition: Condition, said: list[str]) -> Iterator[Term]:
    if condition.kind == "or":
        merged = one_column(condition)
        if merged is not None:
            yield from _terms(wish, merged, said)
        return
    column = wish.table.column(condition.column)
    if column is None:
        _array_rewrite(wish, condition, said)
        return
    kind = _kind(condition)
    if kind is None:
        return
    if condition.cast and not _same_order(condition.cast, column):
        said.append(
            f"{condition.column} is {column.type} and is cast to {condition.cast} on every row, so"
            f" no index on it serves: cast the other side, {condition.column} = $1::{column.type}"
        )
        return
    sql = column.sql
    if condition.expression is not None:
        sql = f"({own_text(condition.expression, wish)})"
    yield Term(kind, sql, column, condition, selectivity(condition, column, wish.table))


def _kind(condition: Condition) -> TermKind | None:
    if condition.kind in ("equal", "boolean", "null"):
        return "equal"
    if condition.kind in ("in", "range"):
        return "in" if condition.kind == "in" else "range"
    if condition.kind == "not null":
        return "not null"
    if condition.kind in ("like", "ilike") or condition.operator in ("~", "~*"):
        return "pattern"
    return "container" if condition.kind in ("contains", "has") else None


def _same_order(cast: str, column: WorkColumn) -> bool:
    """Whether the cast changes nothing that a B-tree looks at: varchar compared as text."""
    bare = cast.split("(")[0]
    return bare == column.type or (
        bare in ("text", "character varying", "bpchar", "character") and column.type in TEXTS
    )


def _array_rewrite(wish: Wish, condition: Condition, said: list[str]) -> None:
    found = _ARRAY_COLUMN.search(own_text(condition.text, wish))
    column = wish.table.column(found["name"].strip('"')) if found else None
    if column is not None and column.category == "A":
        said.append(
            f"value = ANY ({column.name}) is served by no index:"
            f" {column.name} @> ARRAY[value] is, by a GIN index on {column.name}"
        )


# -- how many rows --------------------------------------------------------------------------


def selectivity(condition: Condition, column: WorkColumn, table: WorkTable) -> float:
    """Share of rows for which it holds; the planner's defaults where nothing is known."""
    if column.null_frac is None or condition.expression is not None:
        return UNKNOWN_RANGE if condition.kind == "range" else UNKNOWN_EQUAL
    if condition.kind == "null":
        return column.null_frac
    if condition.kind == "not null":
        return 1.0 - column.null_frac
    if condition.kind == "boolean":
        value = "f" if condition.text.startswith("NOT ") else "t"
        return column.common.get(value, 0.0 if column.common else 0.5)
    if condition.kind == "equal":
        return _equal(_value(condition), column, table)
    if condition.kind == "in":
        number = max(1, condition.value.count(",") + 1)
        return min(1.0, number * _equal(None, column, table))
    return UNKNOWN_RANGE if condition.kind == "range" else UNKNOWN_EQUAL


def _value(condition: Condition) -> str | None:
    if not condition.constant:
        return None
    quoted = re.match(r"'((?:[^']|'')*)'", condition.value)
    return quoted[1].replace("''", "'") if quoted else condition.value


def _equal(value: str | None, column: WorkColumn, table: WorkTable) -> float:
    if value is not None and value in column.common:
        return column.common[value]
    distinct = distinct_values(column, table)
    if value is not None and column.common:
        rest = 1.0 - sum(column.common.values()) - (column.null_frac or 0.0)
        left = distinct - len(column.common)
        return max(rest, 0.0) / left if left > 0 else 1e-6
    return (1.0 - (column.null_frac or 0.0)) / max(distinct, 1.0)


def distinct_values(column: WorkColumn, table: WorkTable) -> float:
    """How many different values it holds; 200, the planner's guess, where nobody counted."""
    if column.n_distinct is None or column.n_distinct == 0:
        return 200.0
    if column.n_distinct > 0:
        return column.n_distinct
    return max(1.0, -column.n_distinct * (table.rows or 1.0))


def rare(term: Term, table: WorkTable) -> bool:
    """Whether an index on the rows where it holds is worth a predicate.

    A constant has to be the exception among few values, as `pending` is among states: one
    of many equals is only what was asked for this time.
    """
    condition = term.condition
    if not condition.constant or not term.plain:
        return False
    if condition.kind == "null":
        return term.selectivity <= limit.MOSTLY_NULL
    if condition.kind == "not null":
        return term.selectivity <= limit.RARE
    values = distinct_values(term.column, table)
    return (
        condition.kind in ("equal", "boolean")
        and term.selectivity <= min(limit.RARE, limit.EXCEPTION / max(values, 1.0))
        and values <= limit.FEW_VALUES
    )
