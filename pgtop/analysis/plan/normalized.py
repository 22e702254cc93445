"""Normalised statement texts: what pg_stat_statements made of them, and how to plan them again.

pg_stat_statements puts `$n` in place of every constant, also where the grammar or the
types want a literal. Each repair answers one SQLSTATE and was tried on 13, 15, 16, 18.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

TYPES_TO_TRY = ("int", "numeric", "timestamptz", "text")
"""For an operator or function that fits several types; the plan's shape is mostly the same."""

_TOKEN = re.compile(
    r"(?P<string>E?'(?:[^'\\]|''|\\.)*')|(?P<dollar>\$(?:[A-Za-z_]\w*)?\$)"
    r'|(?P<quoted>"(?:[^"]|"")*")|(?P<line>--[^\n]*)|(?P<block>/\*)|(?P<param>\$\d+)'
    r"|(?P<semicolon>;)",
    re.DOTALL,
)
_TYPED_LITERAL = re.compile(
    r"\b(?P<type>interval|date|timestamp(?:tz)?|time(?:tz)?)\s+(?P<param>\$\d+)"
    r"(?:\s+(?P<field>(?:year|month|day|hour|minute|second)(?:\s+to\s+\w+)?))?(?!\w)",
    re.IGNORECASE,
)
_EXTRACT = re.compile(r"\bextract\s*\(\s*\$\d+\s+from\b", re.IGNORECASE)
_MINUS = re.compile(
    r"(?P<left>\b(?:now\(\)|current_timestamp|current_date|localtimestamp|clock_timestamp\(\)"
    r"|statement_timestamp\(\)|transaction_timestamp\(\)))\s*(?P<op>[-+])\s*(?P<param>\$\d+)(?!\d|::)",
    re.IGNORECASE,
)
_NULL_TEST = re.compile(r"(\$\d+)(\s+is\s+(?:not\s+)?null)", re.IGNORECASE)
_CURSOR = re.compile(
    r"\s*declare\s+(?:\"(?:[^\"]|\"\")*\"|\w+)\s+(?:[\w ]+?\s+)?cursor\b.*?\bfor\s+",
    re.IGNORECASE | re.DOTALL,
)
_FIRST = re.compile(r"[\s(]*(\w+)")
PLANNED = frozenset({"select", "insert", "update", "delete", "merge", "with", "values", "table"})
READING = frozenset({"select", "with", "values", "table"})


@dataclass(frozen=True, slots=True)
class Repaired:
    """A text made plannable, and the sentence that says how."""

    text: str
    note: str


def masked(text: str) -> str:
    """`text` with strings, quoted names and comments blanked out, of the same length."""
    found, position = [], 0
    while (token := _TOKEN.search(text, position)) is not None:
        end = token.end()
        if token["block"]:
            depth, end = 1, token.end()
            while depth and end < len(text):
                step = re.compile(r"/\*|\*/").search(text, end)
                if step is None:
                    end = len(text)
                    break
                depth += 1 if step.group() == "/*" else -1
                end = step.end()
        elif token["dollar"]:
            closing = text.find(token["dollar"], end)
            end = len(text) if closing < 0 else closing + len(token["dollar"])
        found.append(text[position : token.start()])
        if token["param"] or token["semicolon"]:
            found.append(token.group())
        else:
            found.append(" " * (end - token.start()))
        position = end
    return "".join((*found, text[position:]))


def parameters(text: str) -> tuple[int, ...]:
    """The numbers of the parameters, each once, ascending."""
    return tuple(sorted({int(found[:6]) for found in re.findall(r"\$(\d+)", masked(text))}))


def trimmed(text: str) -> str:
    """Without white space and semicolons at its end; a cursor's own query."""
    text = text.strip()
    while text.endswith(";") and masked(text).endswith(";"):
        text = text[:-1].rstrip()
    cursor = _CURSOR.match(text)
    return text[cursor.end() :] if cursor else text


def first_word(text: str) -> str:
    """`select`, `with`, `set`, … in lower case; comments skipped."""
    found = _FIRST.match(masked(text))
    return found[1].lower() if found else ""


def looks_cut(text: str) -> bool:
    """Whether quotes or brackets are still open at the end."""
    plain = masked(text)
    return plain.count("(") > plain.count(")") or "'" in plain or '"' in plain


def substituted(text: str, values: Mapping[int, str]) -> str:
    """`text` with SQL expressions in place of its parameters; others stay."""
    plain = masked(text)
    parts, position = [], 0
    for found in re.finditer(r"\$(\d+)", plain):
        value = values.get(int(found[1][:6]))
        if value is None:
            continue
        parts += [text[position : found.start()], value]
        position = found.end()
    return "".join((*parts, text[position:]))


def page_values(text: str) -> dict[int, str]:
    """Parameters of LIMIT and OFFSET -> the size of a page, and its beginning."""
    plain = masked(text)
    limits = re.findall(r"\b(?:limit|fetch\s+(?:first|next))\s+\$(\d+)", plain, re.IGNORECASE)
    offsets = re.findall(r"\boffset\s+\$(\d+)", plain, re.IGNORECASE)
    return {int(n[:6]): "50" for n in limits} | {int(n[:6]): "0" for n in offsets}


def notes(text: str) -> tuple[str, ...]:
    """What normalisation hides that a plan depends on."""
    found = []
    if re.search(r"\$\d+ /\*, \.\.\. \*/", text):
        found.append("the IN list's length is not known: it is planned with one element")
    if re.search(r"\b(?:limit|fetch\s+(?:first|next))\s+\$\d+", masked(text), re.IGNORECASE):
        found.append("LIMIT is not known: the planner takes a tenth of the rows")
    return tuple(found)


def repairs(text: str, sqlstate: str, position: int | None) -> Iterator[Repaired]:
    """Texts to try after an error, likeliest first. `position` counts characters from 1."""
    plain = masked(text)
    if sqlstate == "42601":
        yield from _literals(text, plain)
    elif sqlstate == "42883":
        if _MINUS.search(plain):
            yield Repaired(
                _replaced(text, plain, _MINUS, r"\g<left> \g<op> \g<param>::interval"),
                "a difference of times taken as an interval",
            )
        yield from _cast_near(text, plain, position, ("interval", "int", "text"))
    elif sqlstate == "42803":
        yield from _grouped(text, plain)
    elif sqlstate == "42725":
        yield from _cast_near(text, plain, position, TYPES_TO_TRY)
    elif sqlstate in ("42P18", "42P08"):
        changed = _mapped(text, plain, _NULL_TEST, lambda found: f"{found[1]}::text{found[2]}")
        if changed != text:
            yield Repaired(changed, "a parameter that is only tested for NULL taken as text")
        yield from _cast_near(text, plain, position, ("text", "int"))
    elif sqlstate == "42804":
        yield from _cast_near(text, plain, position, ("int", "timestamptz", "numeric", "text"))


def _literals(text: str, plain: str) -> Iterator[Repaired]:
    def as_cast(found: re.Match[str]) -> str:
        if found["field"]:
            return f"cast({found['param']} as {found['type']} {found['field']})"
        return f"{found['param']}::{found['type']}"

    changed = _TYPED_LITERAL.sub(as_cast, plain)
    if changed != plain:
        yield Repaired(_mapped(text, plain, _TYPED_LITERAL, as_cast), "typed literals became casts")
        both = _mapped(text, plain, _TYPED_LITERAL, as_cast)
        if _EXTRACT.search(masked(both)):
            yield Repaired(
                _mapped(both, masked(both), _EXTRACT, lambda _: "extract(epoch from"),
                "the field of extract() is not known: epoch",
            )  # fmt: skip
    elif _EXTRACT.search(plain):
        yield Repaired(
            _mapped(text, plain, _EXTRACT, lambda _: "extract(epoch from"),
            "the field of extract() is not known: epoch",
        )


def _grouped(text: str, plain: str) -> Iterator[Repaired]:
    """`date_trunc($1, x) … GROUP BY date_trunc('day', x)`: GROUP BY still has the literal."""
    grouped = re.search(r"\bgroup\s+by\b", plain, re.IGNORECASE)
    if grouped is None:
        return
    tail = text[grouped.end() :]
    known = {
        name.lower(): value for name, value in re.findall(r"(\w+)\s*\(\s*('(?:[^']|'')*')", tail)
    }

    def literal(found: re.Match[str]) -> str:
        value = known.get(found[1].lower())
        return f"{found[1]}({value}" if value else found.group()

    head = re.sub(r"(\w+)\s*\(\s*\$\d+", literal, text[: grouped.end()])
    if head != text[: grouped.end()]:
        yield Repaired(head + tail, "the literal of GROUP BY's expression stands for its parameter")


def _cast_near(
    text: str, plain: str, position: int | None, types: tuple[str, ...]
) -> Iterator[Repaired]:
    """Casts for the bare parameters next to where the error is, or for all."""
    bare = list(re.finditer(r"\$\d+(?!\d|\s*::)", plain))
    if not bare:
        return
    near = bare
    if position is not None:
        at = position - 1
        call = re.match(r"\w+\s*\(", plain[at:])
        end = _closing(plain, at + call.end()) if call else at
        inside = [m for m in bare if at <= m.start() <= end]
        beside = sorted(bare, key=lambda m: min(abs(m.start() - at), abs(m.end() - at)))
        near = inside or [m for m in beside[:2] if min(abs(m.start() - at), abs(m.end() - at)) < 12]
        near = near or beside[:1]
    for chosen in (near, near[:1]) if len(near) > 1 else (near,):
        for kind in types:
            changed = text
            for found in sorted(chosen, key=lambda m: -m.start()):
                changed = changed[: found.end()] + f"::{kind}" + changed[found.end() :]
            names = ", ".join(sorted({m.group() for m in chosen}))
            yield Repaired(changed, f"{names} taken as {kind}")


def _closing(plain: str, start: int) -> int:
    depth = 1
    for index in range(start, len(plain)):
        depth += {"(": 1, ")": -1}.get(plain[index], 0)
        if not depth:
            return index
    return len(plain)


def _replaced(text: str, plain: str, pattern: re.Pattern[str], template: str) -> str:
    return _mapped(text, plain, pattern, lambda found: found.expand(template))


def _mapped(text: str, plain: str, pattern: re.Pattern[str], change: object) -> str:
    """`pattern` looked for in the masked text, replaced in the real one."""
    assert callable(change)
    parts, position = [], 0
    for found in pattern.finditer(plain):
        parts += [text[position : found.start()], str(change(found))]
        position = found.end()
    return "".join((*parts, text[position:]))


def function_names(text: str) -> tuple[str, ...]:
    """Names that are called, in lower case: candidates, keywords among them."""
    called = re.findall(r"([A-Za-z_][\w$]*)\s*\(", masked(text))
    quoted = re.findall(r'"((?:[^"]|"")+)"\s*\(', text)
    return tuple(sorted({name.lower() for name in called} | set(quoted)))
