"""Modules that are imported late are named in tables: the tables tell the truth."""

from __future__ import annotations

from importlib import import_module

import pytest

from pgtop.db.asks import MODULES
from pgtop.ui.panes import PANES, Tab


@pytest.mark.parametrize("tab", PANES, ids=lambda tab: tab.NAME)
def test_a_tab_is_what_its_line_says(tab: Tab) -> None:
    pane = tab.load()
    assert (pane.NAME, pane.DIGIT, pane.TITLE, pane.SHORT, pane.RULES) == (
        tab.NAME, tab.DIGIT, tab.TITLE, tab.SHORT, tab.RULES,
    )  # fmt: skip


def test_digits_are_in_order_and_unique() -> None:
    digits = [tab.DIGIT for tab in PANES]
    assert digits == sorted(set(digits))


@pytest.mark.parametrize("module", MODULES)
def test_a_module_answers_what_its_line_says(module: str) -> None:
    asks = import_module(f"pgtop.db.asks.{module}").ASKS
    assert {kind.__name__ for kind in asks} == set(MODULES[module])
