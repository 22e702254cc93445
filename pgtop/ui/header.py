"""The header: where we are, how it does, how old the data is and what pgtop itself costs."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

from pgtop.analysis import units
from pgtop.analysis.derived import Board
from pgtop.model.sample import Reading, Sample
from pgtop.model.server import DatabaseCounters, Link, Server, Vitals
from pgtop.terminal.glyphs import sparkline
from pgtop.ui.lines import Line, Pieces
from pgtop.ui.live_table import Tone
from pgtop.ui.schedule import Status

FULL_WIDTH = 110
"""From this width on, two lines."""

LATE_S = 1.5
"""An answer that takes longer is announced."""


@dataclass(slots=True)
class Rates:
    """Transactions and cache hits per second, from two readings of pg_stat_database."""

    tps: float | None = None
    hit: float | None = None
    temp_per_s: float | None = None
    history: deque[float] = field(default_factory=lambda: deque(maxlen=60))
    _last: tuple[float, DatabaseCounters] | None = None
    _restarts: int = 0

    def take(self, board: Board) -> None:
        """Work out what changed since the reading before."""
        sample = board.samples.get(DatabaseCounters)
        if not isinstance(sample, Sample) or not sample.rows:
            return
        now: DatabaseCounters = sample.rows[0]
        if board.restarts != self._restarts:
            self._last, self._restarts = None, board.restarts
        if self._last is not None and self._last[0] == sample.taken_at:
            return
        if self._last is not None:
            self._compare(*self._last, now, sample.taken_at)
        self._last = (sample.taken_at, now)

    def _compare(
        self, then_at: float, then: DatabaseCounters, now: DatabaseCounters, now_at: float
    ) -> None:
        seconds = now_at - then_at
        done = now.xact_commit + now.xact_rollback - then.xact_commit - then.xact_rollback
        hit, read = now.blks_hit - then.blks_hit, now.blks_read - then.blks_read
        if seconds <= 0 or done < 0 or hit < 0 or read < 0:
            self.tps = self.hit = self.temp_per_s = None  # the counters were reset
            return
        self.tps = done / seconds
        self.hit = hit / (hit + read) if hit + read else None
        self.temp_per_s = max(0.0, (now.temp_bytes - then.temp_bytes) / seconds)
        self.history.append(self.tps)


def _row(board: Board, row_type: type[Any]) -> Any:
    sample = board.samples.get(row_type)
    return sample.rows[0] if isinstance(sample, Sample) and sample.rows else None


def header_lines(
    board: Board, status: Status, rates: Rates, width: int, now: float, interval: float
) -> tuple[Line, ...]:
    """The header at this width: two lines, one where there is little room."""
    server: Server | None = _row(board, Server)
    link: Link | None = _row(board, Link)
    vitals: Vitals | None = _row(board, Vitals)
    if server is None or link is None:
        return (Line(((" pgtop  connecting …", "strong"),), state(status, now, interval)),)
    where, who = _where(server, link, wide=width >= FULL_WIDTH)
    cost = _cost(board.reading)
    signs = vital_signs(vitals, rates, wide=width >= FULL_WIDTH)
    urgent = not status.connected or status.frozen_at is not None or status.asked_at is not None
    right = (*state(status, now, interval), (" ", ""))
    if width >= FULL_WIDTH:
        costs = () if urgent else (("   ", ""), (cost, "dim"), (" ", ""))
        return (Line((*where, *who), (*right, *costs), urgent), Line((("", ""), *signs)))
    return (Line((*where, *signs), right, urgent),)


def _where(server: Server, link: Link, *, wide: bool) -> tuple[Pieces, Pieces]:
    role = "standby" if server.in_recovery else "primary"
    tls: tuple[str, Tone] = ("TLS", "dim") if link.tls else ("no TLS", "warning")
    if link.local:
        tls = ("socket", "dim")
    if not wide:
        return (
            (f" {server.database}@{link.host} ", "strong"),
            (f"{server.version} {role} ", ""),
        ), ()
    place = f"{link.host}:{link.port}" if not link.local else link.host
    extra = [part for part in (link.pooler, link.provider) if part]
    who: list[tuple[str, Tone]] = [(f"   as {server.user}", "")]
    if server.superuser:
        who.append((" superuser", "warning"))
    if extra:
        who.append(("   " + " ".join(f"via {part}" for part in extra), "notice"))
    version = server.version.split(" ")[0]
    return (
        (f" {server.database} @ {place}", "strong"),
        (f"   PostgreSQL {version} {role}   ", "warning" if server.in_recovery else ""),
        tls,
    ), tuple(who)


def _cost(reading: Reading | None) -> str:
    if reading is None:
        return ""
    trips = "trip" if reading.round_trips == 1 else "trips"
    return f"pgtop costs {units.ms(reading.server_ms)} · {reading.round_trips} {trips}"


def state(status: Status, now: float, interval: float) -> Pieces:
    """How old the data is, and why."""
    age = None if status.read_at is None else now - status.read_at
    old = "" if age is None else f"data {units.age(age)} old"
    if not status.connected:
        again = ""
        if status.asked_at is not None:
            again = ", trying again …"
        elif status.retry_at is not None:
            again = f", again in {max(0.0, status.retry_at - now):.0f} s"
        else:
            again = ", R tries again"
        return ((f"‼ {status.why}{again}  {old}".rstrip(), "critical"),)
    if status.frozen_at is not None:
        return ((f"frozen, {old} (space goes on)", "notice"),)
    waited = 0.0 if status.asked_at is None else now - status.asked_at
    if waited > LATE_S:
        return ((f"! no answer for {units.age(waited)}, {old}", "warning"),)
    if age is not None and age > interval * 2 + 1:
        return ((old, "warning"),)
    return ((f"every {interval:g} s", "dim"),)


def vital_signs(vitals: Vitals | None, rates: Rates, *, wide: bool) -> Pieces:
    """tps, sessions, connections used of limit, hit ratio, oldest transaction."""
    pieces: list[tuple[str, Tone]] = []

    def add(name: str, value: str, tone: Tone = "") -> None:
        pieces.append((f"  {name} ", "dim"))
        pieces.append((value, tone))

    if vitals is not None:
        used = vitals.client_backends if vitals.client_backends is not None else vitals.sessions
        share = used / vitals.max_connections
        mark = "≈" if vitals.client_backends is None else ""
        tone: Tone = "critical" if share >= 0.9 else "warning" if share >= 0.8 else ""
        glyph = " ‼" if share >= 0.9 else " !" if share >= 0.8 else ""
        add("conn", f"{mark}{used}/{vitals.max_connections}{glyph}", tone)
    add("tps", units.rate(rates.tps))
    if wide:
        pieces.append((" " + sparkline(list(rates.history), 12), "bar"))
    if vitals is not None and wide:
        add("active", units.count(vitals.active))
        waiting = vitals.waiting
        add(
            "waiting",
            units.count(waiting) + (" !" if waiting else ""),
            "warning" if waiting else "",
        )
        add("idle in xact", units.count(vitals.idle_in_transaction))
    add("hit", units.percent(rates.hit) if rates.hit is not None else units.NOTHING)
    if vitals is not None and wide:
        add("temp", units.size(rates.temp_per_s) + "/s" if rates.temp_per_s else units.NOTHING)
        oldest = vitals.oldest_xact_s
        late = oldest is not None and oldest >= 300
        shown = units.seconds(oldest) if oldest is not None else units.NOTHING
        if vitals.hidden and vitals.active is None:
            shown = units.UNKNOWN
        add("oldest xact", shown + (" !" if late else ""), "warning" if late else "")
    return tuple(pieces)
