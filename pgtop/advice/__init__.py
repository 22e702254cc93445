"""Rules: pure functions from facts to findings.

A rule looks at `Facts` and returns what it found, or says that it cannot tell. To add
one: write the function in the module of its subject, name it in the tuple at its foot,
write its test.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pgtop.model.finding import Finding, rank
from pgtop.model.sample import Sample, SourceError

FactT = TypeVar("FactT")


class NotJudged(Exception):
    """A rule cannot tell; the text says why, for a person."""


class NeedsTime(NotJudged):
    """A rule cannot tell yet: more samples will do."""


class NotPossible(NotJudged):
    """A rule cannot tell on this server or with this role."""


@dataclass(frozen=True, slots=True)
class Facts:
    """All that rules may look at: the last sample of each row type, or why there is none.

    Values that took several samples to work out (`Workload`, for one) stand under their
    own type beside the samples.
    """

    samples: Mapping[type[Any], Sample[Any] | SourceError] = field(default_factory=dict)
    derived: Mapping[type[Any], Any] = field(default_factory=dict)

    def rows(self, row_type: type[FactT]) -> tuple[FactT, ...]:
        """The rows last read. Raises `NeedsTime` before the first, `NotPossible` with the why."""
        found = self.samples.get(row_type)
        if found is None:
            raise NeedsTime(f"{row_type.__name__} was not read yet")
        if isinstance(found, SourceError):
            raise NotPossible(found.why)
        return found.rows

    def get(self, fact_type: type[FactT]) -> FactT:
        """A derived value. Raises `NeedsTime` where it does not exist yet."""
        found: FactT | None = self.derived.get(fact_type)
        if found is None:
            raise NeedsTime(f"{fact_type.__name__} needs more samples")
        return found


@dataclass(frozen=True, slots=True)
class Rule:
    """A named check. `judge` raises `NotJudged` where it cannot tell."""

    name: str
    judge: Callable[[Facts], Iterable[Finding]]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What all the rules said of one set of facts."""

    findings: tuple[Finding, ...]
    """Worst first."""

    judged: tuple[str, ...]
    needs_time: Mapping[str, str]
    """Rule name -> why it cannot tell yet."""

    not_possible: Mapping[str, str]
    """Rule name -> why it cannot tell here."""


def judge(facts: Facts, rules: Iterable[Rule]) -> Verdict:
    """Ask every rule."""
    findings: list[Finding] = []
    judged: list[str] = []
    needs_time: dict[str, str] = {}
    not_possible: dict[str, str] = {}
    for rule in rules:
        try:
            findings.extend(rule.judge(facts))
        except NeedsTime as reason:
            needs_time[rule.name] = str(reason)
        except NotJudged as reason:
            not_possible[rule.name] = str(reason)
        else:
            judged.append(rule.name)
    return Verdict(tuple(sorted(findings, key=rank)), tuple(judged), needs_time, not_possible)
