"""Index advice on whole workloads: advised, built, and timed before and after.

    python -m tests.bench.advice_workloads "host=… port=…" [trade|star|kinds] [--plain] [--keep]

`trade` is a wholesale schema of eight tables with 22 statements of joins, subqueries, CTEs
and unqualified columns; `star` a fact table with dimensions and 10 statements; `kinds` one
statement for each kind of index. Primary keys alone exist before. `--plain`: without HypoPG.
"""

from __future__ import annotations

import asyncio
import sys
import time
from typing import Any

import psycopg

from pgtop.analysis import units
from pgtop.db.collector import Collector
from pgtop.db.hypopg import definition
from pgtop.model.advice import Advice, Advise, Work

DATABASE = "pgtop_advice_workloads"
LONGEST_MS = 30_000

TRADE = """
CREATE TABLE region (r_key int PRIMARY KEY, r_name text);
CREATE TABLE nation (n_key int PRIMARY KEY, n_name text, n_region int);
CREATE TABLE supplier (s_key int PRIMARY KEY, s_name text, s_nation int, s_balance numeric(10,2));
CREATE TABLE customer (c_key int PRIMARY KEY, c_name text, c_nation int, c_segment text,
  c_balance numeric(10,2), c_phone text);
CREATE TABLE part (p_key int PRIMARY KEY, p_name text, p_brand text, p_type text, p_size int,
  p_container text);
CREATE TABLE partsupp (ps_part int, ps_supplier int, ps_available int, ps_cost numeric(10,2),
  PRIMARY KEY (ps_part, ps_supplier));
CREATE TABLE orders (o_key int PRIMARY KEY, o_customer int, o_status text, o_total numeric(12,2),
  o_date date, o_priority text, o_comment text);
CREATE TABLE lineitem (l_order int, l_line int, l_part int, l_supplier int, l_quantity int,
  l_price numeric(12,2), l_discount numeric(4,2), l_returned text, l_status text, l_shipped date,
  l_commit date, l_received date, l_mode text, PRIMARY KEY (l_order, l_line));
SELECT setseed(0.3);
INSERT INTO region SELECT n, 'region ' || n FROM generate_series(0, 4) n;
INSERT INTO nation SELECT n, 'nation ' || n, n % 5 FROM generate_series(0, 24) n;
INSERT INTO supplier SELECT n, 'supplier ' || n, (n * 7) % 25, random() * 9000
  FROM generate_series(1, 1000) n;
INSERT INTO customer SELECT n, 'customer ' || n, (n * 11) % 25,
  (ARRAY['building', 'autos', 'machines', 'furniture', 'household'])[1 + (random() * 4)::int],
  random() * 10000 - 1000, (10 + n % 25) || '-' || n FROM generate_series(1, 15000) n;
INSERT INTO part SELECT n, (ARRAY['green', 'red', 'blue', 'ivory', 'plum'])[1 + n % 5] || ' part '
  || n, 'brand ' || n % 25, 'type ' || n % 150, 1 + n % 50, 'box ' || n % 40
  FROM generate_series(1, 20000) n;
INSERT INTO partsupp SELECT p, 1 + (p + s * 250) % 1000, random() * 9999, random() * 1000
  FROM generate_series(1, 20000) p, generate_series(0, 3) s;
INSERT INTO orders SELECT n, 1 + (random() * 9999)::int,
  (ARRAY['F', 'O', 'P'])[1 + (random() * 2)::int], random() * 400000,
  date '2019-01-01' + (random() * 2400)::int,
  (ARRAY['1', '2', '3', '4', '5'])[1 + (random() * 4)::int], repeat('c', 40)
  FROM generate_series(1, 150000) n;
INSERT INTO lineitem SELECT o_key, l, 1 + (random() * 19999)::int, 1 + (random() * 999)::int,
  1 + (random() * 49)::int, random() * 90000, (random() * 10)::int / 100.0,
  (ARRAY['R', 'A', 'N'])[1 + (random() * 2)::int], (ARRAY['O', 'F'])[1 + (random())::int],
  o_date + (random() * 120)::int, o_date + (random() * 90)::int, o_date + (random() * 150)::int,
  (ARRAY['air', 'ship', 'rail', 'truck', 'mail', 'fob', 'reg'])[1 + (random() * 6)::int]
  FROM orders, generate_series(1, 4) l;
"""

TRADE_STATEMENTS = (
    """SELECT l_returned, l_status, sum(l_quantity), avg(l_discount), count(*) FROM lineitem
       WHERE l_shipped <= date '2025-07-01' GROUP BY 1, 2 ORDER BY 1, 2""",
    """SELECT s_name, p_key FROM part, supplier, partsupp, nation, region WHERE p_key = ps_part
       AND s_key = ps_supplier AND p_size = 15 AND p_type LIKE '%7' AND s_nation = n_key
       AND n_region = r_key AND r_name = 'region 2' AND ps_cost = (SELECT min(ps_cost)
       FROM partsupp, supplier, nation, region WHERE p_key = ps_part AND s_key = ps_supplier
       AND s_nation = n_key AND n_region = r_key AND r_name = 'region 2') LIMIT 100""",
    """SELECT l_order, sum(l_price * (1 - l_discount)) AS revenue, o_date FROM customer, orders,
       lineitem WHERE c_segment = 'building' AND c_key = o_customer AND l_order = o_key
       AND o_date BETWEEN date '2021-03-10' AND date '2021-03-15' AND l_shipped > date '2021-03-15'
       GROUP BY l_order, o_date ORDER BY revenue DESC LIMIT 10""",
    """SELECT o_priority, count(*) FROM orders WHERE o_date >= date '2021-07-01'
       AND o_date < date '2021-08-01' AND EXISTS (SELECT FROM lineitem WHERE l_order = o_key
       AND l_commit < l_received) GROUP BY 1 ORDER BY 1""",
    """SELECT n_name, sum(l_price) FROM customer, orders, lineitem, supplier, nation, region
       WHERE c_key = o_customer AND l_order = o_key AND l_supplier = s_key AND c_nation = s_nation
       AND s_nation = n_key AND n_region = r_key AND r_name = 'region 1'
       AND o_date >= date '2020-01-01' AND o_date < date '2020-02-01' GROUP BY 1 ORDER BY 2 DESC""",
    """SELECT sum(l_price * l_discount) FROM lineitem WHERE l_shipped >= date '2020-01-01'
       AND l_shipped < date '2020-01-15' AND l_discount BETWEEN 0.05 AND 0.07
       AND l_quantity < 24""",
    """SELECT n1.n_name, n2.n_name, sum(l_price) FROM supplier, lineitem, orders, customer,
       nation n1, nation n2 WHERE s_key = l_supplier AND o_key = l_order AND c_key = o_customer
       AND s_nation = n1.n_key AND c_nation = n2.n_key AND n1.n_name = 'nation 3'
       AND n2.n_name = 'nation 7' AND l_shipped BETWEEN date '2021-01-01' AND date '2021-12-31'
       GROUP BY 1, 2""",
    """WITH of_part AS (SELECT p_key FROM part WHERE p_type = 'type 33') SELECT
       extract(year FROM o_date), sum(l_price) FROM of_part, lineitem, orders
       WHERE p_key = l_part AND l_order = o_key AND o_date >= date '2020-01-01' GROUP BY 1""",
    """SELECT n_name, sum(l_price - ps_cost * l_quantity) FROM part, supplier, lineitem, partsupp,
       nation WHERE s_key = l_supplier AND ps_supplier = l_supplier AND ps_part = l_part
       AND p_key = l_part AND s_nation = n_key AND p_name LIKE 'plum part 11%' GROUP BY 1""",
    """SELECT c_key, c_name, sum(l_price) FROM customer JOIN orders ON c_key = o_customer
       JOIN lineitem ON l_order = o_key WHERE o_date >= date '2021-10-01'
       AND o_date < date '2021-10-08' AND l_returned = 'R' GROUP BY 1, 2
       ORDER BY 3 DESC LIMIT 20""",
    """SELECT ps_part, sum(ps_cost * ps_available) FROM partsupp, supplier, nation
       WHERE ps_supplier = s_key AND s_nation = n_key AND n_name = 'nation 9' GROUP BY 1
       HAVING sum(ps_cost * ps_available) > 5000000 ORDER BY 2 DESC""",
    """SELECT l_mode, count(*) FROM orders, lineitem WHERE o_key = l_order
       AND l_mode IN ('mail', 'ship') AND l_received >= date '2020-03-01'
       AND l_received < date '2020-03-08' AND l_commit < l_received GROUP BY 1""",
    """SELECT n, count(*) FROM (SELECT c_key, count(o_key) AS n FROM customer LEFT JOIN orders
       ON c_key = o_customer AND o_priority = '1' GROUP BY 1) per GROUP BY 1 ORDER BY 2 DESC""",
    """SELECT sum(l_price) FROM lineitem, part WHERE l_part = p_key AND l_shipped >= '2022-09-01'
       AND l_shipped < '2022-09-15'""",
    """WITH revenue AS (SELECT l_supplier AS who, sum(l_price) AS total FROM lineitem
       WHERE l_shipped >= '2022-01-01' AND l_shipped < '2022-02-01' GROUP BY 1)
       SELECT s_key, s_name, total FROM supplier, revenue WHERE s_key = who
       AND total = (SELECT max(total) FROM revenue)""",
    """SELECT p_brand, count(DISTINCT ps_supplier) FROM partsupp, part WHERE p_key = ps_part
       AND p_brand <> 'brand 3' AND p_size IN (3, 9, 14) AND ps_supplier NOT IN
       (SELECT s_key FROM supplier WHERE s_balance < 100) GROUP BY 1""",
    """SELECT sum(l_price) / 7 FROM lineitem, part WHERE p_key = l_part AND p_brand = 'brand 7'
       AND p_container = 'box 2' AND l_quantity < (SELECT 0.5 * avg(l_quantity) FROM lineitem
       WHERE l_part = p_key)""",
    """SELECT c_name, o_key, o_date, sum(l_quantity) FROM customer, orders, lineitem WHERE o_key IN
       (SELECT l_order FROM lineitem GROUP BY l_order HAVING sum(l_quantity) > 185)
       AND c_key = o_customer AND o_key = l_order GROUP BY 1, 2, 3 ORDER BY 3 LIMIT 100""",
    """SELECT sum(l_price) FROM lineitem, part WHERE (p_key = l_part AND p_brand = 'brand 12'
       AND l_quantity BETWEEN 1 AND 11 AND p_size BETWEEN 1 AND 5) OR (p_key = l_part
       AND p_brand = 'brand 23' AND l_quantity BETWEEN 10 AND 20 AND p_size BETWEEN 1 AND 10)""",
    """SELECT s_name FROM supplier, nation WHERE s_key IN (SELECT ps_supplier FROM partsupp
       WHERE ps_part IN (SELECT p_key FROM part WHERE p_name LIKE 'green part 10%')
       AND ps_available > (SELECT 0.5 * sum(l_quantity) FROM lineitem WHERE l_part = ps_part
       AND l_supplier = ps_supplier AND l_shipped >= '2021-01-01')) AND s_nation = n_key
       AND n_name = 'nation 5'""",
    """SELECT s_name, count(*) FROM supplier, lineitem l1, orders WHERE s_key = l1.l_supplier
       AND o_key = l1.l_order AND o_status = 'F' AND l1.l_received > l1.l_commit
       AND o_date > '2025-06-01' AND NOT EXISTS (SELECT FROM lineitem l2
       WHERE l2.l_order = l1.l_order AND l2.l_supplier <> l1.l_supplier
       AND l2.l_received > l2.l_commit) GROUP BY 1 ORDER BY 2 DESC LIMIT 50""",
    """SELECT substring(c_phone FROM 1 FOR 2), count(*), sum(c_balance) FROM customer
       WHERE c_balance > (SELECT avg(c_balance) FROM customer WHERE c_balance > 0)
       AND NOT EXISTS (SELECT FROM orders WHERE o_customer = c_key) GROUP BY 1 ORDER BY 1""",
)

BY_HAND = {
    "trade": (
        ("lineitem", "(l_part)"), ("lineitem", "(l_shipped)"), ("lineitem", "(l_supplier)"),
        ("lineitem", "(l_received)"), ("orders", "(o_date)"), ("orders", "(o_customer)"),
        ("partsupp", "(ps_supplier)"), ("part", "(p_brand, p_container)"), ("part", "(p_size)"),
        ("part", "(p_type)"), ("customer", "(c_nation)"), ("part", "(p_name text_pattern_ops)"),
    ),
    "star": (
        ("sales", "(customer, day)"), ("sales", "(product, day)"), ("sales", "(day)"),
        ("sales", "(store, day)"), ("products", "(category)"), ("clients", "(email)"),
        ("stores", "(city)"),
    ),
}  # fmt: skip
"""What a person would build: foreign keys, dates, selective filters."""

STAR = """
CREATE TABLE days (day date PRIMARY KEY, week int, month int, year int, holiday bool);
CREATE TABLE stores (store int PRIMARY KEY, city text, country text);
CREATE TABLE products (product int PRIMARY KEY, category text, brand text, price numeric(8,2));
CREATE TABLE clients (customer int PRIMARY KEY, email text, born date, level text);
CREATE TABLE sales (id bigint PRIMARY KEY, day date, store int, product int, customer int,
  quantity int, amount numeric(10,2), state text);
SELECT setseed(0.4);
INSERT INTO days SELECT d, extract(week FROM d), extract(month FROM d), extract(year FROM d),
  extract(day FROM d) = 1 FROM generate_series(date '2022-01-01', date '2025-12-31', '1 day') d;
INSERT INTO stores SELECT n, 'city ' || n % 80, 'country ' || n % 9
  FROM generate_series(1, 400) n;
INSERT INTO products SELECT n, 'category ' || n % 60, 'brand ' || n % 300, random() * 500
  FROM generate_series(1, 8000) n;
INSERT INTO clients SELECT n, 'client' || n || '@example.org', '1950-01-01'::date + n % 20000,
  'level ' || n % 5 FROM generate_series(1, 40000) n;
INSERT INTO sales SELECT n, date '2022-01-01' + (n / 700)::int, 1 + (random() * 399)::int,
  1 + (random() * 7999)::int, 1 + (random() * 39999)::int, 1 + (random() * 4)::int,
  random() * 1000, CASE WHEN n % 400 = 0 THEN 'returned' ELSE 'sold' END
  FROM generate_series(1, 1000000) n;
"""

STAR_STATEMENTS = (
    "SELECT day, amount FROM sales WHERE customer = 77 ORDER BY day DESC LIMIT 20",
    """SELECT sum(amount) FROM sales JOIN clients USING (customer)
       WHERE email = 'client9@example.org'""",
    """SELECT month, sum(amount) FROM sales JOIN days USING (day) WHERE year = 2024
       AND product = 33 GROUP BY month""",
    """SELECT city, sum(amount) FROM sales JOIN stores USING (store) WHERE day
       BETWEEN '2024-05-01' AND '2024-05-03' GROUP BY city ORDER BY 2 DESC""",
    """SELECT brand, sum(quantity) FROM sales JOIN products USING (product)
       WHERE category = 'category 7' AND day >= '2025-10-01' GROUP BY brand""",
    """WITH top AS (SELECT product, sum(amount) AS total FROM sales WHERE store = 12
       AND day >= '2025-06-01' GROUP BY product ORDER BY 2 DESC LIMIT 10)
       SELECT brand, total FROM top JOIN products USING (product)""",
    "SELECT count(*) FROM sales WHERE state = 'returned' AND day >= '2025-01-01'",
    """SELECT level, count(*) FROM clients WHERE NOT EXISTS (SELECT FROM sales
       WHERE sales.customer = clients.customer AND day > '2025-11-20') GROUP BY level""",
    """SELECT max(day) FROM sales WHERE store = 44""",
    """SELECT year, month, sum(amount) FROM sales JOIN days USING (day) JOIN stores USING (store)
       WHERE city = 'city 3' AND country = 'country 6' GROUP BY 1, 2 ORDER BY 1, 2""",
)

KINDS = """
CREATE EXTENSION pg_trgm;
CREATE TABLE docs (id int PRIMARY KEY, title text, body tsvector, tags text[], meta jsonb,
  email text, state text, at timestamptz, owner int);
SELECT setseed(0.5);
INSERT INTO docs SELECT n, md5(n::text), to_tsvector('simple', md5(n::text) || ' w' || n % 3000),
  ARRAY['t' || n % 900, 'u' || n % 7], jsonb_build_object('k', n % 2000, 'c', 'x'),
  'User' || n || '@Example.org', CASE WHEN n % 500 = 0 THEN 'open' ELSE 'done' END,
  '2024-01-01'::timestamptz + n * interval '3 minutes', (random() * 2000)::int
  FROM generate_series(1, 250000) n;
CREATE TABLE log (at timestamptz, word text);
INSERT INTO log SELECT '2024-01-01'::timestamptz + n * interval '4 seconds', repeat('x', 150)
  FROM generate_series(1, 4400000) n;
"""

KINDS_STATEMENTS = (
    "SELECT id FROM docs WHERE meta @> '{\"k\": 77}'",
    "SELECT id FROM docs WHERE tags @> '{t77}'",
    "SELECT id FROM docs WHERE body @@ to_tsquery('simple', 'w77')",
    "SELECT id FROM docs WHERE title LIKE '%abc12%'",
    "SELECT id FROM docs WHERE title LIKE 'abc12%'",
    "SELECT id FROM docs WHERE lower(email) = 'user77@example.org'",
    "SELECT id, at FROM docs WHERE state = 'open' ORDER BY at LIMIT 20",
    "SELECT id, at FROM docs WHERE owner = 77 ORDER BY at DESC LIMIT 20",
    "SELECT id FROM docs WHERE meta ->> 'k' = '99'",
    "SELECT count(*) FROM log WHERE at >= '2024-03-01' AND at < '2024-03-02'",
)

WORKLOADS = {
    "trade": (TRADE, TRADE_STATEMENTS),
    "star": (STAR, STAR_STATEMENTS),
    "kinds": (KINDS, KINDS_STATEMENTS),
}


def main() -> None:
    dsn, *words = sys.argv[1:]
    names = [word for word in words if word in WORKLOADS] or list(WORKLOADS)
    for name in names:
        _make(dsn, WORKLOADS[name][0])
        try:
            asyncio.run(_one(dsn, name, plain="--plain" in words))
        finally:
            if "--keep" not in words:
                _drop(dsn)


def _make(dsn: str, setup: str) -> None:
    _drop(dsn)
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute(f"CREATE DATABASE {DATABASE}")
    with psycopg.connect(dsn, autocommit=True, dbname=DATABASE) as conn:
        conn.execute(setup.encode())
        conn.execute("VACUUM ANALYZE")
        known = conn.execute("SELECT 1 FROM pg_available_extensions WHERE name = 'hypopg'")
        if known.fetchone():
            conn.execute("CREATE EXTENSION hypopg")


def _drop(dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")


async def _one(dsn: str, name: str, *, plain: bool) -> None:
    statements = WORKLOADS[name][1]
    works = tuple(Work(name=f"q{n:02}", text=text) for n, text in enumerate(statements, 1))
    params = {k: str(v) for k, v in psycopg.conninfo.conninfo_to_dict(dsn).items()}
    collector = Collector({**params, "dbname": DATABASE})
    await collector.open()
    if name in BY_HAND:
        with psycopg.connect(dsn, autocommit=True, dbname=DATABASE) as conn:
            indexes = [f"CREATE INDEX ON {table} {keys}" for table, keys in BY_HAND[name]]
            size, cost = _built(conn, indexes, statements)
        print(f"\n{name} by hand: {len(indexes)} indexes, {units.size(size)}, cost {cost:,.0f}")
        same = await collector.ask(Advise(works=works, hypothetical=not plain, max_bytes=size))
        print(
            f"advised at no more bytes: {len(same.indexes)} indexes,"
            f" {units.size(sum(a.size_bytes for a in same.indexes))},"
            f" cost {same.cost_after:,.0f}, {same.seconds:.2f} s"
        )
    advice = await collector.ask(Advise(works=works, hypothetical=not plain))
    await collector.close()
    failed = [said.statement for said in advice.not_handled]
    print(f"\n== {name}: {len(works)} statements, {advice.seconds:.2f} s,")
    print(f"   {advice.questions} plans, {advice.verified_by}, not handled {failed}")
    with psycopg.connect(dsn, autocommit=True, dbname=DATABASE) as conn:
        _measured(conn, advice, statements)


def _measured(conn: psycopg.Connection[Any], advice: Advice, statements: tuple[str, ...]) -> None:
    before = [_timed(conn, text) for text in statements]
    costs = [_cost(conn, text) for text in statements]
    sizes = []
    for each in advice.indexes:
        targets = [t for _, _, t in each.table.leaves] or [each.table.sql]
        was = _total(conn)
        for target in targets:
            conn.execute(definition(each.index, target).encode())
        sizes.append(_total(conn) - was)
        estimated, who = units.size(each.size_bytes), [g.statement for g in each.gains]
        print(f"  {each.table.name} {each.index.words}: {estimated} estimated,")
        print(f"      {units.size(sizes[-1])} built, for {who}")
    conn.execute("VACUUM ANALYZE")
    after = [_timed(conn, text) for text in statements]
    built = [_cost(conn, text) for text in statements]
    print("  stmt   cost before   advised     built    ms before    ms after")
    for n, (gain, *row) in enumerate(
        zip(advice.statements, costs, built, before, after, strict=True), 1
    ):
        print(f"  q{n:02} {row[0]:12,.1f} {gain.cost_after:11,.1f} {row[1]:11,.1f}"
              f" {row[2]:11.1f} {row[3]:11.1f}")  # fmt: skip
    print(f"  all {sum(costs):12,.0f} {advice.cost_after:11,.0f} {sum(built):11,.0f}"
          f" {sum(before):11.1f} {sum(after):11.1f}   {units.size(sum(sizes))} built")  # fmt: skip
    for said in advice.notes:
        print(f"  {said.statement}: {said.why}")


def _built(
    conn: psycopg.Connection[Any], indexes: list[str], statements: tuple[str, ...]
) -> tuple[float, float]:
    """(bytes, cost of all) with these indexes, which are gone again after."""
    was = _total(conn)
    with conn.transaction(force_rollback=True):
        for sql in indexes:
            conn.execute(sql.encode())
        return _total(conn) - was, sum(_cost(conn, text) for text in statements)


def _total(conn: psycopg.Connection[Any]) -> float:
    row = conn.execute("SELECT sum(pg_relation_size(indexrelid)) FROM pg_index").fetchone()
    assert row is not None
    return float(row[0])


def _cost(conn: psycopg.Connection[Any], text: str) -> float:
    row = conn.execute(f"EXPLAIN (FORMAT JSON) {text}".encode()).fetchone()
    assert row is not None
    return float(row[0][0]["Plan"]["Total Cost"])


def _timed(conn: psycopg.Connection[Any], text: str) -> float:
    """The best of three runs, in milliseconds; the longest allowed where it is longer."""
    conn.execute(f"SET statement_timeout = {LONGEST_MS}")
    best = float(LONGEST_MS)
    for _ in range(3):
        begun = time.perf_counter()
        try:
            conn.execute(text.encode()).fetchall()
        except psycopg.errors.QueryCanceled:
            return best
        best = min(best, (time.perf_counter() - begun) * 1000)
        if best > 5_000:
            break
    return best


if __name__ == "__main__":
    main()
