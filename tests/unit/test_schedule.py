"""Which reading comes next: the tab in view before what is read in the background."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

from pgtop.analysis.groups import Group
from pgtop.model.index import Index, IndexUse, Sequence
from pgtop.model.sample import Reading, Sample, SourceError
from pgtop.model.session import Session
from pgtop.model.table import Table
from pgtop.ui.schedule import Schedule
from tests.factories import reading


class SlowSource:
    """Every reading takes as long, as on a link of that round trip."""

    def __init__(self, trip_s: float) -> None:
        self.trip_s = trip_s
        self.order: list[str] = []

    async def read(self, types: Iterable[type[Any]]) -> Reading:
        kinds = tuple(types)
        self.order.append("tab" if Session in kinds else kinds[0].__name__)
        await asyncio.sleep(self.trip_s)
        return reading(dict.fromkeys(kinds, ()))

    async def ask(self, request: Any) -> Any:
        raise AssertionError("nothing is asked here")

    async def close(self) -> None:
        return


async def test_a_slow_link_carries_one_group_between_two_readings_of_the_tab() -> None:
    async def changed(of_tab: bool) -> None:
        if source.order.count("tab") == 4:
            done.set()

    done, source = asyncio.Event(), SlowSource(0.05)
    kinds = (Index, IndexUse, Table, Sequence)
    schedule = Schedule(
        source, interval=0.05, lanes=lambda: {Session: 0}, on_change=changed,
        groups={kind.__name__: Group((kind,), 0, 1e9) for kind in kinds},
    )  # fmt: skip
    schedule.start()
    await asyncio.wait_for(done.wait(), 10)
    await schedule.stop()
    assert source.order[:7] == ["tab", "Index", "tab", "IndexUse", "tab", "Table", "tab"]


async def test_what_a_tab_shows_first_is_read_before_the_rest() -> None:
    shown: list[tuple[str, ...]] = []

    async def changed(of_tab: bool) -> None:
        shown.append(tuple(kind.__name__ for kind in schedule.board.samples))
        if len(shown) == 3:
            done.set()

    done, source = asyncio.Event(), SlowSource(0.01)
    schedule = Schedule(
        source, interval=0.05, lanes=lambda: {Index: 120, IndexUse: 0}, on_change=changed,
        groups={}, ahead=lambda: frozenset({Index}),
    )  # fmt: skip
    schedule.start()
    await asyncio.wait_for(done.wait(), 10)
    await schedule.stop()
    assert "Index" in shown[0]
    assert "IndexUse" not in shown[0]
    assert "IndexUse" in shown[1]
    assert source.order == ["Server", "IndexUse", "Server"], "later all is one reading"


class LockedSource(SlowSource):
    """Answers with a lock until it is gone."""

    held = True

    async def read(self, types: Iterable[type[Any]]) -> Reading:
        found = await super().read(types)
        if not self.held:
            return found
        locked = SourceError("locked", sqlstate="55P03")
        slow = (Index, Table)
        return replace(
            found, samples={k: locked if k in slow else s for k, s in found.samples.items()}
        )


async def test_what_met_a_lock_does_not_wait_for_its_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The catalogue's turn comes every two minutes: so long a lock of seconds was shown."""
    monkeypatch.setattr("pgtop.ui.schedule.LOCKED_S", 0.1)

    async def changed(of_tab: bool) -> None:
        samples = schedule.board.samples
        if isinstance(samples.get(Index), SourceError) and isinstance(
            samples.get(Table), SourceError
        ):
            source.held = False
        elif not source.held and all(isinstance(samples[k], Sample) for k in (Index, Table)):
            done.set()

    done, source = asyncio.Event(), LockedSource(0.01)
    schedule = Schedule(
        source, interval=0.05, lanes=lambda: {Session: 0, Index: 120}, on_change=changed,
        groups={"tables": Group((Table,), 600, 1e9)},
    )  # fmt: skip
    schedule.start()
    await asyncio.wait_for(done.wait(), 5)
    await schedule.stop()
