"""EXPLAIN's vocabulary: node types, keys, and what kind of value each key holds.

From src/backend/commands/explain.c of 13..18 and the keys that 19 adds.
"""

from __future__ import annotations

import re
from typing import Any

NODE_TYPES = (
    "Result|ProjectSet|ModifyTable|Append|Merge Append|Recursive Union|BitmapAnd|BitmapOr"
    "|Nested Loop|Merge Join|Hash Join|Seq Scan|Sample Scan|Gather|Gather Merge|Index Scan"
    "|Index Only Scan|Bitmap Index Scan|Bitmap Heap Scan|Tid Scan|Tid Range Scan|Subquery Scan"
    "|Function Scan|Table Function Scan|Values Scan|CTE Scan|Named Tuplestore Scan"
    "|WorkTable Scan|Foreign Scan|Custom Scan|Materialize|Memoize|Sort|Incremental Sort|Group"
    "|Aggregate|WindowAgg|Unique|SetOp|LockRows|Limit|Hash"
).split("|")

JOIN_TYPES = "Left|Full|Right|Semi|Anti|Right Anti|Right Semi".split("|")

TEXT_KEYS = frozenset(
    """Node Type|Strategy|Partial Mode|Operation|Parent Relationship|Subplan Name
    |Custom Plan Provider|Scan Direction|Index Name|Relation Name|Schema|Alias|Function Name
    |Table Function Name|CTE Name|Tuplestore Name|Join Type|Command|Index Cond|Recheck Cond
    |Order By|Filter|Join Filter|Hash Cond|Merge Cond|TID Cond|One-Time Filter|Run Condition
    |Function Call|Table Function Call|Conflict Filter|Sampling Method|Repeatable Seed
    |Sort Method|Sort Space Type|Cache Key|Cache Mode|Window|Storage|Conflict Resolution
    |Remote SQL|Relations|Foreign File|Query Text|Query Parameters|Trigger Name
    |Constraint Name|Relation|Format|Replaces|Remote Plans""".replace("\n    ", "").split("|")
)
"""Keys whose value is text, even where it looks like a number."""

LIST_KEYS = frozenset(
    "Plans|Triggers|Workers|Target Tables|Output|Sort Key|Presorted Key|Group Key|Grouping Sets"
    "|Group Keys|Hash Keys|Params Evaluated|Sampling Parameters|Conflict Arbiter Indexes"
    "|Sort Methods Used".split("|")
)

BOOL_KEYS = frozenset(
    "Parallel Aware|Async Capable|Inner Unique|Single Copy|Disabled|Inlining|Optimization"
    "|Expressions|Deforming|Parallel Safe".split("|")
)

BUFFER_KEYS = tuple(
    f"{kind} {what} Blocks"
    for kind, whats in (
        ("Shared", ("Hit", "Read", "Dirtied", "Written")),
        ("Local", ("Hit", "Read", "Dirtied", "Written")),
        ("Temp", ("Read", "Written")),
    )
    for what in whats
)
IO_KEYS = tuple(
    f"{kind}I/O {what} Time"
    for kind in ("", "Shared ", "Local ", "Temp ")
    for what in ("Read", "Write")
)
WAL_KEYS = ("WAL Records", "WAL FPI", "WAL Bytes", "WAL Buffers Full", "WAL FPI Bytes")

KEYS = frozenset(
    {*TEXT_KEYS, *LIST_KEYS, *BOOL_KEYS, *BUFFER_KEYS, *IO_KEYS, *WAL_KEYS}
    | set(
        """Planning Time|Execution Time|Query Identifier|Full-sort Groups|Pre-sorted Groups
        |Rows Removed by Filter|Rows Removed by Join Filter|Rows Removed by Index Recheck
        |Rows Removed by Conflict Filter|I/O Count|I/O Waits|Average I/O Size
        |Average I/Os In Progress""".replace("\n        ", "").split("|")
    )
)
"""Keys that the hyphenated tags of the XML form stand for."""

NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?\Z")


def number(text: str) -> int | float:
    """A number as the JSON form would hold it."""
    return int(text) if text.lstrip("-").isdecimal() and len(text) <= 30 else float(text)


def scalar(key: str, text: str) -> Any:
    """A value of the XML, YAML or TEXT form as the JSON form would hold it."""
    if key in TEXT_KEYS:
        return text
    if text in ("true", "false") and (key in BOOL_KEYS or key not in KEYS):
        return text == "true"
    return number(text) if NUMBER.match(text) else text
