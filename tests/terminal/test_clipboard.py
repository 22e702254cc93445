"""Every way to a clipboard, in the real thing: tmux, screen, a bare pty, an X display."""

from __future__ import annotations

import json
import os
import random
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.terminal.outer import Outer, until

DDL = (
    "CREATE INDEX CONCURRENTLY orders_user_id_status_idx ON public.orders (user_id, status);\n"
    'DROP INDEX CONCURRENTLY public."späte Bestellungen ☃";'
)
COPIER = str(Path(__file__).with_name("copier.py"))
ROOT = str(Path(__file__).parents[2])

DA1 = b"\x1b[c"
PLAIN_TERMINAL = {DA1: b"\x1b[?62;22c"}


def needs(program: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"{program} is not here")


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """A user on a bastion: a home of its own, nothing inherited that says where we are."""
    home = tmp_path / "home"
    home.mkdir()
    return {
        "PATH": os.environ["PATH"], "HOME": str(home), "TERM": "xterm-256color",
        "PYTHONPATH": ROOT, "LANG": "C.UTF-8", "SSH_CONNECTION": "10.0.0.1 1 10.0.0.2 22",
        "SHELL": "/bin/sh",
    }  # fmt: skip


class Copier:
    """Runs `copier.py` in some surroundings and reads what it was told."""

    def __init__(self, tmp_path: Path, text: str) -> None:
        self.text = text.encode()
        self.source, self.target = tmp_path / "source", tmp_path / "target"
        self.source.write_text(text)
        self.command = [sys.executable, COPIER, str(self.source), str(self.target)]

    def told(self) -> dict[str, Any]:
        until(self.target.exists, 15)
        return dict(json.loads(self.target.read_text()))

    def file(self) -> bytes:
        return Path(self.told()["path"]).read_bytes()


@pytest.fixture
def tmux(tmp_path: Path, env: dict[str, str]) -> Iterator[list[str]]:
    env["TMUX_TMPDIR"] = str(tmp_path)
    command = ["tmux", "-f", "/dev/null"]
    yield command
    subprocess.run([*command, "kill-server"], env=env, capture_output=True, check=False)


@needs("tmux")
@pytest.mark.parametrize("setting", ["external", "on"])
def test_default_tmux_buffer_is_exact_and_the_outer_terminal_gets_it(
    tmp_path: Path, env: dict[str, str], tmux: list[str], setting: str
) -> None:
    copier = Copier(tmp_path, DDL)
    command = [*tmux, "new-session", *copier.command, ";", "set", "-s", "set-clipboard", setting]
    outer = Outer([*command, ";", "set", "-g", "remain-on-exit", "on"], env, answers=PLAIN_TERMINAL)
    told = copier.told()
    shown = subprocess.run([*tmux, "show-buffer"], env=env, capture_output=True, check=True).stdout
    until(outer.clipboard)
    assert shown == copier.text
    until(outer.clipboard)
    assert outer.clipboard() == [copier.text]
    assert told["sure"] == "checked"
    assert "in tmux's buffer, checked" in told["message"]
    assert "tmux passed it to your terminal, unconfirmed" in told["message"]
    assert told["name"].startswith("tmux")
    assert copier.file() == copier.text + b"\n"
    outer.close()


@needs("tmux")
def test_terminal_that_tmux_knows_as_deaf_is_not_promised(
    tmp_path: Path, env: dict[str, str], tmux: list[str]
) -> None:
    copier = Copier(tmp_path, DDL)
    outer = Outer([*tmux, "new-session", *copier.command], {**env, "TERM": "vt220"})
    assert "your terminal does not take it from tmux" in copier.told()["message"]
    assert outer.clipboard() == []
    outer.close()


@needs("tmux")
def test_tmux_of_another_user_falls_through_and_says_so(
    tmp_path: Path, env: dict[str, str], tmux: list[str]
) -> None:
    copier = Copier(tmp_path, DDL)
    inside = ["env", "TMUX=/nowhere/at-all,1,0", "TMUX_TMPDIR=/nowhere", *copier.command]
    outer = Outer([*tmux, "new-session", *inside], env)
    told = copier.told()
    assert told["sure"] == "sent"
    assert "/nowhere" in told["message"]
    outer.close()


def test_old_tmux_without_w_gets_the_buffer_alone(tmp_path: Path, env: dict[str, str]) -> None:
    stand_in = tmp_path / "bin" / "tmux"
    stand_in.parent.mkdir()
    stand_in.write_text(
        f"""#!/bin/sh
case "$1 $2" in
"load-buffer -w") echo "usage: load-buffer [-b buffer-name] path" >&2; exit 1;;
"load-buffer -") cat > {tmp_path}/buffer;;
"save-buffer -") cat {tmp_path}/buffer;;
esac
"""
    )
    stand_in.chmod(0o755)
    copier = Copier(tmp_path, DDL)
    path = f"{stand_in.parent}:{env['PATH']}"
    outer = Outer(copier.command, {**env, "TMUX": "/tmp/x,1,0", "PATH": path})
    told = copier.told()
    assert (tmp_path / "buffer").read_bytes() == copier.text
    assert told["sure"] == "checked"
    until(lambda: b"\x1bPtmux;\x1b\x1b]52;c;" in outer.arrived)
    outer.close()


def test_tmux_buffer_that_reads_back_differently_is_no_success(
    tmp_path: Path, env: dict[str, str]
) -> None:
    stand_in = tmp_path / "bin" / "tmux"
    stand_in.parent.mkdir()
    stand_in.write_text('#!/bin/sh\n[ "$1" = save-buffer ] && echo other\ncat > /dev/null\n')
    stand_in.chmod(0o755)
    copier = Copier(tmp_path, DDL)
    path = f"{stand_in.parent}:{env['PATH']}"
    outer = Outer(copier.command, {**env, "TMUX": "/tmp/x,1,0", "PATH": path})
    told = copier.told()
    assert told["sure"] == "sent"
    assert "its buffer holds something else" in told["message"]
    outer.close()


def test_tmux_that_hangs_costs_two_seconds(tmp_path: Path, env: dict[str, str]) -> None:
    stand_in = tmp_path / "bin" / "tmux"
    stand_in.parent.mkdir()
    stand_in.write_text("#!/bin/sh\nsleep 60\n")
    stand_in.chmod(0o755)
    copier = Copier(tmp_path, DDL)
    path = f"{stand_in.parent}:{env['PATH']}"
    outer = Outer(copier.command, {**env, "TMUX": "/tmp/x,1,0", "PATH": path})
    told = copier.told()
    assert told["seconds"] < 3.5
    assert "tmux: no answer within 2 s" in told["message"]
    outer.close()


@needs("screen")
@pytest.mark.parametrize("text", [DDL, "x" * 40_000], ids=["ddl", "40 kB"])
def test_screen_hands_every_chunk_on(tmp_path: Path, env: dict[str, str], text: str) -> None:
    copier = Copier(tmp_path, text)
    sockets = tmp_path / "screens"
    sockets.mkdir(mode=0o700)
    env = {**env, "SCREENDIR": str(sockets)}
    command = ["screen", "-c", "/dev/null", "sh", "-c", " ".join(copier.command) + "; sleep 30"]
    outer = Outer(command, env)
    told = copier.told()
    until(outer.clipboard)
    assert outer.clipboard() == [copier.text]
    assert told["where"][0] == "screen"
    assert told["sure"] == "sent"
    outer.close()


@pytest.mark.parametrize(
    ("answers", "sure"),
    [({DA1: b"\x1b[?62;52;22c"}, "promised"), (PLAIN_TERMINAL, "sent"), ({}, "sent")],
    ids=["promises", "silent on it", "mute"],
)
def test_bare_terminal_over_ssh(
    tmp_path: Path, env: dict[str, str], answers: dict[bytes, bytes], sure: str
) -> None:
    copier = Copier(tmp_path, DDL)
    outer = Outer(copier.command, env, answers=answers)
    told = copier.told()
    until(outer.clipboard)
    assert outer.clipboard() == [copier.text]
    assert told["sure"] == sure
    assert told["message"].startswith("Copied" if sure == "promised" else "Sent")
    assert told["outstanding"] == (answers == {})
    outer.close()


@pytest.mark.parametrize("term", ["linux", "vt220"])
def test_console_gets_no_sequence(tmp_path: Path, env: dict[str, str], term: str) -> None:
    copier = Copier(tmp_path, DDL)
    outer = Outer(copier.command, {**env, "TERM": term}, answers=PLAIN_TERMINAL)
    told = copier.told()
    assert told["sure"] == "kept"
    assert "v shows the text" in told["message"]
    assert b"]52;" not in outer.arrived
    outer.close()


def test_two_megabytes_go_to_the_file(tmp_path: Path, env: dict[str, str]) -> None:
    text = "\n".join(f"-- {random.Random(7).random()}" * 4 for _ in range(25_000))
    copier = Copier(tmp_path, text)
    outer = Outer(copier.command, env)
    told = copier.told()
    assert told["sure"] == "kept"
    assert "terminals cut texts over 48 kB" in told["message"]
    assert copier.file() == copier.text + b"\n"
    assert b"]52;" not in outer.arrived
    outer.close()


@needs("tmux")
def test_two_megabytes_fit_tmux(tmp_path: Path, env: dict[str, str], tmux: list[str]) -> None:
    copier = Copier(tmp_path, "\n".join(["x" * 79] * 25_000))
    outer = Outer([*tmux, "new-session", *copier.command, ";", "set", "remain-on-exit", "on"], env)
    told = copier.told()
    shown = subprocess.run([*tmux, "show-buffer"], env=env, capture_output=True, check=True).stdout
    assert shown == copier.text
    assert told["sure"] == "checked"
    assert "too long to be sure" in told["message"]
    outer.close()


def local(env: dict[str, str], display: str) -> dict[str, str]:
    return {k: v for k, v in env.items() if not k.startswith("SSH_")} | {"DISPLAY": display}


@pytest.fixture
def x_display(tmp_path: Path) -> Iterator[str]:
    read, write = os.pipe()
    command = ["Xvfb", "-displayfd", str(write), "-screen", "0", "64x64x24", "-nolisten", "tcp"]
    with subprocess.Popen(command, pass_fds=[write], stderr=subprocess.DEVNULL) as server:
        os.close(write)
        with os.fdopen(read) as told:
            number = told.readline().strip()
        yield f":{number}"
        server.terminate()


@needs("Xvfb")
@needs("xclip")
def test_desktop_clipboard_is_read_back(
    tmp_path: Path, env: dict[str, str], x_display: str
) -> None:
    copier = Copier(tmp_path, DDL)
    env = local(env, x_display)
    outer = Outer(copier.command, env)
    told = copier.told()
    pasted = subprocess.run(
        ["xclip", "-selection", "clipboard", "-o"], env=env, capture_output=True, check=True
    ).stdout
    assert pasted == copier.text
    assert (told["sure"], told["where"][0]) == ("checked", "display")
    assert b"]52;" not in outer.arrived
    outer.close()


@needs("xclip")
def test_dead_display_is_said_and_prints_nothing(tmp_path: Path, env: dict[str, str]) -> None:
    copier = Copier(tmp_path, DDL)
    outer = Outer(copier.command, local(env, ":77"))
    told = copier.told()
    assert told["sure"] == "sent"
    assert "DISPLAY=:77: " in told["message"]
    assert b"open display" not in outer.arrived
    until(outer.clipboard)
    assert outer.clipboard() == [copier.text]
    outer.close()


@needs("xclip")
def test_hung_display_costs_two_seconds(tmp_path: Path, env: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        number = mute.getsockname()[1] - 6000
        copier = Copier(tmp_path, DDL)
        outer = Outer(copier.command, local(env, f"127.0.0.1:{number}"))
        told = copier.told()
    assert told["seconds"] < 4
    assert "no answer within 2 s" in told["message"]
    until(outer.clipboard)
    assert outer.clipboard() == [copier.text]
    outer.close()


def test_home_that_cannot_be_written(tmp_path: Path, env: dict[str, str]) -> None:
    (tmp_path / "file").write_text("")
    copier = Copier(tmp_path, DDL)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    outer = Outer(copier.command, {**env, "HOME": str(tmp_path / "file"), "TMPDIR": str(elsewhere)})
    told = copier.told()
    assert told["path"].startswith(str(elsewhere))
    assert "Not a directory" in told["message"]
    outer.close()
