"""Statements as people keep them in files, and what UPDATEs set."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from pgtop.analysis.plan.normalized import first_word, masked, parameters, substituted
from pgtop.model.advice import Work, WorkTable

_UPDATE = re.compile(r"\bupdate\b", re.IGNORECASE)
_NAME = re.compile(
    r'(?i:\s*only\b)?\s*((?:"(?:[^"]|"")+"|[\w$]+)(?:\s*\.\s*(?:"(?:[^"]|"")+"|[\w$]+))*)'
)
_SET = re.compile(r"\bset\b", re.IGNORECASE)
_ROW_LOCK = re.compile(
    r"\bfor\s+(?:no\s+key\s+update|update|key\s+share|share)\b(?:\s+of\s+[\w.]+(?:\s*,\s*[\w.]+)*)?"
    r"(?:\s+(?:nowait|skip\s+locked))?",
    re.IGNORECASE,
)
_DELETE = re.compile(r"\s*delete\s+from\b", re.IGNORECASE)
_ENDS = re.compile(r"\b(?:from|where|returning)\b", re.IGNORECASE)
_TARGET = re.compile(r'\s*\(?\s*("(?:[^"]|"")+"|[\w$]+)\s*(?:\[[^\]]*\]|\.[\w$"]+)*\s*[=,)]')


def split(text: str) -> tuple[str, ...]:
    """The statements of a file; semicolons in strings, comments and quotes part nothing."""
    plain, parts, start = masked(text), [], 0
    for found in re.finditer(";", plain):
        parts.append((start, found.start()))
        start = found.end()
    parts.append((start, len(text)))
    return tuple(
        text[begin:end].strip() for begin, end in parts if plain[begin:end].strip(" \t\r\n")
    )


def works_of(name: str, text: str, *, alone: bool) -> tuple[Work, ...]:
    """A file's statements: called like the file where it holds one, else q01, q02, …"""
    found = split(text)
    if alone and len(found) == 1:
        return (Work(name=name, text=found[0]),)
    head = f"{name}." if alone else ""
    return tuple(
        Work(name=f"{head}q{number:02}", text=each) for number, each in enumerate(found, 1)
    )


def updated_columns(
    texts: Iterable[str], tables: Iterable[WorkTable]
) -> Mapping[int, frozenset[str]]:
    """Table -> columns that any of these statements sets; by name, whatever its schema."""
    by_name: dict[str, set[str]] = {}
    for text in texts:
        for name, columns in _updates(text):
            by_name.setdefault(name, set()).update(columns)
    return {
        table.relid: frozenset(by_name[table.name]) for table in tables if table.name in by_name
    }


def _updates(text: str) -> Iterable[tuple[str, frozenset[str]]]:
    """(table's own name, columns set) of each UPDATE and each ON CONFLICT DO UPDATE."""
    if first_word(text) not in ("update", "insert", "with", "merge"):
        return
    plain = _flat(masked(text))
    into = re.search(r"\b(?:insert|merge)\s+into\b", plain, re.IGNORECASE)
    for found in _UPDATE.finditer(plain):
        named = _NAME.match(text, found.end())
        word = named[1].rpartition(".")[2].strip() if named else ""
        if word.lower() == "set" and into is not None:  # ON CONFLICT DO UPDATE SET
            named = _NAME.match(text, into.end())
            at = _SET.search(plain, found.end())
            word = named[1].rpartition(".")[2].strip() if named else ""
        else:
            at = _SET.search(plain, named.end() if named else found.end())
        if at is None:
            continue
        begin = at.end()
        stop = _ENDS.search(plain, begin)
        columns = _set_columns(text, plain, begin, stop.start() if stop else len(plain))
        if word and columns:
            yield _own(word), columns


def _flat(plain: str) -> str:
    """The text with brackets' contents blanked, but for a list of columns `(a, b) =`."""
    depth, kept = 0, []
    for char in plain:
        depth -= char == ")"
        kept.append(" " if depth > 0 else char)
        depth += char == "("
    return "".join(kept)


def _set_columns(text: str, plain: str, begin: int, end: int) -> frozenset[str]:
    found: set[str] = set()
    start = begin
    for place in [*(m.start() for m in re.finditer(",", plain[begin:end])), end - begin]:
        part = text[start : begin + place]
        several = re.match(r"\s*\(([^)]*)\)\s*=", part)
        if several:
            found.update(_own(word.strip()) for word in several[1].split(",") if word.strip())
        else:
            target = _TARGET.match(part)
            if target:
                found.add(_own(target[1]))
        start = begin + place + 1
    return frozenset(found)


def _own(name: str) -> str:
    """As PostgreSQL holds it: folded to lower case unless quoted."""
    return name[1:-1].replace('""', '"') if name.startswith('"') else name.lower()


# -- for a role that may not write ------------------------------------------------------------


def as_reading(text: str) -> str | None:
    """The rows that an UPDATE, a DELETE or a locking SELECT looks for, as a plain SELECT.

    For planning by a role that may not write: the way to the rows is the same. None for
    what is more than that.
    """
    word = first_word(text)
    plain = masked(text)
    cut = "".join(_without(text, plain, _ROW_LOCK))
    if word == "select":
        return _renumbered(cut) if cut != text else None
    flat = _flat(masked(cut))
    if word == "update":
        begin = _UPDATE.search(flat)
        at = _SET.search(flat, begin.end()) if begin else None
        if begin is None or at is None:
            return None
        target, rest = cut[begin.end() : at.start()], at.end()
        others = re.compile(r"\bfrom\b", re.IGNORECASE).search(flat, rest)
    elif word == "delete":
        head = _DELETE.match(flat)
        if head is None:
            return None
        stop = re.compile(r"\b(?:using|where|returning)\b", re.IGNORECASE).search(flat, head.end())
        rest = stop.start() if stop else len(cut)
        target = cut[head.end() : rest]
        others = re.compile(r"\busing\b", re.IGNORECASE).search(flat, rest)
    else:
        return None
    return _renumbered(_selected(cut, flat, target, rest, others.end() if others else None))


def _selected(cut: str, flat: str, target: str, rest: int, others: int | None) -> str:
    returning = re.compile(r"\breturning\b", re.IGNORECASE).search(flat, rest)
    end = returning.start() if returning else len(cut)
    where = re.compile(r"\bwhere\b", re.IGNORECASE).search(flat, rest, end)
    listed = target.strip()
    if others is not None:
        listed += f", {cut[others : where.start() if where else end].strip()}"
    condition = f" {cut[where.start() : end].strip()}" if where else ""
    return " ".join(("SELECT 1 FROM", listed + condition))


def _without(text: str, plain: str, pattern: re.Pattern[str]) -> Iterable[str]:
    start = 0
    for found in pattern.finditer(plain):
        yield text[start : found.start()]
        start = found.end()
    yield text[start:]


def _renumbered(text: str) -> str:
    """Parameters counted from $1 without a gap: of one that is gone no type can be told."""
    left = parameters(text)
    return substituted(text, {old: f"${new}" for new, old in enumerate(left, 1)})
