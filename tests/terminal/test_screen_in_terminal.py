"""The screen in a terminal: late replies are no keys, and copies come in order with frames."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import pytest

from tests.terminal.outer import Outer, until
from tests.terminal.test_clipboard import DA1, env

__all__ = ["env"]

SCREEN = str(Path(__file__).with_name("screen.py"))
REPLY = b"\x1b]11;rgb:ffff/ffff/ffff\x1b\\\x1bP>|slow(1)\x1b\\\x1b[?62;22c"


@pytest.mark.parametrize("delay_s", [0.0, 0.6], ids=["in time", "late"])
def test_replies_are_no_keys_and_the_copy_arrives(
    tmp_path: Path, env: dict[str, str], delay_s: float
) -> None:
    target = tmp_path / "told"
    outer = Outer([sys.executable, SCREEN, str(target)], env, answers={DA1: REPLY}, delay_s=delay_s)
    until(lambda: outer.clipboard(), 15)
    until(lambda: b"\x1b[?1049h" in outer.arrived)
    # Split where a slow line would split it, then two real keys.
    if delay_s:
        for part in (b"\x1b[?6", b"2;22", b"c", b"\x1b", b"[?62", b"c"):
            outer.type(part)
            time.sleep(0.2)
    outer.type(b"z")
    time.sleep(0.2)
    outer.type(b"q")
    until(target.exists)
    told = json.loads(target.read_text())
    assert told["outstanding"] == bool(delay_s)
    assert told["keys"] == (["escape"] if delay_s else []) + ["z", "q"]
    assert outer.clipboard() == ["CREATE INDEX ☃ ON t (c);".encode()]
    assert told["sure"] == "sent"
    assert "File: ~/.local/state/pgtop/copied/" in told["message"]
    assert told["theme"] == ("textual-dark" if delay_s else "textual-light")
    outer.close()
