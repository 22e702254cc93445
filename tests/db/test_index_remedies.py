"""Remedies of unused and bloated indexes on real servers, run and taken back; a crash; squawk."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from pgtop.advice import Facts, judge
from pgtop.advice.indexes import INDEX_RULES
from pgtop.advice.questions import ask_definitions
from pgtop.advice.verdict import Verdict
from pgtop.analysis.derived import Board
from pgtop.model.finding import Finding
from pgtop.model.index import CounterWindow, Index
from pgtop.model.sample import Sample
from tests.db.reading import collecting
from tests.db.test_index_rules import SICK, execute, flushed, judged, of, with_definitions
from tests.servers import TestServer, named_servers, running

DAY_S = 86_400.0
CRASH_S = 600.0
"""A restart takes less."""

UNREAD = (
    'CREATE SCHEMA "Odd schema"',
    'CREATE TABLE "Odd schema"."T 1" (id int PRIMARY KEY, "a ""b" int, note text, day date)',
    "INSERT INTO \"Odd schema\".\"T 1\" SELECT g, g % 100, 'n' || g, date '2026-01-01' + g % 300"
    " FROM generate_series(1, 20000) g",
    'CREATE INDEX "never read" ON "Odd schema"."T 1" ("a ""b" DESC NULLS LAST, lower(note))'
    " WHERE day IS NOT NULL",
    'CREATE INDEX trgm ON "Odd schema"."T 1" USING hash (note)',
    "CREATE TABLE parts (id int, user_id int, note text) PARTITION BY RANGE (id)",
    'CREATE TABLE "Part ON a" PARTITION OF parts FOR VALUES FROM (0) TO (10000)',
    "CREATE TABLE parts_b PARTITION OF parts FOR VALUES FROM (10000) TO (50000)",
    "INSERT INTO parts SELECT g, g % 100, repeat('x', 50) FROM generate_series(1, 20000) g",
    "CREATE INDEX parts_unread ON parts (user_id, note) WITH (fillfactor = 80)",
    "VACUUM ANALYZE",
)

ROWS = 300_000

BLOATED = (
    "CREATE TABLE airy (id int, code text, note text)",
    f"INSERT INTO airy SELECT g, md5(g::text), 'n' FROM generate_series(1, {ROWS}) g",
    "CREATE INDEX airy_code ON airy (code)",
    "DELETE FROM airy WHERE id % 10 > 0",
)


def make_bloated(dsn: str) -> None:
    """VACUUM in a session of its own: it must not be counted before the deletion is."""
    execute(dsn, BLOATED)
    execute(dsn, ["VACUUM ANALYZE airy"])
    with psycopg.connect(dsn, autocommit=True) as conn:
        for _ in range(100):  # before 15 counters come later
            seen = conn.execute(
                "SELECT n_dead_tup, n_live_tup FROM pg_stat_user_tables WHERE relname = 'airy'"
            ).fetchone()
            if seen == (0, ROWS // 10):
                return
            time.sleep(0.1)
    raise AssertionError(seen)


def aged(board: Board, days: float = 60) -> Board:
    """The same board, as if the counters had counted for so long: nothing else can wait a month."""
    sample = board.samples[CounterWindow]
    assert isinstance(sample, Sample)
    since = sample.taken_at - days * DAY_S
    rows = tuple(row._replace(stats_reset=since) for row in sample.rows)
    board.samples[CounterWindow] = replace(sample, rows=rows)
    return board


async def after_a_month(dsn: str) -> Verdict:
    board, _ = await judged(dsn)
    aged(board)
    async with collecting(dsn) as collector:
        found = judge(Facts(board.samples, board.derived), INDEX_RULES).findings
        await ask_definitions(collector, board, found)
    return judge(Facts(board.samples, board.derived), INDEX_RULES)


def indexes(dsn: str) -> set[tuple[Any, ...]]:
    """Every index as the server words it, whether valid, and where it hangs."""
    with psycopg.connect(dsn, autocommit=True) as conn:
        return set(
            conn.execute(
                "SELECT pg_get_indexdef(i.indexrelid), indisvalid, h.inhparent::regclass::text"
                "  FROM pg_index i LEFT JOIN pg_inherits h ON h.inhrelid = i.indexrelid"
                "  JOIN pg_class c ON c.oid = i.indexrelid WHERE c.oid >= 16384"
                "   AND c.relnamespace <> 99"
            ).fetchall()
        )


async def test_an_unused_index_goes_and_comes_back_as_it_was(any_database: str) -> None:
    execute(any_database, UNREAD)
    before = indexes(any_database)
    found = of(await after_a_month(any_database), "index.unused")
    assert {f.subject.name for f in found} == {"never read", "trgm", "parts_unread"}
    for finding in found:
        assert finding.remedy is not None
        execute(any_database, finding.remedy.sql)
        left = of(await after_a_month(any_database), "index.unused")
        assert finding.key not in {f.key for f in left}
        assert len(indexes(any_database)) < len(before)
        execute(any_database, finding.remedy.undo)
        assert indexes(any_database) == before


async def test_a_bloated_index_is_rebuilt_and_the_finding_is_gone(
    any_database: str, any_server: TestServer
) -> None:
    make_bloated(any_database)
    board, verdict = await judged(any_database)
    (finding,) = of(verdict, "index.bloated")
    said = finding.evidence["bloat_bytes"]
    assert isinstance(said, int)
    before = size(board, "airy_code")
    if 140000 <= any_server.version_num < 140004:
        assert finding.remedy is None
        return
    assert finding.remedy is not None
    execute(any_database, finding.remedy.sql)
    again, verdict = await judged(any_database)
    assert of(verdict, "index.bloated") == []
    assert abs((before - size(again, "airy_code")) - said) <= 0.04 * before


def size(board: Board, name: str) -> int:
    rows = Facts(board.samples, board.derived).rows(Index)
    return next(row.size_bytes for row in rows if row.relname == name)


# -- after a crash -----------------------------------------------------------------------


@pytest.fixture(params=named_servers())
def crashing(request: pytest.FixtureRequest) -> Iterator[TestServer]:
    """A server that may crash."""
    with running(request.param) as found:
        yield found


@pytest.mark.matrix
async def test_after_a_crash_nothing_is_called_unused(crashing: TestServer) -> None:
    with crashing.database() as name:
        dsn = crashing.dsn(name)
        execute(dsn, UNREAD)
        crashing.server.restart(mode="immediate")
        board, verdict = await judged(dsn)
        facts = Facts(board.samples, board.derived)
        (window,) = facts.rows(CounterWindow)
        taken = board.samples[CounterWindow]
        assert isinstance(taken, Sample)
        assert window.since is None or taken.taken_at - window.since < CRASH_S
        assert of(verdict, "index.unused") == []
        said = {**verdict.needs_time, **verdict.not_possible}["index.unused"]
        assert "too young" in said or "not known" in said
        assert of(verdict, "index.invalid", "index.duplicate", "index.redundant") == []


# -- squawk ------------------------------------------------------------------------------

SQUAWK = shutil.which("squawk", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")

EXPLAINED = {
    "require-timeout-settings",  # CONCURRENTLY ended by a timeout leaves an invalid index behind
    "prefer-robust-stmts",  # IF NOT EXISTS would be content with such a leftover
}
PARENT = {
    "CREATE INDEX ": ("require-concurrent-index-creation", " ON ONLY "),
    "DROP INDEX ": ("require-concurrent-index-deletion", "parts"),
}
"""What a partitioned index cannot be: made or dropped CONCURRENTLY; ON ONLY builds nothing."""


def explained(statement: str) -> str:
    """The statement, with what squawk is to pass over where it is about a partitioned index."""
    for head, (rule, mark) in PARENT.items():
        if statement.startswith(head) and mark in statement and "CONCURRENTLY" not in statement:
            return f"-- squawk-ignore {rule}\n{statement}"
    return statement


def linted(directory: Path, findings: Iterable[Finding]) -> str:
    """What squawk says of every remedy and undo, each in a file of its own."""
    files = []
    for number, finding in enumerate(findings):
        assert finding.remedy is not None
        for kind, sql in (("do", finding.remedy.sql), ("undo", finding.remedy.undo)):
            if sql:
                path = directory / f"{number:02}_{finding.rule}_{kind}.sql"
                path.write_text("\n".join(map(explained, sql)) + "\n")
                files.append(str(path))
    done = subprocess.run(
        [str(SQUAWK), "--pg-version", "14.0", "--no-assume-in-transaction", "--exclude",
         ",".join(EXPLAINED), "--reporter", "gcc", *files],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.stdout + done.stderr


@pytest.mark.skipif(SQUAWK is None, reason="squawk is not here")
async def test_squawk_has_nothing_against_a_remedy(database: str, tmp_path: Path) -> None:
    execute(database, [*SICK, *UNREAD[:5]])
    make_bloated(database)
    flushed(database)
    found = [
        f
        for f in (*(await with_definitions(database)).findings,
                  *of(await after_a_month(database), "index.unused"))
        if f.remedy is not None and f.rule.startswith("index.")
    ]  # fmt: skip
    assert {f.rule for f in found} >= {
        "index.unused", "index.duplicate", "index.redundant", "index.invalid", "index.bloated",
        "index.missing_fk",
    }  # fmt: skip
    assert linted(tmp_path, found) == ""
