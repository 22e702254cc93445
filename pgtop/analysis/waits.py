"""What active sessions waited for in the last minutes, sampled from what is read anyway."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, ClassVar, NamedTuple

from pgtop.analysis.redact import mask_literals
from pgtop.model.sample import Sample
from pgtop.model.session import Session

WINDOW_S = 300.0
"""As long as samples are kept."""

CPU = "CPU"
"""Active and waiting for nothing: on the processor, or in line for it, which SQL cannot see."""

CLASSES = (CPU, "IO", "Lock", "LWLock", "BufferPin", "IPC", "Timeout", "Extension", "Client")
"""In the order in which they are shown; others follow."""

StatementRef = int | str
"""query_id, or before 14 and without compute_query_id the text, its literals masked."""


class Load(NamedTuple):
    """What an active session was at when it was looked at."""

    wait_class: str
    event: str
    """As PostgreSQL names it; of CPU the same word."""

    statement: StatementRef


class Point(NamedTuple):
    """One sample."""

    at: float
    """The server's clock."""

    load: Mapping[Load, int]
    """Active sessions by what they were at."""

    @property
    def active(self) -> int:
        """All of them."""
        return sum(self.load.values())


class Share(NamedTuple):
    """A part of the load over a window."""

    name: str
    """A wait class, an event, or a statement's text."""

    statement: StatementRef | None
    average: float
    """Active sessions."""

    series: tuple[float, ...]
    """In equal parts of the window, oldest first."""


class Contention(NamedTuple):
    """One event for which many wait, sample after sample."""

    wait_class: str
    event: str
    fraction: float
    """Least share of the active sessions in any of the samples."""

    waiting: float
    """Sessions that waited for it, on average."""

    active: float
    statement: str
    """The statement that waited for it most."""


@dataclass(frozen=True, slots=True, eq=False)
class Waits:
    """The last five minutes of active sessions, and who waits for a standby since when."""

    READS: ClassVar[tuple[type[Any], ...]] = (Session,)

    points: tuple[Point, ...] = ()
    texts: Mapping[StatementRef, str] = field(default_factory=dict)
    """First 200 characters of a statement, literals masked."""

    sync: Mapping[tuple[int, float | None], tuple[float, float]] = field(default_factory=dict)
    """Session that waits for a synchronous standby -> (query_start, first seen doing so)."""

    def advanced(
        self, fresh: Mapping[type[Any], Sample[Any]], held: Mapping[type[Any], Sample[Any]]
    ) -> Waits:
        """The next value."""
        sample: Sample[Session] = fresh[Session]
        at = sample.taken_at
        load: Counter[Load] = Counter()
        texts: dict[StatementRef, str] = {}
        for session in sample.rows:
            if counts(session):
                ref, text = statement_of(session)
                kind = session.wait_event_type or CPU
                load[Load(kind, session.wait_event or CPU, ref)] += 1
                texts[ref] = text
        points = (*(p for p in self.points if at - WINDOW_S < p.at < at), Point(at, dict(load)))
        kept = {each.statement for point in points for each in point.load}
        return Waits(
            points=points,
            texts={ref: text for ref, text in {**self.texts, **texts}.items() if ref in kept},
            sync=self._synced(sample),
        )

    def _synced(
        self, sample: Sample[Session]
    ) -> Mapping[tuple[int, float | None], tuple[float, float]]:
        found: dict[tuple[int, float | None], tuple[float, float]] = {}
        for session in sample.rows:
            if session.wait_event == "SyncRep" and session.query_start is not None:
                before = self.sync.get(session.key)
                same = before is not None and before[0] == session.query_start
                first = before[1] if before is not None and same else sample.taken_at
                found[session.key] = (session.query_start, first)
        return found

    @property
    def seconds(self) -> float:
        """How much of the window there is."""
        return self.points[-1].at - self.points[0].at if len(self.points) > 1 else 0.0

    def classes(self, parts: int = 30) -> list[Share]:
        """Load by wait class, in the order of `CLASSES`, those that never came up left out."""
        found = self._shares(lambda load: load.wait_class, parts)
        order = {name: number for number, name in enumerate(CLASSES)}
        return sorted(found, key=lambda share: (order.get(share.name, len(order)), share.name))

    def events(self, wait_class: str, parts: int = 30) -> list[Share]:
        """Load of one class by event, most first."""
        return self._shares(
            lambda load: load.event if load.wait_class == wait_class else None, parts
        )

    def statements(self, wait_class: str | None = None, parts: int = 30) -> list[Share]:
        """Load, of one class or all, by statement, most first."""
        named = self._shares(
            lambda load: load.statement if wait_class in (None, load.wait_class) else None, parts
        )
        return [share._replace(name=self.texts.get(share.statement or 0, "")) for share in named]

    def _shares(self, name_of: Any, parts: int) -> list[Share]:
        """Average active sessions by name, and how each went."""
        if not self.points:
            return []
        first, last = self.points[0].at, self.points[-1].at
        width = max(last - first, 1e-9) / parts
        sums: dict[Any, list[float]] = {}
        samples = [0] * parts
        for point in self.points:
            part = min(parts - 1, int((point.at - first) / width))
            samples[part] += 1
            for load, number in point.load.items():
                name = name_of(load)
                if name is not None:
                    sums.setdefault(name, [0.0] * parts)[part] += number
        shares = [
            Share(
                str(name),
                name,
                sum(series) / len(self.points),
                tuple(v / n for v, n in zip(series, samples, strict=True) if n),
            )
            for name, series in sums.items()
        ]
        return sorted(shares, key=lambda share: (-share.average, share.name))

    def contended(self, classes: Sequence[str], samples: int) -> Iterable[Contention]:
        """Events of these classes that somebody waited for in each of the last `samples`."""
        recent = self.points[-samples:]
        if len(recent) < samples:
            return
        totals = [_by_event(point, classes) for point in recent]
        for name in sorted(set.intersection(*(set(each) for each in totals))):
            statements: Counter[StatementRef] = Counter()
            for point in recent:
                for load, number in point.load.items():
                    if load[:2] == name:
                        statements[load.statement] += number
            waiting = [each[name] for each in totals]
            yield Contention(
                *name,
                min(n / p.active for n, p in zip(waiting, recent, strict=True)),
                sum(waiting) / samples,
                sum(point.active for point in recent) / samples,
                self.texts.get(statements.most_common(1)[0][0], ""),
            )


def counts(session: Session) -> bool:
    """Whether it is part of the load: a client's statement under way, or its parallel worker."""
    return session.state == "active" and (
        session.backend_type in ("client backend", "parallel worker")
    )


def statement_of(session: Session) -> tuple[StatementRef, str]:
    """(what identifies its statement, its text, literals masked)."""
    text = _masked((session.query or "")[:200])
    return (session.query_id or text), text


@lru_cache(maxsize=2_000)
def _masked(text: str) -> str:
    return " ".join(mask_literals(text).split())


def _by_event(point: Point, classes: Sequence[str]) -> Counter[tuple[str, str]]:
    found: Counter[tuple[str, str]] = Counter()
    for load, number in point.load.items():
        if load.wait_class in classes or load[:2] == ("Lock", "extend"):
            found[load.wait_class, load.event] += number
    return found
