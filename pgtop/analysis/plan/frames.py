"""Takes off what people paste around a plan: psql's frames, quotes, marks, escape sequences."""

from __future__ import annotations

import html
import itertools
import re

from pgtop.analysis.plan.text_lines import fresh

_ANSI = re.compile(r"\x1b(?:\[[0-9;:?<=>]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\^_])")
_RULE = re.compile(
    r"[-+|=─━═│║┌┬┐├┼┤└┴┘╔╦╗╠╬╣╚╩╝╟╢╤╧╪╞╡ ]*(?:[-=─━═]{3,})[-+|=─━═│║┌┬┐├┼┤└┴┘╔╦╗╠╬╣╚╩╝╟╢╤╧╪╞╡ ]*\Z"
)
_RECORD = re.compile(r"[+┌├╔╠|*]?[-─═ ]*(?:\[ RECORD \d+ \]|Record \d+).*\Z")
_COUNT = re.compile(r"\s*\(\d+ [^\d()=]{1,20}\)\s*\Z")
_BARS = "|│║"
_HEAD = "QUERY PLAN"
_MARKS = {".": ".", "…": "…"}


def clean(text: str) -> str:
    """Line ends, byte order mark, escape sequences and hard spaces made plain."""
    text = text.lstrip("\ufeff")
    if "\x1b" in text:
        text = _ANSI.sub("", text)
    return (
        text.replace("\r\n", "\n")
        .replace("\r", "\n")
        .replace("\xa0", " ")
        .replace("\u200b", "")
        .replace("#011", "\t")
    )


def unframe(lines: list[str]) -> list[tuple[int, str]]:
    """(line number from 0, text) of what stood inside the frame, wrapped lines joined."""
    numbered = [(number, line.expandtabs(8)) for number, line in enumerate(lines)]
    if any("<td" in line for line in lines):
        return _of_html(numbered)
    if any(line.startswith("|====") for line in lines):
        numbered = _of_asciidoc(numbered)
    numbered = _without_quotes(numbered)
    numbered = _without_borders(numbered)
    rule = _rule_width(numbered)
    expanded = any(_RECORD.match(line) for _, line in numbered)
    kept = [row for row in numbered if not _is_frame(row[1])]
    if expanded or any(line.startswith((_HEAD + "|", _HEAD + " |")) for _, line in kept):
        kept, rule = _of_expanded(kept), 0
    kept = _rejoined(_without_pluses(kept), rule)
    return _dedented([(number, line.rstrip()) for number, line in kept])


def _dedented(kept: list[tuple[int, str]]) -> list[tuple[int, str]]:
    """The margin of psql's frame taken off, where every line has it."""
    if all(line.startswith(" ") for _, line in kept if line):
        return [(number, line[1:]) for number, line in kept]
    return kept


def _of_html(numbered: list[tuple[int, str]]) -> list[tuple[int, str]]:
    text = "\n".join(line for _, line in numbered)
    cells = re.findall(r"<td[^>]*>(.*?)</td>", text, re.DOTALL)
    whole = "\n".join(
        re.sub(r"<br */?>\n?", "\n", cell)
        for cell in cells
        if not re.match(r"\s*Record \d+\s*\Z", cell)
    )
    return list(enumerate(html.unescape(whole).replace("\xa0", " ").split("\n")))


def _of_asciidoc(numbered: list[tuple[int, str]]) -> list[tuple[int, str]]:
    return [
        (number, line.removeprefix("|").replace("\\|", "|"))
        for number, line in numbered
        if not line.startswith(("|====", "[options", "[cols", "^l|", "<l|", "...."))
    ]


def _without_quotes(numbered: list[tuple[int, str]]) -> list[tuple[int, str]]:
    """pgAdmin and CSV put each line, or the whole, in quotes and double those inside."""
    head = _HEAD + ","
    if any(line.startswith(head) for _, line in numbered):
        numbered = [(number, line.removeprefix(head)) for number, line in numbered]
    quoted = [bool(re.match(r'"[^"]*(?:""[^"]*)*"\s*\Z', line)) for _, line in numbered]
    if not any(quoted) or sum(quoted) * 4 < len(quoted) or _is_json(numbered):
        one = _of_one_cell(numbered)
        if one is not None:
            return one
    if not any(quoted) or _is_json(numbered):
        return numbered
    return [
        (number, line.rstrip()[1:-1].replace('""', '"') if whole else line)
        for (number, line), whole in zip(numbered, quoted, strict=False)
    ]


def _is_json(numbered: list[tuple[int, str]]) -> bool:
    return any('"Node Type"' in line for _, line in numbered)


def _of_one_cell(numbered: list[tuple[int, str]]) -> list[tuple[int, str]] | None:
    """A plan that is one CSV field over many lines: one quote before, one after."""
    start = re.compile(r'"\s*(?:[\[{]|- Plan:|<explain|[A-Z].*\(cost=)')
    first = next((i for i, (_, line) in enumerate(numbered) if start.match(line)), None)
    if first is None or re.match(r'"[^"]*"\s*[:,]', numbered[first][1]):
        return None
    inside = [
        (number, line.replace('""', '"') if index >= first else line)
        for index, (number, line) in enumerate(numbered)
    ]
    number, line = inside[first]
    inside[first] = (number, line[1:])
    for index in range(len(inside) - 1, first, -1):
        number, line = inside[index]
        if line.rstrip().endswith('"'):
            inside[index] = (number, line.rstrip()[:-1])
            break
    return inside


def _without_borders(numbered: list[tuple[int, str]]) -> list[tuple[int, str]]:
    """Bars left and right of every line (border 2), also of a table in Markdown."""
    trimmed = [(number, line.rstrip()) for number, line in numbered]
    inner = [
        line for _, line in trimmed if line and not _RULE.match(line) and line[0] not in "+┌├└╔╠╚╟"
    ]
    framed = [line for line in inner if line[0] in _BARS and line[-1] in _BARS and len(line) > 1]
    if not framed or len(framed) * 2 < len(inner):
        return numbered
    return [
        (number, line[1:-1])
        if len(line) > 1 and line[0] in _BARS and line[-1] in _BARS and not _RULE.match(line)
        else (number, line)
        for number, line in trimmed
    ]


def _rule_width(numbered: list[tuple[int, str]]) -> int:
    """How wide the frame is inside, by the rule below the head."""
    for (_, head), (_, rule) in itertools.pairwise(numbered):
        if head.strip() == _HEAD and _RULE.match(rule):
            return len(rule.strip().strip("+|├┤╠╣╟╢"))
    return 0


def _is_frame(line: str) -> bool:
    body = line.strip()
    if body == _HEAD:
        return True
    if not body:
        return False
    return bool(
        (_RULE.match(body) and len(body) > 3 and "->" not in body)
        or (_RECORD.match(body) and "RECORD" in body)
        or re.match(r"\* Record \d+\Z", body)
        or _COUNT.match(body)
    )


_GOES_ON = "\0"
"""Stands before a line that psql's old-ascii style marked as the rest of the one above."""

_EXPANDED = re.compile(rf" ?(?:{_HEAD}| {{{len(_HEAD)}}}) ?(?P<bar>[{_BARS};:])")
_EXPANDED_BARE = re.compile(rf"{_HEAD}(?= )| {{{len(_HEAD)}}}(?=[ .…])")


def _of_expanded(kept: list[tuple[int, str]]) -> list[tuple[int, str]]:
    """`QUERY PLAN | text` and its continuation lines `           | text`."""
    found: list[tuple[int, str]] = []
    filled = [line for _, line in kept if line.strip()]
    unaligned = [line for line in filled if line[: len(_HEAD) + 1] == _HEAD + "|"]
    if len(unaligned) > 1:  # records have a blank line between them
        kept = [(number, line) for number, line in kept if line.strip()]
    margin = " " if len(unaligned) == len(filled) else ""
    for number, line in kept:
        bar = _EXPANDED.match(line)
        bare = None if bar or unaligned else _EXPANDED_BARE.match(line)
        if bar is not None:
            rest = line[bar.end() :]
            if line[: len(_HEAD) + 1] == _HEAD + bar["bar"]:  # unaligned: no margin
                rest = margin + rest
            found.append((number, _GOES_ON + rest[1:] if bar["bar"] == ";" else rest))
        elif bare is not None:
            found.append((number, line[bare.end() :]))
        else:
            found.append((number, line))
    return found


def _without_pluses(kept: list[tuple[int, str]]) -> list[tuple[int, str]]:
    """psql marks line breaks inside one cell with `+` or `↵` at the right edge."""
    body = [line.rstrip() for _, line in kept if line.strip()]
    body = [line for line in body if line[-1] not in _MARKS]
    marked = sum(line.endswith(("+", "↵")) for line in body)
    if marked < 2 or marked * 2 < len(body):
        return kept
    return [(number, re.sub(r"[+↵]\s*\Z", "", line).rstrip()) for number, line in kept]


def _rejoined(kept: list[tuple[int, str]], rule: int) -> list[tuple[int, str]]:
    """Lines that psql wrapped: `text.` and `.more`, or without marks up to the rule's width."""
    joined: list[tuple[int, list[str]]] = []
    marked, previous = False, ""
    for number, line in kept:
        before = previous.rstrip()
        mark = before[-1:]
        # With border 0 the mark stands right of the frame, and none before what follows.
        bare = bool(rule) and len(before) == rule + 1 and mark in _MARKS
        if joined and line.startswith(_GOES_ON):
            joined[-1][1][-1] = joined[-1][1][-1].rstrip("\n")
            joined[-1][1].append(line[1:])
            marked = True
        elif joined and mark in _MARKS and (bare or line[:1] == mark):
            joined[-1][1][-1] = joined[-1][1][-1].rstrip()[:-1]
            joined[-1][1].append(line if bare else line[1:])
            marked = True
        else:
            joined.append((number, [line]))
        previous = line
    if not marked and rule:
        return _rejoined_blind(kept, rule)
    return [(number, "".join(parts)) for number, parts in joined]


def _rejoined_blind(kept: list[tuple[int, str]], rule: int) -> list[tuple[int, str]]:
    """psql's old-ascii wrapping leaves no mark: what fills the frame goes on below."""
    joined: list[tuple[int, list[str]]] = []
    full = False
    for number, line in kept:
        tail = line[1:] if line[:1] == " " else line
        goes_on = full and bool(tail.strip()) and not fresh(line)
        if goes_on and joined and tail.strip()[0] not in '"{}[]-<':
            before = joined[-1][1]
            width = rule - 1 if len(before) == 1 else rule - 2
            before[-1] = before[-1][:width].ljust(width)
            before.append(tail)
        else:
            joined.append((number, [line]))
        full = len(line) >= rule and len(line.rstrip()) >= rule - 2
    return [(number, "".join(parts)) for number, parts in joined]
