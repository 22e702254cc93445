"""The server's vital signs, each with its last minutes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from pgtop.model.sample import Sample
from pgtop.model.server import DatabaseCounters, Vitals

KEPT = 60
"""Values of each sign."""

LEAST_S = 1.5
"""Between two readings that are compared: a backend reports what it did at most once a second
(pgstat.c, PGSTAT_MIN_INTERVAL), and a tab that is opened is read at once."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pulse:
    """Rates from the last two readings, and how each sign went."""

    READS: ClassVar[tuple[type[Any], ...]] = (Vitals, DatabaseCounters)

    history: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """By the name of its field here or in `Vitals`, `connections` for the slots in use; oldest
    first; a value that was not known is left out."""

    tps: float | None = None
    """Transactions a second, committed and rolled back, of the whole cluster."""

    hit: float | None = None
    """Share of block reads found in shared buffers between the two readings."""

    temp_per_s: float | None = None
    """Bytes a second; counted when a statement ends."""

    wal_per_s: float | None = None
    """Bytes of WAL a second: written on a primary, replayed on a standby."""

    counted: tuple[float, DatabaseCounters] | None = None
    """(server's clock, counters) of the last reading."""

    wal: tuple[float, int] | None = None
    """(server's clock, position in bytes)."""

    def advanced(
        self, fresh: Mapping[type[Any], Sample[Any]], held: Mapping[type[Any], Sample[Any]]
    ) -> Pulse:
        """The next value."""
        changes: dict[str, Any] = {}
        seen: dict[str, float | None] = {}
        if DatabaseCounters in fresh and fresh[DatabaseCounters].rows:
            changes = self._counters(fresh[DatabaseCounters])
            seen.update({name: changes.get(name) for name in ("tps", "hit", "temp_per_s")})
        if Vitals in fresh and fresh[Vitals].rows:
            vitals: Vitals = fresh[Vitals].rows[0]
            if vitals.wal_bytes is not None:
                at = fresh[Vitals].taken_at
                changes["wal_per_s"] = self._wal_per_s(at, vitals.wal_bytes)
                changes["wal"] = (at, vitals.wal_bytes)
            seen.update(
                wal_per_s=changes.get("wal_per_s"), active=vitals.active, waiting=vitals.waiting,
                idle_in_transaction=vitals.idle_in_transaction,
                oldest_xact_s=vitals.oldest_xact_s, connections=vitals.used,
            )  # fmt: skip
        history = dict(self.history)
        for name, value in seen.items():
            if value is not None:
                history[name] = (*history.get(name, ()), float(value))[-KEPT:]
        return replace(self, history=history, **changes)

    def _counters(self, sample: Sample[DatabaseCounters]) -> dict[str, Any]:
        now = sample.rows[0]
        changes: dict[str, Any] = {"counted": (sample.taken_at, now)}
        if self.counted is None:
            return changes
        then_at, then = self.counted
        seconds = sample.taken_at - then_at
        if seconds <= 0:  # the server's clock was set back
            return changes
        if seconds < LEAST_S:
            return {}
        done = now.xact_commit + now.xact_rollback - then.xact_commit - then.xact_rollback
        hit, read = now.blks_hit - then.blks_hit, now.blks_read - then.blks_read
        if done < 0 or hit < 0 or read < 0:  # the counters were reset
            return {**changes, "tps": None, "hit": None, "temp_per_s": None}
        return {
            **changes,
            "tps": done / seconds,
            "hit": hit / (hit + read) if hit + read else None,
            "temp_per_s": max(0.0, (now.temp_bytes - then.temp_bytes) / seconds),
        }

    def _wal_per_s(self, at: float, position: int) -> float | None:
        if self.wal is None or at <= self.wal[0] or position < self.wal[1]:
            return None
        return (position - self.wal[1]) / (at - self.wal[0])
