"""The first line of a node in a TEXT plan, taken apart into the JSON form's keys."""

from __future__ import annotations

import re
from typing import Any

from pgtop.analysis.plan.words import JOIN_TYPES, NODE_TYPES, number

NODE = re.compile(
    r"(?P<arrow>-> *)?(?P<name>\S.*?)"
    r"(?P<cost> {1,2}\(cost=(?P<startup>\d+(?:\.\d+)?)\.\.(?P<total>\d+(?:\.\d+)?)"
    r" rows=(?P<rows>\d+(?:\.\d+)?) width=(?P<width>-?\d+)\))?"
    r"(?P<actual> ?\((?:actual (?:time=(?P<first>\d+(?:\.\d+)?)\.\.(?P<last>\d+(?:\.\d+)?) )?"
    r"rows=(?P<real>\d+(?:\.\d+)?) loops=(?P<loops>\d+)|(?P<never>never executed))\))?\Z",
    re.DOTALL,
)
"""One node line, stripped. What follows the last `(cost=` counts: names may hold anything."""

ACTUAL = re.compile(
    r"actual (?:time=(?P<first>\d+(?:\.\d+)?)\.\.(?P<last>\d+(?:\.\d+)?) )?"
    r"rows=(?P<real>\d+(?:\.\d+)?) loops=(?P<loops>\d+)\Z"
)
"""What a worker's line says after its number."""

_AGGREGATES = {
    "Aggregate": "Plain",
    "GroupAggregate": "Sorted",
    "HashAggregate": "Hashed",
    "MixedAggregate": "Mixed",
}
_IDENTIFIER = r'(?:U&)?"(?:[^"]|"")*"|[^\s".]+'
_TARGET = re.compile(
    rf"(?:(?P<schema>{_IDENTIFIER})\.)?(?P<name>{_IDENTIFIER})(?: (?P<alias>{_IDENTIFIER}))?\Z"
)
_OBJECT_KEYS = {
    "Function Scan": "Function Name",
    "Table Function Scan": "Table Function Name",
    "CTE Scan": "CTE Name",
    "WorkTable Scan": "CTE Name",
    "Named Tuplestore Scan": "Tuplestore Name",
}
_ALIAS_ONLY = frozenset({"Subquery Scan", "Values Scan"})
_KNOWN = frozenset(NODE_TYPES) - {"Aggregate", "ModifyTable", "SetOp", "Merge Join", "Hash Join"}
_MODIFY = re.compile(r"(Insert|Update|Delete|Merge) on (.+)\Z", re.DOTALL)
_FOREIGN = re.compile(r"Foreign (Insert|Update|Delete)(?: on (.+))?\Z", re.DOTALL)
_JOIN = re.compile(rf"(Nested Loop|Merge|Hash)(?: ({'|'.join(JOIN_TYPES)}))? ?(Join)?\Z")
_SET_OP = re.compile(r"(Hash)?SetOp (Intersect|Except)( All)?\Z")
_SCAN = re.compile(
    rf'(?P<type>[^"]*?)(?: using (?P<index>{_IDENTIFIER}))?(?: on (?P<target>.+))?\Z', re.DOTALL
)
_CUSTOM = re.compile(r"Custom Scan \(([^)]*)\)(?: on (.+))?\Z", re.DOTALL)


def unquoted(identifier: str) -> str:
    """`"a""b"` -> `a"b`."""
    if len(identifier) >= 2 and identifier.startswith('"') and identifier.endswith('"'):
        return identifier[1:-1].replace('""', '"')
    return identifier


def describe(name: str) -> dict[str, Any]:
    """`Parallel Index Scan Backward using i on s.t a` as JSON keys."""
    raw: dict[str, Any] = {"Node Type": "", "Parallel Aware": False}
    if name.startswith("Parallel "):
        raw["Parallel Aware"] = True
        name = name[len("Parallel ") :]
    if name.startswith("Async "):
        raw["Async Capable"] = True
        name = name[len("Async ") :]
    for reader in (_aggregate, _join, _set_op, _modify, _foreign, _custom):
        if reader(name, raw):
            return raw
    _scan(name, raw)
    return raw


def _aggregate(name: str, raw: dict[str, Any]) -> bool:
    mode = "Simple"
    for prefix in ("Partial", "Finalize"):
        if name.startswith(prefix + " "):
            mode, name = prefix, name[len(prefix) + 1 :]
    if name not in _AGGREGATES:
        return False
    raw |= {"Node Type": "Aggregate", "Strategy": _AGGREGATES[name], "Partial Mode": mode}
    return True


def _join(name: str, raw: dict[str, Any]) -> bool:
    found = _JOIN.match(name)
    if found is None or (found.group(1) != "Nested Loop" and not found.group(3)):
        return False
    node_type = found.group(1)
    raw["Node Type"] = node_type if node_type == "Nested Loop" else node_type + " Join"
    raw["Join Type"] = found.group(2) or "Inner"
    return True


def _set_op(name: str, raw: dict[str, Any]) -> bool:
    found = _SET_OP.match(name)
    if found is None:
        return False
    raw["Node Type"] = "SetOp"
    raw["Strategy"] = "Hashed" if found.group(1) else "Sorted"
    raw["Command"] = found.group(2) + (found.group(3) or "")
    return True


def _modify(name: str, raw: dict[str, Any]) -> bool:
    found = _MODIFY.match(name)
    if found is None:
        return False
    raw["Node Type"] = "ModifyTable"
    raw["Operation"] = found.group(1)
    _target(found.group(2), "Relation Name", raw)
    return True


def _foreign(name: str, raw: dict[str, Any]) -> bool:
    found = _FOREIGN.match(name)
    if found is None:
        return False
    raw["Node Type"] = "Foreign Scan"
    raw["Operation"] = found.group(1)
    if found.group(2):
        _target(found.group(2), "Relation Name", raw)
    return True


def _custom(name: str, raw: dict[str, Any]) -> bool:
    found = _CUSTOM.match(name)
    if found is None:
        return False
    raw["Node Type"] = "Custom Scan"
    raw["Custom Plan Provider"] = found.group(1)
    if found.group(2):
        _target(found.group(2), "Relation Name", raw)
    return True


def _scan(name: str, raw: dict[str, Any]) -> None:
    found = _SCAN.match(name)
    if found is None:
        raw["Node Type"] = name
        return
    node_type, index, target = found.group("type", "index", "target")
    if node_type.endswith(" Backward"):
        node_type = node_type[: -len(" Backward")]
        raw["Scan Direction"] = "Backward"
    elif index:
        raw["Scan Direction"] = "Forward"
    raw["Node Type"] = node_type
    if node_type == "Foreign Scan":
        raw["Operation"] = "Select"
    if index:
        raw["Index Name"] = unquoted(index)
    if target is None:
        return
    if node_type == "Bitmap Index Scan":
        raw["Index Name"] = unquoted(target)
    elif node_type in _ALIAS_ONLY:
        raw["Alias"] = unquoted(target)
    else:
        _target(target, _OBJECT_KEYS.get(node_type, "Relation Name"), raw)


def _target(text: str, key: str, raw: dict[str, Any]) -> None:
    found = _TARGET.match(text)
    if found is None:
        raw[key] = raw["Alias"] = text
        return
    raw[key] = unquoted(found.group("name"))
    if found.group("schema"):
        raw["Schema"] = unquoted(found.group("schema"))
    raw["Alias"] = unquoted(found.group("alias") or found.group("name"))


def target_table(text: str) -> dict[str, Any]:
    """`public.events_1 e` of `Update on …` below a ModifyTable as a Target Tables item."""
    raw: dict[str, Any] = {}
    _target(text, "Relation Name", raw)
    return raw


def looks_like_node(name: str) -> bool:
    """Whether a line without costs can be a plan's first: its words are a node type's."""
    raw = describe(name)
    return raw["Node Type"] in _KNOWN or raw["Node Type"] in NODE_TYPES


def figures(found: re.Match[str]) -> dict[str, Any]:
    """Costs, estimates and actual figures of a node line."""
    raw: dict[str, Any] = {}
    if found.group("cost"):
        raw["Startup Cost"] = number(found.group("startup"))
        raw["Total Cost"] = number(found.group("total"))
        raw["Plan Rows"] = number(found.group("rows"))
        raw["Plan Width"] = int(found.group("width")[:18])
    if found.group("never"):
        raw |= {"Actual Rows": 0, "Actual Loops": 0}
    elif found.group("actual"):
        raw |= actual_figures(found)
    return raw


def actual_figures(found: re.Match[str]) -> dict[str, Any]:
    """Times, rows and loops of a node's or a worker's line."""
    raw: dict[str, Any] = {}
    if found.group("first"):
        raw["Actual Startup Time"] = number(found.group("first"))
        raw["Actual Total Time"] = number(found.group("last"))
    raw["Actual Rows"] = number(found.group("real"))
    raw["Actual Loops"] = int(found.group("loops")[:18])
    return raw
