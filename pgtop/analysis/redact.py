"""Masks secrets in statement texts.

pg_stat_statements and pg_stat_activity keep utility statements as they were typed,
passwords included. What is masked here is masked before a text is kept at all.
"""

from __future__ import annotations

import re

MASK = "****"

_STRING = r"(?:[eEuU]&?)?'(?:[^'\\]|''|\\.)*(?:'|\Z)|\$(?P<tag>\w*)\$.*?(?:\$(?P=tag)\$|\Z)"
_PASSWORD_CLAUSE = re.compile(
    rf"(?P<word>\b(?:password|passwd|pwd|secret|secret_key|access_key|api_key|token|passfile"
    rf"|sslpassword)\b[\"']?\s*(?:=>|=|:|,|\bto\b)?\s*)(?:{_STRING})",
    re.IGNORECASE | re.DOTALL,
)
_KEY_VALUE = re.compile(
    r"(?P<word>\b(?:password|sslpassword|passwd|pwd|token|secret)\s*=\s*)(?!\$\d)(?:'[^']*'?|\"[^\"]*\"?|[^\s'\";,)&]+)",
    re.IGNORECASE,
)
_URI = re.compile(
    r"(?P<word>\b[a-z][a-z0-9+.-]*://[^\s:/?#@'\"]*:)(?P<secret>[^\s'\"/]+)(?=@)", re.I
)
_HINTS = re.compile(r"passw|pwd|secret|token|_key|://", re.IGNORECASE)


def mask_passwords(text: str) -> str:
    """`text` with every password in it replaced by `****`.

    Knows `PASSWORD '…'` and its kin in any quoting, `password=…` inside connection
    strings, and `scheme://user:…@host`. A text that was cut off inside the password is
    masked to its end.
    """
    if not _HINTS.search(text):
        return text
    text = _PASSWORD_CLAUSE.sub(rf"\g<word>'{MASK}'", text)
    text = _KEY_VALUE.sub(rf"\g<word>{MASK}", text)
    return _URI.sub(rf"\g<word>{MASK}", text)


_LITERALS = re.compile(
    rf"(?P<string>{_STRING})"
    r"|(?P<comment>--[^\n]*|/\*.*?\*/)|(?P<quoted>\"(?:[^\"]|\"\")*\")|(?P<param>\$\d+)"
    r"|(?P<number>(?<![\w.])\d+(?:\.\d+)?(?:[eE][+-]?\d+)?\b)",
    re.DOTALL,
)


def mask_literals(text: str) -> str:
    """`text` with every constant replaced by `?`: fit for a public channel."""

    def shown(match: re.Match[str]) -> str:
        if match.group("string") or match.group("number"):
            return "?"
        return "" if match.group("comment") else match.group()

    return _LITERALS.sub(shown, mask_passwords(text))
