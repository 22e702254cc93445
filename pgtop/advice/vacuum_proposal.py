"""What to change for one table, or the word that says why nothing.

Gates come first: where something else is the cause, no option helps. Then the trigger for
dead rows, the speed, the inserts; the analyze options only where estimates are off.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pgtop.advice.thresholds import autovacuum as limits
from pgtop.advice.vacuum_gates import Basis, Proposal, Word, gate
from pgtop.analysis.vacuum.cost import nice_down, nice_up, pace, work
from pgtop.analysis.vacuum.options import Change, after
from pgtop.analysis.vacuum.settings import VacuumSettings
from pgtop.analysis.vacuum.state import VacuumState
from pgtop.analysis.vacuum.triggers import triggers
from pgtop.analysis.vacuum.view import TableVacuum


def propose(seen: TableVacuum, state: VacuumState, settings: VacuumSettings) -> Proposal:
    """The proposal for one relation."""
    gated = gate(seen, state, settings)
    if gated is not None:
        return gated
    own = _own_options(seen, settings)
    if own is not None:
        return own
    if seen.table.size_bytes < limits.SMALL_BYTES:
        return Proposal(word="small")
    draft = _Draft(seen, settings, _churn(seen))
    draft.trigger()
    draft.inserts_trigger()
    draft.speed()
    draft.analyze()
    return draft.proposal()


_TRIGGER = (
    "autovacuum_vacuum_threshold",
    "autovacuum_vacuum_scale_factor",
    "autovacuum_vacuum_max_threshold",
)


def _own_options(seen: TableVacuum, settings: VacuumSettings) -> Proposal | None:
    """The table's own options let it gather more dead rows than it has rows, and it did."""
    table = seen.table
    mine = tuple(name for name in _TRIGGER if name in seen.options)
    if seen.inherited or not mine or table.reltuples < 0:
        return None
    rows = max(table.rows, float(table.n_live_tup))
    if seen.limits.vacuum <= limits.OWN_FRACTION * rows:
        return None
    if table.n_dead_tup < max(limits.OWN_DEAD_ROWS, limits.OWN_FRACTION * rows):
        return None
    rest = {name: value for name, value in seen.options.items() if name not in mine}
    if triggers(table, rest, settings).vacuum * limits.FACTOR >= seen.limits.vacuum:
        return None
    return Proposal(
        word="advice",
        resets=mine,
        rules=("autovacuum.late",),
        dead_per_s=seen.rates.dead if seen.rates else None,
        lasting=True,
        saves_bytes=table.n_dead_tup / (rows + table.n_dead_tup) * table.size_bytes,
    )


# -- churn -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Churn:
    dead: float | None
    inserts: float | None
    changes: float | None
    basis: Basis
    lasting: bool = False
    dead_burst: bool = False
    insert_burst: bool = False


def _churn(seen: TableVacuum) -> _Churn:
    """The rates to reckon with: lasting ones from the counters' life, else the last interval's.

    The counters' life holds the first load and last week's clean-up too: what the table
    does now must be within three times of it.
    """
    long, live = seen.long, seen.rates
    if live is None:
        return _Churn(None, None, None, "none")
    dead = live.dead if live.dead is not None else live.dead_gross
    if long is None or long.seconds < limits.LONG_S:
        return _Churn(dead, live.inserts, live.changes, "live")
    return _Churn(
        dead=long.dead,
        inserts=long.inserts,
        changes=long.changes,
        basis="long",
        lasting=True,
        dead_burst=_apart(live.dead_gross, long.changes - long.inserts),
        insert_burst=_apart(live.inserts, long.inserts),
    )


def _apart(one: float, other: float) -> bool:
    return max(one, other) > limits.BURST_FACTOR * min(one, other)


# -- options ----------------------------------------------------------------------------------


class _Draft:
    """Collects options for one relation."""

    def __init__(self, seen: TableVacuum, settings: VacuumSettings, churn: _Churn) -> None:
        self.seen = seen
        self.settings = settings
        self.churn = churn
        self.sets: dict[str, str] = {}
        self.resets: list[str] = []
        self.rules: list[str] = []
        self.word: Word = "ok"
        self.saves = 0.0
        self.target = seen.limits.vacuum
        """Dead rows at which the proposal vacuums."""

    def proposal(self) -> Proposal:
        """What was collected."""
        word = self.word
        if self.sets or self.resets:
            word = "advice" if self.churn.lasting else "draft"
        return Proposal(
            word=word,
            sets=self.sets,
            resets=tuple(self.resets),
            rules=tuple(dict.fromkeys(self.rules)),
            basis=self.churn.basis,
            dead_per_s=self.churn.dead,
            inserts_per_s=self.churn.inserts,
            lasting=self.churn.lasting,
            saves_bytes=self.saves,
        )

    def trigger(self) -> None:
        """Dead rows: how many may gather."""
        rows, dead = self.seen.table.rows, self.churn.dead
        now = self.seen.limits.vacuum
        if dead is None:
            self.word = "unknown"
            return
        if self.churn.dead_burst:
            self.word = "burst"
            return
        if dead * self.settings.naptime_s >= now:
            self.word = "naptime-bound"
            return
        if dead <= 0 or rows <= 0:
            self.word = "calm"
            return
        target, at_least = wanted(self.seen, self.settings, dead)
        if target / dead > limits.CALM_S:
            self.word = "calm"
        elif now <= limits.FACTOR * target:
            self.word = "within 2×"
        else:
            saves = (now - target) / rows * self.seen.table.size_bytes
            if saves < limits.WORTH_BYTES:
                self.word = "small"
                return
            self.saves = saves
            self._emit_trigger(target, at_least)
            self.rules.append("autovacuum.late")

    def _emit_trigger(self, target: float, at_least: bool) -> None:
        rows = self.seen.table.rows
        rounded = nice_up if at_least else nice_down
        if self.settings.version_num >= 180000 and rows >= limits.CAP_ROWS:
            self.sets["autovacuum_vacuum_max_threshold"] = f"{rounded(target):.0f}"
        else:
            self.sets["autovacuum_vacuum_scale_factor"] = plain(rounded(target / rows))
            own = self.seen.options.get("autovacuum_vacuum_threshold")
            if own is not None and float(own) > target / 2:
                if self.seen.inherited:
                    self.sets["autovacuum_vacuum_threshold"] = (
                        f"{min(self.settings.vacuum_threshold, target / 2):.0f}"
                    )
                else:
                    self.resets.append("autovacuum_vacuum_threshold")
            elif own is None and self.settings.vacuum_threshold > target / 2:
                self.sets["autovacuum_vacuum_threshold"] = f"{nice_down(target / 2):.0f}"
        options = after(
            {k: v for k, v in self.seen.options.items() if k not in self.resets},
            Change(sets=self.sets),
        )
        self.target = triggers(self.seen.table, options, self.settings).vacuum

    def speed(self) -> None:
        """How fast: only where one run takes too much of its interval."""
        dead = self.churn.dead
        done = work(self.seen.table, self.seen.indexes, self.target, self.settings)
        takes = done.seconds(self.seen.pace)
        if not dead or self.churn.dead_burst or takes is None or takes < 10:
            return
        duty = takes * dead / self.target
        if duty <= limits.DUTY and takes <= limits.MAX_VACUUM_S:
            return
        options = self.seen.options
        mine = pace(options, self.settings)
        goal = max(600.0, min(limits.MAX_VACUUM_S, self.target / (4 * dead)))
        delay = _delay_ms(options, self.settings)
        limit = min(nice_up(done.cost / goal * delay / 1000), limits.MAX_COST_LIMIT)
        now = (mine.cost_per_s or 0.0) * delay / 1000
        self.rules.append("autovacuum.slow")
        if limit > now:
            self.sets["autovacuum_vacuum_cost_limit"] = f"{limit:.0f}"
            takes = done.cost / (limit / delay * 1000)
        if takes * dead / self.target > limits.DUTY:
            self.rules.append("autovacuum.cannot_keep_up")
        self.word = "too slow"

    def inserts_trigger(self) -> None:
        """Insert-only tables: visible pages for index-only scans, less to freeze at once."""
        table, inserts, changes = self.seen.table, self.churn.inserts, self.churn.changes
        threshold = self.seen.limits.insert
        if not inserts or not changes or threshold is None or self.churn.insert_burst:
            return
        if table.rows < limits.INSERT_ROWS:
            return
        if inserts < limits.INSERT_SHARE * changes:
            return
        target = max(
            limits.INSERT_LEAST,
            min(limits.DEAD_FRACTION * table.rows, inserts * limits.MAX_INTERVAL_S),
        )
        if threshold <= limits.FACTOR * target or target / inserts > limits.CALM_S:
            return
        scaled = self.settings.version_num >= 180000  # by the unfrozen share, so it comes sooner
        if scaled and threshold / inserts <= 2 * limits.MAX_INTERVAL_S:
            return
        share = plain(nice_down(target / table.rows))
        self.sets["autovacuum_vacuum_insert_scale_factor"] = share
        dead = self.churn.dead or 0.0
        if (
            self.settings.version_num < 180000
            and table.rows >= limits.APPEND_ROWS
            and dead < limits.APPEND_DEAD * inserts
        ):
            self.sets["autovacuum_freeze_min_age"] = "0"
        self.rules.append("autovacuum.insert_late")

    def analyze(self) -> None:
        """Only where the planner's row count is wrong by a factor: that is evidence."""
        table, threshold = self.seen.table, self.seen.limits.analyze
        if threshold is None or table.rows < limits.ANALYZE_ROWS or not table.n_live_tup:
            return
        if self.churn.dead_burst or self.churn.insert_burst:
            return
        ratio = table.n_live_tup / table.rows
        if 1 / limits.ANALYZE_DRIFT < ratio < limits.ANALYZE_DRIFT or not self.churn.changes:
            return
        share = 0.01 if table.rows >= 1e8 else 0.02
        target = max(1000.0, share * table.rows, self.churn.changes * limits.MIN_INTERVAL_S)
        if threshold <= limits.FACTOR * target or target / self.churn.changes > limits.CALM_S:
            return
        if threshold / self.churn.changes <= 3600:
            return
        self.sets["autovacuum_analyze_scale_factor"] = plain(nice_down(target / table.rows))
        self.rules.append("autovacuum.analyze_late")


def wanted(seen: TableVacuum, settings: VacuumSettings, dead: float) -> tuple[float, bool]:
    """(dead rows at which to vacuum, whether the least interval decides)."""
    rows = seen.table.rows
    by_share = limits.DEAD_FRACTION * rows
    daily = dead * limits.MAX_INTERVAL_S
    by_time = daily if daily >= limits.CALM_FRACTION * rows else float("inf")
    by_memory = limits.MEMORY_ROWS if settings.version_num < 170000 else float("inf")
    want = min(by_share, by_time, by_memory)
    takes = work(seen.table, seen.indexes, want, settings).seconds(seen.pace) or 0.0
    interval = max(limits.MIN_INTERVAL_S, limits.NAPTIMES * settings.naptime_s, 2 * takes)
    least = max(limits.LEAST_ROWS, dead * interval)
    return max(want, least), least > want


def plain(value: float) -> str:
    """A number without exponent, as an option wants it."""
    text = f"{value:.12f}".rstrip("0").rstrip(".")
    return text or "0"


def _delay_ms(options: Mapping[str, str], settings: VacuumSettings) -> float:
    own = options.get("autovacuum_vacuum_cost_delay")
    delay = float(own) if own is not None else -1.0
    return delay if delay >= 0 else settings.cost_delay_ms
