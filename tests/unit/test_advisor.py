"""The index advisor without a server: statements, wishes, candidates, the search."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgtop.advisor.candidates import candidates, covers, served_by
from pgtop.advisor.own_cost import own_price
from pgtop.advisor.risks import risky, walks
from pgtop.advisor.search import Search, Task, without_columns
from pgtop.advisor.sizes import size_bytes, upkeep_ms_per_s
from pgtop.advisor.wishes import wishes
from pgtop.advisor.workload import as_reading, split, updated_columns, works_of
from pgtop.analysis.plan.parse import parse
from pgtop.model.advice import WorkColumn, WorkIndex, WorkServer, WorkTable
from pgtop.model.cost import CostOf, NewIndex, Priced
from pgtop.model.plan import Plan

SERVER = WorkServer(version_num=180000, settings={}, extensions=frozenset({"pg_trgm"}))


def column(name: str, kind: str = "integer", **changes: Any) -> WorkColumn:
    return replace(
        WorkColumn(
            attnum=1, name=name, sql=name, type=kind, category="N", bytewise=True,
            orderable=True, equal_image=True, null_frac=0.0, avg_width=4.0, n_distinct=1000.0,
            correlation=0.0,
        ),
        **changes,
    )  # fmt: skip


def table(*columns: WorkColumn, **changes: Any) -> WorkTable:
    return replace(
        WorkTable(
            relid=20000, schema="public", name="orders", sql="public.orders", kind="r",
            rows=1_000_000.0, pages=10_000.0, visible_fraction=1.0, columns=columns,
        ),
        **changes,
    )  # fmt: skip


def existing(*keys: str, **changes: Any) -> WorkIndex:
    return replace(
        WorkIndex(
            name="there_idx", sql="public.there_idx", method="btree", keys=keys, include=(),
            predicate=None, valid=True, droppable=True, bytes=8192.0, definition="",
        ),
        **changes,
    )  # fmt: skip


def scan(condition: str | None = None, **more: Any) -> dict[str, Any]:
    node: dict[str, Any] = {
        "Node Type": "Seq Scan", "Relation Name": "orders", "Schema": "public",
        "Alias": "orders", "Startup Cost": 0.0, "Total Cost": 20_000.0, "Plan Rows": 100,
        "Plan Width": 8, "Output": ["id", "customer_id", "created_at"],
    }  # fmt: skip
    return {**node, **({"Filter": condition} if condition else {}), **more}


def plan_of(root: Mapping[str, Any]) -> Plan:
    return parse(json.dumps([{"Plan": root}]))[0]


def proposed(plan: Plan, found: WorkTable, **changes: Any) -> list[str]:
    asked = wishes(plan, {("public", "orders"): found})
    made = candidates(asked, updated={}, extensions=SERVER.extensions, **changes)
    return [new.words for bundle in made.bundles for new in bundle]


ORDERS = table(
    column("id", n_distinct=-1.0), column("customer_id", n_distinct=50_000.0),
    column("status", "text", category="S", bytewise=False, n_distinct=4.0,
           common={"done": 0.97, "open": 0.01}),
    column("created_at", "timestamp with time zone", category="D", n_distinct=-1.0),
    column("body", "jsonb", category="U"),
    column("tags", "text[]", category="A"),
    column("gone", "timestamp with time zone", category="D", null_frac=0.1),
)  # fmt: skip


# -- statements ------------------------------------------------------------------------------


def test_semicolons_in_strings_and_comments_part_no_statements() -> None:
    text = "select ';' ; -- a;b\n select $$;$$ from \"a;b\" /* ; */ ;\n\n;"
    assert split(text) == ("select ';'", '-- a;b\n select $$;$$ from "a;b" /* ; */')


@given(st.text(alphabet="ab;'\"$-/*\n ", max_size=40))
def test_splitting_loses_nothing_but_semicolons(text: str) -> None:
    assert "".join("".join(split(text)).split()) in "".join(text.split()) or ";" in text


def test_statements_are_named_by_file_or_number() -> None:
    assert [w.name for w in works_of("daily", "select 1", alone=True)] == ["daily"]
    assert [w.name for w in works_of("all", "select 1; select 2", alone=False)] == ["q01", "q02"]


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("UPDATE orders SET status = $1, total = total + (1, 2) WHERE id = 3", "status total"),
        ("update only public.orders o set (a, b) = ($1, $2) from x", "a b"),
        ("INSERT INTO orders VALUES (1) ON CONFLICT (id) DO UPDATE SET seen = now()", "seen"),
        ('UPDATE "orders" SET "Odd, name" = 1, tags[2] = 5 RETURNING status', "Odd, name|tags"),
        ("with u as (select 1) update orders set x = f(a, b => 2), y = 'set z = 1'", "x y"),
        ("SELECT 'update orders set a = 1'", ""),
    ],
)
def test_columns_that_an_update_sets(text: str, columns: str) -> None:
    wanted = frozenset(columns.split("|" if "|" in columns else None))
    assert updated_columns([text], [ORDERS]).get(ORDERS.relid, frozenset()) == wanted


@pytest.mark.parametrize(
    ("text", "reading"),
    [
        ("UPDATE orders SET status = $1 WHERE id = $2", "SELECT 1 FROM orders WHERE id = $1"),
        (
            "update a x set n = (select 1 from c where d = $1) from b, (select $2) z"
            " where x.i = b.i returning x.n",
            "SELECT 1 FROM a x, b, (select $1) z where x.i = b.i",
        ),
        ('DELETE FROM "Or ders" USING b WHERE "where" = $3;', None),
        ("DELETE FROM jobs", "SELECT 1 FROM jobs"),
        (
            "SELECT id FROM jobs WHERE s = $1 LIMIT 1 FOR UPDATE OF jobs SKIP LOCKED",
            "SELECT id FROM jobs WHERE s = $1 LIMIT 1 ",
        ),
        ("SELECT 'for update'", None),
        ("INSERT INTO a VALUES (1)", None),
    ],
)
def test_the_rows_that_a_write_looks_for(text: str, reading: str | None) -> None:
    if "Or ders" in text:
        assert as_reading(text.rstrip(";")) == 'SELECT 1 FROM "Or ders", b WHERE "where" = $1'
    else:
        assert as_reading(text) == reading


# -- what a plan asks for ------------------------------------------------------------------------


def test_equality_comes_before_the_order_and_before_a_range() -> None:
    plan = plan_of({
        "Node Type": "Limit", "Total Cost": 1.0, "Plan Rows": 10, "Plans": [
            {"Node Type": "Sort", "Sort Key": ["orders.created_at DESC"], "Total Cost": 1.0,
             "Parent Relationship": "Outer", "Plans": [
                scan("((orders.id > 5) AND (orders.customer_id = 7))",
                     **{"Parent Relationship": "Outer"})]}],
    })  # fmt: skip
    made = proposed(plan, ORDERS)
    assert made[0] == "(customer_id, created_at)"
    assert "(customer_id, id)" in made
    assert made.index("(customer_id, created_at)") < made.index("(customer_id)")


def test_mixed_directions_are_kept_and_a_full_reverse_is_not() -> None:
    def sorted_by(*keys: str) -> Plan:
        return plan_of({
            "Node Type": "Sort", "Sort Key": list(keys), "Total Cost": 9.0,
            "Plans": [scan(**{"Parent Relationship": "Outer"})],
        })  # fmt: skip

    mixed = proposed(sorted_by("orders.customer_id DESC", "orders.id"), ORDERS)
    assert mixed[0] == "(customer_id DESC, id)"
    assert proposed(sorted_by("orders.customer_id DESC", "orders.id DESC"), ORDERS)[0] == (
        "(customer_id, id)"
    )


def test_a_rare_state_makes_a_partial_index_and_a_value_among_many_does_not() -> None:
    rare = proposed(plan_of(scan("((orders.status = 'open'::text) AND (orders.id > 5))")), ORDERS)
    assert "(id) WHERE status = 'open'::text" in rare
    made = proposed(plan_of(scan("((orders.customer_id = 7) AND (orders.id > 5))")), ORDERS)
    assert not [words for words in made if "WHERE" in words]


def test_containers_patterns_and_expressions_get_their_own_kind() -> None:
    def first(condition: str) -> str:
        return proposed(plan_of(scan(condition)), ORDERS)[0]

    assert first("(orders.body @> '{\"a\": 1}'::jsonb)") == "USING gin (body jsonb_path_ops)"
    assert first("(orders.body ? 'a'::text)") == "USING gin (body)"
    assert first("(orders.tags @> '{a}'::text[])") == "USING gin (tags)"
    assert first("(orders.status ~~ '%bcd%'::text)") == "USING gin (status gin_trgm_ops)"
    assert first("(orders.status ~~ 'bcd%'::text)") == "(status text_pattern_ops)"
    assert first("(lower(orders.status) = 'x'::text)") == "((lower(status)))"


def test_a_cast_column_and_an_array_on_the_right_are_rewritten_not_indexed() -> None:
    asked = wishes(
        plan_of(scan("(((orders.id)::numeric = 1.5) AND ('x'::text = ANY (orders.tags)))")),
        {("public", "orders"): ORDERS},
    )
    made = candidates(asked, updated={}, extensions=frozenset())
    assert not made.bundles
    assert "cast the other side" in made.said[0]
    assert "@> ARRAY" in made.said[1]


def test_nothing_for_small_tables_catalogues_and_row_security() -> None:
    plan = plan_of(scan("(orders.customer_id = 7)"))
    assert not proposed(plan, replace(ORDERS, rows=300.0, pages=4.0))
    assert not proposed(plan, replace(ORDERS, relid=1259))
    assert not proposed(plan, replace(ORDERS, policies=True))
    served = proposed(plan, replace(ORDERS, indexes=(existing("customer_id", "id"),)))
    assert "(customer_id)" not in served
    assert proposed(plan, replace(ORDERS, indexes=(existing("customer_id", valid=False),)))


def test_an_existing_index_serves_a_shorter_one_of_the_same_rows_only() -> None:
    new = NewIndex(20000, ("customer_id",))
    assert served_by(replace(ORDERS, indexes=(existing("customer_id", "id"),)), new)
    part = existing("customer_id", predicate="(status = 'open'::text)")
    assert served_by(replace(ORDERS, indexes=(part,)), new) is None
    assert covers(NewIndex(20000, ("customer_id", "id")), existing("customer_id"))
    assert not covers(NewIndex(20000, ("customer_id DESC", "id")), existing("customer_id"))


# -- the search -------------------------------------------------------------------------------

A, AB, ABC = (NewIndex(1, keys) for keys in (("a",), ("a", "b"), ("a", "b", "c")))
B = NewIndex(2, ("b",))
"""On another table."""


def searched(
    costs: Sequence[Mapping[frozenset[NewIndex], float]], *, max_bytes: float | None = None,
    data_bytes: float = 1e9, upkeep: float = 0.0, limit: int = 10_000,
    risky: frozenset[NewIndex] = frozenset(), small: NewIndex | None = None,
) -> tuple[Search, int]:  # fmt: skip
    """A search over statements whose cost is the least of all sets that are there."""
    every = sorted({i for each in costs for s in each for i in s}, key=lambda i: i.keys)
    tasks = [
        Task(Priced(each[frozenset()]), frozenset({1, 2}),
             tuple(frozenset({index}) for index in every), 1.0)
        for each in costs
    ]  # fmt: skip
    search = Search(
        tasks,
        lambda index: 8192.0 if index == small else 1e6 * len(index.keys),
        lambda index: upkeep,
        max_bytes=max_bytes,
        data_bytes=data_bytes,
    )
    questions, asked = search.steps(), 0

    def answer(question: CostOf) -> Priced:
        fits = {s: c for s, c in costs[question.statement].items() if s <= question.indexes}
        best = min(fits, key=lambda s: fits[s])
        return Priced(fits[best], used=best, risky=best & risky)

    try:
        question = next(questions)
        while asked < limit:
            asked += 1
            question = questions.send(answer(question))
        questions.close()
        search.settle()
    except StopIteration:
        pass
    return search, asked


NONE: frozenset[NewIndex] = frozenset()


def of(*indexes: NewIndex) -> frozenset[NewIndex]:
    return frozenset(indexes)


def test_a_wider_index_takes_the_place_of_a_narrow_one() -> None:
    search, _ = searched([{NONE: 1000.0, of(A): 100.0, of(AB): 10.0, of(ABC): 9.9}])
    assert search.chosen == {AB}
    assert search.complete


def test_within_a_limit_the_wider_one_replaces_the_narrow_one() -> None:
    costs = [{NONE: 1000.0, of(A): 100.0, of(AB): 10.0}]
    assert searched(costs, max_bytes=2.5e6)[0].chosen == {AB}
    assert searched(costs, max_bytes=1.5e6)[0].chosen == {A}


def test_two_statements_share_one_index() -> None:
    search, _ = searched([
        {NONE: 1000.0, of(A): 10.0, of(AB): 10.1},
        {NONE: 1000.0, of(AB): 10.0, of(A): 500.0},
    ])  # fmt: skip
    assert search.chosen == {AB}


def test_indexes_that_only_help_together_are_found() -> None:
    search, _ = searched([{NONE: 1000.0, of(A): 900.0, of(A, B): 10.0, of(B): 1000.0}])
    assert search.chosen == {A, B}


def test_nothing_is_chosen_for_little_or_beyond_the_limit_or_for_dear_writes() -> None:
    assert not searched([{NONE: 1000.0, of(A): 970.0}])[0].chosen
    assert not searched([{NONE: 1000.0, of(A): 10.0}], max_bytes=100.0)[0].chosen
    assert not searched([{NONE: 1000.0, of(A): 10.0}], upkeep=2000.0)[0].chosen


def test_bytes_have_their_price_where_statements_are_many() -> None:
    costs = [{NONE: 1000.0, of(A): 900.0}, {NONE: 1000.0, of(B): 10.0}]
    assert searched(costs)[0].chosen == {A, B}
    assert searched(costs, data_bytes=5e6)[0].chosen == {B}


def test_a_brin_index_is_kept_where_it_does_nearly_all() -> None:
    brin = NewIndex(1, ("a",), method="brin")
    near: dict[frozenset[NewIndex], float] = {NONE: 100_000.0, of(brin): 2_500.0, of(A): 700.0}
    assert searched([near], small=brin)[0].chosen == {brin}
    far = {**near, of(brin): 20_000.0}
    assert searched([far], small=brin)[0].chosen == {A}


def test_a_risky_walk_is_withheld_and_the_safe_index_taken() -> None:
    costs: dict[frozenset[NewIndex], float] = {NONE: 1000.0, of(A): 5.0, of(AB): 8.0}
    search, _ = searched([costs], risky=frozenset({A}))
    assert search.chosen == {AB}
    assert search.withheld == {A: 0}


def test_what_was_found_stands_when_time_is_up() -> None:
    costs = [{NONE: 1000.0, of(A): 10.0}, {NONE: 900.0, of(B): 10.0}]
    every, asked = searched(costs)
    assert every.chosen == {A, B}
    found = [searched(costs, limit=n)[0] for n in range(1, asked)]
    assert not any(search.complete for search in found)
    assert any(search.chosen and search.chosen < {A, B} for search in found)


def test_a_hot_column_is_left_out() -> None:
    index = NewIndex(1, ("user_id", "status"), include=("seen",), columns=("user_id", "status"))
    spared = without_columns(index, frozenset({"status", "seen"}))
    assert spared == NewIndex(1, ("user_id",))
    assert without_columns(index, frozenset({"other"})) is None
    assert without_columns(index, frozenset({"user_id", "status"})) is None


# -- sizes, prices, risks ----------------------------------------------------------------------


def test_equal_keys_share_their_entries_and_a_partial_index_is_smaller() -> None:
    few = size_bytes(NewIndex(20000, ("status",), columns=("status",)), ORDERS)
    many = size_bytes(NewIndex(20000, ("id",), columns=("id",)), ORDERS)
    assert 5e6 < few < many < 60e6
    part = NewIndex(20000, ("id",), where="status = 'open'", columns=("id",), selectivity=0.01)
    assert size_bytes(part, ORDERS) < many / 50


def test_upkeep_is_not_known_without_counters_and_counts_lost_hot() -> None:
    index = NewIndex(20000, ("status",), columns=("status",))
    assert upkeep_ms_per_s(index, ORDERS, frozenset()) is None
    busy = replace(ORDERS, inserts_per_s=10.0, updates_per_s=100.0, hot_updates_per_s=100.0)
    kept = upkeep_ms_per_s(index, busy, frozenset())
    lost = upkeep_ms_per_s(index, busy, frozenset({"status"}))
    assert kept is not None
    assert lost is not None
    assert lost > 5 * kept > 0


def test_twice_a_day_is_not_worth_an_index_on_a_table_that_is_written_all_day() -> None:
    index = NewIndex(20000, ("customer_id",), columns=("customer_id",))
    busy = replace(ORDERS, inserts_per_s=500.0, updates_per_s=0.0, hot_updates_per_s=0.0)
    quiet = replace(busy, inserts_per_s=0.001)
    two_calls_ms: dict[frozenset[NewIndex], float] = {NONE: 2_000.0, of(A): 20.0}
    for table_, worth in ((busy, False), (quiet, True)):
        a_second = upkeep_ms_per_s(index, table_, frozenset())
        assert a_second is not None
        search, _ = searched([two_calls_ms], upkeep=a_second * 86_400)
        assert bool(search.chosen) == worth


def test_our_own_price_falls_with_a_fitting_index_only() -> None:
    plan = plan_of(scan("(orders.customer_id = 7)"))
    asked = wishes(plan, {("public", "orders"): ORDERS})
    base = Priced(20_000.0, (plan,))

    def price(*keys: str) -> Priced:
        return own_price(base, asked, [NewIndex(20000, keys, columns=keys)], SERVER, plan)

    assert price("customer_id").cost < 1_000
    assert not price("customer_id").verified
    assert price("created_at").cost == base.cost
    assert price("created_at", "customer_id").cost == base.cost


def test_an_ordered_walk_with_a_filter_under_a_limit_is_a_risk() -> None:
    def walked(**changes: Any) -> Plan:
        node = {**scan("(orders.customer_id = 7)"), "Node Type": "Index Scan",
                "Index Name": "x", "Parent Relationship": "Outer", **changes}  # fmt: skip
        return plan_of({"Node Type": "Limit", "Total Cost": 4.0, "Plans": [node]})

    tables = {("public", "orders"): ORDERS}
    plan = walked()
    assert [risky(node, tables) for node in walks(plan)] == [True]
    plan = walked(**{"Plan Rows": 900_000})
    assert [risky(node, tables) for node in walks(plan)] == [False]
    plan = walked(**{"Index Cond": "(orders.status = 'a'::text)"})
    assert [risky(node, tables) for node in walks(plan)] == [False]
