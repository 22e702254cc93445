"""One table as autovacuum sees it, with numbers put in, and what other options would change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pgtop.analysis.vacuum.churn import LongRates, Rates, long_rates
from pgtop.analysis.vacuum.cost import Pace, Work, pace, work
from pgtop.analysis.vacuum.options import Chosen, chosen
from pgtop.analysis.vacuum.runs import Progress
from pgtop.analysis.vacuum.settings import VacuumSettings
from pgtop.analysis.vacuum.state import VacuumState
from pgtop.analysis.vacuum.triggers import (
    NextBy,
    Pressure,
    Triggers,
    enabled,
    pressure,
    triggers,
)
from pgtop.model.table import IndexPages, Table, TableUse


@dataclass(frozen=True, slots=True, kw_only=True)
class TableVacuum:
    """Everything about one relation's vacuum, worked out."""

    table: Table
    label: str
    main: Table | None
    """The table that a TOAST table belongs to."""

    options: Mapping[str, str]
    """Those that count."""

    inherited: bool
    settings: VacuumSettings
    enabled: bool
    limits: Triggers
    pressure: Pressure
    rates: Rates | None
    long: LongRates | None
    indexes: IndexPages | None
    indexes_read: bool
    use: TableUse | None
    pace: Pace
    work: Work
    """Of one vacuum at its trigger, or with the dead rows that are there if they are more."""

    measured_s: float | None
    """What a run of autovacuum really took: the server's mean from 18, or the last one seen."""

    next_s: float | None
    """Seconds until a trigger is reached; the start is up to naptime later. 0: due."""

    next_by: NextBy | None
    run: Progress | None

    @property
    def chosen(self) -> dict[str, Chosen]:
        """Every option with the value that counts and where it comes from."""
        toast = self.table.relkind == "t"
        return chosen(self.options, self.inherited, self.settings, toast=toast)

    @property
    def relid(self) -> int:
        """Identifies it across samples."""
        return self.table.relid

    @property
    def key(self) -> int:
        """The same, for a table on screen."""
        return self.table.relid

    @property
    def estimated_s(self) -> float | None:
        """What the cost model says a run takes at most; None: only the disk limits it, or its
        indexes were not read."""
        return self.work.seconds(self.pace) if self.indexes_read else None

    @property
    def takes_s(self) -> float | None:
        """Measured where it was, else estimated."""
        return self.measured_s if self.measured_s is not None else self.estimated_s

    @property
    def calibration(self) -> float:
        """Measured ÷ estimated, where runs of a second or more were measured; else 1.

        The model leaves out the processor, the disk and who else works on the table.
        """
        if self.measured_s is None or not self.estimated_s or self.estimated_s < 1:
            return 1.0
        return max(0.25, min(4.0, self.measured_s / self.estimated_s))

    @property
    def last_run(self) -> tuple[float, str] | None:
        """(when, by whom) of the last vacuum that ended."""
        if self.use is None:
            return None
        runs = [
            (when, who)
            for when, who in ((self.use.last_autovacuum, "auto"), (self.use.last_vacuum, "manual"))
            if when is not None
        ]
        return max(runs, default=None)

    @property
    def nearest(self) -> tuple[str, float, float]:
        """(trigger, its count now, its limit) of the trigger that stands nearest, or farthest
        past: what `pressure.most` is a share of."""
        table, limits, near = self.table, self.limits, self.pressure
        rows: tuple[tuple[str, float | None, float | None, float | None], ...] = (
            ("dead", near.dead, table.n_dead_tup, limits.vacuum),
            ("inserts", near.inserts, table.n_ins_since_vacuum, limits.insert),
            ("changes", near.changes, table.n_mod_since_analyze, limits.analyze),
            ("xid age", near.xid, table.xid_age, limits.freeze),
            ("mxid age", near.mxid, table.mxid_age, limits.multixact),
        )
        name, _, count, limit = max(rows, key=lambda row: -1.0 if row[1] is None else row[1])
        return name, float(count or 0), float(limit or 0)

    @property
    def excess_bytes(self) -> float:
        """Heap that dead rows beyond the threshold keep: by this tables are ordered."""
        known = self.table.rows + self.table.n_dead_tup
        if known <= 0:
            return 0.0
        beyond = max(0.0, self.table.n_dead_tup - self.limits.vacuum)
        return beyond / known * self.table.size_bytes


def view(state: VacuumState, settings: VacuumSettings, relid: int) -> TableVacuum:
    """Work out one relation."""
    table = state.tables[relid]
    options, inherited = state.options_of(relid)
    limits = triggers(table, options, settings)
    near = pressure(table, limits)
    rates = state.churn.of(relid)
    use = state.use.get(relid)
    indexes = state.indexes.get(relid)
    on = settings.enabled and enabled(options)
    sharing = max(1, sum(p.run.worker for p in state.history.now))
    next_s, next_by = _next(table, limits, near, rates, state.xids_per_s, on)
    dead = max(limits.vacuum, float(table.n_dead_tup))
    return TableVacuum(
        table=table,
        label=state.label(table),
        main=state.tables.get(state.main_of.get(relid, 0)) if table.relkind == "t" else None,
        options=options,
        inherited=inherited,
        settings=settings,
        enabled=on,
        limits=limits,
        pressure=near,
        rates=rates,
        long=long_rates(table, use, state.window_s()),
        indexes=indexes,
        indexes_read=state.indexes_read,
        use=use,
        pace=pace(options, settings, sharing),
        work=work(table, indexes, dead, settings),
        measured_s=_measured(state, table, use),
        next_s=next_s,
        next_by=next_by,
        run=next((p for p in state.history.now if p.run.relid == relid), None),
    )


def _measured(state: VacuumState, table: Table, use: TableUse | None) -> float | None:
    if use is not None and use.total_autovacuum_time and table.autovacuum_count:
        return use.total_autovacuum_time / table.autovacuum_count / 1000
    return state.history.lasted.get(table.relid)


def _next(
    table: Table,
    limits: Triggers,
    near: Pressure,
    rates: Rates | None,
    xids_per_s: float | None,
    on: bool,
) -> tuple[float | None, NextBy | None]:
    """The soonest of the vacuum's triggers; ANALYZE only where none of them can be foreseen.

    Freezing in a month is no answer while nobody knows how fast rows die: nothing is said then.
    """
    found: list[tuple[float, NextBy]] = []
    forced = max(near.xid or 0.0, near.mxid or 0.0)
    if forced > 1:
        found.append((0.0, "freeze"))
    elif table.xid_age is not None and xids_per_s:
        found.append(((limits.freeze - table.xid_age) / xids_per_s, "freeze"))
    analyze: list[tuple[float, NextBy]] = []
    if on:
        dead = rates.dead if rates else None
        inserts = rates.inserts if rates else None
        changes = rates.changes if rates else None
        _until(found, "dead", table.n_dead_tup, limits.vacuum, dead)
        _until(found, "inserts", table.n_ins_since_vacuum, limits.insert, inserts)
        _until(analyze, "analyze", table.n_mod_since_analyze, limits.analyze, changes)
    best = min(found or analyze, default=None)
    unknown = on and (rates is None or rates.dead is None)
    if best is None or (best[1] == "freeze" and best[0] > 0 and unknown):
        return None, None
    return best


def _until(
    found: list[tuple[float, NextBy]],
    name: NextBy,
    count: float,
    limit: float | None,
    per_s: float | None,
) -> None:
    if limit is None:
        return
    if count > limit:
        found.append((0.0, name))
    elif per_s:
        found.append(((limit - count) / per_s, name))


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What a set of options means for one table."""

    limits: Triggers
    every_s: float | None
    """Between two vacuums for dead rows. The rows that die while one runs are not counted after
    it (pgstat_report_vacuum), and a worker looks once a naptime: both come on top."""

    peak: float | None
    """Dead rows when such a run ends, most of them."""

    insert_every_s: float | None
    analyze_every_s: float | None
    takes_s: float | None
    passes: int
    dead_fraction: float | None
    """Dead rows at the trigger ÷ rows."""

    pace: Pace
    duty: float | None
    """Share of the time that a worker would spend on this table."""


def effect(
    seen: TableVacuum,
    options: Mapping[str, str],
    settings: VacuumSettings,
    *,
    dead_per_s: float | None,
    inserts_per_s: float | None = None,
    changes_per_s: float | None = None,
) -> Effect:
    """The effect of `options` at these rates, in place of those that count now."""
    table = seen.table
    limits = triggers(table, options, settings)
    at = pace(options, settings)
    done = work(table, seen.indexes, limits.vacuum, settings)
    takes = done.seconds(at)
    if takes is not None:
        takes *= seen.calibration
    every = peak = None
    if dead_per_s:
        wait = settings.naptime_s / 2 + (takes or 0.0)
        every = limits.vacuum / dead_per_s + wait
        peak = limits.vacuum + dead_per_s * (wait + settings.naptime_s / 2)
    return Effect(
        limits=limits,
        every_s=every,
        peak=peak,
        insert_every_s=limits.insert / inserts_per_s
        if inserts_per_s and limits.insert is not None
        else None,
        analyze_every_s=limits.analyze / changes_per_s
        if changes_per_s and limits.analyze is not None
        else None,
        takes_s=takes,
        passes=done.passes,
        dead_fraction=limits.vacuum / table.rows if table.rows else None,
        pace=at,
        duty=takes / every if takes is not None and every else None,
    )


def cost_per_s(state: VacuumState, settings: VacuumSettings, relid: int) -> float:
    """What one table's churn asks of the budget that workers share; 0 outside of it."""
    rates, table = state.churn.rates[relid], state.tables[relid]
    if not (rates.dead or rates.inserts):
        return 0.0
    options, _ = state.options_of(relid)
    if not (settings.enabled and enabled(options)) or not pace(options, settings).balanced:
        return 0.0
    at = triggers(table, options, settings)
    often = rates.dead / at.vacuum if rates.dead and at.vacuum > 0 else 0.0
    if rates.inserts and at.insert:
        often = max(often, rates.inserts / at.insert)
    often = min(often, 1 / settings.naptime_s)
    return often * work(table, state.indexes.get(relid), at.vacuum, settings).cost
