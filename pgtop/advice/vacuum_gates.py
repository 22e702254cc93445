"""What is proposed for a table, and the gates before: where something else is the cause."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from pgtop.advice.thresholds import autovacuum as limits
from pgtop.advice.vacuum_horizon import blocker
from pgtop.analysis.vacuum.settings import VacuumSettings
from pgtop.analysis.vacuum.state import VacuumState
from pgtop.analysis.vacuum.triggers import enabled
from pgtop.analysis.vacuum.view import TableVacuum
from pgtop.model.vacuum import HorizonHolder, VacuumBlock

Word = Literal[
    "ok", "standby", "off", "temporary", "system", "partitioned", "no stats", "disabled",
    "blocked", "lock-starved", "wraparound", "small", "naptime-bound", "calm", "within 2×",
    "burst", "unknown", "advice", "draft", "too slow", "due", "running", "queued",
]  # fmt: skip

Basis = Literal["long", "live", "none"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """Options to set and to reset on one relation, by their plain names (no `toast.`)."""

    word: Word
    """Why nothing is proposed, or that something is."""

    sets: Mapping[str, str] = field(default_factory=dict)
    resets: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    """Rules that stand behind it: autovacuum.late, autovacuum.slow, …"""

    basis: Basis = "none"
    """What the churn was taken from: the counters' life, the last interval, nothing."""

    dead_per_s: float | None = None
    inserts_per_s: float | None = None
    holder: HorizonHolder | None = None
    locks: tuple[VacuumBlock, ...] = ()
    lasting: bool = False
    """The churn was watched long enough to put an option on it."""

    saves_bytes: float = 0.0
    """Dead space at the trigger that goes away."""

    @property
    def changes(self) -> bool:
        """Whether there is anything to run."""
        return bool(self.sets or self.resets)


def gate(seen: TableVacuum, state: VacuumState, settings: VacuumSettings) -> Proposal | None:
    """What stands before any option; None where an option may help. The first match counts."""
    table = seen.table
    if state.server is not None and state.server.in_recovery:
        return Proposal(word="standby")
    if table.relkind == "p":
        return Proposal(word="partitioned")
    if table.relpersistence == "t":
        return Proposal(word="temporary")
    if max(seen.pressure.xid or 0, seen.pressure.mxid or 0) > 1:
        return Proposal(word="wraparound")
    if not settings.enabled:
        return Proposal(word="off")
    if not enabled(seen.options):
        resets = () if seen.inherited else ("autovacuum_enabled",)
        return Proposal(word="disabled", resets=resets, rules=("autovacuum.disabled",))
    holder = blocker(seen, state)
    if holder is not None:
        return Proposal(word="blocked", holder=holder)
    locks = starving(seen, state, settings)
    if locks is not None:
        return Proposal(word="lock-starved", locks=locks)
    if table.system:
        return Proposal(word="system")
    if no_statistics(seen):
        return Proposal(word="no stats")
    return None


def no_statistics(seen: TableVacuum) -> bool:
    """The table holds rows, and its counters know of none."""
    table = seen.table
    return (
        table.reltuples > limits.NO_STATISTICS_ROWS
        and not table.n_live_tup
        and not (table.n_tup_ins or table.autovacuum_count or table.analyze_count)
    )


def starving(
    seen: TableVacuum, state: VacuumState, settings: VacuumSettings
) -> tuple[VacuumBlock, ...] | None:
    """Locks that keep autovacuum away from a table that is due; None where none do.

    An empty tuple: nobody came for ten naptimes although workers were free, and nobody
    holds a lock just now. Forced vacuums do not give way, so they cannot starve.
    """
    table = seen.table
    if table.n_dead_tup <= seen.limits.vacuum or (seen.run and seen.run.run.worker):
        return None
    patience = limits.STARVED_NAPTIMES * settings.naptime_s
    held = tuple(
        block
        for block in state.blocks
        if block.relid == table.relid and not block.vacuum
    )  # fmt: skip
    long = [b for b in held if b.granted and b.xact_s is not None and b.xact_s >= patience]
    if long:
        return held
    watch = state.churn.watched.get(table.relid)
    waited = watch is not None and watch.runs == 0 and state.at - watch.since >= patience
    if not waited:
        return None
    free = sum(p.run.worker for p in state.history.now) < settings.max_workers
    return held if free else None
