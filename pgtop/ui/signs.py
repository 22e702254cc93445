"""The first screen's vital signs and causes, as lines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from rich.cells import cell_len

from pgtop.advice import Facts
from pgtop.advice.summary import Cause
from pgtop.analysis import units
from pgtop.analysis.pulse import Pulse
from pgtop.analysis.replication import WalFlow
from pgtop.analysis.waits import CPU, Waits
from pgtop.model.replication import Recovery, Standby
from pgtop.model.sample import RowT, Sample, SourceError
from pgtop.model.server import Vitals
from pgtop.model.session import Session
from pgtop.terminal.glyphs import SEVERITY, sparkline
from pgtop.ui.lines import Line, clipped
from pgtop.ui.table_columns import Tone

SPARKS = 8
"""Values in a sparkline."""

CELL = 26
"""A sign's width: name, value, sparkline."""

_SIGNS: Sequence[tuple[str, str, Callable[[Any], str], bool]] = (
    ("active", "active", units.count, True),
    ("waiting", "waiting", units.count, True),
    ("tps", "tps", units.rate, False),
    ("conn", "connections", units.count, True),
    ("oldest", "oldest_xact_s", units.age, True),
    ("idle xact", "idle_in_transaction", units.count, True),
    ("WAL/s", "wal_per_s", units.size, False),
    ("temp/s", "temp_per_s", units.size, False),
    ("hit", "hit", units.percent, False),
)
"""(name, where its history is, how it is written, a count now rather than a rate), what matters
most first."""


def sign_lines(facts: Facts, width: int, lines: int) -> tuple[Line, ...]:
    """As many signs as there is room for, in columns of the same width."""
    pulse: Pulse = facts.derived.get(Pulse) or Pulse()
    vitals = _vitals(facts)
    columns = max(1, (width - 1) // CELL)
    cells = [_sign(pulse, vitals, *sign) for sign in _SIGNS]
    cells[-1:-1] = _lag(facts)
    made = []
    for number in range(lines):
        pieces: list[tuple[str, Tone]] = [(" ", "")]
        for cell in cells[number * columns : (number + 1) * columns]:
            used = sum(cell_len(text) for text, _ in cell)
            pieces += [*cell, (" " * max(1, CELL - used), "")]
        made.append(Line(tuple(pieces)))
    return tuple(made)


def _lag(facts: Facts) -> list[list[tuple[str, Tone]]]:
    """The longest lag, of a standby that follows this server or of this one itself."""
    flow: WalFlow | None = facts.derived.get(WalFlow)
    if flow is None:
        return []
    behind = [flow.lag_s(row) for row in _rows(facts, Standby)]
    behind += [flow.own_lag_s(row) for row in _rows(facts, Recovery)]
    if not behind:
        return []
    longest = max((seconds for seconds in behind if seconds is not None), default=None)
    text = units.UNKNOWN if longest is None else units.seconds(longest) if longest else "0"
    return [[("lag ", "dim"), (text, "strong")]]


def _rows(facts: Facts, row_type: type[RowT]) -> tuple[RowT, ...]:
    found = facts.samples.get(row_type)
    return found.rows if isinstance(found, Sample) else ()


def _vitals(facts: Facts) -> Vitals | None:
    found = facts.samples.get(Vitals)
    return found.rows[0] if isinstance(found, Sample) and found.rows else None


def _sign(
    pulse: Pulse, vitals: Vitals | None, name: str, field: str, write: Any, counted: bool
) -> list[tuple[str, Tone]]:
    values = pulse.history.get(field, ())
    if counted:
        known = None if vitals is None else getattr(vitals, _FIELDS.get(field, field))
    else:
        known = getattr(pulse, field)
    if known is None and counted and vitals is not None:
        text = units.NOTHING if field == "oldest_xact_s" and not vitals.hidden else units.UNKNOWN
    else:
        text = write(known) if known is not None else units.NOTHING
    if field == "connections" and vitals is not None:
        text += f"/{vitals.max_connections}"
    room = CELL - 2 - SPARKS - cell_len(name)
    tone: Tone = "warning" if field == "waiting" and known else "strong"
    spark = sparkline(values, SPARKS) if len(values) > 1 else ""
    return [(f"{name} ", "dim"), (text[: max(4, room)].ljust(min(room, 8)), tone), (spark, "bar")]


_FIELDS = {"connections": "used"}


def cause_line(found: Sequence[Cause], width: int) -> Line:
    """Each of the usual causes: how many findings, clear, or not known."""
    clear = "clear" if width >= 100 else "✓"
    pieces: list[tuple[str, Tone]] = [(" causes  ", "dim")]
    for cause in found:
        pieces.append((f"{cause.name} ", "dim"))
        if cause.state == "named":
            worst = cause.findings[0].severity
            tone: Tone = "critical" if worst == "critical" else "warning"
            pieces.append((f"{SEVERITY[worst]} {len(cause.findings)}", tone))
        elif cause.state == "clear":
            pieces.append((clear, "good"))
        else:
            pieces.append(("…" if cause.state == "waiting" else units.UNKNOWN, "dim"))
        pieces.append(("   ", ""))
    return Line(tuple(pieces))


def hidden_sessions(facts: Facts) -> int:
    """Sessions whose state this role may not see."""
    found = facts.samples.get(Session)
    return sum(s.hidden for s in found.rows) if isinstance(found, Sample) else 0


def load_line(facts: Facts, width: int) -> Line:
    """Active sessions by what they wait for over five minutes, and the statement most are in."""
    waits: Waits | None = facts.derived.get(Waits)
    unread = facts.samples.get(Session)
    if isinstance(unread, SourceError):
        return Line(((" load ?  ", "dim"), (unread.why, "warning")))
    if waits is None or not waits.points:
        return Line(((" load  …", "dim"),))
    pieces: list[tuple[str, Tone]] = [(f" load {units.age(max(1.0, waits.seconds))}  ", "dim")]
    classes = sorted(waits.classes(SPARKS), key=lambda share: -share.average)
    total = sum(share.average for share in classes)
    for share in classes[:4]:
        tone: Tone = "good" if share.name == CPU else "warning" if share.name == "Lock" else ""
        pieces += [(f"{share.name} ", tone), (f"{share.average:.1f} ", "strong"),
                   (sparkline(share.series, SPARKS).strip(), "bar"), ("  ", "")]  # fmt: skip
    unseen = hidden_sessions(facts)
    if not classes and unseen:
        words = f"nobody whom this role may see was at work; {unseen} are hidden"
        return Line((*pieces, (words, "warning")))
    if not classes:
        return Line((*pieces, ("nobody was at work", "good")))
    if unseen:
        pieces.append((f"without {unseen} hidden  ", "warning"))
    first = waits.statements()[0]
    used = sum(cell_len(piece) for piece, _ in pieces)
    part = f"{units.percent(first.average / total)} in "
    room = width - used - len(part) - 1
    if room > 20:
        pieces += [(part, "dim"), (clipped(first.name, room), "")]
    return Line(tuple(pieces))
