"""Plans of normalised statements on real servers: got, repaired, refused, and left clean."""

from __future__ import annotations

import asyncio
import json

import pytest

from pgtop.advice.plans import insights
from pgtop.analysis.plan.parse import parse
from pgtop.db.connection import Statement
from pgtop.db.plan_facts import plan_facts
from pgtop.model.plan_request import (
    AnalyzeCheck,
    CheckAnalyze,
    PlanAnswer,
    PlanOf,
    StatementPlanOf,
)
from pgtop.model.sample import SourceError
from tests.db.reading import collecting
from tests.servers import TestServer, pooled

_SCHEMA = (
    "CREATE TABLE orders (id bigint PRIMARY KEY, user_id int, status text, email varchar(80),"
    " created_at timestamptz, note text, tags int[], payload jsonb)",
    "INSERT INTO orders SELECT g, g % 1000, CASE WHEN g % 50 = 0 THEN 'pending' ELSE 'done' END,"
    " 'U' || g || '@x.org', '2024-01-01'::timestamptz + g * interval '1 minute', md5(g::text),"
    " ARRAY[g % 700], jsonb_build_object('k', g % 5000) FROM generate_series(1, 60000) g",
    "CREATE INDEX orders_user ON orders (user_id)",
    "CREATE TABLE ev (id int, ts date) PARTITION BY RANGE (ts)",
    "CREATE TABLE ev1 PARTITION OF ev FOR VALUES FROM ('2024-01-01') TO ('2024-02-01')",
    "CREATE TABLE ev2 PARTITION OF ev FOR VALUES FROM ('2024-02-01') TO ('2024-03-01')",
    "ANALYZE orders",
)


def _fill(server: TestServer, name: str) -> None:
    server.execute(*_SCHEMA, database=name)


_STATEMENTS = {
    "select * from orders where user_id = $1": "",
    "select * from orders where created_at > now() - interval $1": "casts",
    "select * from orders where created_at > now() - interval $1 day": "casts",
    "select * from orders where created_at >= date $1": "casts",
    "select extract($1 from created_at) from orders": "epoch",
    "select * from orders where created_at > now() - $1": "interval",
    "select date_trunc($1, created_at), count(*) from orders"
    " group by date_trunc('day', created_at)": "GROUP BY",
    "select $1 + $2 from orders": "taken as int",
    "select to_char($1, $2)": "taken as int",
    "select * from generate_series($1, $2)": "taken as int",
    "select * from orders where $1 is null or user_id = $2": "tested for NULL",
    "insert into orders (id, user_id) select * from (values ($1, $2), ($3, $4)) v": "taken as int",
    "select * from orders where user_id in ($1 /*, ... */)": "IN list",
    "select * from orders where user_id = $1 order by created_at limit $2": "LIMIT",
    "select * from orders where user_id = any($1) and tags @> $2": "",
    "update orders set status = $1 where id = $2": "",
    "declare c cursor for select * from orders where user_id = $1": "",
    "select 'a; b' where $1 = 'c'": "",
}


async def test_every_kind_of_normalised_text_is_planned_and_nothing_is_left(
    any_server: TestServer,
) -> None:
    with any_server.database() as name:
        _fill(any_server, name)
        async with collecting(any_server.dsn(name)) as collector:
            for text, note in _STATEMENTS.items():
                answer = await collector.ask(PlanOf(text=text))
                assert answer.plans[0].nodes, text
                assert note in "; ".join(answer.notes), (text, answer.notes)
                assert "One-Time Filter" not in answer.plans[0].root.raw or "where $1" in text
            partitioned = await collector.ask(PlanOf(text="select * from ev where ts = $1"))
            assert {node.relation for node in partitioned.plans[0].nodes} >= {"ev1", "ev2"}
            async with collector.alone() as session:
                cursor = await session.conn.execute("SELECT count(*) FROM pg_prepared_statements")
                assert await cursor.fetchone() == (0,)
                cursor = await session.conn.execute("SELECT count(*) FROM orders")
                assert await cursor.fetchone() == (60_000,)


async def test_through_a_pool_of_one_everything_is_planned_and_analysed(
    any_server: TestServer,
) -> None:
    """PgBouncer in transaction mode: ANALYZE's own connection waits for the one server
    connection between two readings, and leaves it as it was."""
    with any_server.database() as name, pooled(any_server) as port:
        _fill(any_server, name)
        async with collecting(any_server.dsn(name), port=str(port)) as collector:
            for text in _STATEMENTS:
                answer = await collector.ask(PlanOf(text=text))
                assert answer.plans[0].nodes, text
                assert answer.facts is not None
                assert answer.facts.tables or "orders" not in text, text
            request = PlanOf(text="select count(*) from orders where note = 'x'", analyze=True)
            answer = await collector.ask(request)
            assert answer.plans[0].root.figure("Actual Rows") == 1
            found = {i.rule: i for i in insights(answer.plans[0], answer.facts)}
            remedy = found["plan.seq_filter"].remedy
            assert remedy is not None
            any_server.execute(*remedy.sql, "ANALYZE orders", database=name)
            after = await collector.ask(request)
            assert "plan.seq_filter" not in {i.rule for i in insights(after.plans[0], after.facts)}
            async with collector.alone() as session:
                for left in (
                    "SELECT count(*) FROM pg_prepared_statements",
                    "SELECT count(*) FROM pg_settings WHERE source = 'session'"
                    " AND name NOT IN ('application_name', 'client_encoding', 'DateStyle',"
                    " 'TimeZone', 'standard_conforming_strings', 'IntervalStyle')",
                ):
                    cursor = await session.conn.execute(left.encode())
                    assert await cursor.fetchone() == (0,), left


_REFUSED = {
    "select 1; drop table orders": "not one statement",
    "select * from orders where id = $1; commit; drop table orders": "not one statement",
    "set work_mem = $1": "SET has no plan",
    "call x($1)": "CALL has no plan",
    "": "has no plan",
    "select * from orders where note = 'cut": "cut off",
    "select * from nowhere where id = $1": "search_path",
}


async def test_what_cannot_be_planned_says_why_and_harms_nothing(any_server: TestServer) -> None:
    with any_server.database() as name:
        _fill(any_server, name)
        async with collecting(any_server.dsn(name)) as collector:
            for text, why in _REFUSED.items():
                with pytest.raises(SourceError, match=why):
                    await collector.ask(PlanOf(text=text))
            answer = await collector.ask(PlanOf(text="select count(*) from orders"))
            assert isinstance(answer, PlanAnswer)


async def test_a_locked_table_ends_with_a_sentence(server: TestServer) -> None:
    with server.database() as name:
        _fill(server, name)
        async with collecting(server.dsn(name)) as collector, collector.second() as other:
            await other.conn.execute("BEGIN")
            await other.conn.execute("LOCK orders")
            with pytest.raises(SourceError, match="Activity shows who holds it"):
                await collector.ask(PlanOf(text="select * from orders"))
            await other.conn.execute("ROLLBACK")


async def test_a_role_without_rights_gets_the_grant(server: TestServer) -> None:
    with server.database() as name:
        _fill(server, name)
        server.execute("DROP ROLE IF EXISTS plan_nobody", "CREATE ROLE plan_nobody LOGIN")
        try:
            async with collecting(server.dsn(name, "plan_nobody")) as collector:
                with pytest.raises(SourceError, match="has no right") as caught:
                    await collector.ask(PlanOf(text="select * from orders"))
                assert "GRANT pg_read_all_data" in (caught.value.remedy or "")
        finally:
            server.execute("DROP ROLE plan_nobody")


async def test_a_statement_of_a_dropped_database_is_not_planned_in_this_one(
    server: TestServer,
) -> None:
    sql = (
        "SELECT userid::int8, dbid::int8, queryid, toplevel FROM public.pg_stat_statements s"
        " JOIN pg_database d ON d.oid = s.dbid"
        " WHERE d.datname = '{}' AND query LIKE '%%FROM kept WHERE%%'"
    )
    with server.database() as name:
        server.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements", database=name)
        async with collecting(server.dsn(name)) as collector:
            with server.database() as gone:
                for each in (name, gone):
                    server.execute("CREATE TABLE kept (id int)", database=each)
                server.execute("SELECT id FROM kept WHERE id = 3", database=gone)
                ((key,),) = await collector.rows([Statement(sql.format(gone))], what="the key")
                there = await collector.ask(StatementPlanOf(key=key))
                assert there.database == gone
            # pg_stat_statements keeps what it counted in a database that was dropped
            with pytest.raises(SourceError, match="was dropped"):
                await collector.ask(StatementPlanOf(key=key))


async def test_an_update_needs_a_right_that_no_watcher_should_have(server: TestServer) -> None:
    with server.database() as name:
        _fill(server, name)
        server.execute("GRANT SELECT ON orders TO monitor", database=name)
        async with collecting(server.dsn(name, "monitor")) as collector:
            with pytest.raises(SourceError, match="has not the right to UPDATE") as caught:
                await collector.ask(PlanOf(text="update orders set status = $1 where id = $2"))
            assert caught.value.remedy is None


async def test_sample_values_come_from_pg_stats(any_server: TestServer) -> None:
    with any_server.database() as name:
        _fill(any_server, name)
        text = "select * from orders where status = $1 and user_id < $2"
        async with collecting(any_server.dsn(name)) as collector:
            common = await collector.ask(PlanOf(text=text, values="common"))
            assert "status = 'done'" in common.text
            assert common.way == "most common values of pg_stats"
            typed = await collector.ask(PlanOf(text=text, values="typed", typed=("'x'", "3")))
            assert typed.text.endswith("status = 'x' and user_id < 3")
            with pytest.raises(SourceError, match="2 values are needed"):
                await collector.ask(PlanOf(text=text, values="typed", typed=("1",)))


async def test_facts_come_with_the_plan(any_server: TestServer) -> None:
    with any_server.database() as name:
        _fill(any_server, name)
        async with collecting(any_server.dsn(name)) as collector:
            answer = await collector.ask(
                PlanOf(text="select * from orders where user_id = $1 and status = $2")
            )
            assert answer.facts is not None
            (table,) = answer.facts.tables
            assert {index.name: index.keys for index in table.indexes} == {
                "orders_pkey": ("id",), "orders_user": ("user_id",),
            }  # fmt: skip
            status = table.column("status")
            assert status is not None
            assert status.most_common["pending"] < 0.05
            assert table.analyzed_s is None or table.analyzed_s >= 0


async def test_analyze_is_only_for_one_reading_statement(any_server: TestServer) -> None:
    with any_server.database() as name:
        _fill(any_server, name)
        async with collecting(any_server.dsn(name)) as collector:
            check = await collector.ask(
                CheckAnalyze(text="select pg_advisory_lock(1), random() from orders where id = 1")
            )
            assert isinstance(check, AnalyzeCheck)
            assert check.dangerous == ("pg_advisory_lock",)
            assert check.database == name
            for text in (
                "update orders set id = 1",
                "select * from orders for update",
                "with d as (delete from orders returning *) select * from d",
                "select * from orders where id = $1",
            ):
                with pytest.raises(SourceError):
                    await collector.ask(CheckAnalyze(text=text))
            answer = await collector.ask(
                PlanOf(text="select count(*) from orders where user_id = 3", analyze=True)
            )
            assert answer.plans[0].root.figure("Actual Rows") == 1
            assert answer.way == "ANALYZE"
            with pytest.raises(SourceError, match="it writes"):
                await collector.ask(
                    PlanOf(text="with d as (delete from orders returning *) select * from d",
                           analyze=True)
                )  # fmt: skip


_REMEDIES = {
    "seq_filter": "select * from orders where note = 'x'",
    "func_col": "select * from orders where lower(email) = 'u7@x.org'",
    "wildcard": "select * from orders where note like 'abcd%'",
    "ilike": "select * from orders where note ilike '%abcdef%'",
    "jsonb": "select * from orders where payload @> '{\"k\": 7}'",
    "or_cond": "select * from orders where note = 'x' or email = 'y'",
    "limit_sort": "select * from orders order by created_at desc limit 5",
    "nl_seq_inner": "select (select count(*) from orders o where o.note = g::text)"
    " from generate_series(1, 20) g",
}
"""Rule -> a statement that it finds fault with; what it recommends must end the finding."""


@pytest.mark.parametrize("rule", _REMEDIES)
async def test_the_remedy_runs_and_ends_its_finding(server: TestServer, rule: str) -> None:
    text = _REMEDIES[rule]
    with server.database() as name:
        _fill(server, name)
        server.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm", database=name)
        async with collecting(server.dsn(name)) as collector:
            request = PlanOf(text=text, analyze=True)
            answer = await collector.ask(request)
            (found,) = [
                i for i in insights(answer.plans[0], answer.facts) if i.rule == f"plan.{rule}"
            ]
            assert found.remedy is not None, found.no_remedy
            server.execute(*found.remedy.sql, "ANALYZE orders", database=name)
            after = await collector.ask(request)
            assert f"plan.{rule}" not in {i.rule for i in insights(after.plans[0], after.facts)}
            assert after.facts is not None
            before = {index.name for table in after.facts.tables for index in table.indexes}
            server.execute(*found.remedy.undo, database=name)
            undone = await collector.ask(request)
            assert undone.facts is not None
            assert {i.name for t in undone.facts.tables for i in t.indexes} < before


_PLANNED = {
    "seq_filter": "select * from shops where lower(email) = $1",
    "idx_filter": "select * from shops where owner = $1 and state = 1",
}
"""Rule -> a normalised statement: nothing is run, the planner's figures show the fault."""


@pytest.mark.parametrize("rule", _PLANNED)
async def test_a_plan_that_was_not_run_brings_its_remedy_too(server: TestServer, rule: str) -> None:
    with server.database() as name:
        server.execute(
            "CREATE TABLE shops AS SELECT g AS id, g % 20000 AS owner, g % 3 AS state,"
            " 'u' || g || '@x.org' AS email FROM generate_series(1, 200000) g",
            "CREATE INDEX shops_state ON shops (state)",
            "ANALYZE shops", database=name,
        )  # fmt: skip
        async with collecting(server.dsn(name)) as collector:
            request = PlanOf(text=_PLANNED[rule])
            answer = await collector.ask(request)
            found = [i for i in insights(answer.plans[0], answer.facts) if i.rule == f"plan.{rule}"]
            assert found, [n.node_type for n in answer.plans[0].nodes]
            assert found[0].remedy is not None, found[0].no_remedy
            server.execute(*found[0].remedy.sql, "ANALYZE shops", database=name)
            after = await collector.ask(request)
            assert f"plan.{rule}" not in {i.rule for i in insights(after.plans[0], after.facts)}


async def test_statistics_end_a_misestimate(server: TestServer) -> None:
    with server.database() as name:
        server.execute(
            "CREATE TABLE pairs WITH (autovacuum_enabled = off)"
            " AS SELECT g % 200 AS a, g % 200 AS b"
            " FROM generate_series(1, 400000) g",
            database=name,
        )
        server.execute("ANALYZE pairs", database=name)
        async with collecting(server.dsn(name)) as collector:
            request = PlanOf(text="select * from pairs where a = 7 and b = 7", analyze=True)
            answer = await collector.ask(request)
            (found,) = [
                i for i in insights(answer.plans[0], answer.facts) if i.rule == "plan.misest"
            ]
            assert found.remedy is not None
            assert "CREATE STATISTICS" in found.remedy.sql[0]
            server.execute(*found.remedy.sql, database=name)
            after = await collector.ask(request)
            left = {i.rule: i.why for i in insights(after.plans[0], after.facts)}
            assert "plan.misest" not in left, left
            server.execute(*found.remedy.undo, database=name)


async def test_a_foreign_key_gets_its_index(server: TestServer) -> None:
    with server.database() as name:
        server.execute(
            "CREATE TABLE users (id int PRIMARY KEY)",
            "INSERT INTO users SELECT generate_series(1, 1000)",
            "CREATE TABLE visits (id int, user_id int CONSTRAINT visits_fk REFERENCES users)",
            "INSERT INTO visits SELECT g, 1 + g % 500 FROM generate_series(1, 200000) g",
            "ANALYZE", database=name,
        )  # fmt: skip
        async with collecting(server.dsn(name)) as collector:
            # DML is never analysed by pgtop: its plan comes from the user.
            async with collector.second() as session:
                await session.conn.execute("BEGIN")
                cursor = await session.conn.execute(
                    "EXPLAIN (ANALYZE, FORMAT JSON) DELETE FROM users WHERE id > 990"
                )
                (document,) = await cursor.fetchone() or (None,)
                await session.conn.execute("ROLLBACK")
            plans = parse(json.dumps(document))
            facts = await plan_facts(collector, plans)
            (found,) = [i for i in insights(plans[0], facts) if i.rule == "plan.fk_index"]
            assert found.remedy is not None
            assert found.remedy.sql == (
                "CREATE INDEX CONCURRENTLY visits_user_id_idx ON public.visits (user_id);",
            )
            server.execute(*found.remedy.sql, *found.remedy.undo, database=name)


_SPILLS = {
    "sort_disk": ("work_mem = '64kB'", "SELECT * FROM orders ORDER BY note"),
    "hash_batch": (
        "work_mem = '64kB', enable_mergejoin = off, enable_nestloop = off",
        "SELECT count(*) FROM orders a JOIN orders b ON a.note = b.note",
    ),
    "hashagg_disk": (
        "work_mem = '64kB', enable_sort = off",
        "SELECT note FROM orders GROUP BY note",
    ),
    "storage_disk": ("work_mem = '64kB'", "SELECT count(*) OVER () FROM orders"),
}


@pytest.mark.parametrize("rule", _SPILLS)
async def test_the_work_mem_that_is_named_is_enough(any_server: TestServer, rule: str) -> None:
    settings, text = _SPILLS[rule]
    with any_server.database() as name:
        _fill(any_server, name)
        async with collecting(any_server.dsn(name)) as collector, collector.second() as session:
            if rule == "storage_disk" and collector.catalog.version_num < 180_000:
                pytest.skip("Storage is printed from 18")
            await session.conn.execute("SET max_parallel_workers_per_gather = 0")
            for setting in settings.split(", "):
                await session.conn.execute(f"SET {setting}".encode())
            query = f"EXPLAIN (ANALYZE, BUFFERS, VERBOSE, FORMAT JSON) {text}".encode()

            async def found_in() -> dict[str, tuple[str, ...]]:
                cursor = await session.conn.execute(query)
                (document,) = await cursor.fetchone() or (None,)
                plans = parse(json.dumps(document))
                facts = await plan_facts(collector, plans)
                return {i.rule: i.remedy.sql if i.remedy else () for i in insights(plans[0], facts)}

            before = await found_in()
            for sql in before[f"plan.{rule}"]:
                await session.conn.execute(sql.encode())
            assert f"plan.{rule}" not in await found_in()


async def test_vacuum_ends_heap_fetches_and_analyze_a_stale_estimate(
    any_server: TestServer,
) -> None:
    with any_server.database() as name:
        any_server.execute(
            "CREATE TABLE t (id int, kind int) WITH (autovacuum_enabled = off)",
            "INSERT INTO t SELECT g, 1 FROM generate_series(1, 1000) g",
            "CREATE INDEX t_id ON t (id)",
            database=name,
        )
        any_server.execute("ANALYZE t", database=name)
        any_server.execute(
            "INSERT INTO t SELECT g, 2 FROM generate_series(1, 50000) g", database=name
        )
        async with collecting(any_server.dsn(name)) as collector:
            stale = PlanOf(text="select * from t where kind = 2", analyze=True)
            covered = PlanOf(text="select id from t where id < 30000 order by id", analyze=True)
            for rule, request in (("misest", stale), ("heap_fetch", covered)):
                answer = await collector.ask(request)
                found = {i.rule: i for i in insights(answer.plans[0], answer.facts)}
                if rule == "heap_fetch" and "plan.heap_fetch" not in found:
                    continue  # another plan than an index-only scan was chosen
                remedy = found[f"plan.{rule}"].remedy
                assert remedy is not None
                left = set(found)
                for _ in range(60):  # a worker or a backend that ends may hold the horizon back
                    await asyncio.sleep(0.2)
                    any_server.execute(*remedy.sql, database=name)
                    after = await collector.ask(request)
                    left = {i.rule for i in insights(after.plans[0], after.facts)}
                    if f"plan.{rule}" not in left:
                        break
                assert f"plan.{rule}" not in left


async def test_a_search_path_is_a_value_and_no_sql(any_server: TestServer) -> None:
    with any_server.database() as name:
        _fill(any_server, name)
        any_server.execute(
            'CREATE SCHEMA "it\'s"', 'CREATE TABLE "it\'s".hidden (a int)', database=name
        )
        async with collecting(any_server.dsn(name)) as collector:
            path = '"it\'s", public'
            answer = await collector.ask(
                PlanOf(text="select * from hidden where a = $1", search_path=path)
            )
            assert answer.plans[0].root.text("Schema") == "it's"
            with pytest.raises(SourceError):
                await collector.ask(
                    PlanOf(text="select 1", search_path="x', true); drop table orders; --")
                )
            with pytest.raises(SourceError):
                await collector.ask(PlanOf(text="select * from orders", search_path="nowhere"))
            plain = await collector.ask(PlanOf(text="select * from orders"))
            assert plain.plans[0].root.relation == "orders"
