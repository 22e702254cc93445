"""The DDL that ends a finding about a plan, made from its conditions and the catalogue."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pgtop.advice import ddl
from pgtop.advice.plans.context import OFFLINE, Context
from pgtop.advice.thresholds import plans as limit
from pgtop.analysis import names, units
from pgtop.analysis.plan.conditions import Condition
from pgtop.model.finding import Remedy
from pgtop.model.insight import IndexFacts, TableFacts
from pgtop.model.plan import PlanNode

_SYSTEM_COLUMNS = frozenset({"ctid", "tableoid", "xmin", "xmax", "cmin", "cmax"})


@dataclass(frozen=True, slots=True)
class Proposal:
    """A remedy, or why there is none; `said` is what a sentence adds either way."""

    remedy: Remedy | None
    no_remedy: str | None = None
    said: str = ""


def table_sql(context: Context, node: PlanNode) -> str | None:
    """The node's table, quoted."""
    found = context.table(node)
    if found is not None:
        return found.sql
    return names.qualified(node.text("Schema"), node.relation) if node.relation else None


def column_sql(context: Context, node: PlanNode, column: str) -> str:
    """A column of it, quoted."""
    table = context.table(node)
    facts = table.column(column) if table else None
    return facts.sql if facts else names.quote(column)


def index_for(
    context: Context,
    node: PlanNode,
    found: tuple[Condition, ...],
    *,
    sort: tuple[str, ...] = (),
    lead: tuple[str, ...] = (),
) -> Proposal:
    """A B-tree for conditions: equality columns, then one range, then the sort order.

    `lead` are columns (SQL) that come first, such as those of the index used so far.
    """
    table = table_sql(context, node)
    if table is None:
        return Proposal(None, "what is scanned is no table")
    facts = context.table(node)
    if facts is not None and facts.kind == "f":
        return Proposal(None, "a foreign table is indexed on its own server")
    usable = [
        each
        for each in found
        if each.column and each.column not in _SYSTEM_COLUMNS and each.expression is None
    ]
    partial, usable = _partial(facts, node, usable)
    keys = list(lead)
    chosen: list[Condition] = []
    for kinds in (("equal", "boolean", "null"), ("in",), ("range",)):
        for each in usable:
            sql = column_sql(context, node, each.column or "")
            if (
                each.kind in kinds
                and sql not in keys
                and not (each.kind == "range" and (sort or any(c.kind == "range" for c in chosen)))
            ):
                keys.append(sql)
                chosen.append(each)
    for key in sort:
        if key.split(" ")[0] not in keys:
            keys.append(key)
    if not keys:
        return Proposal(None, "none of its conditions compares a column in a way an index serves")
    existing = _same(facts, keys, partial)
    if existing is not None:
        return Proposal(
            None,
            f"{existing.name} already leads with these columns: the planner did not take it,"
            " so look at its estimate and at random_page_cost",
        )
    return Proposal(create_index(context, node, ", ".join(keys), where=partial), said=_said(facts))


def create_index(
    context: Context,
    node: PlanNode,
    keys: str,
    *,
    method: str = "btree",
    where: str = "",
    columns: tuple[str, ...] = (),
    caution: str | None = None,
) -> Remedy:
    """CREATE INDEX CONCURRENTLY and its undo."""
    table = table_sql(context, node) or ""
    facts = context.table(node)
    relation = node.relation or "index"
    words = columns or tuple(re.sub(r'["()]', "", key).split(" ")[0] for key in keys.split(", "))
    name = names.quote(names.index_name(relation, words))
    schema = node.text("Schema") or (facts.schema if facts else None)
    partitioned = facts is not None and facts.partition_of is not None
    if facts is not None and facts.bytes >= limit.BRIN_BYTES and caution is None:
        caution = f"the table has {units.size(facts.bytes)}: it will take a while and read it twice"
    if partitioned and facts is not None:
        caution = (
            f"{facts.partition_of} is partitioned: an index for all partitions is made with"
            " ON ONLY and attached one by one, this statement serves this partition alone"
        )
    return Remedy(
        sql=(ddl.create_index(name, table, keys, method=method, where=where),),
        undo=(ddl.drop_index(f"{names.quote(schema)}.{name}" if schema else name),),
        transactional=False,
        lock=ddl.SHARE_UPDATE_EXCLUSIVE,
        caution=caution,
    )


def sort_keys(context: Context, node: PlanNode, keys: tuple[str, ...]) -> tuple[str, ...] | None:
    """A Sort Key as columns of the node's table; None where one is another's or an expression."""
    found: list[str] = []
    for key in keys:
        matched = re.match(
            r'(?:(?P<alias>"(?:[^"]|"")+"|\w+)\.)?(?P<name>"(?:[^"]|"")+"|\w+)'
            r"(?P<order>(?: DESC)?(?: NULLS (?:FIRST|LAST))?)\Z",
            key,
        )
        if matched is None:
            return None
        alias = (matched["alias"] or "").strip('"')
        if alias and alias not in (node.text("Alias"), node.relation):
            return None
        found.append(column_sql(context, node, matched["name"].strip('"')) + matched["order"])
    if len(found) > 1 and all("DESC" in key for key in found):
        # A B-tree is read backward as well as forward.
        found = [key.replace(" DESC", "") if "NULLS" not in key else key for key in found]
    elif len(found) == 1:
        found = [found[0].replace(" DESC", "") if "NULLS" not in found[0] else found[0]]
    return tuple(found)


def _partial(
    facts: TableFacts | None, node: PlanNode, usable: list[Condition]
) -> tuple[str, list[Condition]]:
    """A condition with a constant that few rows meet becomes the index's WHERE.

    Only of a column where one value holds most rows, a state or a flag: of forty values that
    are about as common, each is rare, and an index for one of them serves one caller.
    """
    if facts is None or len(usable) < 2:
        return "", usable
    rare: list[tuple[float, Condition]] = []
    for each in usable:
        column = facts.column(each.column or "")
        if column is None or each.kind not in ("equal", "boolean") or not each.constant:
            continue
        if max(column.most_common.values(), default=0.0) < limit.USUAL_VALUE:
            continue
        value = "f" if each.text.startswith("NOT ") else "t"
        if each.kind == "equal":
            quoted = re.match(r"'((?:[^']|'')*)'", each.value)
            value = quoted[1].replace("''", "'") if quoted else each.value
        share = column.most_common.get(value)
        if share is not None and share < limit.RARE_VALUE:
            rare.append((share, each))
    if not rare:
        return "", usable
    rarest = min(rare, key=lambda found: found[0])[1]
    return own_sql(rarest.text, rarest, node), [each for each in usable if each is not rarest]


def own_sql(text: str, condition: Condition, node: PlanNode) -> str:
    """`text` without the table's alias in front of its columns: DDL knows no alias."""
    aliases = {each for each in (condition.alias, node.text("Alias"), node.relation) if each}
    named = "|".join(
        re.escape(form)
        for alias in sorted(aliases)
        for form in (alias, '"' + alias.replace('"', '""') + '"')
    )
    pattern = rf"""(?P<literal>'(?:[^']|'')*')|(?<![\w".])(?:{named})\.(?=["\w])"""
    return re.sub(pattern, lambda found: found["literal"] or "", text) if named else text


def _same(facts: TableFacts | None, keys: list[str], partial: str) -> IndexFacts | None:
    """A valid B-tree that begins with the same columns."""
    if facts is None or partial:
        return None
    plain = [re.sub(r" (?:DESC|NULLS \w+)", "", key).strip('"') for key in keys]
    for index in facts.indexes:
        if index.method != "btree" or not index.valid or index.predicate:
            continue
        if list(index.keys[: len(plain)]) == plain:
            return index
    return None


def _said(facts: TableFacts | None) -> str:
    if facts is None:
        return OFFLINE + "indexes that exist, the table's size and writes."
    listed = ", ".join(index.name for index in facts.indexes[:6]) or "none"
    if len(facts.indexes) > 6:
        listed += f" and {len(facts.indexes) - 6} more"
    return f"Existing indexes: {listed}. The table has {units.size(facts.bytes)}."


def work_mem(needed_bytes: float) -> Remedy:
    """SET work_mem for the session that runs the statement."""
    kb = needed_bytes * limit.WORK_MEM_HEADROOM / 1024
    megabytes = max(1, -(-int(kb) // 1024))
    return Remedy(
        sql=(ddl.set_setting("work_mem", f"{megabytes}MB"),),
        undo=(ddl.reset_setting("work_mem"),),
        transactional=True,
        lock="none",
        caution="in the session or for the role that runs this statement (ALTER ROLE … SET),"
        " never for all: every sort and hash of every session may take as much",
    )


def rewrite(text: str) -> Proposal:
    """No DDL: the statement has to change."""
    return Proposal(None, text)
