"""The report's section on replication: JSON's keys and the lines for people."""

from __future__ import annotations

import pytest

from pgtop.advice import Facts
from pgtop.model.replication import Slot
from pgtop.model.sample import SourceError
from pgtop.report.replication import replication
from pgtop.report.words import SECTIONS, as_markdown, as_text
from tests.unit.test_replication_rules import facts, place, recovery, slot, standby

MIB = 1 << 20

HEAD = {
    "server": {"database": "shop", "version": "18.4", "in_recovery": False, "pooler": None},
    "taken_at": "2026-01-01T00:00:00+00:00", "window_s": 10.0,
    "self": {"server_ms": 3.0, "round_trips": 2}, "unavailable": [],
}  # fmt: skip


def test_standbys_and_slots_with_their_units() -> None:
    made = replication(facts(*[(place(), standby(5 * MIB), slot(7 * MIB))] * 2))
    assert made["standbys"][0]["replay_lag_bytes"] == 5 * MIB
    assert made["slots"][0]["retained_bytes"] == 7 * MIB
    assert made["slots"][0]["safe_wal_size_bytes"] is None
    assert made["recovery"] is None
    assert made["archiver"]["failing"] is False


def test_recovery_is_told_on_a_standby() -> None:
    made = replication(facts((recovery(paused=True),)))
    assert made["recovery"]["paused"] is True
    assert made["recovery"]["lag_s"] == 0


def test_what_cannot_be_read_is_unavailable() -> None:
    with pytest.raises(SourceError):
        replication(Facts({Slot: SourceError("permission denied")}))


def test_people_get_tables_of_both_and_none_where_there_is_none() -> None:
    made = replication(facts((place(), standby(5 * MIB, application_name="a|b"), slot(0))))
    shown = as_text({**HEAD, "replication": made})
    assert "Standbys and other receivers of WAL" in shown
    assert "5.00 MB" in shown
    assert "Replication slots" in shown
    assert r"`a\|b`" in as_markdown({**HEAD, "replication": made})
    nothing = as_text({**HEAD, "replication": {"standbys": [], "slots": []}})
    assert "Replication slots: none" in nothing
    without = as_text(HEAD)
    assert not [title for title, _ in SECTIONS.values() if title in without]
