"""Reads EXPLAIN (FORMAT TEXT) into the objects of the JSON form."""

from __future__ import annotations

import re
from typing import Any

from pgtop.analysis.plan import text_names
from pgtop.analysis.plan.text_lines import logical
from pgtop.analysis.plan.text_values import read_property, read_trigger, read_worker
from pgtop.analysis.plan.tree import UNREAD

_HEADER = re.compile(r"(InitPlan|SubPlan|CTE) .+\Z", re.DOTALL)
_PROPERTY = re.compile(
    r"(?P<key>[A-Za-z][A-Za-z0-9 /_.-]{0,62}?):(?: +(?P<value>.*))?\Z", re.DOTALL
)
_WORKER = re.compile(r"Worker (\d+): *(.*)\Z", re.DOTALL)
_TARGET = re.compile(r"(?:Foreign )?(?:Insert|Update|Delete|Merge) on (.+)\Z", re.DOTALL)
_OF_QUERY = re.compile(
    r"(?:Planning Time|Planning time|Execution Time|Execution time|Total runtime|Planning|Settings"
    r"|Query Identifier|JIT|Serialization|Trigger .*|Planning Memory):", re.DOTALL
)  # fmt: skip
_MEMBERS = frozenset({"Append", "Merge Append", "BitmapAnd", "BitmapOr"})


class _Open:
    """A node, sub-plan header or group whose lines stand further right than `column`."""

    __slots__ = ("column", "header", "into", "node")

    def __init__(
        self,
        column: int,
        into: dict[str, Any],
        *,
        node: dict[str, Any] | None = None,
        header: str | None = None,
    ) -> None:
        self.column = column
        self.into = into
        """Where properties go."""
        self.node = node
        """The node that children hang below."""
        self.header = header


class _Reader:
    """State while the lines of one text go by."""

    def __init__(self) -> None:
        self.queries: list[dict[str, Any]] = []
        self.query: dict[str, Any] = {}
        self.stack: list[_Open] = []
        self.root_column = 0
        self.preamble: list[str] = []
        self.stopped: int | None = None

    def line(self, number: int, text: str, follows: str) -> None:
        body = text.strip()
        if not body:
            return
        column = len(text) - len(text.lstrip(" "))
        if "Plan" not in self.query:
            self._before_root(column, body)
        elif column <= self.root_column and self._new_root(body):
            self.query = {}
            self._root(column, body)
        elif body.startswith("->"):
            self._child(number, column, body)
        elif column <= self.root_column or _OF_QUERY.match(body):
            self._of_query(column, body)
        elif _HEADER.match(body) and follows.lstrip().startswith("->"):
            self._close(column)
            self.stack.append(_Open(column, {}, node=self._nearest(), header=body))
        else:
            self._property(column, body)

    def _before_root(self, column: int, body: str) -> None:
        found = text_names.NODE.match(body)
        if found is None or not (found.group("cost") or found.group("actual")):
            key = body.partition(":")[0]
            plain = found is not None and not found.group("arrow") and not self.preamble
            if not (plain and text_names.looks_like_node(body)) or key in ("Query Text",):
                self.preamble.append(body)
                return
        self._root(column, body)

    def _new_root(self, body: str) -> bool:
        """A rule rewrote the statement into several: the next plan starts at the margin."""
        if body.startswith("->"):
            return False
        found = text_names.NODE.match(body)
        return found is not None and bool(found.group("cost") or found.group("actual"))

    def _root(self, column: int, body: str) -> None:
        node = _node(body)
        self.root_column = column
        self.query = {"Plan": node}
        self.queries.append(self.query)
        self.stack = [_Open(column, node, node=node)]
        if self.preamble:
            _read_preamble(self.preamble, self.query)
            self.preamble = []

    def _child(self, number: int, column: int, body: str) -> None:
        self._close(column)
        above = self._nearest()
        if above is None:
            self.stopped = number if self.stopped is None else self.stopped
            return
        node = _node(body)
        header = self.stack[-1].header
        siblings = above.setdefault("Plans", [])
        if header is not None:
            node["Parent Relationship"] = "SubPlan" if header.startswith("SubPlan") else "InitPlan"
            node["Subplan Name"] = header
        else:
            node["Parent Relationship"] = _relationship(above, siblings)
        siblings.append(node)
        self.stack.append(_Open(column, node, node=node))

    def _close(self, column: int) -> None:
        while self.stack and self.stack[-1].column >= column:
            self.stack.pop()

    def _nearest(self) -> dict[str, Any] | None:
        return self.stack[-1].node if self.stack else None

    def _of_query(self, column: int, body: str) -> None:
        """A line beside the tree: totals, settings, triggers, JIT."""
        self.stack = [_Open(self.root_column - 1, self.query)]
        if body.startswith("Trigger "):
            trigger = read_trigger(body)
            if trigger is not None:
                self.query.setdefault("Triggers", []).append(trigger)
                return
        self._property(column, body)

    def _property(self, column: int, body: str) -> None:
        self._close(column)
        into = self.stack[-1].into if self.stack else self.query
        worker = _WORKER.match(body)
        target = _TARGET.match(body)
        if worker is not None:
            of_worker = read_worker(into, int(worker.group(1)[:9]))
            self.stack.append(_Open(column, of_worker, node=self._nearest()))
            rest = worker.group(2)
            actual = text_names.ACTUAL.match(rest)
            if actual is not None:
                of_worker |= text_names.actual_figures(actual)
            elif rest:
                self._value(column, rest, of_worker)
        elif target is not None and into.get("Node Type") == "ModifyTable":
            into.setdefault("Target Tables", []).append(text_names.target_table(target.group(1)))
        else:
            self._value(column, body, into)

    def _value(self, column: int, body: str, into: dict[str, Any]) -> None:
        found = _PROPERTY.match(body)
        if found is None:
            into.setdefault(UNREAD, []).append(body)
            return
        key, value = found.group("key"), found.group("value")
        if value is None or not value.strip():
            group: dict[str, Any] = {}
            into[key] = group
            self.stack.append(_Open(column, group, node=self._nearest()))
            return
        opened = read_property(key, value, into)
        if opened is not None:
            self.stack.append(_Open(column, opened, node=self._nearest()))


def _node(body: str) -> dict[str, Any]:
    found = text_names.NODE.match(body)
    assert found is not None  # anything fits its name
    return text_names.describe(found.group("name")) | text_names.figures(found)


def _relationship(above: dict[str, Any], siblings: list[dict[str, Any]]) -> str:
    regular = [
        node for node in siblings if node["Parent Relationship"] not in ("InitPlan", "SubPlan")
    ]
    node_type = above["Node Type"]
    if node_type in _MEMBERS or (node_type == "ModifyTable" and "Target Tables" in above):
        return "Member"
    if node_type == "Subquery Scan":
        return "Subquery"
    if node_type == "Custom Scan":
        return "child" if len(regular) == 0 else "children"
    return "Inner" if regular else "Outer"


def _read_preamble(lines: list[str], query: dict[str, Any]) -> None:
    """What auto_explain writes before the plan."""
    text = "\n".join(lines)
    found = re.search(r"^Query Text: ", text, re.MULTILINE)
    if found is None:
        return
    body = text[found.end() :]
    statement, mark, parameters = body.rpartition("\nQuery Parameters: ")
    query["Query Text"] = statement if mark else body
    if mark:
        query["Query Parameters"] = parameters


def read_text(lines: list[str]) -> tuple[list[dict[str, Any]], int | None, list[str]]:
    """(statements' objects, index of the first line without a place, what led to no plan)."""
    reader = _Reader()
    rows = logical(lines)
    for place, (number, text) in enumerate(rows):
        follows = rows[place + 1][1] if place + 1 < len(rows) else ""
        reader.line(number, text, follows)
    return reader.queries, reader.stopped, reader.preamble
