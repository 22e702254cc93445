"""The table of regressions is true: its tests exist, and each has a change that brings it back."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.mutations import MUTATIONS, Mutation

TESTS = Path(__file__).parents[1]
ROW = re.compile(r"^\| (\d+) \| (.+) \| (.+) \|$", re.MULTILINE)
ROWS = ROW.findall((TESTS / "README.md").read_text(encoding="utf-8"))
SOURCES = {file: file.read_text(encoding="utf-8") for file in TESTS.rglob("test_*.py")}


def test_every_number_is_there_once() -> None:
    assert [int(number) for number, _, _ in ROWS] == list(range(1, 58))


@pytest.mark.parametrize(("number", "broke", "kept"), ROWS, ids=[row[0] for row in ROWS])
def test_a_regression_has_its_test_and_its_change(number: str, broke: str, kept: str) -> None:
    changed = [m for m in MUTATIONS if number in m.regressions.split()]
    assert bool(changed) != kept.startswith("waits for"), broke
    for name in re.findall(r"`(test_\w+)`", kept):
        assert any(f"def {name}(" in text for text in SOURCES.values()), name
    for path in re.findall(r"`(\w+/\w+\.py)`", kept):
        assert (TESTS / path).exists(), path


@pytest.mark.parametrize("mutation", MUTATIONS, ids=[m.promise for m in MUTATIONS])
def test_a_change_can_still_be_made(mutation: Mutation) -> None:
    text = (TESTS.parent / mutation.file).read_text(encoding="utf-8")
    assert mutation.old in text
    assert mutation.old != mutation.new
    for word in mutation.tests.split():
        if word.startswith("tests/"):
            assert (TESTS.parent / word.partition("::")[0]).exists(), word
