"""What happened to statements between two readings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from pgtop.model.statement import Statement, StatementKey


@dataclass(frozen=True, slots=True)
class Base:
    """Counters at one moment."""

    taken_at: float
    rows: Mapping[StatementKey, Statement]


class Delta(NamedTuple):
    """What one statement did between two moments. Times in milliseconds, I/O in blocks."""

    calls: int
    exec_ms: float
    rows: int
    hit: int
    read: int
    dirtied: int
    written: int
    temp_read: int
    temp_written: int
    wal_bytes: float | None

    @property
    def mean_ms(self) -> float | None:
        """Per call; None where it was not called."""
        return self.exec_ms / self.calls if self.calls else None

    @property
    def rows_per_call(self) -> float | None:
        """Rows returned or touched, per call."""
        return self.rows / self.calls if self.calls else None

    @property
    def hit_fraction(self) -> float | None:
        """Share of shared blocks found in shared_buffers; None if it touched none."""
        blocks = self.hit + self.read
        return self.hit / blocks if blocks else None

    @property
    def temp_blocks(self) -> int:
        """Temporary blocks read and written."""
        return self.temp_read + self.temp_written


NOTHING = Delta(0, 0.0, 0, 0, 0, 0, 0, 0, 0, 0.0)


def delta(now: Statement, before: Statement | None) -> Delta | None:
    """What happened between; None where the entry was reset or thrown out and came back."""
    if before is None:
        return Delta(
            now.calls, now.total_exec_time, now.rows, now.shared_blks_hit, now.shared_blks_read,
            now.shared_blks_dirtied, now.shared_blks_written, now.temp_blks_read,
            now.temp_blks_written, now.wal_bytes,
        )  # fmt: skip
    if now is before:
        return NOTHING
    if now.calls < before.calls or now.stats_since != before.stats_since:
        return None
    wal = None if now.wal_bytes is None else now.wal_bytes - (before.wal_bytes or 0.0)
    return Delta(
        now.calls - before.calls,
        now.total_exec_time - before.total_exec_time,
        now.rows - before.rows,
        now.shared_blks_hit - before.shared_blks_hit,
        now.shared_blks_read - before.shared_blks_read,
        now.shared_blks_dirtied - before.shared_blks_dirtied,
        now.shared_blks_written - before.shared_blks_written,
        now.temp_blks_read - before.temp_blks_read,
        now.temp_blks_written - before.temp_blks_written,
        wal,
    )


@dataclass(frozen=True, slots=True)
class Interval:
    """What changed between two readings: only statements that were called."""

    taken_at: float
    seconds: float
    deltas: Mapping[StatementKey, Delta]

    @property
    def exec_ms(self) -> float:
        """Milliseconds of all statements together."""
        return sum(d.exec_ms for d in self.deltas.values())

    @property
    def calls(self) -> int:
        """Calls of all statements together."""
        return sum(d.calls for d in self.deltas.values())
