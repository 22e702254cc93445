"""Foreign keys and what an index must have to serve them."""

from __future__ import annotations

from pgtop.db.query import Query
from pgtop.model.index import ForeignKey

FOREIGN_KEYS = Query(
    row_type=ForeignKey,
    work_mem="16MB",
    template="""\
SELECT /* pgtop */ k.oid::int8, k.conname::text, k.conrelid::int8, k.confrelid::int8,
       string_agg(u.attnum::text, ' ' ORDER BY u.n), string_agg(a.name, ', ' ORDER BY u.n),
       string_agg(a.attcollation::text, ' ' ORDER BY u.n),
       string_agg(coalesce(f.families, ''), ',' ORDER BY u.n),
       k.confdeltype::text, k.confupdtype::text,
       CASE WHEN (SELECT relkind FROM pg_class WHERE oid = k.conrelid) = 'p' THEN (
         WITH RECURSIVE copies AS (
           SELECT k.oid, k.conrelid, k.conkey
           UNION ALL
           SELECT c.oid, c.conrelid, c.conkey
             FROM copies r JOIN pg_constraint c ON c.conparentid = r.oid
            WHERE c.contype = 'f' AND c.conrelid <> r.conrelid)
         SELECT string_agg(r.conrelid::text || ' ' || array_to_string(r.conkey, ' '), ',')
           FROM copies r WHERE r.conkey <> k.conkey) END
  FROM pg_constraint k
 CROSS JOIN LATERAL unnest(k.conkey, k.conpfeqop) WITH ORDINALITY u (attnum, operator, n)
  JOIN (SELECT attrelid, attnum, attcollation, quote_ident(attname) AS name
          FROM pg_attribute) a ON a.attrelid = k.conrelid AND a.attnum = u.attnum
  LEFT JOIN (SELECT amopopr, string_agg(amopfamily::text, ' ') AS families
               FROM pg_amop GROUP BY amopopr) f ON f.amopopr = u.operator
 WHERE k.contype = 'f' AND k.conparentid = 0
 GROUP BY k.oid, k.conname, k.conrelid, k.confrelid, k.confdeltype, k.confupdtype, k.conkey
""",
)
