"""The conditions of a node, taken apart: which columns, compared how, with what.

Conditions are printed by ruleutils.c, with parentheses around every operator, so an
expression needs no grammar to be split: only quotes and brackets count.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

Kind = Literal[
    "equal", "in", "range", "null", "not null", "boolean", "like", "ilike", "contains",
    "has", "unequal", "or", "subplan", "other",
]  # fmt: skip

LONGEST = 20_000
"""Characters of a condition that is looked into; beyond, it is `other`."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One of several conditions joined by AND."""

    text: str
    kind: Kind
    column: str | None = None
    """The column it is about, unquoted."""

    alias: str | None = None
    expression: str | None = None
    """What is compared, where that is more than the column: `lower(email)`."""

    cast: str | None = None
    """The type the column is cast to before it is compared."""

    operator: str = ""
    value: str = ""
    constant: bool = False
    """Whether the other side is a literal: no parameter, no column."""

    parts: tuple[tuple[Condition, ...], ...] = ()
    """Of an OR: its branches."""


_IDENTIFIER = r'(?:"(?:[^"]|"")+"|[^\W\d][\w$]*)'
_COLUMN = re.compile(rf"(?:(?P<alias>{_IDENTIFIER})\.)?(?P<name>{_IDENTIFIER})\Z")
_CAST = re.compile(r"::([a-z_\"][\w \".]*(?:\([\d,]+\))?(?: with(?:out)? time zone)?(?:\[\])?)\Z")
_FUNCTION = re.compile(rf"(?:{_IDENTIFIER}\.)?(?P<name>[a-z_][\w$]*)\(")
_OPERATORS = re.compile(
    r" (?P<any>(?:=|<>|~~|~~\*) (?:ANY|ALL)) |"
    r" (?P<op>=|<>|<=|>=|<|>|!~~\*|!~~|~~\*|~~|@>|<@|&&|\?\||\?&|\?|~\*|~|@@|%|->>|->) "
    r"|(?P<null> IS (?:NOT )?NULL)\Z"
)
_KINDS: dict[str, Kind] = {
    "=": "equal", "<": "range", ">": "range", "<=": "range", ">=": "range", "<>": "unequal",
    "~~": "like", "~~*": "ilike", "@>": "contains", "<@": "contains", "&&": "contains",
    "?": "has", "?|": "has", "?&": "has", "@@": "contains",
}  # fmt: skip
_MIRRORED = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}
_LITERAL = re.compile(
    r"(?:'(?:[^']|'')*'|E'(?:[^'\\]|''|\\.)*'|-?\d+(?:\.\d+)?|true|false|NULL)"
    r"(?:::[a-z_\"][\w \".]*(?:\([\d,]+\))?(?:\[\])?)*\Z",
    re.DOTALL,
)
_WORDS = frozenset({"true", "false", "null", "current_date", "current_timestamp", "current_user"})


@lru_cache(maxsize=4_096)
def conditions(text: str) -> tuple[Condition, ...]:
    """What a Filter or Index Cond asks, its ANDs taken apart."""
    if len(text) > LONGEST:
        return (Condition(text, "other"),)
    return tuple(_one(part) for part in _split(_bare(text), " AND "))


def seen_from(condition: Condition, aliases: tuple[str | None, ...]) -> Condition | None:
    """A join's condition with a table's own column on the left; None where it has none there."""
    if condition.alias in aliases and condition.column is not None:
        return condition
    column, alias, expression, cast = _side(condition.value)
    if column is None or alias not in aliases or expression is not None:
        return None
    other = f"{condition.alias}.{condition.column}" if condition.alias else condition.column or ""
    operator = _MIRRORED.get(condition.operator, condition.operator)
    return Condition(condition.text, condition.kind, column, alias, None, cast, operator, other)


def columns(found: tuple[Condition, ...]) -> tuple[str, ...]:
    """The columns that are compared, each once, in order."""
    named = [condition.column for condition in _flat(found) if condition.column]
    return tuple(dict.fromkeys(named))


def _flat(found: tuple[Condition, ...]) -> Iterator[Condition]:
    for condition in found:
        yield condition
        for branch in condition.parts:
            yield from _flat(branch)


def _one(text: str, depth: int = 0) -> Condition:
    bare = _bare(text)
    branches = _split(bare, " OR ")
    if len(branches) > 1 and depth < 5:
        parts = tuple(
            tuple(_one(part, depth + 1) for part in _split(_bare(branch), " AND "))
            for branch in branches
        )
        return Condition(bare, "or", parts=parts)
    if "SubPlan " in bare or ("InitPlan " in bare and " IS " not in bare and not _operator(bare)):
        return Condition(bare, "subplan")
    found = _operator(bare)
    if found is None:
        return _truth(bare)
    left, right = bare[: found.start()], bare[found.end() :]
    if found["null"]:
        kind: Kind = "not null" if "NOT" in found["null"] else "null"
        return _about(bare, kind, left, "", "")
    operator = found["any"] or found["op"]
    if found["any"]:
        kind = "in" if operator == "= ANY" else "other"
        return _about(bare, kind, left, operator, right)
    kind = _KINDS.get(operator, "other")
    if _side(left)[0] is None and _side(right)[0] is not None:
        left, right, operator = right, left, _MIRRORED.get(operator, operator)
    return _about(bare, kind, left, operator, right)


def _about(text: str, kind: Kind, side: str, operator: str, value: str) -> Condition:
    column, alias, expression, cast = _side(side)
    return Condition(
        text=text,
        kind=kind if column is not None else "other",
        column=column,
        alias=alias,
        expression=expression,
        cast=cast,
        operator=operator,
        value=_bare(value),
        constant=bool(_LITERAL.match(_bare(value))) or kind in ("null", "not null"),
    )


def _truth(bare: str) -> Condition:
    """A condition without an operator: `active`, `NOT deleted`."""
    name = bare.removeprefix("NOT ")
    found = _COLUMN.match(name)
    if found is None or found["name"].lower() in _WORDS:
        return Condition(bare, "other")
    return Condition(
        bare, "boolean", _unquoted(found["name"]), _alias(found), constant=True, operator="="
    )


def _side(text: str) -> tuple[str | None, str | None, str | None, str | None]:
    """(column, alias, expression, cast) of one side of an operator; no column: a value."""
    bare, cast = _bare(text), None
    while (found := _CAST.search(bare)) is not None and not bare.startswith("'"):
        cast = found[1]
        inner = bare[: found.start()]
        if not (_wrapped(inner) or _COLUMN.match(inner)):
            break
        bare = _bare(inner)
    column = _COLUMN.match(bare)
    if column is not None and column["name"].lower() not in _WORDS:
        return _unquoted(column["name"]), _alias(column), None, cast
    for name in _inside(bare):
        return name[0], name[1], _bare(text), None
    return None, None, None, None


def _inside(text: str) -> list[tuple[str, str | None]]:
    """Columns inside an expression: words that are no function, type, keyword or literal."""
    found: list[tuple[str, str | None]] = []
    plain = re.sub(r"E?'(?:[^']|'')*'", " ", text)
    plain = re.sub(r"::[a-z_\"][\w \"]*?(?=[)\],]|\s[^a-z]|\Z)", " ", plain)
    for match in re.finditer(rf"(?:({_IDENTIFIER})\.)?({_IDENTIFIER})(?![\w$])(?!\s*\(|\.)", plain):
        alias, name = match[1], match[2]
        if (
            name.lower() in _SQL_WORDS
            or name.isupper()
            or (match.end() < len(plain) and (plain[match.end()] in "("))
        ):
            continue
        found.append((_unquoted(name), _unquoted(alias) if alias else None))
    return found


_SQL_WORDS = _WORDS | frozenset(
    """and or not is in any all case when then else end array row like between with time zone
    without interval at distinct from collate year month day hour minute second""".split()
)


def _operator(text: str) -> re.Match[str] | None:
    """The operator outside all brackets and quotes, the last of them in reading order."""
    outside = _masked(text)
    found = None
    for match in _OPERATORS.finditer(outside):
        if match["op"] in ("->>", "->"):
            continue
        found = match
        break
    return found


def _masked(text: str) -> str:
    """`text` with everything in quotes and brackets as `·`, of the same length."""
    depth, quote, kept = 0, "", []
    for char in text:
        if quote:
            kept.append("·")
            if char == quote:
                quote = ""
        elif char in "'\"":
            quote = char
            kept.append("·")
        elif char in "([":
            depth += 1
            kept.append("·")
        elif char in ")]":
            depth -= 1
            kept.append("·")
        else:
            kept.append(char if depth <= 0 else "·")
    return "".join(kept)


def _split(text: str, joint: str) -> list[str]:
    masked = _masked(text)
    parts, start = [], 0
    while (at := masked.find(joint, start)) >= 0:
        parts.append(text[start:at])
        start = at + len(joint)
    return [*parts, text[start:]]


def _wrapped(text: str) -> bool:
    """Whether one pair of parentheses is around all of it."""
    if not (text.startswith("(") and text.endswith(")")):
        return False
    depth, quote = 0, ""
    for index, char in enumerate(text):
        if quote:
            quote = "" if char == quote else quote
        elif char in "'\"":
            quote = char
        elif char == "(":
            depth += 1
        elif char == ")":
            depth -= 1
            if depth == 0 and index < len(text) - 1:
                return False
    return depth == 0


def _bare(text: str) -> str:
    text = text.strip()
    for _ in range(20):
        if not _wrapped(text):
            break
        text = text[1:-1].strip()
    return text


def _alias(found: re.Match[str]) -> str | None:
    return _unquoted(found["alias"]) if found["alias"] else None


def _unquoted(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name


def function_of(condition: Condition) -> str | None:
    """The function around the column: `lower` of `lower(email)`."""
    if condition.expression is None:
        return None
    found = _FUNCTION.match(_bare(re.sub(_CAST, "", condition.expression)))
    return found["name"] if found else None
