"""What a finding about a plan recommends, run on real servers: the finding goes, and comes
back with the undo. What `test_plan_ask` runs is not run here again."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass

import pytest

from pgtop.advice.plans import insights
from pgtop.advice.thresholds import plans as limit
from pgtop.analysis.plan.parse import parse
from pgtop.db.collector import Collector
from pgtop.db.connection import Session
from pgtop.db.plan_facts import plan_facts
from pgtop.model.finding import Remedy
from pgtop.model.insight import Insight
from tests.db.reading import collecting
from tests.servers import TestServer

_EVENTS = (
    "CREATE TABLE ev (id int, kind int, state text, at timestamptz, tags int[], doc jsonb)"
    " WITH (autovacuum_enabled = off)",
    "INSERT INTO ev SELECT g, g % 40, CASE WHEN g % 100 = 0 THEN 'open' ELSE 'done' END,"
    " '2024-01-01'::timestamptz + g * interval '1 minute', ARRAY[g % 700],"
    " jsonb_build_object('k', (g % 5000)::text) FROM generate_series(1, 100000) g",
    "ANALYZE ev",
)
_PARENT = (
    "CREATE TABLE log (at date, kind int, note text) PARTITION BY RANGE (at)",
    "CREATE TABLE log_1 PARTITION OF log FOR VALUES FROM ('2024-01-01') TO ('2025-01-01')",
    "INSERT INTO log SELECT '2024-01-01'::date + g % 300, g, md5(g::text)"
    " FROM generate_series(1, 60000) g",
    "ANALYZE log_1",
)
_SKEWED = (
    "CREATE TABLE few (v int) WITH (autovacuum_enabled = off)",
    "INSERT INTO few SELECT CASE WHEN g <= 60000 THEN 1000 + g ELSE g % 600 END"
    " FROM generate_series(1, 120000) g",
    "ALTER TABLE few ALTER v SET STATISTICS 1",
    "ANALYZE few",
    "ALTER TABLE few ALTER v SET STATISTICS -1",
)


@dataclass(frozen=True)
class Case:
    """A statement that a rule finds fault with, and what its remedy must hold."""

    rule: str
    text: str
    holds: str
    setup: tuple[str, ...] = _EVENTS
    settings: tuple[str, ...] = ()
    least: int = 130_000
    undone: bool = True
    """Whether the undo brings the finding back: ANALYZE has none, and RESET gives the server's
    setting in place of the one that the case made."""


_INDEX_SCANS = ("enable_seqscan = off", "enable_bitmapscan = off", "random_page_cost = 1")

CASES = {
    "range after equality": Case(
        "seq_filter",
        "SELECT * FROM ev WHERE kind = 7 AND at < '2024-01-01 20:00+00' AND id % 2 = 0",
        "(kind, at)",
    ),
    "partial": Case(
        "seq_filter", "SELECT * FROM ev e WHERE kind = 20 AND state = 'open'",
        "(kind) WHERE state = 'open'",
    ),
    "filter behind an index": Case(
        "idx_filter", "SELECT * FROM ev WHERE kind = 7 AND tags[1] > 5 AND id BETWEEN 20000 AND"
        " 20200", "(kind, id)", (*_EVENTS, "CREATE INDEX ev_kind ON ev (kind)"), _INDEX_SCANS,
    ),
    "a whole index": Case(
        "idx_fullscan", "SELECT id FROM ev WHERE id = 77777 ORDER BY kind", "(id)",
        (*_EVENTS, "CREATE INDEX ev_kind ON ev (kind)"),
        ("enable_seqscan = off", "enable_bitmapscan = off"),
    ),
    "walked in order": Case(
        "limit_filter_walk", "SELECT * FROM ev WHERE kind = 39 ORDER BY at LIMIT 1", "(kind, at)",
        (*_EVENTS, "CREATE INDEX ev_at ON ev (at)", "UPDATE ev SET kind = 1 WHERE id < 60000"),
    ),
    "BRIN": Case("brin", "SELECT * FROM ev WHERE at < '2024-01-03'", "USING brin"),
    "a key of jsonb": Case("jsonb", "SELECT * FROM ev WHERE doc ->> 'k' = '77'", "((doc ->> 'k'"),
    "an array": Case("jsonb", "SELECT * FROM ev WHERE tags @> ARRAY[77]", "USING gin (tags)"),
    "a subquery a row": Case(
        "subplan_row", "SELECT (SELECT count(*) FROM ev WHERE kind = g AND id < 100)"
        " FROM generate_series(1, 150) g", "(kind, id)",
    ),
    "statistics of an expression": Case(
        "misest", "SELECT * FROM ev e WHERE id % 10 = 3", "(id % 10)", least=140_000,
    ),
    "a longer list of values": Case(
        "misest", "SELECT * FROM few WHERE v < 600", "SET STATISTICS 1000", _SKEWED, undone=False
    ),
    "a parent that nobody analyses": Case(
        "misest", "SELECT note, count(*) FROM log GROUP BY note", "ANALYZE public.log;", _PARENT,
        least=130_000, undone=False,
    ),
    "JIT": Case(  # where the library is
        "jit", "SELECT sum(id), avg(kind), max(at), count(state) FROM ev WHERE id > 5"
        " GROUP BY kind, state ORDER BY 1", "SET jit = 'off'",
        settings=(
            "jit = on", "jit_above_cost = 1", "jit_inline_above_cost = 1",
            "jit_optimize_above_cost = 1",
        ),
    ),
    "a way that is switched off": Case(
        "disabled", "SELECT count(*) FROM ev", "RESET enable_seqscan",
        settings=("enable_seqscan = off",),
    ),
    "a bitmap that forgets": Case(
        "lossy", "SELECT count(state) FROM ev WHERE kind < 20", "SET work_mem",
        (*_EVENTS, "CREATE INDEX ev_kind ON ev (kind)"),
        ("work_mem = '64kB'", "enable_seqscan = off", "enable_indexscan = off"), undone=False,
    ),
    "many descents": Case(
        "idx_searches", "SELECT * FROM wide WHERE b = 5", "(b)",
        ("CREATE TABLE wide AS SELECT g % 1100 AS a, g / 1100 AS b"
         " FROM generate_series(1, 1650000) g", "CREATE INDEX wide_ab ON wide (a, b)",
         "VACUUM ANALYZE wide"),
        ("enable_seqscan = off", "enable_bitmapscan = off"), least=180_000,
    ),
}  # fmt: skip


@pytest.fixture
def small_is_big(monkeypatch: pytest.MonkeyPatch) -> None:
    """BRIN is for a gigabyte: the threshold is lowered, not a gigabyte written a server."""
    monkeypatch.setattr(limit, "BRIN_BYTES", 1 << 20)


async def _found(collector: Collector, session: Session, text: str) -> dict[str, Insight]:
    """Rule -> finding of the statement as it runs now, on a session with its settings."""
    cursor = await session.conn.execute(
        f"EXPLAIN (ANALYZE, BUFFERS, VERBOSE, SETTINGS, FORMAT JSON) {text}".encode()
    )
    (document,) = await cursor.fetchone() or (None,)
    plans = parse(json.dumps(document))
    facts = await plan_facts(collector, plans)
    return {i.rule: i for i in reversed(insights(plans[0], facts))}


async def _has_jit(session: Session) -> bool:
    cursor = await session.conn.execute("SELECT pg_jit_available()")
    return (await cursor.fetchone()) == (True,)


async def _run(server: TestServer, session: Session, name: str, sql: tuple[str, ...]) -> None:
    """As the user would: a setting in the session that runs the statement, DDL anywhere."""
    for each in sql:
        if each.startswith(("SET ", "RESET ")):
            await session.conn.execute(each.encode())
        else:
            server.execute(each, database=name)


def _harmless(left: Insight) -> bool:
    """What runs often and quickly is still told, as a notice with nothing to do about it."""
    return left.severity == "notice" and left.remedy is None


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
async def test_what_is_recommended_ends_the_finding(
    any_server: TestServer, case: Case, small_is_big: None
) -> None:
    rule = f"plan.{case.rule}"
    with any_server.database() as name:
        async with collecting(any_server.dsn(name)) as collector, collector.second() as session:
            if collector.catalog.version_num < case.least:
                pytest.skip("not seen by this version")
            if case.rule == "jit" and not await _has_jit(session):
                pytest.skip("this server was built without LLVM")
            for each in case.setup:  # a connection each: what it changed is counted at its end
                if each.startswith("ANALYZE") and collector.catalog.version_num < 150_000:
                    await asyncio.sleep(0.8)  # the statistics collector is told half a second later
                any_server.execute(each, database=name)
            for setting in ("jit = off", "max_parallel_workers_per_gather = 0", *case.settings):
                await session.conn.execute(f"SET {setting}".encode())
            before = await _found(collector, session, case.text)
            assert rule in before, {r: i.title for r, i in before.items()}
            remedy = before[rule].remedy
            assert isinstance(remedy, Remedy), before[rule].no_remedy
            assert case.holds in " ".join(remedy.sql)
            await _run(any_server, session, name, remedy.sql)
            if any("INDEX" in sql for sql in remedy.sql):
                any_server.execute("ANALYZE", database=name)
            for _ in range(5):  # how bad it is hangs on milliseconds, and the machine may be busy
                after = await _found(collector, session, case.text)
                if rule not in after or _harmless(after[rule]):
                    break
            assert rule not in after or _harmless(after[rule]), after[rule].why
            await _run(any_server, session, name, remedy.undo)
            if case.undone:
                again = await _found(collector, session, case.text)
                assert rule in again
