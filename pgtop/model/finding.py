"""What pgtop found, and what to do about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Severity = Literal["critical", "warning", "notice"]
Confidence = Literal["proved", "measured", "planner", "correlated", "estimated"]

SEVERITIES: tuple[Severity, ...] = ("critical", "warning", "notice")
"""Worst first."""


@dataclass(frozen=True, slots=True)
class Subject:
    """The thing a finding is about. Names are as PostgreSQL holds them, unquoted."""

    kind: Literal[
        "statement", "table", "index", "sequence", "session", "prepared", "slot", "standby",
        "database", "pool", "setting", "server", "plan",
    ]  # fmt: skip
    name: str
    schema: str | None = None
    of: str | None = None


@dataclass(frozen=True, slots=True)
class Cost:
    """What the finding costs as long as it stands; None where it cannot be known."""

    ms_per_s: float | None = None
    bytes: float | None = None
    eta_s: float | None = None


@dataclass(frozen=True, slots=True)
class Remedy:
    """Statements that end the finding, and those that take them back.

    `sql` and `undo` run as they are, in order, quoted. `transactional` is False where
    one of them may not run inside a transaction block. `lock` is the strongest lock
    that `sql` takes, by the server's name for it.
    """

    sql: tuple[str, ...]
    undo: tuple[str, ...]
    transactional: bool
    lock: str
    caution: str | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, with its figures and its remedy or the reason for none."""

    rule: str
    severity: Severity
    subject: Subject
    title: str
    """One line for a list."""

    why: str
    """The sentence with its figures."""

    evidence: Mapping[str, float | int | str | bool | None] = field(default_factory=dict)
    """The figures, each with its unit in its name."""

    cost: Cost = Cost()
    confidence: Confidence = "measured"
    remedy: Remedy | None = None
    no_remedy: str | None = None
    """Why there is nothing to run, where `remedy` is None."""

    @property
    def key(self) -> tuple[str, Subject]:
        """Its identity from one sample to the next: rule and subject."""
        return self.rule, self.subject


def rank(finding: Finding) -> tuple[object, ...]:
    """Sort key, worst first: severity, cost, how soon, bytes, then rule and subject."""
    cost, subject = finding.cost, finding.subject
    return (
        SEVERITIES.index(finding.severity),
        -(cost.ms_per_s or 0.0),
        cost.eta_s if cost.eta_s is not None else float("inf"),
        -(cost.bytes or 0.0),
        finding.rule,
        subject.kind,
        subject.schema or "",
        subject.name,
        subject.of or "",
    )
