"""The four reasons why autovacuum takes up a table, by version of the server.

relation_needs_vacanalyze() in autovacuum.c: strictly greater, evaluated per relation. The
server computes in single precision, so above 16.7 million a threshold is approximate.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

from pgtop.analysis.vacuum.options import own_options, to_bool
from pgtop.analysis.vacuum.settings import VacuumSettings
from pgtop.model.table import Table

NextBy = Literal["dead", "inserts", "analyze", "freeze"]


class Triggers(NamedTuple):
    """Thresholds of one relation; counts stand in its `Table`."""

    vacuum: float
    """Dead rows."""

    insert: float | None
    """Rows inserted since the last vacuum; None: switched off."""

    analyze: float | None
    """Rows changed since the last analyze; None: never analysed by autovacuum."""

    freeze: float
    """Transactions."""

    multixact: float
    capped: bool
    """autovacuum_vacuum_max_threshold decides."""


@dataclass(frozen=True, slots=True)
class Pressure:
    """How near each trigger is: 1 is due."""

    dead: float
    inserts: float | None
    changes: float | None
    xid: float | None
    mxid: float | None

    @property
    def most(self) -> float:
        """The nearest of all."""
        return max(self.dead, self.inserts or 0, self.changes or 0, self.xid or 0, self.mxid or 0)

    @property
    def by(self) -> NextBy:
        """Which one that is."""
        freeze = max(self.xid or 0, self.mxid or 0)
        near = (
            (self.dead, "dead"),
            (self.inserts or 0, "inserts"),
            (freeze, "freeze"),
            (self.changes or 0, "analyze"),
        )
        return max(near, key=lambda pair: pair[0])[1]  # type: ignore[return-value]  # the second is a literal


def number(options: Mapping[str, str], name: str, default: float, least: float = 0.0) -> float:
    """An option if it is set to `least` or more, else the server's setting."""
    text = options.get(name)
    if text is None:
        return default
    try:
        value = float(text)
    except ValueError:
        return default
    return value if value >= least else default


def triggers(table: Table, options: Mapping[str, str], settings: VacuumSettings) -> Triggers:
    """The thresholds of a relation with these options."""
    rows = max(table.reltuples, 0.0)
    base = number(options, "autovacuum_vacuum_threshold", settings.vacuum_threshold)
    scale = number(options, "autovacuum_vacuum_scale_factor", settings.vacuum_scale_factor)
    vacuum = base + scale * rows
    capped = False
    if settings.version_num >= 180000:
        most = number(
            options, "autovacuum_vacuum_max_threshold", settings.vacuum_max_threshold, -1.0
        )
        if 0 <= most < vacuum:
            vacuum, capped = most, True
    return Triggers(
        vacuum=vacuum,
        insert=_insert(table, options, settings, rows),
        analyze=None if table.relkind == "t" else _analyze(options, settings, rows),
        freeze=min(
            number(options, "autovacuum_freeze_max_age", settings.freeze_max_age),
            settings.freeze_max_age,
        ),
        multixact=min(
            number(
                options, "autovacuum_multixact_freeze_max_age", settings.multixact_freeze_max_age
            ),
            settings.multixact_freeze_max_age,
        ),
        capped=capped,
    )


def unfrozen(table: Table) -> float:
    """The share of pages not all-frozen; 1 before 18, which does not scale by it."""
    if table.relallfrozen is None or table.relpages <= 0 or table.relallfrozen <= 0:
        return 1.0
    return 1.0 - min(table.relallfrozen, table.relpages) / table.relpages


def _insert(
    table: Table, options: Mapping[str, str], settings: VacuumSettings, rows: float
) -> float | None:
    base = number(options, "autovacuum_vacuum_insert_threshold", settings.insert_threshold, -1.0)
    if base < 0:
        return None
    scale = number(options, "autovacuum_vacuum_insert_scale_factor", settings.insert_scale_factor)
    return base + scale * rows * unfrozen(table)


def _analyze(options: Mapping[str, str], settings: VacuumSettings, rows: float) -> float:
    base = number(options, "autovacuum_analyze_threshold", settings.analyze_threshold)
    scale = number(options, "autovacuum_analyze_scale_factor", settings.analyze_scale_factor)
    return base + scale * rows


def pressure(table: Table, limits: Triggers) -> Pressure:
    """How near a relation stands to each of its triggers."""
    return Pressure(
        dead=_share(table.n_dead_tup, limits.vacuum),
        inserts=None if limits.insert is None else _share(table.n_ins_since_vacuum, limits.insert),
        changes=None
        if limits.analyze is None
        else _share(table.n_mod_since_analyze, limits.analyze),
        xid=None if table.xid_age is None else table.xid_age / limits.freeze,
        mxid=None if table.mxid_age is None else table.mxid_age / limits.multixact,
    )


def _share(count: float, limit: float) -> float:
    """Strictly greater is due: at a threshold of 0 the first row is."""
    return count / limit if limit > 0 else float(count > 0) * 2


def enabled(options: Mapping[str, str]) -> bool:
    """autovacuum_enabled; age still forces a vacuum where it is off."""
    text = options.get("autovacuum_enabled")
    try:
        return True if text is None else to_bool(text)
    except ValueError:
        return True


def most_pressing(
    tables: Mapping[int, Table], main_of: Mapping[int, int], settings: VacuumSettings
) -> dict[int, float]:
    """relid -> the nearest trigger's share, for every relation that autovacuum looks at.

    One tight loop: this runs over tens of thousands of tables, few of which have options.
    """
    found: dict[int, float] = {}
    vacuum, vacuum_scale = settings.vacuum_threshold, settings.vacuum_scale_factor
    insert, insert_scale = settings.insert_threshold, settings.insert_scale_factor
    analyze, analyze_scale = settings.analyze_threshold, settings.analyze_scale_factor
    freeze, multi = settings.freeze_max_age, settings.multixact_freeze_max_age
    cap = settings.vacuum_max_threshold
    if cap < 0 or settings.version_num < 180000:
        cap = float("inf")
    for relid, table in tables.items():
        if table.relkind == "p" or table.relpersistence == "t":
            continue
        main = tables.get(main_of[relid]) if table.relkind == "t" and relid in main_of else None
        joined = table.options or (main.options if main is not None else None)
        if joined is not None or insert < 0:
            options, _ = own_options(table.options, main.options if main else None)
            found[relid] = pressure(table, triggers(table, options, settings)).most
            continue
        rows = table.reltuples if table.reltuples > 0 else 0.0
        most = table.n_dead_tup / (min(vacuum + vacuum_scale * rows, cap) or 1e-9)
        if table.n_ins_since_vacuum:
            share = table.n_ins_since_vacuum / (
                insert + insert_scale * rows * unfrozen(table) or 1e-9
            )
            most = share if share > most else most
        if table.n_mod_since_analyze and table.relkind != "t":
            share = table.n_mod_since_analyze / (analyze + analyze_scale * rows or 1e-9)
            most = share if share > most else most
        found[relid] = max(most, (table.xid_age or 0) / freeze, (table.mxid_age or 0) / multi)
    return found
