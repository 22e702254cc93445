"""Readings and questions on real servers: every extension version, schema, role, encoding."""

from __future__ import annotations

import pytest

from pgtop.analysis.derived import Board
from pgtop.analysis.workload import OWN, Workload
from pgtop.db.lockers import LOCKERS, lockers
from pgtop.db.queries import QUERIES
from pgtop.model.advice import Advise, Work
from pgtop.model.plan_request import PlanOf
from pgtop.model.sample import Disconnected, Sample, SourceError
from pgtop.model.server import Link, Role, Server, Vitals
from pgtop.model.session import Session
from pgtop.model.statement import (
    DetailOf,
    FindStatements,
    Running,
    Statement,
    StatementsInfo,
    StatementText,
    TextsOf,
    UseDatabase,
)
from pgtop.model.table import Table
from pgtop.model.vacuum import HorizonHolder
from tests.db.reading import collecting
from tests.servers import TestServer

EXTENSION_VERSIONS = ("1.7", "1.8", "1.9", "1.10", "1.11", "1.12")


async def test_all_row_types_come_in_one_round_trip(any_server: TestServer) -> None:
    async with collecting(any_server.dsn()) as collector:
        reading = await collector.read([*QUERIES, Link])
        assert reading.round_trips == 1 + sum(
            isinstance(found, SourceError) and found.sqlstate is not None
            for found in reading.samples.values()
        )
        server = reading.sample(Server).rows[0]
        assert server.version_num == any_server.version_num
        assert reading.sample(Vitals).rows[0].client_backends is not None
        assert not reading.sample(Link).rows[0].tls


@pytest.mark.parametrize("version", EXTENSION_VERSIONS)
@pytest.mark.parametrize("schema", ["public", "monitoring", 'Odd "Schema"'])
async def test_statements_on_every_extension_version_and_schema(
    server: TestServer, version: str, schema: str
) -> None:
    with server.database() as name:
        quoted = '"' + schema.replace('"', '""') + '"'
        server.execute(
            f"CREATE SCHEMA IF NOT EXISTS {quoted}",
            f"CREATE EXTENSION pg_stat_statements SCHEMA {quoted} VERSION '{version}'",
            "SELECT 'something to count'",
            database=name,
        )
        async with collecting(server.dsn(name)) as collector:
            reading = await collector.read([Statement, StatementText, StatementsInfo])
            rows = reading.sample(Statement).rows
            assert rows
            assert all(row.total_exec_time is not None for row in rows)
            assert (rows[0].toplevel is None) == (version in ("1.7", "1.8"))
            assert (rows[0].shared_blk_read_time is None) is False
            assert (rows[0].wal_bytes is None) == (version == "1.7")
            info = reading.sample(StatementsInfo).rows[0]
            assert (info.dealloc is None) == (version in ("1.7", "1.8"))
            detail = await collector.ask(DetailOf(rows[0].key))
            assert dict(detail.counters)["calls"] is not None


async def test_numbers_and_texts_have_the_same_keys(any_server: TestServer) -> None:
    async with collecting(any_server.dsn()) as collector:
        await collector.read([Statement, StatementText])  # the first counts itself in between
        reading = await collector.read([Statement, StatementText])
        numbers = {row.key for row in reading.sample(Statement).rows}
        texts = {row.key for row in reading.sample(StatementText).rows}
        assert numbers == texts
        some = reading.sample(StatementText).rows[0]
        # other databases and roles may have run the same statement
        found = await collector.ask(TextsOf(frozenset({some.queryid})))
        assert some in found
        assert {text.queryid for text in found} == {some.queryid}


async def test_own_statements_are_no_load(any_server: TestServer) -> None:
    board = Board()
    async with collecting(any_server.dsn()) as collector:
        await collector.ask(PlanOf(text="select * from pg_class where oid = $1"))
        work = Work(name="one", text="select * from pg_class where relname = $1")
        await collector.ask(Advise(works=(work,)))
        for _ in range(3):
            board.take(await collector.read([Statement, StatementText, Running]))
    workload = board.derived[Workload]
    shown = {workload.texts[key] for key in workload.window("reset").deltas()}
    assert workload.own
    assert not [text for text in shown if text.startswith(OWN)]
    assert not [text for text in shown if "pgtop" in text and "EXPLAIN" in text]


async def test_steady_state_writes_no_temporary_block(any_server: TestServer) -> None:
    async with collecting(any_server.dsn()) as collector:
        for _ in range(3):
            await collector.read([Statement, Running])
        reading = await collector.read([Statement, StatementText])
        texts = {t.key: t.query for t in reading.sample(StatementText).rows}
        own = [s for s in reading.sample(Statement).rows if texts[s.key].startswith(OWN)]
        assert own
        assert sum(s.temp_blks_written for s in own) == 0
    # the file of all texts is read only where the texts are asked for
    with_texts = [
        kind for kind, query in QUERIES.items() if "stat_statements}(true)" in query.template
    ]
    assert with_texts == [StatementText]


async def test_a_failing_row_type_takes_out_its_own_cells(any_server: TestServer) -> None:
    with any_server.database() as name:
        async with collecting(any_server.dsn(name)) as collector:
            reading = await collector.read([Server, Statement, Vitals])
            found = reading.samples[Statement]
            assert isinstance(found, SourceError)
            assert found.remedy == "CREATE EXTENSION pg_stat_statements;"
            assert isinstance(reading.samples[Vitals], Sample)
            assert await collector.ask(FindStatements()) == "postgres"
            assert await collector.ask(UseDatabase("postgres")) == "postgres"
            reading = await collector.read([Server, Statement])
            assert reading.sample(Server).rows[0].database == "postgres"
            assert reading.sample(Statement).rows


async def test_a_query_that_fails_on_the_server_costs_only_itself(server: TestServer) -> None:
    with server.database() as name:
        server.execute("CREATE EXTENSION pg_stat_statements", database=name)
        server.execute(
            "REVOKE EXECUTE ON FUNCTION pg_stat_statements(boolean) FROM PUBLIC", database=name
        )
        async with collecting(server.dsn(name, "nobody_role")) as collector:
            reading = await collector.read([Server, Statement, Vitals])
            assert isinstance(reading.samples[Statement], SourceError)
            assert isinstance(reading.samples[Server], Sample)
            assert reading.sample(Vitals).rows


async def test_what_is_refused_is_not_asked_again(server: TestServer) -> None:
    with server.database() as name:
        server.execute("CREATE EXTENSION pg_stat_statements", database=name)
        signature = "pg_stat_statements(boolean)"
        server.execute(f"REVOKE EXECUTE ON FUNCTION {signature} FROM PUBLIC", database=name)
        async with collecting(server.dsn(name, "nobody_role")) as collector:
            first = await collector.read([Vitals, Statement])
            refused = first.samples[Statement]
            assert isinstance(refused, SourceError)
            assert refused.sqlstate == "42501"
            assert refused.remedy == (
                "GRANT EXECUTE ON FUNCTION public.pg_stat_statements(boolean) TO nobody_role;"
            )
            assert isinstance(first.samples[Vitals], Sample)
            second = await collector.read([Vitals, Statement])
            assert second.round_trips == 1
            assert second.samples[Statement] is refused
            server.execute(f"GRANT EXECUTE ON FUNCTION {signature} TO PUBLIC", database=name)
            collector.forget_refusals()
            assert isinstance((await collector.read([Statement])).samples[Statement], Sample)


async def test_without_rights_rows_are_hidden_not_missing(any_server: TestServer) -> None:
    board = Board()
    async with collecting(any_server.dsn(user="nobody_role")) as collector:
        reading = await collector.read([Server, Statement, Vitals, StatementsInfo])
        board.take(reading)
    assert board.derived[Workload].hidden > 0
    vitals = reading.sample(Vitals).rows[0]
    assert vitals.sessions >= 1
    assert vitals.hidden == 0 or vitals.active is None


async def test_passwords_are_masked_before_they_are_kept(server: TestServer) -> None:
    server.execute("CREATE ROLE masked PASSWORD 'hunter2'", "DROP ROLE masked")
    async with collecting(server.dsn()) as collector:
        reading = await collector.read([StatementText])
        texts = [t for t in reading.sample(StatementText).rows if "masked" in t.query.lower()]
        assert any("****" in t.query for t in texts)
        assert not any("hunter2" in t.query for t in texts)
        for found in texts:
            detail = await collector.ask(DetailOf(found.key))
            assert "hunter2" not in detail.query


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
async def test_text_of_another_encoding_costs_one_cell(server: TestServer, encoding: str) -> None:
    maker = server.latin1_database if encoding == "LATIN1" else server.sql_ascii_database
    with maker() as name:
        with server.connect(name, client_encoding="SQL_ASCII") as conn:
            conn.execute(b"SELECT 1 AS odd, 'caf\xe9'")
            conn.execute(b"SELECT 2 AS odd /* caf\xe9 */, 'x'")
            conn.execute("SET pg_stat_statements.track_utility = off")
            conn.execute(b"CREATE TABLE odd_caf\xe9 (i int)")
        for database in (name, "postgres"):
            server.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements", database=database)
            async with collecting(server.dsn(database)) as collector:
                reading = await collector.read([Statement, StatementText, Running, Vitals])
                assert reading.sample(Statement).rows
                assert isinstance(reading.samples[Vitals], Sample)
                texts = [t.query for t in reading.sample(StatementText).rows]
                assert any("odd" in text for text in texts)
                if database == name:
                    tables = (await collector.read([Table])).sample(Table).rows
                    shown = "café" if encoding == "LATIN1" else "caf\\xe9"
                    assert f"odd_{shown}" in [t.relname for t in tables], "every text, not one"


async def test_a_session_of_another_encoding_is_shown_with_all_others(
    any_server: TestServer,
) -> None:
    """pg_stat_activity and names of roles are handed on as they are, in the bytes of another
    database's encoding."""
    with (
        any_server.latin1_database() as name,
        any_server.connect(name, client_encoding="LATIN1") as conn,
    ):
        conn.execute("CREATE ROLE caf\xe9")
        try:
            for text in ("SELECT 'caf\xe9'", "SELECT 'caf\xe9' /* " + "\xe9" * 1_200 + "\xe9*/"):
                conn.execute("BEGIN")
                conn.execute("SELECT pg_current_xact_id_if_assigned(), txid_current()")
                conn.execute(text)
                async with collecting(any_server.dsn()) as collector:
                    reading = await collector.read([Role, Session, Running, HorizonHolder])
                assert "caf\\xe9" in [role.rolname for role in reading.sample(Role).rows]
                shown = [s.query for s in reading.sample(Session).rows if s.datname == name]
                assert [str(query)[:16] for query in shown] == ["SELECT 'caf\\xe9'"[:16]]
                assert len(reading.sample(Session).rows) > 3
                holders = [h.query for h in reading.sample(HorizonHolder).rows]
                assert any(query and "caf" in query for query in holders)
                conn.execute("ROLLBACK")
        finally:
            conn.execute("DROP ROLE caf\xe9")


async def test_odd_defaults_of_a_role_do_not_matter(server: TestServer) -> None:
    for setting in (
        "DateStyle = 'SQL, DMY'",
        "IntervalStyle = 'sql_standard'",
        "bytea_output = 'escape'",
        "default_transaction_isolation = 'serializable'",
        "search_path = 'nowhere'",
        "standard_conforming_strings = off",
        "default_transaction_read_only = on",
    ):
        server.execute(f"ALTER ROLE monitor SET {setting}")
    try:
        async with collecting(server.dsn(user="monitor")) as collector:
            reading = await collector.read(QUERIES)
            errors = [f for f in reading.samples.values() if isinstance(f, SourceError)]
            assert not [error.why for error in errors if error.sqlstate]
    finally:
        server.execute("ALTER ROLE monitor RESET ALL")


async def test_a_terminated_session_says_so_and_comes_back(server: TestServer) -> None:
    async with collecting(server.dsn(user="monitor")) as collector:
        first = await collector.read([Server])
        pid = first.sample(Server).rows[0].backend_pid
        server.execute(f"SELECT pg_terminate_backend({pid})")
        with pytest.raises(Disconnected) as lost:
            await collector.read([Server])
        assert lost.value.retry_in is not None
        again = await collector.read([Server])
        assert again.sample(Server).rows[0].backend_pid != pid


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"dbname": "nowhere"}, 'database "nowhere" does not exist'),
        ({"user": "nobody_at_all"}, 'role "nobody_at_all" does not exist'),
        ({"port": "1"}, "nothing listens at"),
        ({"host": "no.such.host.invalid"}, "unknown host"),
        ({"sslmode": "require"}, "no TLS"),
    ],
)
async def test_a_failure_to_connect_is_a_sentence(
    server: TestServer, changes: dict[str, str], words: str
) -> None:
    with pytest.raises(Disconnected) as refused:
        async with collecting(server.dsn(), **changes):
            pass
    assert words in refused.value.why
    assert "\n" not in refused.value.why


async def test_an_extension_that_comes_and_goes_is_seen_without_asking(
    server: TestServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pgtop.db.collector.RELEARN_S", 0.0)
    with server.database() as name:
        server.execute("CREATE EXTENSION pg_stat_statements", database=name)
        async with collecting(server.dsn(name)) as collector:
            assert isinstance((await collector.read([Statement])).samples[Statement], Sample)
            server.execute("DROP EXTENSION pg_stat_statements", database=name)
            await collector.read([Statement])
            gone = (await collector.read([Statement])).samples[Statement]
            assert isinstance(gone, SourceError)
            assert gone.remedy == "CREATE EXTENSION pg_stat_statements;"
            server.execute("CREATE EXTENSION pg_stat_statements", database=name)
            await collector.read([Statement])
            assert isinstance((await collector.read([Statement])).samples[Statement], Sample)


async def test_an_extension_created_meanwhile_is_seen_on_reading_again(server: TestServer) -> None:
    with server.database() as name:
        async with collecting(server.dsn(name)) as collector:
            assert isinstance((await collector.read([Statement])).samples[Statement], SourceError)
            server.execute("CREATE EXTENSION pg_stat_statements", database=name)
            assert isinstance((await collector.read([Statement])).samples[Statement], SourceError)
            collector.forget_refusals()
            assert isinstance((await collector.read([Statement])).samples[Statement], Sample)


@pytest.mark.parametrize("relation", ["pg_class", "pg_authid", "pg_type", "pg_attribute"])
async def test_who_has_locked_a_catalogue_is_known_whichever_it_is(
    any_server: TestServer, relation: str
) -> None:
    async with collecting(any_server.dsn()) as collector:
        await collector.rows([LOCKERS], what="lockers")
        with any_server.connect(application_name="migration") as holder:
            holder.execute("BEGIN")
            holder.execute(f"LOCK TABLE {relation} IN ACCESS EXCLUSIVE MODE".encode())
            (rows,) = await collector.rows([LOCKERS], what="lockers")
            pid = holder.info.backend_pid
            holder.execute("ROLLBACK")
    assert lockers(rows) == f"pid {pid} (migration, idle in transaction) has locked {relation}"
