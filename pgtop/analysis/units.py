"""Numbers as a person reads them: three significant digits and a unit. Plain text.

Nothing else in pgtop formats a number for a screen or a sentence.
"""

from __future__ import annotations

NOTHING = "–"
"""A value that is truly nothing: no rows, no bytes, no wait."""

UNKNOWN = "?"
"""A value that cannot be known here; the screen says why on Enter."""

_DECIMAL = ((1e12, " T"), (1e9, " G"), (1e6, " M"), (1e3, " k"))
_BYTES = ((1 << 50, "PB"), (1 << 40, "TB"), (1 << 30, "GB"), (1 << 20, "MB"), (1 << 10, "kB"))
_LONG = ((31_557_600.0, "y", "d"), (86_400.0, "d", "h"), (3_600.0, "h", "min"), (60.0, "min", "s"))
_LONG_SECONDS = {"y": 31_557_600.0, "d": 86_400.0, "h": 3_600.0, "min": 60.0, "s": 1.0}


def significant(value: float) -> str:
    """Three significant digits, without an exponent: 1.02, 34.8, 348, 1,020."""
    size = abs(value)
    if size >= 99.95:
        return f"{value:,.0f}"
    if size >= 9.995:
        return f"{value:.1f}"
    if size >= 0.01 or size == 0:
        return f"{value:.2f}"
    return f"{value:.2g}" if size >= 1e-4 else "0.00"


def count(value: float | None) -> str:
    """A number of things: 0, 7, 412, 12.3 k, 4.10 M."""
    if value is None:
        return UNKNOWN
    size = abs(value)
    if size < 9_999.5:
        return f"{value:,.0f}"
    for factor, name in _DECIMAL:
        if size >= factor * 0.9995:
            return significant(value / factor) + name
    raise AssertionError(value)  # the last factor is below the first test


def rate(value: float | None) -> str:
    """Things per second, where fractions matter: 0.20, 41.2, 4,090, 12.3 k. NaN is unknown."""
    if value is None:
        return UNKNOWN
    if value == 0:
        return NOTHING
    return significant(value) if abs(value) < 9_999.5 else count(value)


def size(value: float | None) -> str:
    """Bytes, in powers of 1024 as PostgreSQL's own pg_size_pretty: 8.00 kB, 1.20 GB."""
    if value is None:
        return UNKNOWN
    magnitude = abs(value)
    for factor, name in _BYTES:
        if magnitude >= factor * 0.9995:
            return f"{significant(value / factor)} {name}"
    return f"{value:,.0f} B"


def ms(value: float | None) -> str:
    """Milliseconds in the unit that fits: 2.74 µs, 0.02 ms, 348 ms, 1.02 s, 3 h 04 min."""
    if value is None:
        return UNKNOWN
    if 0 < abs(value) < 0.01:
        return f"{significant(value * 1_000)} µs"
    if abs(value) < 999.5:
        return f"{significant(value)} ms"
    return seconds(value / 1_000)


def seconds(value: float | None) -> str:
    """Seconds as a length of time: 20.0 ms, 1.02 s, 41.0 s, 2 min 05 s, 2 h 13 min, 41 d 3 h."""
    if value is None:
        return UNKNOWN
    if value < 0:
        return "-" + seconds(-value)
    if 0 < value < 0.9995:
        return ms(value * 1_000)
    if value < 59.95:
        return f"{significant(value)} s"
    whole = round(value)
    for length, name, below in _LONG:
        if whole >= length:
            first, rest = divmod(whole, int(length))
            second = int(rest // _LONG_SECONDS[below])
            return f"{first} {name} {second:02d} {below}" if second else f"{first} {name}"
    return f"{whole} s"


def age(value: float | None) -> str:
    """A length of time in one unit, for a narrow cell: 4 s, 13 min, 2 h, 41 d."""
    if value is None:
        return UNKNOWN
    whole = round(value)
    for length, name, _ in _LONG:
        if abs(whole) >= length:
            return f"{whole / length:.0f} {name}"
    return f"{whole} s"


def lasting(value: float | None) -> str:
    """A length of time that goes on, so that it is seen to: 4 s, 3 min 02, 2 h 13, 41 d 3."""
    if value is None or value < 60:
        return age(value)
    words = seconds(value).split()
    return " ".join(words[:3])


def percent(fraction: float | None) -> str:
    """A share of one: 0 %, 0.3 %, 62 %, 100 %; never 100 % when something is missing."""
    if fraction is None:
        return UNKNOWN
    value = fraction * 100
    if 0 < abs(value) < 0.95:
        return f"{value:.1f} %" if abs(value) >= 0.05 else "<0.1 %"
    if 99 < value < 100:
        return f"{min(value, 99.9):.1f} %"
    return f"{value:.0f} %"


def plural(number: float, singular: str, many: str | None = None) -> str:
    """`1 row`, `2 rows`, `12.3 k rows`."""
    return f"{count(number)} {singular if round(number) == 1 else many or singular + 's'}"


def bar(fraction: float, width: int, glyphs: str = " ▏▎▍▌▋▊▉█") -> str:
    """`fraction` of `width` cells, in as many steps as `glyphs` has; always `width` long."""
    steps = len(glyphs) - 1
    filled = round(max(0.0, min(1.0, fraction)) * width * steps)
    whole, part = divmod(filled, steps)
    text = glyphs[-1] * whole + (glyphs[part] if part else "")
    return text.ljust(width, glyphs[0])
