"""Rules about indexes on real servers: labelled cases, and a healthy database."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import psycopg

from pgtop.advice import Facts, Verdict, judge
from pgtop.advice.indexes import INDEX_RULES
from pgtop.advice.tables import TABLE_RULES
from pgtop.analysis.derived import Board
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
    ValuesOf,
)
from pgtop.model.server import Server
from pgtop.model.table import Partition, Table, TableUse
from pgtop.model.vacuum import HorizonHolder, ParentStatistics, VacuumSetting
from tests.db.index_cases import COLUMNS, FOREIGN_KEYS, REDUNDANT
from tests.db.reading import collecting

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
    for finding in of(verdict, "index.duplicate", "index.redundant"):
        assert finding.subject.schema is not None
        found[finding.subject.schema].add(finding.subject.name)
    assert found == expected
    assert len(expected) >= 40


async def test_foreign_keys(any_database: str) -> None:
    made, expected = [], {}
    for number, (name, columns, indexes, support) in enumerate(FOREIGN_KEYS):
        schema = f"f{number}"
        made += [
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
