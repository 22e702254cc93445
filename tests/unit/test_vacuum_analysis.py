"""Autovacuum's own arithmetic, against worked figures."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgtop.advice.vacuum_case import utilisation
from pgtop.analysis.vacuum.cost import busy_workers, nice_down, nice_up, pace, work
from pgtop.analysis.vacuum.ladder import eta, mxid_ladder, xid_ladder
from pgtop.analysis.vacuum.options import (
    Change,
    after,
    own_options,
    to_bool,
    undo_of,
    value_sql,
)
from pgtop.analysis.vacuum.settings import VacuumSettings
from pgtop.analysis.vacuum.triggers import most_pressing, pressure, triggers
from pgtop.analysis.vacuum.view import view
from pgtop.model.table import IndexPages
from pgtop.model.vacuum import XidClock
from tests.factories import counters, server
from tests.vacuum_facts import NOW, facts, run, settings_rows, state_of, table, use


def of(version: int = 180004, **changed: str) -> VacuumSettings:
    return VacuumSettings.of(settings_rows(version, **changed), version)


# -- triggers --------------------------------------------------------------------------------


def test_defaults() -> None:
    limits = triggers(table(reltuples=2e8), {}, of(150000))
    assert (limits.vacuum, limits.insert, limits.analyze) == (40_000_050, 40_001_000, 20_000_050)
    assert (limits.freeze, limits.multixact) == (2e8, 4e8)


def test_from_18_a_cap_and_the_unfrozen_share() -> None:
    huge = table(reltuples=1e10, relpages=1000, relallfrozen=750)
    limits = triggers(huge, {}, of())
    assert limits.vacuum == 1e8
    assert limits.capped
    assert limits.insert == 1000 + 0.2 * 1e10 * 0.25
    without = triggers(huge, {"autovacuum_vacuum_max_threshold": "-1"}, of())
    assert without.vacuum == 50 + 0.2 * 1e10
    assert triggers(huge, {}, of(170000)).vacuum == 50 + 0.2 * 1e10


def test_a_table_may_only_lower_its_freeze_age() -> None:
    for own, counts in (("100000", 1e5), ("2000000000", 2e8)):
        limits = triggers(table(), {"autovacuum_freeze_max_age": own}, of())
        assert limits.freeze == counts


def test_unknown_row_counts_are_zero() -> None:
    limits = triggers(table(reltuples=-1.0), {}, of())
    assert (limits.vacuum, limits.insert) == (50, 1000)


def test_inserts_switched_off_and_toast() -> None:
    limits = triggers(table(relkind="t"), {"autovacuum_vacuum_insert_threshold": "-1"}, of())
    assert limits.insert is None
    assert limits.analyze is None


def test_a_threshold_of_zero_is_due_with_the_first_row() -> None:
    options = {"autovacuum_vacuum_threshold": "0", "autovacuum_vacuum_scale_factor": "0"}
    clean, dirty = table(), table(n_dead_tup=1)
    assert pressure(clean, triggers(clean, options, of())).dead == 0
    assert pressure(dirty, triggers(dirty, options, of())).dead > 1


@given(
    st.lists(
        st.tuples(
            st.integers(-1, 10**9), st.integers(0, 10**8), st.integers(0, 10**8),
            st.integers(0, 10**8), st.sampled_from(["r", "m", "t"]), st.integers(0, 4 * 10**8),
        ),
        max_size=6,
    ),
    st.sampled_from([130000, 150000, 170000, 180004]),
)  # fmt: skip
def test_the_quick_way_and_the_long_way_agree(
    rows: list[tuple[int, int, int, int, str, int]], version: int
) -> None:
    settings = of(version)
    tables = {
        20000 + n: table(
            20000 + n, reltuples=float(rows_), n_dead_tup=dead, n_ins_since_vacuum=ins,
            n_mod_since_analyze=mod, relkind=kind, xid_age=age,
            options="autovacuum_vacuum_scale_factor=0.01" if n % 2 else None,
        )
        for n, (rows_, dead, ins, mod, kind, age) in enumerate(rows)
    }  # fmt: skip
    quick = most_pressing(tables, {}, settings)
    for relid, one in tables.items():
        options, _ = own_options(one.options)
        slow = pressure(one, triggers(one, options, settings)).most
        assert quick[relid] == pytest.approx(slow)


# -- options -----------------------------------------------------------------------------------


def test_toast_options_are_all_or_nothing() -> None:
    main = "autovacuum_vacuum_threshold=9\x1fautovacuum_vacuum_cost_limit=400"
    assert own_options(None, main) == (
        {"autovacuum_vacuum_threshold": "9", "autovacuum_vacuum_cost_limit": "400"}, True,
    )  # fmt: skip
    own = "autovacuum_vacuum_scale_factor=0.5"
    assert own_options(own, main) == ({"autovacuum_vacuum_scale_factor": "0.5"}, False)


@pytest.mark.parametrize("text", ["off", "OF", "no", "n", "f", "false", "0", "Fal"])
def test_every_spelling_of_false(text: str) -> None:
    assert to_bool(text) is False


@pytest.mark.parametrize("text", ["on", "yes", "t", "TRUE", "1"])
def test_every_spelling_of_true(text: str) -> None:
    assert to_bool(text) is True


@pytest.mark.parametrize("text", ["", "o", "maybe", "2"])
def test_no_boolean(text: str) -> None:
    with pytest.raises(ValueError, match="no boolean"):
        to_bool(text)


NAMES = st.sampled_from(["a", "b", "c", "d", "e"])
VALUES = st.sampled_from(["1", "2", "3"])


@given(st.dictionaries(NAMES, VALUES), st.dictionaries(NAMES, VALUES), st.sets(NAMES))
def test_undo_brings_back_values_and_order(
    before: dict[str, str], sets: dict[str, str], resets: set[str]
) -> None:
    change = Change(sets, tuple(sorted(resets - sets.keys())))
    back = after(after(before, change), undo_of(before, change))
    assert list(back.items()) == list(before.items())


def test_values_that_the_parser_would_change_are_quoted() -> None:
    assert value_sql("0.05") == "0.05"
    assert value_sql("-1") == "-1"
    assert value_sql("off") == "off"
    assert value_sql("010") == "'010'"
    assert value_sql("1e3") == "'1e3'"
    assert value_sql("x); DROP TABLE t") == "'x); DROP TABLE t'"


# -- cost --------------------------------------------------------------------------------------


def test_the_default_budget() -> None:
    fast, old = pace({}, of(150000)), pace({}, of(130000))
    assert fast.cost_per_s == old.cost_per_s == 100_000
    assert fast.read_bytes_per_s == pytest.approx(390.625 * 2**20)
    assert old.read_bytes_per_s == pytest.approx(78.125 * 2**20)
    assert fast.write_bytes_per_s == pytest.approx(39.0625 * 2**20)


def test_three_workers_share_one_budget() -> None:
    assert pace({}, of(), sharing=3).cost_per_s == pytest.approx(100_000 / 3)


@pytest.mark.parametrize(
    ("options", "version", "balanced"),
    [
        ({"autovacuum_vacuum_cost_limit": "200"}, 150000, False),
        ({"autovacuum_vacuum_cost_delay": "2"}, 150000, False),
        ({"autovacuum_vacuum_cost_delay": "0"}, 150000, True),
        ({"autovacuum_vacuum_cost_delay": "0"}, 160000, False),
        ({"autovacuum_vacuum_threshold": "9"}, 160000, True),
    ],
)
def test_who_leaves_the_sharing(options: dict[str, str], version: int, balanced: bool) -> None:
    assert pace(options, of(version), sharing=2).balanced is balanced


def test_no_delay_is_as_fast_as_the_disk() -> None:
    unthrottled = pace({"autovacuum_vacuum_cost_delay": "0"}, of())
    assert unthrottled.cost_per_s is None
    assert work(table(n_dead_tup=9), None, 9, of()).seconds(unthrottled) is None


def test_few_dead_pages_leave_the_indexes_alone_from_14() -> None:
    indexes = IndexPages(20001, 3, 30_000, 0)
    few = work(table(), indexes, 100, of(140000))
    assert few.passes == 0
    assert work(table(), indexes, 100, of(130000)).passes == 1
    assert work(table(), indexes, 200_000, of(140000)).passes == 1


def test_memory_passes_up_to_16() -> None:
    indexes = IndexPages(20001, 2, 30_000, 0)
    assert of(160000).dead_cap == 11_184_810
    assert of(160000, autovacuum_work_mem="1048576").dead_cap == 178_956_970
    small = of(160000, autovacuum_work_mem="1024")
    assert work(table(reltuples=3e6), indexes, 1.4e6, small).passes == math.ceil(1.4e6 / 174_762)
    assert work(table(reltuples=3e6), indexes, 1.4e6, of(170000)).passes == 1


def test_an_empty_table_costs_nothing() -> None:
    assert work(table(relpages=0), None, 50, of()).cost == 0


def test_steps() -> None:
    assert (nice_down(0.07), nice_down(0.2), nice_up(3), nice_up(0.02)) == (0.05, 0.2, 5, 0.02)
    assert busy_workers(0.5, 1.0) == 2
    assert busy_workers(1.0, 0.0) == math.inf


# -- ladder --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("version", "names", "warning", "stop"),
    [
        (130000, ["forced vacuum", "warnings", "stop"], 2_136_483_647, 2_146_483_647),
        (180000, ["forced vacuum", "fail-safe", "warnings", "stop"], 2_107_483_647, 2_144_483_647),
        (190000, ["forced vacuum", "fail-safe", "warnings", "stop"], 2_047_483_647, 2_144_483_647),
    ],
)
def test_ladder(version: int, names: list[str], warning: int, stop: int) -> None:
    steps = xid_ladder(of(version))
    assert [step.name for step in steps] == names
    assert [step.age for step in steps[-2:]] == [warning, stop]
    assert len(mxid_ladder(of(version))) == len(steps)
    assert eta(steps[0].age, steps[0], None) == 0
    assert eta(0, steps[0], 100.0) == steps[0].age / 100
    assert eta(0, steps[0], 0.0) is None


def test_failsafe_never_under_the_forced_vacuum() -> None:
    settings = of(180000, autovacuum_freeze_max_age="1900000000")
    assert settings.failsafe_age == pytest.approx(1.995e9)


# -- samples ---------------------------------------------------------------------------------


def test_rates_and_the_next_run() -> None:
    before = table(n_dead_tup=10_000, n_tup_upd=50_000)
    now = table(n_dead_tup=28_000, n_tup_upd=80_000)
    state = state_of(facts([before], [now]))
    assert state.settings is not None
    seen = view(state, state.settings, 20001)
    assert seen.rates is not None
    assert (seen.rates.dead, seen.rates.dead_gross, seen.rates.net) == (300, 500, True)
    assert seen.next_by == "dead"
    assert seen.next_s == pytest.approx((200_050 - 28_000) / 300)


def test_a_vacuum_between_makes_the_rate_an_estimate() -> None:
    first = table(n_dead_tup=0, n_tup_upd=0)
    second = table(n_dead_tup=6_000, n_tup_upd=12_000)
    third = table(n_dead_tup=1_000, n_tup_upd=24_000, autovacuum_count=4)
    state = state_of(facts([first], [second], [third]))
    rates = state.churn.of(20001)
    assert rates is not None
    assert not rates.net
    assert rates.dead == pytest.approx(rates.dead_gross / 2)
    alone = state_of(facts([second], [third])).churn.of(20001)
    assert alone is not None
    assert alone.dead is None


def test_a_reset_between_leaves_rates_unknown() -> None:
    state = state_of(facts([table(n_tup_upd=500)], [table(n_tup_upd=10)]))
    assert state.churn.of(20001) is None


def test_nothing_known_is_not_zero() -> None:
    state = state_of(facts([table(n_dead_tup=10)]))
    assert state.settings is not None
    seen = view(state, state.settings, 20001)
    assert seen.rates is None
    assert (seen.next_s, seen.next_by) == (None, None)
    assert utilisation(state) is None


def test_xids_are_counted_without_taking_one() -> None:
    state = state_of(facts([XidClock(1_000), table()], [XidClock(61_000), table()]))
    assert state.xids_per_s == 1000
    assert state.settings is not None
    seen = view(state, state.settings, 20001)
    assert seen.next_by == "freeze"


def test_counters_lost_in_a_crash_are_seen_though_stats_reset_is_null() -> None:
    blind = [
        table(20001 + n, n_live_tup=0, n_tup_ins=0, autovacuum_count=0, autoanalyze_count=0)
        for n in range(4)
    ]
    state = state_of(facts([*blind, counters(stats_reset=None), server(started_at=NOW - 720)]))
    assert state.counters.lost == 4
    assert state.window_s() == pytest.approx(720)


def test_counters_without_a_reset_are_at_least_as_old_as_the_server() -> None:
    rows = [table(), use(last_autovacuum=NOW - 30 * 86_400), counters(stats_reset=None)]
    state = state_of(facts([*rows, server(started_at=NOW - 86_400)]))
    assert state.counters.at_least
    assert state.window_s() == pytest.approx(30 * 86_400)


def test_progress_and_its_end() -> None:
    first, second = run(heap_blks_scanned=100), run(heap_blks_scanned=400, xact_s=90.0)
    state = state_of(facts([table(), first], [table(), second], gap=60))
    (progress,) = state.history.now
    assert progress.share == 0.4
    assert progress.eta_s == pytest.approx(600 / (300 / 60))
    ended = state_of(facts([table(), first], [table(), second], [table()], gap=60))
    assert ended.history.lasted[20001] == 120.0  # 90 to 150 s: in the middle, a quarter off


def test_a_run_that_ended_between_two_looks_far_apart_was_not_measured() -> None:
    short = run(heap_blks_scanned=400, xact_s=1.0)
    ended = state_of(facts([table(), short], [table()], gap=5))
    assert 20001 not in ended.history.lasted
    close = state_of(facts([table(), short], [table()], gap=0.5))
    assert close.history.lasted[20001] == 1.25


def test_saturation_needs_ten_minutes() -> None:
    busy = [table(), *(run(pid=n, relid=None, phase=None) for n in range(3))]
    assert state_of(facts(busy, busy)).history.saturated(3) is None
    assert state_of(facts(*[busy] * 11)).history.saturated(3) is True
    assert state_of(facts(*[busy] * 11)).history.saturated(4) is False
