"""Builds sessions and pools: a test names only the fields it is about."""

from __future__ import annotations

from typing import Any

from pgtop.advice import Facts
from pgtop.analysis.connections import Connections
from pgtop.model.connections import ConnectionLimit, SessionCounters
from pgtop.model.pool import POOL_TYPES, Pool, Pooler, PoolServer
from pgtop.model.sample import Sample
from pgtop.model.server import Vitals
from pgtop.model.session import Session
from tests.factories import vitals

NOW = 1_770_000_000.0

EMPTY = dict.fromkeys(Session._fields)


def session(pid: int, **fields: Any) -> Session:
    """An idle client of `shop`, connected an hour ago; `start`, `since` are seconds ago."""
    at = fields.pop("at", NOW)
    start, since = fields.pop("start", 3_600.0), fields.pop("since", 0.1)
    defaults: dict[str, Any] = {
        **EMPTY, "pid": pid, "backend_type": "client backend", "datname": "shop",
        "usename": "web", "application_name": "web", "client_addr": "10.0.0.1", "state": "idle",
        "backend_start": at - start, "query_start": at - since, "state_change": at - since,
        "hidden": False,
    }  # fmt: skip
    return Session(**{**defaults, **fields})


def pool(**fields: Any) -> Pool:
    """A pool of two, both busy, with nobody waiting."""
    defaults: dict[str, Any] = {
        "database": "shop", "user": "web", "pool_mode": "transaction", "cl_active": 2,
        "cl_waiting": 0, "sv_active": 2, "sv_idle": 0, "sv_used": 0, "sv_tested": 0,
        "sv_login": 0, "maxwait_s": 0.0, "pool_size": 2, "reserve_pool": 0,
        "host": "10.0.0.9", "port": 5432, "server_database": "shop", "paused": False,
        "disabled": False,
    }  # fmt: skip
    return Pool(**{**defaults, **fields})


def pooler(**fields: Any) -> Pooler:
    defaults: dict[str, Any] = {
        "where": "10.0.0.8:6432", "version": "1.18.0", "pool_mode": "transaction",
        "default_pool_size": 2, "reserve_pool_size": 0, "reserve_pool_timeout_s": 5.0,
        "max_client_conn": 100, "max_db_connections": 0, "max_user_connections": 0,
        "query_wait_timeout_s": 120.0, "max_prepared_statements": None, "used_clients": 50,
        "used_servers": 2,
    }  # fmt: skip
    return Pooler(**{**defaults, **fields})


def pool_servers(*pids: int) -> tuple[PoolServer, ...]:
    return tuple(PoolServer("shop", "web", "active", pid) for pid in pids)


def facts(*readings: tuple[Any, ...], gap: float = 2.0, **changed: Any) -> Facts:
    """Facts after these readings, `gap` seconds apart, the last one at NOW.

    Without a row of its own a reading's Vitals count the clients; `changed` alters them.
    """
    found = Connections()
    held: dict[type[Any], Sample[Any]] = {}
    kinds = (Session, Vitals, ConnectionLimit, SessionCounters, *POOL_TYPES)
    for number, rows in enumerate(readings):
        at = NOW - gap * (len(readings) - 1 - number)
        clients = sum(isinstance(row, Session) and row.client for row in rows)
        made = vitals(**{"client_backends": clients, "sessions": clients, **changed})
        every = (*rows, made)
        fresh = {
            kind: Sample(at, tuple(row for row in every if type(row) is kind)) for kind in kinds
        }
        held.update(fresh)
        found = found.advanced(fresh, held)
    return Facts(held, {Connections: found})
