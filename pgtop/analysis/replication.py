"""How WAL moves: what standbys and slots do with it from one sample to the next."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, cast

from pgtop.model.replication import (
    Archiver,
    Checkpoints,
    Recovery,
    Slot,
    Standby,
    WalFiles,
    WalPlace,
)
from pgtop.model.sample import Sample

KEPT = 180
"""Values of a track: 15 minutes where they are read every 5 s."""

Samples = Mapping[type[Any], Sample[Any]]


@dataclass(frozen=True, slots=True)
class Track:
    """A value over time, oldest first; times are the server's clock."""

    times: tuple[float, ...] = ()
    values: tuple[int, ...] = ()

    def then(self, at: float, value: int) -> Track:
        """With one more value. The clock going back starts it anew."""
        if self.times and at <= self.times[-1]:
            return Track((at,), (value,))
        return Track((*self.times, at)[-KEPT:], (*self.values, value)[-KEPT:])

    @property
    def seconds(self) -> float:
        """From the first to the last value."""
        return self.times[-1] - self.times[0] if self.times else 0.0

    @property
    def per_s(self) -> float | None:
        """Mean change a second; None before the second value."""
        if self.seconds <= 0:
            return None
        return (self.values[-1] - self.values[0]) / self.seconds

    @property
    def still_s(self) -> float:
        """Seconds since the value was last seen to change, or was first seen."""
        if not self.times:
            return 0.0
        last = self.values[-1]
        since = self.times[-1]
        for at, value in zip(reversed(self.times), reversed(self.values), strict=True):
            if value != last:
                break
            since = at
        return self.times[-1] - since

    def when(self, value: int) -> float | None:
        """When a value that only grows passed this one; None: before the first, or not yet."""
        index = bisect_left(self.values, value)
        if index == 0:
            return self.times[0] if self.values and self.values[0] == value else None
        if index == len(self.values):
            return None
        before, after = self.values[index - 1], self.values[index]
        part = (value - before) / (after - before)
        return self.times[index - 1] + part * (self.times[index] - self.times[index - 1])


@dataclass(frozen=True, slots=True)
class Seen:
    """When a receiver streamed, by the server's clock."""

    first: float
    last: float
    synchronous: bool


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class WalFlow:
    """Tracks of WAL itself, of each standby and of each slot."""

    READS: ClassVar[tuple[type[Any], ...]] = (
        WalPlace, Standby, Slot, Recovery, Archiver, Checkpoints, WalFiles,
    )  # fmt: skip

    wal: Track = Track()
    replayed: Mapping[int, Track] = field(default_factory=dict)
    """Position of each standby by its walsender's pid."""

    behind: Mapping[int, Track] = field(default_factory=dict)
    seen: Mapping[tuple[str, str | None, str | None], Seen] = field(default_factory=dict)
    """Receivers that streamed while we watched, by their identity; gone ones too."""

    standbys_at: float = 0.0
    """When receivers were last read."""

    restart: Mapping[str, Track] = field(default_factory=dict)
    """restart_lsn of each slot."""

    retained: Mapping[str, Track] = field(default_factory=dict)
    confirmed: Mapping[str, Track] = field(default_factory=dict)
    unconfirmed: Mapping[str, Track] = field(default_factory=dict)
    own_replay: Track = Track()
    """Of this server, if it is a standby."""

    to_replay: Track = Track()
    cut_off: Track = Track()
    """1 while nobody receives."""

    requested: Track = Track()
    """Requested checkpoints."""

    timed: Track = Track()
    files: Track = Track()
    """Bytes in pg_wal."""

    archived: Track = Track()
    failed: Track = Track()
    ready: Track = Track()

    def advanced(self, fresh: Samples, held: Samples) -> WalFlow:
        """The next value."""
        changes: dict[str, Any] = {}
        for name, kind, pick in _SINGLE:
            rows = fresh[kind].rows if kind in fresh else ()
            if rows:
                value = pick(rows[0])
                if value is not None:
                    track = cast(Track, changes.get(name, getattr(self, name)))
                    changes[name] = track.then(fresh[kind].taken_at, value)
        for name, kind, key, pick in _EACH:
            if kind in fresh:
                at = fresh[kind].taken_at
                before = cast(Mapping[Any, Track], getattr(self, name))
                changes[name] = {
                    key(row): before.get(key(row), Track()).then(at, pick(row))
                    for row in fresh[kind].rows
                    if pick(row) is not None
                }
        if Standby in fresh:
            changes["standbys_at"] = fresh[Standby].taken_at
            changes["seen"] = self._seen(fresh[Standby])
        return replace(self, **changes)

    def _seen(self, sample: Sample[Standby]) -> Mapping[tuple[str, str | None, str | None], Seen]:
        at, seen = sample.taken_at, dict(self.seen)
        for row in sample.rows:
            if row.state == "streaming":
                key = row.identity
                first = seen[key].first if key in seen else at
                seen[key] = Seen(first, at, row.synchronous)
        return seen

    def lag_s(self, standby: Standby) -> float | None:
        """Seconds since what the standby replayed last was written here.

        The server's own replay_lag stands still when the standby does; the time at which WAL
        passed its position goes on. 0 where it has everything; None where neither is known.
        """
        if not standby.behind:
            return None if standby.behind is None else 0.0
        known = (standby.replay_lag_s, self._since(standby.replay_position))
        return max((lag for lag in known if lag is not None), default=None)

    def own_lag_s(self, row: Recovery) -> float | None:
        """Seconds since what this standby replayed last was received, 0 where nothing is left.

        The age of the last replayed transaction is more than that where few commit; it stands in
        while the position was not seen to pass yet.
        """
        if not row.to_replay:
            return row.lag_s
        passed = self.wal.when(row.replay_position) if row.replay_position is not None else None
        if passed is None:
            return row.lag_s
        since = self.wal.times[-1] - passed
        return since if row.lag_s is None else min(since, row.lag_s)

    def _since(self, position: int | None) -> float | None:
        if position is None or not self.wal.times:
            return None
        passed = self.wal.when(position)
        if passed is not None:
            return self.wal.times[-1] - passed
        if self.wal.values[0] > position:
            return self.wal.seconds or None  # at least
        return None

    def catching_up_s(self, pid: int) -> float | None:
        """Seconds until a standby has everything at its present speed; None: it does not gain."""
        return _until_zero(self.behind.get(pid, Track()))

    def growth_per_s(self, slot: str) -> float | None:
        """Bytes a second by which a slot retains more."""
        return self.retained.get(slot, Track()).per_s


def _until_zero(track: Track) -> float | None:
    rate = track.per_s
    if rate is None or rate >= 0:
        return None
    return track.values[-1] / -rate


_SINGLE: tuple[tuple[str, type[Any], Any], ...] = (
    ("wal", WalPlace, lambda row: row.position),
    ("own_replay", Recovery, lambda row: row.replay_position),
    ("to_replay", Recovery, lambda row: row.to_replay),
    ("cut_off", Recovery, lambda row: int(row.cut_off)),
    ("requested", Checkpoints, lambda row: row.requested),
    ("timed", Checkpoints, lambda row: row.timed),
    ("files", WalFiles, lambda row: row.bytes),
    ("ready", WalFiles, lambda row: row.ready),
    ("archived", Archiver, lambda row: row.archived_count),
    ("failed", Archiver, lambda row: row.failed_count),
)

_EACH: tuple[tuple[str, type[Any], Any, Any], ...] = (
    ("replayed", Standby, lambda row: row.pid, lambda row: row.replay_position),
    ("behind", Standby, lambda row: row.pid, lambda row: row.behind),
    ("restart", Slot, lambda row: row.slot_name, lambda row: row.restart_position),
    ("retained", Slot, lambda row: row.slot_name, lambda row: row.retained_bytes),
    ("confirmed", Slot, lambda row: row.slot_name, lambda row: row.confirmed_position),
    ("unconfirmed", Slot, lambda row: row.slot_name, lambda row: row.unconfirmed_bytes),
)
