"""Questions about a few tables cost as much with 20,000 others beside them."""

from __future__ import annotations

import psycopg
import pytest

from pgtop.db import plan_facts, work_facts
from pgtop.db.queries.column_statistics import COLUMN_STATISTICS, OF_RELATIONS

_ONE = "SELECT 16384::oid"

STATISTICS = {
    "bloat": OF_RELATIONS.replace("%relations%", _ONE),
    "bloat of the biggest": COLUMN_STATISTICS.template,
    "a plan's columns": plan_facts._COLUMNS.replace("%s", "'{16384}'"),
    "a workload's columns": work_facts._COLUMNS.replace("%s", "'{16384}'"),
}


@pytest.mark.parametrize("what", STATISTICS)
def test_statistics_are_looked_up_column_by_column(any_database: str, what: str) -> None:
    """Joined, pg_stats is read whole: a security barrier lets no join's condition in."""
    with psycopg.connect(any_database) as conn:
        for way in ("hashjoin", "mergejoin", "seqscan", "bitmapscan"):
            conn.execute(f"SET enable_{way} = off".encode())
        rows = conn.execute(f"EXPLAIN (COSTS off) {STATISTICS[what]}".encode()).fetchall()
    plan = "\n".join(str(line) for (line,) in rows)
    looked_up = plan[plan.index("pg_statistic_relid_att_inh_index") :]
    assert "Index Cond: ((starelid = " in looked_up, plan
    assert "(relname = c.relname)" in plan, plan


@pytest.mark.parametrize("sql", [plan_facts._TABLES, work_facts._TABLES])
def test_counters_of_a_few_tables_come_without_the_view_of_all(sql: str) -> None:
    assert "pg_stat_all" not in sql
    assert "pg_stat_user" not in sql
