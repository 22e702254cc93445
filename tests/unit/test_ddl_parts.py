"""Statements taken apart: names survive every quoting, what is not known is not guessed at."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgtop.advice import ddl
from pgtop.analysis.ddl_parts import plain_column, split_list, understood, unquoted
from pgtop.analysis.names import qualified, quote

NAMES = st.text(st.characters(exclude_characters="\0", codec="utf-8"), min_size=1)


@given(NAMES)
def test_a_quoted_name_comes_back(name: str) -> None:
    assert unquoted(quote(name)) == name


@given(NAMES, NAMES, NAMES, NAMES)
def test_create_index_with_any_names(schema: str, table: str, index: str, column: str) -> None:
    sql = ddl.create_index(quote(index), qualified(schema, table), quote(column))
    parts = understood(sql)
    assert parts.verb == "create index"
    assert parts.table is not None
    assert (parts.table.schema, parts.table.name) == (schema, table)
    target = parts.target
    assert target is not None
    assert (target.schema, target.name) == (schema, index)
    assert target.sql == qualified(schema, index)
    assert [plain_column(key) for key in parts.keys] == [(column, False)]
    drop = understood(ddl.drop_index(target.sql))
    assert drop.target == target


@given(st.text())
def test_nothing_is_guessed_at(text: str) -> None:
    assert understood(text).sql == text


def test_everything_of_an_index() -> None:
    parts = understood(
        "CREATE UNIQUE INDEX CONCURRENTLY i ON s.t USING gin (lower((a || ','::text)), b DESC,"
        " c text_ops) INCLUDE (d, \"e,f\") WITH (fillfactor='70') WHERE (x = 'y) WHERE'::text);"
    )
    assert (parts.unique, parts.concurrently, parts.method) == (True, True, "gin")
    assert parts.keys == ("lower((a || ','::text))", "b DESC", "c text_ops")
    assert parts.include == ("d", '"e,f"')
    assert parts.with_options == "fillfactor='70'"
    assert parts.where == "(x = 'y) WHERE'::text)"
    assert [plain_column(key) for key in parts.keys] == [None, ("b", True), None]


@pytest.mark.parametrize(
    ("sql", "verb", "in_block"),
    [
        ("DROP INDEX CONCURRENTLY IF EXISTS s.i;", "drop index", False),
        ("DROP INDEX s.i;", "drop index", True),
        ("REINDEX INDEX CONCURRENTLY s.i", "reindex", False),
        ("ALTER TABLE s.t SET (fillfactor = 70, toast.x = off)", "set options", True),
        ("ALTER INDEX s.i RESET (fillfactor)", "reset options", True),
        ("ALTER TABLE t ALTER COLUMN c SET STATISTICS -1", "set statistics", True),
        ("VACUUM (ANALYZE) t", "vacuum", False),
        ("ANALYZE t (a, b)", "analyze", True),
        ("CREATE STATISTICS s.x (mcv) ON a, (b + 1) FROM t", "create statistics", True),
        ("SET work_mem = '8MB'", "session", True),
        ("DROP INDEX a, b", "other", True),
        ("CREATE INDEX i ON ONLY t (a)", "other", True),
        ("ALTER INDEX i ATTACH PARTITION j", "other", True),
        ("ALTER SYSTEM SET work_mem = '8MB'", "other", False),
        ("DETACH PARTITION x CONCURRENTLY", "other", False),
    ],
)  # fmt: skip
def test_verbs(sql: str, verb: str, in_block: bool) -> None:
    parts = understood(sql)
    assert (parts.verb, parts.in_block) == (verb, in_block)


def test_lists_split_at_their_outermost_commas() -> None:
    assert split_list("a, f(b, c), 'd,e', $x$,$x$, \"g,\"") == (
        "a", "f(b, c)", "'d,e'", "$x$,$x$", '"g,"',
    )  # fmt: skip
