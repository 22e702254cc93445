"""The report's `replication` section: standbys, slots, the archive, and recovery on a standby."""

from __future__ import annotations

from typing import Any

from pgtop.advice import Facts
from pgtop.analysis.replication import WalFlow
from pgtop.model.replication import (
    Archiver,
    Conflict,
    Recovery,
    Slot,
    Standby,
    WalFiles,
    WalPlace,
)
from pgtop.model.sample import Sample, SourceError


def replication(facts: Facts) -> dict[str, Any]:
    """The section. Raises `SourceError` where neither standbys nor slots can be read."""
    flow = facts.derived.get(WalFlow) or WalFlow()
    found = facts.samples.get(Slot)
    if isinstance(found, SourceError):
        raise found
    place, recovery = _first(facts, WalPlace), _first(facts, Recovery)
    files = _first(facts, WalFiles)
    return {
        "wal_position_bytes": None if place is None else place.position,
        "wal_bytes_per_s": _rounded(flow.wal.per_s),
        "wal_dir_bytes": None if files is None else files.bytes,
        "standbys": [standby_part(row, flow) for row in _rows(facts, Standby)],
        "slots": [slot_part(row, flow) for row in _rows(facts, Slot)],
        "archiver": archiver_part(_first(facts, Archiver), files),
        "recovery": None if recovery is None else recovery_part(recovery, flow),
        "conflicts": [
            {"database": row.datname, "cancelled": row.total}
            for row in _rows(facts, Conflict)
            if row.total
        ],
    }


def standby_part(row: Standby, flow: WalFlow) -> dict[str, Any]:
    """One standby; every figure is None where it is hidden or not known."""
    return {
        "pid": row.pid,
        "application": row.application_name,
        "client": row.client_addr,
        "user": row.usename,
        "state": row.state,
        "sync_state": row.sync_state,
        "sent_lag_bytes": row.sent_behind,
        "flush_lag_bytes": row.flush_behind,
        "replay_lag_bytes": row.behind,
        "replay_lag_s": _rounded(flow.lag_s(row), 3),
        "slot": row.slot_name,
    }


def slot_part(row: Slot, flow: WalFlow) -> dict[str, Any]:
    """One slot."""
    return {
        "name": row.slot_name,
        "type": row.slot_type,
        "plugin": row.plugin,
        "database": row.database,
        "active": row.active,
        "temporary": row.temporary,
        "synced": row.synced,
        "retained_bytes": row.retained_bytes,
        "growth_bytes_per_s": _rounded(flow.growth_per_s(row.slot_name)),
        "unconfirmed_bytes": row.unconfirmed_bytes,
        "wal_status": row.wal_status,
        "safe_wal_size_bytes": row.safe_wal_size,
        "inactive_s": _rounded(row.inactive_s, 1),
        "invalidation_reason": row.invalidation_reason,
    }


def archiver_part(row: Archiver | None, files: WalFiles | None) -> dict[str, Any] | None:
    """The archiver; None where there is none."""
    if row is None or row.archive_mode == "off":
        return None
    return {
        "mode": row.archive_mode,
        "failing": row.failing,
        "archived_count": row.archived_count,
        "archived_age_s": _rounded(row.archived_age_s, 1),
        "failed_count": row.failed_count,
        "failed_age_s": _rounded(row.failed_age_s, 1),
        "segments_waiting": None if files is None else files.ready,
    }


def recovery_part(row: Recovery, flow: WalFlow) -> dict[str, Any]:
    """A standby's own view."""
    return {
        "lag_s": _rounded(flow.own_lag_s(row), 3),
        "to_replay_bytes": row.to_replay,
        "paused": row.paused,
        "min_apply_delay_s": row.min_apply_delay_s,
        "receiver": row.receiver_status,
        "sender": row.sender_host,
        "slot": row.slot_name,
        "message_age_s": _rounded(row.message_age_s, 1),
    }


def _rows(facts: Facts, kind: type[Any]) -> tuple[Any, ...]:
    found = facts.samples.get(kind)
    return found.rows if isinstance(found, Sample) else ()


def _first(facts: Facts, kind: type[Any]) -> Any:
    rows = _rows(facts, kind)
    return rows[0] if rows else None


def _rounded(value: float | None, digits: int = 0) -> float | None:
    return None if value is None else round(value, digits)
