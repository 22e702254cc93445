"""Questions about one index, where the answer is that there is none."""

from __future__ import annotations

import asyncio

import psycopg
import pytest

from pgtop.db.connection import Statement
from pgtop.model.index_request import DefinitionOf, KeysOf, Measure, SizesOf, StatisticsOf
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
            for _ in range(100):
                ours = conn.execute(
                    "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pgtop'"
                    " AND datname = current_database()"
                ).fetchone()
                if ours == (1,):
                    break
                await asyncio.sleep(0.05)  # a backend takes its time to go
            assert ours == (1,), "the second connection is gone"


async def test_an_error_tells_no_data(server: TestServer) -> None:
    async with collecting(server.dsn()) as collector:
        with pytest.raises(SourceError) as refused:
            await collector.rows([Statement("""SELECT '{"secret": x}'::json""")], what="plan")
        assert "invalid input syntax" in refused.value.why
        assert "secret" not in refused.value.why, "DETAIL and CONTEXT hold rows"


async def test_statistics_come_for_as_many_tables_as_their_columns_allow(
    server: TestServer, database: str
) -> None:
    """Forty tables of 1,600 columns would be two seconds of the server in one reading."""
    with psycopg.connect(database, autocommit=True) as conn:
        oids = []
        for name, columns in (("narrow", 2), ("wide", 40), ("other", 3)):
            listed = ", ".join(f"c{n} int" for n in range(columns))
            conn.execute(f"CREATE TABLE {name} ({listed})".encode())
            row = conn.execute("SELECT %s::regclass::oid::int8", (name,)).fetchone()
            assert row is not None
            oids.append(int(row[0]))
        conn.execute("CREATE INDEX wide_sum ON wide ((c0 + c1))")
        row = conn.execute("SELECT 'wide_sum'::regclass::oid::int8").fetchone()
    assert row is not None
    narrow, wide, other = oids

    async def came(relids: tuple[int, ...], most: int) -> set[int]:
        rows = await collector.ask(StatisticsOf(relids, most))
        return {row.relid for row in rows}

    async with collecting(database) as collector:
        assert await came((narrow, wide, other), 2) == {narrow}
        assert await came((wide, narrow), 2) == {wide, row[0]}, "the first whatever it has"
        assert await came((narrow, wide, other), 3) == {narrow, wide, row[0]}
        assert await came((4_000_000_000, narrow), 3) == {narrow}
        every = await collector.ask(StatisticsOf((narrow, wide, other)))
        assert len(every) == 46


async def test_measured_hash_and_gin_indexes_are_what_a_rebuild_makes_of_them(
    server: TestServer, database: str
) -> None:
    """pgstathashindex calls a fresh index 40 % free; pgstatginindex tells of pending rows alone."""
    with psycopg.connect(database, autocommit=True) as conn:
        conn.execute("CREATE EXTENSION pgstattuple")
        conn.execute("CREATE TABLE t AS SELECT g AS a, ARRAY[g % 99] AS b FROM"
                     " generate_series(1, 200000) g")  # fmt: skip
        conn.execute("ANALYZE t")
        conn.execute("CREATE INDEX t_hash ON t USING hash (a)")
        conn.execute("CREATE INDEX t_gin ON t USING gin (b)")

        def one(sql: str) -> int:
            row = conn.execute(sql.encode()).fetchone()
            assert row is not None
            return int(row[0])

        hashed, gin = (one(f"SELECT 't_{name}'::regclass::oid::int8") for name in ("hash", "gin"))
        async with collecting(database) as collector:
            fresh = await collector.ask(Measure(hashed, "hash", 75, 20.0))
            assert fresh.free_bytes == pytest.approx(0, abs=0.01 * fresh.size_bytes)
            conn.execute("DELETE FROM t WHERE a % 10 > 0")
            conn.execute("VACUUM t")
            measured = await collector.ask(Measure(hashed, "hash", 75, 20.0))
            conn.execute("REINDEX INDEX t_hash")
            freed = measured.size_bytes - one("SELECT pg_relation_size('t_hash')")
            assert freed > 0.8 * measured.size_bytes
            assert measured.free_bytes == pytest.approx(freed, rel=0.02)
            assert (await collector.ask(Measure(gin, "gin", 100, 20.0))).free_bytes is None


async def test_columns_of_an_index_are_told_as_sql_has_them(
    server: TestServer, database: str
) -> None:
    with psycopg.connect(database, autocommit=True) as conn:
        conn.execute('CREATE TABLE t (a int, "B c" int, d text)')
        conn.execute('CREATE INDEX i ON t (a, lower(d)) INCLUDE ("B c", d)')
        conn.execute("CREATE INDEX j ON t (d)")
        oids = conn.execute("SELECT 'i'::regclass::oid::int8, 'j'::regclass::oid::int8").fetchone()
    assert oids is not None
    async with collecting(database) as collector:
        keys = await collector.ask(KeysOf(oids))
    assert keys == {oids[0]: '(a, lower(...)) INCLUDE ("B c", d)', oids[1]: "(d)"}


async def test_sizes_are_those_on_disk_and_a_lock_is_not_waited_for(
    server: TestServer, database: str
) -> None:
    with psycopg.connect(database, autocommit=True) as conn:
        conn.execute("CREATE TABLE t (a int PRIMARY KEY) WITH (autovacuum_enabled = false)")
        conn.execute("INSERT INTO t SELECT generate_series(1, 50000)")
        row = conn.execute(
            "SELECT 't'::regclass::oid::int8, 't_pkey'::regclass::oid::int8,"
            " pg_relation_size('t'), pg_relation_size('t_pkey')"
        ).fetchone()
        assert row is not None
        table, pkey, table_size, pkey_size = row
        async with collecting(database) as collector:
            sizes = await collector.ask(SizesOf((table, pkey, 4_000_000_000)))
            assert sizes == {table: table_size, pkey: pkey_size}
            assert table_size > 1_000_000
            conn.execute("BEGIN")
            conn.execute("LOCK TABLE t")
            assert await collector.ask(SizesOf((pkey,))) == {pkey: pkey_size}
            with pytest.raises(SourceError, match="lock_timeout of 100 ms"):
                await collector.ask(SizesOf((table, pkey)))
            conn.execute("ROLLBACK")
