"""Who has locked a catalogue: asked of functions alone, which no lock on a catalogue stops."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pgtop.db.connection import Statement
from pgtop.terminal.safe import safe

LOCKERS = Statement("""\
SELECT /* pgtop */ l.pid::int8, l.relation::int8, a.application_name, a.state
  FROM pg_lock_status() l, LATERAL pg_stat_get_activity(l.pid) a
 WHERE l.locktype = 'relation' AND l.mode = 'AccessExclusiveLock' AND l.granted
   AND l.relation < 16384 AND l.pid <> pg_backend_pid()
 ORDER BY 1, 2 LIMIT 3
""")
"""Relations below 16384 are those that initdb made. Neither pg_locks nor pg_stat_activity: as
views they look into pg_class, pg_authid and pg_database."""

_NAMES = {
    1213: "pg_tablespace", 1214: "pg_shdepend", 1247: "pg_type", 1249: "pg_attribute",
    1255: "pg_proc", 1259: "pg_class", 1260: "pg_authid", 1261: "pg_auth_members",
    1262: "pg_database", 2224: "pg_sequence", 2601: "pg_am", 2603: "pg_amproc",
    2604: "pg_attrdef", 2606: "pg_constraint", 2608: "pg_depend", 2609: "pg_description",
    2610: "pg_index", 2611: "pg_inherits", 2615: "pg_namespace", 2616: "pg_opclass",
    2617: "pg_operator", 2618: "pg_rewrite", 2619: "pg_statistic", 2620: "pg_trigger",
    2964: "pg_db_role_setting", 3079: "pg_extension", 3381: "pg_statistic_ext",
    6100: "pg_subscription", 6104: "pg_publication",
}  # fmt: skip
"""Their oids are fixed (src/include/catalog/*.h, CATALOG(name,oid,…)); asking the server for a
name looks into pg_class, which may be what is locked."""


def lockers(rows: Sequence[tuple[Any, ...]]) -> str:
    """`pid 4242 (psql, idle in transaction) has locked pg_authid`; "" where nobody is seen."""
    held: dict[int, list[str]] = {}
    who: dict[int, str] = {}
    for pid, relation, application_name, state in rows:
        held.setdefault(pid, []).append(_NAMES.get(relation, f"the catalogue with oid {relation}"))
        known = ", ".join(safe(str(word)) for word in (application_name, state) if word)
        who[pid] = f"pid {pid} ({known})" if known else f"pid {pid}"
    return "; ".join(f"{who[pid]} has locked {', '.join(names)}" for pid, names in held.items())
