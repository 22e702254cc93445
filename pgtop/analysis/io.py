"""How fast the storage answers, from one sample to the next, against how it did before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from pgtop.model.io import IoKind, IoTime
from pgtop.model.sample import Sample

KEPT = 60
"""Gaps between samples that are remembered."""


@dataclass(frozen=True, slots=True)
class Pace:
    """What happened between two samples."""

    seconds: float
    ops: int
    ms: float

    @property
    def mean_ms(self) -> float | None:
        """Milliseconds of one operation; None where there was none."""
        return self.ms / self.ops if self.ops else None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class IoFlow:
    """Paces by kind, oldest first."""

    READS: ClassVar[tuple[type[Any], ...]] = (IoTime,)

    paces: Mapping[IoKind, tuple[Pace, ...]] = field(default_factory=dict)
    first: Mapping[IoKind, IoTime] = field(default_factory=dict)
    """Counters when they were first read: all that was before."""

    last: Mapping[IoKind, tuple[float, IoTime]] = field(default_factory=dict)

    def advanced(
        self, fresh: Mapping[type[Any], Sample[Any]], held: Mapping[type[Any], Sample[Any]]
    ) -> IoFlow:
        """The next value; counters that went back start anew."""
        sample: Sample[IoTime] = fresh[IoTime]
        paces, first, last = dict(self.paces), dict(self.first), dict(self.last)
        for row in sample.rows:
            known = last.get(row.kind)
            last[row.kind] = (sample.taken_at, row)
            if known is None or row.ops < known[1].ops or row.ms < known[1].ms:
                first[row.kind] = row
                paces[row.kind] = ()
                continue
            seconds = sample.taken_at - known[0]
            pace = Pace(seconds, row.ops - known[1].ops, row.ms - known[1].ms)
            paces[row.kind] = (*paces[row.kind], pace)[-KEPT:]
        return replace(self, paces=paces, first=first, last=last)

    def before_ms(self, kind: IoKind, latest: int, least: int) -> float | None:
        """Mean of one operation before the `latest` gaps: since the reset, and as far as it was
        watched. None below `least` operations."""
        first = self.first.get(kind)
        earlier = self.paces.get(kind, ())[:-latest]
        ops = sum(pace.ops for pace in earlier) + (first.ops if first else 0)
        ms = sum(pace.ms for pace in earlier) + (first.ms if first else 0.0)
        return ms / ops if ops >= max(1, least) else None
