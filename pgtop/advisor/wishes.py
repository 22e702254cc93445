"""What a statement asks of each table that it reads, taken from its plan.

EXPLAIN (VERBOSE) names every relation, shows views, CTEs and partitions resolved, and
casts as they are made: no parser of SQL could tell what an index serves as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from pgtop.analysis.plan.conditions import Condition, conditions, seen_from
from pgtop.model.advice import WorkTable
from pgtop.model.plan import Plan, PlanNode

CONDITION_KEYS = (
    "Filter", "Index Cond", "Recheck Cond", "Join Filter", "Hash Cond", "Merge Cond",
    "One-Time Filter", "TID Cond",
)  # fmt: skip
_SCANS = frozenset({"Seq Scan", "Sample Scan", "Index Scan", "Index Only Scan", "Bitmap Heap Scan"})
_SORT_KEY = re.compile(
    r'(?:(?P<alias>"(?:[^"]|"")+"|[\w$]+)\.)?(?P<name>"(?:[^"]|"")+"|[\w$]+)'
    r"(?P<order>(?: DESC)?(?: NULLS (?:FIRST|LAST))?)\Z"
)
_REFERENCE = r'(?<![\w"$.]){alias}\.(?P<name>"(?:[^"]|"")+"|[\w$]+)'
_EXTREME = re.compile(r"\b(?:min|max)\(((?:\"(?:[^\"]|\"\")+\"|[\w$]+)\.)?(\"[^\"]+\"|[\w$]+)\)")


@dataclass(slots=True)
class Wish:
    """What one reading of one table asks for."""

    table: WorkTable
    alias: str
    node: PlanNode
    local: tuple[Condition, ...] = ()
    """On the table's own columns and values."""

    joins: Mapping[str, tuple[Condition, ...]] = field(default_factory=dict)
    """The other side's alias -> equalities with it, own column first."""

    orders: tuple[tuple[str, ...], ...] = ()
    """Sort keys wanted, each a list of `column[ DESC][ NULLS …]`, quoted."""

    limited: bool = False
    needed: frozenset[str] | None = None
    """Columns that have to come out of it, unquoted; None: whole rows."""

    children: tuple[str, ...] = ()


def unquoted(name: str) -> str:
    """A name as PostgreSQL holds it."""
    return name[1:-1].replace('""', '"') if name.startswith('"') else name


def wishes(plan: Plan, tables: Mapping[tuple[str, str], WorkTable]) -> tuple[Wish, ...]:
    """One for every scan of a table that `tables`, by schema and name, knows.

    Partitions read together are one wish on the table at the top.
    """
    by_oid = {table.relid: table for table in tables.values()}
    everything = tuple(_conditions(plan))
    found: dict[tuple[int, str], Wish] = {}
    for node in plan.nodes:
        alias, relation = node.text("Alias"), node.relation
        table = tables.get((node.text("Schema") or "", relation or ""))
        if node.node_type not in _SCANS or alias is None or table is None:
            continue
        table = _at_the_top(plan, node, table, by_oid)
        wish = _wish(plan, node, alias, table, everything)
        key = (table.relid, re.sub(r"_\d+\Z", "", alias) if table.leaves else alias)
        found.setdefault(key, wish)
    return tuple(found.values())


def _at_the_top(
    plan: Plan, node: PlanNode, table: WorkTable, by_oid: Mapping[int, WorkTable]
) -> WorkTable:
    """The partitioned table, unless the statement names the partition itself."""
    root = by_oid.get(table.root or 0)
    if root is None:
        return table
    parent = plan.parent(node)
    together = parent is not None and parent.node_type in ("Append", "Merge Append")
    return table if node.text("Alias") == node.relation and not together else root


def _conditions(plan: Plan) -> Iterator[tuple[PlanNode, Condition]]:
    for node in plan.nodes:
        for key in CONDITION_KEYS:
            text = node.text(key)
            for condition in conditions(text) if text else ():
                yield node, condition


def _wish(
    plan: Plan,
    node: PlanNode,
    alias: str,
    table: WorkTable,
    everything: tuple[tuple[PlanNode, Condition], ...],
) -> Wish:
    inside = set(range(node.number, node.end))
    local: list[Condition] = []
    joins: dict[str, list[Condition]] = {}
    for place, condition in everything:
        other = _other_side(condition, alias)
        if other is not None:
            joins.setdefault(other[0], []).append(other[1])
        elif (
            place.number in inside
            and (condition.alias in (None, alias) or _mentions(condition.text, alias))
            and condition not in local
        ):
            local.append(condition)
    return Wish(
        table=table, alias=alias, node=node, local=tuple(local),
        joins={other: _each_once(found) for other, found in joins.items()},
        orders=tuple(_orders(plan, node, alias, table)),
        limited=_limited(plan, node), needed=_needed(plan, node, alias, table),
    )  # fmt: skip


def _each_once(found: list[Condition]) -> tuple[Condition, ...]:
    return tuple({condition.column: condition for condition in found}.values())


def _mentions(text: str, alias: str) -> bool:
    return f"{alias}." in text or f'"{alias}".' in text


_VALUE = re.compile(r'(?P<alias>"(?:[^"]|"")+"|[A-Za-z_][\w$]*)\.(?:"(?:[^"]|"")+"|[A-Za-z_]\w*)')


def _other_side(condition: Condition, alias: str) -> tuple[str, Condition] | None:
    """(the other side's alias, the equality with our own column first)."""
    if condition.kind != "equal":
        return None
    if condition.alias == alias:
        plain = re.sub(r"'(?:[^']|'')*'", "", condition.value)
        other = _VALUE.search(plain)
        if other is None or unquoted(other["alias"]) == alias:
            return None
        return unquoted(other["alias"]), condition
    turned = seen_from(condition, (alias,))
    if turned is None or condition.alias is None:
        return None
    return condition.alias, turned


# -- order -------------------------------------------------------------------------------


def _orders(plan: Plan, node: PlanNode, alias: str, table: WorkTable) -> Iterator[tuple[str, ...]]:
    """Orders that somebody above wants of this table's columns, nearest first."""
    several = sum(1 for each in plan.nodes if each.node_type in _SCANS) > 1
    seen: set[tuple[str, ...]] = set()
    for above in _upwards(plan, node):
        for listed in (above.texts("Sort Key"), above.texts("Group Key")):
            keys = _own_keys(listed, alias, table, several)
            if keys and keys not in seen:
                seen.add(keys)
                yield keys
        if above.node_type == "Aggregate" and "Group Key" not in above.raw:
            for found in _EXTREME.finditer(" ".join(above.texts("Output"))):
                named = unquoted((found[1] or "").rstrip("."))
                column = table.column(unquoted(found[2]))
                if column and (named == alias or (not named and not several)):
                    yield (column.sql,)
    if node.node_type in ("Index Scan", "Index Only Scan") and node.text("Filter"):
        used = next((i for i in table.indexes if i.name == node.text("Index Name")), None)
        if used is not None and used.method == "btree":
            yield used.keys


def _upwards(plan: Plan, node: PlanNode) -> Iterator[PlanNode]:
    above = plan.parent(node)
    while above is not None:
        yield above
        if above.relationship in ("InitPlan", "SubPlan", "Subquery"):
            return
        above = plan.parent(above)


def _own_keys(
    listed: tuple[str, ...], alias: str, table: WorkTable, several: bool
) -> tuple[str, ...]:
    """The leading keys that are plain columns of this table."""
    keys: list[str] = []
    for key in listed:
        found = _SORT_KEY.match(key)
        if found is None:
            break
        named = unquoted(found["alias"] or "")
        column = table.column(unquoted(found["name"]))
        if column is None or (named != alias if named else several):
            break
        keys.append(column.sql + found["order"])
    if keys and all(" DESC" in key and " NULLS" not in key for key in keys):
        keys = [key.removesuffix(" DESC") for key in keys]  # a B-tree is read backwards too
    return tuple(keys)


def _limited(plan: Plan, node: PlanNode) -> bool:
    return any(above.node_type == "Limit" for above in _upwards(plan, node))


# -- what has to come out -----------------------------------------------------------------


def _needed(plan: Plan, node: PlanNode, alias: str, table: WorkTable) -> frozenset[str] | None:
    """Columns named by any other node, and by its own conditions.

    The scan's own Output is no guide: the executor hands whole rows up where that is
    cheaper than to project.
    """
    names = {alias}
    if table.leaves:  # the plan calls the partitions events_1, events_2, and their parent events
        names.add(re.sub(r"_\d+\Z", "", alias))
    parts = [
        text
        for each in plan.nodes
        for key, value in each.raw.items()
        if each is not node or key in CONDITION_KEYS
        for text in (value if isinstance(value, list) else (value,))
        if isinstance(text, str) and key not in ("Alias", "Relation Name", "Schema")
    ]
    if plan.parent(node) is None:
        parts += node.texts("Output")
    columns: set[str] = set()
    for name in names:
        quoted = '"' + name.replace('"', '""') + '"'
        pattern = _REFERENCE.format(alias=f"(?:{re.escape(name)}|{re.escape(quoted)})")
        for text in parts:
            for found in re.finditer(pattern, text):
                columns.add(unquoted(found["name"]))
    known = {column.name for column in table.columns}
    if sum(1 for each in plan.nodes if each.node_type in _SCANS) == 1:
        # of one relation alone the output is printed without its alias
        words = re.findall(r'"(?:[^"]|"")+"|[^\W\d][\w$]*', " ".join(parts))
        columns |= known & {unquoted(word) for word in words}
    return frozenset(columns) if columns <= known else None
