"""The cost model: how fast a throttled vacuum goes, and how long one of a table takes.

vacuum_delay_point() sleeps so that cost is spent at limit / delay (vacuum.c). Measured on
13..18 against the server's own log: cost right to 3 %, processor and disk add 5-10 %.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from pgtop.analysis.vacuum.settings import VacuumSettings
from pgtop.analysis.vacuum.triggers import number
from pgtop.model.table import BLOCK_BYTES, IndexPages, Table

BYPASS_FRACTION = 0.02
"""From 14 indexes are left alone while fewer of the heap's pages have dead rows (vacuumlazy.c)."""

BYPASS_ROWS = 32 * 2**20 / 6
"""… and their addresses fit in 32 MB."""


@dataclass(frozen=True, slots=True)
class Pace:
    """What a worker may spend on one table."""

    cost_per_s: float | None
    """None: not throttled."""

    balanced: bool
    """It shares the server's budget; otherwise it comes on top of it."""

    settings: VacuumSettings

    @property
    def read_bytes_per_s(self) -> float | None:
        """The most it reads if every page is a miss and none gets dirty."""
        return self._rate(self.settings.page_miss)

    @property
    def write_bytes_per_s(self) -> float | None:
        """The most it dirties."""
        return self._rate(self.settings.page_dirty)

    def _rate(self, page_cost: float) -> float | None:
        if self.cost_per_s is None or page_cost <= 0:
            return None
        return self.cost_per_s / page_cost * BLOCK_BYTES


def pace(options: Mapping[str, str], settings: VacuumSettings, sharing: int = 1) -> Pace:
    """The pace on a table with these options while `sharing` workers share the budget.

    A table's own cost option takes its worker out of the sharing: up to 15 a limit or a
    delay above 0, from 16 also a delay of 0 (autovacuum.c).
    """
    limit = number(options, "autovacuum_vacuum_cost_limit", 0.0, 1.0)
    delay = number(options, "autovacuum_vacuum_cost_delay", -1.0)
    own = limit > 0 or (delay >= 0 if settings.version_num >= 160000 else delay > 0)
    effective_delay = delay if delay >= 0 else settings.cost_delay_ms
    effective_limit = limit if limit > 0 else settings.cost_limit
    if effective_delay <= 0:
        return Pace(None, not own, settings)
    if not own:
        effective_limit = max(effective_limit / max(1, sharing), 1.0)
    return Pace(effective_limit / effective_delay * 1000, not own, settings)


@dataclass(frozen=True, slots=True)
class Work:
    """What one vacuum of a table costs, at most."""

    cost: float
    passes: int
    """Over the indexes; 0 where they are left alone."""

    dead_pages: float
    scanned_pages: float

    def seconds(self, at: Pace) -> float | None:
        """How long that takes; None where nothing but the disk limits it."""
        return None if at.cost_per_s is None else self.cost / at.cost_per_s


def work(table: Table, indexes: IndexPages | None, dead: float, settings: VacuumSettings) -> Work:
    """The cost of one vacuum that finds `dead` dead rows.

    Every page is taken as a miss: measured 1.09-1.20 of the real cost where nothing was
    cached, so it is what it costs at most.
    """
    pages = float(max(table.relpages, 0))
    if pages <= 0:
        return Work(0.0, 0, 0.0, 0.0)
    miss, dirty = settings.page_miss, settings.page_dirty
    dead_pages = pages * (1 - math.exp(-dead / pages))
    scanned = max(pages - min(table.relallvisible, pages), dead_pages)
    number_of = indexes.indexes if indexes else 0
    index_pages = float(indexes.relpages) if indexes else 0.0
    passes = _passes(dead, dead_pages / pages, number_of, settings)
    cost = scanned * miss + dead_pages * dirty
    if passes:
        cost += index_pages * passes * miss
        if index_pages:
            cost += index_pages * (1 - math.exp(-dead * number_of / index_pages)) * dirty
        cost += dead_pages * miss + dead_pages * dirty
    return Work(cost, passes, dead_pages, scanned)


def _passes(dead: float, page_share: float, indexes: int, settings: VacuumSettings) -> int:
    if indexes == 0 or dead <= 0:
        return 0
    if settings.version_num >= 140000 and page_share < BYPASS_FRACTION and dead < BYPASS_ROWS:
        return 0
    cap = settings.dead_cap
    return 1 if math.isinf(cap) else math.ceil(dead / max(cap, 1.0))


def busy_workers(utilisation: float, unbalanced: float) -> float:
    """Workers busy on average: those that share the budget queue for it, the others do not.

    A processor-sharing queue: a model, not a measurement.
    """
    if utilisation >= 1:
        return math.inf
    return utilisation / (1 - utilisation) + unbalanced


_STEPS = (1.0, 2.0, 5.0, 10.0)


def nice_down(value: float) -> float:
    """The next 1, 2 or 5 times a power of ten below."""
    if value <= 0:
        return 0.0
    power = 10.0 ** math.floor(math.log10(value))
    fitting = [step for step in _STEPS if step * power <= value * (1 + 1e-9)]
    return (fitting[-1] if fitting else 1.0) * power


def nice_up(value: float) -> float:
    """The next 1, 2 or 5 times a power of ten above."""
    if value <= 0:
        return 0.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(step for step in _STEPS if step * power >= value * (1 - 1e-9)) * power
