"""Rules about sessions: each names its sickness, and none speaks up on a quiet system."""

from __future__ import annotations

from typing import Any

import pytest

from pgtop.advice import Facts, NeedsTime, NotPossible, judge
from pgtop.advice.ending import end_sql, prepared_sql
from pgtop.advice.sessions import SESSION_RULES, blocking, idle_in_transaction
from pgtop.advice.waits import WAIT_RULES, sync_wait
from pgtop.analysis.blocks import Blocks
from pgtop.analysis.derived import Board
from pgtop.model.finding import Finding
from pgtop.model.session import LockHolder, LockWait, Prepared, Session
from tests.sessions import NOW, facts_of, lock_wait, look, session

WAITING = (Session, LockWait)

RULES = {rule.name: rule for rule in (*SESSION_RULES, *WAIT_RULES)}


def found(name: str, facts: Facts) -> list[Finding]:
    return list(RULES[name].judge(facts))


def busy() -> list[Any]:
    """Sixteen clients at work: half between two statements, one waiting a moment for a row."""
    rows = [session(p, query_start=NOW - 0.01, state_change=NOW - 0.01) for p in range(1, 9)]
    rows += [
        session(p, state="idle in transaction", xid_age=2, state_change=NOW - 0.002)
        for p in range(9, 17)
    ]
    rows[3] = rows[3]._replace(wait_event_type="LWLock", wait_event="WALWrite")
    return [*rows, lock_wait(1, 9, wait_start=NOW - 0.004)]


@pytest.mark.parametrize("name", sorted(RULES))
@pytest.mark.parametrize("looks", [[busy()] * 6, [[session(1, state="idle")]] * 6, [[]] * 6])
def test_a_quiet_system_has_no_finding(name: str, looks: list[Any]) -> None:
    assert found(name, facts_of(*looks, step=0.001)) == []


# -- locks.blocking


def blocked(waiters: int = 1, waited: float = 30.0, **root: Any) -> Facts:
    rows: list[Any] = [session(1, **{"state": "idle in transaction", "xid_age": 5, **root})]
    rows += [session(p, wait_event_type="Lock", wait_event="tuple") for p in range(2, waiters + 2)]
    waits = [lock_wait(p, 1, wait_start=NOW - waited) for p in range(2, waiters + 2)]
    return facts_of([*rows, *waits, LockHolder(1, None, 4, "RowExclusiveLock public.orders")])


def test_the_root_is_named_with_what_its_end_frees() -> None:
    (one,) = found("locks.blocking", blocked(3))
    assert one.severity == "warning"
    assert one.subject.name == f"1@{NOW - 900:.6f}"
    assert one.title == "pid 1 (idle in transaction) blocks 3 sessions, the first for 30.0 s"
    assert "its end frees 3" in one.why
    assert "RowExclusiveLock public.orders" in one.why
    assert "17" not in one.why  # literals
    assert one.evidence["freed"] == 3
    assert one.evidence["wrote"] is True
    assert "pg_terminate_backend(1)" in (one.no_remedy or "")


@pytest.mark.parametrize(
    ("waiters", "waited", "severity"),
    [(1, 4.9, None), (40, 4.9, None), (1, 200.0, "warning"), (1, 600.0, "critical"),
     (10, 11.0, "critical"), (9, 11.0, "warning"), (10, 9.0, "warning")],
)  # fmt: skip
def test_how_bad_it_is(waiters: int, waited: float, severity: str | None) -> None:
    assert [f.severity for f in found("locks.blocking", blocked(waiters, waited))] == (
        [severity] if severity else []
    )


@pytest.mark.parametrize(
    "fields",
    [
        {"state": "active", "wait_event_type": "IPC", "wait_event": "SyncRep"},
        {"state": None, "backend_type": "startup", "query": None},
        {"state": "active", "backend_type": "autovacuum worker",
         "query": "autovacuum: VACUUM public.orders (to prevent wraparound)"},
    ],
)  # fmt: skip
def test_what_must_not_be_cancelled_offers_no_cancel(fields: dict[str, Any]) -> None:
    (one,) = found("locks.blocking", blocked(2, **fields))
    assert (one.no_remedy or "").startswith("no DDL, no cancel")
    assert "pg_" not in (one.no_remedy or "").replace("pg_stat", "")
    assert end_sql(session(1, **fields)) is None


def test_what_an_ended_transaction_held_is_not_said_of_the_next() -> None:
    held = LockHolder(1, None, 4, "RowExclusiveLock public.orders")
    before = [session(1), session(2), lock_wait(2, 1), held]
    board = Board()
    look(board, 0, *before)
    assert board.derived[Blocks].roots[0].holder == held
    look(board, 2, session(1, xact_start=NOW + 1), session(2), lock_wait(2, 1), only=WAITING)
    assert board.derived[Blocks].roots[0].holder is None
    look(board, 4, session(1), session(2), lock_wait(2, 1), only=WAITING)
    assert board.derived[Blocks].roots[0].holder == held


def test_a_prepared_transaction_is_named_by_its_gid() -> None:
    waits = [session(2), lock_wait(2, 0, gid="it's"), Prepared("it's", "u", "shop", 900.0, 7)]
    (one,) = found("locks.blocking", facts_of(waits))
    assert (one.subject.kind, one.subject.name) == ("prepared", "it's")
    assert "prepared 15 min ago" in one.title


def test_an_index_build_that_waits_for_a_snapshot_is_no_alarm() -> None:
    rows = [session(1), session(2, query="CREATE INDEX CONCURRENTLY i ON t (a)"),
            lock_wait(2, 1, locktype="virtualxid", relation=None)]  # fmt: skip
    assert [f.severity for f in found("locks.blocking", facts_of(rows))] == ["notice"]


def test_a_queue_behind_a_blocked_ddl_is_told() -> None:
    rows: list[Any] = [session(p) for p in range(1, 34)]
    rows += [lock_wait(2, 1, mode="AccessExclusiveLock", locktype="relation")]
    rows += [lock_wait(p, 2, locktype="relation") for p in range(3, 34)]
    (one,) = found("locks.blocking", facts_of(rows))
    assert one.subject.name.startswith("1@")
    assert "pid 2 wants AccessExclusiveLock, with 31 sessions behind it" in one.why


def test_before_14_a_wait_is_as_long_as_it_was_seen() -> None:
    rows = [session(1), session(2), lock_wait(2, 1, wait_start=None)]
    with pytest.raises(NeedsTime):
        list(blocking(facts_of(rows)))
    (one,) = found("locks.blocking", facts_of(rows, rows, rows, rows))
    assert one.evidence["waited_s"] == 6.0


def test_what_is_known_is_told_although_another_wait_is_not() -> None:
    rows = [session(p) for p in (1, 2, 3, 4)]
    waits = [lock_wait(2, 1), lock_wait(4, 3, wait_start=None)]
    assert len(found("locks.blocking", facts_of([*rows, *waits]))) == 1


def test_before_14_a_client_that_waits_often_does_not_wait_long() -> None:
    looks = [
        [session(1), session(2, query_start=NOW + n), lock_wait(2, 1, wait_start=None)]
        for n in range(0, 20, 2)
    ]
    assert found("locks.blocking", facts_of(*looks)) == []


def test_what_a_hidden_root_does_is_not_guessed() -> None:
    (one,) = found("locks.blocking", blocked(state=None, backend_type=None, hidden=True))
    assert "hidden from this role" in one.title
    assert one.evidence["wrote"] is None


# -- connections.idle_in_transaction


def idle(age: float, pid: int = 1, **fields: Any) -> Session:
    defaults = {"state": "idle in transaction", "state_change": NOW - age, "xact_start": NOW - age}
    return session(pid, **{**defaults, **fields})


@pytest.mark.parametrize(
    ("age", "fields", "severity"),
    [
        (59.0, {"xid_age": 3}, None),
        (61.0, {"xid_age": 3}, "warning"),
        (61.0, {"xmin_age": 3}, "warning"),
        (61.0, {}, "notice"),
    ],
)
def test_idle_in_transaction_by_age_and_by_what_it_holds(
    age: float, fields: dict[str, Any], severity: str | None
) -> None:
    got = [
        f.severity
        for f in found("connections.idle_in_transaction", facts_of([idle(age, **fields)]))
    ]
    assert got == ([severity] if severity else [])


def test_a_transaction_that_is_old_but_works_is_not_idle() -> None:
    old = idle(0.5, xact_start=NOW - 7200, xid_age=9)
    assert found("connections.idle_in_transaction", facts_of([old])) == []


def test_five_seconds_are_enough_while_others_wait() -> None:
    facts = blocked(waited=4.0, state_change=NOW - 6)
    (one,) = found("connections.idle_in_transaction", facts)
    assert one.severity == "warning"
    assert "1 session behind it" in one.why


def test_many_of_one_application_are_one_finding() -> None:
    rows = [idle(100.0 + p, p, xid_age=1) for p in range(1, 62)]
    (one,) = found("connections.idle_in_transaction", facts_of(rows))
    assert one.title == "61 sessions of web idle in transaction, the longest for 2 min 41 s"
    assert one.subject.name.startswith("61@")
    assert len(found("connections.idle_in_transaction", facts_of(rows[:3]))) == 3


def test_hidden_sessions_are_not_called_well() -> None:
    facts = facts_of([session(1, state=None, backend_type=None, hidden=True)])
    with pytest.raises(NotPossible, match="1 sessions are hidden"):
        list(idle_in_transaction(facts))


# -- wait.contention


def crowd(event: str, waiting: int, active: int) -> list[Session]:
    stuck = [session(p, wait_event_type="LWLock", wait_event=event) for p in range(waiting)]
    return [*stuck, *(session(1_000 + p) for p in range(active - waiting))]


@pytest.mark.parametrize(
    ("event", "waiting", "active", "severity"),
    [
        ("SubtransSLRU", 5, 20, "warning"),
        ("SubtransSLRU", 4, 20, None),
        ("LockManager", 3, 4, None),
        ("WALWrite", 10, 20, "notice"),
    ],
)
def test_contention_takes_a_share_and_a_number(
    event: str, waiting: int, active: int, severity: str | None
) -> None:
    facts = facts_of(*[crowd(event, waiting, active)] * 5)
    got = found("wait.contention", facts)
    assert [f.severity for f in got] == ([severity] if severity else [])
    assert all(f.subject.name == f"LWLock/{event}" for f in got)


def test_contention_needs_five_samples() -> None:
    verdict = judge(facts_of(*[crowd("LockManager", 9, 9)] * 4), [RULES["wait.contention"]])
    assert "wait.contention" in verdict.needs_time


# -- replication.sync_wait


def test_a_commit_that_waits_for_a_standby_that_is_not_there() -> None:
    stuck = session(5, wait_event_type="IPC", wait_event="SyncRep", query="COMMIT")
    with pytest.raises(NeedsTime):
        list(sync_wait(facts_of([stuck])))
    (one,) = found("replication.sync_wait", facts_of([stuck], [stuck], step=11))
    assert one.severity == "warning"
    assert (one.no_remedy or "").startswith("no DDL, no cancel")
    (one,) = found("replication.sync_wait", facts_of([stuck], [stuck], [stuck], step=16))
    assert one.severity == "critical"


def test_one_commit_after_another_is_no_wait() -> None:
    looks = [
        [session(5, wait_event_type="IPC", wait_event="SyncRep", query_start=NOW + n)]
        for n in range(0, 60, 12)
    ]
    assert found("replication.sync_wait", facts_of(*looks, step=12)) == []


# -- what `y` copies


def test_the_text_that_ends_a_session_can_hit_no_other() -> None:
    running, resting = session(7), session(8, state="idle in transaction")
    assert end_sql(running) == (
        "-- web@shop, web, 10.0.0.7, active\n"
        "SELECT pg_cancel_backend(pid) FROM pg_stat_activity\n"
        " WHERE pid = 7 AND backend_start = '2025-10-09 08:55:00.000000+00:00';"
    )
    assert "pg_terminate_backend(pid)" in (end_sql(resting) or "")
    assert end_sql(session(9, backend_start=None)) is None
    hostile = end_sql(session(9, application_name="x\r\n; DROP TABLE t; --")) or ""
    assert [line.startswith(("--", "SELECT", " WHERE")) for line in hostile.splitlines()] == [
        True
    ] * 3
    assert end_sql(session(9, backend_type="checkpointer")) is None


def test_a_gid_cannot_leave_its_comment() -> None:
    text = prepared_sql("x'\n; DROP TABLE t; --", "shop\n")
    assert all(line.startswith("--") for line in text.split("\n"))
    assert len(text.split("\n")) == 3
