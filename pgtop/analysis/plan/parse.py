"""Reads plans from whatever was pasted: the one entrance to this package."""

from __future__ import annotations

import re
from typing import Any

from pgtop.analysis.plan import json_form, text_form
from pgtop.analysis.plan.frames import clean, unframe
from pgtop.analysis.plan.logs import plans_in_log
from pgtop.analysis.plan.tree import build, is_query
from pgtop.analysis.plan.xml_form import read_xml
from pgtop.analysis.plan.yaml_form import read_yaml
from pgtop.model.plan import Plan, PlanError

LARGEST = 32 << 20
"""Characters. A plan of 5,000 nodes with everything is 5 MB."""

_REWRITTEN_AWAY = "Query rewrites to nothing"
_UTILITY = "Utility statements have no plan structure"
_JSON_START = re.compile(
    r"^[ \t]*[\[{]|[\[{](?=\s*(?:\{\s*)?\"(?:Plan|Query Text|QUERY PLAN)\")", re.MULTILINE
)
_YAML_START = re.compile(r"^ *(?:- )?(?:Plan: *$|Query Text: \")", re.MULTILINE)


def parse(text: str) -> tuple[Plan, ...]:
    """Every plan in `text`, at least one. Raises PlanError and nothing else."""
    if len(text) > LARGEST:
        raise PlanError(f"more than {LARGEST >> 20} MB of text")
    text = clean(text)
    if not text.strip():
        raise PlanError("there is nothing to read", 1)
    logged = plans_in_log(text)
    if not logged:
        return _one(text, 0)
    found: list[Plan] = []
    error: PlanError | None = None
    for line, body in logged:
        try:
            found.extend(_one(body, line))
        except PlanError as raised:
            error = error or raised
    if not found and error is not None:
        raise error
    return tuple(found)


def _one(text: str, first_line: int) -> tuple[Plan, ...]:
    if text.lstrip()[:1] in ("[", "{") and not text.rstrip().endswith(("+", ")")):
        value, _, stopped = json_form.read(text, len(text) - len(text.lstrip()))
        queries = [query for query in _queries(value) if "Node Type" in query["Plan"]]
        if queries and stopped is None:
            return tuple(build(query, "json") for query in queries)
    rows = unframe(text.split("\n"))
    lines = [line for _, line in rows]
    numbers = [number + first_line for number, _ in rows]
    body = "\n".join(lines)
    if _REWRITTEN_AWAY in body:
        raise PlanError("the statement has no plan: a rule rewrites it to nothing")
    if _UTILITY in body:
        raise PlanError("the statement has no plan: PostgreSQL plans no utility statements")
    if '"Plan"' in body or '"Node Type"' in body:
        return _json(body, numbers)
    if "<explain" in body:
        return _xml(body, numbers)
    if _YAML_START.search(body):
        return _yaml(lines, numbers)
    if re.match(r"\s*\[\s*\]\s*\Z", body):
        raise PlanError("the statement has no plan: a rule rewrites it to nothing")
    return _text(lines, numbers)


def _line_of(body: str, position: int, numbers: list[int]) -> int:
    """The line of the paste, from 1, in which a character of the unframed text stands."""
    index = body.count("\n", 0, position)
    return numbers[min(index, len(numbers) - 1)] + 1 if numbers else 1


def _json(body: str, numbers: list[int]) -> tuple[Plan, ...]:
    plans: list[Plan] = []
    position, stopped_at = 0, None
    while found := _JSON_START.search(body, position):
        start = found.end() - 1
        value, end, stopped = json_form.read(body, start)
        position = max(end, found.end())
        queries = [query for query in _queries(value) if "Node Type" in query["Plan"]]
        note = None
        if stopped is not None:
            stopped_at = stopped if stopped_at is None else stopped_at
            cut = not body[stopped:].strip()
            line = _line_of(body, stopped, numbers)
            note = f"cut off in line {line}" if cut else f"stopped making sense in line {line}"
        for index, query in enumerate(queries):
            plans.append(build(query, "json", note if index == len(queries) - 1 else None))
        if stopped is not None:
            break
    if plans:
        return tuple(plans)
    if stopped_at is not None:
        raise PlanError(
            "not JSON from here on, and no node before it", _line_of(body, stopped_at, numbers)
        )
    raise PlanError('JSON without a "Plan" that has a "Node Type"', _line_of(body, 0, numbers))


def _queries(value: Any) -> list[dict[str, Any]]:
    """The statements' objects wherever they are: bare, in an array, in rows of a query tool."""
    if is_query(value):
        return [value]
    if isinstance(value, dict):
        if "Node Type" in value:
            return [{"Plan": value}]
        return [query for inner in value.values() for query in _shallow(inner)]
    return _shallow(value)


def _shallow(value: Any) -> list[dict[str, Any]]:
    if is_query(value):
        return [value]
    if not isinstance(value, list):
        return []
    found: list[dict[str, Any]] = []
    for item in value:
        if is_query(item):
            found.append(item)
        elif isinstance(item, dict):
            found.extend(
                query
                for inner in item.values()
                if isinstance(inner, list)
                for query in inner
                if is_query(query)
            )
    return found


def _xml(body: str, numbers: list[int]) -> tuple[Plan, ...]:
    plans: list[Plan] = []
    error: PlanError | None = None
    position = body.find("<explain")
    while position >= 0:
        end = body.find("</explain>", position)
        stop = len(body) if end < 0 else end + len("</explain>")
        line = _line_of(body, position, numbers)
        queries, stopped = read_xml(body[position:stop], line)
        for index, query in enumerate(queries):
            if is_query(query) and "Node Type" in query["Plan"]:
                plans.append(build(query, "xml", stopped if index == len(queries) - 1 else None))
        if stopped and error is None:
            error = PlanError("no XML of EXPLAIN: " + stopped)
        position = body.find("<explain", stop)
    if not plans and error is None and not re.search(r"<Query>\s*\S", body):
        raise PlanError("the statement has no plan: a rule rewrites it to nothing")
    if not plans:
        raise error or PlanError("XML without a Plan", _line_of(body, 0, numbers))
    return tuple(plans)


def _yaml(lines: list[str], numbers: list[int]) -> tuple[Plan, ...]:
    first = next(
        (
            i
            for i, line in enumerate(lines)
            if re.match(r" *(?:- )?(?:Plan:|Query Text:|Plan :)", line)
        ),
        0,
    )
    column = len(lines[first]) - len(lines[first].lstrip())
    kept = [line[column:] if not line[:column].strip() else line for line in lines[first:]]
    found, stopped = read_yaml(kept, numbers[first] + 1)
    queries = [query for query in found if is_query(query) and "Node Type" in query["Plan"]]
    if not queries:
        raise PlanError(
            "no YAML of EXPLAIN" + (f": {stopped}" if stopped else ""), numbers[first] + 1
        )
    return tuple(
        build(query, "yaml", stopped if index == len(queries) - 1 else None)
        for index, query in enumerate(queries)
    )


def _text(lines: list[str], numbers: list[int]) -> tuple[Plan, ...]:
    queries, stopped, preamble = text_form.read_text(lines)
    if not queries:
        filled = (number for number, text in zip(numbers, lines, strict=False) if text.strip())
        line = next(filled, 0) + 1
        shown = preamble[0][:60] if preamble else ""
        raise PlanError(f"no plan starts here: {shown!r}", line)
    note = None if stopped is None else f"line {numbers[stopped] + 1}: a node without a parent"
    return tuple(
        build(query, "text", note if index == len(queries) - 1 else None)
        for index, query in enumerate(queries)
    )
