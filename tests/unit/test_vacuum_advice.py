"""What is advised for a table, and what is not: worked situations, gates, traps."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from pgtop.advice import Facts, Judge, Rule, judge
from pgtop.advice.autovacuum import AUTOVACUUM_RULES
from pgtop.advice.table_options import TABLE_OPTION_RULES
from pgtop.advice.vacuum_blocked import BLOCKED_RULES
from pgtop.advice.vacuum_case import Case, case, judged, prepared, utilisation
from pgtop.advice.wraparound import WRAPAROUND_RULES
from pgtop.model.finding import Finding
from pgtop.model.table import IndexPages, Partition, Table
from pgtop.model.vacuum import DatabaseAge, ParentStatistics, PinWait, VacuumBlock, XidClock
from tests.factories import STARTED, counters, server
from tests.vacuum_facts import NOW, facts, holder, run, state_of, table, use

RULES: tuple[Rule, ...] = (
    *AUTOVACUUM_RULES,
    *BLOCKED_RULES,
    *WRAPAROUND_RULES,
    *TABLE_OPTION_RULES,
)
WINDOW = 10 * 86_400.0
"""How long the counters of `facts` have run."""


def churning(dead: float = 0, inserts: float = 0, **fields: Any) -> tuple[list[Table], list[Table]]:
    """The same table a minute apart, at these rates a second now and ever since."""
    past = {"n_tup_upd": int(dead * WINDOW), "n_tup_ins": int(inserts * WINDOW)}
    before = table(**{**past, **fields})
    moved: dict[str, Any] = {
        "n_tup_upd": before.n_tup_upd + int(dead * 60),
        "n_tup_ins": before.n_tup_ins + int(inserts * 60),
        "n_dead_tup": before.n_dead_tup + int(dead * 60),
        "n_ins_since_vacuum": before.n_ins_since_vacuum + int(inserts * 60),
    }
    return [before], [before._replace(**moved)]


def found(one: Facts, rules: Iterable[Rule] = RULES) -> dict[str, Finding]:
    return {finding.rule: finding for finding in judge(one, rules).findings}


def only(one: Facts, relid: int = 20001) -> Case:
    return case(state_of(one), relid)


BIG = {"reltuples": 2e8, "relpages": 3_333_334, "n_live_tup": 200_000_000}


# -- worked situations -------------------------------------------------------------------------


def test_200_million_rows_at_300_dead_a_second_on_15() -> None:
    before, now = churning(300, **BIG)
    one = facts([*before, use()], [*now, use()], version=150000)
    finding = found(one)["autovacuum.late"]
    assert finding.remedy is not None
    assert finding.remedy.sql == (
        "ALTER TABLE public.t20001 SET (autovacuum_vacuum_scale_factor = 0.05);",
    )
    assert finding.remedy.undo == (
        "ALTER TABLE public.t20001 RESET (autovacuum_vacuum_scale_factor);",
    )
    assert finding.evidence["vacuum_threshold"] == 40_000_050
    assert finding.evidence["proposed_threshold"] == 10_000_050
    assert finding.evidence["every_s"] == pytest.approx(40_000_050 / 300, rel=0.02)


def test_the_same_on_18_is_one_cap_that_follows_the_table() -> None:
    before, now = churning(300, **BIG)
    finding = found(facts([*before, use()], [*now, use()]))["autovacuum.late"]
    assert finding.remedy is not None
    assert finding.remedy.sql == (
        "ALTER TABLE public.t20001 SET (autovacuum_vacuum_max_threshold = 10000000);",
    )


def test_taken_advice_silences_its_rule() -> None:
    options = "autovacuum_vacuum_scale_factor=0.05"
    before, now = churning(300, options=options, **BIG)
    one = facts([*before, use()], [*now, use()], version=150000)
    assert "autovacuum.late" not in found(one)
    assert only(one).proposal.word == "within 2×"


def test_append_only_on_13() -> None:
    before, now = churning(
        0, 2000, reltuples=5e8, relpages=8_000_000, n_live_tup=500_000_000
    )  # fmt: skip
    finding = found(facts([*before, use()], [*now, use()], version=130000))
    remedy = finding["autovacuum.insert_late"].remedy
    assert remedy is not None
    assert remedy.sql == (
        "ALTER TABLE public.t20001 SET (autovacuum_vacuum_insert_scale_factor = 0.05,"
        " autovacuum_freeze_min_age = 0);",
    )


def test_append_only_on_18_scales_by_itself() -> None:
    before, now = churning(
        0, 2000, reltuples=5e8, relpages=8_000_000, relallfrozen=7_900_000, n_live_tup=500_000_000
    )
    assert not found(facts([*before, use()], [*now, use()]))


def test_a_queue_is_bound_by_the_naptime() -> None:
    before, now = churning(2500, reltuples=5000.0, relpages=10_000, n_live_tup=5000)
    one = facts([*before, use()], [*now, use()])
    assert only(one).proposal.word == "naptime-bound"
    finding = found(one)["autovacuum.naptime_bound"]
    assert finding.remedy is not None
    assert finding.remedy.sql[0] == "ALTER SYSTEM SET autovacuum_naptime = '10s';"
    assert set(found(one)) == {"autovacuum.naptime_bound"}


def test_a_small_table_is_small_before_it_is_naptime_bound() -> None:
    """pgbench_branches: 10 rows, a few pages, thousands of dead rows."""
    before, now = churning(2500, reltuples=10.0, relpages=40, n_live_tup=10, n_dead_tup=4000)
    one = facts([*before, use()], [*now, use()])
    assert only(one).proposal.word == "small"
    assert not found(one)


def test_a_young_server_gets_a_draft_and_no_finding() -> None:
    before, now = churning(300, **BIG)
    young = counters(stats_reset=NOW - 3600)
    one = facts([*before, use(), young], [*now, use(), young], version=150000)
    assert only(one).word == "draft"
    assert only(one).proposal.sets == {"autovacuum_vacuum_scale_factor": "0.05"}
    verdict = judge(one, RULES)
    assert not verdict.findings
    assert "a day of them" in verdict.needs_time["autovacuum.late"]


def test_a_burst_gets_nothing_lasting() -> None:
    before, now = churning(300, **BIG)
    slow = [t._replace(n_tup_upd=1_000_000) for t in before]
    fast = [t._replace(n_tup_upd=1_000_000 + 18_000 * 20) for t in now]
    one = facts([*slow, use()], [*fast, use()])
    assert only(one).proposal.word == "burst"
    assert not only(one).proposal.changes


def test_the_first_load_is_no_insert_rate() -> None:
    """A million rows loaded ten days ago and nothing since."""
    loaded = [table(20001, n_tup_ins=40_000_000, reltuples=4e7, relpages=600_000,
                    n_live_tup=40_000_000), use()]  # fmt: skip
    assert not found(facts(loaded, loaded))


QUEUE = {
    "relpages": 1500, "reltuples": 8000.0, "n_live_tup": 8000,
    "options": "autovacuum_vacuum_threshold=400000\x1fautovacuum_vacuum_scale_factor=0.8",
}  # fmt: skip


def test_own_options_that_let_more_dead_rows_gather_than_rows() -> None:
    """A queue somebody switched off by way of its threshold; proved on a server a minute old."""
    rows = [table(n_dead_tup=72_000, **QUEUE), use(), counters(stats_reset=NOW - 60)]
    finding = found(facts(rows))["autovacuum.late"]
    assert finding.confidence == "proved"
    assert finding.remedy is not None
    assert finding.remedy.sql == (
        "ALTER TABLE public.t20001 RESET (autovacuum_vacuum_threshold,"
        " autovacuum_vacuum_scale_factor);",
    )
    assert finding.remedy.undo == (
        "ALTER TABLE public.t20001 SET (autovacuum_vacuum_threshold = 400000,"
        " autovacuum_vacuum_scale_factor = 0.8);",
    )


@pytest.mark.parametrize(
    "fields",
    [{"n_dead_tup": 7000}, {"n_dead_tup": 72_000, "options": None},
     {"n_dead_tup": 72_000, "options": "autovacuum_vacuum_threshold=500"}],
)  # fmt: skip
def test_own_options_that_did_no_harm(fields: dict[str, Any]) -> None:
    rows = [table(**{**QUEUE, **fields}), use(), counters(stats_reset=NOW - 60)]
    assert "autovacuum.late" not in found(facts(rows))


def test_hot_updates_are_pruned_and_do_not_count() -> None:
    before, now = churning(300, **BIG)
    hot = use(n_tup_hot_upd=before[0].n_tup_upd)
    assert "autovacuum.late" not in found(facts([*before, hot], [*now, hot]))


def test_a_calm_table_is_left_alone() -> None:
    before, now = churning(1, **BIG)
    one = facts([*before, use()], [*now, use()], version=150000)
    assert only(one).proposal.word == "calm"


def test_too_slow_gets_a_budget_of_its_own() -> None:
    before, now = churning(20_000, **BIG)
    indexes = IndexPages(20001, 6, 6_000_000, 1)
    one = facts([*before, use(), indexes], [*now, use(), indexes], version=150000)
    assert "autovacuum_vacuum_cost_limit" in only(one).proposal.sets
    assert {"autovacuum.slow"} <= found(one).keys()


# -- gates ---------------------------------------------------------------------------------------


def test_a_standby_gets_no_advice() -> None:
    replica = server(in_recovery=True)
    before, now = churning(300, **BIG)
    one = facts([*before, use(), replica], [*now, use(), replica], autovacuum="off")
    assert only(one).word == "standby"
    assert not found(one)


def test_off_for_the_whole_server() -> None:
    before, now = churning(300, **BIG)
    one = facts([*before, use()], [*now, use()], autovacuum="off")
    assert only(one).word == "off"
    assert found(one).keys() == {"autovacuum.off"}
    assert found(one)["autovacuum.off"].severity == "critical"


@pytest.mark.parametrize("spelled", ["off", "no", "0", "false"])
def test_disabled_for_one_table_whatever_the_spelling(spelled: str) -> None:
    options = f"fillfactor=70\x1fautovacuum_enabled={spelled}"
    one = facts([table(options=options)], [table(options=options)])
    finding = found(one)["autovacuum.disabled"]
    assert finding.remedy is not None
    assert finding.remedy.sql == ("ALTER TABLE public.t20001 RESET (autovacuum_enabled);",)
    value = spelled if not spelled.startswith("n") else "'no'"
    assert finding.remedy.undo == (
        f"ALTER TABLE public.t20001 SET (autovacuum_enabled = {value});",
    )


def test_names_of_other_options_are_not_taken_for_it() -> None:
    options = "autovacuum_vacuum_insert_threshold=0\x1flog_autovacuum_min_duration=0"
    assert "autovacuum.disabled" not in found(facts([table(options=options)]))


def test_a_held_horizon_gets_no_override() -> None:
    stuck = table(n_dead_tup=1_300_000, autovacuum_count=12)
    rows = [stuck, use(last_autovacuum=NOW - 30), holder(held_s=10_800.0)]
    one = facts(rows, rows)
    assert only(one).word == "blocked"
    assert not only(one).proposal.changes
    findings = found(one)
    assert findings.keys() == {"autovacuum.horizon_held"}
    finding = findings["autovacuum.horizon_held"]
    assert finding.subject.name == f"4242@{STARTED:.0f}"
    assert finding.remedy is None
    assert "pg_terminate_backend(4242)" in str(finding.no_remedy)
    assert finding.severity == "warning"


def test_a_holder_that_waits_itself_is_not_the_one_to_end() -> None:
    stuck = table(n_dead_tup=1_300_000, autovacuum_count=12)
    rows = [stuck, use(last_autovacuum=NOW - 30), holder(held_s=10_800.0, waits=True)]
    finding = found(facts(rows, rows))["autovacuum.horizon_held"]
    assert "itself waiting for a lock" in finding.title
    assert "pg_terminate_backend" not in str(finding.no_remedy)
    assert "not this" in str(finding.no_remedy)


@pytest.mark.parametrize("scope", ["elsewhere", "catalogs"])
def test_holders_of_other_things_are_not_accused(scope: str) -> None:
    stuck = table(n_dead_tup=1_300_000, autovacuum_count=12)
    rows = [stuck, use(last_autovacuum=NOW - 30), holder(scope=scope)]
    assert "autovacuum.horizon_held" not in found(facts(rows, rows))


def test_a_holder_is_not_blamed_before_a_vacuum_was_in_vain() -> None:
    stuck = table(n_dead_tup=1_300_000)
    rows = [stuck, use(last_autovacuum=NOW - 86_400), holder(held_s=600.0)]
    assert "autovacuum.horizon_held" not in found(facts(rows, rows))


def test_a_slot_is_blamed_after_two_runs_in_vain() -> None:
    slot = holder(kind="slot", name="copy", held_s=None, scope="cluster", state="inactive")
    samples = [
        [table(n_dead_tup=1_300_000, autovacuum_count=12 + n), use(), slot] for n in range(3)
    ]
    assert "autovacuum.horizon_held" not in found(facts(*samples[:2]))
    finding = found(facts(*samples))["autovacuum.horizon_held"]
    assert (finding.subject.kind, finding.subject.name) == ("slot", "copy")


def block(**fields: Any) -> VacuumBlock:
    defaults: dict[str, Any] = {
        "relid": 20001, "pid": 99, "mode": "ShareUpdateExclusiveLock", "granted": True,
        "role": "deploy", "application": "", "state": "idle in transaction", "query": "",
        "xact_s": 1200.0, "backend_start": STARTED, "vacuum": False,
    }  # fmt: skip
    return VacuumBlock(**{**defaults, **fields})


def test_locks_that_keep_autovacuum_away() -> None:
    due = table(n_dead_tup=300_000)
    rows = [due, use(), block()]
    assert "pid 99 holds ShareUpdateExclusive" in found(facts(rows))["autovacuum.lock_starved"].why
    young = [due, use(), block(xact_s=5.0)]
    assert "autovacuum.lock_starved" not in found(facts(young))
    vacuum = [due, use(), block(vacuum=True)]
    assert "autovacuum.lock_starved" not in found(facts(vacuum))


def test_due_for_ten_naptimes_and_nobody_came() -> None:
    due = [table(n_dead_tup=300_000), use()]
    assert "autovacuum.lock_starved" not in found(facts(*[due] * 9))
    assert "autovacuum.lock_starved" in found(facts(*[due] * 12))
    busy = [*due, *(run(pid=n, relid=None, phase=None) for n in range(3))]
    assert "autovacuum.lock_starved" not in found(facts(*[busy] * 12))


def test_a_pinned_page() -> None:
    pin = PinWait(77, 20001, 55, "web", "idle in transaction", "fetch", 900.0, 300.0)
    assert "pid 55" in found(facts([table(), pin]))["autovacuum.pin_blocked"].why
    short = pin._replace(xact_s=3.0)
    assert not found(facts([table(), short]))


def test_lost_counters() -> None:
    blind = [
        table(20001 + n, n_live_tup=0, n_tup_ins=0, autovacuum_count=0, autoanalyze_count=0)
        for n in range(4)
    ]
    rows = [*blind, counters(stats_reset=None), server(started_at=NOW - 720)]
    finding = found(facts(rows))["autovacuum.counters_lost"]
    assert finding.remedy is not None
    assert finding.remedy.sql[0].startswith("ANALYZE public.t20001, ")
    assert only(facts(rows)).word == "no stats"


# -- TOAST, partitions, fillfactor -------------------------------------------------------------


def test_a_toast_table_is_changed_through_its_table() -> None:
    main = table(20001, reltoastrelid=20002, options="autovacuum_vacuum_cost_limit=400")
    before, now = churning(300, **BIG)
    toast: dict[str, Any] = {"relid": 20002, "relkind": "t", "ident": "pg_toast.pg_toast_20001"}
    one = facts(
        [main, before[0]._replace(**toast), use(20002)],
        [main, now[0]._replace(**toast), use(20002)],
        version=150000,
    )
    finding = found(one)["autovacuum.late"]
    assert finding.subject.of == "toast"
    assert finding.remedy is not None
    assert finding.remedy.sql == (
        "ALTER TABLE public.t20001 SET (toast.autovacuum_vacuum_cost_limit = 400,"
        " toast.autovacuum_vacuum_scale_factor = 0.05);",
    )
    assert finding.remedy.undo == (
        "ALTER TABLE public.t20001 RESET (toast.autovacuum_vacuum_cost_limit,"
        " toast.autovacuum_vacuum_scale_factor);",
    )


@pytest.mark.parametrize(
    ("version", "sql"),
    [(170000, "ANALYZE public.parent;"), (180000, "ANALYZE ONLY public.parent;")],
)
def test_a_parent_that_nobody_analysed(version: int, sql: str) -> None:
    parent = table(20009, relname="parent", relkind="p", reltuples=-1.0, relpages=-1)
    leaf = table(20001, relispartition=True)
    rows = [parent, leaf, Partition(20001, 20009), ParentStatistics(20009, False)]
    finding = found(facts(rows, version=version))["partition.parent_not_analyzed"]
    assert finding.remedy is not None
    assert finding.remedy.sql == (sql,)
    hidden = [parent, leaf, Partition(20001, 20009), ParentStatistics(20009, None)]
    assert "partition.parent_not_analyzed" not in found(facts(hidden, version=version))


def test_a_partitioned_table_takes_no_option() -> None:
    """ALTER TABLE would say "unrecognized parameter": its leaves take them."""
    parent = table(20001, relkind="p", n_dead_tup=10**9, reltuples=1e9)
    assert only(facts([parent], [parent])).proposal.word == "partitioned"
    assert not only(facts([parent], [parent])).proposal.sets


def test_full_pages_want_a_fillfactor() -> None:
    before = use(n_tup_upd=1000, n_tup_hot_upd=500, n_tup_newpage_upd=0)
    now = use(n_tup_upd=21_000, n_tup_hot_upd=2_500, n_tup_newpage_upd=12_000)
    finding = found(facts([table(), before], [table(), now]))["table.fillfactor"]
    assert finding.remedy is not None
    assert finding.remedy.sql == ("ALTER TABLE public.t20001 SET (fillfactor = 80);",)
    assert finding.remedy.undo == ("ALTER TABLE public.t20001 RESET (fillfactor);",)
    indexed = now._replace(n_tup_newpage_upd=100)  # not HOT, but there was room: an indexed column
    assert "table.fillfactor" not in found(facts([table(), before], [table(), indexed]))


# -- wraparound ------------------------------------------------------------------------------------


def aged(xid: int, *, per_s: int = 0, mxid: int = 1) -> Facts:
    database = DatabaseAge(5, "shop", True, True, xid, mxid)
    old = table(xid_age=xid, mxid_age=mxid)
    return facts([old, database, XidClock(1000)], [old, database, XidClock(1000 + per_s * 60)])


@pytest.mark.parametrize(
    ("age", "per_s", "severity"),
    [
        (150_000_000, 1000, None), (210_000_000, 1000, None), (900_000_000, 1000, "warning"),
        (1_650_000_000, 1, "critical"), (1_000_000_000, 20_000, "critical"),
    ],
)  # fmt: skip
def test_severity_by_the_way_that_is_left(age: int, per_s: int, severity: str | None) -> None:
    finding = found(aged(age, per_s=per_s)).get("wraparound.xid")
    assert (finding.severity if finding else None) == severity


def test_past_forced_and_no_vacuum_for_ten_naptimes() -> None:
    old = [table(xid_age=210_000_000), DatabaseAge(5, "shop", True, True, 210_000_000, 1)]
    assert found(facts(*[old] * 12))["wraparound.xid"].severity == "notice"
    young = [table(xid_age=150_000_000), DatabaseAge(5, "shop", True, True, 150_000_000, 1)]
    assert "wraparound.xid" not in found(facts(*[young] * 12))
    working = [*old, run(query="autovacuum: VACUUM t (to prevent wraparound)")]
    assert "wraparound.xid" not in found(facts(*[working] * 12))


def test_manual_freeze_only_throttled() -> None:
    remedy = found(aged(900_000_000, per_s=10))["wraparound.xid"].remedy
    assert remedy is not None
    assert remedy.sql == (
        "SET vacuum_cost_delay = '2ms';",
        "VACUUM (FREEZE) public.t20001;",
        "RESET vacuum_cost_delay;",
    )
    assert not remedy.transactional


def test_multixacts_too() -> None:
    assert found(aged(1000, mxid=1_700_000_000)).keys() == {"wraparound.mxid"}


def test_switched_off_the_forced_vacuum_still_comes() -> None:
    rows = [table(xid_age=199_000_000, n_dead_tup=900_000), XidClock(1000)]
    later = [table(xid_age=199_000_000, n_dead_tup=900_000), XidClock(61_000)]
    one = only(facts(rows, later, autovacuum="off"))
    assert (one.seen.next_by, one.seen.next_s) == ("freeze", 1000)
    forced = only(facts([table(xid_age=200_000_001)], autovacuum="off"))
    assert (forced.word, forced.seen.next_s) == ("wraparound", 0)


def test_temporary_tables_of_others_are_no_business_of_autovacuum() -> None:
    theirs = table(20007, relpersistence="t", n_dead_tup=10**7)
    one = facts([table(), theirs], [table(), theirs])
    assert 20007 not in state_of(one).pressures
    assert not found(one)


def test_a_leaf_is_told_that_new_partitions_start_without() -> None:
    before, now = churning(300, relispartition=True, **BIG)
    finding = found(facts([*before, use()], [*now, use()], version=150000))["autovacuum.late"]
    assert finding.remedy is not None
    assert "new partitions do not get them" in str(finding.remedy.caution)


# -- nothing wrong -----------------------------------------------------------------------------


def test_a_healthy_server_has_no_finding() -> None:
    quiet = [table(20001 + n, relname=f"t{n}") for n in range(20)]
    one = facts([*quiet, *(use(20001 + n) for n in range(20))], [*quiet])
    verdict = judge(one, RULES)
    assert not verdict.findings
    assert len(verdict.judged) >= len(RULES) - 1


# -- settings of the server --------------------------------------------------------------------


def test_memory_that_holds_too_few_dead_rows_is_proposed_up_to_16_alone() -> None:
    before, now = churning(300, **BIG)
    pages = IndexPages(20001, 3, 900_000, 0)
    said = [
        finding
        for finding in judge(
            facts([*before, use(), pages], [*now, use(), pages], version=160000), RULES
        ).findings
        if finding.subject.name == "autovacuum_work_mem"
    ]
    (finding,) = said
    assert finding.rule == "autovacuum.slow"
    assert "4 passes over its indexes, 1 with 256 MB" in finding.why
    assert finding.remedy is not None
    assert finding.remedy.sql[0] == "ALTER SYSTEM SET autovacuum_work_mem = '256MB';"
    assert "768 MB in all" in str(finding.remedy.caution)
    later = facts([*before, use(), pages], [*now, use(), pages], version=170000)
    assert all(f.subject.name != "autovacuum_work_mem" for f in judge(later, RULES).findings)


@pytest.mark.parametrize(("version", "restart"), [(160000, True), (180004, False)])
def test_more_workers_only_where_the_budget_is_not_the_limit(version: int, restart: bool) -> None:
    due = table(20001, n_dead_tup=300_000)
    busy = [due, *(run(pid=n, relid=30000 + n) for n in range(3))]
    said = found(facts(*[busy] * 12, version=version))["autovacuum.cannot_keep_up"]
    assert said.subject.name == "autovacuum_max_workers"
    assert said.remedy is not None
    assert said.remedy.sql[0] == "ALTER SYSTEM SET autovacuum_max_workers = '6';"
    assert ("RESTART" in str(said.remedy.caution)) is restart
    assert (len(said.remedy.sql) == 1) is restart
    elsewhere = [due, *(run(pid=n, relid=None, same_database=False) for n in range(3))]
    assert "autovacuum.cannot_keep_up" not in found(facts(*[elsewhere] * 12, version=version))
    idle = [due, run(pid=1, relid=30001)]
    assert "autovacuum.cannot_keep_up" not in found(facts(*[idle] * 12, version=version))


# -- a great many tables -----------------------------------------------------------------------


def test_thousands_of_big_tables_are_judged_in_slices() -> None:
    before = [table(20001 + n, relname=f"t{n}") for n in range(2000)]
    now = [one._replace(n_tup_upd=600, n_dead_tup=600) for one in before]
    state = state_of(facts([*before], [*now]))
    slices = 1
    while not prepared(state):
        slices += 1
    assert slices > 3
    assert len(judged(state)) == 2000
    share = utilisation(state)
    assert share is not None
    assert share > 0


def test_the_judge_stops_between_slices() -> None:
    before = [table(20001 + n, relname=f"t{n}") for n in range(1000)]
    now = [one._replace(n_tup_upd=600, n_dead_tup=600) for one in before]
    stops = list(Judge(AUTOVACUUM_RULES).steps(facts([*before], [*now])))
    assert len(stops) > len(AUTOVACUUM_RULES)
