"""What the terminal says of itself, asked before the screen is up.

Three questions in one breath: its background (OSC 11), its name (XTVERSION) and its
attributes (DA1), which every terminal answers and which come last. A reply that arrives
while the screen is up would be typed into it: `Probe.outstanding` says that one may
still come, and `swallow` takes it out of the input.
"""

from __future__ import annotations

import os
import re
import select
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass

LIMIT_S = 0.15
"""A terminal behind a slow line answers later; nobody should wait for it."""

QUESTIONS = b"\x1b]11;?\x1b\\\x1b[>q\x1b[c"

_ATTRIBUTES = re.compile(r"\x1b\[\?([\d;]*)c")
_NAME = re.compile(r"\x1bP>\|([^\x1b\x07]*)(?:\x1b\\|\x07)")
_BACKGROUND = re.compile(
    r"\x1b\]11;rgba?:([0-9a-f]{1,4})/([0-9a-f]{1,4})/([0-9a-f]{1,4})[^\x1b\x07]*(?:\x1b\\|\x07)",
    re.IGNORECASE,
)
_REPLIES = re.compile(
    r"\x1b\[\?[\d;]*c|\x1bP>\|[^\x1b\x07]*(?:\x1b\\|\x07)|\x1b\]11;[^\x1b\x07]*(?:\x1b\\|\x07)"
)
_UNFINISHED = re.compile(
    r"(?:\x1b\[(?:\?[\d;]*)?|\x1bP(?:>(?:\|[^\x1b\x07]*\x1b?)?)?|\x1b\]1?(?:1;?[^\x1b\x07]*\x1b?)?)\Z"
)
REPLY_STARTS = ("[?", "P>", "]11;")
"""What follows the escape of a reply, and of no key."""

_CLIPBOARD = "52"


@dataclass(frozen=True, slots=True)
class Probe:
    """The terminal's answers; None where it gave none."""

    asked: bool = False
    name: str | None = None
    """XTVERSION: `tmux 3.3a`, `XTerm(379)`, `WezTerm 2026…`."""

    attributes: tuple[str, ...] | None = None
    """DA1. 52 among them: programs may set the clipboard, now."""

    light: bool | None = None
    """Whether the background is light."""

    outstanding: bool = False
    """A reply may still come."""

    typed: str = ""
    """What the user typed meanwhile."""

    @property
    def takes_clipboard(self) -> bool | None:
        """True where DA1 promises it. Its absence proves nothing."""
        return True if self.attributes is not None and _CLIPBOARD in self.attributes else None

    @property
    def in_tmux(self) -> bool:
        """Whether tmux answered: also where a shell on another host hides TMUX."""
        return self.name is not None and self.name.startswith("tmux")


def probe(limit_s: float = LIMIT_S, env: Mapping[str, str] = os.environ) -> Probe:
    """Ask, and wait for the answers at most `limit_s`. Never raises; not asked is an answer."""
    if env.get("TERM", "") in ("", "dumb", "linux") or not sys.stdin.isatty():
        return Probe()
    try:
        handle = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY)
    except OSError:
        return Probe()
    try:
        return ask(handle, limit_s)
    except OSError:
        return Probe()
    finally:
        os.close(handle)


def ask(handle: int, limit_s: float = LIMIT_S) -> Probe:
    """Put the questions to an open terminal; its mode is as before afterwards."""
    import termios  # not on every system that has a Python
    import tty

    before = termios.tcgetattr(handle)
    try:
        tty.setraw(handle, termios.TCSANOW)
        os.write(handle, QUESTIONS)
        heard = _listen(handle, limit_s)
    except termios.error as error:
        raise OSError(str(error)) from error
    finally:
        termios.tcsetattr(handle, termios.TCSANOW, before)
    return understood(heard)


def _listen(handle: int, limit_s: float) -> str:
    heard = b""
    deadline = time.monotonic() + limit_s
    while not _ATTRIBUTES.search(heard.decode("latin-1")):
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([handle], [], [], left)[0]:
            break
        part = os.read(handle, 4096)
        if not part:
            break
        heard += part
    return heard.decode("latin-1")


def understood(heard: str) -> Probe:
    """What came back, taken apart."""
    attributes = _ATTRIBUTES.search(heard)
    name = _NAME.search(heard)
    background = _BACKGROUND.search(heard)
    return Probe(
        asked=True,
        name=name.group(1).strip() if name else None,
        attributes=tuple(attributes.group(1).split(";")) if attributes else None,
        light=_is_light(background.groups()) if background else None,
        outstanding=attributes is None,
        typed=_UNFINISHED.sub("", _REPLIES.sub("", heard)),
    )


def _is_light(parts: tuple[str, ...]) -> bool:
    """Rec. 601 luma of the background over a half."""
    red, green, blue = (int(part, 16) / (16 ** len(part) - 1) for part in parts)
    return bool(0.299 * red + 0.587 * green + 0.114 * blue > 0.5)


def swallow(data: str) -> tuple[str, str]:
    """(`data` without replies, the beginning of a reply that is not complete yet).

    Put the second before the next piece of input.
    """
    rest = _REPLIES.sub("", data)
    unfinished = _UNFINISHED.search(rest)
    return (rest, "") if unfinished is None else (rest[: unfinished.start()], unfinished.group())
