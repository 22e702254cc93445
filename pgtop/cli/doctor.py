"""`pgtop doctor`: the terminal, the clipboard's way out of it, a test copy, and the fix."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence

from pgtop import __version__
from pgtop.config import ConfigError, load
from pgtop.state.copies import keep
from pgtop.state.files import shown
from pgtop.terminal.clipboard import Clipboard, Copied, run
from pgtop.terminal.probe import Probe, probe
from pgtop.terminal.safe import safe
from pgtop.terminal.surroundings import Surroundings, look_around

USAGE = 2

_TMUX_ASKED = (
    ("set-clipboard", ("tmux", "show-options", "-sv", "set-clipboard")),
    ("allow-passthrough", ("tmux", "show-options", "-gwv", "allow-passthrough")),
    ("knows of its terminal", ("tmux", "display-message", "-p", "#{client_termfeatures}")),
)


def main(words: Sequence[str] | None = None) -> int:
    """Print what pgtop sees of the terminal and copy a line; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="pgtop doctor",
        description="What stands between pgtop and your clipboard, and a test copy.",
    )
    parser.add_argument("--no-copy", action="store_true", help="look only, copy nothing")
    options = parser.parse_args(words)
    try:
        backend = load().clipboard
    except ConfigError as error:
        sys.stderr.write(f"pgtop: {error}\n")
        return USAGE
    answers = probe(1.5)
    around = look_around(probe=answers)
    for name, value in (*terminal_lines(answers, around), *asyncio.run(tmux_lines(around))):
        _say(name, value)
    _say("way", f"{backend}: {way(around, backend)}")
    if options.no_copy:
        return 0
    if not sys.stdout.isatty():
        _say("test copy", "left out: the output is no terminal")
        return 0
    copied = asyncio.run(_copy(around, backend))
    _say("test copy", copied.message)
    if copied.sure in ("sent", "promised"):
        _say("now", f"paste somewhere: it should read {_text()!r}")
    for line in fixes(around, copied):
        _say("fix", line)
    return 0 if copied.sure != "lost" else 1


def terminal_lines(answers: Probe, around: Surroundings) -> list[tuple[str, str]]:
    """What the terminal is, by its own words and the environment's."""
    if not answers.asked:
        said = "not asked: no terminal, or one that is known not to answer"
    elif answers.outstanding:
        said = "no answer within 1.5 s"
    else:
        said = f"{answers.name or 'no name'}, attributes {' '.join(answers.attributes or ())}"
    background = {True: "light", False: "dark", None: "not told"}[answers.light]
    takes = "yes, it says so" if answers.takes_clipboard else "not told; many do without telling"
    stderr = sys.__stderr__
    return [
        ("pgtop", f"{__version__}, Python {sys.version.split()[0]}"),
        ("terminal", around.line),
        ("it answers", safe(said)),
        ("background", background),
        ("takes clipboards", takes),
        ("encoding", str(getattr(stderr, "encoding", None))),
    ]


async def tmux_lines(around: Surroundings) -> list[tuple[str, str]]:
    """tmux's version and the options that decide."""
    if not (around.tmux or around.hidden_tmux):
        return []
    version = await run(("tmux", "-V"), b"", os.environ)
    lines = [("tmux", safe(version.out.decode(errors="replace").strip()) or version.why)]
    if around.tmux:
        for name, command in _TMUX_ASKED:
            ended = await run(command, b"", os.environ)
            value = safe(ended.out.decode(errors="replace").strip())
            lines.append((f"tmux {name}", ended.why if ended.status else value or "(empty)"))
    return lines


def way(around: Surroundings, backend: str) -> str:
    """Which rung of the ladder comes first here."""
    if backend != "auto":
        return "as config.toml or PGTOP_CLIPBOARD says"
    if around.tmux:
        return "tmux's buffer, read back; tmux passes it to its terminal"
    if around.screen:
        return "through GNU screen, unconfirmed"
    if around.display and not around.ssh:
        return f"the desktop's clipboard by {around.display}, read back"
    if around.deaf:
        return "a file only; v shows a text full width to select by hand"
    return "the terminal's clipboard sequence (OSC 52)"


def fixes(around: Surroundings, copied: Copied) -> list[str]:
    """One line each that would make it better."""
    lines = []
    if "does not take it from tmux" in copied.message:
        lines.append(
            "in tmux.conf: set -as terminal-features ',*:clipboard', if your terminal takes it"
        )
    if around.hidden_tmux:
        lines.append("in the outer tmux.conf: set -s set-clipboard on")
    if around.tmux and copied.where[:1] != ("tmux",):
        lines.append("tmux's socket is not ours (sudo?): run pgtop as the user who started tmux")
    if "no program for it" in copied.message:
        lines.append("install xclip or wl-clipboard")
    if around.vte:
        lines.append("GNOME Terminal takes no clipboard from programs: use v and the mouse")
    if around.mosh:
        lines.append("mosh passes 12 kB at most; longer texts stay in the file")
    if copied.sure == "lost":
        lines.append("PGTOP_STATE=/a/directory/you/may/write keeps copied texts there")
    return lines


async def _copy(around: Surroundings, backend: str) -> Copied:
    clipboard = Clipboard(_emit, around, keep, backend=backend, shown=shown)
    return await clipboard.copy(_text(), "a test line")


def _text() -> str:
    return f"-- pgtop {__version__} was here"


def _emit(sequence: str) -> None:
    sys.stdout.write(sequence)
    sys.stdout.flush()


def _say(name: str, value: str) -> None:
    sys.stdout.write(f"{name:<26}{value}\n")
