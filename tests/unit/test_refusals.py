"""What is asked again, and when: of many that met a lock one at a time."""

from __future__ import annotations

import pytest

from pgtop.db.refusals import RETRY_LOCKED_S, RETRY_REFUSED_S, Refusals
from pgtop.model.sample import SourceError

LOCKED = SourceError("locked", sqlstate="55P03")
KINDS = (int, str, float)


class Clock:
    now = 100.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("pgtop.db.refusals.time.monotonic", lambda: clock.now)
    return clock


def test_those_that_met_a_lock_take_turns(clock: Clock) -> None:
    found = Refusals()
    for kind in KINDS:
        found.add(kind, LOCKED)
    tried = []
    for _ in range(4):
        assert set(found.standing(KINDS)) == set(KINDS)
        clock.now += RETRY_LOCKED_S
        (probe,) = set(KINDS) - set(found.standing(KINDS))
        tried.append(probe)
        found.add(probe, LOCKED)
    assert tried == [int, str, float, int]


def test_one_that_comes_through_brings_all_of_them_back(clock: Clock) -> None:
    found = Refusals()
    for kind in KINDS:
        found.add(kind, LOCKED)
    found.add(bytes, SourceError("no answer", sqlstate="57014"))
    clock.now += RETRY_LOCKED_S
    found.came_through(int)
    assert set(found.standing((*KINDS, bytes))) == {bytes}
    clock.now += RETRY_REFUSED_S
    assert not found.standing((bytes,))


def test_what_lasts_waits_until_somebody_asks(clock: Clock) -> None:
    found = Refusals()
    found.add(int, SourceError("permission denied", sqlstate="42501", lasting=True))
    clock.now += 1e6
    assert set(found.standing(KINDS)) == {int}
    found.forget()
    assert not found.standing(KINDS)
