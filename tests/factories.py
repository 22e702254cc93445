"""Builders of model objects: a test names only the fields it is about."""

from __future__ import annotations

from typing import Any

from pgtop.model.sample import Reading, Sample, SourceError
from pgtop.model.server import Database, DatabaseCounters, Link, Role, Server, Vitals
from pgtop.model.statement import Running, Statement, StatementsInfo, StatementText

STARTED = 1_760_000_000.0


def statement(queryid: int = 1, /, **fields: Any) -> Statement:
    defaults: dict[str, Any] = {
        "userid": 10, "dbid": 5, "queryid": queryid, "toplevel": True, "calls": 1,
        "total_exec_time": 1.0, "total_plan_time": 0.0, "rows": 1, "shared_blks_hit": 0,
        "shared_blks_read": 0, "shared_blks_dirtied": 0, "shared_blks_written": 0,
        "temp_blks_read": 0, "temp_blks_written": 0, "shared_blk_read_time": 0.0,
        "shared_blk_write_time": 0.0, "wal_records": 0, "wal_bytes": 0.0, "stats_since": STARTED,
    }  # fmt: skip
    return Statement(**{**defaults, **fields})


def text(queryid: int, query: str, /, **fields: Any) -> StatementText:
    defaults: dict[str, Any] = {
        "userid": 10, "dbid": 5, "queryid": queryid, "toplevel": True, "query": query[:400],
        "length": len(query),
    }  # fmt: skip
    return StatementText(**{**defaults, **fields})


def server(**fields: Any) -> Server:
    defaults: dict[str, Any] = {
        "version": "18.4", "version_num": 180004, "database": "shop", "user": "monitor",
        "superuser": False, "in_recovery": False, "started_at": STARTED,
        "checkpointer_started_at": STARTED, "backend_pid": 4711,
    }  # fmt: skip
    return Server(**{**defaults, **fields})


def vitals(**fields: Any) -> Vitals:
    defaults: dict[str, Any] = {
        "max_connections": 100, "reserved_connections": 3, "client_backends": 14, "sessions": 14,
        "active": 3, "waiting": 0, "idle_in_transaction": 1, "oldest_xact_s": 0.4, "hidden": 0,
        "wal_bytes": 1_000_000,
    }  # fmt: skip
    return Vitals(**{**defaults, **fields})


def link(**fields: Any) -> Link:
    defaults: dict[str, Any] = {
        "host": "db1", "port": "5432", "tls": True, "local": False, "pooler": None,
        "provider": None, "since": 0.0,
    }  # fmt: skip
    return Link(**{**defaults, **fields})


def counters(**fields: Any) -> DatabaseCounters:
    defaults: dict[str, Any] = {
        "xact_commit": 1000, "xact_rollback": 0, "blks_hit": 100_000, "blks_read": 100,
        "temp_bytes": 0, "deadlocks": 0, "stats_reset": STARTED,
    }  # fmt: skip
    return DatabaseCounters(**{**defaults, **fields})


INFO = StatementsInfo(0, STARTED, 5000, True)


def rows_of(*rows: Any) -> dict[type[Any], tuple[Any, ...]]:
    """Rows by their types, with a server and names around them."""
    found: dict[type[Any], tuple[Any, ...]] = {
        Server: (server(),),
        Vitals: (vitals(),),
        Link: (link(),),
        DatabaseCounters: (counters(),),
        Role: (Role(10, "web"),),
        Database: (Database(5, "shop"),),
        StatementsInfo: (INFO,),
        Statement: (),
        StatementText: (),
        Running: (),
    }
    for kind in {type(row) for row in rows}:
        found[kind] = tuple(row for row in rows if type(row) is kind)
    return found


def reading(
    rows: dict[type[Any], tuple[Any, ...]],
    at: float = STARTED + 1000,
    errors: dict[type[Any], SourceError] | None = None,
) -> Reading:
    samples: dict[type[Any], Sample[Any] | SourceError] = {
        kind: Sample(at, found) for kind, found in rows.items()
    }
    samples.update(errors or {})
    return Reading(samples=samples, taken_at=at, arrived_at=0.0, server_ms=1.2, round_trips=1)
