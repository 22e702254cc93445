"""What stands between pgtop and the user's clipboard: multiplexer, SSH, mosh, a display."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pgtop.terminal.probe import Probe

_TMUX_TERM = re.compile(r"tmux|screen-256color\Z")
_SCREEN_TERM = re.compile(r"screen(?!-256color)")
_DEAF_TERM = re.compile(r"(linux|vt\d+|dumb|ansi|xterm-mono)?\Z")
"""Consoles without a clipboard; some print the sequence instead."""

_DEEP = 12
"""Ancestors looked at: shell, sudo, su, tmux, login, sshd."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """Where pgtop runs, as far as its environment and its ancestors tell."""

    term: str
    tmux: bool
    """TMUX is set: a server should answer."""

    screen: bool
    """Inside GNU screen."""

    hidden_tmux: bool
    """tmux is between us and the terminal, but TMUX is not ours (ssh, sudo, another host)."""

    ssh: bool
    mosh: bool
    display: str | None
    """What gives a local graphical clipboard: WAYLAND_DISPLAY, DISPLAY, macOS, Windows."""

    vte: bool = False
    """GNOME Terminal and its kin, which never take a clipboard from a program."""

    promised: bool = False
    """The terminal said that programs may set its clipboard now."""

    @property
    def deaf(self) -> bool:
        """Whether a clipboard sequence would be lost, or printed."""
        return not self.tmux and (bool(_DEAF_TERM.match(self.term)) or self.vte)

    @property
    def line(self) -> str:
        """In a sentence, for `doctor`."""
        parts = [f"TERM={self.term or '(not set)'}"]
        parts += ["tmux"] if self.tmux else ["tmux (its socket not ours)"] * self.hidden_tmux
        parts += ["GNU screen"] * self.screen + ["mosh"] * self.mosh + ["SSH"] * self.ssh
        if self.display:
            parts.append(f"display {self.display}")
        return ", ".join(parts)


def look_around(
    env: Mapping[str, str] = os.environ,
    probe: Probe | None = None,
    ancestors: Callable[[], frozenset[str]] | None = None,
) -> Surroundings:
    """Surroundings by environment, the terminal's answers and the names of our ancestors."""
    probe = probe or Probe()
    names = (ancestors or ancestor_names)()
    term = env.get("TERM", "")
    tmux = bool(env.get("TMUX"))
    under_tmux = probe.in_tmux or any(name.startswith("tmux") for name in names)
    screen = not tmux and (bool(env.get("STY")) or "screen" in names)
    mosh = "mosh-server" in names
    ssh = mosh or "sshd" in names
    ssh = ssh or any(env.get(name) for name in ("SSH_CONNECTION", "SSH_TTY", "SSH_CLIENT"))
    screen = screen or (not tmux and not under_tmux and bool(_SCREEN_TERM.match(term)))
    return Surroundings(
        term=term,
        tmux=tmux,
        screen=screen,
        hidden_tmux=not tmux and not screen and (under_tmux or bool(_TMUX_TERM.match(term))),
        ssh=ssh,
        mosh=mosh,
        display=_display(env),
        vte=bool(env.get("VTE_VERSION")) and not ssh,
        promised=bool(probe.takes_clipboard),
    )


def _display(env: Mapping[str, str]) -> str | None:
    for name in ("WAYLAND_DISPLAY", "DISPLAY"):
        if env.get(name):
            return f"{name}={env[name]}"
    if sys.platform == "darwin":
        return "macOS"
    return "Windows" if sys.platform == "win32" or env.get("WSL_DISTRO_NAME") else None


def ancestor_names(pid: int | None = None) -> frozenset[str]:
    """Names of the processes above `pid` (ours). sudo and su take SSH_* away; these stay."""
    names: set[str] = set()
    at = os.getpid() if pid is None else pid
    for _ in range(_DEEP):
        try:
            stat = Path(f"/proc/{at}/stat").read_text(encoding="utf-8", errors="replace")
        except OSError:
            break
        name, _, rest = stat.partition("(")[2].rpartition(")")
        names.add(re.sub(r"^sshd.*", "sshd", name or stat))
        at = int(rest.split()[1])
        if at <= 1:
            break
    return frozenset(names)
