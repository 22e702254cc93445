"""A defect's report: where it happened, and nothing that the program was holding.

No values of variables, no text of a statement, no connection string: the report can be
attached to a public issue as it is.
"""

from __future__ import annotations

import os
import platform
import sys
import time
import traceback
from collections.abc import Iterator
from importlib import metadata

from pgtop import __version__
from pgtop.state.files import NowhereToWrite, shown, write

DIRECTORY = "crashes"

LIBRARIES = ("textual", "psycopg", "psycopg-binary", "rich", "pyperclip")

_ABOUT_CODE = (TypeError, AttributeError, NameError, ImportError, RecursionError)
"""Exceptions whose message names types and attributes. Others may quote data: a KeyError
holds the key, a ValueError the value, a database's error the row."""

_DEEPEST = 8
"""Causes followed."""


def write_report(error: BaseException, *, doing: str = "", server: str = "") -> str:
    """Keep the report of `error`, 0600; its path, or why there is none.

    `doing` is the last action by its name in the program, `server` its version.
    """
    moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    try:
        written = write(f"{DIRECTORY}/{moment}-{os.getpid()}.txt", report(error, doing, server))
    except NowhereToWrite as refused:
        return f"(not written: {refused})"
    return shown(written.path)


def report(error: BaseException, doing: str = "", server: str = "") -> str:
    """The report's text."""
    head = [
        f"pgtop {__version__}",
        f"Python {platform.python_version()} on {sys.platform} {platform.machine()}",
        ", ".join(f"{name} {_version(name)}" for name in LIBRARIES),
        f"TERM={os.environ.get('TERM', '')} TMUX={'yes' if os.environ.get('TMUX') else 'no'}"
        f" SSH={'yes' if os.environ.get('SSH_CONNECTION') else 'no'}",
    ]
    if server:
        head.append(f"PostgreSQL {server}")
    if doing:
        head.append(f"doing {doing}")
    return "\n".join([*head, "", *_chain(error)]) + "\n"


def _chain(error: BaseException | None) -> Iterator[str]:
    """The error and its causes, the first cause last."""
    for depth in range(_DEEPEST):
        if error is None:
            return
        yield ("caused by " if depth else "") + _named(error)
        for frame in traceback.extract_tb(error.__traceback__):
            yield f"  {_short(frame.filename)}:{frame.lineno} in {frame.name}"
            if frame.line and "site-packages" not in frame.filename:
                yield f"    {frame.line}"
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _named(error: BaseException) -> str:
    name = f"{type(error).__module__}.{type(error).__qualname__}".removeprefix("builtins.")
    state = getattr(error, "sqlstate", None)
    if isinstance(state, str):
        return f"{name} (SQLSTATE {state})"
    if isinstance(error, _ABOUT_CODE) and not isinstance(error, UnicodeError):
        return f"{name}: {error}"
    return f"{name} (its message may hold data and is left out)"


def _short(filename: str) -> str:
    """Without the user's directories."""
    for mark in ("site-packages/", "/pgtop/"):
        _, found, after = filename.rpartition(mark)
        if found:
            return ("pgtop/" if mark == "/pgtop/" else "") + after
    return os.path.basename(filename)


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "absent"
