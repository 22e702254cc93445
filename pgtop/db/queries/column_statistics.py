"""What ANALYZE knows about columns, as far as this role may see it: without statistics the
row comes too and says so, for no statistics is not the same as no bloat.

pg_statistic is a superuser's; pg_stats shows columns that the role may SELECT.
"""

from __future__ import annotations

from pgtop.db.query import Query
from pgtop.model.index import ColumnStatistics

MOST_RELATIONS, MOST_COLUMNS = 300, 6_000
"""How many tables the query asks for by itself, the biggest, and how many columns at most: about
30 µs each."""

LEAST_PAGES = 10
"""Smaller relations are not judged: a page more or less is 10 % of them."""

OF_RELATIONS = """\
SELECT /* pgtop */ c.oid::int8, a.attnum::int8, a.attlen::int8, a.attalign::text,
       a.attstorage::text, a.attisdropped, c.relkind IN ('i', 'I'), s.attname IS NOT NULL,
       coalesce(s.null_frac, 0)::float8, coalesce(s.avg_width, 0)::int8,
       coalesce(s.n_distinct, 0)::float8, array_to_string(s.most_common_freqs, ','),
       CASE WHEN a.atttypid IN (25, 1043, 1042, 19)
            THEN (SELECT string_agg(octet_length(v)::text, ',' ORDER BY o)
                    FROM unnest(s.most_common_vals::text::text[]) WITH ORDINALITY z (v, o))
            WHEN a.atttypid = 1700
            THEN (SELECT string_agg((pg_column_size(v) - 1)::text, ',' ORDER BY o)
                    FROM unnest(s.most_common_vals::text::numeric[]) WITH ORDINALITY z (v, o))
       END,
       CASE WHEN a.atttypid IN (25, 1043, 1042, 19)
            THEN (SELECT string_agg(octet_length(v)::text, ',')
                    FROM unnest(s.histogram_bounds::text::text[]) z (v))
            WHEN a.atttypid = 1700
            THEN (SELECT string_agg((pg_column_size(v) - 1)::text, ',')
                    FROM unnest(s.histogram_bounds::text::numeric[]) z (v))
       END
  FROM (%relations%) r (oid)
  JOIN pg_class c ON c.oid = r.oid
  JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
  LEFT JOIN LATERAL (
       SELECT * FROM pg_stats p
        WHERE p.schemaname = n.nspname AND p.tablename = c.relname AND p.attname = a.attname
          AND NOT p.inherited OFFSET 0) s ON true
"""
"""LATERAL and OFFSET 0 make of it a look-up a column: the view is a security barrier, and joined
it is read whole, 700 ms for 40 of 20,000 tables instead of 7.
25 text, 1043 varchar, 1042 bpchar, 19 name, 1700 numeric (src/include/catalog/pg_type.dat)."""


def with_expressions(tables: str) -> str:
    """A query for tables' oids, and for those of their indexes that have expressions."""
    return f"""WITH of_tables AS MATERIALIZED ({tables})
        SELECT oid FROM of_tables
        UNION ALL
        SELECT i.indexrelid FROM of_tables JOIN pg_index i ON i.indrelid = of_tables.oid
         WHERE i.indexprs IS NOT NULL"""  # noqa: S608 - statements of ours


_BIGGEST = f"""\
SELECT oid FROM (
         SELECT oid, relnatts, sum(relnatts) OVER (ORDER BY relpages DESC, oid) AS so_far
           FROM (SELECT c.oid, c.relpages, c.relnatts FROM pg_class c
                  WHERE c.relkind IN ('r', 'm') AND c.relpages >= {LEAST_PAGES}
                    AND c.oid >= 16384
                  ORDER BY c.relpages DESC, c.oid LIMIT {MOST_RELATIONS}) big) z
 WHERE so_far - relnatts < {MOST_COLUMNS}"""  # noqa: S608 - numbers of ours

COLUMN_STATISTICS = Query(
    row_type=ColumnStatistics,
    work_mem="16MB",
    template=OF_RELATIONS.replace("%relations%", with_expressions(_BIGGEST)),
)
