"""How many different values a column has, as far as a sample of its rows can tell."""

from __future__ import annotations

import math

from pgtop.model.index import ColumnStatistics

SAMPLE = 30_000
"""Rows that ANALYZE looks at: 300 for each of default_statistics_target's 100 (analyze.c)."""

UNIQUE_ENOUGH = 0.95
"""A column with this share of distinct values makes every key of several columns unique."""

MANY = 30.0
"""From here on the spread of group sizes no longer matters."""


def few_rows_each(column: ColumnStatistics, table_rows: float) -> bool:
    """Whether it matters how evenly the rows are spread over the values."""
    said = column.n_distinct if column.n_distinct > 0 else -column.n_distinct * table_rows
    mean = table_rows * (1.0 - column.null_frac) / max(said, 1.0)
    return 1.02 < mean < MANY


def skewed(column: ColumnStatistics, table_rows: float) -> bool:
    """Whether ANALYZE counted values that differ in how common they are, from a part of the rows,
    and more than that can tell apart: Duj1 (see `spread_values`) is up to four times too low then,
    which made 17 to 35 points of bloat of two indexes that had none."""
    said = column.n_distinct if column.n_distinct > 0 else -column.n_distinct * table_rows
    return table_rows > SAMPLE and bool(column.freqs) and said > SAMPLE / 2


def spread_values(column: ColumnStatistics, table_rows: float) -> float:
    """`n_distinct` as it would have to be if chance spread the rows over the values.

    ANALYZE's estimate (Haas and Stokes' Duj1, analyze.c) is right where each value has as many
    rows as another, and a quarter too low where chance spread them and it saw few of the rows.
    Solved for the rows that a value has on average, those without any counted in.
    """
    rows = table_rows * (1.0 - column.null_frac)
    sampled = SAMPLE * (1.0 - column.null_frac)
    said = column.n_distinct if column.n_distinct > 0 else -column.n_distinct * table_rows
    if rows <= SAMPLE or not 1.0 < said < UNIQUE_ENOUGH * rows:
        return column.n_distinct
    part = sampled / rows
    low, high = 0.0, rows / said
    for _ in range(16):
        rate = (low + high) / 2
        seen, once = (1 - math.exp(-rate * part)) / rate, part * math.exp(-rate * part)
        if sampled * seen * rows / (sampled - once * rows * (1 - part)) > said:
            low = rate
        else:
            high = rate
    return max(said, rows * (1 - math.exp(-high)) / high)
