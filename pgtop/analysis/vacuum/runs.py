"""Vacuums under way: how far, how long still, and a memory of those that were seen to end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pgtop.model.vacuum import VacuumRun

SURE_FRACTION = 0.25
"""How far off the middle of a run's bounds may be and still be called its duration."""

REMEMBERED_S = 600.0
"""How long a look at the workers counts towards their being all busy."""


@dataclass(frozen=True, slots=True)
class Progress:
    """One run as far as samples tell."""

    run: VacuumRun
    share: float | None
    """Of the heap scanned, or vacuumed in the second pass over it."""

    eta_s: float | None
    """To the end of the present phase; None where that cannot be told."""


@dataclass(frozen=True, slots=True)
class RunHistory:
    """What a row of looks at the workers tells."""

    now: tuple[Progress, ...] = ()
    seen: Mapping[int, tuple[float, VacuumRun]] = field(default_factory=dict)
    """pid -> when and how it was seen first in its present phase."""

    lasted: Mapping[int, float] = field(default_factory=dict)
    """relid -> seconds that its last run took, of those seen to the end closely enough."""

    busy: tuple[tuple[float, int], ...] = ()
    """(when, autovacuum workers at work), the last ten minutes."""

    def advanced(self, taken_at: float, runs: tuple[VacuumRun, ...]) -> RunHistory:
        """With one more look."""
        lasted = dict(self.lasted)
        current = {(run.pid, run.relid) for run in runs}
        unseen = taken_at - self.busy[-1][0] if self.busy else 0.0
        for before in self.now:
            run = before.run
            if run.relid and run.phase and (run.pid, run.relid) not in current and run.xact_s:
                middle = run.xact_s + unseen / 2
                if unseen / 2 <= SURE_FRACTION * middle:
                    lasted[run.relid] = middle
        seen: dict[int, tuple[float, VacuumRun]] = {}
        for run in runs:
            first = self.seen.get(run.pid)
            same = first is not None and _step(first[1]) == _step(run)
            seen[run.pid] = first if first is not None and same else (taken_at, run)
        workers = sum(run.worker for run in runs)
        busy = (*self.busy, (taken_at, workers))
        return RunHistory(
            now=tuple(_progress(run, seen[run.pid], taken_at) for run in runs),
            seen=seen,
            lasted=lasted,
            busy=tuple(look for look in busy if taken_at - look[0] <= REMEMBERED_S),
        )

    def saturated(self, max_workers: int) -> bool | None:
        """All workers busy in 80 % of ten minutes' looks; None before ten minutes passed."""
        if not self.busy or self.busy[-1][0] - self.busy[0][0] < REMEMBERED_S * 0.9:
            return None
        full = sum(count >= max_workers for _, count in self.busy)
        return full >= 0.8 * len(self.busy)


def _step(run: VacuumRun) -> tuple[object, ...]:
    return run.relid, run.phase, run.index_vacuum_count


def _progress(run: VacuumRun, first: tuple[float, VacuumRun], now: float) -> Progress:
    total = run.heap_blks_total or 0
    at, before = first
    if run.phase == "scanning heap":
        done, old = run.heap_blks_scanned or 0, before.heap_blks_scanned or 0
    elif run.phase == "vacuuming heap":
        done, old = run.heap_blks_vacuumed or 0, before.heap_blks_vacuumed or 0
    elif run.indexes_total:
        total, done = run.indexes_total, run.indexes_processed or 0
        old = before.indexes_processed or 0
    else:
        return Progress(run, None, None)
    if total <= 0:
        return Progress(run, None, None)
    seconds = now - at
    speed = (done - old) / seconds if seconds > 0 else 0.0
    return Progress(run, min(1.0, done / total), (total - done) / speed if speed > 0 else None)
