"""From the nested objects of EXPLAIN (FORMAT JSON) to a `Plan`."""

from __future__ import annotations

from typing import Any

from pgtop.model.plan import Plan, PlanError, PlanNode, PlanSource, figure

UNREAD = "\0unread"
"""Key under which the TEXT reader leaves lines it does not know."""


def is_query(value: object) -> bool:
    """Whether an object is one statement's EXPLAIN output."""
    return isinstance(value, dict) and isinstance(value.get("Plan"), dict)


def build(query: dict[str, Any], source: PlanSource, truncated: str | None = None) -> Plan:
    """A `Plan` of one statement's object. Raises PlanError where its tree holds no node."""
    top = query.get("Plan")
    if not isinstance(top, dict) or "Node Type" not in top:
        raise PlanError('there is no "Node Type" below "Plan"')
    # Printed order with an explicit stack: plans may be thousands of levels deep.
    order: list[dict[str, Any]] = []
    parents: list[int | None] = []
    ordinals: list[int] = []
    depths: list[int] = []
    children: list[list[int]] = []
    stack: list[tuple[dict[str, Any], int | None, int, int]] = [(top, None, 0, 0)]
    while stack:
        raw, parent, ordinal, depth = stack.pop()
        number = len(order)
        order.append(raw)
        parents.append(parent)
        ordinals.append(ordinal)
        depths.append(depth)
        children.append([])
        if parent is not None:
            children[parent].append(number)
        plans = raw.get("Plans")
        below = (
            [plan for plan in plans if isinstance(plan, dict)] if isinstance(plans, list) else []
        )
        stack.extend(
            (plan, number, index, depth + 1) for index, plan in reversed(list(enumerate(below)))
        )
    ends = [number + 1 for number in range(len(order))]
    for number in reversed(range(len(order))):
        above = parents[number]
        if above is not None:
            ends[above] = max(ends[above], ends[number])
    nodes = tuple(
        PlanNode(
            number=number,
            parent=parents[number],
            children=tuple(children[number]),
            end=ends[number],
            depth=depths[number],
            ordinal=ordinals[number],
            raw={key: value for key, value in raw.items() if key not in ("Plans", UNREAD)},
            node_type=_text(raw, "Node Type") or "???",
            relationship=_text(raw, "Parent Relationship"),
            loops=figure(raw.get("Actual Loops")),
            unread=tuple(raw.get(UNREAD, ())),
        )
        for number, raw in enumerate(order)
    )
    beside = {key: value for key, value in query.items() if key not in ("Plan", UNREAD)}
    return Plan(nodes, beside, source, truncated, tuple(query.get(UNREAD, ())))


def _text(raw: dict[str, Any], key: str) -> str | None:
    value = raw.get(key)
    return value if isinstance(value, str) else None
