"""Vital signs: rates, their history, counters that go back."""

from __future__ import annotations

from typing import Any

from pgtop.analysis.derived import Board
from pgtop.analysis.groups import GROUPS, somebody_waits
from pgtop.analysis.pulse import KEPT, Pulse
from pgtop.cli.first import ALWAYS
from pgtop.cli.views import READS
from pgtop.model.sample import Sample, SourceError
from pgtop.model.server import Vitals
from pgtop.ui.panes import PANES
from tests.factories import STARTED, counters, reading, server, vitals


def after(pulse: Pulse, at: float, *rows: Any) -> Pulse:
    fresh = {type(row): Sample(STARTED + at, (row,)) for row in rows}
    return pulse.advanced(fresh, fresh)


def test_rates_are_of_the_last_two_readings() -> None:
    pulse = after(Pulse(), 0, counters(xact_commit=100), vitals(wal_bytes=1_000))
    assert (pulse.tps, pulse.wal_per_s) == (None, None)
    pulse = after(pulse, 2, counters(xact_commit=300, xact_rollback=20), vitals(wal_bytes=5_000))
    assert (pulse.tps, pulse.wal_per_s) == (110, 2_000)
    assert pulse.history["tps"] == (110,)
    assert pulse.history["active"] == (3, 3)


def test_a_tab_that_is_opened_makes_no_rate_of_a_moment() -> None:
    """Backends report once a second: between two readings 0.2 s apart there is all or nothing."""
    pulse = after(Pulse(), 0, counters(xact_commit=0))
    pulse = after(pulse, 2, counters(xact_commit=200))
    pulse = after(pulse, 2.2, counters(xact_commit=200))
    assert pulse.tps == 100
    pulse = after(pulse, 4, counters(xact_commit=400))
    assert pulse.tps == 100
    assert pulse.history["tps"] == (100, 100)
    assert after(pulse, 1, counters(xact_commit=410)).tps == 100  # the clock was set back
    assert after(after(pulse, 1, counters(xact_commit=410)), 3, counters(xact_commit=430)).tps == 10


def test_counters_that_went_back_are_no_rate() -> None:
    pulse = after(Pulse(), 0, counters(xact_commit=1_000))
    pulse = after(pulse, 2, counters(xact_commit=10))
    assert pulse.tps is None
    assert after(pulse, 4, counters(xact_commit=30)).tps == 10


def test_what_is_hidden_leaves_no_history() -> None:
    pulse = after(Pulse(), 0, vitals(active=None, waiting=None))
    assert "active" not in pulse.history
    assert pulse.history["connections"] == (14,)


def test_history_does_not_grow_for_ever() -> None:
    pulse = Pulse()
    for at in range(3 * KEPT):
        pulse = after(pulse, at, vitals(active=at))
    assert len(pulse.history["active"]) == KEPT
    assert pulse.history["active"][-1] == 3 * KEPT - 1


def test_all_that_a_rule_or_a_tab_looks_at_is_read_in_the_background() -> None:
    read = {kind for group in GROUPS.values() for kind in group.types} | set(ALWAYS)
    wanted = {kind for kinds in READS.values() for kind in kinds}
    for tab in PANES:
        wanted |= set(tab.load().LANES)
    assert {kind.__name__ for kind in wanted - read} == set()


def test_a_costly_group_comes_later() -> None:
    assert GROUPS["tables"].gap_s(1.0) == 60
    assert GROUPS["tables"].gap_s(120_000.0) == 120_000


def test_a_board_makes_it() -> None:
    board = Board()
    board.take(reading({type(row): (row,) for row in (server(), vitals(), counters())}))
    assert isinstance(board.derived[Pulse], Pulse)


def test_locks_are_looked_at_only_while_somebody_may_wait() -> None:
    def samples(**fields: Any) -> dict[type[Any], Sample[Any] | SourceError]:
        return {Vitals: Sample(STARTED, (vitals(**fields),))}

    assert not somebody_waits(samples(waiting=0))
    assert somebody_waits(samples(waiting=1))
    assert somebody_waits(samples(waiting=None))
    assert somebody_waits({})
    assert somebody_waits({Vitals: SourceError("refused")})
