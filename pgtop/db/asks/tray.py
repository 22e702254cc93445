"""Questions of the DDL tray: locks on tables now, and how objects are in the catalogue.

Nothing here opens a relation: names are looked up in the catalogue's rows, so that a
table under ACCESS EXCLUSIVE answers like any other.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pgtop.db.connection import Statement
from pgtop.model.tray import (
    AppliedState,
    Holder,
    Locks,
    LocksFor,
    Snapshot,
    Target,
    TargetState,
)

if TYPE_CHECKING:
    from typing_extensions import LiteralString

    from pgtop.db.collector import Collector

_TARGETS: LiteralString = """unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::text[])
       WITH ORDINALITY AS t(kind, schema, name, tbl_schema, tbl, n)"""

_LOCKS: LiteralString = """SELECT /* pgtop */ * FROM (WITH seen AS MATERIALIZED (
  SELECT locktype, database, relation, transactionid, pid, mode, granted,
         virtualtransaction
    FROM pg_locks WHERE locktype IN ('relation', 'transactionid'))
SELECT t.n::int8, (t.relid IS NOT NULL)::bool,
       l.pid::int8, l.mode::text, l.granted::bool,
       extract(epoch FROM clock_timestamp() - coalesce(a.xact_start, p.prepared))::float8,
       a.state::text,
       coalesce(p.gid::text,
                coalesce(a.usename::text, '?') || '@' || coalesce(a.application_name, '')),
       a.backend_type::text
  FROM (SELECT t.n, coalesce(
          (SELECT i.indrelid FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
             JOIN pg_namespace ns ON ns.oid = c.relnamespace
            WHERE t.kind = 'index' AND ns.nspname = t.schema AND c.relname = t.name),
          (SELECT s.stxrelid FROM pg_statistic_ext s JOIN pg_namespace ns ON ns.oid = s.stxnamespace
            WHERE t.kind = 'statistics' AND ns.nspname = t.schema AND s.stxname = t.name),
          (SELECT c.oid FROM pg_class c JOIN pg_namespace ns ON ns.oid = c.relnamespace
            WHERE ns.nspname = coalesce(t.tbl_schema, t.schema)
              AND c.relname = coalesce(t.tbl, t.name)
              AND c.relkind IN ('r', 'm', 'p', 't'))) AS relid
          FROM TARGETS) t
  LEFT JOIN seen l
    ON l.locktype = 'relation' AND l.relation = t.relid AND l.pid IS DISTINCT FROM pg_backend_pid()
   AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  LEFT JOIN pg_stat_activity a ON a.pid = l.pid
  LEFT JOIN seen x
    ON l.pid IS NULL AND x.pid IS NULL AND x.locktype = 'transactionid'
   AND x.virtualtransaction = l.virtualtransaction
  LEFT JOIN pg_prepared_xacts p ON p.transaction = x.transactionid
 ORDER BY 1) found""".replace("TARGETS", _TARGETS)

_SNAPSHOTS: LiteralString = """SELECT /* pgtop */ pid::int8,
       extract(epoch FROM clock_timestamp() - xact_start)::float8, state::text,
       coalesce(usename::text, '?') || '@' || coalesce(application_name, ''),
       (backend_xmin IS NOT NULL)::bool, (query = '<insufficient privilege>')::bool
  FROM pg_stat_activity
 WHERE datname = current_database() AND pid <> pg_backend_pid()
   AND coalesce(backend_type, 'client backend') = 'client backend'
   AND (backend_xmin IS NOT NULL OR query = '<insufficient privilege>')
   AND NOT coalesce(query, '') LIKE '%/* pgtop */%'
 ORDER BY xact_start NULLS LAST LIMIT 50"""

_STATES: LiteralString = """SELECT /* pgtop */ t.n::int8, coalesce(c.oid, s.oid)::int8,
       i.indisvalid::bool, i.indisready::bool, array_to_json(c.reloptions)::text,
       (SELECT json_object_agg(attname, attstattarget) FROM pg_attribute
         WHERE attrelid = c.oid AND attnum > 0 AND attstattarget >= 0)::text,
       extract(epoch FROM pg_stat_get_last_analyze_time(c.oid))::float8,
       extract(epoch FROM pg_stat_get_last_vacuum_time(c.oid))::float8,
       p.phase::text,
       (CASE WHEN p.blocks_total > 0 THEN p.blocks_done::float8 / p.blocks_total END)::float8,
       p.current_locker_pid::int8,
       (SELECT format('%%I.%%I', n.nspname, x.relname)
          FROM pg_index y JOIN pg_class x ON x.oid = y.indexrelid
          JOIN pg_namespace n ON n.oid = x.relnamespace
         WHERE y.indrelid = i.indrelid AND NOT y.indisvalid AND x.relname ~ '_ccnew[0-9]*$'
           AND starts_with(x.relname::text, left(c.relname::text, 50))
           AND NOT EXISTS (SELECT FROM pg_stat_progress_create_index b WHERE b.relid = y.indrelid)
         LIMIT 1)::text
  FROM TARGETS
  LEFT JOIN pg_namespace ns ON ns.nspname = t.schema
  LEFT JOIN pg_class c
    ON t.kind <> 'statistics' AND c.relnamespace = ns.oid AND c.relname = t.name
  LEFT JOIN pg_index i ON i.indexrelid = c.oid
  LEFT JOIN pg_statistic_ext s
    ON t.kind = 'statistics' AND s.stxnamespace = ns.oid AND s.stxname = t.name
  LEFT JOIN pg_stat_progress_create_index p
    ON p.relid = i.indrelid AND p.datname = current_database()
   AND (p.index_relid = c.oid OR p.command LIKE 'REINDEX%%')
 ORDER BY t.n""".replace("TARGETS", _TARGETS)


async def locks_for(collector: Collector, request: LocksFor) -> tuple[Locks, ...]:
    """Holders and waiters on each target's table, and the snapshots of this database."""
    locks, snapshots = await collector.rows(
        [Statement(_LOCKS, _arrays(request.targets)), Statement(_SNAPSHOTS)], what="locks"
    )
    older = tuple(Snapshot(*row[:4]) for row in snapshots if row[4])
    hidden = sum(1 for row in snapshots if row[5])
    found = []
    for number, _ in enumerate(request.targets, 1):
        rows = [row[1:] for row in locks if row[0] == number]
        holders = tuple(Holder(*row[1:]) for row in rows if row[2] is not None)
        exists = any(row[0] for row in rows)
        found.append(Locks(exists, holders, older, hidden))
    return tuple(found)


async def applied_state(collector: Collector, request: AppliedState) -> tuple[TargetState, ...]:
    """Each target's row in the catalogue, and the build that is under way on it."""
    (rows,) = await collector.rows(
        [Statement(_STATES, _arrays(request.targets))], what="the tray's objects"
    )
    states: dict[int, TargetState] = {}
    for row in rows:
        known = states.get(row[0])
        if known is None or (known.phase is None and row[8] is not None):
            states[row[0]] = _state(row)
    return tuple(states[number] for number, _ in enumerate(request.targets, 1))


def _state(row: tuple[Any, ...]) -> TargetState:
    _, oid, valid, ready, options, statistics, analyzed, vacuumed, phase, done, pid, left = row
    return TargetState(
        exists=oid is not None,
        oid=oid,
        valid=valid,
        ready=ready,
        options=tuple(json.loads(options)) if options else (),
        statistics=json.loads(statistics) if statistics else {},
        last_analyze=analyzed,
        last_vacuum=vacuumed,
        phase=phase,
        done_fraction=done,
        waits_for_pid=pid or None,
        leftover=left,
    )


def _arrays(targets: tuple[Target, ...]) -> tuple[Any, ...]:
    columns = ("kind", "schema", "name", "table_schema", "table")
    return tuple([getattr(target, column) for target in targets] for column in columns)


ASKS: dict[type[Any], Any] = {LocksFor: locks_for, AppliedState: applied_state}
