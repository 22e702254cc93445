"""Bloat follows what is known now: newer statistics and operator classes change what is told."""

from __future__ import annotations

from typing import Any

import pytest

from pgtop.analysis.estimates import Estimates
from pgtop.model.index import ColumnStatistics, CounterWindow, Index, OperatorClass
from pgtop.model.sample import Sample
from pgtop.model.table import Table
from tests.ui.test_indexes_pane import index, table, window

INT4 = OperatorClass(1978, 1976, "int4_ops", True)


def take(estimates: Estimates, kind: type[Any], *rows: Any) -> None:
    estimates.advanced({kind: Sample(1.0, rows)}, {})


def statistics(*, known: bool = True, n_distinct: float = -1.0) -> ColumnStatistics:
    return ColumnStatistics(
        20_000, 1, 4, "i", "p", False, False, known, 0.0, 4, n_distinct, None, None, None
    )


def shop(**counts: Any) -> Estimates:
    estimates = Estimates()
    take(estimates, Table, table(**counts))
    take(estimates, OperatorClass, INT4)
    take(estimates, Index, index(1, "by_user", "1", relpages=1_000, reltuples=1e5))
    return estimates


def fraction(estimates: Estimates) -> float | None:
    (found,) = estimates.indexes()
    return estimates.of_index(found).fraction


@pytest.mark.parametrize("standby", [False, True])
def test_what_was_analyzed_since_is_asked_for_again(standby: bool) -> None:
    estimates = shop()
    take(estimates, CounterWindow, window(60, in_recovery=standby))
    take(estimates, ColumnStatistics, statistics(known=False))
    assert (estimates.pending.waiting, estimates.pending.first(9)) == (0, [])
    assert fraction(estimates) is None
    take(estimates, Table, table())
    assert not estimates.pending.first(9), "nobody analyzed it"
    counts = {"reltuples": 100_001.0} if standby else {"autoanalyze_count": 1}
    take(estimates, Table, table(**counts))
    assert estimates.pending.first(9) == [20_000]
    assert estimates.pending.waiting == 0, "the head does not say that it waits"
    take(estimates, ColumnStatistics, statistics())
    unique = fraction(estimates)
    assert unique is not None
    assert not estimates.pending.first(9)
    take(estimates, Table, table(**counts))
    assert not estimates.pending.first(9), "these are the newest"
    take(estimates, ColumnStatistics, statistics(n_distinct=5.0))
    few = fraction(estimates)
    assert few is not None
    assert few > unique + 0.1, "posting lists would hold them"


def test_what_needs_no_statistics_is_not_asked_for_again() -> None:
    estimates = shop()
    take(estimates, Index, index(1, "by_user", "1", relpages=1_000, amname="gin"))
    take(estimates, ColumnStatistics, statistics())
    take(estimates, Table, table(analyze_count=1))
    assert not estimates.pending.first(9)
    assert estimates.is_old(20_000), "for the table's own bloat it is"


def test_operator_classes_that_come_late_are_not_missed() -> None:
    estimates = shop()
    take(estimates, OperatorClass)
    take(estimates, ColumnStatistics, statistics())
    assert fraction(estimates) is None
    take(estimates, OperatorClass, INT4)
    assert fraction(estimates) is not None
