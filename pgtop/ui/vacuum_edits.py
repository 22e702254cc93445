"""One table's options as they would be: the proposal, and what a person made of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pgtop.advice.vacuum_case import Case
from pgtop.analysis.vacuum.options import EDITABLE, Change, problem
from pgtop.analysis.vacuum.settings import VacuumSettings
from pgtop.analysis.vacuum.state import VacuumState

RESET = "reset"
"""In place of a value: take the option away."""


@dataclass(frozen=True, slots=True)
class Composed:
    """What the composer shows."""

    one: Case
    state: VacuumState
    settings: VacuumSettings
    edits: Mapping[str, str]
    """Option -> value, or `reset`."""

    polite: bool

    def names(self) -> list[str]:
        """The options that can be edited here."""
        return [name for name in EDITABLE if name in self.one.seen.chosen]

    def problems(self) -> dict[str, str]:
        """Option -> why the server would refuse its value."""
        found = {n: self.refuses(n, text) for n, text in self.edits.items() if text != RESET}
        return {name: why for name, why in found.items() if why is not None}

    def refuses(self, name: str, text: str) -> str | None:
        """Why the server would refuse `text` as the value of an option; None where it takes it."""
        toast = self.one.seen.table.relkind == "t"
        return problem(name, text, self.settings.version_num, toast=toast)

    def nothing(self) -> str | None:
        """Why there is nothing to run; None where there is."""
        change, wrong = self.change(), self.problems()
        if change.sets or change.resets:
            return None
        if wrong:
            name, why = next(iter(wrong.items()))
            return f"nothing to run: {name} is refused, {why}"
        return "nothing to run: no option differs from what is set; Enter edits one"

    def change(self) -> Change:
        """The edits that change something and that the server takes."""
        wrong = self.problems()
        now = {} if self.one.seen.inherited else self.one.seen.options
        return Change(
            sets={
                name: text
                for name, text in self.edits.items()
                if text != RESET and name not in wrong and now.get(name) != text
            },
            resets=tuple(n for n, text in self.edits.items() if text == RESET and n in now),
        )


def started(one: Case) -> dict[str, str]:
    """The edits to begin with: what is proposed."""
    return {**one.proposal.sets, **dict.fromkeys(one.proposal.resets, RESET)}
