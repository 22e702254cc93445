"""What all rules said, in the order in which somebody in a hurry reads it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pgtop.advice.verdict import Verdict
from pgtop.model.finding import Finding, Severity, Subject

FOLD_FROM = 4
"""So many notices of one rule are one line: nine unused indexes are one thing to do, and must not
push a lock off the screen."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A finding, several notices of one rule, or all that is said of one session."""

    findings: tuple[Finding, ...]
    """The worst first; never empty."""

    @property
    def worst(self) -> Finding:
        """The one that stands for all."""
        return self.findings[0]

    @property
    def key(self) -> tuple[str, object]:
        """Its identity from one sample to the next."""
        return (self.worst.rule, "several") if self.folded else self.worst.key

    @property
    def folded(self) -> bool:
        """Several of one rule; otherwise all are about one and the same session."""
        return len(self.findings) > 1 and self.findings[1].rule == self.worst.rule

    @property
    def severity(self) -> Severity:
        """That of the worst."""
        return self.worst.severity

    @property
    def bytes(self) -> float:
        """What they cost together."""
        return sum(f.cost.bytes or 0.0 for f in self.findings)


def entries(findings: Sequence[Finding]) -> tuple[Entry, ...]:
    """Findings, worst first as they come, notices of one rule folded where they are many; who
    blocks others and is idle in a transaction is one thing, not two."""
    notices: dict[str, list[Finding]] = {}
    for finding in findings:
        if finding.severity == "notice":
            notices.setdefault(finding.rule, []).append(finding)
    made: list[Entry] = []
    folded: set[str] = set()
    sessions: dict[Subject, int] = {}
    for finding in findings:
        of_session = finding.subject.kind == "session"
        several = notices.get(finding.rule, ())
        if of_session and finding.subject in sessions:
            place = sessions[finding.subject]
            made[place] = Entry((*made[place].findings, finding))
        elif finding.severity != "notice" or len(several) < FOLD_FROM:
            if of_session:
                sessions[finding.subject] = len(made)
            made.append(Entry((finding,)))
        elif finding.rule not in folded:
            folded.add(finding.rule)
            made.append(Entry(tuple(several)))
    return tuple(made)


@dataclass(frozen=True, slots=True)
class Cause:
    """One of the usual reasons why PostgreSQL is slow, and what the rules say of it."""

    name: str
    state: Literal["named", "clear", "waiting", "unknown"]
    """Found; looked for and not found; more samples will tell; cannot be told here."""

    findings: tuple[Finding, ...] = ()
    why: str = ""
    """Why nothing can be told, of `waiting` and `unknown`."""


CAUSES: Sequence[tuple[str, tuple[str, ...]]] = (
    ("indexes", ("index.missing", "index.invalid")),
    ("N+1", ("query.n_plus_one",)),
    ("pool", ("connections.near_limit", "pool.")),
    ("locks", ("locks.", "connections.idle_in_transaction")),
    ("vacuum", ("autovacuum.", "wraparound.")),
    ("replication", ("replication.", "wal.")),
)
"""Missing indexes, N+1 and an exhausted pool account for most slow databases; then what an
incident is made of. Name -> beginnings of the names of its rules; those of the first can be judged
everywhere, and none is clear without them."""


def causes(verdict: Verdict) -> tuple[Cause, ...]:
    """Each cause: named, clear, or why that is not known. One without any rule is left out."""
    made = []
    for name, rules in CAUSES:
        known = (*verdict.judged, *verdict.needs_time, *verdict.not_possible)
        if not any(rule.startswith(rules) for rule in known):
            continue
        found = tuple(f for f in verdict.of(*rules) if f.severity != "notice")
        waits = [why for rule, why in verdict.needs_time.items() if rule.startswith(rules)]
        barred = [why for rule, why in verdict.not_possible.items() if rule.startswith(rules[0])]
        if found:
            made.append(Cause(name, "named", found))
        elif waits:
            made.append(Cause(name, "waiting", why=waits[0]))
        elif barred:
            made.append(Cause(name, "unknown", why=barred[0]))
        else:
            made.append(Cause(name, "clear"))
    return tuple(made)


def said(verdict: Verdict) -> str:
    """How many checks there were and how they ended."""
    parts = [f"{len(verdict.judged)} checked"]
    if verdict.needs_time:
        parts.append(f"{len(verdict.needs_time)} need more time")
    if verdict.not_possible:
        parts.append(f"{len(verdict.not_possible)} not possible here")
    return ", ".join(parts)


def nothing_found(verdict: Verdict) -> str:
    """The sentence in place of findings: healthy only when all that can be judged was."""
    if verdict.needs_time:
        return f"no finding so far: {said(verdict)} (w says why)"
    left = f", {len(verdict.not_possible)} not possible here" if verdict.not_possible else ""
    return f"no finding: {len(verdict.judged)} checks passed{left} (w says which)"
