"""The report's `connections` section: how near each limit, by whom, and the pooler's pools."""

from __future__ import annotations

from typing import Any

from pgtop.advice import Facts
from pgtop.advice.connections import forecast
from pgtop.advice.pools import behind, diagnosis
from pgtop.analysis.connections import Bound, By, Connections, Crowd, crowds
from pgtop.model.connections import ConnectionLimit
from pgtop.model.pool import Pool, Pooler, PoolServer
from pgtop.model.sample import Sample, SourceError
from pgtop.model.server import Vitals
from pgtop.model.session import Session

Json = dict[str, Any]

GROUPS: tuple[By, ...] = ("database", "user", "application", "client")


def connections(facts: Facts) -> Json:
    """The section. Raises `SourceError` where sessions cannot be read."""
    sample = facts.samples.get(Session)
    if isinstance(sample, SourceError):
        raise sample
    if sample is None:
        raise SourceError("sessions were not read")
    found: Connections = facts.derived.get(Connections) or Connections()
    vitals: Vitals | None = next(iter(_rows(facts, Vitals)), None)
    rows, at = sample.rows, sample.taken_at
    opened = found.opened_per_s
    made: Json = {
        "used": None if vitals is None else vitals.used,
        "limit": None if vitals is None else vitals.max_connections,
        "reserved": None if vitals is None else vitals.reserved_connections,
        "hidden": sum(session.hidden for session in rows),
        "opened_per_s": None if opened is None else round(opened, 3),
        "opened_source": None
        if opened is None
        else "counted"
        if found.opened_exactly
        else "at least",
        "by_state": {crowd.name or "hidden": crowd.total for crowd in crowds(rows, "state", at)},
        "limits": [limit_part(bound, found) for bound in found.bounds],
    }
    limits = _rows(facts, ConnectionLimit)
    for by in GROUPS:
        made[f"by_{by}"] = [crowd_part(crowd) for crowd in crowds(rows, by, at, limits)]
    made["pooler"], made["pools"] = _pooler(facts, rows, at)
    return made


def _rows(facts: Facts, row_type: type[Any]) -> tuple[Any, ...]:
    found = facts.samples.get(row_type)
    return found.rows if isinstance(found, Sample) else ()


def limit_part(bound: Bound, found: Connections) -> Json:
    """One limit, without what is reserved."""
    eta = forecast(bound, found)
    return {
        "kind": bound.kind,
        "name": bound.name or "max_connections",
        "used": bound.used,
        "limit": bound.limit,
        "free": bound.free,
        "full_in_s": None if eta is None else round(eta, 1),
    }


def crowd_part(crowd: Crowd) -> Json:
    """The sessions that share something."""
    return {
        "name": crowd.name,
        "sessions": crowd.total,
        "active": crowd.active,
        "waiting": crowd.waiting,
        "idle": crowd.idle,
        "idle_in_transaction": crowd.idle_in_transaction,
        "hidden": crowd.hidden,
        "oldest_idle_s": _rounded(crowd.oldest_idle_s),
        "oldest_idle_in_transaction_s": _rounded(crowd.oldest_held_s),
        "oldest_transaction_s": _rounded(crowd.oldest_xact_s),
        "limit": crowd.limit,
    }


def _pooler(
    facts: Facts, sessions: tuple[Session, ...], at: float
) -> tuple[Json | None, list[Json] | None]:
    poolers = _rows(facts, Pooler)
    if not poolers:
        return None, None
    pooler: Pooler = poolers[0]
    own = behind(_rows(facts, PoolServer), sessions)
    head = {
        "name": "pgbouncer",
        "version": pooler.version,
        "pool_mode": pooler.pool_mode,
        "default_pool_size": pooler.default_pool_size,
        "max_client_connections": pooler.max_client_conn,
        "clients": pooler.used_clients,
        "query_wait_timeout_s": pooler.query_wait_timeout_s,
        "max_prepared_statements": pooler.max_prepared_statements,
    }
    pools = [
        pool_part(pool, diagnosis(pool, own, at).cause)
        for pool in sorted(_rows(facts, Pool), key=lambda pool: (-pool.maxwait_s, pool.key))
        if not pool.own
    ]
    return head, pools


def pool_part(pool: Pool, cause: str) -> Json:
    """One pool; `cause` says why its clients wait, `free` where they do not."""
    return {
        "database": pool.database,
        "user": pool.user,
        "pool_mode": pool.pool_mode,
        "clients_active": pool.cl_active,
        "clients_waiting": pool.cl_waiting,
        "longest_wait_s": round(pool.maxwait_s, 3),
        "servers_active": pool.sv_active,
        "servers_idle": pool.free,
        "servers_login": pool.sv_login,
        "pool_size": pool.pool_size,
        "cause": cause,
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
