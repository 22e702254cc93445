"""Builders for tests about vacuum: a test names only the fields it is about."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pgtop.advice import Facts
from pgtop.analysis.vacuum.state import VacuumState
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
    VacuumSetting,
    XidClock,
)
from tests.factories import STARTED, counters, server, vitals

NOW = STARTED + 10 * 86_400.0

GUCS: dict[str, str] = {
    "autovacuum": "on", "track_counts": "on", "autovacuum_vacuum_threshold": "50",
    "autovacuum_vacuum_scale_factor": "0.2", "autovacuum_vacuum_insert_threshold": "1000",
    "autovacuum_vacuum_insert_scale_factor": "0.2", "autovacuum_analyze_threshold": "50",
    "autovacuum_analyze_scale_factor": "0.1", "autovacuum_vacuum_cost_delay": "2",
    "autovacuum_vacuum_cost_limit": "-1", "vacuum_cost_limit": "200", "vacuum_cost_delay": "0",
    "vacuum_cost_page_hit": "1", "vacuum_cost_page_miss": "2", "vacuum_cost_page_dirty": "20",
    "autovacuum_naptime": "60", "autovacuum_max_workers": "3",
    "autovacuum_freeze_max_age": "200000000", "autovacuum_multixact_freeze_max_age": "400000000",
    "vacuum_failsafe_age": "1600000000", "vacuum_multixact_failsafe_age": "1600000000",
    "autovacuum_work_mem": "-1", "maintenance_work_mem": "65536", "shared_buffers": "16384",
    "deadlock_timeout": "1000", "vacuum_freeze_min_age": "50000000",
}  # fmt: skip


def settings_rows(version: int = 180004, **changed: str) -> tuple[VacuumSetting, ...]:
    """pg_settings of a version; `changed` ones come from the configuration file."""
    values = dict(GUCS)
    if version >= 180000:
        values["autovacuum_vacuum_max_threshold"] = "100000000"
        values["autovacuum_worker_slots"] = "16"
    if version < 140000:
        values["vacuum_cost_page_miss"] = "10"
        del values["vacuum_failsafe_age"], values["vacuum_multixact_failsafe_age"]
    return tuple(
        VacuumSetting(name, changed.get(name, value), None, value,
                      "configuration file" if name in changed else "default", "sighup", False)
        for name, value in values.items()
    )  # fmt: skip


def table(relid: int = 20001, /, **fields: Any) -> Table:
    """A table of a million rows and 1 GB, vacuumed and unchanged since."""
    name = fields.pop("relname", f"t{relid}")
    defaults: dict[str, Any] = {
        "relid": relid, "ident": f"public.{name}", "schemaname": "public", "relname": name,
        "relkind": "r", "relpersistence": "p", "relispartition": False, "relpages": 131072,
        "reltuples": 1e6, "relallvisible": 0, "relallfrozen": None, "reltoastrelid": 0,
        "options": None, "xid_age": 1000, "mxid_age": 1, "owner": "web", "n_tup_ins": 1_000_000,
        "n_tup_upd": 0, "n_tup_del": 0, "n_live_tup": 1_000_000, "n_dead_tup": 0,
        "n_mod_since_analyze": 0, "n_ins_since_vacuum": 0, "vacuum_count": 0,
        "autovacuum_count": 3, "analyze_count": 0, "autoanalyze_count": 3,
    }  # fmt: skip
    return Table(**{**defaults, **fields})


def use(relid: int = 20001, /, **fields: Any) -> TableUse:
    defaults: dict[str, Any] = {
        "relid": relid, "seq_scan": 0, "seq_tup_read": 0, "n_tup_upd": 0, "n_tup_hot_upd": 0,
        "n_tup_newpage_upd": 0, "last_vacuum": None, "last_autovacuum": NOW - 86_400,
        "last_analyze": None, "last_autoanalyze": NOW - 86_400, "heap_blks_hit": 0,
        "heap_blks_read": 0, "total_autovacuum_time": None,
    }  # fmt: skip
    return TableUse(**{**defaults, **fields})


def holder(**fields: Any) -> HorizonHolder:
    defaults: dict[str, Any] = {
        "kind": "session", "name": "4242", "role": "web", "state": "idle in transaction",
        "application": "web", "query": "update t", "held_s": 7200.0, "xid_age": 4_000_000,
        "scope": "database", "backend_start": STARTED, "waits": False,
    }  # fmt: skip
    return HorizonHolder(**{**defaults, **fields})


def run(**fields: Any) -> VacuumRun:
    defaults: dict[str, Any] = {
        "pid": 77, "datname": "shop", "same_database": True, "relid": 20001, "worker": True,
        "query": "autovacuum: VACUUM public.t20001", "xact_s": 30.0, "wait_event_type": None,
        "wait_event": None, "phase": "scanning heap", "heap_blks_total": 1000,
        "heap_blks_scanned": 430, "heap_blks_vacuumed": 0, "index_vacuum_count": 0,
        "dead_fraction": 0.1, "indexes_total": None, "indexes_processed": None,
        "delay_time": None, "mode": None,
    }  # fmt: skip
    return VacuumRun(**{**defaults, **fields})


KINDS = (
    Table, TableUse, IndexPages, Partition, VacuumSetting, VacuumRun, HorizonHolder, VacuumBlock,
    PinWait, DatabaseAge, XidClock, ParentStatistics,
)  # fmt: skip


def facts(
    *readings: Iterable[Any], version: int = 180004, gap: float = 60.0, **changed: str
) -> Facts:
    """Facts after these readings, `gap` seconds apart, the last one at NOW.

    `changed` settings; a reading may hold its own Server, DatabaseCounters and Vitals.
    """
    state = VacuumState()
    held: dict[type[Any], Sample[Any]] = {}
    for number, rows in enumerate(readings):
        at = NOW - gap * (len(readings) - 1 - number)
        found = list(rows)
        kinds = {type(row) for row in found}
        if not kinds & {VacuumSetting}:
            found += settings_rows(version, **changed)
        for kind, made in (
            (Server, server(version_num=version)),
            (DatabaseCounters, counters(stats_reset=STARTED)),
            (Vitals, vitals()),
            (DatabaseAge, DatabaseAge(5, "shop", True, True, 1000, 1)),
        ):
            if kind not in kinds:
                found.append(made)
        fresh = {
            kind: Sample(at, tuple(row for row in found if type(row) is kind))
            for kind in (*KINDS, Server, DatabaseCounters, Vitals)
        }
        held.update(fresh)
        state = state.advanced(fresh, held)
    return Facts(held, {VacuumState: state})


def state_of(found: Facts) -> VacuumState:
    return found.get(VacuumState)
