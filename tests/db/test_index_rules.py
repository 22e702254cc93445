"""Rules about indexes on real servers: labelled cases, and a healthy database."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from pgtop.advice import Facts, judge
from pgtop.advice.index_facts import gathered
from pgtop.advice.indexes import INDEX_RULES
from pgtop.advice.questions import ask_definitions
from pgtop.advice.tables import TABLE_RULES
from pgtop.advice.verdict import Verdict
from pgtop.analysis.derived import Board
from pgtop.analysis.estimates import Estimates
from pgtop.analysis.keys import best_support
from pgtop.model.finding import Finding
from pgtop.model.index import (
    ColumnStatistics,
    CounterWindow,
    ForeignKey,
    Index,
    IndexUse,
    OperatorClass,
    Sequence,
    SequenceValue,
)
from pgtop.model.index_request import Definition, DefinitionOf, KeysOf, StatisticsOf, ValuesOf
from pgtop.model.sample import SourceError
from pgtop.model.server import Server
from pgtop.model.table import Partition, Table, TableUse
from pgtop.model.vacuum import HorizonHolder, ParentStatistics, VacuumSetting
from tests.db.index_cases import COLUMNS, FOREIGN_KEYS, REDUNDANT
from tests.db.reading import collecting
from tests.servers import TestServer, standby

KINDS: tuple[type[Any], ...] = (
    Server, Index, IndexUse, Table, TableUse, Partition, ForeignKey, OperatorClass, CounterWindow,
    ColumnStatistics, Sequence, ParentStatistics, VacuumSetting, HorizonHolder,
)  # fmt: skip


async def judged(dsn: str, **user: str) -> tuple[Board, Verdict]:
    """What the rules say of a database."""
    board = Board()
    async with collecting(dsn, **user) as collector:
        board.take(await collector.read(KINDS))
        sequences = board.samples[Sequence].rows  # type: ignore[union-attr]
        asked = ValuesOf(tuple(s.seqrelid for s in sequences))
        board.add(SequenceValue, await collector.ask(asked))
        board.take(await collector.read(KINDS))
    return board, judge(Facts(board.samples, board.derived), (*INDEX_RULES, *TABLE_RULES))


def of(verdict: Verdict, *rules: str) -> list[Finding]:
    return [finding for finding in verdict.findings if finding.rule in rules]


def execute(dsn: str, statements: Iterable[str]) -> None:
    with psycopg.connect(dsn, autocommit=True) as conn:
        for statement in statements:
            conn.execute(statement.encode())


def redundancy_case(name: str, indexes: str) -> list[str]:
    table = f'"{name}".t'
    more = ", ".join(f"k{n} int" for n in range(1, 13))
    made = [
        f'CREATE SCHEMA "{name}"',
        f'CREATE TABLE {table} (id int PRIMARY KEY, nn int NOT NULL, "a, b" int, {COLUMNS},'
        f" {more})",
    ]
    for part in indexes.split("; "):
        kind, _, rest = part.partition(" ")
        if kind == "REPLICA":
            made.append(f"ALTER TABLE {table} REPLICA IDENTITY USING INDEX {rest}")
        elif kind == "REFERENCED":
            made.append(f'CREATE TABLE "{name}".r (a int REFERENCES {table} {rest})')
        elif kind == "CLUSTER":
            made.append(f"ALTER TABLE {table} CLUSTER ON {rest}")
        elif kind == "CONSTRAINT":
            index, _, keys = rest.partition(" ")
            made.append(f"ALTER TABLE {table} ADD CONSTRAINT {index} UNIQUE {keys}")
        else:
            unique = "UNIQUE " if kind == "UNIQUE" else ""
            index, _, keys = (rest if unique else part).partition(" ")
            on = keys if keys.startswith("USING") else f"{keys}"
            made.append(f"CREATE {unique}INDEX {index} ON {table} {on}")
    return made


async def test_redundant_indexes(any_database: str, any_server: Any) -> None:
    expected: dict[str, set[str]] = {}
    for name, indexes, gone in REDUNDANT:
        if indexes.startswith("{v15} ") and any_server.version_num < 150000:
            continue
        execute(any_database, redundancy_case(name, indexes.removeprefix("{v15} ")))
        expected[name] = set(gone.split())
    _, verdict = await judged(any_database)
    found: dict[str, set[str]] = {name: set() for name in expected}
    drops: list[str] = []
    for finding in of(verdict, "index.duplicate", "index.redundant"):
        assert finding.subject.schema is not None
        found[finding.subject.schema].add(finding.subject.name)
        drops += finding.remedy.sql if finding.remedy is not None else ()
    assert found == expected
    assert len(expected) >= 40
    execute(any_database, drops)  # the server agrees: nothing rests on them


def foreign_key_case(schema: str, name: str, columns: str, indexes: str) -> list[str]:
    made = [
        f"CREATE SCHEMA {schema}",
        f"CREATE TABLE {schema}.parent (id int, a int, b int, d text, wide int,"
        f" UNIQUE {columns}, PRIMARY KEY (id))",
        f"CREATE TABLE {schema}.child (a int, b int, c int, d text, wide bigint,"
        f" CONSTRAINT {name} FOREIGN KEY {columns} REFERENCES {schema}.parent {columns})",
    ]
    for place, part in enumerate(filter(None, indexes.split("; "))):
        head = "UNIQUE " if part.startswith("UNIQUE ") else ""
        keys = part.removeprefix(head).removeprefix("x ")
        made.append(f"CREATE {head}INDEX x{place} ON {schema}.child {keys}")
    return made


async def test_foreign_keys(any_database: str) -> None:
    made, expected = [], {}
    for number, (name, columns, indexes, support) in enumerate(FOREIGN_KEYS):
        made += foreign_key_case(f"f{number}", name, columns, indexes)
        expected[name] = support
    execute(any_database, made)
    board, _ = await judged(any_database)
    facts = Facts(board.samples, board.derived)
    indexes_of: dict[int, list[Index]] = {}
    for index in facts.rows(Index):
        indexes_of.setdefault(index.indrelid, []).append(index)
    classes = {row.oid: row for row in facts.rows(OperatorClass)}
    found = {
        key.conname: best_support(key, indexes_of.get(key.conrelid, ()), classes)
        for key in facts.rows(ForeignKey)
    }
    assert found == expected
    assert len(expected) >= 20


HEALTHY = (
    "CREATE TABLE users (id bigserial PRIMARY KEY, email text UNIQUE, created_at timestamptz)",
    "CREATE TABLE orders (id serial PRIMARY KEY, user_id bigint REFERENCES users, status text,"
    " created_at timestamptz)",
    "CREATE INDEX ON orders (user_id)",
    "CREATE INDEX ON orders (status, created_at)",
    "INSERT INTO users SELECT g, 'u' || g, now() FROM generate_series(1, 20000) g",
    "INSERT INTO orders SELECT g, 1 + g % 20000, 'new', now() FROM generate_series(1, 50000) g",
    "SELECT setval('orders_id_seq', 50000)",
    "VACUUM ANALYZE",
)


async def test_a_fresh_shop_is_healthy(any_database: str) -> None:
    execute(any_database, HEALTHY)
    _, verdict = await judged(any_database)
    assert [(f.rule, f.subject.name) for f in verdict.findings] == []
    assert "too young" in verdict.needs_time["index.unused"]


SICK = (
    "CREATE TABLE users (id serial PRIMARY KEY, email text, flag bool, d date)",
    "INSERT INTO users (email, flag) SELECT 'u' || g, g % 2 = 0 FROM generate_series(1, 20000) g",
    "CREATE INDEX twin_one ON users (email)",
    'CREATE INDEX "Twin two" ON users (email)',
    "CREATE INDEX front ON users (flag) WHERE d IS NULL",
    "CREATE INDEX wide ON users (flag, email) INCLUDE (d) WHERE d IS NULL",
    "CREATE TABLE orders (id int, user_id int REFERENCES users, note text)",
    "INSERT INTO orders SELECT g, 10001 + g % 100, repeat('x', 200)"
    " FROM generate_series(1, 9000) g",
    "DELETE FROM users WHERE id BETWEEN 1 AND 3",
    "CREATE TABLE parts (id int, user_id int REFERENCES users, note text) PARTITION BY RANGE (id)",
    "CREATE TABLE parts_a PARTITION OF parts FOR VALUES FROM (0) TO (5000)",
    "CREATE TABLE parts_b PARTITION OF parts FOR VALUES FROM (5000) TO (50000)",
    "INSERT INTO parts SELECT g, 10001 + g % 100, repeat('x', 200) FROM generate_series(1, 9000) g",
    "CREATE INDEX broken ON users (d)",
    "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'broken'::regclass",
    "CREATE TABLE silent (a int) WITH (autovacuum_enabled = off)",
    "INSERT INTO silent SELECT generate_series(1, 5000)",
    "CREATE TABLE counted (id bigint PRIMARY KEY)",
    "CREATE SEQUENCE counted_seq AS int OWNED BY counted.id",
    "SELECT setval('counted_seq', 2000000000)",
    "VACUUM ANALYZE users, orders, parts_a, parts_b",
)


async def with_definitions(dsn: str) -> Verdict:
    board, _ = await judged(dsn)
    async with collecting(dsn) as collector:
        found = judge(Facts(board.samples, board.derived), INDEX_RULES).findings
        await ask_definitions(collector, board, found)
    return judge(Facts(board.samples, board.derived), (*INDEX_RULES, *TABLE_RULES))


def flushed(dsn: str) -> None:
    """Counters of this session are visible to others at once from 15, before only later."""
    with psycopg.connect(dsn, autocommit=True) as conn:
        for _ in range(100):
            (seen,) = conn.execute(
                "SELECT count(*) FROM pg_stat_user_tables WHERE relname = 'users' AND n_tup_del > 0"
                " OR relname = 'silent' AND n_live_tup >= 5000"
            ).fetchone() or (0,)
            if seen == 2:
                return
            time.sleep(0.1)


async def test_every_remedy_ends_its_finding_and_its_undo_brings_it_back(
    any_database: str, any_server: Any
) -> None:
    execute(any_database, SICK)
    flushed(any_database)
    before = await with_definitions(any_database)
    keys = {(f.rule, f.subject.name) for f in before.findings}
    assert keys >= {
        ("index.duplicate", "Twin two"), ("index.redundant", "front"), ("index.invalid", "broken"),
        ("index.missing_fk", "orders"), ("index.missing_fk", "parts"),
        ("table.stale_statistics", "silent"), ("sequence.near_limit", "counted_seq"),
    }  # fmt: skip
    trusted = not 140000 <= any_server.version_num < 140004
    for finding in before.findings:
        if finding.remedy is None:
            continue
        execute(any_database, finding.remedy.sql)
        after = await with_definitions(any_database)
        assert finding.key not in {f.key for f in after.findings}, finding
        if finding.remedy.undo and trusted:
            execute(any_database, finding.remedy.undo)
            again = await with_definitions(any_database)
            assert finding.key in {f.key for f in again.findings}, finding


async def test_nothing_waits_for_locked_tables(any_database: str) -> None:
    execute(any_database, [f"CREATE TABLE t{n} (id int PRIMARY KEY, a text)" for n in range(100)])
    execute(any_database, [f"CREATE INDEX x{n} ON t{n} (lower(a))" for n in range(100)])
    with psycopg.connect(any_database) as holder:
        for number in range(100):
            holder.execute(f"LOCK TABLE t{number} IN ACCESS EXCLUSIVE MODE".encode())
        started = time.monotonic()
        board, _ = await judged(any_database)
        assert time.monotonic() - started < 1.0
        assert not [s for s in board.samples.values() if isinstance(s, SourceError)]
        assert len(Facts(board.samples).rows(Index)) == 200
        async with collecting(any_database) as collector:
            one = next(i for i in Facts(board.samples).rows(Index) if i.indexprs)
            answer = await collector.ask(DefinitionOf(one.indexrelid))
            keys = await collector.ask(KeysOf((one.indexrelid,)))
            rows = await collector.ask(StatisticsOf((one.indrelid,)))
        assert (answer.sql, answer.why) == (None, "locked")
        assert keys
        assert rows


async def test_a_monitor_without_grants_sees_why_there_is_no_bloat(any_database: str) -> None:
    execute(any_database, HEALTHY)
    board, verdict = await judged(any_database, user="monitor")
    estimates: Estimates = board.derived[Estimates]
    big = [i for i in estimates.indexes() if i.relpages >= 10]
    assert big
    for index in big:
        bloat = estimates.of_index(index)
        assert bloat.source == "unavailable"
        assert "GRANT SELECT ON" in str(bloat.why)
    assert [f for f in verdict.findings if f.rule == "index.bloated"] == []


async def test_a_role_without_any_grant(any_database: str) -> None:
    execute(any_database, HEALTHY)
    board, verdict = await judged(any_database, user="nobody_role")
    assert len(Facts(board.samples).rows(Index)) > 0
    assert verdict.findings == ()


async def test_on_a_standby_unused_is_not_said(server: TestServer, database: str) -> None:
    execute(database, [*HEALTHY, "CREATE INDEX never_read ON orders (created_at)"])
    name = str(conninfo_to_dict(database)["dbname"])
    with standby(server) as replica:
        caught_up(server, replica)
        _, verdict = await judged(replica.dsn(name))
    assert "standby" in verdict.not_possible["index.unused"]
    assert [f for f in verdict.findings if f.rule == "index.unused"] == []


def caught_up(server: TestServer, replica: TestServer) -> None:
    with server.connect() as primary, replica.connect() as behind:
        (target,) = primary.execute("SELECT pg_current_wal_lsn()").fetchone() or ("0/0",)
        for _ in range(200):
            row = behind.execute(
                "SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn", (target,)
            ).fetchone()
            if row == (True,):
                return
            time.sleep(0.1)
    raise AssertionError("the standby did not catch up")


async def test_partitions_that_number_columns_otherwise(any_database: str) -> None:
    """A column was dropped from the whole: partitions made since count theirs from another
    start, and the index of one was neither seen nor known to be needed."""
    execute(any_database, [
        "CREATE TABLE parent (id int PRIMARY KEY)",
        "INSERT INTO parent SELECT generate_series(1, 3000)",
        "CREATE TABLE events (old int, id int, parent int REFERENCES parent, at int)"
        " PARTITION BY RANGE (at)",
        "CREATE TABLE events1 PARTITION OF events FOR VALUES FROM (0) TO (100000)",
        "ALTER TABLE events DROP COLUMN old",
        "CREATE TABLE events2 PARTITION OF events FOR VALUES FROM (100000) TO (200000)"
        " PARTITION BY RANGE (at)",
        "CREATE TABLE events3 PARTITION OF events2 FOR VALUES FROM (100000) TO (200000)",
        "INSERT INTO events SELECT g, 1 + g % 1000, g FROM generate_series(0, 199999) g",
        "CREATE INDEX ON events1 (parent)", "CREATE INDEX ON events3 (parent)", "ANALYZE",
        "DELETE FROM parent WHERE id > 2000",
    ])  # fmt: skip
    board, verdict = await judged(any_database)
    assert of(verdict, "index.missing_fk") == []
    found = gathered(Facts(board.samples, board.derived))
    leaf = next(i for many in found.by_table.values() for i in many if "events3" in i.relname)
    assert found.supports(leaf) is not None
    execute(any_database, ["DROP INDEX events3_parent_idx"])
    _, verdict = await judged(any_database)
    (finding,) = of(verdict, "index.missing_fk")
    assert "on 1 of 2 partitions" in finding.why


@pytest.mark.parametrize(
    ("keys", "found"),
    [
        ("(mail)", [("a", 2)]),
        ('(mail DESC NULLS LAST, lower("na me"))', [("a", "x", 2)]),
        ("(mail) WHERE id > 5", []),
        ("(mail text_pattern_ops)", None),
    ],
)
async def test_what_stands_in_the_way_of_a_unique_index_is_found_by_the_statement_that_is_told(
    any_database: str, keys: str, found: list[tuple[Any, ...]] | None
) -> None:
    execute(any_database, (
        'CREATE TABLE t (id serial, mail text, "na me" text)',
        "INSERT INTO t (mail, \"na me\") VALUES ('a', 'X'), ('a', 'x'), ('b', 'x'), (NULL, 'x'),"
        " (NULL, 'x')",
        f"CREATE INDEX half ON t {keys}",
        "UPDATE pg_index SET indisvalid = false, indisunique = true"
        " WHERE indexrelid = 'half'::regclass",
    ))  # fmt: skip
    board, _ = await judged(any_database)
    (index,) = Facts(board.samples).rows(Index)
    async with collecting(any_database) as collector:
        board.add(Definition, (await collector.ask(DefinitionOf(index.indexrelid)),))
    (finding,) = of(judge(Facts(board.samples, board.derived), INDEX_RULES), "index.invalid")
    assert finding.remedy is not None
    told = finding.remedy.caution or ""
    if found is None:
        assert "GROUP BY its columns" in told
        return
    sql = told[told.index("SELECT") : told.index(";", told.index("SELECT"))]
    with psycopg.connect(any_database) as conn:
        assert conn.execute(sql.encode()).fetchall() == found
