"""`pgtop doctor` in real surroundings."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.terminal.outer import Outer, until
from tests.terminal.test_clipboard import PLAIN_TERMINAL, env, needs, tmux

__all__ = ["env", "tmux"]

DOCTOR = [sys.executable, "-m", "pgtop", "doctor"]


@needs("tmux")
def test_doctor_in_tmux_names_the_options_and_copies(
    tmp_path: Path, env: dict[str, str], tmux: list[str]
) -> None:
    said = tmp_path / "said"
    inside = ["sh", "-c", f"{' '.join(DOCTOR)}; touch {said}; sleep 30"]
    outer = Outer([*tmux, "new-session", *inside], env, answers=PLAIN_TERMINAL)
    until(said.exists, 15)
    pane = subprocess.run(
        [*tmux, "capture-pane", "-pJ"], env=env, capture_output=True, check=True, text=True
    ).stdout
    assert "set-clipboard        external" in pane
    assert "auto: tmux's buffer, read back" in pane
    assert "Copied a test line" in pane
    until(outer.clipboard)
    assert outer.clipboard()[0].startswith(b"-- pgtop ")
    outer.close()


def test_doctor_on_a_console_says_what_helps(env: dict[str, str]) -> None:
    outer = Outer(DOCTOR, {**env, "TERM": "vt220"})
    until(lambda: b"test copy" in outer.arrived and b".sql" in outer.arrived, 15)
    assert b"Not in a clipboard, only in a file" in outer.arrived
    assert b"]52;" not in outer.arrived
    outer.close()


def test_doctor_into_a_pipe_copies_nothing(env: dict[str, str]) -> None:
    ended = subprocess.run(DOCTOR, env=env, capture_output=True, text=True, check=True)
    assert "left out: the output is no terminal" in ended.stdout
    assert "\x1b" not in ended.stdout
