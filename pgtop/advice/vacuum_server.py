"""Autovacuum of the whole server: switched off, blind, short of budget, memory or workers."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

from pgtop.advice import Facts, NeedsTime, Rule, ddl
from pgtop.advice.thresholds import autovacuum as limits
from pgtop.advice.vacuum_case import judged, known, preparing, utilisation
from pgtop.analysis import units
from pgtop.analysis.vacuum.cost import nice_up
from pgtop.analysis.vacuum.settings import VacuumSettings
from pgtop.analysis.vacuum.state import VacuumState
from pgtop.model.finding import Finding, Remedy, Subject


def budget(state: VacuumState, settings: VacuumSettings) -> Iterator[Finding]:
    """All workers busy for ten minutes, and the shared budget is why."""
    if not state.history.saturated(settings.max_workers):
        return
    share = utilisation(state)
    if share is None or share < limits.UTILISATION:
        return
    goal = nice_up(settings.cost_limit * share / limits.UTILISATION_GOAL)
    row = settings.rows.get("autovacuum_vacuum_cost_limit")
    yield Finding(
        rule="autovacuum.slow",
        severity="warning",
        subject=Subject("setting", "autovacuum_vacuum_cost_limit"),
        title=f"all {settings.max_workers} autovacuum workers busy: the cost budget is the limit",
        why=(
            f"this database's churn asks for {units.percent(share)} of the budget of"
            f" {units.count(settings.budget)} cost/s that all workers share; more workers would"
            " split it, not raise it"
        ),
        evidence={"utilisation_fraction": round(share, 3), "workers": settings.max_workers},
        confidence="estimated",
        remedy=ddl.system_setting(
            "autovacuum_vacuum_cost_limit",
            f"{min(goal, 10_000):.0f}",
            caution=managed(row.source if row else "", "takes effect on the reload"),
        ),
    )


def memory(state: VacuumState, settings: VacuumSettings) -> Iterator[Finding]:
    """Dead rows of a big table do not fit in memory: its indexes are read once more a pass.

    Up to 16 alone: from 17 they take about 100 bytes a page in a tree without that limit.
    """
    if math.isinf(settings.dead_cap):
        return
    several = [
        one
        for one in judged(state)
        if one.seen.work.passes > 1 and one.proposal.word not in ("blocked", "lock-starved")
    ]
    running = [p.run for p in state.history.now if (p.run.index_vacuum_count or 0) > 1]
    if not several and not running:
        return
    most = max((one.seen for one in several), key=lambda seen: seen.work.passes, default=None)
    dead = 0.0 if most is None else max(most.limits.vacuum, float(most.table.n_dead_tup))
    wanted = max(dead * limits.DEAD_ROW_BYTES, 2 * settings.work_mem_bytes)
    bytes_ = min(2.0 ** math.ceil(math.log2(wanted)), limits.GIB)
    if bytes_ <= settings.work_mem_bytes:
        return
    if most is not None:
        passes = math.ceil(dead * limits.DEAD_ROW_BYTES / bytes_)
        what = (
            f"{most.label} at {units.count(dead)} dead rows: {most.work.passes} passes over its"
            f" indexes, {passes} with {units.size(bytes_)}"
        )
    else:
        what = (
            f"a vacuum under way is at index pass {max(r.index_vacuum_count or 0 for r in running)}"
        )
    name = "autovacuum_work_mem"
    row = settings.rows.get(name)
    least = units.size(settings.max_workers * bytes_)
    yield Finding(
        rule="autovacuum.slow",
        severity="notice",
        subject=Subject("setting", name),
        title=f"{name}: dead rows of a vacuum do not fit in {units.size(settings.work_mem_bytes)}",
        why=f"{what}; every pass reads all indexes of the table",
        evidence={
            "work_mem_bytes": settings.work_mem_bytes,
            "proposed_bytes": bytes_,
            "tables": len(several),
        },
        confidence="measured" if running else "estimated",
        remedy=ddl.system_setting(
            name,
            f"{bytes_ / 2**20:.0f}MB",
            caution=managed(
                row.source if row else "",
                f"each of {settings.max_workers} workers may take as much: {least} in all; takes"
                " effect on the reload, for vacuums that start then",
            ),
        ),
    )


def workers(state: VacuumState, settings: VacuumSettings) -> Iterator[Finding]:
    """All workers busy, tables wait, and the budget is not why.

    Other databases' churn is not seen from here, so it is said only while every worker is at
    work in this one.
    """
    if not state.history.saturated(settings.max_workers):
        return
    share = utilisation(state)
    here = [p.run for p in state.history.now if p.run.worker]
    if share is None or share >= limits.UTILISATION or not all(r.same_database for r in here):
        return
    waiting = [
        one
        for one in judged(state)
        if one.seen.run is None and one.seen.enabled and one.seen.next_s == 0
        and one.proposal.word not in ("blocked", "lock-starved")
    ]  # fmt: skip
    if not waiting:
        return
    name = "autovacuum_max_workers"
    row, slots = settings.rows.get(name), settings.rows.get("autovacuum_worker_slots")
    goal = min(2 * settings.max_workers, int(slots.setting) if slots else 2 * settings.max_workers)
    if goal <= settings.max_workers:
        return
    restart = slots is None
    remedy = ddl.system_setting(
        name,
        str(goal),
        caution=managed(
            row.source if row else "",
            "takes effect after a RESTART of the server"
            if restart
            else "takes effect on the reload",
        ),
    )
    yield Finding(
        rule="autovacuum.cannot_keep_up",
        severity="notice",
        subject=Subject("setting", name),
        title=f"{units.plural(len(waiting), 'table')} due, and all {settings.max_workers}"
        " autovacuum workers busy for ten minutes",
        why=(
            f"the churn asks for {units.percent(share)} of the cost budget, so the workers, not"
            f" the budget, are short; first in line {waiting[0].seen.label}. More workers share"
            " the same budget: each run takes no less time"
        ),
        evidence={"waiting": len(waiting), "workers": settings.max_workers},
        confidence="estimated",
        remedy=_without_reload(remedy) if restart else remedy,
    )


def _without_reload(remedy: Remedy) -> Remedy:
    """A setting that a reload does not change."""
    return replace(remedy, sql=remedy.sql[:1], undo=remedy.undo[:1])


def off(facts: Facts) -> Iterator[Finding]:
    """autovacuum or track_counts is off for the whole server."""
    state, settings = known(facts)
    if state.server is not None and state.server.in_recovery:
        return
    for name in ("autovacuum", "track_counts"):
        row = settings.rows.get(name)
        if row is None or row.setting == "on":
            continue
        yield Finding(
            rule="autovacuum.off",
            severity="critical",
            subject=Subject("setting", name),
            title=f"{name} is off: no table is vacuumed or analysed by itself",
            why=f"{name} = {row.setting} ({row.source}); only wraparound still forces vacuums",
            confidence="proved",
            remedy=ddl.system_setting(
                name, "on", caution=managed(row.source, "takes effect on the reload")
            ),
        )


def managed(source: str, words: str) -> str:
    """A caution where ALTER SYSTEM alone does not do."""
    if source == "command line":
        return "set on the server's command line: it must change there"
    return f"{words}; on a managed service use its parameter group"


def counters_lost(facts: Facts) -> Iterator[Finding]:
    """A crash, failover or reset zeroed the counters: autovacuum is blind until new changes."""
    state, _ = known(facts)
    if state.counters.lost < limits.LOST_TABLES or (
        state.server is not None and state.server.in_recovery
    ):
        return
    held = sum(
        table.reltuples > limits.NO_STATISTICS_ROWS and not table.system and table.relkind == "r"
        for table in state.tables.values()
    )
    if state.counters.lost * 2 <= held:
        return
    names = [
        one
        for one in sorted(state.tables.values(), key=lambda t: -t.relpages)
        if one.relkind == "r" and not one.system and not one.n_live_tup
        and one.reltuples > limits.NO_STATISTICS_ROWS
    ]  # fmt: skip
    yield Finding(
        rule="autovacuum.counters_lost",
        severity="warning",
        subject=Subject("server", "counters"),
        title=f"{state.counters.lost} tables lost their counters: autovacuum does not see them",
        why=(
            f"{state.counters.lost} of {held} tables hold rows by pg_class and have no counter:"
            " a crash, an immediate stop, a failover or a reset zeroed them. Dead rows from"
            " before are not known and no threshold counts them until ANALYZE ran"
        ),
        evidence={"tables": state.counters.lost},
        confidence="proved",
        remedy=ddl.analyzed(", ".join(table.ident for table in names[:20])) if names else None,
        no_remedy=None if names else "ANALYZE the tables",
    )


def naptime_bound(facts: Facts) -> Iterator[Finding]:
    """Tables that reach their threshold within one naptime: no threshold helps."""
    state, settings = known(facts)
    if state.churn.seconds is None:
        raise NeedsTime("rates need two samples")
    found = [one for one in judged(state) if one.proposal.word == "naptime-bound"]
    lasting = [one for one in found if one.proposal.basis == "long"]
    if not lasting or settings.naptime_s <= limits.NAPTIME_S:
        return
    names = ", ".join(one.seen.label for one in lasting[:3])
    row = settings.rows.get("autovacuum_naptime")
    many = len(state.databases) > limits.NAPTIME_DATABASES
    yield Finding(
        rule="autovacuum.naptime_bound",
        severity="notice",
        subject=Subject("setting", "autovacuum_naptime"),
        title=f"{names}: due again within one naptime of {units.seconds(settings.naptime_s)}",
        why=(
            f"{units.plural(len(lasting), 'table')} of {units.size(limits.SMALL_BYTES)} or more"
            " fill their threshold sooner than the launcher looks: lowering it changes nothing"
        ),
        evidence={"tables": len(lasting), "naptime_s": settings.naptime_s},
        confidence="estimated",
        remedy=None
        if many
        else ddl.system_setting(
            "autovacuum_naptime",
            f"{limits.NAPTIME_S}s",
            caution=managed(row.source if row else "", "takes effect on the reload"),
        ),
        no_remedy=f"{len(state.databases)} databases share the launcher: a shorter naptime costs"
        " each of them"
        if many
        else None,
    )


SERVER_RULES: tuple[Rule, ...] = (
    Rule("autovacuum.naptime_bound", naptime_bound, preparing),
    Rule("autovacuum.off", off),
    Rule("autovacuum.counters_lost", counters_lost),
)
