"""From start to paste over a real sshd on the loopback: alone, with tmux there, with tmux here."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.terminal.outer import Outer, until
from tests.terminal.test_clipboard import DDL, PLAIN_TERMINAL, Copier, env, needs, tmux

__all__ = ["env", "tmux"]

SSHD = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin")

pytestmark = [
    pytest.mark.skipif(SSHD is None, reason="sshd is not here"),
    needs("ssh"),
    needs("tmux"),
]


@pytest.fixture
def ssh(tmp_path: Path) -> Iterator[list[str]]:
    """`ssh` to ourselves, with keys made for the occasion."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    for key in ("host", "user"):
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / key)]
        subprocess.run(command, check=True)
    config = {
        "Port": port, "ListenAddress": "127.0.0.1", "HostKey": tmp_path / "host",
        "AuthorizedKeysFile": tmp_path / "user.pub", "StrictModes": "no", "UsePAM": "no",
        "PasswordAuthentication": "no", "PermitRootLogin": "yes", "PidFile": tmp_path / "pid",
    }  # fmt: skip
    lines = "".join(f"{name} {value}\n" for name, value in config.items())
    (tmp_path / "sshd_config").write_text(lines)
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    subprocess.run([str(SSHD), "-f", str(tmp_path / "sshd_config")], check=True)
    until((tmp_path / "pid").exists)
    options = {"StrictHostKeyChecking": "no", "UserKnownHostsFile": "/dev/null",
               "LogLevel": "ERROR"}  # fmt: skip
    yield [
        "ssh", "-tt", "-i", str(tmp_path / "user"), "-p", str(port),
        *(f"-o{name}={value}" for name, value in options.items()), "127.0.0.1",
    ]  # fmt: skip
    os.kill(int((tmp_path / "pid").read_text()), signal.SIGTERM)


def remotely(command: list[str], env: dict[str, str]) -> str:
    """As one line for the shell there, in an environment of its own."""
    names = ("HOME", "PATH", "PYTHONPATH", "LANG", "TMUX_TMPDIR")
    settings = [f"{name}={env[name]}" for name in names if name in env]
    return shlex.join(["env", *settings, *command])


def test_ssh_alone(tmp_path: Path, env: dict[str, str], ssh: list[str]) -> None:
    copier = Copier(tmp_path, DDL)
    outer = Outer([*ssh, remotely(copier.command, env)], env, answers=PLAIN_TERMINAL)
    told = copier.told()
    until(outer.clipboard)
    assert outer.clipboard() == [copier.text]
    assert told["sure"] == "sent"
    assert "SSH" in told["around"]
    outer.close()


def test_tmux_there(tmp_path: Path, env: dict[str, str], ssh: list[str], tmux: list[str]) -> None:
    copier = Copier(tmp_path, DDL)
    inside = [*tmux, "new-session", *copier.command, ";", "set", "-g", "remain-on-exit", "on"]
    outer = Outer([*ssh, remotely(inside, env)], env, answers=PLAIN_TERMINAL)
    told = copier.told()
    until(outer.clipboard)
    shown = subprocess.run([*tmux, "show-buffer"], env=env, capture_output=True, check=True)
    assert shown.stdout == copier.text
    assert outer.clipboard() == [copier.text]
    assert told["sure"] == "checked"
    outer.close()


@pytest.mark.parametrize("setting", ["external", "on"])
def test_tmux_here_takes_it_when_set_and_the_message_says_which(
    tmp_path: Path, env: dict[str, str], ssh: list[str], tmux: list[str], setting: str
) -> None:
    copier = Copier(tmp_path, DDL)
    inside = [*ssh, remotely(copier.command, env)]
    command = [*tmux, "new-session", *inside, ";", "set", "-s", "set-clipboard", setting]
    outer = Outer([*command, ";", "set", "-g", "remain-on-exit", "on"], env, answers=PLAIN_TERMINAL)
    told = copier.told()
    assert told["sure"] == "sent"
    assert "only with `set -s set-clipboard on`" in told["message"]
    if setting == "on":
        until(outer.clipboard)
    assert outer.clipboard() == ([copier.text] if setting == "on" else [])
    outer.close()
