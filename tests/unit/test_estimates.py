"""Bloat follows what is known now: newer statistics and operator classes change what is told."""

from __future__ import annotations

from typing import Any

import pytest

from pgtop.analysis import estimates as module
from pgtop.analysis.estimates import Estimates
from pgtop.model.index import ColumnStatistics, CounterWindow, Index, OperatorClass
from pgtop.model.index_request import Measured
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


def test_a_measurement_holds_until_the_relation_is_another() -> None:
    """What `M` said an hour and 600,000 rows ago hid what there is now."""
    estimates = shop(n_tup_ins=100_000)
    take(estimates, ColumnStatistics, statistics())
    measured = Measured(1, 9_000 * 8_192, 1e6, 0.1, "pgstatindex", "9,000 leaf pages")

    def source(**grown: Any) -> str:
        (found,) = estimates.indexes()
        return estimates.of_index(found._replace(**grown)).source

    assert source() == "estimate"
    take(estimates, Measured, measured)
    assert source() == "measured"
    (found,) = estimates.indexes()
    assert "at 00:00:01 UTC" in (estimates.of_index(found).why or "")
    assert source(relpages=9_100) == "measured", "the catalogue knows its size only now"
    assert source(relpages=12_000) == "estimate", "it grew since"
    take(estimates, Table, table(n_tup_ins=105_000))
    assert source() == "measured"
    take(estimates, Table, table(n_tup_ins=105_000, n_tup_del=90_000))
    assert source() == "estimate", "most of it was deleted since"


def test_a_table_that_was_measured_too() -> None:
    estimates = shop()
    take(estimates, Measured, Measured(20_000, 5_000 * 8_192, 1e6, 0.1, "pgstattuple_approx", ""))
    assert estimates.of_table(table()).source == "measured"
    assert estimates.of_table(table(relpages=20_000)).source != "measured"


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        ({"reltuples": -1.0}, "it was never analysed: ANALYZE public.orders;"),
        ({"autoanalyze_count": 1}, "though it was analysed: GRANT SELECT ON public.orders TO"),
        ({}, "never analysed (ANALYZE public.orders;), or hidden from this role (GRANT SELECT"),
    ],
)
def test_why_there_are_no_statistics_and_what_helps(counts: dict[str, Any], said: str) -> None:
    estimates = shop(**counts)
    take(estimates, ColumnStatistics, statistics(known=False))
    (found,) = estimates.indexes()
    assert said in (estimates.of_index(found).why or "")


def test_estimates_ahead_of_who_asks_come_in_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    """No time is measured: a slice ends with every look at the clock."""
    monkeypatch.setattr(module, "SLICE_S", 0.0)
    estimates = shop()
    many = [index(n, f"i{n}", "1", relpages=1_000, reltuples=1e5) for n in range(20)]
    take(estimates, Index, *many)
    take(estimates, ColumnStatistics, statistics())
    assert len(list(estimates.working_out([20_000, 30_000]))) == 20
    assert not estimates.pending.waiting


def test_an_expression_that_was_indexed_since_the_last_analyze_is_not_hidden() -> None:
    estimates = shop(autoanalyze_count=3)
    fields = {"indkey": "0", "indexprs": "{FUNCEXPR}"}
    take(estimates, Index, index(1, "by_mail", "1", relpages=1_000, reltuples=1e5, **fields))
    expression = statistics(known=False)._replace(relid=1, expression=True)
    take(estimates, ColumnStatistics, statistics(), expression)
    (found,) = estimates.indexes()
    assert estimates.of_index(found).why == (
        "a column or an expression of it has no statistics yet: ANALYZE public.orders;"
    )
