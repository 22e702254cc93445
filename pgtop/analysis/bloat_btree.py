"""How much smaller a rebuild would make a B-tree, from statistics alone.

The model knows deduplication (13 and later): equal keys share posting lists, so an index of
few values takes some 6 bytes a row where every other estimate expects 20. It follows
src/backend/access/nbtree/nbtsort.c (page filling) and nbtdedup.c (posting lists).
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from pgtop.analysis.bloat import LEAST_PAGES, Bloat, estimated, unavailable
from pgtop.analysis.pages import LINE_POINTER, Lengths, data_bytes, lengths, maxalign, usable
from pgtop.analysis.value_spread import (
    MANY,
    UNIQUE_ENOUGH,
    few_rows_each,
    skewed,
    spread_values,
)
from pgtop.model.index import ColumnStatistics, Index
from pgtop.model.table import BLOCK_BYTES

_NULL_TEST = r"\{NULLTEST :arg \{VAR :varno 1 :varattno %s [^{}]*\} :nulltesttype %s "
_COMPARED = r"\{VAR :varno 1 :varattno %s "
"""A column in a predicate, as the catalogue stores it (nodes/outfuncs.c)."""

BTREE_FILLFACTOR = 90
INTERNAL_FILL = 0.70
"""BTREE_NONLEAF_FILLFACTOR (nbtree.h)."""

BTREE_SPECIAL = 16
POSTING_BYTES = 808
"""Largest posting list a build makes: 10 % of a block, aligned (nbtsort.c: maxpostingsize)."""

TID_BYTES = 6
MOST_CLASSES = 6
"""Classes of frequency that common values of one of several columns are put into."""

MOST_OF_ONE = 500.0
"""Rows with one value beyond which binomial coefficients leave the range of a float."""

PLAYED_PAGES = 12
PLAYED_ROWS = 60_000
"""How much of a build is played to see how full its pages become."""

WORTH_A_RANGE = 0.02
"""Two estimates nearer to each other than this are one."""

SPREAD = "it depends on how evenly its rows are spread over its values"
SKEWED = "of values of which some are common ANALYZE counts too few: it may be less, M measures it"
DEPENDENT = "the more its columns depend on each other, the more a rebuild frees"


def why_not_btree(index: Index) -> str | None:
    """Why this index cannot be estimated, whatever the statistics; None: it can."""
    if index.partitioned:
        return "it has no storage of its own: its partitions have"
    if index.amname != "btree":
        return f"{index.amname} is not estimated: M measures where pgstattuple can"
    if index.reltuples < 0:
        return "the table was never analysed"
    if index.relpages < LEAST_PAGES:
        return f"small: below {LEAST_PAGES} pages nothing is said"
    return None


def btree(
    index: Index,
    table_rows: float,
    columns: Sequence[ColumnStatistics],
    *,
    deduplicates: bool,
) -> Bloat:
    """Bloat of a B-tree from the statistics of its columns, keys first, then INCLUDE.

    `deduplicates`: every key's operator class and collation allow posting lists and the
    option is on. Raises nothing: what cannot be told is `unavailable` with its reason.
    """
    why = why_not_btree(index)
    if why is not None:
        return unavailable(why)
    if len(columns) < index.indnatts:
        return unavailable("its columns are not known yet")
    unknown = [column for column in columns if not column.known]
    if unknown:
        return unavailable(
            "no statistics visible for its columns: not analysed yet, or no SELECT privilege"
        )
    rows = max(index.reltuples, 0.0)
    shape = _Shape(index, table_rows, tuple(columns), deduplicates)
    leaves, width = shape.leaf_pages(rows)
    why = "its predicate may be about its own columns" if index.indpred else None
    if why is None and shape.deduplicates and any(skewed(c, table_rows) for c in columns):
        why = SKEWED
    found = estimated(index.relpages, leaves + _upper_pages(leaves, width) + 1, why)
    found = _with_spread(found, shape, rows)
    if not shape.may_depend:
        return found
    leaves, width = replace(shape, dependent=True).leaf_pages(rows)
    other = estimated(index.relpages, leaves + _upper_pages(leaves, width) + 1)
    if other.fraction is None or found.fraction is None:
        return found
    most = max(other.fraction, found.most or other.fraction)
    apart = most - found.fraction >= WORTH_A_RANGE
    return replace(found, most=most, why=why or found.why or DEPENDENT) if apart else found


def _with_spread(found: Bloat, shape: _Shape, rows: float) -> Bloat:
    """The estimate, or a range where it matters if each value has as many rows as another, for
    which ANALYZE counts the values right, or if chance spread them, for which it does not."""
    if not shape.deduplicates or shape.index.indisunique:
        return found
    columns = tuple(
        column._replace(n_distinct=spread_values(column, shape.table_rows))
        for column in shape.columns
    )
    others = [replace(shape, columns=columns)] if columns != shape.columns else []
    if len(columns) == 1 and few_rows_each(columns[0], shape.table_rows):
        others.append(replace(shape, even=True))
    answers = [found] if columns == shape.columns else []
    for other in others:
        leaves, width = other.leaf_pages(rows)
        answers.append(
            estimated(shape.index.relpages, leaves + _upper_pages(leaves, width) + 1, found.why)
        )
    answers.sort(key=lambda bloat: bloat.fraction or 0.0)
    least, most = answers[0], answers[-1]
    if (most.fraction or 0.0) - (least.fraction or 0.0) < WORTH_A_RANGE:
        return least
    return replace(least, most=most.fraction, why=found.why or SPREAD)


def deduplicates(index: Index, equal_image: Sequence[bool], nondeterministic: bool) -> bool:
    """Whether a build puts equal keys into posting lists."""
    return (
        index.option("deduplicate_items") not in ("off", "false", "0", "no")
        and index.indnatts == index.indnkeyatts
        and all(equal_image)
        and not nondeterministic
    )


def _upper_pages(leaves: float, width: float) -> int:
    """Internal pages above so many leaves."""
    fanout = max(2, int(BLOCK_BYTES * INTERNAL_FILL / min(width + LINE_POINTER, 200)))
    pages, level = 0, math.ceil(leaves)
    while level > 1:
        level = math.ceil(level / fanout)
        pages += level
    return pages


@dataclass(frozen=True, slots=True)
class _Shape:
    """An index about to be built."""

    index: Index
    table_rows: float
    columns: tuple[ColumnStatistics, ...]
    deduplicates: bool
    even: bool = False
    """Each value of its only column has as many rows as another; else chance spread them."""

    dependent: bool = False
    """The column with the most values decides the others: the fewest different keys there can
    be, where independent columns make the most."""

    @property
    def may_depend(self) -> bool:
        """Whether it matters if its columns are independent: equal keys share a posting list."""
        return len(self.columns) > 1 and self.deduplicates and not self.index.indisunique

    def leaf_pages(self, rows: float) -> tuple[float, float]:
        """(leaf pages, bytes of a tuple) for `rows` entries."""
        fillfactor = int(self.index.option("fillfactor") or BTREE_FILLFACTOR)
        full = usable(fillfactor, BTREE_SPECIAL) - LINE_POINTER
        room = usable(100, BTREE_SPECIAL) - LINE_POINTER
        all_lengths = [
            replace(lengths(column, in_index=True), null_frac=self._null_frac(place, column))
            for place, column in enumerate(self.columns)
        ]
        pages, widest = 0.0, 16.0
        classes = list(_null_classes(all_lengths))
        for share, nulls in classes:
            present = [x for x, null in zip(all_lengths, nulls, strict=True) if not null]
            width = data_bytes(present, 16 if any(nulls) else 8)
            widest = max(widest, width)
            uniform = len(classes) == 1 and all(len(x.quantiles) <= 1 for x in present)
            pages += self._pages_of(rows * share, nulls, width, full, room, uniform)
        return max(pages, 1.0), widest

    def _null_frac(self, place: int, column: ColumnStatistics) -> float:
        """Share of nulls among the entries: a predicate about the column decides it."""
        attnum = self.index.indkey.split()[place]
        if self.index.indpred is None or attnum == "0":
            return column.null_frac
        if re.search(_NULL_TEST % (attnum, "0"), self.index.indpred):
            return 1.0
        strict = re.search(_COMPARED % attnum, self.index.indpred)
        return (
            0.0
            if strict and "{BOOLEXPR :boolop or" not in self.index.indpred
            else (column.null_frac)
        )

    def _pages_of(
        self,
        rows: float,
        nulls: tuple[bool, ...],
        width: float,
        full: int,
        room: int,
        uniform: bool,
    ) -> float:
        """Leaf pages for the entries with these columns null."""
        step = width + LINE_POINTER
        fits = math.floor(full / step) * step if uniform else full - step / 2
        singles = rows * step / max(fits, step)
        unique = self.index.indisunique and not any(nulls)
        if rows < 1 or unique or not self.deduplicates:
            return singles
        several = len(self.columns) > 1
        values = [
            [(1.0, 1.0)] if null else self._classes(column, several)
            for column, null in zip(self.columns, nulls, strict=True)
        ]
        if several and any(
            sum(number for number, _ in classes) >= UNIQUE_ENOUGH * self.table_rows
            for classes in values
        ):
            return singles
        if several and self.dependent:
            values = [max(values, key=lambda classes: sum(number for number, _ in classes))]
            several = False
        pages = 0.0
        kept = self._kept_share(rows, nulls)
        for combined in itertools.product(*values):
            groups = math.prod(number for number, _ in combined)
            share = math.prod(share for _, share in combined)
            for size, number in _sizes(groups, rows * share, kept, several, even=self.even):
                pages += number * size * _pages_a_row(round(width), _rounded(size), full, room)
        return pages

    def _kept_share(self, rows: float, nulls: tuple[bool, ...]) -> float:
        """Which share of the rows with values a partial index holds."""
        if self.index.indpred is None:
            return 1.0
        present = math.prod(
            1.0 - column.null_frac
            for column, null in zip(self.columns, nulls, strict=True)
            if not null
        )
        return min(1.0, rows / max(self.table_rows * present, 1.0))

    def _classes(self, column: ColumnStatistics, coarse: bool) -> list[tuple[float, float]]:
        """(number of values, share of all rows they take together) by how common they are."""
        present = max(1.0 - column.null_frac, 1e-9)
        distinct = (
            column.n_distinct if column.n_distinct > 0 else (-column.n_distinct * self.table_rows)
        )
        distinct = max(distinct, 1.0)
        shares = [float(part) / present for part in (column.freqs or "").split(",") if part]
        if column.n_distinct > 0:
            shares = shares[: int(distinct)]
        classes = _grouped(shares) if coarse else [(1.0, share) for share in shares]
        rest, left = max(0.0, 1.0 - sum(shares)), max(distinct - len(shares), 0.0)
        if rest > 1e-6 or not classes:
            classes.append((max(left, 1.0), rest if classes else 1.0))
        total = sum(share for _, share in classes) or 1.0
        return [(number, share / total) for number, share in classes]


def _null_classes(columns: Sequence[Lengths]) -> list[tuple[float, tuple[bool, ...]]]:
    """(share of the rows, which columns are null), as if nulls of columns were independent."""
    choices = [
        [(1.0 - c.null_frac, False), (c.null_frac, True)]
        if 0 < c.null_frac < 1
        else [(1.0, c.null_frac >= 1)]
        for c in columns[:4]
    ]
    found = []
    for chosen in itertools.product(*choices):
        share = math.prod(part for part, _ in chosen)
        nulls = tuple(null for _, null in chosen) + (False,) * (len(columns) - len(chosen))
        found.append((share, nulls))
    return found


def _grouped(shares: Sequence[float]) -> list[tuple[float, float]]:
    """Common values put into a few classes of like frequency: (how many, their share)."""
    if len(shares) <= MOST_CLASSES:
        return [(1.0, share) for share in shares]
    ordered = sorted(shares, reverse=True)
    size = math.ceil(len(ordered) / MOST_CLASSES)
    parts = [ordered[start : start + size] for start in range(0, len(ordered), size)]
    return [(float(len(part)), sum(part)) for part in parts]


def _sizes(
    groups: float, rows: float, kept: float, several: bool, *, even: bool = False
) -> Iterator[tuple[float, float]]:
    """(entries with one key, how many such keys) where `groups` keys have `rows` entries.

    Of several columns `groups` is how many keys there could be; of a partial index how many
    the table has, `kept` being the share of its rows that the index holds.
    """
    if rows <= 0:
        return
    mean = rows / groups
    if mean >= MANY:
        yield mean, groups
    elif even and not several and kept == 1 and mean >= 1:
        whole = math.floor(mean)
        yield float(whole), groups * (1 - (mean - whole))
        yield whole + 1.0, groups * (mean - whole)
    elif several or (kept < 1 and mean / kept > MOST_OF_ONE):
        yield from _poisson(mean, groups)
    elif kept < 1:
        yield from _binomial(max(1, round(mean / kept)), kept, groups)
    else:
        rate = _truncated_rate(mean)
        yield from _poisson(rate, groups / max(1 - math.exp(-rate), 1e-12))


def _poisson(rate: float, groups: float) -> Iterator[tuple[float, float]]:
    chance = math.exp(-rate)
    for size in range(1, int(rate + 10 * math.sqrt(rate) + 12)):
        chance *= rate / size
        yield float(size), groups * chance


def _binomial(most: int, kept: float, groups: float) -> Iterator[tuple[float, float]]:
    for size in range(1, most + 1):
        chance = math.comb(most, size) * kept**size * (1 - kept) ** (most - size)
        yield float(size), groups * chance


def _truncated_rate(mean: float) -> float:
    """Rate of the Poisson law whose mean, zero left out, is `mean`."""
    if mean <= 1.0 + 1e-9:
        return 1e-9
    rate = mean
    for _ in range(40):
        rate = mean * (1 - math.exp(-rate))
    return max(rate, 1e-9)


def _rounded(size: float) -> int:
    """To three digits beyond the first hundred: answers are kept by it."""
    return round(size) if size < 100 else int(round(size, 3 - len(str(int(size)))))


@lru_cache(maxsize=20_000)
def _pages_a_row(width: int, size: int, full: int, room: int) -> float:
    """Leaf pages that a build fills for one entry, where every key has `size` entries.

    Plays the build: a page ends when the next tuple does not fit, or when it is filled to the
    mark without its last tuple, which moves on and leaves its key behind as the high key. A
    posting list leaves only its key, and the build reckons with that.
    """
    group = _tuples(width, size)
    used, pages, rows = 0.0, 0, 0
    high_key = width + LINE_POINTER
    last = last_gain = 0.0
    while pages < PLAYED_PAGES:
        for size_, entries in group:
            gain = size_ - high_key
            if used + size_ > room or used - last_gain > full:
                pages += 1
                used, last_gain = last, gain
            used += size_
            last, last_gain = size_, max(gain, 0.0)
            rows += entries
        if rows > PLAYED_ROWS and pages:
            break
    filled = used / max(full, 1)
    return (pages + min(filled, 1.0)) / rows


def _tuples(width: int, size: int) -> list[tuple[float, int]]:
    """(bytes with line pointer, entries) of the tuples for one key with `size` entries."""
    most = int((POSTING_BYTES - width) // TID_BYTES)
    single = (float(width + LINE_POINTER), 1)
    if size < 2 or most < 2:
        return [single] * min(size, 50)
    whole, rest = divmod(size, most)
    made = [(float(maxalign(width + TID_BYTES * most) + LINE_POINTER), most)] * min(whole, 200)
    if rest >= 2:
        made.append((float(maxalign(width + TID_BYTES * rest) + LINE_POINTER), rest))
    elif rest:
        made.append(single)
    return made
