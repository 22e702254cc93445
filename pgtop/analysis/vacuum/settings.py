"""The settings that vacuum looks at, as numbers in base units, and where each comes from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pgtop.model.vacuum import VacuumSetting

WRAP = 2**31 - 1
"""Transactions from the oldest to the newest that can be told apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VacuumSettings:
    """Effective numbers; see `of` for the rules by which one setting stands in for another."""

    version_num: int
    rows: Mapping[str, VacuumSetting]
    enabled: bool
    """autovacuum and track_counts are both on."""

    vacuum_threshold: float
    vacuum_scale_factor: float
    vacuum_max_threshold: float
    """-1: none, or a server before 18."""

    insert_threshold: float
    insert_scale_factor: float
    analyze_threshold: float
    analyze_scale_factor: float
    freeze_max_age: float
    multixact_freeze_max_age: float
    cost_delay_ms: float
    cost_limit: float
    page_hit: float
    page_miss: float
    page_dirty: float
    naptime_s: float
    max_workers: int
    work_mem_bytes: float
    shared_buffers_pages: float
    deadlock_timeout_ms: float
    failsafe_age: float | None
    """Never below 1.05 of freeze_max_age; None on 13, which has none."""

    multixact_failsafe_age: float | None

    @classmethod
    def of(cls, settings: Iterable[VacuumSetting], version_num: int) -> VacuumSettings:
        """From pg_settings. -1 of autovacuum_* hands over to vacuum_cost_* (config.sgml)."""
        rows = {row.name: row for row in settings}

        def number(name: str, default: float) -> float:
            row = rows.get(name)
            return float(row.setting) if row is not None else default

        def on(name: str) -> bool:
            return name not in rows or rows[name].setting == "on"

        delay = number("autovacuum_vacuum_cost_delay", 2.0)
        limit = number("autovacuum_vacuum_cost_limit", -1.0)
        memory = number("autovacuum_work_mem", -1.0)
        freeze = number("autovacuum_freeze_max_age", 2e8)
        multi = number("autovacuum_multixact_freeze_max_age", 4e8)
        failsafe = "vacuum_failsafe_age" in rows
        return cls(
            version_num=version_num,
            rows=rows,
            enabled=on("autovacuum") and on("track_counts"),
            vacuum_threshold=number("autovacuum_vacuum_threshold", 50),
            vacuum_scale_factor=number("autovacuum_vacuum_scale_factor", 0.2),
            vacuum_max_threshold=number("autovacuum_vacuum_max_threshold", -1),
            insert_threshold=number("autovacuum_vacuum_insert_threshold", 1000),
            insert_scale_factor=number("autovacuum_vacuum_insert_scale_factor", 0.2),
            analyze_threshold=number("autovacuum_analyze_threshold", 50),
            analyze_scale_factor=number("autovacuum_analyze_scale_factor", 0.1),
            freeze_max_age=freeze,
            multixact_freeze_max_age=multi,
            cost_delay_ms=delay if delay >= 0 else number("vacuum_cost_delay", 0.0),
            cost_limit=limit if limit > 0 else number("vacuum_cost_limit", 200.0),
            page_hit=number("vacuum_cost_page_hit", 1.0),
            page_miss=number("vacuum_cost_page_miss", 2.0),
            page_dirty=number("vacuum_cost_page_dirty", 20.0),
            naptime_s=number("autovacuum_naptime", 60.0),
            max_workers=int(
                min(number("autovacuum_max_workers", 3), number("autovacuum_worker_slots", 1e9))
            ),
            work_mem_bytes=(memory if memory >= 0 else number("maintenance_work_mem", 65536))
            * 1024,
            shared_buffers_pages=number("shared_buffers", 16384),
            deadlock_timeout_ms=number("deadlock_timeout", 1000),
            failsafe_age=max(number("vacuum_failsafe_age", 1.6e9), 1.05 * freeze)
            if failsafe
            else None,
            multixact_failsafe_age=max(number("vacuum_multixact_failsafe_age", 1.6e9), 1.05 * multi)
            if failsafe
            else None,
        )

    def source(self, name: str) -> str:
        """`default` or `server`: whether somebody set it for the whole server."""
        row = self.rows.get(name)
        if row is None or row.source == "default" or row.setting == row.boot_val:
            return "default"
        return "server"

    def text(self, name: str) -> str | None:
        """The value as pg_settings holds it, in base units."""
        row = self.rows.get(name)
        return None if row is None else row.setting

    @property
    def budget(self) -> float | None:
        """Cost units a second that all balanced workers share; None: unthrottled."""
        if self.cost_delay_ms <= 0:
            return None
        return self.cost_limit / self.cost_delay_ms * 1000

    @property
    def dead_cap(self) -> float:
        """Dead rows that one pass over the indexes can hold.

        Up to 16 an array of 6 bytes each, at most 1 GB (vacuumlazy.c); from 17 a tree of
        about 100 bytes a page (measured), of which we never see the end.
        """
        if self.version_num >= 170000:
            return float("inf")
        return float(int(min(self.work_mem_bytes, 2**30 - 1) / 6))
