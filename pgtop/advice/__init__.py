"""Rules: pure functions from facts to findings.

A rule looks at `Facts` and returns what it found, or says that it cannot tell. To add
one: write the function in the module of its subject, name it in the tuple at its foot,
write its test.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from operator import is_
from typing import Any, TypeVar

from pgtop.advice.verdict import Found, Verdict, arranged
from pgtop.model.finding import Finding
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
        """The rows last read. Raises `NeedsTime` before the first and where a lock or a time
        limit was met, `NotPossible` where nobody may read them; with the why."""
        found = self.samples.get(row_type)
        if found is None:
            raise NeedsTime(f"{row_type.__name__} was not read yet")
        if isinstance(found, SourceError):
            raise (NeedsTime if found.passing else NotPossible)(found.why)
        return found.rows

    def one(self, row_type: type[FactT]) -> FactT:
        """The only row of a type that has one. Raises as `rows` does, and where there is none."""
        found = self.rows(row_type)
        if not found:
            raise NeedsTime(f"{row_type.__name__} has no row yet")
        return found[0]

    def get(self, fact_type: type[FactT]) -> FactT:
        """A derived value. Raises `NeedsTime` where it does not exist yet, or is one of before
        because what it is made of, the first of its `READS`, cannot be read at this moment."""
        found: FactT | None = self.derived.get(fact_type)
        if found is None:
            raise NeedsTime(f"{fact_type.__name__} needs more samples")
        for row_type in getattr(fact_type, "READS", ())[:1]:
            made_of = self.samples.get(row_type)
            if isinstance(made_of, SourceError) and made_of.passing:
                raise NeedsTime(made_of.why)
        return found


@dataclass(frozen=True, slots=True)
class Rule:
    """A named check. `judge` raises `NotJudged` where it cannot tell."""

    name: str
    judge: Callable[[Facts], Iterable[Finding]]
    prepare: Callable[[Facts], Iterable[object]] | None = None
    """Work that others share and that takes long, in steps of a few milliseconds."""


def judge(facts: Facts, rules: Iterable[Rule]) -> Verdict:
    """Ask every rule."""
    judge_ = Judge(rules)
    for _ in judge_.steps(facts):
        pass
    return judge_.verdict


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What a rule said, and of which facts."""

    looked_at: tuple[tuple[int, type[Any], Any], ...]
    findings: tuple[Finding, ...]
    found: Found
    """The same in order: tens of thousands are not put in order after every reading."""

    refused: NotJudged | None = None

    def says_as(self, other: _Outcome) -> bool:
        """Whether both say the same."""
        return self.found is other.found and str(self.refused) == str(other.refused)


class Judge:
    """Asks the rules again and again, each only when a fact that it looked at has changed."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._rules = tuple(rules)
        self._outcomes: dict[str, _Outcome] = {}
        self._verdict: Verdict | None = None

    def steps(self, facts: Facts) -> Iterator[str | None]:
        """Ask every rule that has to be asked; yields its name after each, None between slices
        of one's work, for who must not be held up."""
        spaces = (facts.samples, facts.derived)
        for rule in self._rules:
            known = self._outcomes.get(rule.name)
            if known is not None and all(
                spaces[space].get(kind) is value for space, kind, value in known.looked_at
            ):
                continue
            if rule.prepare is not None:
                for _ in rule.prepare(facts):
                    yield None
            outcome = self._outcomes[rule.name] = yield from _asked(rule, facts, known)
            if known is None or not outcome.says_as(known):
                self._verdict = None
            yield rule.name

    @property
    def verdict(self) -> Verdict:
        """What they all said last; the same object as long as they say the same."""
        if self._verdict is None:
            self._verdict = self._made()
        return self._verdict

    def _made(self) -> Verdict:
        outcomes = self._outcomes
        refused = {name: o.refused for name, o in outcomes.items() if o.refused is not None}
        return Verdict(
            found={name: o.found for name, o in outcomes.items() if o.refused is None},
            needs_time={n: str(why) for n, why in refused.items() if isinstance(why, NeedsTime)},
            not_possible={
                n: str(why) for n, why in refused.items() if not isinstance(why, NeedsTime)
            },
        )


def _asked(rule: Rule, facts: Facts, before: _Outcome | None) -> Generator[None, None, _Outcome]:
    """Ask one rule; yields between slices of putting in order what it found."""
    samples, derived = _Watched(facts.samples), _Watched(facts.derived)
    findings: tuple[Finding, ...] = ()
    refused: NotJudged | None = None
    try:
        findings = tuple(rule.judge(Facts(samples, derived)))
    except NotJudged as reason:
        refused = reason.with_traceback(None)  # its frames hold the facts, and hold it
    looked_at = tuple(
        (space, kind, value)
        for space, watched in enumerate((samples, derived))
        for kind, value in watched.seen.items()
    )
    if before is not None and _identical(findings, before.findings):
        return _Outcome(looked_at, before.findings, before.found, refused)
    return _Outcome(looked_at, findings, (yield from arranged(findings)), refused)


def _identical(some: tuple[Finding, ...], others: tuple[Finding, ...]) -> bool:
    return len(some) == len(others) and all(map(is_, some, others))


class _Watched(Mapping[type[Any], Any]):
    """A mapping that remembers what was looked up in it."""

    def __init__(self, values: Mapping[type[Any], Any]) -> None:
        self._values = values
        self.seen: dict[type[Any], Any] = {}

    def __getitem__(self, kind: type[Any]) -> Any:
        self.seen[kind] = self._values.get(kind)
        return self._values[kind]

    def __iter__(self) -> Iterator[type[Any]]:
        self.seen.update(self._values)
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)
