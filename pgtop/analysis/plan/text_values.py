"""The property lines of a TEXT plan: what each stands for in the JSON form.

From src/backend/commands/explain.c of 13..18 and what 19 adds.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from pgtop.analysis.plan.words import BOOL_KEYS, LIST_KEYS, number, scalar

Into = dict[str, Any]

_PAIR = re.compile(r"([a-z][a-z ]*?)=(-?\d+(?:\.\d+)?)")
_SIZED = re.compile(r"([A-Z][A-Za-z]*(?: [A-Z][a-z]+)*): (\d+)(?:kB)?(?: \(originally (\d+)\))?")
_TIME = re.compile(r"(\w+) (\d+(?:\.\d+)?) ms(?: \(Deform (\d+(?:\.\d+)?) ms\))?")


def items(text: str) -> list[str]:
    """A printed list, split at its own commas: not at those in brackets or quotes."""
    found: list[str] = []
    depth, start, quote = 0, 0, ""
    for mark in re.finditer(r"['\"()\[\],]", text):
        char = mark.group()
        if quote:
            quote = "" if char == quote else quote
        elif char in "'\"":
            quote = char
        elif char in "([":
            depth += 1
        elif char in ")]":
            depth -= 1
        elif depth <= 0:
            found.append(text[start : mark.start()].strip())
            start = mark.end()
    return [*found, text[start:].strip()]


def _buffers(value: str, into: Into) -> None:
    for scope in value.split(","):
        kind, _, rest = scope.strip().partition(" ")
        for what, amount in _PAIR.findall(rest):
            into[f"{kind.capitalize()} {what.strip().capitalize()} Blocks"] = number(amount)


def _io(value: str, into: Into) -> None:
    for scope in value.split(","):
        kind, _, rest = scope.strip().partition(" ")
        if "=" in kind:
            kind, rest = "", scope
        prefix = "" if kind in ("", "shared/local") else kind.capitalize() + " "
        for what, amount in _PAIR.findall(rest):
            into[f"{prefix}I/O {what.strip().capitalize()} Time"] = number(amount)


def _named(names: dict[str, str]) -> Callable[[str, Into], None]:
    def read(value: str, into: Into) -> None:
        for what, amount in _PAIR.findall(value):
            what = what.strip()
            into[names.get(what, what.title())] = number(amount)

    return read


def _sort(value: str, into: Into) -> None:
    method, _, rest = value.partition("  ")
    into["Sort Method"] = method
    kind, _, used = rest.strip().partition(": ")
    if used.removesuffix("kB").isdecimal():
        into["Sort Space Used"] = number(used.removesuffix("kB"))
        into["Sort Space Type"] = kind


def _sizes(line: str, into: Into, names: dict[str, str]) -> None:
    for what, amount, original in _SIZED.findall(line):
        key = names.get(what, what)
        into[key] = number(amount)
        if key in ("Hash Buckets", "Hash Batches"):
            into["Original " + key] = number(original or amount)


_HASH = {"Buckets": "Hash Buckets", "Batches": "Hash Batches", "Memory Usage": "Peak Memory Usage"}
_HASH_AGGREGATE = {"Batches": "HashAgg Batches", "Memory Usage": "Peak Memory Usage"}
_CACHE = {
    "Hits": "Cache Hits",
    "Misses": "Cache Misses",
    "Evictions": "Cache Evictions",
    "Overflows": "Cache Overflows",
    "Memory Usage": "Peak Memory Usage",
}


def _storage(value: str, into: Into) -> None:
    kind, _, rest = value.partition("  Maximum Storage: ")
    into["Storage"] = kind
    if rest.removesuffix("kB").isdecimal():
        into["Maximum Storage"] = number(rest.removesuffix("kB"))


_GROUPS = re.compile(
    r"(?P<count>\d+)  Sort Methods?: (?P<methods>.+?)(?=  Average |\Z)"
    r"(?P<spaces>(?:  Average \w+: \d+kB  Peak \w+: \d+kB)*)\Z"
)
_SPACE = re.compile(r"Average (\w+): (\d+)kB  Peak \w+: (\d+)kB")


def _sort_groups(key: str, value: str, into: Into) -> None:
    found = _GROUPS.match(value)
    if found is None:
        into[key] = value
        return
    groups: Into = {
        "Group Count": number(found.group("count")),
        "Sort Methods Used": found.group("methods").split(", "),
    }
    for kind, average, peak in _SPACE.findall(found.group("spaces")):
        groups[f"Sort Space {kind}"] = {
            "Average Sort Space Used": number(average),
            "Peak Sort Space Used": number(peak),
        }
    into[key] = groups


_SAMPLING = re.compile(r"(?P<method>\S+) \((?P<rest>.*)\Z", re.DOTALL)


def _sampling(value: str, into: Into) -> None:
    found = _SAMPLING.match(value)
    if found is None:
        into["Sampling Method"] = value
        return
    arguments, repeatable, seed = found.group("rest").rpartition(") REPEATABLE (")
    if not repeatable:
        arguments, seed = found.group("rest").removesuffix(")"), ""
    into["Sampling Method"] = found.group("method")
    into["Sampling Parameters"] = items(arguments)
    if repeatable:
        into["Repeatable Seed"] = seed.removesuffix(")")


def _settings(value: str, into: Into) -> None:
    into["Settings"] = {
        name: setting.replace("''", "'")
        for name, setting in re.findall(r"([\w.]+) = '((?:[^']|'')*)'", value)
    }


def _options(value: str, into: Into) -> None:
    into["Options"] = {
        name: word == "true" for name, word in re.findall(r"(\w+) (true|false)", value)
    }


def _timing(value: str, into: Into) -> None:
    timing: Into = {}
    for name, amount, deform in _TIME.findall(value):
        timing[name] = (
            {"Deform": number(deform), "Total": number(amount)} if deform else number(amount)
        )
    into["Timing"] = timing


def _milliseconds(key: str) -> Callable[[str, Into], None]:
    def read(value: str, into: Into) -> None:
        into[key] = scalar(key, value.removesuffix(" ms"))

    return read


def _group_key(kind: str) -> Callable[[str, Into], None]:
    """Several Group Key or Hash Key lines are the sets of GROUPING SETS."""

    def read(value: str, into: Into) -> None:
        keys = [] if value == "()" else items(value)
        sets: list[Into] | None = into.get("Grouping Sets")
        if sets is None and kind == "Group Key" and keys and "Group Key" not in into:
            into["Group Key"] = keys
            return
        if sets is None:
            sets = into["Grouping Sets"] = []
            if "Group Key" in into:
                sets.append({"Group Keys": [into.pop("Group Key")]})
        plural = kind + "s"
        if not sets or plural == "Hash Keys" or plural not in sets[-1]:
            if not (sets and plural == "Group Keys" and "Sort Key" in sets[-1]):
                sets.append({})
            sets[-1].setdefault(plural, [])
        sets[-1][plural].append(keys)

    return read


def _sort_key(value: str, into: Into) -> None:
    if into.get("Node Type") == "Aggregate":
        sets = into.setdefault("Grouping Sets", [])
        if "Group Key" in into:
            sets.append({"Group Keys": [into.pop("Group Key")]})
        sets.append({"Sort Key": items(value)})
    else:
        into["Sort Key"] = items(value)


_READERS: dict[str, Callable[[str, Into], None]] = {
    "Buffers": _buffers,
    "I/O Timings": _io,
    "WAL": _named({
        "records": "WAL Records", "fpi": "WAL FPI", "bytes": "WAL Bytes",
        "buffers full": "WAL Buffers Full", "fpi bytes": "WAL FPI Bytes",
    }),
    "Heap Blocks": _named({"exact": "Exact Heap Blocks", "lossy": "Lossy Heap Blocks"}),
    "Tuples": _named({
        "inserted": "Tuples Inserted", "updated": "Tuples Updated",
        "deleted": "Tuples Deleted", "skipped": "Tuples Skipped",
    }),
    "Prefetch": _named({
        "avg": "Average Prefetch Distance", "max": "Max Prefetch Distance",
        "capacity": "Prefetch Capacity",
    }),
    "I/O": _named({
        "count": "I/O Count", "waits": "I/O Waits", "size": "Average I/O Size",
        "inprogress": "Average I/Os In Progress",
    }),
    "Estimates": _named({
        "capacity": "Estimated Capacity", "distinct keys": "Estimated Distinct Lookup Keys",
        "lookups": "Estimated Lookups", "hit percent": "Estimated Hit Percent",
    }),
    "Sort Method": _sort,
    "Storage": _storage,
    "Sampling": _sampling,
    "Settings": _settings,
    "Options": _options,
    "Timing": _timing,
    "Planning Time": _milliseconds("Planning Time"),
    "Planning time": _milliseconds("Planning Time"),
    "Execution Time": _milliseconds("Execution Time"),
    "Execution time": _milliseconds("Execution Time"),
    "Total runtime": _milliseconds("Execution Time"),
    "Group Key": _group_key("Group Key"),
    "Hash Key": _group_key("Hash Key"),
    "Sort Key": _sort_key,
}  # fmt: skip
_MEMORY = re.compile(r"(\w+)=(\d+)kB")
_SERIALIZATION = re.compile(
    r"(?:time=(?P<time>\d+(?:\.\d+)?) ms {1,2})?output=(?P<kb>\d+)kB {1,2}format=(?P<format>\w+)"
)


def read_property(key: str, value: str, into: Into) -> Into | None:
    """Put one `key: value` into a node; a group that the next lines may belong to, or None."""
    if key in _READERS:
        _READERS[key](value, into)
    elif key in ("Full-sort Groups", "Pre-sorted Groups"):
        _sort_groups(key, value, into)
    elif key == "Buckets":
        _sizes(f"{key}: {value}", into, _HASH)
    elif key in ("Batches", "Planned Partitions"):
        _sizes(f"{key}: {value}", into, _HASH_AGGREGATE)
    elif key == "Hits":
        _sizes(f"{key}: {value}", into, _CACHE)
    elif key == "Memory":
        for what, amount in _MEMORY.findall(value):
            into["Memory " + what.capitalize()] = number(amount)
    elif key == "Serialization":
        found = _SERIALIZATION.match(value)
        group: Into = {}
        into[key] = group
        if found is not None:
            if found.group("time"):
                group["Time"] = number(found.group("time"))
            group["Output Volume"] = number(found.group("kb"))
            group["Format"] = found.group("format")
        return group
    elif key in LIST_KEYS:
        into[key] = items(value)
    elif key in BOOL_KEYS:
        into[key] = value == "true"
    else:
        into[key] = scalar(key, value)
    return None


def read_worker(into: Into, worker_number: int) -> Into:
    """The object of one worker of a node, new or already begun."""
    workers: list[Into] = into.setdefault("Workers", [])
    for worker in workers:
        if worker["Worker Number"] == worker_number:
            return worker
    workers.append({"Worker Number": worker_number})
    return workers[-1]


def read_trigger(body: str) -> Into | None:
    """`Trigger for constraint c on t: time=1.5 calls=3`; None where it is not one.

    A constraint's trigger is named only with VERBOSE, the table only where several were
    written to. Read from the right: names may hold anything.
    """
    head, _, tail = body.rpartition(":")
    found = re.match(r"(?: time=(\d+(?:\.\d+)?))? calls=(\d+)(?:\.0+)?\Z", tail)
    if found is None or not head:
        return None
    trigger: Into = {}
    name = head[len("Trigger ") :]
    if name.startswith("for constraint "):
        trigger["Constraint Name"] = name[len("for constraint ") :]
    else:
        first, constraint, second = name.partition(" for constraint ")
        trigger["Trigger Name"] = first
        if constraint:
            trigger["Constraint Name"] = second
    last = "Constraint Name" if "Constraint Name" in trigger else "Trigger Name"
    kept, on, relation = trigger[last].rpartition(" on ")
    if on:
        trigger[last], trigger["Relation"] = kept, relation
    if found.group(1):
        trigger["Time"] = number(found.group(1))
    trigger["Calls"] = number(found.group(2))
    return trigger
