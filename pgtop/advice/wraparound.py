"""How far it is to the forced vacuum, the fail-safe and the stop."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pgtop.advice import Facts, NotPossible, Rule, ddl
from pgtop.advice.thresholds import wraparound as limits
from pgtop.advice.vacuum_case import known
from pgtop.advice.vacuum_horizon import holding, named
from pgtop.analysis import units
from pgtop.analysis.vacuum.ladder import Step, eta, mxid_ladder, xid_ladder
from pgtop.analysis.vacuum.settings import VacuumSettings
from pgtop.analysis.vacuum.state import VacuumState
from pgtop.model.finding import Cost, Finding, Remedy, Severity, Subject
from pgtop.model.table import Table
from pgtop.model.vacuum import DatabaseAge

Kind = Literal["xid", "mxid"]


def xid(facts: Facts) -> Iterator[Finding]:
    """Transaction ids."""
    yield from _judge(facts, "xid")


def mxid(facts: Facts) -> Iterator[Finding]:
    """Multixacts: row locks that several transactions share, foreign keys mostly."""
    yield from _judge(facts, "mxid")


def _judge(facts: Facts, kind: Kind) -> Iterator[Finding]:
    state, settings = known(facts)
    if not state.databases:
        raise NotPossible("the ages of the databases were not read")
    steps = xid_ladder(settings) if kind == "xid" else mxid_ladder(settings)
    rate = state.xids_per_s if kind == "xid" else state.mxids_per_s
    for database in state.databases:
        age = database.xid_age if kind == "xid" else database.mxid_age
        severity = _severity(age, steps, rate, state, settings)
        if severity is not None:
            yield _finding(database, age, kind, severity, steps, rate, state)


def _severity(
    age: int,
    steps: tuple[Step, ...],
    rate: float | None,
    state: VacuumState,
    settings: VacuumSettings,
) -> Severity | None:
    forced, stop = steps[0], steps[-1]
    failsafe = next((s.age for s in steps if s.name == "fail-safe"), limits.FAILSAFE_13)
    left = eta(age, stop, rate)
    if age <= forced.age:
        return None
    if age >= failsafe or (left is not None and left < limits.CRITICAL_S):
        return "critical"
    if age >= failsafe * limits.WARNING_FRACTION and age > forced.age * 1.2:
        return "warning"
    looks = state.history.busy
    watched = looks[-1][0] - looks[0][0] if looks else 0.0
    idle = watched >= limits.NAPTIMES * settings.naptime_s * 0.95 and not any(n for _, n in looks)
    return "notice" if idle else None


def _finding(
    database: DatabaseAge,
    age: int,
    kind: Kind,
    severity: Severity,
    steps: tuple[Step, ...],
    rate: float | None,
    state: VacuumState,
) -> Finding:
    left = eta(age, steps[-1], rate)
    way = ", ".join(
        f"{step.name} {'passed' if age >= step.age else _in(eta(age, step, rate), step.age - age)}"
        for step in steps
    )
    word = "transactions" if kind == "xid" else "multixacts"
    oldest = _oldest(state, kind) if database.current else []
    # Only a holder from before half of that age keeps the database from growing younger.
    holders = [h for h in holding(state, catalogs=True) if h.xid_age * 2 >= age]
    held = f"; {named(holders[0])} holds the horizon and must end first" if holders else ""
    if oldest:
        ages = (f"{state.label(table)} {units.count(_age(table, kind))}" for table in oldest[:3])
        tables = "; oldest: " + ", ".join(ages)
    else:
        tables = "" if database.current else "; its tables can be seen only from inside it"
    remedy = _remedy(oldest, state, severity) if not holders else None
    return Finding(
        rule=f"wraparound.{kind}",
        severity=severity,
        subject=Subject("database", database.datname),
        title=(
            f"database {database.datname} is {units.count(age)} {word} old:"
            f" {units.percent(age / steps[-1].age)} of the way to the stop"
        ),
        why=f"{way}{tables}{held}. Reads go on after the stop; single-user mode is not needed",
        evidence={"age": age, "per_s": rate, "stop_age": round(steps[-1].age)},
        cost=Cost(eta_s=left),
        confidence="proved",
        remedy=remedy,
        no_remedy=None
        if remedy
        else f"end {named(holders[0])} first, then VACUUM the oldest tables"
        if holders
        else f"connect to {database.datname} and VACUUM its oldest tables there",
    )


def _in(seconds: float | None, left: float) -> str:
    if seconds is None:
        return f"{units.count(left)} away"
    return f"in {units.seconds(seconds)}"


def _age(table: Table, kind: Kind) -> int:
    return (table.xid_age if kind == "xid" else table.mxid_age) or 0


def _oldest(state: VacuumState, kind: Kind) -> list[Table]:
    kept = [table for table in state.tables.values() if table.relkind != "p"]
    return sorted(kept, key=lambda table: (-_age(table, kind), -table.relpages))[:10]


def _remedy(oldest: list[Table], state: VacuumState, severity: Severity) -> Remedy | None:
    """The oldest table, throttled as autovacuum is; at the fail-safe without its indexes."""
    if not oldest:
        return None
    table = oldest[0]
    main = state.tables.get(state.main_of.get(table.relid, 0))
    name = main.ident if main is not None else table.ident
    options = "INDEX_CLEANUP off, TRUNCATE off, VERBOSE" if severity == "critical" else "FREEZE"
    return Remedy(
        sql=(
            ddl.set_setting("vacuum_cost_delay", "2ms"),
            ddl.vacuum(name, options),
            ddl.reset_setting("vacuum_cost_delay"),
        ),
        undo=(),
        transactional=False,
        lock=ddl.SHARE_UPDATE_EXCLUSIVE,
        caution="one table after another, the oldest first; afterwards a plain VACUUM for the"
        " indexes"
        if severity == "critical"
        else "one table after another, the oldest first; needs the owner or MAINTAIN",
    )


WRAPAROUND_RULES: tuple[Rule, ...] = (
    Rule("wraparound.xid", xid),
    Rule("wraparound.mxid", mxid),
)
