"""Which colours: by name, or by what the terminal says of itself."""

from __future__ import annotations

import os

from pgtop.terminal.probe import Probe

THEMES = {"dark": "textual-dark", "light": "textual-light", "ansi": "ansi-dark"}
"""Short names for Textual's."""


def unknown_theme(name: str) -> str | None:
    """Why there is no such theme, with those there are; None if there is."""
    from textual.theme import BUILTIN_THEMES

    known = ("auto", *THEMES, *BUILTIN_THEMES)
    return None if name in known else f"there is no theme {name!r}: {', '.join(sorted(known))}"


def theme_of(name: str, probe: Probe) -> str:
    """Textual's theme for a name of the configuration; `auto` asks the terminal."""
    plain_terminal = os.environ.get("TERM", "") in ("linux", "vt100", "vt220", "xterm", "screen")
    truecolor = os.environ.get("COLORTERM", "") in ("truecolor", "24bit")
    if name == "auto":
        if plain_terminal and not truecolor:
            return "ansi-light" if probe.light else "ansi-dark"
        return "textual-light" if probe.light else "textual-dark"
    return THEMES.get(name, name)
