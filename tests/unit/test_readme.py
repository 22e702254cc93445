"""The README says what is true."""

from __future__ import annotations

import re
from pathlib import Path

from pgtop.advice.rules import RULES
from pgtop.cli.main import COMMANDS, EPILOG, screen_parser
from pgtop.ui.panes import PANES

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def block_after(marker: str) -> str:
    """The command in the fenced block behind a marker."""
    found = re.search(rf"<!-- {marker} -->\s*```sh\n(.+?)\n```", README, re.DOTALL)
    assert found is not None
    return found.group(1)


def test_the_two_commands_are_one_line_each() -> None:
    for marker in ("demo", "tests"):
        assert "\n" not in block_after(marker)


def test_every_tab_is_named() -> None:
    for pane in PANES:
        assert f"`{pane.DIGIT}` {pane.TITLE}" in README


def test_every_picture_is_there() -> None:
    for name in re.findall(r"\]\((screenshots/[^)]+)\)", README):
        assert (ROOT / name).exists(), name


def test_every_command_has_a_line_of_help() -> None:
    for command in COMMANDS:
        assert f"pgtop {command}" in EPILOG
    assert "conninfo" in screen_parser().format_help().lower()


def test_rule_names_are_unique() -> None:
    names = [rule.name for rule in RULES]
    assert len(set(names)) == len(names)


def test_nothing_names_a_version_that_is_not_ours() -> None:
    from pgtop import __version__

    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert "## [Unreleased]" in changelog or f"## [{__version__}]" in changelog
