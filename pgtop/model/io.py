"""How long the storage takes, where the server measures it."""

from __future__ import annotations

from typing import Literal, NamedTuple

IoKind = Literal["read", "fsync"]


class IoTime(NamedTuple):
    """Operations of one kind since the counters were reset."""

    kind: IoKind
    """Reads of tables and indexes; fsyncs of WAL, which commits wait for."""

    timed: bool
    """track_io_timing, or for WAL track_wal_io_timing, is on; else `ms` says nothing."""

    ops: int
    ms: float
