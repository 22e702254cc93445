"""Finds the plans that auto_explain wrote to a log: stderr, syslog, csvlog, jsonlog."""

from __future__ import annotations

import re

from pgtop.analysis.plan import json_form

# "duration: 1.234 ms  plan:" is translated with lc_messages; its shape is not.
_MARK = re.compile(r"[^\s:]+: \d+[.,]\d+ ms  [^\s:]+:[ \t]*$", re.MULTILINE)
_CSV_FIELD = re.compile(r'"([^"]*(?:""[^"]*)*)"')
_SYSLOG = re.compile(r"^.*?\[\d+-\d+\] ?", re.MULTILINE)
_NEXT_ENTRY = re.compile(
    r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d|.*?\b(?:LOG|ERROR|WARNING|FATAL|DETAIL|STATEMENT):  "
)


def plans_in_log(text: str) -> list[tuple[int, str]]:
    """(number of the line it starts in, from 0; text) of each plan; empty where it is no log."""
    if not re.search(r"\d ms  [^\s:]+:", text):
        return []
    return _of_json_log(text) or _of_csv_log(text) or _of_plain_log(text)


def _of_json_log(text: str) -> list[tuple[int, str]]:
    found: list[tuple[int, str]] = []
    for number, line in enumerate(text.split("\n")):
        if not line.lstrip().startswith("{") or '"message"' not in line:
            continue
        value, _, _ = json_form.read(line)
        message = value.get("message") if isinstance(value, dict) else None
        if isinstance(message, str) and (mark := _MARK.search(message)):
            found.append((number, message[mark.end() :].lstrip("\n")))
    return found


def _of_csv_log(text: str) -> list[tuple[int, str]]:
    found: list[tuple[int, str]] = []
    counted, line = 0, 0
    for field in _CSV_FIELD.finditer(text):
        message = field.group(1)
        mark = _MARK.search(message)
        if mark is None or message[: mark.start()].strip():
            continue
        line += text.count("\n", counted, field.start())
        counted = field.start()
        found.append((line, message[mark.end() :].replace('""', '"').lstrip("\n")))
    return found


def _of_plain_log(text: str) -> list[tuple[int, str]]:
    if len(_SYSLOG.findall(text)) * 2 > text.count("\n"):
        text = _SYSLOG.sub("", text)
    lines = text.split("\n")
    found: list[tuple[int, str]] = []
    index = 0
    while index < len(lines):
        if not _MARK.search(lines[index]):
            index += 1
            continue
        start = index = index + 1
        tabbed = index < len(lines) and lines[index].startswith("\t")
        while index < len(lines) and not _ends(lines[index], tabbed):
            index += 1
        body = [line[1:] if line.startswith("\t") else line for line in lines[start:index]]
        found.append((start, "\n".join(body)))
    return found


def _ends(line: str, tabbed: bool) -> bool:
    """Whether the next log entry starts; continuation lines of stderr start with a tab."""
    if tabbed:
        return not line.startswith("\t") and bool(line.strip())
    return bool(_NEXT_ENTRY.match(line) or _MARK.search(line))
