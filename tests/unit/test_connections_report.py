"""The report's connections: the contract's keys, and what people read."""

from __future__ import annotations

from typing import Any

import pytest

from pgtop.advice import Facts
from pgtop.model.connections import ConnectionLimit
from pgtop.model.pool import POOL_TYPES
from pgtop.model.sample import SourceError
from pgtop.model.session import Session
from pgtop.report.connections import connections
from pgtop.report.words import as_markdown, as_text
from tests.session_rows import facts, pool, pool_servers, pooler, session

SESSIONS = (
    session(1, state="active"),
    session(2, state="idle in transaction", since=70.0, application_name="job|b`"),
    session(3),
)


def report(**parts: Any) -> dict[str, Any]:
    return {
        "server": {"database": "shop", "version": "18.4", "in_recovery": False, "pooler": None},
        "taken_at": "2026-11-21T10:00:00+00:00", "window_s": 1.0,
        "self": {"server_ms": 1.0, "round_trips": 1}, "unavailable": [], **parts,
    }  # fmt: skip


def test_the_contracts_keys() -> None:
    made = connections(facts((*SESSIONS, ConnectionLimit("role", "web", 20))))
    assert (made["used"], made["limit"], made["reserved"]) == (3, 100, 3)
    assert made["by_state"] == {"active": 1, "idle in transaction": 1, "idle": 1}
    assert made["pools"] is None
    assert made["limits"][0] == {
        "kind": "role", "name": "web", "used": 3, "limit": 20, "free": 17, "full_in_s": None,
    }  # fmt: skip
    (web,) = [part for part in made["by_user"] if part["name"] == "web"]
    assert (web["sessions"], web["limit"]) == (3, 20)


def test_pools_with_their_cause() -> None:
    rows = (pool(cl_waiting=48, maxwait_s=3.2), pool(database="pgbouncer"), pooler(),
            *pool_servers(1), *SESSIONS)  # fmt: skip
    made = connections(facts(rows))
    (part,) = made["pools"]
    assert (part["clients_waiting"], part["longest_wait_s"], part["cause"]) == (48, 3.2, "pool")
    assert made["pooler"]["version"] == "1.18.0"


@pytest.mark.parametrize("written", [as_text, as_markdown])
def test_for_people(written: Any) -> None:
    rows = (pool(cl_waiting=48, maxwait_s=3.2), pooler(), *pool_servers(1), *SESSIONS)
    text = written(report(connections=connections(facts(rows))))
    for said in ("bites first", "max_connections", "job", "shop/web", "3.20 s"):
        assert said in text


def test_without_a_console_no_pools_are_shown() -> None:
    seen = facts(SESSIONS)
    why = dict.fromkeys(POOL_TYPES, SourceError("no console"))
    made = connections(Facts({**seen.samples, **why}, seen.derived))
    assert (made["pooler"], made["pools"]) == (None, None)
    assert "Pools" not in as_text(report(connections=made))


def test_unreadable_sessions_are_unavailable() -> None:
    with pytest.raises(SourceError, match="no right"):
        connections(Facts({Session: SourceError("no right")}))
