"""Every row type, everywhere: version × role × route × kind of database.

A new row type enters by itself. Each cell gives rows whose values are of the row's own
types, or the reason with what would help. With PGTOP_MATRIX_TABLE the table of all cells
is written to that file.
"""

from __future__ import annotations

import asyncio
import os
import time
import types
import typing
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from psycopg.conninfo import conninfo_to_dict

from pgtop.db.collector import Collector
from pgtop.db.queries import QUERIES
from pgtop.model.sample import Disconnected, Sample, SourceError
from tests.servers import ROLES, TestServer, pooled, standby

OBJECTS = """
CREATE TABLE parent (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text, twice text);
INSERT INTO parent (name) SELECT 'name ' || i FROM generate_series(1, 500) i;
CREATE TABLE child (id serial PRIMARY KEY, parent_id int REFERENCES parent, note text);
INSERT INTO child (parent_id) SELECT 1 + i % 500 FROM generate_series(1, 500) i;
CREATE UNIQUE INDEX by_expression ON child (lower(note), id) WHERE parent_id > 3;
CREATE INDEX "an index ""quoted"" %s [/x]" ON child (note);
CREATE TABLE parts (at date, id int) PARTITION BY RANGE (at);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
CREATE TABLE parts_2 PARTITION OF parts DEFAULT;
INSERT INTO parts SELECT date '2026-01-01' + i, i FROM generate_series(1, 100) i;
CREATE INDEX parts_at ON parts (at);
CREATE MATERIALIZED VIEW seen AS SELECT name FROM parent;
CREATE UNLOGGED TABLE fleeting (a int) WITH (autovacuum_enabled = off, fillfactor = 70);
CREATE STATISTICS both_of_them ON id, parent_id FROM child;
CREATE SCHEMA "a schema";
CREATE TABLE "a schema"."Table" ("Column" int UNIQUE);
CREATE FUNCTION pg_temp.nothing() RETURNS int LANGUAGE sql AS 'SELECT 1';
ANALYZE;
"""
"""Something of every kind that is read."""

FOREIGN_TEXT = {"latin1": "UTF8", "sql_ascii": "LATIN1"}
"""Kind of database -> how a client sends it the text below.

The server converts it to Latin-1, or takes bytes that are UTF-8 in no way as they are.
"""

FOREIGN_OBJECTS = "CREATE TABLE caf\u00e9 (\u00fcber int, text text DEFAULT 'na\u00efve')"

FORGET = """
SELECT pg_stat_statements_reset(0, oid, 0) FROM pg_database WHERE datname = current_database()
"""

EXTENSIONS = {"1.8": 13, "1.9": 14, "1.10": 15, "1.11": 17, "1.12": 18}
"""pg_stat_statements' version -> the first server that has it."""

EXPECTED_STATES = (None, "42501", "55000")
"""SQLSTATEs of an honest refusal: this version has no such thing, no right, not set up.

Anything else would be a defect of the query: no such column, a type that does not fit.
"""


@dataclass(frozen=True, slots=True)
class Cell:
    """Where and as whom to read."""

    role: str = "postgres"
    route: str = "direct"
    database: str = "plain"

    def __str__(self) -> str:
        return f"{self.role}-{self.route}-{self.database}"


CELLS = (
    *(Cell(role, route) for role in ROLES for route in ("direct", "pooled")),
    *(Cell(role, database="bare") for role in ROLES),
    *(Cell(role, "standby") for role in ROLES),
    *(Cell("monitor", database=kind) for kind in FOREIGN_TEXT),
    *(Cell("monitor", "pooled", kind) for kind in FOREIGN_TEXT),
    *(Cell("monitor", database=f"extension {version}") for version in EXTENSIONS),
)

Samples = dict[type[Any], "Sample[Any] | SourceError"]


class Surroundings:
    """The databases and routes of one server; each cell is read once."""

    def __init__(self, server: TestServer, stack: ExitStack) -> None:
        self.server = server
        self._stack = stack
        self._databases: dict[str, str] = {}
        self._routes: dict[str, dict[str, Any]] = {}
        self._read: dict[Cell, Samples] = {}

    def samples(self, cell: Cell) -> Samples:
        """All row types as that cell reads them."""
        if cell not in self._read:
            dsn = self._dsn(cell)
            with self._foreign_statements(cell.database):
                self._read[cell] = asyncio.run(_read_twice(dsn))
        return self._read[cell]

    @contextmanager
    def _foreign_statements(self, kind: str) -> Iterator[None]:
        """A statement in that database's encoding, counted for as long as its cell is read.

        One that is no UTF-8 makes the texts of all statements unreadable in every UTF-8
        database of the cluster.
        """
        if kind not in FOREIGN_TEXT:
            yield
            return
        name, encoding = self._databases[kind], FOREIGN_TEXT[kind]
        with self.server.connect(name, client_encoding=encoding) as conn:
            conn.execute("SELECT 'na\u00efve' AS \u00fcber")
            yield
            conn.execute(FORGET)

    def _dsn(self, cell: Cell) -> str:
        database = self._database(cell.database)
        if cell.route == "standby":
            if "standby" not in self._routes:
                follower = self._stack.enter_context(standby(self.server))
                self._routes["standby"] = {"port": follower.port}
            _wait_for(self.server, self._routes["standby"]["port"], database)
        elif cell.route == "pooled" and "pooled" not in self._routes:
            port = self._stack.enter_context(pooled(self.server))
            self._routes["pooled"] = {"port": port}
        return self.server.dsn(database, cell.role, **self._routes.get(cell.route, {}))

    def _database(self, kind: str) -> str:
        if kind in self._databases:
            return self._databases[kind]
        made = {"latin1": self.server.latin1_database, "sql_ascii": self.server.sql_ascii_database}
        name = self._stack.enter_context(made.get(kind, self.server.database)())
        encoding = FOREIGN_TEXT.get(kind, "UTF8")
        with self.server.connect(name, client_encoding=encoding) as conn:
            if kind.startswith("extension "):
                version = kind.partition(" ")[2]
                conn.execute('CREATE SCHEMA "our monitoring"')
                conn.execute(
                    "CREATE EXTENSION pg_stat_statements"
                    f" SCHEMA \"our monitoring\" VERSION '{version}'".encode()
                )
            elif kind != "bare":
                conn.execute("CREATE EXTENSION pg_stat_statements")
            conn.execute(OBJECTS.encode())
            if kind in FOREIGN_TEXT:
                conn.execute(FOREIGN_OBJECTS)
                conn.execute(FORGET)
        self._databases[kind] = name
        return name


def _wait_for(server: TestServer, port: int, database: str) -> None:
    """Until the standby has replayed what the primary wrote up to now."""
    with server.connect(options="-c synchronous_commit=on") as primary:
        # a commit that is written at once, and all before it
        primary.execute("SELECT pg_logical_emit_message(true, 'here', '')")
        row = primary.execute("SELECT pg_current_wal_flush_lsn()::text").fetchone()
    assert row is not None
    with server.connect(port=port) as follower:
        for _ in range(500):
            if follower.execute("SELECT pg_last_wal_replay_lsn() >= %s", row).fetchone() == (True,):
                return
            follower.execute("SELECT pg_sleep(0.02)")
    raise AssertionError("the standby does not follow")


async def _read_twice(dsn: str) -> Samples:
    """What the second reading brings: the first may have learnt what cannot be read."""
    collector = Collector({k: str(v) for k, v in conninfo_to_dict(dsn).items()})
    await collector.open()
    try:
        first = await collector.read(list(QUERIES))
        assert set(first.samples) == set(QUERIES), "one that fails takes no other along"
        reading = await collector.read(list(QUERIES))
        assert reading.round_trips <= 2, "what is refused is not sent again and again"
        return dict(reading.samples)
    finally:
        await collector.close()


@pytest.fixture(scope="module")
def surroundings(any_server: TestServer) -> Iterator[Surroundings]:
    """Gone after this module: the pooler's own sessions bear pgtop's name."""
    with ExitStack() as stack:
        yield Surroundings(any_server, stack)


def _needed(cell: Cell) -> int:
    version = EXTENSIONS.get(cell.database.partition("extension ")[2], 13)
    return version * 10_000


@pytest.mark.parametrize("cell", CELLS, ids=str)
@pytest.mark.parametrize("row_type", QUERIES, ids=lambda row_type: row_type.__name__)
def test_every_row_type_in_every_cell(
    surroundings: Surroundings, cell: Cell, row_type: type[Any]
) -> None:
    if surroundings.server.version_num < _needed(cell):
        pytest.skip("this server has no such version of the extension")
    found = surroundings.samples(cell)[row_type]
    _note(surroundings.server, cell, row_type, found)
    if isinstance(found, SourceError):
        _assert_honest(found)
    else:
        _assert_typed(row_type, found.rows)


def _assert_honest(error: SourceError) -> None:
    assert not isinstance(error, Disconnected), error.why
    assert error.sqlstate in EXPECTED_STATES, f"{error.sqlstate}: {error.why}"
    assert error.why.strip()
    assert "\n" not in error.why
    if error.sqlstate == "42501":
        assert error.remedy is not None
        assert error.remedy.startswith("GRANT ")
    if "extension" in error.why.lower():
        assert error.remedy is not None
        assert error.remedy.startswith(("CREATE EXTENSION", "ALTER EXTENSION"))


def _assert_typed(row_type: type[Any], rows: tuple[Any, ...]) -> None:
    """Each value is of the type its field says: the query and the row are in the same order."""
    hints = {
        name: _allowed(hint)
        for name, hint in typing.get_type_hints(row_type).items()
        if typing.get_origin(hint) is not typing.ClassVar
    }
    for row in rows:
        assert isinstance(row, row_type)
        for name, allowed in hints.items():
            value = getattr(row, name)
            assert type(value) in allowed, f"{row_type.__name__}.{name} is {value!r}"


def _allowed(hint: Any) -> tuple[type[Any], ...]:
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        return tuple(kind for part in typing.get_args(hint) for kind in _allowed(part))
    if origin is typing.Literal:
        return tuple(type(value) for value in typing.get_args(hint))
    if origin is not None:
        return (origin,)
    return (hint,)


@pytest.mark.parametrize("route", ["direct", "standby"])
@pytest.mark.parametrize("role", ["postgres", "monitor"])
def test_pg_monitor_may_read_everything(surroundings: Surroundings, role: str, route: str) -> None:
    refused = {
        row_type.__name__: found.why
        for row_type, found in surroundings.samples(Cell(role, route)).items()
        if isinstance(found, SourceError) and found.sqlstate is not None
    }
    assert not refused


def test_a_pooler_changes_nothing(surroundings: Surroundings) -> None:
    for role in ROLES:
        direct, through = (
            {t: type(found) for t, found in surroundings.samples(Cell(role, route)).items()}
            for route in ("direct", "pooled")
        )
        assert direct == through


@pytest.mark.parametrize("role", ["monitor", "nobody_role"])
@pytest.mark.parametrize("kind", ["bare", "closed"])
async def test_what_is_advised_makes_it_readable(
    any_server: TestServer, role: str, kind: str
) -> None:
    """Whatever a refusal recommends is run, by a superuser; then the refused is readable."""
    with any_server.database() as name:
        if kind == "closed":
            any_server.execute(
                'CREATE SCHEMA "our monitoring"',
                'CREATE EXTENSION pg_stat_statements SCHEMA "our monitoring"',
                database=name,
            )
        refused = {
            row_type: found
            for row_type, found in (await _read_twice(any_server.dsn(name, role))).items()
            if isinstance(found, SourceError) and found.remedy
        }
        assert refused, "nothing was refused: the test shows nothing"
        any_server.execute(*{found.remedy or "" for found in refused.values()}, database=name)
        try:
            after = await _read_twice(any_server.dsn(name, role))
        finally:  # what is of the whole cluster would change the tests after it
            any_server.execute("REVOKE pg_monitor FROM nobody_role", "GRANT pg_monitor TO monitor")
        assert {t: after[t] for t in refused if isinstance(after[t], SourceError)} == {}


def test_a_statement_of_no_encoding_costs_the_texts_alone(surroundings: Surroundings) -> None:
    surroundings.samples(Cell("monitor", database="sql_ascii"))
    with surroundings._foreign_statements("sql_ascii"):
        found = asyncio.run(_read_twice(surroundings._dsn(Cell("monitor"))))
    failed = {t.__name__: e for t, e in found.items() if getattr(e, "sqlstate", None)}
    assert set(failed) <= {"StatementText"}
    assert all(isinstance(e, SourceError) and "encoding" in e.why for e in failed.values())


def test_a_statement_that_latin_1_cannot_hold_costs_the_texts_alone(
    surroundings: Surroundings,
) -> None:
    surroundings.samples(Cell())
    with surroundings.server.connect(surroundings._database("plain")) as conn:
        conn.execute('SELECT 1 AS "\N{GRINNING FACE}"')
        found = asyncio.run(_read_twice(surroundings._dsn(Cell("monitor", database="latin1"))))
        conn.execute(FORGET)
    failed = {t.__name__: e for t, e in found.items() if getattr(e, "sqlstate", None)}
    assert set(failed) <= {"StatementText"}
    assert all(isinstance(e, SourceError) and e.why for e in failed.values())


def test_a_locked_table_is_in_nobodys_way(surroundings: Surroundings) -> None:
    surroundings.samples(Cell())
    name = surroundings._database("plain")
    locked = 'parent, child, parts, parts_1, fleeting, "a schema"."Table"'
    with surroundings.server.connect(name) as holder:
        holder.execute("BEGIN")
        holder.execute(f"LOCK TABLE {locked} IN ACCESS EXCLUSIVE MODE".encode())
        holder.execute("ALTER INDEX by_expression SET (fillfactor = 60)")
        started = time.monotonic()
        found = asyncio.run(_read_twice(surroundings._dsn(Cell())))
        seconds = time.monotonic() - started
        holder.execute("ROLLBACK")
    waited = [t.__name__ for t, e in found.items() if getattr(e, "sqlstate", None)]
    assert waited == []
    assert seconds < 3


def test_nothing_of_ours_is_left(surroundings: Surroundings) -> None:
    surroundings.samples(Cell())
    with surroundings.server.connect() as conn:
        assert conn.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pgtop'"
            " AND state <> 'idle'"
        ).fetchone() == (0,)


def _note(
    server: TestServer, cell: Cell, row_type: type[Any], found: Sample[Any] | SourceError
) -> None:
    path = os.environ.get("PGTOP_MATRIX_TABLE")
    if path:
        said = found.why if isinstance(found, SourceError) else str(len(found.rows))
        line = (server.version_num // 10_000, cell, row_type.__name__, said)
        with Path(path).open("a", encoding="utf-8") as table:
            table.write("\t".join(map(str, line)) + "\n")
