"""Which readings when: one loop that never queues and never overtakes itself.

Fast lanes are read every interval while their tab is in view, slow lanes when their time
has come. The gap is measured from the end of a reading and is at least twice as long as
the reading took: a slow server is asked less. What no tab in view reads comes in the
background, between two readings of the tab, a group at a time.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pgtop.analysis.derived import Board
from pgtop.analysis.groups import GROUPS, ONLY_WHEN, Group
from pgtop.analysis.workload import Workload
from pgtop.model.request import Request
from pgtop.model.sample import Disconnected, Reading, Sample, Source, SourceError
from pgtop.model.server import DatabaseCounters, Link, Server, Vitals
from pgtop.model.statement import StatementText, TextsOf
from pgtop.ui.anew import connected_anew

Lanes = Mapping[type[Any], float]
"""Row type -> least seconds between two readings; 0 is every interval."""

HEADER: Lanes = {Server: 0, Vitals: 0, Link: 0, DatabaseCounters: 0}

OLD_COLLECTOR_S = 15.0
"""Up to 14 a reading of pg_stat_database makes the collector write its files out: 101 MB in 20 s
with 20,000 tables when read every 2 s."""

TEXTS_S = 10.0
"""Texts of new statements are read at most this often …"""

TEXTS_COST = 50.0
"""… and after at least this many times what the last such reading cost the server."""

COST_WINDOW_S = 60.0
"""What pgtop costs is told of the last minute."""

COLD = 0.3
"""What is left of a first reading's cost when it comes again: measured 0.2 to 0.4."""

LOCKED_S = 5.0
"""What met a lock in the background is tried again after so long."""

BESIDE_ROWS = 4_000
"""From so many rows on, what follows from them is worked out in a thread."""

SLOWER = 2.0
"""The gap is at least this many times the duration of the reading before it."""


@dataclass(slots=True)
class Status:
    """How the link to the server stands, for the header."""

    connected: bool = True
    why: str = ""
    """Why not connected."""

    retry_at: float | None = None
    """`time.monotonic()` of the next attempt; None: only on a key."""

    asked_at: float | None = None
    """When the reading under way began; None: none is."""

    read_at: float | None = None
    """When the last reading arrived."""

    frozen_at: float | None = None
    """Since when the user has the screen frozen."""

    anew: str = ""
    """Something to tell once: another connection, or another server behind it."""


class Schedule:
    """Reads what is due, keeps it on the board, tells the screen."""

    def __init__(
        self,
        source: Source,
        *,
        interval: float,
        lanes: Callable[[], Lanes],
        on_change: Callable[[bool], Awaitable[None]],
        first: Awaitable[Reading] | None = None,
        groups: Mapping[str, Group] = GROUPS,
        on_group: Callable[[str], Awaitable[None]] | None = None,
        ahead: Callable[[], frozenset[type[Any]]] = frozenset,
    ) -> None:
        """`on_change` is told whether the change is one for the tab in view. `first` is a reading
        that was begun before there was a screen to show it; `groups` are read in the background,
        and `on_group` is told the name of each. `ahead` is what a tab that comes into view shows
        first: the rest of its first reading comes after it."""
        self.board = Board()
        self.status = Status()
        self.interval = interval
        self._source = source
        self._lanes = lanes
        self._on_change = on_change
        self._first = first
        self._read_at: dict[type[Any], float] = {}
        self._wake = asyncio.Event()
        self._texts_at = 0.0
        self._texts_cost_s = 0.0
        self._groups = groups
        self._on_group = on_group
        self._ahead = ahead
        self._costs: dict[str, float] = {}
        self._spent: deque[tuple[float, float]] = deque()
        self._began = time.monotonic()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> asyncio.Task[None]:
        """Begin. The task ends only with an error that is a defect of ours."""
        self._task = asyncio.create_task(self._run(), name="schedule")
        return self._task

    async def stop(self) -> None:
        """End; a reading under way is cancelled on the server."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task}, timeout=0.9)

    def now(self, *, again: bool = False) -> None:
        """Read at once: a key asked for it, or another tab came into view.

        With `again`, slow lanes too, and what was refused before.
        """
        if again:
            self._read_at.clear()
            forget = getattr(self._source, "forget_refusals", None)
            if forget is not None:
                forget()
        self.status.retry_at = None
        self._wake.set()

    def anew(self, kinds: Iterable[type[Any]]) -> None:
        """Read these with the next reading, which is now: something is known to have changed."""
        for kind in kinds:
            self._read_at.pop(kind, None)
        self._wake.set()

    def freeze(self, frozen: bool) -> None:
        """Stop reading, or go on."""
        self.status.frozen_at = time.monotonic() if frozen else None
        self._wake.set()

    async def ask(self, request: Request[Any]) -> Any:
        """Pass a question on to the source. One that finds the link lost says so for all: a
        reading that waits behind it would not know for another five seconds."""
        try:
            return await self._source.ask(request)
        except Disconnected as error:
            if error.retry_in is not None:  # None: what was asked for cannot be, the link can
                self._lost(error)
                self._wake.set()
            raise

    @property
    def ms_per_s(self) -> float:
        """Milliseconds of the server's time that readings took in a second, over the last
        minute."""
        now = time.monotonic()
        while self._spent and self._spent[0][0] < now - COST_WINDOW_S:
            self._spent.popleft()
        seconds = min(COST_WINDOW_S, max(self.interval, now - self._began))
        return sum(ms for _, ms in self._spent) / seconds

    async def _run(self) -> None:
        while True:
            self._wake.clear()  # what is asked for from here on gets a reading of its own
            started = time.monotonic()
            wait = self.interval
            if self.status.frozen_at is None:
                wait = await self._once()
                wait = max(wait, SLOWER * (time.monotonic() - started))
            until = time.monotonic() + wait
            await self._on_change(True)
            await self._background(until)
            again = until if self.status.connected else self.status.retry_at
            try:
                left = None if again is None else max(0.0, again - time.monotonic())
                await asyncio.wait_for(self._wake.wait(), left)
            except asyncio.TimeoutError:
                continue

    async def _once(self) -> float:
        """One reading for the tab in view; returns seconds to the next."""
        first, self._first = self._first, None
        if first is not None:
            await self._guarded(first)
            return 0.0
        due = self._due()
        ahead = self._ahead()
        if not ahead.issubset(self._read_at):
            front = [kind for kind in due if kind in ahead or kind in HEADER]
            due = [kind for kind in due if kind not in front]
            await self._read(front)
            if not self.status.connected:
                return self.interval
            await self._on_change(True)
        await self._read(due)
        if self.status.connected:
            await self._guarded(self._read_texts())
        return self.interval

    async def _background(self, until: float) -> None:
        """Read the groups that are due, one after another, until the tab wants the line: a slow
        link carries one between two readings of the tab."""
        while self.status.connected and self.status.frozen_at is None:
            started = time.monotonic()
            locked = self._locked_behind()
            name = None if locked else self._due_group()
            if (name is None and not locked) or self._wake.is_set():
                return
            lanes = self._lanes()
            group = self._groups[name].types if name is not None else locked
            await self._read([kind for kind in group if kind not in lanes])
            if not self.status.connected:
                await self._on_change(True)  # or it is back before anybody was told
                return
            if name is not None:
                self._priced(name, self._spent[-1][1] if self._spent else 0.0)
                if self._on_group is not None:
                    await self._guarded(self._on_group(name))
            await self._on_change(False)
            now = time.monotonic()
            pause = now - started  # as long as the server worked
            if now + 2 * pause >= until:  # the next would take as long, and the tab wait for it
                return
            try:
                await asyncio.wait_for(self._wake.wait(), pause)
            except asyncio.TimeoutError:
                continue

    def _priced(self, name: str, ms: float) -> None:
        """What a group costs: of the first reading a part, for it filled the backend's caches;
        later as it is, but one that met a busy moment counts at most double."""
        before = self._costs.get(name)
        self._costs[name] = ms * COLD if before is None else min(ms, 2 * before)

    def _due_group(self) -> str | None:
        """The group that was never read, else the one that waits longest for its turn."""
        now = time.monotonic()
        lanes = self._lanes()
        best: tuple[float, str] | None = None
        for name, group in self._groups.items():
            read_at = [self._read_at.get(kind) for kind in group.types if kind not in lanes]
            if any(at is None for at in read_at):
                return name
            known = [at for at in read_at if at is not None]
            if not known:
                continue
            gap = max(self.interval, group.gap_s(self._costs.get(name, 0.0)))
            late = now - min(known) - gap
            if late >= 0 and (best is None or late > best[0]):
                best = (late, name)
        return None if best is None else best[1]

    async def _read(self, due: list[type[Any]]) -> None:
        """Read these, but what must be empty as things stand is not asked for."""
        samples = self.board.samples
        empty = [kind for kind in due if kind in ONLY_WHEN and not ONLY_WHEN[kind](samples)]

        async def read() -> Reading:
            reading = await self._source.read([kind for kind in due if kind not in empty])
            nothing: dict[type[Any], Sample[Any] | SourceError] = {
                kind: Sample(reading.taken_at, ()) for kind in empty
            }
            return replace(reading, samples={**reading.samples, **nothing})

        await self._guarded(read(), due)

    async def _guarded(
        self, work: Awaitable[Reading | None], due: list[type[Any]] | None = None
    ) -> None:
        """Wait for a reading and keep it, or note that the link is lost."""
        status = self.status
        status.asked_at = time.monotonic()
        try:
            reading = await work
            if reading is not None:
                await self._take(reading, list(reading.samples) if due is None else due)
        except Disconnected as error:
            self._lost(error)
        finally:
            status.asked_at = None

    def _lost(self, error: Disconnected) -> None:
        status, now = self.status, time.monotonic()
        status.connected, status.why = False, error.why
        status.retry_at = None if error.retry_in is None else now + error.retry_in
        self._read_at.clear()

    async def _take(self, reading: Reading, due: list[type[Any]]) -> None:
        restarts = self.board.restarts
        self.status.anew = connected_anew(self.board.samples, reading.samples) or self.status.anew
        rows = sum(len(s.rows) for s in reading.samples.values() if isinstance(s, Sample))
        if rows < BESIDE_ROWS:
            self.board.take(reading)
        else:  # 20,000 tables that all changed take 0.2 s: keys answer meanwhile
            self.board.keep(reading, await asyncio.to_thread(self.board.worked_out, reading))
        if self.board.restarts != restarts:
            self._read_at.clear()  # names and slow lanes of another server or database
            self._wake.set()
        now = time.monotonic()
        self._spent.append((now, reading.server_ms))
        self._read_at.update(dict.fromkeys(due, now))
        if StatementText in due:
            self._texts_at, self._texts_cost_s = now, reading.server_ms / 1_000
        self.status.connected, self.status.why = True, ""
        self.status.read_at = reading.arrived_at

    def _due(self) -> list[type[Any]]:
        now = time.monotonic()
        lanes = {**HEADER, **self._lanes()}
        server = self.board.samples.get(Server)
        if isinstance(server, Sample) and server.rows and server.rows[0].version_num < 150000:
            lanes[DatabaseCounters] = OLD_COLLECTOR_S
        missing = [row_type for row_type in lanes if row_type not in self._read_at]
        if missing and self._read_at:  # another tab, or what the first reading left out
            return missing
        return [
            row_type
            for row_type, least in lanes.items()
            if row_type not in self._read_at
            or now - self._read_at[row_type] >= least
            or self._locked(row_type)
        ]

    def _locked(self, row_type: type[Any]) -> bool:
        """Whether it was not read for a lock: it does not wait for its turn, which may be
        minutes away. The source asks for one of them alone until that comes through."""
        found = self.board.samples.get(row_type)
        return isinstance(found, SourceError) and found.locked

    def _locked_behind(self) -> list[type[Any]]:
        """The same of what no tab in view reads, tried every few seconds."""
        now, lanes = time.monotonic(), self._lanes()
        return [
            row_type
            for group in self._groups.values()
            for row_type in group.types
            if row_type not in lanes
            and self._locked(row_type)
            and now - self._read_at.get(row_type, now) >= LOCKED_S
        ]

    async def _read_texts(self) -> None:
        """The texts of statements that came up since: rarely, for one reading costs the same
        whatever it asks for."""
        workload = self.board.derived.get(Workload)
        if workload is None or not workload.textless:
            return
        if StatementText not in self._read_at:
            return
        now = time.monotonic()
        if now - self._texts_at < max(TEXTS_S, TEXTS_COST * self._texts_cost_s):
            return
        asked = TextsOf(frozenset(key[2] for key in workload.textless))
        try:
            rows = await self._source.ask(asked)
        except Disconnected:
            raise
        except SourceError as error:
            self.board.samples[StatementText] = error
            self._texts_at = now
            return
        self._texts_at, self._texts_cost_s = now, time.monotonic() - now
        self.board.add(StatementText, rows)
