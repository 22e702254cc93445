"""The header: where we are, how it does, how old the data is and what pgtop itself costs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.cells import cell_len

from pgtop.analysis import units
from pgtop.analysis.derived import Board
from pgtop.analysis.pulse import Pulse
from pgtop.model.sample import Reading, Sample, SourceError
from pgtop.model.server import Link, Server, Vitals
from pgtop.terminal.glyphs import sparkline
from pgtop.ui.lines import Line, Pieces
from pgtop.ui.schedule import Status
from pgtop.ui.table_columns import Tone

FULL_WIDTH = 110
"""From this width on, two lines."""

FULL, NEARLY_FULL = 0.9, 0.8
"""Shares of max_connections that the eye should find."""

OLD_XACT_S = 300.0
"""From here on a transaction keeps vacuum from what it should remove."""

LATE_S = 1.5
"""An answer that takes longer is announced."""


def _row(board: Board, row_type: type[Any]) -> Any:
    sample = board.samples.get(row_type)
    return sample.rows[0] if isinstance(sample, Sample) and sample.rows else None


def header_lines(
    board: Board, status: Status, width: int, now: float, interval: float, ms_per_s: float
) -> tuple[Line, ...]:
    """The header at this width: two lines, one where there is little room."""
    server: Server | None = _row(board, Server)
    link: Link | None = _row(board, Link)
    if server is None or link is None:
        refused = board.samples.get(Server)
        if isinstance(refused, SourceError):
            return (Line(((" pgtop  ", "strong"), (refused.why, "dim"))),)
        return (Line(((" pgtop  connecting …", "strong"),), state(status, now, interval)),)
    wide = width >= FULL_WIDTH
    where = _where(server, link, wide=wide)
    late = status.asked_at is not None and now - status.asked_at > LATE_S
    urgent = not status.connected or status.frozen_at is not None or late
    costs: Pieces = () if urgent else ((f"  {_cost(ms_per_s, board.reading, wide=wide)}", "dim"),)
    right = (*state(status, now, interval), *costs, (" ", ""))
    if urgent:
        where = _fitting([(piece,) for piece in where], width - _size(right))
    unread = board.samples.get(Vitals)
    if isinstance(unread, SourceError):
        signs: Sequence[Pieces] = (((f" ! {unread.why}", "warning"),),)
    else:
        pulse = board.derived.get(Pulse, Pulse())
        signs = vital_signs(_row(board, Vitals), pulse, wide=wide)
    if wide:
        return (Line(where, right, urgent), Line(_fitting(signs, width)))
    room = width - _size(where) - _size(right)
    return (Line((*where, *_fitting(signs, room)), right, urgent),)


def _size(pieces: Pieces) -> int:
    return sum(cell_len(text) for text, _ in pieces)


def _fitting(signs: Sequence[Pieces], room: int) -> Pieces:
    """As many whole signs as there is room for, in their order."""
    chosen: list[tuple[str, Tone]] = []
    for sign in signs:
        if _size((*chosen, *sign)) >= room:
            break
        chosen.extend(sign)
    return tuple(chosen)


def _where(server: Server, link: Link, *, wide: bool) -> Pieces:
    """Database, host, version, primary or standby, TLS, role, pooler, provider."""
    role = "standby" if server.in_recovery else "primary"
    version = server.version.split(" ")[0]
    tone: Tone = "warning" if server.in_recovery else ""
    host = "socket" if link.local else link.host
    if not wide:
        return (f" {server.database}@{host} ", "strong"), (f"{version} {role}", tone)
    place = host if link.local else f"{link.host}:{link.port}"
    pieces: list[tuple[str, Tone]] = [
        (f" {server.database} @ {place}", "strong"),
        (f"   PostgreSQL {version} {role}   ", tone),
    ]
    if not link.local:
        pieces.append(("TLS   ", "dim") if link.tls else ("no TLS   ", "warning"))
    pieces.append((f"as {server.user}", ""))
    if server.superuser:
        pieces.append((" superuser", "warning"))
    via = [part for part in (link.pooler, link.provider) if part]
    if via:
        pieces.append(("   via " + ", ".join(via), "notice"))
    return pieces


def _cost(ms_per_s: float, reading: Reading | None, *, wide: bool) -> str:
    """What pgtop costs the server, over the last minute."""
    if reading is None:
        return ""
    cost = f"{units.ms(ms_per_s)}/s"
    return f"pgtop costs {cost}" if wide else f"costs {cost}"


def state(status: Status, now: float, interval: float) -> Pieces:
    """How old the data is, and why."""
    age = None if status.read_at is None else now - status.read_at
    old = "" if age is None else f"data {units.age(age)} old"
    if not status.connected:
        if status.asked_at is not None:
            again = "trying again …"
        elif status.retry_at is not None:
            again = f"again in {max(0.0, status.retry_at - now):.0f} s"
        else:
            again = "R tries again"
        # the longest comes last: what a narrow screen cuts is the end of the reason
        return ((f"‼ {', '.join(filter(None, (old, again)))}: {status.why}", "critical"),)
    if status.frozen_at is not None:
        return ((f"frozen, {old} (space goes on)", "notice"),)
    waited = 0.0 if status.asked_at is None else now - status.asked_at
    if waited > LATE_S:
        return ((f"! no answer for {units.age(waited)}, {old}", "warning"),)
    if age is not None and age > interval * 2 + 1:
        return ((old, "warning"),)
    return ((f"every {interval:g} s", "dim"),)


def vital_signs(vitals: Vitals | None, pulse: Pulse, *, wide: bool) -> Sequence[Pieces]:
    """Connections used of limit, tps, sessions, oldest transaction, hit ratio, temp.

    Those that matter more come first: what does not fit falls off the end.
    """
    signs: list[Pieces] = []

    def add(name: str, value: str, tone: Tone = "", *more: tuple[str, Tone]) -> None:
        signs.append(((f"  {name} ", "dim"), (value, tone), *more))

    if vitals is not None:
        add("conn", *_connections(vitals))
    spark: tuple[str, Tone] = (" " + sparkline(pulse.history.get("tps", ()), 8), "bar")
    add("tps", units.rate(pulse.tps), "", *((spark,) if wide else ()))
    if vitals is not None and wide:
        waiting = vitals.waiting
        add("active", units.count(vitals.active))
        add(
            "waiting",
            units.count(waiting) + (" !" if waiting else ""),
            "warning" if waiting else "",
        )
        add("idle in xact", units.count(vitals.idle_in_transaction))
        add("oldest xact", *_oldest(vitals))
    add("hit", units.percent(pulse.hit) if pulse.hit is not None else units.NOTHING)
    if wide:
        add("temp", units.size(pulse.temp_per_s) + "/s" if pulse.temp_per_s else units.NOTHING)
    return signs


def _connections(vitals: Vitals) -> tuple[str, Tone]:
    used = vitals.used
    mark = "≈" if vitals.client_backends is None else ""
    share = used / vitals.max_connections
    if share >= FULL:
        return f"{mark}{used}/{vitals.max_connections} ‼", "critical"
    if share >= NEARLY_FULL:
        return f"{mark}{used}/{vitals.max_connections} !", "warning"
    return f"{mark}{used}/{vitals.max_connections}", ""


def _oldest(vitals: Vitals) -> tuple[str, Tone]:
    if vitals.hidden and vitals.active is None:
        return units.UNKNOWN, ""
    oldest = vitals.oldest_xact_s
    if oldest is None:
        return units.NOTHING, ""
    late = oldest >= OLD_XACT_S
    return units.age(oldest) + (" !" if late else ""), "warning" if late else ""
