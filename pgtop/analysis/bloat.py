"""How much smaller a rebuild would make an index or a table: the figure and its certainty,
that of a table from its statistics, and what a measurement says.

`bloat_btree` has the model of B-trees.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from pgtop.analysis.pages import LINE_POINTER, data_bytes, lengths, maxalign, usable
from pgtop.model.index import ColumnStatistics
from pgtop.model.table import BLOCK_BYTES, Table

Source = Literal["estimate", "measured", "unavailable"]

LEAST_PAGES = 10
"""Below this a page more or less is 10 %: nothing is said."""

TOASTED_ROW = 2_000
"""Mean row beyond which values leave the row for TOAST: statistics then mislead."""


@dataclass(frozen=True, slots=True)
class Bloat:
    """What a rebuild would give back."""

    source: Source
    bytes: float | None = None
    """None where unavailable; negative where the rebuild would be bigger."""

    fraction: float | None = None
    why: str | None = None
    """Why there is no figure, or what makes it doubtful."""

    pages: int | None = None
    """Blocks after a rebuild."""

    most: float | None = None
    """The fraction, if one of several columns decides the others: the truth lies between it and
    `fraction`, which takes them as independent. None where that makes little difference."""


def unavailable(why: str) -> Bloat:
    """No figure, and the reason."""
    return Bloat("unavailable", why=why)


def estimated(pages: int, expected: float, why: str | None = None) -> Bloat:
    """Of so many pages a rebuild would keep `expected`."""
    expected = max(1, math.ceil(expected))
    return Bloat(
        "estimate",
        bytes=float((pages - expected) * BLOCK_BYTES),
        fraction=(pages - expected) / pages,
        why=why,
        pages=expected,
    )


def unseen(table: Table | None, columns: Iterable[ColumnStatistics]) -> str:
    """Why there are no statistics of what an estimate needs, and what helps; `columns` are all
    of the table."""
    if table is None:
        return "no statistics visible: not analysed yet, or no SELECT privilege"
    analyze = f"ANALYZE {table.ident};"
    grant = f"GRANT SELECT ON {table.ident} TO this role, or pg_read_all_data"
    if any(column.known for column in columns):
        return f"a column or an expression of it has no statistics yet: {analyze}"
    if table.reltuples < 0:
        return f"it was never analysed: {analyze}"
    if table.analyze_count + table.autoanalyze_count:
        return f"no statistics visible though it was analysed: {grant} (or it was empty then)"
    return f"no statistics visible: never analysed ({analyze}), or hidden from this role ({grant})"


# -- tables ------------------------------------------------------------------------------


def heap(table: Table, columns: Sequence[ColumnStatistics]) -> Bloat:
    """Bloat of a table's main fork from the statistics of all its columns."""
    if table.relkind not in ("r", "m"):
        return unavailable("it has no rows of its own")
    if table.relpages < LEAST_PAGES:
        return unavailable(f"small: below {LEAST_PAGES} pages nothing is said")
    if table.reltuples < 0:
        return unavailable(f"it was never analysed: ANALYZE {table.ident};")
    if not columns:
        return unavailable("its columns are not known yet")
    live = [column for column in columns if not column.attisdropped]
    if not any(column.known for column in live):
        return unavailable(unseen(table, live))
    if not all(column.known for column in live):
        return unavailable("some of its columns have no statistics, or no SELECT privilege")
    fillfactor = int(table.option("fillfactor") or 100)
    width = _row_bytes(live, len(columns), dropped=len(columns) > len(live))
    step = width + LINE_POINTER
    per_page = max(usable(fillfactor) / step, 0.01)
    if per_page > 2:  # what is left at a page's end is half a row on the average
        per_page = math.floor(per_page) if _uniform(live) else per_page - 0.5
    toasted = width > TOASTED_ROW and any(c.attstorage in "xe" for c in live)
    why = "wide rows: what TOAST takes is not known exactly" if toasted else None
    return estimated(table.relpages, table.reltuples / per_page, why)


def _uniform(columns: Sequence[ColumnStatistics]) -> bool:
    return all(column.attlen > 0 and not column.null_frac for column in columns)


def _row_bytes(columns: Sequence[ColumnStatistics], natts: int, *, dropped: bool) -> float:
    """Mean bytes of a row, header and all: by whether it has a null, then by which.

    A dropped column is a null in every row written since.
    """
    all_lengths = [lengths(column) for column in columns]
    header = maxalign(23)
    bitmap = maxalign(23 + (natts + 7) // 8)
    nullable = [place for place, column in enumerate(all_lengths) if column.null_frac > 0]
    if not nullable:
        return data_bytes(all_lengths, bitmap if dropped else header)
    total = 0.0
    samples = 64
    for step in range(samples):
        present = [
            column
            for place, column in enumerate(all_lengths)
            if not _is_null(column.null_frac, step, place, samples)
        ]
        size = bitmap if dropped or len(present) < len(all_lengths) else header
        total += data_bytes(present, size, step=step)
    return total / samples


def _is_null(null_frac: float, step: int, place: int, samples: int) -> bool:
    """Whether a column is null in this sample: as often as it is, for each column in its own
    order, so that nulls of different columns meet by chance."""
    if null_frac <= 0:
        return False
    turned = (step * (2 * place + 5) + 11 * place) % samples
    return (turned + 0.5) / samples < null_frac


# -- measured ----------------------------------------------------------------------------


HASH_FILLFACTOR = 75
HASH_ITEM = 20
"""An entry of a hash index with its line pointer (hashpage.c: _hash_init, 13 to 18)."""

ONE_PHASE = 512
"""Up to so many buckets a hash index doubles, beyond it grows in quarters (hash.h:
HASH_SPLITPOINT_GROUPS_WITH_ONE_PHASE)."""


def hash_pages(entries: float, fillfactor: int) -> int:
    """Pages of a hash index built for so many entries (hashpage.c: _hash_init_metabuffer).

    Where the number of buckets is no power of two, those that are not split yet take twice as
    many entries as the others, and more pages where these do not hold them.
    """
    wanted = max(2.0, entries // max(10, BLOCK_BYTES * fillfactor // 100 // HASH_ITEM))
    double = 1 << max(1, math.ceil(math.log2(wanted)))
    buckets = double
    if double > ONE_PHASE:
        quarters = (double // 2 + double * part // 8 for part in (1, 2, 3, 4))
        buckets = next(number for number in quarters if number >= wanted)
    load = entries / double
    over = (2 * buckets - double) * _overflow(load) + (double - buckets) * _overflow(2 * load)
    return round(buckets + over) + 2


def _overflow(load: float) -> float:
    """Pages beside its own that a bucket with so many entries on average has: hashes spread them
    as chance does, near enough a normal distribution."""
    if load <= 0:
        return 0.0
    holds = (BLOCK_BYTES - 24 - 16) // HASH_ITEM
    return sum(
        math.erfc((pages * holds - load) / math.sqrt(2 * load)) / 2
        for pages in range(1, math.ceil(load / holds) + 3)
    )


def hash_free_bytes(size_bytes: float, entries: float, fillfactor: int) -> float:
    """What REINDEX would give back of a hash index that pgstathashindex counted."""
    return max(0.0, size_bytes - hash_pages(entries, fillfactor) * BLOCK_BYTES)


def btree_free_bytes(
    leaf_pages: float, empty_pages: float, deleted_pages: float, density: float, fillfactor: int
) -> float:
    """What REINDEX would give back of a B-tree that pgstatindex measured.

    `density` is avg_leaf_density in per cent. The present posting lists are taken as they
    are: a rebuild makes better ones.
    """
    filled = leaf_pages * (density if not math.isnan(density) else 0.0) / fillfactor
    kept = min(leaf_pages, filled)
    return float((leaf_pages - kept + empty_pages + deleted_pages) * BLOCK_BYTES)
