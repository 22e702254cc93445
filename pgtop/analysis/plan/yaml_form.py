"""Reads EXPLAIN (FORMAT YAML).

Its output is a small part of YAML (explain.c, escape_yaml): one `Key: value` a line,
`- ` before list items, strings quoted as in JSON, and nested lists in brackets.
"""

from __future__ import annotations

import re
from typing import Any

from pgtop.analysis.plan import json_form
from pgtop.analysis.plan.words import LIST_KEYS

_KEY = re.compile(r"(?P<key>[^\s:\"'\[{-][^:\"]*?):(?: +(?P<value>\S.*)|\s*)\Z")


class _Open:
    """A mapping or list that is being filled, and the column of its lines."""

    __slots__ = ("column", "key", "value")

    def __init__(self, column: int, value: Any) -> None:
        self.column = column
        self.value = value
        self.key: str | None = None
        """The key that waits for what is indented below it."""


def read_yaml(lines: list[str], first_line: int = 1) -> tuple[list[Any], str | None]:
    """The document's items, and where it stopped making sense."""
    root = _Open(-1, [])
    stack = [root]
    for offset, line in enumerate(lines):
        body = line.strip()
        if not body or body in ("---", "..."):
            continue
        column = len(line) - len(line.lstrip())
        if not _take(stack, column, body):
            return root.value, f"line {first_line + offset}: {body[:60]!r} is no YAML of EXPLAIN"
    return root.value, None


def _take(stack: list[_Open], column: int, body: str) -> bool:
    """One line; dashes open list items, whose members stand two columns further right."""
    while body.startswith("- "):
        _close(stack, column, list_item=True)
        holder = _list_for(stack, column)
        if holder is None:
            return False
        rest = body[2:].strip()
        if _KEY.match(rest) and not rest.startswith(('"', "[")):
            item: dict[str, Any] = {}
            holder.append(item)
            stack.append(_Open(column + 2, item))
            column, body = column + 2, rest
            continue
        if rest.startswith("- "):
            return False
        holder.append(_scalar(rest))
        return True
    found = _KEY.match(body)
    if found is None:
        return False
    _close(stack, column, list_item=False)
    holder_of = _mapping_for(stack, column)
    if holder_of is None:
        return False
    value = found.group("value")
    key = found.group("key")
    if value is None:
        holder_of.key = key
        holder_of.value[key] = [] if key in LIST_KEYS else {}
    else:
        holder_of.key = None
        holder_of.value[key] = _scalar(value)
    return True


def _close(stack: list[_Open], column: int, *, list_item: bool) -> None:
    """End all that is further right than a line that starts in `column`."""
    while len(stack) > 1:
        top = stack[-1]
        beside = top.column == column
        done_list = beside and isinstance(top.value, list) and not list_item
        done_item = (
            beside
            and isinstance(top.value, dict)
            and list_item
            and (top.key is None or bool(top.value.get(top.key)))
        )
        if top.column <= column and not done_list and not done_item:
            return
        stack.pop()


def _list_for(stack: list[_Open], column: int) -> list[Any] | None:
    top = stack[-1]
    if isinstance(top.value, list):
        values: list[Any] = top.value
        return values
    if top.key is None:
        return None
    opened: list[Any] = []
    top.value[top.key] = opened
    stack.append(_Open(column, opened))
    return opened


def _mapping_for(stack: list[_Open], column: int) -> _Open | None:
    top = stack[-1]
    if isinstance(top.value, dict) and top.column == column:
        return top
    if isinstance(top.value, dict) and top.key is not None and column > top.column:
        opened: dict[str, Any] = {}
        top.value[top.key] = opened
        stack.append(_Open(column, opened))
        return stack[-1]
    if len(stack) == 1:
        item: dict[str, Any] = {}
        top.value.append(item)
        stack.append(_Open(column, item))
        return stack[-1]
    return None


def _scalar(text: str) -> Any:
    value, _, stopped = json_form.read(text)
    return text if stopped is not None else value
