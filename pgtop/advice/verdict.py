"""What all the rules said: worst first, by rule, and by the name of what it is about.

An old database with tens of thousands of indexes has tens of thousands of findings. They are
put in order in slices, a rule at a time and only where it found something else; nobody who
wants those of one rule or of one row goes through all of them.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from operator import itemgetter
from time import perf_counter
from typing import TypeAlias

from pgtop.model.finding import Finding, rank

Ranked: TypeAlias = tuple[tuple[object, ...], Finding]

SLICE_S = 0.004
"""So long a slice of putting in order takes at most: the screen's loop allows a step 10 ms."""

RUN = 500
"""So many are ranked and sorted between two looks at the clock: a millisecond."""


@dataclass(frozen=True, slots=True)
class Found:
    """What one rule found, worst first."""

    ranked: tuple[Ranked, ...] = ()
    by_name: Mapping[str, tuple[Finding, ...]] = field(default_factory=dict)
    """By the name of the subject, whatever its schema and kind."""

    @property
    def findings(self) -> Iterator[Finding]:
        """Worst first."""
        return (finding for _, finding in self.ranked)


def arranged(findings: Iterable[Finding]) -> Generator[None, None, Found]:
    """Put what a rule found in order; yields after each slice of work."""
    until = perf_counter() + SLICE_S
    runs: list[list[Ranked]] = []
    by_name: dict[str, tuple[Finding, ...]] = {}
    rest = iter(findings)
    while some := [(rank(finding), finding) for finding in islice(rest, RUN)]:
        runs.append(_sorted(some))
        for _, finding in some:
            name = finding.subject.name
            by_name[name] = (*by_name.get(name, ()), finding)
        if perf_counter() >= until:
            yield
            until = perf_counter() + SLICE_S
    while len(runs) > 1:  # two sorted runs are merged in one pass
        runs.append(_sorted(runs.pop(0) + runs.pop(0)))
        if perf_counter() >= until:
            yield
            until = perf_counter() + SLICE_S
    return Found(tuple(runs[0]) if runs else (), by_name)


def _sorted(ranked: Iterable[Ranked]) -> list[Ranked]:
    return sorted(ranked, key=itemgetter(0))


@dataclass(frozen=True)
class Verdict:
    """What all the rules said of one set of facts."""

    found: Mapping[str, Found]
    """Rule name -> what it found, of those that could tell."""

    needs_time: Mapping[str, str] = field(default_factory=dict)
    """Rule name -> why it cannot tell yet."""

    not_possible: Mapping[str, str] = field(default_factory=dict)
    """Rule name -> why it cannot tell here."""

    _under: dict[tuple[str, ...], tuple[Found, ...]] = field(
        default_factory=dict, compare=False, repr=False
    )

    @property
    def judged(self) -> tuple[str, ...]:
        """The rules that could tell."""
        return tuple(self.found)

    @cached_property
    def findings(self) -> tuple[Finding, ...]:
        """All of them, worst first."""
        return self.of("")

    def of(self, *rules: str) -> tuple[Finding, ...]:
        """Those of the rules whose names begin so, worst first."""
        ranked = [each for found in self._chosen(rules) for each in found.ranked]
        return tuple(finding for _, finding in _sorted(ranked))

    def about(self, name: str, *rules: str) -> tuple[Finding, ...]:
        """Those that are about something of this name, worst first; of the rules whose names
        begin so."""
        every = [f for found in self._chosen(rules or ("",)) for f in found.by_name.get(name, ())]
        return tuple(sorted(every, key=rank) if len(every) > 1 else every)

    def _chosen(self, rules: tuple[str, ...]) -> tuple[Found, ...]:
        chosen = self._under.get(rules)
        if chosen is None:
            chosen = tuple(found for name, found in self.found.items() if name.startswith(rules))
            self._under[rules] = chosen
        return chosen
