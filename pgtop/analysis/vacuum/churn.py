"""Rates of change per table, from two samples and from the counters' whole life."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from pgtop.model.table import Table, TableUse

LEAST_S = 5.0
"""Backends hand in their counters about every second: below this a rate is mostly noise."""

_COUNTERS = Table._fields.index("n_tup_ins")


class Rates(NamedTuple):
    """Per second."""

    dead: float | None
    """Rows that became dead and stayed so; None where a vacuum fell between and nothing is
    known from before."""

    dead_gross: float
    """Updates and deletes: what `dead` can be at most, for pruning takes some away."""

    inserts: float
    changes: float
    seconds: float
    net: bool
    """`dead` was counted, not worked out from the gross rate."""


ZERO = Rates(0.0, 0.0, 0.0, 0.0, 0.0, True)


class Watch(NamedTuple):
    """A table past its threshold, followed from sample to sample."""

    since: float
    """When it was first seen so, server's clock."""

    runs: int
    """Runs of autovacuum seen since then."""

    unhelped: int
    """Of these, how many in a row left as many dead rows as they found."""

    dead: int
    """Dead rows at the last look."""

    vacuums: int
    """autovacuum_count then."""

    run_at: float | None
    """When the last run was seen to have ended."""


@dataclass(frozen=True, slots=True)
class Churn:
    """What two samples of all tables tell."""

    taken_at: float | None = None
    tables: Mapping[int, Table] = field(default_factory=dict)
    rates: Mapping[int, Rates] = field(default_factory=dict)
    """Only tables that changed: for the others see `of`."""

    seconds: float | None = None
    """Between the two samples; None until there are two."""

    shares: Mapping[int, float] = field(default_factory=dict)
    """relid -> net ÷ gross, as last seen without a vacuum between."""

    watched: Mapping[int, Watch] = field(default_factory=dict)

    def of(self, relid: int) -> Rates | None:
        """A table's rates; None until they are known."""
        if self.seconds is None or relid not in self.tables:
            return None
        return self.rates.get(relid, ZERO)

    def advanced(
        self, taken_at: float, tables: Mapping[int, Table], dead_share: Mapping[int, float]
    ) -> Churn:
        """With one more sample; `dead_share` is n_dead_tup ÷ threshold of tables past it."""
        watched = {
            relid: _watch(self.watched.get(relid), tables[relid], taken_at) for relid in dead_share
        }
        seconds = None if self.taken_at is None else taken_at - self.taken_at
        if seconds is None:
            return Churn(taken_at, tables, watched=watched)
        if seconds < LEAST_S:
            return self
        rates: dict[int, Rates] = {}
        shares = dict(self.shares)
        for relid, now in tables.items():
            before = self.tables.get(relid)
            if before is None or before[_COUNTERS:] == now[_COUNTERS:]:
                continue
            found = _rates(before, now, seconds, shares.get(relid))
            if found is None:  # reset between: nothing is known of the whole interval
                return Churn(taken_at, tables, watched=watched)
            rates[relid] = found
            if found.net and found.dead_gross > 0 and found.dead is not None:
                shares[relid] = min(1.0, found.dead / found.dead_gross)
        return Churn(taken_at, tables, rates, seconds, shares, watched)


def _rates(before: Table, now: Table, seconds: float, share: float | None) -> Rates | None:
    """None where the counters were reset between."""
    updated = now.n_tup_upd - before.n_tup_upd
    deleted = now.n_tup_del - before.n_tup_del
    inserted = now.n_tup_ins - before.n_tup_ins
    if updated < 0 or deleted < 0 or inserted < 0 or now.vacuum_count < before.vacuum_count:
        return None
    gross = (updated + deleted) / seconds
    still = (
        now.vacuum_count == before.vacuum_count
        and now.autovacuum_count == before.autovacuum_count
        and now.analyze_count == before.analyze_count
        and now.autoanalyze_count == before.autoanalyze_count
    )
    if still:
        dead: float | None = max(0, now.n_dead_tup - before.n_dead_tup) / seconds
    else:
        dead = 0.0 if gross == 0 else None if share is None else gross * share
    return Rates(
        dead=dead,
        dead_gross=gross,
        inserts=inserted / seconds,
        changes=(inserted + updated + deleted) / seconds,
        seconds=seconds,
        net=still,
    )


def _watch(before: Watch | None, table: Table, now: float) -> Watch:
    count = table.autovacuum_count
    if before is None or count < before.vacuums:
        return Watch(now, 0, 0, table.n_dead_tup, count, None)
    if count == before.vacuums:
        return before._replace(dead=table.n_dead_tup)
    helped = table.n_dead_tup < before.dead * 0.9
    return Watch(
        since=before.since,
        runs=before.runs + count - before.vacuums,
        unhelped=0 if helped else before.unhelped + count - before.vacuums,
        dead=table.n_dead_tup,
        vacuums=count,
        run_at=now,
    )


class LongRates(NamedTuple):
    """Per second over the counters' life."""

    dead: float
    """Deletes, and updates that were not HOT: pruning takes the others away without vacuum."""

    inserts: float
    changes: float
    seconds: float


def long_rates(table: Table, use: TableUse | None, window_s: float | None) -> LongRates | None:
    """None where the counters' age is not known."""
    if window_s is None or window_s <= 0:
        return None
    hot = use.n_tup_hot_upd if use is not None else 0
    changes = table.n_tup_ins + table.n_tup_upd + table.n_tup_del
    return LongRates(
        dead=max(0, table.n_tup_upd - hot + table.n_tup_del) / window_s,
        inserts=table.n_tup_ins / window_s,
        changes=changes / window_s,
        seconds=window_s,
    )
