"""Lag, slots, archive, forced checkpoints, crash, checksums, collations: found, and left alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from pgtop.advice import Facts, NeedsTime, NotPossible, Rule, judge
from pgtop.advice.replication import (
    REPLICATION_RULES,
    decoding_lag,
    lag,
    slot_inactive,
    standby_gone,
)
from pgtop.advice.trust import TRUST_RULES, checksum, collation, crash_restarted
from pgtop.advice.wal import WAL_RULES, archiver_failing, forced, retained
from pgtop.analysis.replication import Track, WalFlow
from pgtop.model.finding import Finding
from pgtop.model.replication import (
    Archiver,
    Checkpoints,
    DatabaseTrust,
    Recovery,
    Slot,
    Standby,
    WalFiles,
    WalPlace,
)
from pgtop.model.sample import Sample
from pgtop.model.server import Server
from tests.factories import STARTED, server

MIB, GIB = 1 << 20, 1 << 30


def place(position: int = 100 * GIB, **fields: Any) -> WalPlace:
    defaults: dict[str, Any] = {
        "in_recovery": False, "position": position, "max_wal_size": GIB, "wal_keep_size": 0,
        "max_slot_wal_keep_size": -1, "checkpoint_timeout_s": 300.0,
        "checkpoint_completion_target": 0.9, "archive_mode": "off", "max_wal_senders": 10,
        "max_replication_slots": 10,
    }  # fmt: skip
    return WalPlace(**{**defaults, **fields})


def standby(behind: int = 0, position: int = 100 * GIB, **fields: Any) -> Standby:
    defaults: dict[str, Any] = {
        "pid": 7, "application_name": "replica", "client_addr": "10.0.0.2", "usename": "rep",
        "state": "streaming", "sync_state": "async", "backend_start": STARTED,
        "sent_behind": 0, "write_behind": 0, "flush_behind": 0, "replay_behind": behind,
        "replay_position": position - behind, "write_lag_s": None, "flush_lag_s": None,
        "replay_lag_s": None, "reply_age_s": 0.5, "xmin_age": None, "slot_name": None,
        "slot_type": None,
    }  # fmt: skip
    return Standby(**{**defaults, **fields})


def slot(retained: int = 0, position: int = 100 * GIB, **fields: Any) -> Slot:
    defaults: dict[str, Any] = {
        "slot_name": "replica", "plugin": None, "slot_type": "physical", "database": None,
        "temporary": False, "active": False, "active_pid": None, "retained_bytes": retained,
        "unconfirmed_bytes": None, "restart_position": position - retained,
        "confirmed_position": None, "wal_status": "extended", "safe_wal_size": None,
        "xmin_age": None, "catalog_xmin_age": None, "inactive_s": None,
        "invalidation_reason": None, "synced": False,
    }  # fmt: skip
    return Slot(**{**defaults, **fields})


def recovery(**fields: Any) -> Recovery:
    defaults: dict[str, Any] = {
        "receive_position": 100 * GIB, "replay_position": 100 * GIB, "replay_age_s": 900.0,
        "paused": False, "min_apply_delay_s": 0.0, "receiver_status": "streaming",
        "sender_host": "db1", "sender_port": 5432, "slot_name": "replica", "message_age_s": 1.0,
        "hidden": False,
    }  # fmt: skip
    return Recovery(**{**defaults, **fields})


def archiver(**fields: Any) -> Archiver:
    defaults: dict[str, Any] = {
        "archive_mode": "on", "archived_count": 100, "last_archived_wal": "0" * 24,
        "archived_age_s": 20.0, "failed_count": 0, "last_failed_wal": None, "failed_age_s": None,
    }  # fmt: skip
    return Archiver(**{**defaults, **fields})


def trust(**fields: Any) -> DatabaseTrust:
    defaults: dict[str, Any] = {
        "datname": "shop", "checksum_failures": 0, "checksum_age_s": None,
        "collation_version": "2.36", "collation_version_now": "2.36",
    }  # fmt: skip
    return DatabaseTrust(**{**defaults, **fields})


NORMAL: tuple[Any, ...] = (
    archiver(), WalFiles(64, GIB, 0), Checkpoints(10, 0, 1.0, 1.0, 5, 30.0, 1000), trust(),
)  # fmt: skip


def facts(*steps: Sequence[Any], every: float = 5.0, clock: float = 1_000.0) -> Facts:
    """Facts after readings `every` seconds apart, each of these rows and what is normal."""
    flow, samples = WalFlow(), {}
    for number, rows in enumerate(steps):
        at = STARTED + clock + every * number
        kinds: dict[type[Any], tuple[Any, ...]] = {
            Standby: (), Slot: (), Recovery: (), WalPlace: (place(),), Server: (server(),),
        }  # fmt: skip
        kinds.update({type(row): (row,) for row in NORMAL})
        for kind in {type(row) for row in rows}:
            kinds[kind] = tuple(row for row in rows if type(row) is kind)
        samples = {kind: Sample(at, found) for kind, found in kinds.items()}
        flow = flow.advanced(samples, samples)
    return Facts(samples, {WalFlow: flow})


def only(found: Sequence[Finding]) -> Finding:
    (one,) = found
    return one


ALL: tuple[Rule, ...] = (*REPLICATION_RULES, *WAL_RULES, *TRUST_RULES)


def growing(count: int, rate: int) -> list[int]:
    return [100 * GIB + rate * 5 * number for number in range(count)]


# -- quiet -------------------------------------------------------------------------------


def test_a_busy_server_with_standby_slot_and_archive_has_no_finding() -> None:
    steps = [
        (place(p), standby(64_000, p), slot(64_000, p, active=True)) for p in growing(30, 8 * MIB)
    ]
    verdict = judge(facts(*steps), ALL)
    assert verdict.findings == ()
    assert set(verdict.judged) == {rule.name for rule in ALL}


def test_a_standby_that_is_well_has_none_however_old_its_last_transaction() -> None:
    steps = [(recovery(), server(in_recovery=True), place(in_recovery=True))] * 30
    verdict = judge(facts(*steps), ALL)
    assert verdict.findings == ()


# -- lag ---------------------------------------------------------------------------------


def test_a_standby_that_hangs_is_behind_by_the_clock_of_wal_not_by_its_last_answer() -> None:
    stuck = 100 * GIB
    steps = [
        (place(p), standby(p - stuck, p, sent_behind=p - stuck, replay_lag_s=0.2))
        for p in growing(12, 2 * MIB)
    ]
    found = only(lag(facts(*steps)))
    assert found.severity == "warning"
    assert found.evidence["lag_s"] == pytest.approx(55, abs=1)
    assert "not sent yet" in found.why
    assert "standby replica is 110 MB and 55.0 s behind" in found.title


def test_ten_minutes_are_critical() -> None:
    stuck = 99 * GIB
    steps = [(place(p), standby(p - stuck, p, replay_lag_s=700.0)) for p in growing(3, MIB)]
    assert only(lag(facts(*steps))).severity == "critical"


def test_one_look_is_not_enough_and_one_that_catches_up_is_left_alone() -> None:
    with pytest.raises(NeedsTime):
        lag(facts((standby(2 * GIB),)))
    steps = [(standby(4 * GIB - number * GIB // 4),) for number in range(8)]
    assert lag(facts(*steps)) == []


def test_an_even_delay_is_a_notice() -> None:
    steps = [(place(p), standby(300 * MIB, p, replay_lag_s=60.0)) for p in growing(20, 5 * MIB)]
    found = only(lag(facts(*steps)))
    assert found.severity == "notice"
    assert "recovery_min_apply_delay" in (found.no_remedy or "")


def test_a_few_bytes_at_an_idle_primary_are_no_lag() -> None:
    steps = [(standby(400, replay_lag_s=90.0),)] * 4
    assert lag(facts(*steps)) == []


def test_base_backups_and_hidden_standbys() -> None:
    copy = standby(5 * GIB, state="backup")
    assert lag(facts((copy,), (copy,), (copy,))) == []
    hidden = standby(state=None, replay_behind=None, write_behind=None, replay_position=None)
    with pytest.raises(NotPossible, match="pg_monitor"):
        lag(facts((hidden,)))


def test_a_standby_says_that_replay_is_paused_late_or_cut_off() -> None:
    paused = recovery(paused=True, replay_position=99 * GIB)
    assert "paused" in only(lag(facts((paused,)))).title
    late = recovery(replay_position=99 * GIB, replay_age_s=700.0)
    found = only(lag(facts((late,), (late,), (late,))))
    assert (found.severity, found.evidence["lag_s"]) == ("critical", 700.0)
    few = recovery(replay_position=99 * GIB, replay_age_s=700.0)
    fast = [(few._replace(replay_position=p - 2 * MIB, receive_position=p), place(p))
            for p in growing(5, 5 * MIB)]  # fmt: skip
    assert lag(facts(*fast)) == []  # received moments ago, though the last commit is old
    meant = recovery(replay_position=99 * GIB, replay_age_s=3700.0, min_apply_delay_s=3600.0)
    assert lag(facts((meant,), (meant,), (meant,))) == []
    alone = recovery(receiver_status=None)
    assert lag(facts(*[(alone,)] * 3)) == []
    # an idle primary, and a receiver that reconnects at the moment of the reading
    assert lag(facts(*[(recovery(),)] * 10, (alone,))) == []
    assert "no WAL receiver" in only(lag(facts(*[(alone,)] * 10))).title
    assert recovery().lag_s == 0  # whatever the age of the last transaction
    from_archive = recovery(receiver_status=None, receive_position=None)
    assert lag(facts(*[(from_archive,)] * 10)) == []


def test_a_standby_that_is_gone_is_missed_where_it_had_streamed() -> None:
    there, steps = (standby(sync_state="sync"),), ((place(),),)
    found = only(standby_gone(facts(*[there] * 15, *steps * 8)))
    assert found.evidence["gone_s"] == 40
    assert "every commit waits" in found.why
    assert standby_gone(facts(*[there] * 15, *steps * 3)) == []  # its receiver tries again
    assert standby_gone(facts(*[there] * 3, *steps * 8)) == []  # hardly a standby
    assert standby_gone(facts(*[there] * 15, *steps * 8, (standby(pid=8),))) == []  # came back
    backup = (standby(state="backup"),)
    assert standby_gone(facts(*[backup] * 15, *steps * 8)) == []
    assert standby_gone(facts(*[there] * 15, *steps * 800)) == []


# -- slots -------------------------------------------------------------------------------


def abandoned(
    count: int = 8, rate: int = 10 * MIB, start: int = 512 * MIB, **fields: Any
) -> list[Any]:
    kept = 100 * GIB - start
    return [(place(p), slot(p - kept, p, **fields)) for p in growing(count, rate)]


def test_a_slot_that_nobody_uses_is_judged_by_what_it_keeps() -> None:
    found = only(slot_inactive(facts(*abandoned())))
    assert found.severity == "notice"
    assert found.evidence["growth_bytes_per_s"] == 10 * MIB
    assert found.remedy is None
    assert "pg_drop" not in (found.no_remedy or "")
    assert only(slot_inactive(facts(*abandoned(start=2 * GIB)))).severity == "warning"
    assert slot_inactive(facts(*abandoned(start=MIB, rate=1))) == []


def test_a_slot_near_its_end_is_critical_with_the_time_left() -> None:
    found = only(slot_inactive(facts(*abandoned(safe_wal_size=6 * GIB))))
    assert found.severity == "critical"
    assert found.cost.eta_s == pytest.approx(614, rel=0.01)
    later = only(slot_inactive(facts(*abandoned(safe_wal_size=600 * GIB))))
    assert later.severity == "warning"
    unreserved = only(slot_inactive(facts(*abandoned(wal_status="unreserved"))))
    assert unreserved.severity == "critical"


@pytest.mark.parametrize(
    "fields",
    [
        {"active": True}, {"temporary": True}, {"synced": True},
        {"slot_name": "pg_16400_sync_16390_7300", "slot_type": "logical"},
    ],
)  # fmt: skip
def test_slots_that_only_look_unused(fields: dict[str, Any]) -> None:
    assert slot_inactive(facts(*abandoned(start=8 * GIB, **fields))) == []


def test_a_slot_that_moves_is_well_and_one_look_is_not_enough() -> None:
    moving = [(place(p), slot(GIB, p)) for p in growing(8, 10 * MIB)]
    assert slot_inactive(facts(*moving)) == []
    with pytest.raises(NeedsTime):
        slot_inactive(facts(*abandoned(1)))
    assert slot_inactive(facts(*abandoned(1, inactive_s=900.0)))
    with pytest.raises(NeedsTime):
        slot_inactive(facts(*abandoned(3)))
    assert slot_inactive(facts(*abandoned(3, start=2 * GIB)))  # a report watches for 10 s


def test_a_lost_slot_keeps_nothing_and_says_why() -> None:
    lost = slot(0, wal_status="lost", invalidation_reason="wal_removed")
    found = only(slot_inactive(facts((lost,))))
    assert (found.severity, found.confidence) == ("warning", "proved")
    assert "wal_removed" in found.title


def logical(behind: int, position: int, **fields: Any) -> Slot:
    return slot(
        behind, position, slot_name="cdc", slot_type="logical", plugin="pgoutput",
        database="shop", active=True, unconfirmed_bytes=behind,
        confirmed_position=position - behind, **fields,
    )  # fmt: skip


def test_a_consumer_that_confirms_nothing_is_found() -> None:
    steps = [(place(p), logical(p - 98 * GIB, p)) for p in growing(5, 5 * MIB)]
    found = only(decoding_lag(facts(*steps)))
    assert found.severity == "warning"
    assert "confirms nothing" in found.why


def test_a_consumer_that_gains_or_is_near_is_left_alone() -> None:
    gains = [(place(), logical(2 * GIB - n * 200 * MIB, 100 * GIB)) for n in range(5)]
    assert decoding_lag(facts(*gains)) == []
    near = [(place(p), logical(10 * MIB, p)) for p in growing(5, 5 * MIB)]
    assert decoding_lag(facts(*near)) == []
    with pytest.raises(NeedsTime):
        decoding_lag(facts(gains[0]))


# -- WAL ---------------------------------------------------------------------------------


def archive(**fields: Any) -> list[Finding]:
    row, files = archiver(**fields), WalFiles(70, GIB, fields.pop("ready", 3))
    return list(archiver_failing(facts((row, files), (row, files), (row, files))))


def test_an_archive_that_fails_now() -> None:
    found = only(
        archive(failed_count=30, failed_age_s=4.0, last_failed_wal="000000010000000000000042")
    )
    assert (found.severity, found.confidence) == ("warning", "proved")
    assert "000000010000000000000042" in found.why
    never = only(archive(failed_count=9, failed_age_s=4.0, archived_age_s=None))
    assert "none was archived" in never.why


def test_an_archive_that_failed_once_or_long_ago_is_well() -> None:
    assert archive(failed_count=30, failed_age_s=50.0) == []
    assert archive(failed_count=1, failed_age_s=4.0) == []
    assert archive(failed_count=30, failed_age_s=9_000.0, archived_age_s=90_000.0) == []
    assert archive(archive_mode="off", failed_count=30, failed_age_s=4.0) == []


def test_an_archive_that_hangs_without_an_error() -> None:
    steps = [(archiver(), WalFiles(100, 2 * GIB, 20 + n)) for n in range(5)]
    assert "does not keep up" in only(list(archiver_failing(facts(*steps)))).title
    works = [(archiver(archived_count=100 + n), WalFiles(100, 2 * GIB, 20 + n)) for n in range(5)]
    assert list(archiver_failing(facts(*works))) == []


def test_wal_that_is_kept_names_who_keeps_it() -> None:
    busy = slot(14 * GIB, active=True, slot_name="slow")
    found = only(list(retained(facts((WalFiles(1_000, 15 * GIB, 0), busy)))))
    assert found.severity == "warning"
    assert "slot slow" in found.title
    unused = slot(14 * GIB)
    assert list(retained(facts((WalFiles(1_000, 15 * GIB, 0), unused)))) == []  # the slot's rule
    asked_for = place(wal_keep_size=20 * GIB)
    assert list(retained(facts((WalFiles(1_000, 15 * GIB, 0), asked_for)))) == []


def checkpoints(count: int, wal_each: int, *, steps: int = 5, every: float = 30.0) -> Facts:
    made = [
        (
            place(100 * GIB + wal_each * count * n // (steps - 1)),
            Checkpoints(1, count * n // (steps - 1), 1.0, 1.0, 5, 5.0, 1_000),
        )
        for n in range(steps)
    ]
    return facts(*made, every=every)


def test_checkpoints_forced_by_volume_get_a_larger_max_wal_size() -> None:
    found = only(list(forced(checkpoints(6, 600 * MIB))))
    assert found.severity == "notice"
    assert found.remedy is not None
    assert found.remedy.sql[0] == "ALTER SYSTEM SET max_wal_size = '32GB';"
    long = only(list(forced(checkpoints(20, 600 * MIB, steps=20))))
    assert long.severity == "warning"


def test_checkpoints_by_command_and_few_ones_are_left_alone() -> None:
    assert list(forced(checkpoints(6, MIB))) == []
    assert list(forced(checkpoints(2, 600 * MIB))) == []
    with pytest.raises(NeedsTime):
        list(forced(checkpoints(6, 600 * MIB, every=5.0)))


# -- trust -------------------------------------------------------------------------------


def test_a_crash_shows_in_the_checkpointer_alone() -> None:
    crashed = server(checkpointer_started_at=STARTED + 900)
    found = only(list(crash_restarted(facts((crashed,)))))
    assert (found.severity, found.evidence["ago_s"]) == ("warning", 100)
    later = only(list(crash_restarted(facts((crashed,), clock=9_000))))
    assert later.severity == "notice"
    assert list(crash_restarted(facts((crashed,), clock=200_000))) == []
    assert list(crash_restarted(facts((server(checkpointer_started_at=STARTED + 3),)))) == []
    with pytest.raises(NotPossible):
        list(crash_restarted(facts((server(checkpointer_started_at=None),))))


def test_checksum_failures() -> None:
    found = only(list(checksum(facts((trust(checksum_failures=2, checksum_age_s=60.0),)))))
    assert found.severity == "critical"
    assert "2 page reads" in found.title
    with pytest.raises(NotPossible):
        list(checksum(facts((trust(checksum_failures=None),))))


def test_a_collation_of_another_version() -> None:
    found = only(list(collation(facts((trust(collation_version_now="2.39"),)))))
    assert found.severity == "warning"
    assert (
        list(collation(facts((trust(collation_version=None, collation_version_now=None),)))) == []
    )
    with pytest.raises(NotPossible):
        list(collation(facts((server(version_num=140011), trust()))))


# -- tracks ------------------------------------------------------------------------------


def track(*pairs: tuple[float, int]) -> Track:
    made = Track()
    for at, value in pairs:
        made = made.then(at, value)
    return made


def test_a_track_knows_rate_stillness_and_when() -> None:
    wal = track((0, 0), (10, 100), (20, 100), (30, 100))
    assert wal.still_s == 20
    assert wal.per_s == pytest.approx(100 / 30)
    assert wal.when(50) == 5
    assert wal.when(100) == 10
    assert wal.when(0) == 0
    assert wal.when(101) is None
    assert wal.when(-1) is None
    assert Track().per_s is None
    assert wal.then(5, 7).values == (7,)
