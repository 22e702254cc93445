"""Index advice on real servers: planned there, priced, never run and never built."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg
import pytest

from pgtop.db.collector import Collector
from pgtop.model.advice import Advice, Advise, Work
from pgtop.model.sample import SourceError
from tests.servers import TestServer, pooled

SHOP = """
CREATE TABLE customers (id int PRIMARY KEY, email text, region text);
INSERT INTO customers SELECT n, 'c' || n || '@example.org', 'r' || n % 7
  FROM generate_series(1, 5000) n;
CREATE TABLE orders (id int PRIMARY KEY, customer_id int, status text, note jsonb,
                     created_at timestamptz);
INSERT INTO orders SELECT n, n % 5000, CASE WHEN n % 200 = 0 THEN 'open' ELSE 'done' END,
  jsonb_build_object('k', n % 100), '2026-01-01'::timestamptz + n * interval '1 minute'
  FROM generate_series(1, 60000) n;
CREATE TABLE few (id int, word text);
INSERT INTO few SELECT n, 'w' || n FROM generate_series(1, 300) n;
CREATE TABLE parts (id int, day date, who int) PARTITION BY RANGE (day);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
INSERT INTO parts SELECT n, '2026-01-01'::date + n % 59, n % 3000
  FROM generate_series(1, 30000) n;
CREATE SCHEMA "Odd Schema";
CREATE TABLE "Odd Schema"."Ta ""ble" ("Col, umn" int, "select" text);
INSERT INTO "Odd Schema"."Ta ""ble" SELECT n, n FROM generate_series(1, 20000) n;
ANALYZE;
"""

WORKS = {
    "page": "SELECT * FROM orders WHERE customer_id = $1 ORDER BY created_at DESC LIMIT 10",
    "open": "SELECT * FROM orders WHERE status = 'open'",
    "json": "SELECT * FROM orders WHERE note @> '{\"k\": 5}'",
    "mail": "SELECT * FROM customers WHERE lower(email) = 'x'",
    "parts": "SELECT * FROM parts WHERE who = 5",
    "odd": 'SELECT * FROM "Odd Schema"."Ta ""ble" WHERE "Col, umn" = 3',
    "join": "WITH c AS (SELECT id FROM customers WHERE region = 'r1')"
    " SELECT count(*) FROM c JOIN orders ON customer_id = c.id WHERE c.id < 20",
    "many": "SELECT * FROM orders WHERE status = 'done'",
    "whole": "SELECT * FROM orders",
    "small": "SELECT * FROM few WHERE word = 'w7'",
    "key": "SELECT * FROM orders WHERE id = $1",
    "catalogue": "SELECT * FROM pg_class WHERE relpages = 3",
}


@pytest.fixture
async def collector(any_database: str) -> AsyncIterator[Collector]:
    with psycopg.connect(any_database, autocommit=True) as conn:
        conn.execute(SHOP.encode())
        conn.execute("VACUUM")
        found = conn.execute("SELECT 1 FROM pg_available_extensions WHERE name = 'hypopg'")
        if found.fetchone():
            conn.execute("CREATE EXTENSION hypopg")
    async with opened(any_database) as found_collector:
        yield found_collector


@asynccontextmanager
async def opened(dsn: str) -> AsyncIterator[Collector]:
    params = {k: str(v) for k, v in psycopg.conninfo.conninfo_to_dict(dsn).items()}
    collector = Collector(params)
    await collector.open()
    try:
        yield collector
    finally:
        await collector.close()


def works(*names: str) -> tuple[Work, ...]:
    return tuple(Work(name=name, text=WORKS[name]) for name in names)


def words(advice: Advice) -> set[str]:
    return {f"{each.table.name} {each.index.words}" for each in advice.indexes}


async def test_few_indexes_that_fit_and_none_where_none_is_right(collector: Collector) -> None:
    advice = await collector.ask(Advise(works=works(*WORKS)))
    found = words(advice)
    assert any(w.startswith("orders (customer_id") for w in found)
    assert any(w.startswith("orders (") and w.endswith("WHERE status = 'open'::text")
               for w in found)  # fmt: skip
    assert "orders USING gin (note jsonb_path_ops)" in found
    assert "customers ((lower(email)))" in found
    assert 'Ta "ble ("Col, umn")' in found
    assert any(w.startswith("parts (who") for w in found)
    assert not advice.not_handled
    assert advice.cost_after < advice.cost_before
    assert len(found) <= 7
    for name in ("many", "whole", "small", "key", "catalogue"):
        alone = await collector.ask(Advise(works=works(name)))
        assert not alone.indexes, (name, words(alone))


BANK = """
CREATE TABLE accounts (aid int PRIMARY KEY, bid int, abalance int, filler char(84));
INSERT INTO accounts SELECT n, 1 + n / 20000, 0, '' FROM generate_series(1, 40000) n;
CREATE TABLE tellers (tid int PRIMARY KEY, bid int, tbalance int);
INSERT INTO tellers SELECT n, 1, 0 FROM generate_series(1, 20) n;
CREATE TABLE history (tid int, bid int, aid int, delta int, mtime timestamp);
ANALYZE accounts, tellers;
"""


@pytest.mark.parametrize(
    "text",
    [
        "UPDATE accounts SET abalance = abalance + $1 WHERE aid = $2",
        "SELECT abalance FROM accounts WHERE aid = $1",
        "UPDATE tellers SET tbalance = tbalance + $1 WHERE tid = $2",
        "INSERT INTO history (tid, bid, aid, delta, mtime) VALUES ($1, $2, $3, $4, now())",
        "SELECT * FROM accounts WHERE aid % 5 < 2",
        "SELECT * FROM accounts WHERE bid = 1",
        "SELECT * FROM accounts WHERE aid > 24000",
    ],
)
async def test_no_index_for_look_ups_by_key_small_tables_and_large_shares(
    any_database: str, text: str
) -> None:
    with psycopg.connect(any_database, autocommit=True) as conn:
        conn.execute(BANK.encode())
    async with opened(any_database) as collector:
        for hypothetical in (True, False):
            advice = await collector.ask(
                Advise(works=(Work(name="w", text=text),), hypothetical=hypothetical)
            )
            assert not advice.indexes, words(advice)
            assert not advice.not_handled


async def test_what_is_advised_can_be_built_is_used_and_then_advised_no_more(
    collector: Collector, any_database: str
) -> None:
    names = ("page", "open", "json", "mail", "parts", "odd")
    advice = await collector.ask(Advise(works=works(*names)))
    with psycopg.connect(any_database, autocommit=True) as conn:
        for each in advice.indexes:
            assert each.finding.remedy is not None
            for sql in each.finding.remedy.sql:
                conn.execute(sql.encode())
        conn.execute("ANALYZE")
        invalid = conn.execute("SELECT count(*) FROM pg_index WHERE NOT indisvalid").fetchone()
        assert invalid == (0,)
        again = await collector.ask(Advise(works=works(*names)))
        assert not again.indexes, words(again)
        assert again.cost_after < 0.2 * advice.cost_before
        for each in advice.indexes:
            assert each.finding.remedy is not None
            for sql in each.finding.remedy.undo:
                conn.execute(sql.encode())
        left = conn.execute("SELECT count(*) FROM pg_class WHERE relname ~ '_idx$'").fetchone()
        assert left == (0,)


async def test_nothing_is_left_and_nothing_was_run(collector: Collector, any_database: str) -> None:
    write = Work(name="w", text="UPDATE orders SET status = 'x' WHERE customer_id = 5")
    two = Work(name="two", text="SELECT 1; DROP TABLE orders")
    advice = await collector.ask(Advise(works=(write, two)))
    assert [said.statement for said in advice.not_handled] == ["two"]
    assert words(advice) == {"orders (customer_id)"}
    with psycopg.connect(any_database) as conn:
        changed = conn.execute("SELECT count(*) FROM orders WHERE status = 'x'").fetchone()
        assert changed == (0,)
        others = conn.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pgtop'"
            " AND datname = current_database()"
        ).fetchone()
        assert others == (1,), "the second connection is closed"


async def test_without_hypopg_it_says_so_and_why(collector: Collector) -> None:
    advice = await collector.ask(Advise(works=works("page", "key"), hypothetical=False))
    assert advice.verified_by == "none"
    assert advice.why_not_verified
    (only,) = advice.indexes
    assert only.finding.confidence == "estimated"
    assert "not verified" in only.finding.why


async def test_a_size_limit_is_kept(collector: Collector) -> None:
    advice = await collector.ask(Advise(works=works("page", "mail"), max_bytes=400_000))
    assert sum(each.size_bytes for each in advice.indexes) <= 400_000
    assert words(advice) == {"customers ((lower(email)))"}


async def test_a_wider_index_makes_the_narrow_one_superfluous(
    collector: Collector, any_database: str
) -> None:
    with psycopg.connect(any_database, autocommit=True) as conn:
        conn.execute("CREATE INDEX narrow ON customers (region)")
    text = "SELECT * FROM customers WHERE region = $1 ORDER BY email LIMIT 5"
    advice = await collector.ask(Advise(works=(Work(name="w", text=text),)))
    assert words(advice) == {"customers (region, email)"}
    (gone,) = advice.superfluous
    assert gone.index.name == "narrow"
    assert gone.finding.remedy is not None
    assert gone.finding.remedy.sql == ("DROP INDEX CONCURRENTLY public.narrow;",)


async def test_the_plans_come_along_where_they_are_asked_for(collector: Collector) -> None:
    advice = await collector.ask(Advise(works=works("page"), plans=True))
    (gain,) = advice.statements
    assert gain.plan_before is not None
    assert "Seq Scan" in {node.node_type for node in gain.plan_before.nodes}
    if advice.verified_by == "hypopg":
        assert gain.plan_after is not None
        assert any((n.text("Index Name") or "").startswith("<") for n in gain.plan_after.nodes)
    else:  # our own arithmetic has no plan to show
        assert gain.plan_after is None
    (bare,) = (await collector.ask(Advise(works=works("page")))).statements
    assert (bare.plan_before, bare.plan_after) == (None, None)


async def test_no_workload_is_an_error_with_its_remedy(collector: Collector) -> None:
    with pytest.raises(SourceError) as refused:
        await collector.ask(Advise())
    assert "pg_stat_statements" in refused.value.why


async def test_through_a_pooler_nothing_is_pretended_and_nothing_left(
    any_server: TestServer,
) -> None:
    with any_server.database() as name:
        with psycopg.connect(any_server.dsn(name), autocommit=True) as conn:
            conn.execute(SHOP.encode())
            known = conn.execute("SELECT 1 FROM pg_available_extensions WHERE name = 'hypopg'")
            installed = known.fetchone() is not None
            if installed:
                conn.execute("CREATE EXTENSION hypopg")
        with pooled(any_server) as port:
            dsn = f"host=127.0.0.1 port={port} dbname={name} user=postgres"
            async with opened(dsn) as collector:
                advice = await collector.ask(Advise(works=works("page", "key")))
            assert advice.verified_by == "none"
            assert ("pooler" in (advice.why_not_verified or "")) == installed
            assert [each.index.keys[0] for each in advice.indexes] == ["customer_id"]
            with psycopg.connect(dsn, autocommit=True) as conn:
                left = conn.execute("SELECT count(*) FROM pg_prepared_statements").fetchone()
            assert left == (0,)
