"""What the rules about indexes look at, put together once for each reading of the catalogue."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from operator import is_
from time import perf_counter
from typing import Any, TypeVar

from pgtop.advice import Facts, NeedsTime
from pgtop.analysis.estimates import Estimates
from pgtop.analysis.keys import best_support
from pgtop.analysis.usage import Usage
from pgtop.model.finding import Finding
from pgtop.model.index import CounterWindow, ForeignKey, Index, OperatorClass
from pgtop.model.sample import Sample, SourceError
from pgtop.model.server import Server

RowT = TypeVar("RowT")

SLICE_S = 0.005
"""So long a slice of judging takes at most: the screen's loop allows a step 10 ms."""


@dataclass(frozen=True, slots=True)
class IndexFacts:
    """Indexes by table, with their counters, estimates and the keys that rest on them."""

    by_table: dict[int, list[Index]]
    usage: Usage
    estimates: Estimates
    foreign_keys: dict[int, list[ForeignKey]]
    """By referencing table; a partitioned one's by its partitions too."""

    classes: dict[int, OperatorClass]
    blind: str | None
    """Why it is not known which indexes foreign keys need; None: it is."""

    window: CounterWindow
    server: Server | None
    now: float
    """The server's clock, seconds since 1970."""

    @property
    def window_s(self) -> float | None:
        """How long the counters have counted; None: not known."""
        return None if self.window.since is None else max(0.0, self.now - self.window.since)

    def observed_s(self, index: Index) -> float | None:
        """How long this index was counted, as far as its age is known."""
        window = self.window_s
        born = index.created_at or self.usage.appeared.get(index.indexrelid)
        if window is None or born is None:
            return window
        return min(window, max(0.0, self.now - born))

    def table_ident(self, index: Index) -> str:
        """Its table, schema-qualified and quoted; empty where that was not read."""
        table = self.usage.tables.get(index.indrelid)
        return table.ident if table is not None else ""

    def supports(self, index: Index, without: Sequence[Index] = ()) -> ForeignKey | None:
        """A foreign key that would be served worse without this index, where those of
        `without` are gone already."""
        for key in self.foreign_keys.get(index.indrelid, ()):
            of_table = [i for i in self.by_table.get(index.indrelid, ()) if i not in without]
            others = [other for other in of_table if other.indexrelid != index.indexrelid]
            with_it = best_support(key, of_table, self.classes)
            if with_it > best_support(key, others, self.classes):
                return key
        return None

    @property
    def builds_safely(self) -> bool:
        """Whether CONCURRENTLY is to be trusted: 14.0 to 14.3 corrupted such indexes
        (release notes of 14.4)."""
        return self.server is None or not 140000 <= self.server.version_num < 140004


def optional(facts: Facts, row_type: type[RowT]) -> Sequence[RowT]:
    """Rows of a type, none where it was not read or cannot be."""
    found = facts.samples.get(row_type)
    return found.rows if isinstance(found, Sample) else ()


def gathered(facts: Facts) -> IndexFacts:
    """Everything together. Raises `NeedsTime` and `NotPossible` as the facts do."""
    usage, estimates = facts.get(Usage), facts.get(Estimates)
    facts.rows(Index)
    keys = optional(facts, ForeignKey)
    windows = facts.rows(CounterWindow)
    if not windows:
        raise NeedsTime("the counters' window was not read yet")
    servers = optional(facts, Server)
    sample = facts.samples[CounterWindow]
    return IndexFacts(
        by_table=estimates.by_table,
        usage=usage,
        estimates=estimates,
        foreign_keys=kept(usage, "by child", (keys, usage.leaves), lambda: _by_child(keys, usage)),
        classes={row.oid: row for row in optional(facts, OperatorClass)},
        blind=unread(facts, ForeignKey, "foreign keys")
        or unread(facts, OperatorClass, "operator classes"),
        window=windows[0],
        server=servers[0] if servers else None,
        now=_now(facts, sample.taken_at if isinstance(sample, Sample) else 0.0),
    )


def _now(facts: Facts, at: float) -> float:
    server = facts.samples.get(Server)
    return max(at, server.taken_at) if isinstance(server, Sample) else at


def unread(facts: Facts, row_type: type[Any], what: str) -> str | None:
    """Why rows of a type are not there, in the server's words where it refused; None: they are."""
    found = facts.samples.get(row_type)
    if isinstance(found, SourceError):
        return found.why
    return f"{what} were not read yet" if found is None else None


def _by_child(keys: Iterable[ForeignKey], usage: Usage) -> dict[int, list[ForeignKey]]:
    found: dict[int, list[ForeignKey]] = {}
    for key in keys:
        for relid in {key.conrelid, *usage.all_leaves(key.conrelid)}:
            found.setdefault(relid, []).append(key.on(relid))
    return found


def kept(usage: Usage, name: str, inputs: tuple[Any, ...], make: Callable[[], Any]) -> Any:
    """What `make` gave for the same inputs before, else what it gives now.

    Rules are asked after every reading, and their inputs change once in minutes.
    """
    known = usage.memo.get(name)
    if known is not None and all(a is b for a, b in zip(known[0], inputs, strict=True)):
        return known[1]
    made = make()
    usage.memo[name] = (inputs, made)
    return made


def kept_in_slices(
    usage: Usage, name: str, inputs: tuple[Any, ...], parts: Callable[[], Iterable[list[Any]]]
) -> Iterator[None]:
    """The same for what takes long to make, in parts: yields after each slice of it."""
    known = usage.memo.get(name)
    if known is not None and all(a is b for a, b in zip(known[0], inputs, strict=True)):
        return
    made: list[Any] = []
    until = perf_counter() + SLICE_S
    for some in parts():
        made += some
        if perf_counter() >= until:
            yield
            until = perf_counter() + SLICE_S
    usage.memo[name] = (inputs, tuple(made))


def as_before(usage: Usage, name: str, made: tuple[Any, ...]) -> tuple[Any, ...]:
    """The same object as before where its parts are the same objects: what is made of it is
    kept then."""
    before: tuple[Any, ...] = usage.memo.get(name, ((), ()))[1]
    if len(before) == len(made) and all(map(is_, before, made)):
        return before
    usage.memo[name] = ((), made)
    return made


def listed(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """A rule's findings, to be kept."""
    return tuple(findings)
