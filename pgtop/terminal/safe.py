"""Makes text from a server harmless to a terminal, and visible.

Statement texts, identifiers, comments and messages hold what users of the database
wrote: escape sequences that set the clipboard, bidirectional overrides that reverse a
line, markup. Every such string passes `safe` before it reaches a screen or a file.
"""

from __future__ import annotations

import re

_PICTURES = {code: chr(0x2400 + code) for code in range(32)} | {0x7F: "␡"}
_SPACES = frozenset("\t\n\r\v\f\x85\xa0\u2028\u2029")
_RUNS = re.compile(r"\s+")


def safe(text: str, *, lines: bool = False, ascii_only: bool = False, spaces: bool = False) -> str:
    """`text` with nothing in it that a terminal obeys.

    Controls become pictures (`␛`; `^[` where `ascii_only`), invisible and bidirectional
    characters `<U+202E>`, undecodable bytes `\\xNN`. With `lines`, newlines stay and tabs
    become spaces; otherwise every run of white space is one space, unless `spaces` keeps
    the runs (columns that are already laid out).
    """
    if lines:
        text = text.replace("\r\n", "\n").expandtabs(4)
        return "\n".join(_line(line, ascii_only) for line in text.split("\n"))
    if not spaces and (not text.isprintable() or "  " in text):
        text = _RUNS.sub(" ", text)
    return _line(text, ascii_only)


def _line(text: str, ascii_only: bool) -> str:
    if text.isprintable() and (not ascii_only or text.isascii()):
        return text
    return "".join(_shown(char, ascii_only) for char in text)


def _shown(char: str, ascii_only: bool) -> str:
    if char.isprintable() and (char.isascii() or not ascii_only):
        return char
    code = ord(char)
    if char in _SPACES:
        return " "
    if code in _PICTURES:
        return f"^{chr(code ^ 0x40)}" if ascii_only else _PICTURES[code]
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    return f"<U+{code:04X}>"
