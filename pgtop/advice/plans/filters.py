"""Conditions that a plain B-tree on the column cannot serve, and what can."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pgtop.advice.plans.context import INDEX_SCANS, OFFLINE, SCANS, Context
from pgtop.advice.plans.remedies import (
    Proposal,
    column_sql,
    create_index,
    own_sql,
    table_sql,
)
from pgtop.advice.thresholds import plans as limit
from pgtop.analysis import units
from pgtop.analysis.plan.conditions import Condition, columns, function_of
from pgtop.model.finding import Remedy
from pgtop.model.insight import Insight
from pgtop.model.plan import PlanNode

_SCANS = SCANS | INDEX_SCANS | {"Bitmap Heap Scan"}

_UNSTABLE = frozenset({"now", "random", "to_char", "date_part", "to_timestamp", "age", "timezone"})
"""Functions that are not IMMUTABLE for every argument: no index may hold their results."""


def _wasteful(context: Context, node: PlanNode) -> bool:
    return (
        node.node_type in _SCANS
        and context.removed(node) >= limit.IDX_DROPPED_ROWS
        and context.dropped(node) >= limit.FUNC_DROPPED
        and context.share(node) >= limit.IDX_SHARE
    )


def func_col(context: Context) -> Iterator[Insight]:
    """FUNC_COL: a function around the column keeps its index from serving."""
    for node in context.ran():
        if not _wasteful(context, node):
            continue
        for condition in context.about(node):
            name = function_of(condition)
            if name is None or condition.kind not in ("equal", "range", "in", "like"):
                continue
            proposal = _expression_index(context, node, condition, name)
            yield context.insight(
                "func_col", node, f"FN({name})",
                f"{name}() around {condition.column} keeps every index on it from serving",
                f"{context.label(node)} computes {condition.expression} for"
                f" {units.count(context.removed(node) + context.returned(node))} rows and keeps"
                f" {units.count(context.returned(node))}. {proposal.said}".rstrip(),
                score=context.share(node), remedy=proposal.remedy, no_remedy=proposal.no_remedy,
            )  # fmt: skip
            break


def _expression_index(
    context: Context, node: PlanNode, condition: Condition, name: str
) -> Proposal:
    expression = _expression_sql(condition, node)
    if name == "date_trunc" or name in ("extract", "date_part"):
        return Proposal(
            None,
            f"rewrite it as a range on the column itself: {condition.column} >= start AND"
            f" {condition.column} < end, which an index on {condition.column} serves",
        )
    if name in _UNSTABLE or table_sql(context, node) is None:
        return Proposal(None, f"{name}() is not IMMUTABLE: rewrite the condition")
    return Proposal(
        create_index(
            context, node, f"({expression})", columns=(f"{condition.column}_{name}",),
            caution=f"only if {name}() is IMMUTABLE: CREATE INDEX refuses it otherwise",
        ),
        said=_offline(context),
    )  # fmt: skip


def _expression_sql(condition: Condition, node: PlanNode) -> str:
    return own_sql(condition.expression or "", condition, node)


def _offline(context: Context) -> str:
    return "" if context.facts else OFFLINE + "indexes that exist and the column's type."


def cast_col(context: Context) -> Iterator[Insight]:
    """CAST_COL: the column is cast to the parameter's type, so its index does not fit."""
    for node in context.ran():
        if not _wasteful(context, node):
            continue
        table = context.table(node)
        for condition in context.about(node):
            if condition.cast is None or condition.kind not in ("equal", "range", "in"):
                continue
            facts = table.column(condition.column or "") if table else None
            text = {"text", "character varying", "varchar", "bpchar", "character", "name"}
            own = facts.type.split("(")[0] if facts else None
            if condition.cast == "text" and (own is None or own in text):
                continue  # varchar is compared as text, and its index serves
            was = f"which is {facts.type}, " if facts else ""
            yield context.insight(
                "cast_col", node, "CAST",
                f"{condition.column} is cast to {condition.cast} on every row",
                f"{context.label(node)} compares ({condition.column})::{condition.cast}: the"
                f" column,"
                f" {was}is converted to the other side's type, so no index on it serves."
                + ("" if facts else f" {OFFLINE}the column's own type."),
                score=context.share(node),
                no_remedy="send the parameter in the column's type, or cast it and not the"
                f" column: {condition.column} = $1::{facts.type if facts else 'its type'}; drivers"
                " that send numbers as numeric, or text for everything, do this",
            )  # fmt: skip
            break


def wildcard(context: Context) -> Iterator[Insight]:
    """WILDCARD and ILIKE: a pattern that no B-tree serves."""
    for node in context.ran():
        if not _wasteful(context, node):
            continue
        for condition in context.about(node):
            if condition.kind not in ("like", "ilike"):
                continue
            remedy, why = _pattern_index(context, node, condition)
            rule = "ilike" if condition.kind == "ilike" else "wildcard"
            yield context.insight(
                rule, node, "LIKE",
                f"The pattern on {condition.column} is tried on every row",
                f"{context.label(node)} tries {condition.text} on"
                f" {units.count(context.removed(node) + context.returned(node))} rows and keeps"
                f" {units.count(context.returned(node))}. {why}".rstrip(),
                score=context.share(node), remedy=remedy,
                no_remedy="the pattern is too short for trigrams: they need three characters",
            )  # fmt: skip
            break


def _pattern_index(
    context: Context, node: PlanNode, condition: Condition
) -> tuple[Remedy | None, str]:
    column = column_sql(context, node, condition.column or "")
    if condition.expression is not None:
        column = f"({_expression_sql(condition, node)})"
    pattern = re.match(r"'((?:[^']|'')*)'", condition.value)
    text = pattern[1] if pattern else "%"
    words = (condition.column or "expr",)
    anchored = condition.kind == "like" and pattern is not None and text[:1] not in ("%", "_", "")
    if anchored and re.fullmatch(r"[^%_]+%?", text):
        facts = context.table(node)
        found = facts.column(condition.column or "") if facts else None
        family = "varchar_pattern_ops" if found and "varying" in found.type else "text_pattern_ops"
        return create_index(context, node, f"{column} {family}", columns=(*words, "pattern")), (
            "A prefix is a range, in an index that compares byte by byte."
        )
    longest = max(map(len, re.split(r"[%_]", text)), default=0)
    if pattern is not None and longest < 3:
        return None, ""
    installed = context.facts is not None and "pg_trgm" in context.facts.extensions
    caution = None if installed else "needs the extension: CREATE EXTENSION pg_trgm; as superuser"
    return (
        create_index(
            context, node, f"{column} gin_trgm_ops", method="gin", columns=(*words, "trgm"),
            caution=caution,
        ),
        "Trigrams find the candidates.",
    )  # fmt: skip


_CONTAINERS = re.compile(r" (?:@>|<@|&&|\?\||\?&|\?|->>|@@) ")


def jsonb(context: Context) -> Iterator[Insight]:
    """JSONB: a JSON or array condition without an index for it."""
    for node in context.ran():
        if not _wasteful(context, node) or node.node_type not in SCANS:
            continue
        for condition in context.about(node):
            text = condition.expression or condition.text
            if condition.kind not in ("contains", "has") and "->" not in text:
                continue
            if not _CONTAINERS.search(f"{condition.text} "):
                continue
            proposal = _container_index(context, node, condition)
            yield context.insight(
                "jsonb", node, "JSON",
                f"{condition.column} is opened on every row",
                f"{context.label(node)} looks into {condition.column} of"
                f" {units.count(context.removed(node) + context.returned(node))} rows by"
                f" {condition.text}. {proposal.said}".rstrip(),
                score=context.share(node), remedy=proposal.remedy, no_remedy=proposal.no_remedy,
            )  # fmt: skip
            break


def _container_index(context: Context, node: PlanNode, condition: Condition) -> Proposal:
    column = column_sql(context, node, condition.column or "")
    if condition.expression is not None and "->" in condition.expression:
        expression = _expression_sql(condition, node)
        key = re.search(r"'(\w+)'", expression)
        words = (condition.column or "expr", key[1] if key else "expr")
        return Proposal(
            create_index(context, node, f"({expression})", columns=words), said=_offline(context)
        )
    table = context.table(node)
    facts = table.column(condition.column or "") if table else None
    is_json = facts.type == "jsonb" if facts else condition.value.endswith("::jsonb")
    if facts is not None and facts.type not in ("jsonb", "tsvector") and facts.type_category != "A":
        return Proposal(None, f"{condition.column} is {facts.type}: GiST or SP-GiST may serve it")
    family = " jsonb_path_ops" if is_json and condition.operator == "@>" else ""
    return Proposal(
        create_index(
            context, node, column + family, method="gin", columns=(condition.column or "",)
        ),
        said=_offline(context),
    )


def or_cond(context: Context) -> Iterator[Insight]:
    """OR_COND: an OR over several columns makes a B-tree on one of them useless."""
    for node in context.ran():
        if node.node_type not in SCANS or not _wasteful(context, node):
            continue
        for condition in context.about(node):
            if condition.kind != "or":
                continue
            per_branch = [columns(branch) for branch in condition.parts]
            leads = tuple(dict.fromkeys(branch[0] for branch in per_branch if branch))
            if len(leads) < 2 or not all(per_branch):
                continue
            remedy = _index_each(context, node, leads)
            yield context.insight(
                "or_cond", node, "OR",
                f"OR over {', '.join(leads)} reads {node.relation} whole",
                f"{context.label(node)} tries {condition.text} on every row. With an index for each"
                " branch the planner joins two bitmaps (BitmapOr); UNION ALL does it by hand."
                f" {_offline(context)}".rstrip(),
                score=context.share(node), remedy=remedy,
                no_remedy="every branch has its index: look at their estimates",
            )  # fmt: skip
            break


def _index_each(context: Context, node: PlanNode, leads: tuple[str, ...]) -> Remedy | None:
    facts = context.table(node)
    served = (
        {i.keys[0] for i in facts.indexes if i.keys and i.valid and not i.predicate}
        if facts
        else set()
    )
    made = [
        create_index(context, node, column_sql(context, node, lead), columns=(lead,))
        for lead in leads
        if lead not in served
    ]
    if not made:
        return None
    return Remedy(
        sql=tuple(sql for remedy in made for sql in remedy.sql),
        undo=tuple(sql for remedy in reversed(made) for sql in remedy.undo),
        transactional=False,
        lock=made[0].lock,
        caution=made[0].caution,
    )


def brin(context: Context) -> Iterator[Insight]:
    """BRIN: a big table in the order of the column that a range is asked of."""
    for node in context.ran():
        table = context.table(node)
        if node.node_type not in SCANS or table is None or table.bytes < limit.BRIN_BYTES:
            continue
        if not _wasteful(context, node):
            continue
        for condition in context.about(node):
            facts = table.column(condition.column or "")
            if (
                condition.kind != "range"
                or condition.expression
                or facts is None
                or abs(facts.correlation or 0) < limit.BRIN_CORRELATION
            ):
                continue
            yield context.insight(
                "brin", node, "BRIN",
                f"{table.name} lies in the order of {facts.name}: a BRIN index would do",
                f"{context.label(node)} reads {units.size(table.bytes)}; pg_stats.correlation of"
                f" {facts.name} is {facts.correlation:.2f}, so block ranges exclude each other.",
                score=context.share(node),
                remedy=create_index(
                    context, node, facts.sql, method="brin", columns=(facts.name, "brin")
                ),
            )  # fmt: skip
            break


def special_remedy(context: Context, node: PlanNode) -> Proposal | None:
    """Not None where another rule of this module has the remedy for a node's filter."""
    for condition in context.about(node):
        if function_of(condition) or condition.kind in ("like", "ilike", "contains", "has"):
            return Proposal(None, "its remedy stands with the finding on its condition")
        if condition.expression and "->" in condition.expression:
            return Proposal(None, "its remedy stands with the finding on its condition")
        if condition.kind == "or" and len({c for b in condition.parts for c in columns(b)}) > 1:
            return Proposal(None, "its remedy stands with the finding on its condition")
        if (
            condition.cast
            and condition.cast != "text"
            and condition.kind in ("equal", "range", "in")
        ):
            return Proposal(None, "its remedy stands with the finding on its condition")
    return None


def planned_remedy(context: Context, node: PlanNode) -> Proposal | None:
    """As `special_remedy`, for a plan that was not run: there no other rule has the remedy."""
    special = special_remedy(context, node)
    if special is None:
        return None
    for condition in context.about(node):
        name = function_of(condition)
        if name is not None and condition.kind in ("equal", "range", "in"):
            return _expression_index(context, node, condition, name)
    return Proposal(
        None,
        "no plain index serves this condition; the plan of a run names what does:"
        " pgtop --allow-actions, then A",
    )


RULES = (func_col, cast_col, wildcard, jsonb, or_cond, brin)
