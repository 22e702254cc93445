"""The report's `sessions` section: keys, order, what is unknown; text and Markdown of it."""

from __future__ import annotations

from typing import Any

import pytest

from pgtop.advice import Facts
from pgtop.model.sample import SourceError
from pgtop.model.session import LockWait, Session
from pgtop.report.sessions import hidden, sessions
from pgtop.report.words import as_markdown, as_text
from tests.sessions import NOW, facts_of, lock_wait, session

FIRST_KEYS = {"pid", "state", "user", "database", "application", "wait", "transaction_s", "query_s",
              "query", "blocked_by"}  # fmt: skip


def incident() -> Facts:
    return facts_of(
        [
            session(5, state="idle", xact_start=None),
            session(3, query="SELECT 1"),
            session(4, state="idle in transaction", query="DELETE FROM a | b"),
            session(2, wait_event_type="Lock", wait_event="transactionid"),
            lock_wait(2, 1),
            session(1, state="idle in transaction", xid_age=3),
            session(21, backend_type="parallel worker", leader_pid=3),
            session(30, backend_type="checkpointer", state=None, datname=None, xact_start=None),
            session(31, backend_type="walsender"),
        ]
    )


def test_who_is_in_the_way_comes_first() -> None:
    rows = sessions(incident())
    assert [row["pid"] for row in rows] == [1, 2, 3, 31, 4, 5]
    assert set(rows[0]) >= FIRST_KEYS
    root, waiter, leader = rows[:3]
    assert (root["blocks"], root["frees"], root["blocked_by"]) == (1, 1, [])
    assert (waiter["wait"], waiter["blocked_by"], waiter["wait_s"]) == (
        "Lock/transactionid", [1], 30.0,
    )  # fmt: skip
    assert leader["parallel_workers"] == 1
    assert (leader["transaction_s"], leader["query_s"]) == (60.0, 40.0)
    assert rows[-1]["query_s"] is None


def test_a_prepared_transaction_in_the_way_is_named() -> None:
    (row,) = sessions(facts_of([session(2), lock_wait(2, 0, gid="mig")]))
    assert (row["blocked_by"], row["blocked_by_prepared"]) == ([0], "mig")


def test_what_cannot_be_read_is_null_and_said() -> None:
    facts = facts_of([session(1, state=None, query=None, backend_type=None, xact_start=None,
                              query_start=None, state_change=None, hidden=True)])  # fmt: skip
    refused = Facts({**facts.samples, LockWait: SourceError("denied")}, facts.derived)
    (row,) = sessions(refused)
    assert (row["state"], row["transaction_s"], row["blocked_by"]) == (None, None, None)
    part = hidden(facts.samples)
    assert part is not None
    assert part["why"].startswith("what 1 sessions")
    assert hidden(incident().samples) is None
    with pytest.raises(SourceError, match="denied"):
        sessions(Facts({Session: SourceError("denied")}))


def test_for_people() -> None:
    report: dict[str, Any] = {
        "server": {"in_recovery": False, "pooler": None, "database": "shop", "version": "18.4"},
        "self": {"server_ms": 1.0, "round_trips": 1}, "taken_at": str(NOW), "window_s": 2.0,
        "unavailable": [], "sessions": sessions(incident()),
    }  # fmt: skip
    text = as_text(report)
    assert "blocks 1" in text
    assert "active Lock/transactionid" in text
    markdown = as_markdown(report)
    assert "DELETE FROM a \\| b" in markdown
