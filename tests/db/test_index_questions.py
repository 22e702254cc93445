"""Questions about one index, where the answer is that there is none."""

from __future__ import annotations

import psycopg
import pytest

from pgtop.db.connection import Statement
from pgtop.model.index_request import DefinitionOf, Measure
from pgtop.model.sample import SourceError
from tests.db.reading import collecting
from tests.servers import TestServer


async def test_an_index_that_was_dropped_meanwhile_is_said(server: TestServer) -> None:
    async with collecting(server.dsn()) as collector:
        with pytest.raises(SourceError, match="no longer there under its oid"):
            await collector.ask(DefinitionOf(4_000_000_000))


async def test_measuring_ends_within_its_budget_and_beside_the_readings(
    server: TestServer, database: str
) -> None:
    with psycopg.connect(database, autocommit=True) as conn:
        conn.execute("CREATE EXTENSION pgstattuple")
        conn.execute("CREATE TABLE wide AS SELECT g AS a FROM generate_series(1, 400000) g")
        conn.execute("CREATE INDEX wide_a ON wide (a)")
        row = conn.execute("SELECT 'wide_a'::regclass::oid::int8").fetchone()
        assert row is not None
        async with collecting(database) as collector:
            measured = await collector.ask(Measure(row[0], "btree", 90, 20.0))
            assert measured.size_bytes > 8_000_000
            with pytest.raises(SourceError, match=r"statement_timeout of 0\.001 s"):
                await collector.ask(Measure(row[0], "btree", 90, 0.001))
            conn.execute("BEGIN")
            conn.execute("DROP INDEX wide_a")
            with pytest.raises(SourceError, match="lock_timeout of 100 ms"):
                await collector.ask(Measure(row[0], "btree", 90, 20.0))
            conn.execute("ROLLBACK")
            ours = conn.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pgtop'"
                " AND datname = current_database()"
            ).fetchone()
            assert ours == (1,), "the second connection is gone"


async def test_an_error_tells_no_data(server: TestServer) -> None:
    async with collecting(server.dsn()) as collector:
        with pytest.raises(SourceError) as refused:
            await collector.rows([Statement("""SELECT '{"secret": x}'::json""")], what="plan")
        assert "invalid input syntax" in refused.value.why
        assert "secret" not in refused.value.why, "DETAIL and CONTEXT hold rows"
