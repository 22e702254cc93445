"""Storage that answers more slowly than it used to."""

from __future__ import annotations

from collections.abc import Iterator

from pgtop.advice import Facts, NeedsTime, NotPossible, Rule
from pgtop.advice.thresholds import io as limits
from pgtop.analysis import units
from pgtop.analysis.io import IoFlow
from pgtop.model.finding import Cost, Finding, Subject
from pgtop.model.io import IoKind, IoTime

NAMES: dict[IoKind, tuple[str, str]] = {
    "read": ("reads", "reads of tables and indexes"),
    "fsync": ("WAL fsyncs", "fsyncs of WAL, for which commits wait,"),
}


def slow(facts: Facts) -> Iterator[Finding]:
    """Reads, or fsyncs of WAL, that take far longer than before, several samples running."""
    rows = facts.rows(IoTime)
    flow = facts.get(IoFlow)
    timed = [row.kind for row in rows if row.timed]
    if not timed:
        raise NotPossible(
            "the server does not time its storage: track_io_timing and track_wal_io_timing are off"
            if rows
            else "times of I/O are in pg_stat_io, from 16, and for WAL from 14"
        )
    if not any(len(flow.paces.get(kind, ())) >= limits.GAPS for kind in timed):
        raise NeedsTime(f"needs {limits.GAPS + 1} samples of pg_stat_io")
    for kind in timed:
        finding = _judged(kind, flow)
        if finding is not None:
            yield finding


def _judged(kind: IoKind, flow: IoFlow) -> Finding | None:
    latest = flow.paces.get(kind, ())[-limits.GAPS :]
    before = flow.before_ms(kind, limits.GAPS, limits.LEAST_BEFORE)
    if len(latest) < limits.GAPS or before is None:
        return None
    least = max(limits.SLOW_MS, before * limits.TIMES)
    if any(p.ops < limits.LEAST_OPS or (p.mean_ms or 0.0) < least for p in latest):
        return None
    ops, ms = sum(p.ops for p in latest), sum(p.ms for p in latest)
    seconds = sum(p.seconds for p in latest)
    name, what = NAMES[kind]
    return Finding(
        rule="io.slow",
        severity="warning",
        subject=Subject("server", f"storage: {name}"),
        title=f"storage is slow: {name} take {units.ms(ms / ops)}, {units.ms(before)} before",
        why=f"{what} took {units.ms(ms / ops)} on average over the last {units.seconds(seconds)}"
        f" ({units.rate(ops / seconds)} a second), {units.ms(before)} since the counters began",
        evidence={
            "mean_ms": round(ms / ops, 3),
            "before_ms": round(before, 3),
            "ops_per_s": round(ops / seconds, 3),
        },
        cost=Cost(ms_per_s=ms / seconds),
        no_remedy=(
            "no DDL: look at the volume: its queue, its limit or burst credit, a neighbour, a"
            " backup. SQL sees none of these; queries that read less (Queries, by I/O) relieve it"
        ),
    )


IO_RULES: tuple[Rule, ...] = (Rule("io.slow", slow),)
