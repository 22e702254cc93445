"""The clipboard, wherever the user sits: a ladder of ways, and the truth about each.

A file always; then tmux's own buffer, which can be read back; GNU screen; a local
graphical clipboard, read back too; else the terminal's clipboard sequence (OSC 52),
which nothing acknowledges. The message says where the text is and how sure that is.
"""

from __future__ import annotations

import asyncio
import base64
import os
import re
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from pgtop.terminal.safe import safe
from pgtop.terminal.surroundings import Surroundings, ancestor_names

Sure = Literal["checked", "promised", "sent", "kept", "lost"]
"""Read back and equal; the terminal promised to take it; sent into the dark; only in the
file; nowhere."""

STEP_LIMIT_S = 2.0
"""For each outer program: a dead X forward never answers."""

OSC52_MOST_BYTES = 48_000
"""Above this terminals cut silently: 74,994 base64 characters is the oldest limit in use."""

MOSH_MOST_BYTES = 12_000
"""mosh 1.4 cuts a sequence after 16,384 bytes, that is 12,276 bytes of text."""

WARN_BYTES = 8_000
"""Above this phones and some web terminals cut."""

SCREEN_CHUNK = 240
"""GNU screen's strings hold 256 bytes in old versions, 768 in new ones."""

PAST_TMUX = (
    "past tmux to your terminal; that tmux lets it through only with"
    " `set -s set-clipboard on`, unconfirmed"
)

_TERMINATED = "\x1b\\"


class Kept(Protocol):
    """What keeping a file says."""

    @property
    def path(self) -> Path:
        """Where it is."""
        ...

    @property
    def note(self) -> str | None:
        """Why it is not where it usually would be."""
        ...


@dataclass(frozen=True, slots=True)
class Copied:
    """Where a text went."""

    sure: Sure
    where: tuple[str, ...]
    """`tmux`, `screen`, `display`, `terminal`, `file`: every place it was put."""

    message: str
    """For the screen: one or two sentences, no control characters."""

    path: Path | None = None


@dataclass(frozen=True, slots=True)
class _Step:
    """What one rung did."""

    sure: Sure
    where: str
    words: str


_Rung = Callable[[str], Awaitable["_Step | str"]]


class Clipboard:
    """Copies texts, one after the other. Never raises, never holds the loop.

    `backend` is `auto`, the ladder, or one rung: `tmux`, `osc52`, `pyperclip`, `file`.
    """

    def __init__(
        self,
        write: Callable[[str], None],
        surroundings: Surroundings,
        keep: Callable[[str, str], Kept],
        *,
        backend: str = "auto",
        env: Mapping[str, str] = os.environ,
        shown: Callable[[Path], str] = str,
    ) -> None:
        self._write = write
        self._at = surroundings
        self._keep = keep
        self._backend = backend
        self._env = dict(env)
        self._shown = shown
        self._one = asyncio.Lock()

    async def copy(self, text: str, what: str = "text") -> Copied:
        """Put `text` wherever it can be put; `what` names it in message and file."""
        async with self._one:
            clean = await asyncio.to_thread(cleaned, text)
            path, file_words = await self._file(clean, what)
            step, tried = await self._climb(clean)
        size = len(clean.encode("utf-8", "backslashreplace"))
        head = f"{what} ({_bytes(size)})"
        changed = " Control characters are shown as pictures." if clean != _bare(text) else ""
        if step is None:
            sure: Sure = "kept" if path else "lost"
            verb = "Not in a clipboard, only in a file" if path else "NOT copied"
            why = f" ({'; '.join(tried)})" if tried else ""
            message = f"{verb}: {head}{why}. {file_words}"
            return Copied(sure, ("file",) if path else (), message + changed, path)
        but = f" ({'; '.join(tried)})" if tried else ""
        where = (step.where, *(("file",) if path else ()))
        verb = "Copied" if step.sure in ("checked", "promised") else "Sent"
        return Copied(
            step.sure, where, f"{verb} {head}: {step.words}{but}. {file_words}" + changed, path
        )

    # -- the rungs -----------------------------------------------------------------------

    async def _file(self, text: str, what: str) -> tuple[Path | None, str]:
        """A home on a dead file server must not hold the copy up either."""
        task = asyncio.ensure_future(asyncio.to_thread(self._keep, text, what))
        done, _ = await asyncio.wait({task}, timeout=STEP_LIMIT_S)
        if not done:
            task.add_done_callback(_forget)
            return None, "The file could not be written in time"
        error = task.exception()
        if error is not None:
            return None, f"No file: {safe(str(error))}"
        kept = task.result()
        note = f" ({safe(kept.note)})" if kept.note else ""
        return kept.path, f"File: {safe(self._shown(kept.path))}{note}"

    async def _climb(self, text: str) -> tuple[_Step | None, list[str]]:
        """The first rung that holds, and why those before it did not."""
        tried: list[str] = []
        for rung in self._rungs():
            step = await rung(text)
            if isinstance(step, _Step):
                return step, tried
            tried.append(step)
        return None, tried

    def _rungs(self) -> Sequence[_Rung]:
        at = self._at
        if self._backend == "file":
            return ()
        if self._backend != "auto":
            return ({"tmux": self._tmux, "osc52": self._osc52, "pyperclip": self._display}
                    [self._backend],)  # fmt: skip
        rungs: list[_Rung] = []
        if at.tmux:
            rungs.append(self._tmux)
        elif at.screen:
            return (self._screen,)
        if at.display and not at.ssh:
            rungs.append(self._display)
        rungs.append(self._osc52)
        return rungs

    async def _tmux(self, text: str) -> _Step | str:
        """tmux's buffer, read back; since 3.2 tmux also passes it to its terminal."""
        data = text.encode("utf-8", "backslashreplace")
        old = False
        ended = await run(("tmux", "load-buffer", "-w", "-"), data, self._env)
        if ended.usage:
            old = True
            ended = await run(("tmux", "load-buffer", "-"), data, self._env)
        if ended.status != 0:
            return f"tmux: {ended.why}"
        back = await run(("tmux", "save-buffer", "-"), b"", self._env)
        if back.status != 0 or back.out != data:
            return "tmux: its buffer holds something else"
        words = "in tmux's buffer, checked (paste: prefix ])"
        if old:
            self._write(tmux_passthrough(osc52(text)))
            return _Step("checked", "tmux", words + "; sent to your terminal too, unconfirmed")
        return _Step("checked", "tmux", words + await self._beyond_tmux(len(data)))

    async def _beyond_tmux(self, size: int) -> str:
        asked = ("tmux", "display-message", "-p", "#{client_pid} #{client_termfeatures}")
        pid, _, features = (
            (await run(asked, b"", self._env)).out.decode(errors="replace").partition(" ")
        )
        if "clipboard" not in features:
            return "; your terminal does not take it from tmux (pgtop doctor says how)"
        if pid.isdigit() and "mosh-server" in ancestor_names(int(pid)):
            return "; mosh does not pass it on to your terminal"
        if size > OSC52_MOST_BYTES:
            return "; too long to be sure that your terminal took all of it"
        return "; tmux passed it to your terminal, unconfirmed"

    async def _screen(self, text: str) -> _Step | str:
        refused = self._too_long(text)
        if refused:
            return refused
        self._write(screen_chunks(osc52(text)))
        return _Step("sent", "screen", "through GNU screen to your terminal, unconfirmed")

    async def _display(self, text: str) -> _Step | str:
        """A local desktop's clipboard, by pyperclip in a process of its own, read back."""
        ended = await run(
            (sys.executable, "-c", _PYPERCLIP, *filter(None, sys.path)),
            text.encode("utf-8", "backslashreplace"),
            self._env,
            deaf=True,
        )
        if ended.status == 0:
            return _Step("checked", "display", "in the desktop's clipboard, checked")
        named = self._at.display or "no display"
        why = {
            None: f"no answer within {STEP_LIMIT_S:.0f} s",
            3: "read back, it holds something else",
            4: "no program for it (xclip, xsel, wl-clipboard)",
        }.get(ended.status, "the display cannot be reached")
        return f"{named}: {why}"

    async def _osc52(self, text: str) -> _Step | str:
        at = self._at
        if at.deaf:
            named = "GNOME Terminal and its kin" if at.vte else f"TERM={at.term or '(not set)'}"
            return f"{named} takes no clipboard from a program: v shows the text to select"
        refused = self._too_long(text)
        if refused:
            return refused
        sequence = osc52(text)
        self._write(sequence)
        if at.tmux or at.hidden_tmux:
            self._write(tmux_passthrough(sequence))
            return _Step("sent", "terminal", PAST_TMUX)
        if at.promised:
            return _Step("promised", "terminal", "to your terminal, which takes clipboards")
        long = len(text.encode("utf-8", "backslashreplace")) > WARN_BYTES
        doubt = "; some terminals cut texts of this length" if long else ""
        return _Step("sent", "terminal", f"to your terminal, unconfirmed{doubt}")

    def _too_long(self, text: str) -> str | None:
        size = len(text.encode("utf-8", "backslashreplace"))
        if self._at.mosh and size > MOSH_MOST_BYTES:
            return f"mosh cuts texts over {_bytes(MOSH_MOST_BYTES)}"
        if size > OSC52_MOST_BYTES:
            return f"terminals cut texts over {_bytes(OSC52_MOST_BYTES)}"
        return None


_PYPERCLIP = """\
import sys
sys.path[:] = sys.argv[1:]
import pyperclip
text = sys.stdin.buffer.read().decode()
try:
    copy, paste = pyperclip.determine_clipboard()
    if not copy:
        sys.exit(4)
    copy(text)
    sys.exit(0 if paste() == text else 3)
except pyperclip.PyperclipException:
    sys.exit(5)
"""


@dataclass(frozen=True, slots=True)
class Ended:
    """How an outer program ended; `status` is None where it had to be killed."""

    status: int | None
    out: bytes = b""
    err: bytes = b""

    @property
    def why(self) -> str:
        """Its own last words, harmless."""
        if self.status is None:
            return f"no answer within {STEP_LIMIT_S:.0f} s"
        words = self.err.decode(errors="replace").strip().splitlines()
        return safe(words[-1])[:120] if words else f"status {self.status}"

    @property
    def usage(self) -> bool:
        """Whether it did not know an option."""
        return b"usage" in self.err or b"unknown" in self.err or b"illegal option" in self.err


async def run(
    command: Sequence[str], data: bytes, env: Mapping[str, str], *, deaf: bool = False
) -> Ended:
    """Run `command` on `data`, at most `STEP_LIMIT_S`. `deaf`: it may print nowhere.

    Its own session: what it leaves behind (xclip stays to serve the selection) gets no
    signal of ours, what hangs is killed with all its children.
    """
    pipe, null = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
    try:
        process = await asyncio.create_subprocess_exec(
            *command, stdin=pipe, stdout=null if deaf else pipe, stderr=null if deaf else pipe,
            env=dict(env), start_new_session=True,
        )  # fmt: skip
    except OSError as error:
        return Ended(127, err=f"{command[0]}: {error.strerror}".encode())
    try:
        out, err = await asyncio.wait_for(process.communicate(data), STEP_LIMIT_S)
    except (asyncio.TimeoutError, OSError):
        _kill(process.pid)
        await process.wait()
        return Ended(None)
    except BaseException:
        _kill(process.pid)
        raise
    return Ended(process.returncode, out or b"", err or b"")


def _kill(group: int) -> None:
    try:
        os.killpg(group, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return


def _forget(task: asyncio.Future[Kept]) -> None:
    if not task.cancelled():
        task.exception()


_TRAILING = re.compile(r"\s+\Z")


def cleaned(text: str) -> str:
    """`text` with no control character but newline and tab, and no newline at its end:
    a paste into psql then waits for Enter."""
    lines = _bare(text).split("\n")
    return "\n".join("\t".join(_harmless(part) for part in line.split("\t")) for line in lines)


def _harmless(part: str) -> str:
    return part if part.isprintable() else safe(part, spaces=True)


def _bare(text: str) -> str:
    return _TRAILING.sub("", text.replace("\r\n", "\n"))


def osc52(text: str) -> str:
    """The sequence that sets the clipboard: selection `c`, the only one mosh passes."""
    data = text.encode("utf-8", "backslashreplace")
    return f"\x1b]52;c;{base64.b64encode(data).decode()}\a"


def tmux_passthrough(sequence: str) -> str:
    """Wrapped so that tmux hands it on, where allow-passthrough is on."""
    doubled = sequence.replace("\x1b", "\x1b\x1b")
    return f"\x1bPtmux;{doubled}{_TERMINATED}"


def screen_chunks(sequence: str) -> str:
    """Cut into strings short enough for GNU screen, which hands each on as it is."""
    parts = (sequence[i : i + SCREEN_CHUNK] for i in range(0, len(sequence), SCREEN_CHUNK))
    return "".join(f"\x1bP{part}{_TERMINATED}" for part in parts)


def _bytes(size: int) -> str:
    return f"{size:,} B" if size < 10_000 else f"{size / 1000:,.0f} kB"
