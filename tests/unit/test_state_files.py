from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pgtop.state import copies
from pgtop.state.exports import export
from pgtop.state.files import NowhereToWrite, append, read, shown, write


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path / "home"
    home.mkdir()
    for name in ("XDG_STATE_HOME", "XDG_RUNTIME_DIR", "PGTOP_STATE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    return home


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_files_are_the_users_alone(home: Path) -> None:
    old = os.umask(0)
    try:
        written = write("tray/x.json", "ü")
    finally:
        os.umask(old)
    assert written.path == home / ".local/state/pgtop/tray/x.json"
    assert written.note is None
    assert mode(written.path) == 0o600
    assert mode(written.path.parent) == mode(written.path.parent.parent) == 0o700
    assert read("tray/x.json") == "ü"
    assert shown(written.path) == "~/.local/state/pgtop/tray/x.json"


def test_a_directory_that_was_open_to_others_is_closed(home: Path) -> None:
    directory = home / ".local/state/pgtop"
    directory.mkdir(parents=True)
    directory.chmod(0o755)
    assert mode(write("x", "text").path.parent) == 0o700


def test_a_second_write_replaces_and_leaves_nothing_behind(home: Path) -> None:
    write("x", "one")
    written = write("x", "two")
    assert read("x") == "two"
    assert [path.name for path in written.path.parent.iterdir()] == ["x"]


def test_home_that_is_a_file_is_named_and_gone_round(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("HOME", str(tmp_path / "file"))
    written = write("x", "text")
    assert written.path == tmp_path / "tmp" / f"pgtop-{os.getuid()}" / "x"
    assert written.note is not None
    assert "Not a directory" in written.note
    assert read("x") == "text"


def test_without_any_home_no_tilde_directory_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HOME")
    monkeypatch.setattr("pwd.getpwuid", lambda uid: (_ for _ in ()).throw(KeyError(uid)))
    monkeypatch.chdir(tmp_path)
    assert write("x", "text").path.parent == tmp_path / "tmp" / f"pgtop-{os.getuid()}"
    assert not (tmp_path / "~").exists()


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    full = tmp_path / "full"
    full.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(full)]
    if os.getuid() or subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("mounting a small file system needs root")
    yield full
    subprocess.run(["umount", str(full)], check=True)


def test_full_disk_is_named_and_gone_round(
    full_disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(full_disk))
    written = write("x", "y" * 200_000)
    assert written.note == f"{full_disk}/pgtop: the disk is full"
    assert list((full_disk / "pgtop").iterdir()) == []


def test_a_directory_prepared_by_somebody_else_is_refused(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/dev/null")
    trap = tmp_path / "tmp" / f"pgtop-{os.getuid()}"
    trap.symlink_to(home)
    with pytest.raises(NowhereToWrite, match="not a directory of its own"):
        write("x", "secret")
    assert list(home.iterdir()) == []


def test_the_newest_fifty_copies_stay() -> None:
    paths = [copies.keep(f"select {n}", "the DDL!", now=1_700_000_000).path for n in range(53)]
    left = sorted(path.name for path in paths[0].parent.iterdir())
    assert len(left) == copies.MOST
    assert [path.exists() for path in paths[:4]] == [False, False, False, True]
    assert paths[-1].name.startswith("20231114T221320Z-the-ddl")
    assert paths[-1].read_text() == "select 52\n"


def test_migrations_go_where_the_user_stands_and_overwrite_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    files = [("deploy/a.sql", "1"), ("revert/a.sql", "2")]
    assert export(files, "x").path == tmp_path / "here" / "x"
    assert (tmp_path / "here/x/revert/a.sql").read_text() == "2"
    with pytest.raises(FileExistsError):
        export(files, "x")


def test_migrations_go_to_the_state_directory_where_the_user_may_not_write(home: Path) -> None:
    written = export([("deploy/a.sql", "1"), ("b.sql", "2")], "x", here=Path("/proc"))
    state = home / ".local/state/pgtop/migrations/x"
    assert written.path == state
    assert written.note is not None
    assert "/proc" in written.note
    assert mode(state / "deploy") == 0o700
    assert (state / "b.sql").read_text() == "2"


def test_lines_are_added_for_the_user_alone(home: Path) -> None:
    old = os.umask(0)
    try:
        append("actions.log", "one\n")
        written = append("actions.log", "two\n")
    finally:
        os.umask(old)
    assert written.path.read_text() == "one\ntwo\n"
    assert mode(written.path) == 0o600


def test_lines_do_not_follow_a_link(home: Path, tmp_path: Path) -> None:
    directory = home / ".local/state/pgtop"
    directory.mkdir(parents=True)
    (directory / "actions.log").symlink_to(tmp_path / "elsewhere")
    assert append("actions.log", "one\n").path.parent != directory
    assert not (tmp_path / "elsewhere").exists()
