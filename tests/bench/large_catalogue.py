"""Fills an empty database with 20,000 tables and 60,000 indexes, for `indexes_big`.

    python -m tests.bench.large_catalogue DSN

Some three minutes and 7 GB. Each table has 400 rows, a primary key, an index on one column and
one on two that begins with it, each of ten pages or more: below, bloat is not estimated. Nine
tables in ten are read once, by the wider index; no scan of the others is counted.
"""

from __future__ import annotations

import sys

import psycopg

TABLES, AT_ONCE = 20_000, 500

MAKE = """
DO $$ BEGIN FOR i IN {first}..{last} LOOP
  EXECUTE format('CREATE TABLE t_%s (id int8, a int4, b text, c timestamptz)', i);
  EXECUTE format('INSERT INTO t_%s SELECT g, g * 7, md5(g::text),'
                 ' now() FROM generate_series(1, 400) g', i);
  EXECUTE format('ALTER TABLE t_%s ADD PRIMARY KEY (id) WITH (fillfactor = 10)', i);
  EXECUTE format('CREATE INDEX ON t_%s (a) WITH (fillfactor = 10)', i);
  EXECUTE format('CREATE INDEX ON t_%s (a, c) WITH (fillfactor = 10)', i);
END LOOP; END $$
"""

SCAN = """
DO $$ BEGIN FOR i IN {first}..{last} LOOP IF i % 10 > 0 THEN
  EXECUTE format('SELECT b FROM t_%s WHERE a > 7 ORDER BY a, c LIMIT 1', i);
END IF; END LOOP; END $$
"""


def main(dsn: str) -> None:
    """Make the tables, let the planner know them, read most of them."""
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute("SET synchronous_commit = off")
        conn.execute("SET enable_seqscan = off")
        for template in (MAKE, "ANALYZE", SCAN, "VACUUM ANALYZE pg_class", "CHECKPOINT"):
            for first in range(1, TABLES + 1, AT_ONCE) if "{" in template else (1,):
                part = template.format(first=first, last=first + AT_ONCE - 1)
                conn.execute(part.encode())


main(sys.argv[1])
