"""Python source, as a person would lay it out; no control character in it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

WIDTH = 88


def text(value: str) -> str:
    """A string literal in double quotes; a long one in pieces is left to the caller."""
    plain = value.isprintable() and '"' not in value and "\\" not in value
    return f'"{value}"' if plain else repr(value)


def call(name: str, arguments: Sequence[str], indent: int) -> list[str]:
    """`name(a, b),` on one line where it fits, else an argument a line. No final comma."""
    pad = " " * indent
    line = f"{pad}{name}({', '.join(arguments)})"
    if len(line) <= WIDTH and "\n" not in line:
        return [line]
    inner = " " * (indent + 4)
    return [f"{pad}{name}(", *(f"{inner}{argument}," for argument in arguments), f"{pad})"]


def listed(values: Iterable[str]) -> str:
    """`["a", "b"]`."""
    return "[" + ", ".join(text(value) for value in values) + "]"


def comment(lines: Iterable[str], indent: int) -> list[str]:
    """Each line behind `# `."""
    return [f"{' ' * indent}# {line}".rstrip() for line in lines]
