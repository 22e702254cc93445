"""Connections and pools: what is counted, what is foreseen, and what is left alone."""

from __future__ import annotations

import pytest

from pgtop.advice import Facts, NeedsTime, NotPossible, judge
from pgtop.advice.connections import CONNECTION_RULES, near_limit
from pgtop.advice.pools import POOL_RULES, behind, diagnosis
from pgtop.analysis.connections import Connections, bounds, crowds
from pgtop.model.connections import ConnectionLimit, SessionCounters
from pgtop.model.finding import Finding
from pgtop.model.pool import Pool
from pgtop.model.sample import Sample, SourceError
from pgtop.model.session import Session
from tests.factories import vitals
from tests.session_rows import NOW, facts, pool, pool_servers, pooler, session

RULES = (*CONNECTION_RULES, *POOL_RULES)


def found(seen: Facts) -> list[Finding]:
    return list(judge(seen, RULES).findings)


def clients(many: int, **fields: object) -> list[Session]:
    return [session(pid, **fields) for pid in range(1, many + 1)]


# -- counting ----------------------------------------------------------------------------


def test_crowds_count_clients_alone() -> None:
    rows = [
        session(1, state="active", wait_event_type="Lock"),
        session(2, state="idle in transaction", since=90.0, usename="job"),
        session(3, state="idle in transaction (aborted)", since=5.0),
        session(4, since=30.0),
        session(5, backend_type="walsender", datname=None),
        session(6, backend_type="parallel worker", state="active"),
    ]
    by_user = {crowd.name: crowd for crowd in crowds(rows, "user", NOW)}
    assert by_user["web"].total == 3
    assert (by_user["web"].active, by_user["web"].waiting) == (1, 1)
    assert by_user["job"].oldest_held_s == pytest.approx(90.0)
    assert by_user["web"].oldest_idle_s == pytest.approx(30.0)
    states = {crowd.name for crowd in crowds(rows, "state", NOW)}
    assert states == {"active", "idle", "idle in transaction", "idle in transaction (aborted)"}


def test_hidden_sessions_are_counted_and_said_to_be_hidden() -> None:
    hidden = session(
        1,
        backend_type=None,
        state=None,
        hidden=True,
        backend_start=None,
        application_name=None,
        client_addr=None,
        query_start=None,
        state_change=None,
    )
    (crowd,) = crowds([hidden], "state", NOW)
    assert (crowd.name, crowd.total, crowd.hidden) == (None, 1, 1)
    assert crowd.youngest_s is None


def test_the_limit_that_bites_first_is_the_first() -> None:
    limits = (ConnectionLimit("role", "web", 20), ConnectionLimit("database", "shop", 500))
    seen = bounds(clients(18), vitals(client_backends=18), limits)
    assert [(b.kind, b.free) for b in seen] == [("role", 2), ("server", 79), ("database", 482)]


def test_new_sessions_a_second() -> None:
    old = clients(5)
    new = [session(100 + n, start=1.0) for n in range(4)]
    seen = facts((*old,), (*old, *new)).get(Connections)
    assert seen.opened_per_s == pytest.approx(2.0)
    assert not seen.opened_exactly


def test_the_servers_own_count_of_sessions_is_exact() -> None:
    readings = (
        (SessionCounters(1000, 0, 0, 0), *clients(5)),
        (SessionCounters(1090, 0, 0, 0), *clients(5)),
    )
    seen = facts(*readings, gap=30.0).get(Connections)
    assert seen.opened_per_s == pytest.approx(3.0)
    assert seen.opened_exactly


def test_counters_that_were_reset_give_no_negative_rate() -> None:
    readings = (
        (SessionCounters(1000, 0, 0, 0), *clients(5)),
        (SessionCounters(3, 0, 0, 0), *clients(5)),
    )
    assert facts(*readings).get(Connections).opened_per_s == 0.0


# -- connections.near_limit ------------------------------------------------------------------


def test_growth_near_the_limit_is_foreseen() -> None:
    seen = facts(*[(*clients(n, start=5.0),) for n in (76, 78, 80, 82, 84)])
    (finding,) = found(seen)
    assert (finding.rule, finding.severity) == ("connections.near_limit", "critical")
    assert finding.cost.eta_s == pytest.approx(13.0, abs=1.0)  # 97 - 84, one a second
    assert "pooler" in (finding.no_remedy or "")


def test_slow_growth_is_a_warning() -> None:
    seen = facts(*[(*clients(n, start=60.0),) for n in (79, 80, 81, 82, 83)], gap=40.0)
    (finding,) = found(seen)
    assert finding.severity == "warning"


@pytest.mark.parametrize("level", [10, 50, 78, 85, 94])
def test_a_level_that_has_stood_still_is_no_finding(level: int) -> None:
    seen = facts(*[(*clients(level, start=60.0),)] * 130, gap=5.0)
    assert found(seen) == []


def test_sessions_that_are_all_old_have_stood_still_unwatched() -> None:
    assert found(facts((*clients(94, start=7_200.0),))) == []


def test_a_crowd_of_pgbench_is_no_warning() -> None:
    seen = facts(*[(*clients(80, start=20.0 + 2 * n, state="active"),) for n in range(30)])
    assert found(seen) == []


def test_the_last_slots_are_a_warning_and_none_left_is_critical() -> None:
    (warning,) = found(facts(*[(*clients(95, start=30.0),)] * 5))
    assert warning.severity == "warning"
    (critical,) = found(facts(*[(*clients(97, start=30.0),)] * 5))
    assert critical.severity == "critical"
    assert "refused" in critical.title


def test_growth_far_from_the_limit_is_a_start() -> None:
    assert found(facts(*[(*clients(n, start=5.0),) for n in (10, 20, 30, 40, 50, 60)])) == []


def test_a_few_more_or_less_are_no_growth() -> None:
    seen = facts(*[(*clients(n, start=5.0),) for n in (84, 85, 84, 86, 85, 84, 86)])
    assert found(seen) == []


def test_a_level_that_swings_does_not_stand_still() -> None:
    levels = [80, 88, 95] * 43 + [95]
    (finding,) = found(facts(*[(*clients(n, start=60.0),) for n in levels], gap=5.0))
    assert finding.severity == "warning"


def test_hidden_sessions_may_be_workers_so_nothing_is_certain() -> None:
    hidden = {"backend_type": None, "state": None, "hidden": True, "backend_start": None}
    (finding,) = found(facts(*[(*clients(97, **hidden),)] * 5, client_backends=None))
    assert (finding.severity, finding.confidence) == ("warning", "estimated")
    assert "≈ 97 of 97, ≈ 0 left" in finding.title


def test_a_roles_limit_is_told_under_its_name() -> None:
    limit = ConnectionLimit("role", "web", 10)
    (finding,) = found(facts((limit, *clients(10, start=30.0)), (limit, *clients(10, start=30.0))))
    assert (finding.subject.kind, finding.subject.of) == ("setting", "web")


def test_without_sessions_nothing_is_claimed() -> None:
    with pytest.raises(NeedsTime):
        list(near_limit(Facts()))
    refused = Facts(
        {Session: SourceError("no", lasting=True), Pool: SourceError("no console", lasting=True)}
    )
    with pytest.raises(NotPossible):
        list(near_limit(refused))
    assert set(judge(refused, RULES).not_possible) == {"connections.near_limit", "pool.waiting"}


# -- pool.waiting ------------------------------------------------------------------------------

WAITING = {"cl_waiting": 48, "maxwait_s": 3.2}


def pooled_facts(*sessions: Session, **fields: object) -> Facts:
    return facts((pool(**fields), pooler(), *pool_servers(1, 2), *sessions))


def busy(pid: int, **fields: object) -> Session:
    return session(pid, **{"state": "active", **fields})


def test_short_statements_and_a_queue_are_a_pool_that_is_too_small() -> None:
    (finding,) = found(pooled_facts(busy(1), busy(2), **WAITING))
    assert finding.evidence["cause"] == "pool"
    assert finding.title.startswith("pool exhausted: 48 clients of shop/web")
    assert "pool_size" in (finding.no_remedy or "")
    assert finding.severity == "warning"


def test_long_statements_and_a_queue_are_a_slow_database() -> None:
    (finding,) = found(
        pooled_facts(
            busy(1, since=40.0, wait_event_type="Lock", wait_event="transactionid"),
            busy(2, since=35.0), **WAITING,
        )
    )  # fmt: skip
    assert finding.evidence["cause"] == "database"
    assert "Lock/transactionid" in finding.why
    assert "no bigger pool" in (finding.no_remedy or "")


def test_transactions_that_sit_hold_the_pool() -> None:
    held = [session(pid, state="idle in transaction", since=20.0) for pid in (1, 2)]
    (finding,) = found(pooled_facts(*held, **WAITING))
    assert finding.evidence["cause"] == "transactions"


def test_a_chatty_transaction_is_not_one_that_sits() -> None:
    chatty = [session(pid, state="idle in transaction", since=0.01) for pid in (1, 2)]
    (finding,) = found(pooled_facts(*chatty, **WAITING))
    assert finding.evidence["cause"] == "pool"


@pytest.mark.parametrize(
    ("sessions", "fields", "cause"),
    [
        ((), {}, "unknown"),
        ((busy(1, datname="other"),), {}, "unknown"),
        ((busy(1), busy(2)), {"paused": True}, "paused"),
        ((), {"sv_active": 0, "sv_login": 1}, "unreachable"),
    ],
)
def test_what_cannot_be_seen_is_not_guessed(
    sessions: tuple[Session, ...], fields: dict[str, object], cause: str
) -> None:
    (finding,) = found(pooled_facts(*sessions, **{**WAITING, **fields}))
    assert finding.evidence["cause"] == cause


def test_a_long_wait_is_critical() -> None:
    (finding,) = found(pooled_facts(busy(1), busy(2), cl_waiting=48, maxwait_s=12.0))
    assert finding.severity == "critical"


@pytest.mark.parametrize(
    "fields",
    [{}, {"cl_waiting": 3, "maxwait_s": 0.05}, {"cl_active": 90, "sv_idle": 0}],
)
def test_a_pool_at_work_is_no_finding(fields: dict[str, object]) -> None:
    assert found(pooled_facts(busy(1), busy(2), **fields)) == []


def test_a_slow_database_behind_an_idle_pool_is_seen_though_nobody_waits() -> None:
    slow = busy(1, since=30.0)
    own = behind(pool_servers(1), [slow])
    seen = diagnosis(pool(sv_active=1, sv_idle=19, pool_size=20), own, NOW)
    assert (seen.cause, seen.slow) == ("database", (slow,))
    assert found(pooled_facts(slow, sv_active=1, sv_idle=19, pool_size=20)) == []


def test_a_sample_without_new_rows_changes_nothing() -> None:
    seen = facts((*clients(5),)).get(Connections)
    assert seen.advanced({SessionCounters: Sample(NOW, ())}, {}) is seen
