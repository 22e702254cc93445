from __future__ import annotations

import stat
from pathlib import Path

import psycopg
import pytest

from pgtop.state import crash

SECRET = "correct-horse-4711"


def failing(password: str) -> None:
    row = {"name": password}
    try:
        int(password)
    except ValueError as error:
        raise KeyError(row["name"]) from error


def test_a_report_tells_where_and_holds_no_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGTOP_STATE", str(tmp_path / "state"))
    with pytest.raises(KeyError) as caught:
        failing(SECRET)
    path = Path(crash.write_report(caught.value, doing="queries.copy", server="18.4"))
    text = path.read_text()
    assert SECRET not in text
    assert "4711" not in text.replace(path.name, "")
    assert "KeyError (its message may hold data" in text
    assert "caused by ValueError" in text
    assert "test_crash.py" in text
    assert "in failing" in text
    assert "doing queries.copy" in text
    assert "PostgreSQL 18.4" in text
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_messages_about_code_stay_and_server_errors_are_a_state() -> None:
    assert "'NoneType' object has no attribute 'x'" in crash.report(
        AttributeError("'NoneType' object has no attribute 'x'")
    )
    error = psycopg.errors.UniqueViolation(f"Key (email)=({SECRET}) already exists")
    text = crash.report(error)
    assert SECRET not in text
    assert "UniqueViolation (SQLSTATE 23505)" in text


def test_nowhere_to_write_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    for name in ("PGTOP_STATE", "XDG_RUNTIME_DIR"):
        monkeypatch.setenv(name, str(tmp_path / "file"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "file"))
    assert crash.write_report(ValueError()).startswith("(not written: ")
