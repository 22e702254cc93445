"""Values for the parameters of a generic plan, from what pg_stats knows of their columns."""

from __future__ import annotations

import re

from pgtop.analysis.names import literal
from pgtop.analysis.plan.conditions import Condition, conditions
from pgtop.model.insight import ColumnFacts, PlanFacts
from pgtop.model.plan import Plan

_KEYS = ("Index Cond", "Filter", "Recheck Cond", "Join Filter")
_PARAMETER = re.compile(r"\$(\d+)(?:::[\w \"]+)?\Z")


def sample_values(plans: tuple[Plan, ...], facts: PlanFacts, *, common: bool) -> dict[int, str]:
    """Parameter number -> SQL literal. Most common values (the worst case), or typical ones."""
    found: dict[int, str] = {}
    for plan in plans:
        for node in plan.nodes:
            table = facts.table(node.text("Schema"), node.relation)
            for key in _KEYS:
                text = node.text(key)
                if text is None or table is None:
                    continue
                for condition in _flat(conditions(text)):
                    number = _number(condition)
                    column = table.column(condition.column or "")
                    if number is None or column is None or number in found:
                        continue
                    value = _value(condition, column, common=common)
                    if value is not None:
                        found[number] = value
    return found


def _flat(found: tuple[Condition, ...]) -> list[Condition]:
    flat: list[Condition] = []
    for condition in found:
        flat.append(condition)
        for branch in condition.parts:
            flat.extend(_flat(branch))
    return flat


def _number(condition: Condition) -> int | None:
    matched = _PARAMETER.match(condition.value)
    return int(matched[1][:6]) if matched else None


def _value(condition: Condition, column: ColumnFacts, *, common: bool) -> str | None:
    by_share = sorted(column.most_common, key=lambda value: -column.most_common[value])
    bounds = column.bounds
    if condition.kind == "range":
        if not bounds:
            return literal(by_share[0]) if by_share else None
        wide = 0.1 if condition.operator in (">", ">=") else 0.9
        place = wide if common else 0.5
        return literal(bounds[round(place * (len(bounds) - 1))])
    if condition.kind in ("equal", "in", "unequal"):
        chosen = by_share[:1] if common or not bounds else [bounds[len(bounds) // 2]]
        chosen = chosen or list(bounds[len(bounds) // 2 : len(bounds) // 2 + 1])
        if not chosen:
            return None
        return (
            literal("{" + _array_item(chosen[0]) + "}")
            if condition.kind == "in"
            else literal(chosen[0])
        )
    if condition.kind in ("like", "ilike") and (by_share or bounds):
        word = (by_share or list(bounds))[0]
        return literal(word[:3] + "%")
    return None


def _array_item(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
