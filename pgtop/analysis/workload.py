"""What the statements did: since the reset, since a mark, in the last interval.

Ten thousand statements every two seconds, most of them unchanged: a row that did not
change keeps its old object, so the three bases share their memory, and a delta is worked
out only where `calls` moved.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal

from pgtop.analysis.statement_delta import NOTHING, Base, Delta, Interval, delta
from pgtop.model.sample import Sample
from pgtop.model.server import Database, Role
from pgtop.model.statement import Running, Statement, StatementKey, StatementsInfo, StatementText

TimeBase = Literal["interval", "mark", "reset"]

Metric = Literal["total", "mean", "calls", "rows", "io", "temp", "wal"]

INTERVALS_KEPT = 4
"""Rules look at three in a row; one more for the one under way."""

HISTORY_KEPT = 150
"""Intervals of a statement's own history: five minutes at two seconds."""

OWN = (
    "SELECT /* pgtop */", "EXPLAIN /* pgtop */", "PREPARE pgtop_plan", "DEALLOCATE pgtop_plan",
)  # fmt: skip
"""How pgtop's own statements begin; they are shown as pgtop's cost, not as the user's load."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementView:
    """One statement in one time base: what a row of the table shows."""

    key: StatementKey
    query: str | None
    """None: its text was not read yet."""

    user: str
    database: str
    delta: Delta | None
    """None after a reset of this entry: a gap, not a negative rate."""

    seconds: float | None
    """Length of the window; None where the reset's time is unknown."""

    share: float | None
    """Of all execution time in the window."""

    reset_mean_ms: float | None
    """Mean since the counters began."""

    running: int
    """Executions under way, in no counter yet."""

    running_s: float | None
    """Age of the oldest of them."""

    def per_s(self, value: float | None) -> float | None:
        """A total of the window per second."""
        if value is None or self.delta is None or not self.seconds:
            return None
        return value / self.seconds


@dataclass(frozen=True, slots=True)
class Workload:
    """Everything known about the statements of this server so far."""

    READS: ClassVar[tuple[type[Any], ...]] = (Statement, StatementText, Running, Role, Database)
    HOLDS: ClassVar[frozenset[type[Any]]] = frozenset((Statement, StatementText))
    """Row types that are looked up here and nowhere else."""

    now: Base | None = None
    first: Base | None = None
    mark: Base | None = None
    """Set by the user; until then the first reading stands in."""

    previous: Base | None = None
    intervals: tuple[Interval, ...] = ()
    """Newest last."""

    texts: Mapping[StatementKey, str] = field(default_factory=dict)
    lengths: Mapping[StatementKey, int] = field(default_factory=dict)
    own: frozenset[StatementKey] = frozenset()
    hidden: int = 0
    """Entries of other roles that this role may not see."""

    running: Mapping[StatementKey, tuple[int, float]] = field(default_factory=dict)
    """key -> (executions under way, age of the oldest in seconds)."""

    roles: Mapping[int, str] = field(default_factory=dict)
    databases: Mapping[int, str] = field(default_factory=dict)
    stats_reset: float | None = None
    history: Mapping[StatementKey, array[float]] = field(default_factory=dict)
    """key -> taken_at, ms/s, calls/s of each interval in which it ran, one behind the other: a
    thousand busy statements hold 4 MB so, and 18 as tuples. `points` has them apart."""

    gaps: int = 0
    """Entries that were reset or thrown out since the reading before."""

    # -- taking samples ------------------------------------------------------------------

    def advanced(
        self, fresh: Mapping[type[Any], Sample[Any]], held: Mapping[type[Any], Sample[Any]]
    ) -> Workload:
        """The workload after one more reading."""
        after = self
        if Role in fresh:
            after = replace(after, roles={r.oid: r.rolname for r in fresh[Role].rows})
        if Database in fresh:
            after = replace(after, databases={d.oid: d.datname for d in fresh[Database].rows})
        if StatementsInfo in fresh and fresh[StatementsInfo].rows:
            after = replace(after, stats_reset=fresh[StatementsInfo].rows[0].stats_reset)
        if StatementText in fresh:
            after = after._with_texts(fresh[StatementText].rows)
        if Statement in fresh:
            after = after._counted(fresh[Statement])
        if Running in fresh:
            after = after._with_running(fresh[Running].rows)
        return after

    def marked(self) -> Workload:
        """From here on `mark` means now."""
        return replace(self, mark=self.now)

    @property
    def textless(self) -> frozenset[StatementKey]:
        """Statements whose text was not read yet."""
        return frozenset(self.now.rows.keys() - self.texts.keys()) if self.now else frozenset()

    def _with_texts(self, rows: Iterable[StatementText]) -> Workload:
        texts, lengths, own = dict(self.texts), dict(self.lengths), set(self.own)
        same: dict[str, str] = {}
        for row in rows:
            key: StatementKey = row[:4]
            if key in texts:
                continue
            texts[key] = same.setdefault(row.query, row.query)
            lengths[key] = row.length
            if row.query.startswith(OWN):
                own.add(key)
        return replace(self, texts=texts, lengths=lengths, own=frozenset(own))

    def _counted(self, sample: Sample[Statement]) -> Workload:
        before = self.now.rows if self.now else {}
        rows: dict[StatementKey, Statement] = {}
        deltas: dict[StatementKey, Delta] = {}
        hidden = gaps = 0
        for row in sample.rows:
            if row[2] is None:
                hidden += 1
                continue
            key: StatementKey = row[:4]  # type: ignore[assignment]  # a slice of a NamedTuple has no types
            old = before.get(key)
            if old is not None and old[4] == row[4] and old == row:
                rows[key] = old
                continue
            rows[key] = row
            changed = delta(row, old)
            if changed is None:
                gaps += 1
            elif changed.calls:
                deltas[key] = changed
        now = Base(sample.taken_at, rows)
        if self.now is None:
            return replace(self, now=now, first=now, hidden=hidden)
        seconds = sample.taken_at - self.now.taken_at
        if seconds <= 0:  # the server's clock was set back: this interval has no rate
            return replace(self, now=now, previous=None, hidden=hidden, gaps=gaps)
        interval = Interval(sample.taken_at, seconds, deltas)
        return replace(
            self,
            now=now,
            previous=self.now,
            intervals=(*self.intervals, interval)[-INTERVALS_KEPT:],
            hidden=hidden,
            gaps=gaps,
            history=self._longer(interval),
        )

    def points(self, key: StatementKey) -> list[tuple[float, float, float]]:
        """(taken_at, ms/s, calls/s) of the intervals in which it ran, oldest first."""
        flat = self.history.get(key, ())
        return list(zip(flat[0::3], flat[1::3], flat[2::3], strict=True))

    def _longer(self, interval: Interval) -> Mapping[StatementKey, array[float]]:
        history = dict(self.history)
        none = array("d")
        for key, d in interval.deltas.items():
            point = (interval.taken_at, d.exec_ms / interval.seconds, d.calls / interval.seconds)
            kept = history.get(key, none)[3 - 3 * HISTORY_KEPT :]
            history[key] = kept + array("d", point)
        oldest = interval.taken_at - HISTORY_KEPT * interval.seconds
        if len(history) > 2 * len(interval.deltas) + 500:
            history = {key: flat for key, flat in history.items() if flat[-3] >= oldest}
        return history

    def _with_running(self, rows: Iterable[Running]) -> Workload:
        running: dict[StatementKey, tuple[int, float]] = {}
        known = self.now.rows if self.now else {}
        texts: dict[StatementKey, str] = {}
        for row in rows:
            if row.query_id is None or row.userid is None or row.dbid is None:
                continue
            if row.query.startswith(OWN):
                continue
            key: StatementKey = (row.userid, row.dbid, row.query_id, True)
            if key not in known and (*key[:3], None) in known:
                key = (*key[:3], None)
            number, oldest = running.get(key, (0, 0.0))
            running[key] = (number + 1, max(oldest, row.age_s))
            if key not in self.texts and key not in known:
                texts[key] = row.query
        if texts:
            return replace(self, running=running, texts={**texts, **self.texts})
        return replace(self, running=running)

    # -- looking -------------------------------------------------------------------------

    def base(self, time_base: TimeBase) -> Base | None:
        """Where the window begins; None: at the reset of the counters, for one that asks for
        more than they hold too."""
        if time_base == "reset" or self.now is None:
            return None
        found = (self.mark or self.first) if time_base == "mark" else self.previous
        if found is not None and self.stats_reset is not None and found.taken_at < self.stats_reset:
            return None
        return found

    def window(self, time_base: TimeBase) -> Window:
        """The statements in one time base; since the reset where there is no other yet."""
        base = self.base(time_base)
        if base is self.now:
            base = None
        if self.now is None:
            return Window(self, "reset", None, None)
        if base is None:
            seconds = None if self.stats_reset is None else self.now.taken_at - self.stats_reset
            return Window(self, "reset", None, seconds)
        return Window(self, time_base, base, self.now.taken_at - base.taken_at)


@dataclass(frozen=True, slots=True)
class Window:
    """The statements between a base and now."""

    workload: Workload
    time_base: TimeBase
    """What it really is: `reset` until a second reading came."""

    base: Base | None
    seconds: float | None

    def delta(self, key: StatementKey) -> Delta | None:
        """What the statement did in the window; None after a reset of its entry."""
        now = self.workload.now
        row = now.rows.get(key) if now else None
        if row is None:
            return NOTHING
        if self.base is None:
            return delta(row, None)
        return delta(row, self.base.rows.get(key))

    def deltas(self) -> dict[StatementKey, Delta]:
        """Of all statements that were called in the window, pgtop's own left out."""
        workload = self.workload
        if workload.now is None:
            return {}
        own, rows = workload.own, workload.now.rows
        if self.time_base == "interval" and workload.intervals:
            changed: Mapping[StatementKey, Delta] = workload.intervals[-1].deltas
            return {key: d for key, d in changed.items() if key not in own}
        before: Mapping[StatementKey, Statement] = self.base.rows if self.base else {}
        found: dict[StatementKey, Delta] = {}
        for key, row in rows.items():
            old = before.get(key)
            if row is old or key in own:
                continue
            change = delta(row, old)
            if change is not None and change.calls:
                found[key] = change
        return found

    def ordered(
        self, metric: Metric, deltas: Mapping[StatementKey, Delta], *, descending: bool = True
    ) -> list[StatementKey]:
        """All keys by `metric`, worst first; what did not run follows, by its lifetime total.

        A statement under way counts with the time it took so far in the window: until it
        ends, no counter holds it.
        """
        workload = self.workload
        if workload.now is None:
            return []
        value = METRICS[metric]
        rank = {key: value(d) or 0.0 for key, d in deltas.items()}
        for key, (number, age) in workload.running.items():
            if key in workload.own:
                continue
            spent = number * min(age, self.seconds or age) * 1_000
            if metric == "total":
                rank[key] = rank.get(key, 0.0) + spent
            elif metric == "mean":
                rank[key] = max(rank.get(key, 0.0), age * 1_000)
            else:
                rank.setdefault(key, 0.0)
        active = sorted(rank, key=rank.__getitem__, reverse=descending)
        rows = workload.now.rows
        idle = [key for key in rows if key not in rank and key not in workload.own]
        idle.sort(key=lambda key: rows[key][5], reverse=True)
        return active + idle

    def view(self, key: StatementKey, total_ms: float) -> StatementView:
        """A statement as the table shows it; `total_ms` is that of all statements."""
        workload = self.workload
        row = workload.now.rows.get(key) if workload.now else None
        change = self.delta(key)
        running, age = workload.running.get(key, (0, None))
        return StatementView(
            key=key,
            query=workload.texts.get(key),
            user=workload.roles.get(key[0], str(key[0])),
            database=workload.databases.get(key[1], str(key[1])),
            delta=change,
            seconds=self.seconds,
            share=change.exec_ms / total_ms if change is not None and total_ms else None,
            reset_mean_ms=row.total_exec_time / row.calls if row and row.calls else None,
            running=running,
            running_s=age,
        )


METRICS: Mapping[Metric, Callable[[Delta], float | None]] = {
    "total": lambda d: d.exec_ms,
    "mean": lambda d: d.mean_ms,
    "calls": lambda d: float(d.calls),
    "rows": lambda d: float(d.rows),
    "io": lambda d: float(d.read + d.written),
    "temp": lambda d: float(d.temp_blocks),
    "wal": lambda d: d.wal_bytes,
}
"""Metric -> its value of a delta, in the delta's units."""
