from __future__ import annotations

from pathlib import Path

import pytest

from pgtop.config import ConfigError, load


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "config.toml"
    monkeypatch.setenv("PGTOP_CONFIG", str(path))
    return path


def test_without_a_file_the_defaults_hold(file: Path) -> None:
    assert load().interval == 2.0


def test_flags_over_environment_over_profile_over_file(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text('interval = 3\n[profile.x]\ninterval = 4\ntheme = "light"\n')
    assert load().interval == 3
    assert load("x").interval == 4
    monkeypatch.setenv("PGTOP_INTERVAL", "5")
    assert load("x").interval == 5
    assert load("x", {"interval": 6.0}).interval == 6
    assert load("x", {"interval": None}).theme == "light"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("intervall = 2", "unknown key 'intervall'"),
        ('interval = "2"', "should be of type float"),
        ("interval = 0", "should be from 0.2"),
        ("interval = = 2", "line 1"),
        ("[profile.x]\ncolour = 1", "unknown key 'colour'"),
    ],
)
def test_a_wrong_file_is_one_sentence_with_its_place(file: Path, text: str, words: str) -> None:
    file.write_text(text)
    with pytest.raises(ConfigError, match=words) as refused:
        load("x" if "profile" in text else None)
    assert str(file) in str(refused.value)


def test_an_unknown_profile_names_those_there_are(file: Path) -> None:
    file.write_text("[profile.staging]\ninterval = 1\n")
    with pytest.raises(ConfigError, match="there: staging"):
        load("production")
