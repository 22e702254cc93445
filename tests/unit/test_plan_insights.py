# ruff: noqa: E501
"""The findings about plans: on the labelled corpus, and each rule's remedy by hand."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from pgtop.advice.plans import PRECEDENCE, RULES, insights
from pgtop.analysis.plan.conditions import columns, conditions, function_of
from pgtop.analysis.plan.parse import parse
from pgtop.model.insight import (
    ColumnFacts,
    ForeignKeyFacts,
    IndexFacts,
    Insight,
    PlanFacts,
    TableFacts,
)
from pgtop.model.plan import Plan, PlanError
from tests.unit.plan_corpus import corpus, labels, named

VERSIONS = (13, 15, 18)


def _rules(name: str) -> set[str]:
    return {
        insight.rule.removeprefix("plan.").upper()
        for plan in parse(corpus()[name])
        for insight in insights(plan)
    }


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("form", ["json", "v.json", "json.pair.txt"])
def test_the_labelled_findings_are_made_and_no_false_one(version: int, form: str) -> None:
    checked = 0
    for query, label in labels().items():
        name = f"pg{version}/{query}.{form}"
        if version not in label.get("versions", VERSIONS) or name not in corpus():
            continue
        found = _rules(name)
        for must in label.get("must", ()):
            if form.endswith("txt") and must in ("JIT", "TRIGGER"):
                continue  # auto_explain logs no Execution Time to compare them with
            assert must in found, name
            checked += 1
        for must_not in label.get("must_not", ()):
            assert not (found if must_not == "*" else found & {must_not}), name
            checked += 1
    assert checked >= 40


def test_every_finding_of_the_corpus_is_complete() -> None:
    seen = set()
    for name in named(".json", ".text", ".pair.txt"):
        try:
            plans = parse(corpus()[name])
        except PlanError:
            continue
        for plan in plans:
            for insight in insights(plan):
                seen.add(insight.rule)
                assert (insight.remedy is None) != (insight.no_remedy is None), (name, insight)
                assert 0 <= insight.score <= 1, (name, insight)
                assert "None" not in insight.why + insight.title, (name, insight)
                assert insight.path == plan.path(plan.nodes[insight.number])
                for sql in insight.remedy.sql if insight.remedy else ():
                    assert sql.endswith(";"), sql
    assert len(seen) >= 20


def _plan(node: dict[str, Any], **beside: Any) -> Plan:
    (plan,) = parse(json.dumps([{"Plan": node, "Execution Time": 100.0, **beside}]))
    return plan


def _scan(filter_: str, node_type: Any = "Seq Scan", **raw: Any) -> dict[str, Any]:
    return {
        "Node Type": node_type, "Relation Name": "orders", "Schema": "public", "Alias": "o",
        "Filter": filter_, "Actual Total Time": 99.0, "Actual Rows": 10, "Actual Loops": 1,
        "Rows Removed by Filter": 500_000, "Plan Rows": 10, "Plan Width": 50, **raw,
    }  # fmt: skip


def _table(**changes: Any) -> TableFacts:
    columns_ = tuple(
        ColumnFacts(name=name, sql=f'"{name}"' if name == "Odd" else name, type=kind, **more)
        for name, kind, more in (
            ("id", "integer", {}),
            ("user_id", "integer", {"correlation": 0.01}),
            ("status", "text", {"most_common": {"done": 0.97, "pending": 0.01}}),
            ("email", "character varying(80)", {}),
            ("created_at", "timestamp with time zone", {"correlation": 0.99}),
            ("payload", "jsonb", {}),
            ("Odd", "text", {}),
        )
    )
    given: dict[str, Any] = {
        "schema": "public", "name": "orders", "sql": "public.orders", "kind": "r", "rows": 500_010.0,
        "bytes": 60e6, "columns": columns_, "analyzed_s": 3600.0, "modified": 0.0,
        "indexes": (
            IndexFacts(name="orders_pkey", sql="public.orders_pkey", method="btree", keys=("id",),
                       definition="…", unique=True),
        ),
    }  # fmt: skip
    return TableFacts(**{**given, **changes})


def _facts(**changes: Any) -> PlanFacts:
    return PlanFacts(version_num=180_000, tables=(_table(**changes),))


def _one(plan: Plan, rule: str, facts: PlanFacts | None = None) -> Insight:
    (found,) = [insight for insight in insights(plan, facts) if insight.rule == "plan." + rule]
    return found


def _sql(insight: Insight) -> tuple[str, ...]:
    assert insight.remedy is not None, insight
    return insight.remedy.sql


def test_an_index_leads_with_equality_then_range() -> None:
    plan = _plan(_scan("((created_at > '2024-01-01'::date) AND (user_id = $1) AND (id < 9))"))
    assert _sql(_one(plan, "seq_filter", _facts())) == (
        "CREATE INDEX CONCURRENTLY orders_user_id_created_at_idx ON public.orders"
        " (user_id, created_at);",
    )


def test_a_rare_constant_becomes_the_indexs_predicate() -> None:
    plan = _plan(_scan("((status = 'pending'::text) AND (user_id = 3))"))
    assert _sql(_one(plan, "seq_filter", _facts())) == (
        "CREATE INDEX CONCURRENTLY orders_user_id_idx ON public.orders (user_id)"
        " WHERE status = 'pending'::text;",
    )
    common = _plan(_scan("((status = 'done'::text) AND (user_id = 3))"))
    assert "WHERE" not in _sql(_one(common, "seq_filter", _facts()))[0]


def test_one_of_many_rare_values_is_no_predicate() -> None:
    """Each of forty is rare: an index for one serves one caller of forty."""
    even = {str(kind): 0.025 for kind in range(40)}
    kinds = tuple(
        replace(column, most_common=even) if column.name == "status" else column
        for column in _table().columns
    )
    plan = _plan(_scan("((status = '7'::text) AND (user_id = 3))"))
    (sql,) = _sql(_one(plan, "seq_filter", _facts(columns=kinds)))
    assert "(status, user_id)" in sql
    assert "WHERE" not in sql


@pytest.mark.parametrize("alias", ["o", "orders", "O o"])
def test_a_predicate_names_no_alias(alias: str) -> None:
    written = f'"{alias}"' if " " in alias else alias
    plan = _plan(
        _scan(
            f"(({written}.status = 'pending'::text) AND ({written}.email = 'o.x orders.y'::text))",
            Alias=alias,
        )
    )
    (sql,) = _sql(_one(plan, "seq_filter", _facts()))
    assert sql.endswith("(email) WHERE status = 'pending'::text;")


def test_a_literal_in_an_expression_keeps_its_dot() -> None:
    plan = _plan(_scan("(replace(o.email, 'o.x'::text, ''::text) = 'a'::text)", Alias="o"))
    (sql,) = _sql(_one(plan, "func_col", _facts()))
    assert "(replace(email, 'o.x'::text, ''::text))" in sql


def test_an_index_that_exists_is_not_proposed_again() -> None:
    plan = _plan(_scan("(id = 7)"))
    found = _one(plan, "seq_filter", _facts())
    assert found.remedy is None
    assert "orders_pkey already leads" in (found.no_remedy or "")


def test_offline_says_what_was_not_looked_up_and_quotes() -> None:
    plan = _plan(_scan('("Odd" = 7)', **{"Relation Name": "My Orders"}))
    found = _one(plan, "seq_filter")
    assert _sql(found) == (
        'CREATE INDEX CONCURRENTLY "My Orders_Odd_idx" ON public."My Orders" ("Odd");',
    )
    assert "Not looked up" in found.why


def test_limit_below_a_sort_wants_the_order_last() -> None:
    scan = _scan("(user_id = 5)", **{"Actual Rows": 50_000, "Rows Removed by Filter": 0,
                                     "Parent Relationship": "Outer", "Actual Total Time": 60.0})  # fmt: skip
    sort = {
        "Node Type": "Sort", "Sort Key": ["o.created_at DESC"], "Actual Rows": 10, "Actual Loops": 1,
        "Actual Total Time": 98.0, "Parent Relationship": "Outer", "Plans": [scan], "Plan Rows": 5,
    }  # fmt: skip
    limit = {"Node Type": "Limit", "Actual Rows": 10, "Actual Loops": 1, "Actual Total Time": 98.0,
             "Plans": [sort], "Plan Rows": 10}  # fmt: skip
    found = _one(_plan(limit), "limit_sort", _facts())
    assert _sql(found) == (
        "CREATE INDEX CONCURRENTLY orders_user_id_created_at_idx ON public.orders"
        " (user_id, created_at);",
    )


@pytest.mark.parametrize(
    ("filter_", "rule", "sql"),
    [
        (
            "(lower((email)::text) = 'x'::text)", "func_col",
            "CREATE INDEX CONCURRENTLY orders_email_lower_idx ON public.orders"
            " ((lower((email)::text)));",
        ),
        (
            "((email)::text ~~ 'abc%'::text)", "wildcard",
            "CREATE INDEX CONCURRENTLY orders_email_pattern_idx ON public.orders"
            " (email varchar_pattern_ops);",
        ),
        (
            "(status ~~* '%pend%'::text)", "ilike",
            "CREATE INDEX CONCURRENTLY orders_status_trgm_idx ON public.orders USING gin"
            " (status gin_trgm_ops);",
        ),
        (
            "(payload @> '{\"a\": 1}'::jsonb)", "jsonb",
            "CREATE INDEX CONCURRENTLY orders_payload_idx ON public.orders USING gin"
            " (payload jsonb_path_ops);",
        ),
        (
            "((payload ->> 'k'::text) = 'v'::text)", "jsonb",
            "CREATE INDEX CONCURRENTLY orders_payload_k_idx ON public.orders"
            " ((payload ->> 'k'::text));",
        ),
    ],
)  # fmt: skip
def test_conditions_that_need_another_kind_of_index(filter_: str, rule: str, sql: str) -> None:
    assert _sql(_one(_plan(_scan(filter_)), rule, _facts())) == (sql,)


def test_the_closest_cause_is_primary() -> None:
    found = insights(_plan(_scan("(lower(status) = 'x'::text)")), _facts())
    primary = {insight.rule: insight.primary for insight in found}
    assert primary["plan.func_col"]
    assert not primary["plan.seq_filter"]


def test_a_cast_to_text_of_a_varchar_is_no_cast() -> None:
    plan = _plan(_scan("((email)::text = 'x'::text)"))
    assert "plan.cast_col" not in {insight.rule for insight in insights(plan, _facts())}
    numeric = _plan(_scan("((user_id)::numeric = 3.0)"))
    assert "integer" in _one(numeric, "cast_col", _facts()).why


def test_an_or_over_two_columns_gets_two_indexes_and_undo_in_reverse() -> None:
    found = _one(_plan(_scan("((user_id = 1) OR (status = 'x'::text))")), "or_cond", _facts())
    assert found.remedy is not None
    assert len(found.remedy.sql) == 2
    assert found.remedy.undo[0] == "DROP INDEX CONCURRENTLY public.orders_status_idx;"


def test_a_big_table_in_order_gets_a_brin_index() -> None:
    plan = _plan(_scan("(created_at > '2024-01-01'::date)"))
    assert "USING brin (created_at)" in _sql(_one(plan, "brin", _facts(bytes=5e9)))[0]
    assert "plan.brin" not in {i.rule for i in insights(plan, _facts())}


@pytest.mark.parametrize(
    ("changes", "sql"),
    [
        ({"modified": 400_000.0}, ("ANALYZE public.orders;",)),
        ({"analyzed_s": None}, ("ANALYZE public.orders;",)),
        (
            {},
            (
                "CREATE STATISTICS public.orders_user_id_status_stat (dependencies, ndistinct, mcv)"
                " ON user_id, status FROM public.orders;",
                "ALTER STATISTICS public.orders_user_id_status_stat SET STATISTICS 1000;",
                "ANALYZE public.orders;",
            ),
        ),
    ],
)
def test_a_misestimate_gets_analyze_first_then_extended_statistics(
    changes: dict[str, Any], sql: tuple[str, ...]
) -> None:
    scan = _scan("((user_id = 1) AND (status = 'x'::text))", **{"Actual Rows": 50_000})
    assert _sql(_one(_plan(scan), "misest", _facts(**changes))) == sql


def test_one_column_gets_a_longer_histogram() -> None:
    scan = _scan("(user_id = 1)", **{"Actual Rows": 50_000})
    assert _sql(_one(_plan(scan), "misest", _facts())) == (
        "ALTER TABLE public.orders ALTER COLUMN user_id SET STATISTICS 1000;",
        "ANALYZE public.orders;",
    )


def test_a_slow_foreign_key_check_gets_its_index() -> None:
    modify = {"Node Type": "ModifyTable", "Operation": "Delete", "Relation Name": "users",
              "Actual Total Time": 1.0, "Actual Rows": 0, "Actual Loops": 1}  # fmt: skip
    plan = _plan(modify, Triggers=[{"Constraint Name": "fk", "Time": 95.0, "Calls": 10}])
    key = ForeignKeyFacts(name="fk", table=_table(), columns=("user_id",))
    facts = PlanFacts(version_num=180_000, foreign_keys=(key,))
    assert _sql(_one(plan, "fk_index", facts)) == (
        "CREATE INDEX CONCURRENTLY orders_user_id_idx ON public.orders (user_id);",
    )
    assert "not looked up" in (_one(plan, "fk_index").no_remedy or "")


def test_loops_say_how_the_figure_comes_about() -> None:
    inner = _scan("(x = 1)", "Index Scan", **{
        "Actual Total Time": 0.004, "Actual Loops": 20_000, "Actual Rows": 1,
        "Rows Removed by Filter": 0, "Parent Relationship": "Inner",
    })  # fmt: skip
    loop = {"Node Type": "Nested Loop", "Actual Total Time": 95.0, "Actual Rows": 20_000,
            "Actual Loops": 1, "Plans": [inner], "Plan Rows": 20_000}  # fmt: skip
    found = _one(_plan(loop), "loops")
    assert "0.004 ms × 20,000 loops = 80.0 ms ±10.0 ms" in found.title


def test_brin_is_always_lossy() -> None:
    heap = _scan("(a > 1)", "Bitmap Heap Scan", **{
        "Lossy Heap Blocks": 5_000, "Exact Heap Blocks": 0, "Rows Removed by Index Recheck": 10,
        "Plans": [{"Node Type": "Bitmap Index Scan", "Index Name": "b", "Actual Loops": 1,
                   "Actual Rows": 10, "Actual Total Time": 1.0, "Parent Relationship": "Outer"}],
    })  # fmt: skip
    brin = IndexFacts(name="b", sql="public.b", method="brin", keys=("a",), definition="…")
    assert _one(_plan(heap), "lossy", _facts(indexes=(brin,))).remedy is None
    assert "work_mem" in _sql(_one(_plan(heap), "lossy"))[0]


def test_conditions_are_taken_apart() -> None:
    found = conditions("((a.x = 1) AND (lower(t.y) ~~ '%)('::text) AND ((b = 2) OR (c > d)))")
    assert [(c.kind, c.column, c.alias) for c in found] == [
        ("equal", "x", "a"), ("like", "y", "t"), ("or", None, None),
    ]  # fmt: skip
    assert function_of(found[1]) == "lower"
    assert columns(found) == ("x", "y", "b", "c")
    assert conditions("(5 < t.a)")[0].operator == ">"


def test_precedence_names_rules_that_exist() -> None:
    text = " ".join(rule.__doc__ or "" for rule in RULES).lower()
    for name in PRECEDENCE:
        assert name.removeprefix("plan.") in text, name


def test_a_plan_that_was_not_run_shows_what_the_planner_expects() -> None:
    scan = {"Node Type": "Seq Scan", "Relation Name": "orders", "Schema": "public", "Alias": "o",
            "Filter": "(user_id = $1)", "Plan Rows": 100, "Total Cost": 9_000.0}  # fmt: skip
    (plan,) = parse(json.dumps([{"Plan": scan}]))
    found = _one(plan, "seq_filter", _facts())
    assert _sql(found)[0].endswith("(user_id);")
    assert "it was not run" in found.why
    assert insights(plan) == ()  # without the catalogue nobody knows how large the table is
    small = _facts(rows=500.0)
    assert insights(plan, small) == ()


def test_a_join_filter_is_seen_from_the_inner_table() -> None:
    inner = _scan("", **{"Parent Relationship": "Inner", "Actual Loops": 100, "Actual Rows": 500_000,
                         "Actual Total Time": 0.9})  # fmt: skip
    del inner["Filter"]
    loop = {"Node Type": "Nested Loop", "Join Filter": "(c.id = o.user_id)", "Actual Loops": 1,
            "Actual Rows": 5, "Actual Total Time": 99.0, "Plans": [inner]}  # fmt: skip
    found = _one(_plan(loop), "nl_seq_inner", _facts())
    assert _sql(found)[0].endswith("ON public.orders (user_id);")


def test_a_system_catalogue_gets_no_ddl_and_a_quick_plan_no_alarm() -> None:
    def plan(relation: str, ms: float) -> list[Insight]:
        scan = {"Node Type": "Seq Scan", "Relation Name": relation, "Alias": "a",
                "Filter": "(note = 'x'::text)", "Plan Rows": 1, "Actual Rows": 1,
                "Actual Loops": 1, "Actual Total Time": ms, "Actual Startup Time": 0.0,
                "Rows Removed by Filter": 900_000, "Total Cost": 9_000.0}  # fmt: skip
        (read,) = parse(json.dumps([{"Plan": scan, "Execution Time": ms}]))
        return list(insights(read))

    assert any(i.remedy and i.severity == "critical" for i in plan("orders", 900.0))
    quick = plan("orders", 0.45)
    assert quick
    assert {i.severity for i in quick} == {"notice"}
    catalogue = plan("pg_attribute", 900.0)
    assert catalogue
    assert not [i for i in catalogue if i.remedy]
