"""One module a kind of question, imported when the first such question is asked."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from importlib import import_module
from typing import Any

from pgtop.model.request import Request

MODULES: dict[str, tuple[str, ...]] = {
    "statements": ("DetailOf", "TextsOf", "FindStatements", "UseDatabase"),
    "plan": ("PlanOf", "StatementPlanOf", "CheckAnalyze"),
    "indexes": ("DefinitionOf", "KeysOf", "SizesOf", "StatisticsOf", "ValuesOf", "Measure"),
    "advise": ("Advise",),
    "sessions": ("EndOf",),
    "tray": ("LocksFor", "AppliedState"),
}
"""Module -> the requests that it answers. In the module, `ASKS` names who answers each."""


def answering(request: Request[Any]) -> Callable[[Any, Any], Awaitable[Any]]:
    """Who answers `request`. Raises KeyError for a kind that nobody knows."""
    name = type(request).__name__
    for module, names in MODULES.items():
        if name in names:
            found: Callable[[Any, Any], Awaitable[Any]] = import_module(
                f"{__name__}.{module}"
            ).ASKS[type(request)]
            return found
    raise KeyError(name)
