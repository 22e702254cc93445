"""Estimated bloat against the truth: size after REINDEX and after VACUUM FULL.

    python tests/bench/bloat_zoo.py DSN      (a superuser; makes and drops a database of its own)

ioguix is the usual estimate's arithmetic for B-trees (fillfactor, mean width, no
deduplication), for comparison.
"""

from __future__ import annotations

import asyncio
import math
import statistics
import sys
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from pgtop.analysis.estimates import Estimates
from pgtop.db.collector import Collector
from pgtop.model.index import ColumnStatistics, CounterWindow, Index, OperatorClass
from pgtop.model.table import Table

ROWS = 120_000

TABLES = f"""
CREATE TABLE fresh AS SELECT g id, g::bigint big, (g * 7919) % {ROWS} shuffled, md5(g::text) text32,
  gen_random_uuid() uuid, (random() * 1e6)::numeric(12,2) num, g % 5 five, g % 1000 thousand,
  CASE WHEN g % 3 = 0 THEN g END third, CASE WHEN g % 10 > 0 THEN g % 50 END mostly,
  'user' || g || '@example.com' email, repeat('x', g % 60) AS padded,
  now() + g * '1 s'::interval ts,
  (ARRAY['new','paid','sent','done'])[1 + g % 4] status, g % 2 = 0 flag,
  (power(random(), 3) * 2000)::int skewed, repeat(md5(g::text), 8) wide, g::smallint small,
  (random() * 20000)::int lots,
  (random() * {ROWS} * 0.4)::int few_each, g / 3 three_each,
  ('n' || g % 300)::name named, random()::float8 f8
  FROM generate_series(1, {ROWS} / 4 * 4) g WHERE g < 32000 OR true;
"""

INDEXES: tuple[tuple[str, str], ...] = (
    ("id", "(id)"), ("big", "(big)"), ("shuffled", "(shuffled)"), ("text32", "(text32)"),
    ("uuid", "(uuid)"), ("num", "(num)"), ("five", "(five)"), ("thousand", "(thousand)"),
    ("third", "(third)"), ("mostly", "(mostly)"), ("email", "(email)"), ("padded", "(padded)"),
    ("ts", "(ts)"), ("status", "(status)"), ("flag", "(flag)"), ("skewed", "(skewed)"),
    ("wide", "(wide)"), ("lots", "(lots)"), ("named", "(named)"), ("f8", "(f8)"),
    ("five_id", "(five, id)"), ("status_ts", "(status, ts)"), ("five_thousand", "(thousand, five)"),
    ("status_five", "(status, five)"), ("lots_status", "(lots, status)"),
    ("third_mostly", "(third, mostly)"), ("skewed_flag", "(skewed, flag)"),
    ("padded_five", "(padded, five)"), ("partial_id", "(id) WHERE five = 1"),
    ("partial_five", "(thousand) WHERE flag"), ("partial_third", "(third) WHERE third IS NOT NULL"),
    ("expr_lower", "(lower(email))"), ("expr_mod", "((id % 100))"), ("expr_date", "((f8 * 2))"),
    ("include_id", "(id) INCLUDE (status)"), ("include_five", "(five) INCLUDE (big)"),
    ("ff70", "(id) WITH (fillfactor = 70)"), ("ff100", "(thousand) WITH (fillfactor = 100)"),
    ("few_each", "(few_each)"), ("three_each", "(three_each)"),
    ("few_each_five", "(few_each, five)"),
    ("nodedup", "(five) WITH (deduplicate_items = off)"), ("desc", "(id DESC)"),
    ("small_text", "(status text_pattern_ops)"), ("unique_big", "(big, uuid)"),
    ("three", "(five, status, flag)"), ("num_five", "(five, num)"),
)  # fmt: skip

STATES = ("fresh", "deleted", "churned", "grown")


def make(dsn: str, state: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute(f"DROP SCHEMA IF EXISTS {state} CASCADE; CREATE SCHEMA {state}".encode())
        conn.execute(f"SET search_path = {state}".encode())
        body = TABLES.replace("g::smallint small", "(g % 30000)::smallint small")
        if state == "grown":
            conn.execute(body.replace("CREATE TABLE fresh", "CREATE TABLE source").encode())
            conn.execute(b"CREATE TABLE fresh (LIKE source)")
        else:
            conn.execute(body.encode())
        conn.execute(b"ALTER TABLE fresh SET (autovacuum_enabled = off)")
        for name, keys in INDEXES:
            where = keys.replace(" WITH", " WITH")
            conn.execute(f"CREATE INDEX zoo_{name} ON fresh {where}".encode())
        if state == "grown":
            conn.execute(b"INSERT INTO fresh SELECT * FROM source ORDER BY random()")
        if state == "deleted":
            conn.execute(b"DELETE FROM fresh WHERE random() < 0.6")
        if state == "churned":
            for part in range(3):
                conn.execute(f"UPDATE fresh SET big = big + 1 WHERE id % 3 = {part}".encode())
                conn.execute(b"VACUUM fresh")
        conn.execute(b"VACUUM ANALYZE fresh")


async def estimates(dsn: str) -> Estimates:
    collector = Collector({k: str(v) for k, v in conninfo_to_dict(dsn).items()})
    await collector.open()
    kinds = (Index, Table, ColumnStatistics, OperatorClass, CounterWindow)
    reading = await collector.read(kinds)
    await collector.close()
    samples = {kind: reading.sample(kind) for kind in kinds}
    return Estimates().advanced(samples, samples)


IOGUIX = """
SELECT i.indexrelid::regclass::text, c.relpages, c.reltuples,
       coalesce(substring(array_to_string(c.reloptions, ' ') FROM 'fillfactor=([0-9]+)')::int, 90),
       sum((1 - coalesce(s.null_frac, 0)) * coalesce(s.avg_width, 1024)),
       max(coalesce(s.null_frac, 0)), bool_or(a.atttypid = 'name'::regtype)
  FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
  JOIN pg_attribute ia ON ia.attrelid = i.indexrelid
  LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[ia.attnum - 1]
  JOIN pg_stats s ON s.schemaname = '{schema}'
   AND (s.tablename = 'fresh' AND s.attname = a.attname
        OR s.tablename = c.relname AND i.indkey[ia.attnum - 1] = 0 AND s.attname = ia.attname)
 WHERE i.indrelid = '{schema}.fresh'::regclass GROUP BY 1, 2, 3, 4
"""


def aligned(size: int) -> int:
    return -(-size // 8) * 8


def ioguix(conn: psycopg.Connection[Any], schema: str) -> dict[str, float]:
    found = {}
    for name, pages, rows, fill, width, nulls, _ in conn.execute(
        IOGUIX.format(schema=schema).encode()
    ):
        header = 8 if nulls == 0 else 12  # the arithmetic of ioguix' btree_bloat.sql
        tuple_bytes = 4 + aligned(header) + aligned(math.ceil(width))
        per_page = math.floor((8192 - 24 - 16) * fill / (100 * tuple_bytes))
        expected = 1 + math.ceil(rows / per_page)
        found[name.rpartition(".")[2]] = 100 * (pages - expected) / pages
    return found


def sizes(conn: psycopg.Connection[Any], schema: str) -> tuple[dict[str, int], int]:
    """Bytes of each index and of the table."""
    found = conn.execute(
        "SELECT relname, relkind::text, pg_relation_size(oid) FROM pg_class"
        f" WHERE relkind IN ('i', 'r') AND relnamespace = '{schema}'::regnamespace".encode()
    ).fetchall()
    heaps = [size for name, kind, size in found if kind == "r" and name == "fresh"]
    return {name: size for name, kind, size in found if kind == "i"}, heaps[0]


def truth(dsn: str, schema: str) -> tuple[dict[str, float], float]:
    """Per cent that a rebuild gives back: of each index, of the table."""
    with psycopg.connect(dsn, autocommit=True) as conn:
        before, heap = sizes(conn, schema)
        conn.execute(f"VACUUM FULL {schema}.fresh".encode())
        after, new = sizes(conn, schema)
    gained = {name: 100 * (size - after[name]) / size for name, size in before.items()}
    return gained, 100 * (heap - new) / heap


def summary(name: str, errors: list[tuple[float, float, str]], heap: str) -> str:
    ours, theirs = [e for e, _, _ in errors], [o for _, o, _ in errors]
    return (
        f"{name:8} {len(errors)} indexes: mean {statistics.mean(ours):.2f} max {max(ours):.1f}"
        f" ({max(errors)[2]}); ioguix mean {statistics.mean(theirs):.1f} max {max(theirs):.0f};"
        f" heap {heap}"
    )


def main() -> None:
    dsn = sys.argv[1]
    name = "pgtop_zoo"
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)".encode())
        conn.execute(f"CREATE DATABASE {name}".encode())
    zoo = make_conninfo(dsn, dbname=name)
    try:
        everything: list[tuple[float, float, str]] = []
        heaps, ranges = [], 0
        for state in STATES:
            make(zoo, state)
            found = asyncio.run(estimates(zoo))
            with psycopg.connect(zoo, autocommit=True) as conn:
                other = ioguix(conn, state)
            ours = {i.relname: found.of_index(i) for i in found.indexes() if i.schemaname == state}
            table = next(
                t for t in found.tables() if t.schemaname == state and t.relname == "fresh"
            )
            heap = found.of_table(table)
            true, true_heap = truth(zoo, state)
            errors = []
            for index, answer in sorted(ours.items()):
                if answer.fraction is None:
                    print(f"{state:8} {index:18} {true[index]:6.1f}      ? {answer.why}")
                    continue
                low, high = answer.fraction, max(answer.fraction, answer.most or answer.fraction)
                nearest = min(max(true[index] / 100, low), high)
                error = 100 * nearest - true[index]
                ranges += answer.most is not None
                theirs = other.get(index)
                errors.append((abs(error), abs((theirs or 0) - true[index]), f"{state}.{index}"))
                mark = " <--" if abs(error) > 4 else ""
                if "-v" in sys.argv or mark:
                    print(
                        f"{state:8} {index:18} true {true[index]:.1f}",
                        f"ours {100 * low:.1f}..{100 * high:.1f} ioguix {theirs or 0:.1f}{mark}",
                    )
            everything += errors
            estimated = 100 * (heap.fraction or 0)
            heaps.append(abs(estimated - true_heap))
            print(summary(state, errors, f"true {true_heap:.1f} ours {estimated:.1f}"))
        print(f"{ranges} of {len(everything)} answers are ranges: their error is the way to them")
        print(summary("all", everything, f"mean {statistics.mean(heaps):.2f} max {max(heaps):.2f}"))
    finally:
        with psycopg.connect(dsn, autocommit=True) as conn:
            conn.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


if __name__ == "__main__":
    main()
