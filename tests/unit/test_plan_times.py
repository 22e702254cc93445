# ruff: noqa: E501
"""The arithmetic of plans, on every analysed plan of the corpus and on small ones by hand."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pgtop.analysis.plan.estimates import estimates
from pgtop.analysis.plan.lazy import SLOP_MS
from pgtop.analysis.plan.parse import parse
from pgtop.analysis.plan.times import blocks, measure
from pgtop.analysis.plan.words import NODE_TYPES
from pgtop.model.plan import Plan, PlanError
from pgtop.report.plan import json_parts, markdown_lines, text_lines
from pgtop.report.plan_view import PlanView
from tests.unit.plan_corpus import corpus, named


def _analysed() -> Iterator[tuple[str, Plan]]:
    for name in named(".json", ".text", ".yaml", ".xml", ".pair.txt"):
        try:
            plans = parse(corpus()[name])
        except PlanError:
            continue
        yield from ((name, plan) for plan in plans if plan.timed)


def test_own_times_add_up_to_the_root_on_every_plan() -> None:
    checked = 0
    for name, plan in _analysed():
        metrics = measure(plan)
        own = [node.self_ms for node in metrics.nodes if node.self_ms is not None]
        walls = [node.wall_ms for node in metrics.nodes if node.wall_ms is not None]
        errors = sum(node.uncertain_ms or 0 for node in metrics.nodes)
        assert min(own) >= 0, name
        assert metrics.unplaced_ms <= 0.05, name
        total = walls[0] + metrics.after_root_ms
        # Members of a Parallel Append run at the same time: their sum may exceed it.
        overlap = 0.02 if "par_append" in name or "parallel_append" in name else 0.01
        assert sum(own) == pytest.approx(
            total, abs=errors + SLOP_MS * len(plan.nodes) + overlap * total
        ), name
        checked += 1
    assert checked > 2_200


def test_own_blocks_add_up_to_the_root_on_every_plan() -> None:
    checked = 0
    for name, plan in _analysed():
        if not plan.buffered or "x_cte_dml" in name:  # that one's run after the root
            continue
        metrics = measure(plan)
        total = blocks({key: plan.root.figure(key) or 0.0 for key in plan.root.raw})
        assert sum(blocks(node.own) for node in metrics.nodes) == total, name
        checked += 1
    assert checked > 2_000


def _plan(root: dict[str, Any], **beside: Any) -> Plan:
    (plan,) = parse(json.dumps([{"Plan": root, **beside}]))
    return plan


def _node(
    node_type: str, ms: float, *plans: dict[str, Any], loops: int = 1, rows: float = 1, **raw: Any
) -> dict[str, Any]:
    return {
        "Node Type": node_type,
        "Actual Total Time": ms,
        "Actual Loops": loops,
        "Actual Rows": rows,
        "Plans": list(plans),
        **{key.replace("_", " "): value for key, value in raw.items()},
    }


def test_loops_are_multiplied_and_divided_among_processes() -> None:
    scan = _node("Seq Scan", 30.0, loops=3, Parent_Relationship="Outer")
    metrics = measure(_plan(_node("Gather", 35.0, scan, Workers_Launched=2)))
    assert metrics.nodes[1].processes == 3
    assert metrics.nodes[1].wall_ms == 30.0
    assert metrics.nodes[0].self_ms == 5.0
    inner = _node("Index Scan", 0.05, loops=20_000, Parent_Relationship="Inner")
    metrics = measure(_plan(_node("Nested Loop", 1_100.0, inner)))
    assert metrics.nodes[1].wall_ms == pytest.approx(1_000.0)
    assert metrics.nodes[1].uncertain_ms == pytest.approx(10.0)


def test_a_leader_that_does_not_take_part_is_not_counted() -> None:
    scan = _node("Seq Scan", 30.0, loops=2, Parent_Relationship="Outer")
    metrics = measure(_plan(_node("Gather", 32.0, scan, Workers_Launched=2)))
    assert metrics.nodes[1].processes == 2
    assert metrics.nodes[1].wall_ms == 30.0


def test_an_init_plan_below_a_gather_is_paid_by_the_gather() -> None:
    init = _node(
        "Aggregate", 40.0, Parent_Relationship="InitPlan", Subplan_Name="InitPlan 1 (returns $0)"
    )
    scan = _node("Seq Scan", 10.0, loops=3, Parent_Relationship="Outer", Filter="(a > $0)")
    plan = _plan(
        _node("Limit", 56.0, init, _node("Gather", 55.0, scan, Parent_Relationship="Outer"))
    )
    metrics = measure(plan)
    gather = next(node.number for node in plan.nodes if node.node_type == "Gather")
    assert metrics.nodes[1].payers == (gather,)
    assert metrics.nodes[gather].self_ms == pytest.approx(5.0)


def test_init_plan_10_is_not_init_plan_1() -> None:
    inits = [
        _node("Result", 5.0 * n, Parent_Relationship="InitPlan", Subplan_Name=f"InitPlan {n}")
        for n in (1, 10)
    ]
    scan = _node("Seq Scan", 60.0, Parent_Relationship="Outer", Filter="(a = (InitPlan 10).col1)")
    other = _node("Seq Scan", 20.0, Parent_Relationship="Inner", Filter="(b = (InitPlan 1).col1)")
    plan = _plan(_node("Nested Loop", 90.0, *inits, scan, other))
    metrics = measure(plan)
    numbers = {node.text("Filter") or "": node.number for node in plan.nodes}
    assert metrics.nodes[2].payers == (numbers["(a = (InitPlan 10).col1)"],)
    assert metrics.nodes[1].payers == (numbers["(b = (InitPlan 1).col1)"],)


def test_a_modifying_cte_runs_after_the_root() -> None:
    modify = _node(
        "ModifyTable",
        272.0,
        Parent_Relationship="InitPlan",
        Subplan_Name="CTE d",
        Operation="Update",
    )
    metrics = measure(_plan(_node("Aggregate", 0.01, modify), **{"Execution Time": 272.1}))
    assert metrics.after_root_ms == pytest.approx(272.0, abs=0.01)
    assert metrics.base_ms == pytest.approx(272.1)
    share = metrics.share(1)
    assert share is not None
    assert share <= 1


def test_triggers_and_serialisation_are_accounted_for() -> None:
    metrics = measure(
        _plan(
            _node("ModifyTable", 10.0),
            **{
                "Execution Time": 100.0,
                "Triggers": [{"Constraint Name": "fk", "Time": 50.0, "Calls": 5}],
                "Serialization": {"Time": 15.0},
            },
        )
    )
    assert metrics.trigger_ms == 50.0
    assert metrics.serialization_ms == 15.0
    assert metrics.unaccounted_ms == pytest.approx(25.0)


def test_a_partial_scan_is_compared_with_the_planners_divisor() -> None:
    scan = _node(
        "Seq Scan", 30.0, loops=3, rows=33_333, Plan_Rows=41_667, Parallel_Aware=True,
        Parent_Relationship="Outer",
    )  # fmt: skip
    plan = _plan(_node("Gather", 35.0, scan, Workers_Planned=2, Plan_Rows=100_000, rows=100_000))
    factor = estimates(plan)[1].factor
    assert factor == pytest.approx(1.0, abs=0.01)  # 41,667 × (2 + 0.4); naive: 2.4


def test_a_scan_below_a_limit_is_no_misestimate() -> None:
    scan = _node("Seq Scan", 1.0, rows=10, Plan_Rows=1_000_000, Parent_Relationship="Outer")
    found = estimates(_plan(_node("Limit", 1.0, scan, Plan_Rows=10, rows=10)))[1]
    assert found.factor is None
    assert "stopped" in found.why_none


def test_zero_rows_per_loop_may_be_rounded() -> None:
    scan = _node("Index Scan", 0.01, loops=1_000, rows=0, Plan_Rows=1, Parent_Relationship="Inner")
    assert estimates(_plan(_node("Nested Loop", 10.0, scan)))[1].factor is None


_NODE_TYPES = st.sampled_from(
    ["Gather", "Limit", "CTE Scan", "ModifyTable", "Aggregate", "Merge Join", "Seq Scan", "Append"]
)
_VALUE = st.one_of(
    st.none(),
    st.integers(-5, 10**20),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=3),
    st.booleans(),
)
_TREE = st.recursive(
    st.fixed_dictionaries({"Node Type": _NODE_TYPES}),
    lambda inner: st.fixed_dictionaries(
        {
            "Node Type": _NODE_TYPES,
            "Plans": st.lists(inner, max_size=3),
            "Actual Loops": _VALUE,
            "Actual Total Time": _VALUE,
            "Actual Rows": _VALUE,
            "Plan Rows": _VALUE,
            "Shared Hit Blocks": _VALUE,
            "Workers Planned": _VALUE,
            "Parent Relationship": st.sampled_from(["Outer", "Inner", "InitPlan", "SubPlan", None]),
            "Subplan Name": st.sampled_from(
                ["CTE x", "InitPlan 1 (returns $0)", "InitPlan 2", None]
            ),
            "CTE Name": st.sampled_from(["x", None]),
            "Filter": st.sampled_from(["$0", "(InitPlan 2).col1", 3]),
        }
    ),
    max_leaves=20,
)


@settings(max_examples=200, deadline=None)
@given(_TREE)
def test_any_tree_is_measured(tree: dict[str, Any]) -> None:
    plan = _plan(tree)
    metrics = measure(plan)
    assert len(metrics.nodes) == len(estimates(plan)) == len(plan.nodes)
    for node in metrics.nodes:
        assert node.self_ms is None or node.self_ms >= 0


def test_five_thousand_nodes_are_measured_at_once() -> None:
    members = [
        _node("Seq Scan", 0.1, loops=1, rows=5, Plan_Rows=5, Parent_Relationship="Member",
              **{"Shared Hit Blocks": 3, "Filter": "(a = $1)"})
        for _ in range(5_000)
    ]  # fmt: skip
    plan = _plan(_node("Append", 600.0, *members, **{"Shared Hit Blocks": 15_000}))
    started = time.process_time()
    measure(plan)
    estimates(plan)
    assert time.process_time() - started < 0.5


_KEYS = st.sampled_from(
    """Rows Removed by Filter|Heap Fetches|Hash Batches|Original Hash Batches|Plan Width|Sort Space Used
    |Sort Space Type|Exact Heap Blocks|Lossy Heap Blocks|Index Searches|Cache Misses|Cache Evictions
    |Storage|Maximum Storage|Shared Read Blocks|Temp Written Blocks|Total Cost|Disabled|Sort Key
    |Workers|Workers Launched|Full-sort Groups|Relation Name|Schema|Index Name|Index Cond|Recheck Cond
    |Join Filter|Strategy|Cache Key|Remote SQL|Operation|Join Type|WAL Records|WAL FPI
    |HashAgg Batches|Disk Usage""".replace("\n    ", "").split("|")
)
_ANY = st.one_of(
    _VALUE,
    st.sampled_from(
        ["Disk", "(lower(a) = 'x'::text)", "((a)::numeric = 3.0)", "(a ~~ '%x%'::text)",
         "((a = 1) OR (b = 2))", "(j @> '{}'::jsonb)", "((", "'", "(a = $1)", "Plain", "NOT (SubPlan 1)"]
    ),
    st.lists(st.one_of(st.text(max_size=3), st.just("a DESC"), st.just({"Sort Space Type": "Disk"})), max_size=2),
    st.dictionaries(st.sampled_from(["Sort Space Disk", "Timing", "Total"]), st.integers(0, 5), max_size=2),
)  # fmt: skip
_BUSY = st.recursive(
    st.tuples(st.sampled_from(sorted({*NODE_TYPES})), st.dictionaries(_KEYS, _ANY, max_size=8)).map(
        lambda made: {"Node Type": made[0], **made[1]}
    ),
    lambda inner: st.builds(
        lambda kind, raw, rows, loops, ms, plans: {
            "Node Type": kind, **raw, "Actual Rows": rows, "Actual Loops": loops,
            "Actual Total Time": ms, "Plan Rows": rows, "Plans": plans,
        },
        st.sampled_from(sorted({*NODE_TYPES})),
        st.dictionaries(_KEYS, _ANY, max_size=8),
        st.sampled_from([0, 1, 1e6, 1e300, "x", None]),
        st.sampled_from([0, 1, 3, 1e5, 1e308, -1, None]),
        st.sampled_from([0, 0.001, 50.0, 1e308, None]),
        st.lists(inner, max_size=3),
    ),
    max_leaves=8,
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(
    _BUSY,
    st.dictionaries(
        st.sampled_from(["Execution Time", "Planning Time", "JIT", "Triggers", "Settings"]),
        _ANY,
        max_size=4,
    ),
)
def test_any_tree_is_judged_and_printed(tree: dict[str, Any], beside: dict[str, Any]) -> None:
    view = PlanView.of(_plan(tree, **beside))
    assert "\n".join(text_lines(view))
    assert "".join(json_parts([view]))
    assert "\n".join(markdown_lines(view))
    for insight in view.insights:
        assert (insight.remedy is None) != (insight.no_remedy is None)
