"""The logical lines of a TEXT plan: wrapped ones joined, string constants kept whole."""

from __future__ import annotations

import itertools
import re

from pgtop.analysis.plan.words import NODE_TYPES

NARROW = 40
"""A window narrower than this wraps every line: what is shorter is not taken as wrapped."""

LONGEST_CONSTANT = 400
"""Lines of one quoted constant: beyond, the quote is taken for a stray one."""

_FRESH = re.compile(
    r" *(?:->|(?:InitPlan|SubPlan|CTE) \S|[A-Z][^:'\"()\[\]=]{0,60}:(?: |$)|Worker \d+: "
    r"|Trigger |(?:Insert|Update|Delete|Merge|Foreign \w+) on )"
)
_STARTS_NODE = re.compile(
    rf" *(?:(?:Parallel|Async|Partial|Finalize|XN) )*(?:{'|'.join(NODE_TYPES)}|\w*Aggregate|Merge "
    r"|Hash |HashSetOp |Update on |Insert on |Delete on ).*\((?:cost=|actual |never executed)"
)


def logical(lines: list[str]) -> list[tuple[int, str]]:
    """(line number from 0, text) of each logical line."""
    width = _window(lines)
    budget = 50_000
    joined: list[tuple[int, str]] = []
    index = 0
    while index < len(lines):
        start, line = index, lines[index]
        index += 1
        if width and not line.lstrip().startswith("Query Text:"):
            line, index = _unwrapped(line, lines, index, width)
        quote = _open_quote(line)
        if quote and budget > 0:
            end, budget = _closed(quote, lines, index, budget)
            if end is not None:
                line = "\n".join((line, *lines[index:end]))
                index = end
        joined.append((start, line))
    return joined


def _window(lines: list[str]) -> int:
    """The width at which a window or a pager cut the lines; 0 where none did."""
    longest = max(map(len, lines), default=0)
    if longest < NARROW:
        return 0
    for line, following in itertools.pairwise(lines):
        # A cut at a space loses the space, so one less is as good.
        if len(line) >= longest - 1 and following.strip() and not fresh(following):
            return longest
    return 0


def _unwrapped(line: str, lines: list[str], index: int, width: int) -> tuple[str, int]:
    """A line and what a window of `width` cut off from it."""
    parts = [line]
    while index < len(lines) and len(lines[index - 1]) >= width - 1:
        tail = lines[index]
        if not tail.strip() or fresh(tail):
            break
        parts.append(" " * (width - len(lines[index - 1])) + tail)
        index += 1
    return "".join(parts), index


def fresh(line: str) -> bool:
    """Whether a line begins something of its own."""
    return bool(_FRESH.match(line) or _STARTS_NODE.match(line))


def _open_quote(text: str) -> str:
    """The quote that is still open at the end: `'`, `"` or nothing."""
    quote = ""
    for found in re.finditer(r"['\"]", text):
        mark = found.group()
        if not quote:
            quote = mark
        elif quote == mark:
            quote = ""
    return quote


def _closed(quote: str, lines: list[str], index: int, budget: int) -> tuple[int | None, int]:
    """The line after the one where all quotes are closed, and what is left of the budget."""
    open_now = quote
    for end in range(index, min(len(lines), index + LONGEST_CONSTANT)):
        budget -= 1
        for found in re.finditer(r"['\"]", lines[end]):
            if not open_now:
                open_now = found.group()
            elif open_now == found.group():
                open_now = ""
        if not open_now:
            return end + 1, budget
        if budget <= 0:
            break
    return None, budget
