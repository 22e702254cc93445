"""Sessions and locks. Locks are looked at only while somebody waits for one."""

from __future__ import annotations

from pgtop.db.query import Query, Varying
from pgtop.model.session import LockHolder, LockWait, Prepared, Session

SESSIONS = Query(
    row_type=Session,
    relations=("pg_stat_activity",),
    texts=("query",),
    varying=(
        Varying("leader_pid", "int8", ("leader_pid",), expression="{column}::int8"),
        Varying("query_id", "int8", ("query_id",)),
    ),
    template="""\
SELECT /* pgtop */ pid::int8, {leader_pid}, backend_type, datname::text, usename::text,
       application_name, host(client_addr), state, wait_event_type, wait_event,
       extract(epoch FROM backend_start)::float8, extract(epoch FROM xact_start)::float8,
       extract(epoch FROM query_start)::float8, extract(epoch FROM state_change)::float8,
       age(backend_xid)::int8, age(backend_xmin)::int8, {query_id},
       CASE WHEN backend_type IN ('client backend', 'walsender', 'autovacuum worker',
                                  'parallel worker', 'logical replication worker')
            THEN substring(textsend(query) FROM 1 FOR 1000) END,
       datid IS NOT NULL AND backend_type IS NULL
  FROM {pg_stat_activity}
 WHERE pid <> pg_backend_pid()
""",
)

_LOCKS = """\
hidden AS (SELECT count(*) FILTER (WHERE datid IS NOT NULL AND backend_type IS NULL) > 0
                  OR count(*) FILTER (WHERE wait_event_type = 'Lock') > 0 AS any
             FROM pg_stat_get_activity(NULL) WHERE pid <> pg_backend_pid()),
     l AS MATERIALIZED (
       SELECT *, ROW(locktype, database, relation, page, tuple, virtualxid, transactionid, classid,
                     objid, objsubid)::text AS k
         FROM pg_locks WHERE (SELECT h.any FROM hidden h)),
     w AS MATERIALIZED (SELECT * FROM l WHERE NOT granted),
     p AS MATERIALIZED (SELECT x.gid, t.virtualtransaction FROM pg_prepared_xact() x
          JOIN l t ON t.pid IS NULL AND t.transactionid = x.transaction)"""
"""pg_locks is a function: behind a condition that is false it is not called. Where sessions are
hidden nothing else tells who waits. A prepared transaction's locks carry the number that its
session had; the lock on its transaction id tells which it is. The views' functions are asked
themselves: to plan the joins that the views add takes longer than all the rest."""

WAITS = Query(
    row_type=LockWait,
    relations=("pg_stat_activity", "pg_locks"),
    varying=(
        Varying(
            "wait_start",
            "float8",
            ("waitstart",),
            relation="pg_locks",
            expression="extract(epoch FROM w.{column})::float8",
        ),
        Varying("wait_order", "int8", ("waitstart",), relation="pg_locks"),
    ),
    clauses={"locks": (("always", _LOCKS),)},
    template="""\
SELECT /* pgtop */ * FROM (WITH {locks},
     f AS (SELECT DISTINCT ON (k, mode) pid, k, mode FROM w ORDER BY k, mode, {wait_order}),
     b AS MATERIALIZED (SELECT f.k, f.mode, pg_blocking_pids(f.pid) AS by FROM f),
     o AS (SELECT b.k, b.mode, count(DISTINCT u.pid)::int8 AS many, bool_or(u.pid = 0) AS prepared,
                  array_to_string((array_agg(u.pid ORDER BY u.pid IN (SELECT v.pid FROM w v), u.n))
                                  [1:8], ',') AS by
             FROM b, unnest(b.by) WITH ORDINALITY u (pid, n) GROUP BY b.k, b.mode),
     h AS (SELECT g.k, min(p.gid) AS gid,
                  array_to_string((array_agg(coalesce(g.pid, 0)::text || ' ' || g.mode))[1:8], ',')
                  AS held
             FROM l g LEFT JOIN p ON g.pid IS NULL AND p.virtualtransaction = g.virtualtransaction
            WHERE g.granted AND g.k IN (SELECT v.k FROM w v) GROUP BY g.k),
     t AS (SELECT DISTINCT ON (pid) pid, relation, database FROM l
            WHERE granted AND locktype = 'tuple'),
     r AS (SELECT c.oid, format('%I.%I', n.nspname, c.relname) AS name
             FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE c.oid IN (SELECT relation FROM w UNION SELECT relation FROM t)),
     here AS (SELECT oid FROM pg_database WHERE datname = current_database())
SELECT w.pid::int8, coalesce(o.by, ''), coalesce(o.many, 0), w.locktype, w.mode,
       CASE WHEN coalesce(w.database, t.database) = (SELECT oid FROM here) THEN r.name END,
       coalesce(w.database, t.database, 0) IN (0, (SELECT oid FROM here)),
       {wait_start}, h.held, CASE WHEN o.prepared THEN h.gid END
  FROM w
  LEFT JOIN o ON o.k = w.k AND o.mode = w.mode
  LEFT JOIN h ON h.k = w.k
  LEFT JOIN t ON t.pid = w.pid AND w.relation IS NULL
  LEFT JOIN r ON r.oid = coalesce(w.relation, t.relation)) x
""",
)
"""Asked for the first of those who want the same of the same object: the others stand behind it,
and each call looks through the whole queue. 500 sessions of which 301 wait: 15 ms in all.
A row lock shows as a wait for a transaction; which table it is in tells the tuple lock that the
first in the queue holds."""

HOLDERS = Query(
    row_type=LockHolder,
    relations=("pg_stat_activity",),
    clauses={"locks": (("always", _LOCKS),)},
    template="""\
SELECT /* pgtop */ * FROM (WITH {locks}
SELECT coalesce(g.pid, 0)::int8, p.gid, count(*)::int8,
       (SELECT string_agg(r.mode || ' ' || r.name, ',') FROM
          (SELECT DISTINCT ON (c.oid) k.mode, format('%I.%I', n.nspname, c.relname) AS name
             FROM l k JOIN pg_class c ON c.oid = k.relation
             JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE k.granted AND k.locktype = 'relation' AND k.relation >= 16384
              AND c.relkind IN ('r', 'm', 'p')
              AND k.database = (SELECT oid FROM pg_database WHERE datname = current_database())
              AND k.virtualtransaction = g.virtualtransaction
            ORDER BY c.oid, array_position(ARRAY['AccessExclusiveLock', 'ExclusiveLock',
                       'ShareRowExclusiveLock', 'ShareLock', 'ShareUpdateExclusiveLock',
                       'RowExclusiveLock', 'RowShareLock', 'AccessShareLock'], k.mode)
            LIMIT 5) r)
  FROM l g
  LEFT JOIN p ON g.pid IS NULL AND p.virtualtransaction = g.virtualtransaction
 WHERE g.granted AND g.virtualtransaction IN
       (SELECT h.virtualtransaction FROM l h JOIN w ON h.granted AND h.k = w.k)
 GROUP BY g.virtualtransaction, g.pid, p.gid
 LIMIT 100) x
""",
)

PREPARED = Query(
    row_type=Prepared,
    template="""\
SELECT /* pgtop */ gid, owner::text, database::text,
       extract(epoch FROM clock_timestamp() - prepared)::float8, age(transaction)::int8
  FROM pg_prepared_xacts
""",
)
