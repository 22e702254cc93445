"""Everything about autovacuum that a rule, a report or a screen looks at, held together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from pgtop.analysis.vacuum.churn import Churn
from pgtop.analysis.vacuum.options import own_options
from pgtop.analysis.vacuum.runs import RunHistory
from pgtop.analysis.vacuum.settings import VacuumSettings
from pgtop.analysis.vacuum.triggers import most_pressing, triggers
from pgtop.model.sample import Sample
from pgtop.model.server import DatabaseCounters, Server, Vitals
from pgtop.model.table import IndexPages, Partition, Table, TableUse
from pgtop.model.vacuum import (
    DatabaseAge,
    HorizonHolder,
    ParentStatistics,
    PinWait,
    VacuumBlock,
    VacuumRun,
    VacuumScore,
    VacuumSetting,
    XidClock,
)

Samples = Mapping[type[Any], Sample[Any]]

ZEROED_ROWS = 1000
"""A table that holds more rows than this and has no counter at all has lost them."""


@dataclass(frozen=True, slots=True)
class Counters:
    """How long the counters have been collected."""

    since: float | None
    """Seconds since 1970; None where nothing tells."""

    at_least: bool
    """They may be older: `since` is only the oldest moment that is proved."""

    lost: int
    """Tables with rows and without any counter: a crash, a failover or a reset took them."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class VacuumState:
    """Built from samples; one value replaces the other, nothing is changed in place.

    Compared by identity: what is worked out from one can be kept beside it.
    """

    READS: ClassVar[tuple[type[Any], ...]] = (
        Table, TableUse, IndexPages, Partition, VacuumSetting, VacuumRun, HorizonHolder,
        VacuumBlock, PinWait, DatabaseAge, XidClock, ParentStatistics, VacuumScore,
    )  # fmt: skip

    at: float = 0.0
    """The server's clock at the last reading."""

    server: Server | None = None
    settings: VacuumSettings | None = None
    tables: Mapping[int, Table] = field(default_factory=dict)
    main_of: Mapping[int, int] = field(default_factory=dict)
    """TOAST table -> the table it belongs to."""

    pressures: Mapping[int, float] = field(default_factory=dict)
    """relid -> how near its nearest trigger is."""

    churn: Churn = field(default_factory=Churn)
    use: Mapping[int, TableUse] = field(default_factory=dict)
    use_before: Mapping[int, TableUse] = field(default_factory=dict)
    """At the first look: what changed since is what happens now."""

    indexes: Mapping[int, IndexPages] = field(default_factory=dict)
    indexes_read: bool = False
    """Else how long a vacuum takes is not known."""

    children: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    analyzed_parents: Mapping[int, bool | None] = field(default_factory=dict)
    history: RunHistory = field(default_factory=RunHistory)
    holders: tuple[HorizonHolder, ...] | None = None
    blocks: tuple[VacuumBlock, ...] = ()
    pins: tuple[PinWait, ...] = ()
    databases: tuple[DatabaseAge, ...] = ()
    clock: tuple[float, int] | None = None
    """(when, next transaction id) at the last look."""

    xids_per_s: float | None = None
    mxids_per_s: float | None = None
    mxid_clock: tuple[float, int] | None = None
    counters: Counters = Counters(None, True, 0)
    hidden: int = 0
    """Sessions whose state this role may not see: any of them may hold the horizon."""

    scores: Mapping[int, float] = field(default_factory=dict)
    """The server's own order of work, from 19."""

    def advanced(self, fresh: Samples, held: Samples) -> VacuumState:
        """The next state."""
        changes: dict[str, Any] = {"at": max(sample.taken_at for sample in fresh.values())}
        server: Server | None = _first(held, Server)
        changes["server"] = server
        settings = self.settings
        if server is not None and (VacuumSetting in fresh or settings is None):
            rows = held.get(VacuumSetting)
            if rows is not None:
                settings = VacuumSettings.of(rows.rows, server.version_num)
                changes["settings"] = settings
        changes.update(self._small(fresh, held))
        if Table in fresh:
            changes.update(self._tables(fresh[Table], settings))
        elif "settings" in changes and self.tables and settings is not None:
            changes["pressures"] = most_pressing(self.tables, self.main_of, settings)
        if TableUse in fresh:
            found = {row.relid: row for row in fresh[TableUse].rows}
            changes["use"] = found
            if not self.use_before:
                changes["use_before"] = found
        state = replace(self, **changes)
        if Table in fresh or TableUse in fresh:
            counters: DatabaseCounters | None = _first(held, DatabaseCounters)
            state = replace(state, counters=_counters(state, counters))
        return state

    def _tables(self, sample: Sample[Table], settings: VacuumSettings | None) -> dict[str, Any]:
        tables = {row.relid: row for row in sample.rows}
        main_of = {row.reltoastrelid: relid for relid, row in tables.items() if row.reltoastrelid}
        if settings is None:
            return {"tables": tables, "main_of": main_of}
        pressures = most_pressing(tables, main_of, settings)
        past: dict[int, float] = {}
        for relid, share in pressures.items():
            table = tables[relid]
            if share > 1 and table.n_dead_tup:
                limits = triggers(table, options_for(tables, main_of, relid)[0], settings)
                if table.n_dead_tup > limits.vacuum:
                    past[relid] = share
        return {
            "tables": tables,
            "main_of": main_of,
            "pressures": pressures,
            "churn": self.churn.advanced(sample.taken_at, tables, past),
        }

    def _small(self, fresh: Samples, held: Samples) -> dict[str, Any]:
        changes: dict[str, Any] = {}
        vitals: Vitals | None = _first(held, Vitals)
        if vitals is not None:
            changes["hidden"] = vitals.hidden
        if IndexPages in fresh:
            changes["indexes"] = {row.relid: row for row in fresh[IndexPages].rows}
            changes["indexes_read"] = True
        if Partition in fresh:
            children: dict[int, list[int]] = {}
            for row in fresh[Partition].rows:
                children.setdefault(row.parent, []).append(row.relid)
            changes["children"] = {parent: tuple(found) for parent, found in children.items()}
        if ParentStatistics in fresh:
            changes["analyzed_parents"] = {
                row.relid: row.analyzed for row in fresh[ParentStatistics].rows
            }
        if VacuumRun in fresh:
            sample = fresh[VacuumRun]
            changes["history"] = self.history.advanced(sample.taken_at, sample.rows)
        for kind, name in (
            (HorizonHolder, "holders"),
            (VacuumBlock, "blocks"),
            (PinWait, "pins"),
            (DatabaseAge, "databases"),
        ):
            if kind in fresh:
                changes[name] = fresh[kind].rows
        if VacuumScore in fresh:
            changes["scores"] = {row.relid: row.score for row in fresh[VacuumScore].rows}
        changes.update(self._clocks(fresh))
        return changes

    def _clocks(self, fresh: Samples) -> dict[str, Any]:
        changes: dict[str, Any] = {}
        if XidClock in fresh and fresh[XidClock].rows:
            at, xid = fresh[XidClock].taken_at, fresh[XidClock].rows[0].next_xid
            rate = _rate(self.clock, (at, xid))
            if self.clock is None or rate is not None:
                changes["clock"] = (at, xid)
            if rate is not None:
                changes["xids_per_s"] = rate
        if DatabaseAge in fresh and fresh[DatabaseAge].rows:
            sample = fresh[DatabaseAge]
            # The youngest database's age grows by one with every multixact made.
            oldest = max(row.mxid_age for row in sample.rows)
            rate = _rate(self.mxid_clock, (sample.taken_at, oldest))
            if self.mxid_clock is None or rate is not None or oldest < self.mxid_clock[1]:
                changes["mxid_clock"] = (sample.taken_at, oldest)
            if rate is not None:
                changes["mxids_per_s"] = rate
        return changes

    # -- questions -----------------------------------------------------------------------

    def options_of(self, relid: int) -> tuple[dict[str, str], bool]:
        """(options that count, inherited from the main table) of one relation."""
        return options_for(self.tables, self.main_of, relid)

    def label(self, table: Table) -> str:
        """Its name for a person: a TOAST table by the table it belongs to."""
        main = self.tables.get(self.main_of.get(table.relid, 0))
        if table.relkind == "t" and main is not None:
            return f"{main.ident} ▸toast"
        return table.ident

    def window_s(self) -> float | None:
        """How long the counters have been collected, as far as that is proved."""
        return None if self.counters.since is None else max(0.0, self.at - self.counters.since)


def options_for(
    tables: Mapping[int, Table], main_of: Mapping[int, int], relid: int
) -> tuple[dict[str, str], bool]:
    """(options that count, inherited) of one relation."""
    table = tables[relid]
    main = tables.get(main_of.get(relid, 0)) if table.relkind == "t" else None
    return own_options(table.options, main.options if main is not None else None)


def _rate(before: tuple[float, int] | None, now: tuple[float, int]) -> float | None:
    if before is None or now[0] - before[0] < 5.0 or now[1] < before[1]:
        return None
    return (now[1] - before[1]) / (now[0] - before[0])


def _first(held: Samples, row_type: type[Any]) -> Any:
    sample = held.get(row_type)
    return sample.rows[0] if sample is not None and sample.rows else None


def _counters(state: VacuumState, database: DatabaseCounters | None) -> Counters:
    """How old the counters are.

    stats_reset stays NULL when a crash or a failover zeroed them, so it is not trusted
    alone: tables that hold rows and have no counter at all say that they were lost.
    """
    lost = held = 0
    for table in state.tables.values():
        if table.reltuples > ZEROED_ROWS and table.relid >= 16384 and table.relkind != "p":
            held += 1
            lost += not (
                table.n_live_tup or table.n_tup_ins or table.n_dead_tup or table.autovacuum_count
                or table.vacuum_count or table.analyze_count or table.autoanalyze_count
            )  # fmt: skip
    started = state.server.started_at if state.server else None
    crashed = state.server.checkpointer_started_at if state.server else None
    restart = max((moment for moment in (started, crashed) if moment), default=None)
    if database is not None and database.stats_reset is not None:
        since = database.stats_reset
        if lost and held and restart is not None and restart > since and lost * 2 > held:
            return Counters(restart, False, lost)
        return Counters(since, False, lost)
    if lost and restart is not None and lost * 2 > held:
        return Counters(restart, False, lost)
    ended = [
        moment
        for use in state.use.values()
        for moment in (use.last_vacuum, use.last_autovacuum, use.last_analyze, use.last_autoanalyze)
        if moment is not None
    ]
    oldest = min([*ended, *([restart] if restart is not None else [])], default=None)
    return Counters(oldest, True, lost)
