"""Every kind of terminal: colours it has, none where none are wanted, and its own screen back."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest

from tests.servers import TestServer
from tests.terminal.program import LEFT, Program

TRUE = re.compile(rb"\x1b\[[0-9;]*[34]8;2;")
OF_256 = re.compile(rb"\x1b\[[0-9;]*[34]8;5;")
ANY = re.compile(rb"\x1b\[(?:[0-9;]*;)?(?:3|4|9|10)[0-8](?:;[0-9;]*)?m")


@pytest.mark.parametrize(
    ("term", "more", "never"),
    [
        ("xterm-256color", {"COLORTERM": "truecolor"}, (OF_256,)),
        ("xterm-256color", {}, (TRUE,)),
        ("tmux-256color", {}, (TRUE,)),
        ("screen", {}, (TRUE, OF_256)),
        ("xterm-16color", {}, (TRUE, OF_256)),
        ("linux", {}, (TRUE, OF_256)),
        ("vt220", {}, (TRUE, OF_256)),
        ("no-such-terminal", {}, (TRUE, OF_256)),
        ("xterm-256color", {"NO_COLOR": "1"}, (TRUE, OF_256, ANY)),
    ],
)
def test_only_colours_that_the_terminal_has(
    server: TestServer,
    tmp_path: Path,
    term: str,
    more: dict[str, str],
    never: tuple[re.Pattern[bytes], ...],
) -> None:
    env = {"HOME": str(tmp_path), "PATH": os.environ["PATH"], "TERM": term, "LANG": "C.UTF-8"}
    command = [sys.executable, "-m", "pgtop", server.dsn(user="monitor")]
    program = Program(command, {**env, **more})
    program.open_queries()
    program.type(b"q")
    assert program.ended()[0] == 0
    assert LEFT in program.arrived
    for colours in never:
        assert colours.search(program.arrived) is None
    assert (ANY.search(program.arrived) is None) == (ANY in never)
