"""Sequences and their limits; not pg_sequences, which locks each of them."""

from __future__ import annotations

from pgtop.db.query import Query
from pgtop.model.index import Sequence

SEQUENCES = Query(
    row_type=Sequence,
    work_mem="16MB",
    template="""\
SELECT /* pgtop */ s.seqrelid::int8, quote_ident(n.nspname) || '.' || quote_ident(c.relname),
       n.nspname::text, c.relname::text, c.relpersistence::text, s.seqincrement, s.seqmin,
       s.seqmax, s.seqcycle,
       quote_ident(t.relname) || '.' || quote_ident(a.attname),
       CASE WHEN a.atttypid IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype)
            THEN a.attlen * 8 END::int8
  FROM pg_sequence s
  JOIN pg_class c ON c.oid = s.seqrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = s.seqrelid
        AND d.objsubid = 0 AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')
        AND d.refobjsubid > 0
  LEFT JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
  LEFT JOIN pg_class t ON t.oid = d.refobjid
 WHERE c.relpersistence <> 't'
""",
)
