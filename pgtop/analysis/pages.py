"""How rows lie on pages: alignment, headers, lengths of values.

Layout by src/include/access/htup_details.h, itup.h and src/include/storage/bufpage.h of
PostgreSQL 13..18, for a 64-bit server with 8 kB blocks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pgtop.model.index import ColumnStatistics
from pgtop.model.table import BLOCK_BYTES

PAGE_HEADER = 24
LINE_POINTER = 4
SHORT_VARLENA = 126
"""Longest value with a one-byte header (varatt.h: VARATT_SHORT_MAX less the header)."""

COMPRESSED = 1.15
"""Values that are this many times longer than what is stored of them are compressed."""

NAME_BYTES = 64
"""NAMEDATALEN: the length of a `name`."""

UNKNOWN_WIDTH = 32.0
"""What the planner takes for a type without statistics (get_typavgwidth in lsyscache.c)."""

SPREAD = (-3.0, -2.0, -1.0, 0.0, 0.0, 1.0, 2.0, 3.0)
"""Where only a mean is known: lengths around it, so that rounding up to 8 costs what it costs."""

SAMPLES = 64
"""Rows whose lengths are worked out where values vary; the mean of them is what counts."""

_ALIGN = {"c": 1, "s": 2, "i": 4, "d": 8}


def maxalign(size: int) -> int:
    """`size` rounded up to 8."""
    return (size + 7) & ~7


@dataclass(frozen=True, slots=True)
class Lengths:
    """How long the values of one column are."""

    fixed: int | None
    """Bytes where all are of one length."""

    align: int
    varlena: bool
    """With a length header, which is one byte up to 126 bytes of value."""

    quantiles: tuple[float, ...]
    """Lengths as stored, header and all, equally likely; one where only the mean is known."""

    null_frac: float


def lengths(column: ColumnStatistics, *, in_index: bool = False) -> Lengths:
    """How long a column's values are, from its statistics.

    `avg_width` of an expression's statistics counts the long header, which the index
    does not store. A `name` is stored in an index as a C string.
    """
    align = _ALIGN.get(column.attalign, 8)
    weights = _weights(column)
    if column.attlen > 0 and not (in_index and column.attlen == NAME_BYTES and weights):
        return Lengths(column.attlen, align, False, (), column.null_frac)
    varlena = column.attlen == -1
    mean = float(column.avg_width) if column.known else UNKNOWN_WIDTH
    if column.expression and varlena and mean <= SHORT_VARLENA + 4:
        mean -= 3
    if not weights:
        spread = SPREAD if varlena and mean > 8 else (0.0,)
        stored = tuple(max(mean + step, 1.0) for step in spread)
        return Lengths(None, align, varlena, stored, column.null_frac)
    values = [value + 1 for value in _quantiles(weights, SAMPLES)]
    average = sum(values) / len(values)
    if varlena and mean > 0 and average > COMPRESSED * mean:
        values = [value * mean / average for value in values]
    return Lengths(None, align, varlena, tuple(values), column.null_frac)


def _numbers(joined: str | None) -> list[float]:
    return [float(part) for part in joined.split(",") if part] if joined else []


def _weights(column: ColumnStatistics) -> list[tuple[float, float]]:
    """(length, share) of the values: the common ones by their share, the rest by the histogram."""
    common = list(zip(_numbers(column.mcv_lengths), _numbers(column.freqs), strict=False))
    present = max(1.0 - column.null_frac, 1e-9)
    weights = [(length, share / present) for length, share in common]
    bounds = _numbers(column.histogram_lengths)
    rest = max(0.0, 1.0 - sum(share for _, share in weights))
    if bounds:
        weights += [(length, rest / len(bounds)) for length in bounds]
    return [pair for pair in weights if pair[1] > 0]


def _quantiles(weights: list[tuple[float, float]], number: int) -> list[float]:
    """`number` lengths, as often as their shares say."""
    total = sum(share for _, share in weights)
    chosen, reached, place = [], 0.0, 0
    for step in range(number):
        wanted = (step + 0.5) / number * total
        while place < len(weights) - 1 and reached + weights[place][1] < wanted:
            reached += weights[place][1]
            place += 1
        chosen.append(weights[place][0])
    return chosen


def data_bytes(columns: Sequence[Lengths], header: int, *, step: int | None = None) -> float:
    """Mean bytes of a row of these values, in their order, behind `header`, MAXALIGNed.

    Lengths of different columns are combined as if they were independent. With `step` one
    row alone, the one of that number.
    """
    if step is not None:
        return float(maxalign(header + _laid_out(columns, step)))
    varying = any(len(column.quantiles) > 1 for column in columns)
    samples = SAMPLES if varying else 1
    total = sum(maxalign(header + _laid_out(columns, each)) for each in range(samples))
    return total / samples


def _laid_out(columns: Sequence[Lengths], step: int) -> int:
    """Bytes of one row's values; `step` chooses their lengths, another one for each column."""
    offset = 0.0
    for place, column in enumerate(columns):
        if column.fixed is not None:
            offset = -(-offset // column.align) * column.align + column.fixed
            continue
        number = len(column.quantiles)
        size = column.quantiles[(step * (7 + 2 * place) + place) % number]
        if column.varlena and size > SHORT_VARLENA:
            offset = -(-offset // 4) * 4
            size += 3 if number > 1 else 0
        offset += size
    return int(offset + 0.999)


def usable(fillfactor: int, special: int = 0) -> int:
    """Bytes of a page that a build fills."""
    return BLOCK_BYTES - PAGE_HEADER - special - BLOCK_BYTES * (100 - fillfactor) // 100
