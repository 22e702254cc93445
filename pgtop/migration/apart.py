"""Names of new indexes in one tray: two that would have the same name are told apart."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from pgtop.analysis import names
from pgtop.model.tray import Entry

_IDENTIFIER = r'(?:"(?:[^"]|"")+"|[\w$]+)'
_CREATE = re.compile(
    rf"CREATE (?:UNIQUE )?INDEX (?:CONCURRENTLY )?({_IDENTIFIER}) ON (?:ONLY )?"
    rf"((?:{_IDENTIFIER}\.)?{_IDENTIFIER})(?: USING \w+)? \(({_IDENTIFIER})?"
)
_LONGEST = 63
"""Bytes of an identifier (NAMEDATALEN - 1)."""


def apart(entry: Entry, others: Sequence[Entry]) -> Entry:
    """`entry`, its new index called something else where another entry makes one of that name."""
    for other in others:  # the same once more, under the number that it was given
        for name, given in zip(_made(entry), _made(other), strict=False):
            if tuple(_renamed(sql, given, name) for sql in other.remedy.sql) == entry.remedy.sql:
                return replace(entry, remedy=other.remedy)
    taken = {name for other in others if other.key != entry.key for name in _made(other)}
    remedy = entry.remedy
    for name in _made(entry):
        if name not in taken:
            continue
        free = next(f for n in range(2, 1_000) if (f := _numbered(name, n)) not in taken)
        remedy = replace(
            remedy,
            sql=tuple(_renamed(sql, name, free) for sql in remedy.sql),
            undo=tuple(_renamed(sql, name, free) for sql in remedy.undo),
        )
    return replace(entry, remedy=remedy)


def alike(entries: Iterable[Entry]) -> dict[tuple[str, str], list[str]]:
    """(table, first column) -> the new indexes that begin with it, where there are several."""
    found: dict[tuple[str, str], list[str]] = {}
    for entry in entries:
        for sql in entry.remedy.sql:
            if (made := _CREATE.match(sql)) is not None and made[3]:
                found.setdefault((made[2], made[3]), []).append(made[1])
    return {place: several for place, several in found.items() if len(several) > 1}


def _renamed(sql: str, name: str, free: str) -> str:
    return re.sub(rf'(?<![\w$"]){re.escape(name)}(?![\w$"])', lambda _: free, sql)


def _made(entry: Entry) -> list[str]:
    return [made[1] for sql in entry.remedy.sql if (made := _CREATE.match(sql)) is not None]


def _numbered(name: str, number: int) -> str:
    plain = name[1:-1].replace('""', '"') if name.startswith('"') else name
    ending = f"_{number}"
    while len(plain.encode()) + len(ending) > _LONGEST:
        plain = plain[:-1]
    return names.quote(plain + ending)
