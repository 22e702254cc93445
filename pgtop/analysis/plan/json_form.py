"""Reads JSON that may be cut off, followed by anything, or thousands of levels deep."""

from __future__ import annotations

import re
from json import decoder
from typing import Any

_TOKEN = re.compile(
    r"[ \t\r\n]*(?:(?P<punctuation>[\[\]{},:])|(?P<string>\")"
    r"|(?P<number>-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)|(?P<word>true|false|null))"
)
_WORDS = {"true": True, "false": False, "null": None}
_scan_string = decoder.scanstring  # type: ignore[attr-defined]  # json's own, in C
_DECODER = decoder.JSONDecoder()
"""Ten times as fast; it raises where the slow way has to look."""

_LONGEST_INT = 30
"""More digits than any counter has; longer numbers are read as float, which costs no time."""


def read(text: str, start: int = 0) -> tuple[Any, int, int | None]:
    """The value at `start`: (value, where it ended, where it stopped making sense or None).

    Never raises: what is open at the first character that does not fit is closed there.
    """
    try:
        value, position = _DECODER.raw_decode(text, start)
    except (ValueError, RecursionError):
        return _read_leniently(text, start)
    return value, position, None


def _read_leniently(text: str, start: int) -> tuple[Any, int, int | None]:
    """The same for what is cut off, followed by anything, too deep, or broken by a window."""
    root: list[Any] = []
    stack: list[Any] = [root]
    keys: list[str | None] = [None]
    position = start
    while True:
        found = _TOKEN.match(text, position)
        if found is None:
            return _value(root), position, position
        token: Any
        if (mark := found.group("punctuation")) is not None:
            position = found.end()
            if mark in "[{":
                opened: Any = [] if mark == "[" else {}
                if not _place(stack, keys, opened):
                    return _value(root), position, position - 1
                stack.append(opened)
                keys.append(None)
            elif mark in "]}":
                if len(stack) == 1 or isinstance(stack[-1], list) != (mark == "]"):
                    return _value(root), position, position - 1
                stack.pop()
                keys.pop()
                if len(stack) == 1:
                    return _value(root), position, None
            continue
        if found.group("string") is not None:
            try:
                token, position = _scan_string(text, found.end(), False)
            except ValueError:
                return _value(root), found.end(), found.end() - 1
            # EXPLAIN escapes line breaks: a bare one comes from a window that was too narrow.
            token = re.sub(r"\n ?", "", token) if "\n" in text[found.end() : position] else token
            if isinstance(stack[-1], dict) and keys[-1] is None:
                keys[-1] = token
                continue
        else:
            token = _scalar(found)
            position = found.end()
        if not _place(stack, keys, token):
            return _value(root), position, found.start()
        if len(stack) == 1:
            return _value(root), position, None


def _scalar(found: re.Match[str]) -> Any:
    number = found.group("number")
    if number is None:
        return _WORDS[found.group("word")]
    whole = number.lstrip("-").isdecimal() and len(number) <= _LONGEST_INT
    return int(number) if whole else float(number)


def _place(stack: list[Any], keys: list[str | None], value: Any) -> bool:
    """Put a value where it belongs; False where there is no place for one."""
    holder = stack[-1]
    if isinstance(holder, list):
        holder.append(value)
        return True
    key = keys[-1]
    if key is None:
        return False
    holder[key] = value
    keys[-1] = None
    return True


def _value(root: list[Any]) -> Any:
    return root[0] if root else None
