"""All the rules there are."""

from __future__ import annotations

from pgtop.advice import Rule
from pgtop.advice.autovacuum import AUTOVACUUM_RULES
from pgtop.advice.connections import CONNECTION_RULES
from pgtop.advice.indexes import INDEX_RULES
from pgtop.advice.io import IO_RULES
from pgtop.advice.missing import MISSING_RULES
from pgtop.advice.pools import POOL_RULES
from pgtop.advice.replication import REPLICATION_RULES
from pgtop.advice.sessions import SESSION_RULES
from pgtop.advice.statements import STATEMENT_RULES
from pgtop.advice.table_options import TABLE_OPTION_RULES
from pgtop.advice.tables import TABLE_RULES
from pgtop.advice.trust import TRUST_RULES
from pgtop.advice.vacuum_blocked import BLOCKED_RULES
from pgtop.advice.waits import WAIT_RULES
from pgtop.advice.wal import WAL_RULES
from pgtop.advice.wraparound import WRAPAROUND_RULES

RULES: tuple[Rule, ...] = (
    *CONNECTION_RULES,
    *POOL_RULES,
    *IO_RULES,
    *SESSION_RULES,
    *WAIT_RULES,
    *TRUST_RULES,
    *REPLICATION_RULES,
    *WAL_RULES,
    *STATEMENT_RULES,
    *AUTOVACUUM_RULES,
    *BLOCKED_RULES,
    *WRAPAROUND_RULES,
    *TABLE_OPTION_RULES,
    *MISSING_RULES,
    *INDEX_RULES,
    *TABLE_RULES,
)
