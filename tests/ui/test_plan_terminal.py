"""`pgtop explain` on a real terminal, from a file and from a pipe."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

import pexpect
import pytest

from tests.unit.plan_corpus import corpus


@pytest.mark.parametrize("piped", [False, True])
def test_the_screen_opens_on_a_file_and_after_a_pipe(tmp_path: Path, *, piped: bool) -> None:
    file = tmp_path / "plan.json"
    file.write_text(corpus()["pg18/sort_disk.json"])
    python, name = shlex.quote(sys.executable), shlex.quote(str(file))
    command = f"{python} -m pgtop explain {name}"
    if piped:
        command = f"cat {name} | {python} -m pgtop explain -"
    environment = {**os.environ, "TERM": "xterm-256color", "XDG_STATE_HOME": str(tmp_path)}
    child = pexpect.spawn(
        "/bin/sh", ["-c", command], env=environment, dimensions=(30, 110), timeout=20,
        encoding="utf-8",
    )  # fmt: skip
    child.expect("went to disk")
    child.send("q")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0
