"""The terminal's answers and what is copied, without a terminal."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgtop.terminal.clipboard import SCREEN_CHUNK, Clipboard, cleaned, screen_chunks
from pgtop.terminal.probe import Probe, swallow, understood
from pgtop.terminal.surroundings import look_around

KITTY = "\x1b]11;rgb:ffff/ffff/dddd\x1b\\\x1bP>|kitty(0.42)\x1b\\\x1b[?62;52c"

CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def test_all_three_answers() -> None:
    probe = understood(KITTY)
    assert (probe.name, probe.takes_clipboard, probe.light) == ("kitty(0.42)", True, True)
    assert not probe.outstanding


def test_no_answer_is_outstanding_and_promises_nothing() -> None:
    probe = understood("")
    assert probe.outstanding
    assert probe.takes_clipboard is None


def test_what_was_typed_meanwhile_is_kept() -> None:
    assert understood("q" + KITTY[:30]).typed == "q"


@given(st.lists(st.sampled_from(["q", "2", "\x1b[A", "\x1b", "[", "é", "\x1b[<0;1;1M"])), st.data())
def test_late_replies_vanish_and_keys_stay(keys: list[str], data: st.DataObject) -> None:
    before = "".join(keys[: len(keys) // 2])
    after = "".join(keys[len(keys) // 2 :])
    stream = before + KITTY + after
    cut = data.draw(st.integers(len(before), len(before) + len(KITTY)))
    first, held = swallow(stream[:cut])
    second, left = swallow(held + stream[cut:])
    # Cut right after its escape, a reply cannot be told from the Escape key yet.
    if stream[cut - 1 : cut] != "\x1b" and not after.startswith(("[", "]")):
        assert first + second + left == before + after


@given(st.text())
def test_copied_text_has_no_control_character(text: str) -> None:
    clean = cleaned(text)
    assert not CONTROLS.search(clean)
    assert clean == clean.rstrip()
    if text.isprintable():
        assert clean == text.rstrip()


def test_lines_and_tabs_stay() -> None:
    assert cleaned("a\tb\r\n  c\x1b[201~;\n\n") == "a\tb\n  c␛[201~;"


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=3000))
def test_screen_chunks_are_short_and_complete(text: str) -> None:
    parts = re.findall(r"\x1bP(.*?)\x1b\\", screen_chunks(text), re.DOTALL)
    assert "".join(parts).startswith(text[: SCREEN_CHUNK - 10])
    assert all(len(part) <= SCREEN_CHUNK for part in parts)


@pytest.mark.parametrize(
    ("env", "probe", "ancestors", "expected"),
    [
        ({"TERM": "tmux-256color", "TMUX": "/tmp/x,1,0"}, Probe(), set(), "tmux"),
        ({"TERM": "screen", "TMUX": "/tmp/x,1,0", "STY": "1.x"}, Probe(), set(), "tmux"),
        ({"TERM": "screen.xterm-256color", "STY": "1.x"}, Probe(), set(), "GNU screen"),
        ({"TERM": "screen"}, Probe(), set(), "GNU screen"),
        ({"TERM": "screen"}, Probe(name="tmux 3.3a"), set(), "tmux (its socket not ours)"),
        ({"TERM": "screen"}, Probe(), {"tmux: server"}, "tmux (its socket not ours)"),
        ({"TERM": "xterm", "SSH_TTY": "/dev/pts/1"}, Probe(), set(), "SSH"),
        ({"TERM": "xterm"}, Probe(), {"sudo", "sshd"}, "SSH"),
        ({"TERM": "xterm"}, Probe(), {"mosh-server"}, "mosh, SSH"),
        ({"TERM": "xterm", "DISPLAY": ":0"}, Probe(), set(), "display DISPLAY=:0"),
    ],
)
def test_surroundings(
    env: dict[str, str], probe: Probe, ancestors: set[str], expected: str
) -> None:
    found = look_around(env, probe, lambda: frozenset(ancestors))
    assert found.line == f"TERM={env['TERM']}, {expected}"


@dataclass
class Kept:
    path: Path = Path("/kept.sql")
    note: str | None = None


@pytest.mark.parametrize(
    ("size", "mosh", "emitted"),
    [(12_000, True, True), (12_001, True, False), (48_000, False, True), (48_001, False, False),
     (2_000_000, True, False)],
)  # fmt: skip
async def test_texts_that_would_be_cut_are_not_sent(size: int, mosh: bool, emitted: bool) -> None:
    sent: list[str] = []
    around = look_around({"TERM": "xterm"}, Probe(), lambda: frozenset(["mosh-server"] * mosh))
    clipboard = Clipboard(sent.append, around, lambda text, what: Kept(), env={})
    copied = await clipboard.copy("x" * size, "the DDL")
    assert bool(sent) == emitted
    assert copied.sure == ("sent" if emitted else "kept")
    if not emitted:
        assert "Not in a clipboard, only in a file" in copied.message
        assert ("mosh cuts" if mosh else "terminals cut") in copied.message


async def test_no_file_and_no_terminal_is_said_to_be_lost() -> None:
    def refused(text: str, what: str) -> Kept:
        raise OSError("the disk is full")

    around = look_around({"TERM": "linux"}, Probe(), frozenset)
    copied = await Clipboard(lambda s: None, around, refused, env={}).copy("x", "the DDL")
    assert copied.sure == "lost"
    assert copied.message.startswith("NOT copied: the DDL (1 B)")
    assert "No file: the disk is full" in copied.message


async def test_a_home_that_never_answers_does_not_hold_the_copy_up() -> None:
    released = threading.Event()

    def hung(text: str, what: str) -> Kept:
        released.wait(10)
        return Kept()

    sent: list[str] = []
    around = look_around({"TERM": "xterm"}, Probe(), frozenset)
    copied = await Clipboard(sent.append, around, hung, env={}).copy("x", "the DDL")
    released.set()
    assert copied.sure == "sent"
    assert "could not be written in time" in copied.message
