"""Overrides run on a real server, and their undo brings reloptions back to the byte."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pgtop.advice import ddl
from pgtop.advice.vacuum_case import case, remedy
from pgtop.analysis.vacuum.options import OPTIONS, Change, after, problem
from pgtop.analysis.vacuum.state import VacuumState
from pgtop.model.sample import Sample
from pgtop.model.server import Server
from pgtop.model.table import options_of
from tests.db.reading import collecting
from tests.servers import TestServer

TABLE = '"Od""d.[x]"."select"'
LEAF = "leaf"

Conn = psycopg.Connection[tuple[Any, ...]]


@pytest.fixture
def conn(any_database: str) -> Iterator[Conn]:
    with psycopg.connect(any_database, autocommit=True) as found:
        found.execute('CREATE SCHEMA "Od""d.[x]"')
        found.execute(f"CREATE TABLE {TABLE} (id int, note text)".encode())
        found.execute("CREATE TABLE parent (id int, note text) PARTITION BY LIST (id)")
        found.execute("CREATE TABLE leaf PARTITION OF parent FOR VALUES IN (1)")
        yield found


def stored(conn: Conn, name: str) -> tuple[Any, Any]:
    """reloptions of a table and of its TOAST table."""
    row = conn.execute(
        "SELECT c.reloptions, t.reloptions FROM pg_class c"
        " JOIN pg_class t ON t.oid = c.reltoastrelid WHERE c.oid = %s::regclass",
        (name,),
    ).fetchone()
    assert row is not None
    return row[0], row[1]


def parsed(options: list[str] | None) -> dict[str, str]:
    return options_of(None if options is None else "\x1f".join(options))


def values(version: int, *, toast: bool) -> st.SearchStrategy[dict[str, str]]:
    texts = {
        "int": st.sampled_from(["0", "1", "500", "100000", "7000000"]),
        "float": st.sampled_from(["0", "0.05", "0.2", "1.50", "100"]),
        "bool": st.sampled_from(["true", "off", "on", "false"]),
    }
    names = [
        option.name
        for option in OPTIONS.values()
        if option.since <= version and (option.toast or not toast)
    ]
    pairs = st.sampled_from(names).flatmap(
        lambda name: texts[OPTIONS[name].kind].map(lambda text: (name, text))
    )
    fitting = pairs.filter(lambda pair: problem(pair[0], pair[1], version, toast=toast) is None)
    return st.lists(fitting, max_size=4).map(dict)


def run(conn: Conn, statements: tuple[str, ...]) -> None:
    for statement in statements:
        conn.execute(statement.encode())


@pytest.mark.parametrize("name", [TABLE, LEAF])
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_undo_is_exact(conn: Conn, any_server: TestServer, name: str, data: st.DataObject) -> None:
    version = any_server.version_num or 180000
    conn.execute(f"ALTER TABLE {name} RESET ({', '.join(OPTIONS)})".encode())
    toasts = [f"toast.{option.name}" for option in OPTIONS.values() if option.toast]
    conn.execute(f"ALTER TABLE {name} RESET ({', '.join(toasts)})".encode())
    before = data.draw(values(version, toast=False), "before")
    toast_before = data.draw(values(version, toast=True), "toast before")
    run(conn, ddl.storage_options(name, {}, Change(before), toast=Change(toast_before)).sql)
    old = stored(conn, name)
    assert (parsed(old[0]), parsed(old[1])) == (before, toast_before)

    def change(toast: bool, now: dict[str, str]) -> Change:
        sets = data.draw(values(version, toast=toast), "sets")
        gone = (
            data.draw(st.lists(st.sampled_from(sorted(now)), unique=True), "resets") if now else []
        )
        return Change(sets, tuple(option for option in gone if option not in sets))

    main, toast = change(False, before), change(True, toast_before)
    made = ddl.storage_options(name, before, main, toast_before=toast_before, toast=toast)
    run(conn, made.sql)
    new = stored(conn, name)
    assert list(parsed(new[0]).items()) == list(after(before, main).items())
    assert list(parsed(new[1]).items()) == list(after(toast_before, toast).items())
    run(conn, made.undo)
    assert stored(conn, name) == old


async def read_state(dsn: str) -> VacuumState:
    async with collecting(dsn) as collector:
        reading = await collector.read([*VacuumState.READS, Server])
    held = {kind: s for kind, s in reading.samples.items() if isinstance(s, Sample)}
    return VacuumState().advanced(held, held)


async def test_the_first_option_of_a_toast_table_repeats_what_it_inherited(
    conn: Conn, any_database: str
) -> None:
    conn.execute(
        f"ALTER TABLE {TABLE} SET (autovacuum_vacuum_threshold = 900, fillfactor = 70,"
        " autovacuum_vacuum_cost_limit = 400)".encode()
    )
    conn.execute(f"ALTER TABLE {TABLE} ALTER note SET STORAGE EXTERNAL".encode())
    conn.execute(f"INSERT INTO {TABLE} SELECT 1, repeat('x', 9000)".encode())
    conn.execute("VACUUM ANALYZE")
    old = stored(conn, TABLE)
    state = await read_state(any_database)
    toast = next(t for t in state.tables.values() if t.relkind == "t" and not t.system)
    one = case(state, toast.relid)
    assert one.seen.inherited
    assert one.seen.limits.vacuum >= 900
    made = remedy(one, state, Change({"autovacuum_vacuum_scale_factor": "0.05"}))
    run(conn, made.sql)
    assert parsed(stored(conn, TABLE)[1]) == {
        "autovacuum_vacuum_threshold": "900",
        "autovacuum_vacuum_cost_limit": "400",
        "autovacuum_vacuum_scale_factor": "0.05",
    }
    assert made.caution is not None
    run(conn, made.undo)
    assert stored(conn, TABLE) == old


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("autovacuum_vacuum_cost_limit", "0"), ("autovacuum_vacuum_cost_limit", "10001"),
        ("autovacuum_vacuum_scale_factor", "101"), ("autovacuum_vacuum_cost_delay", "2ms"),
        ("autovacuum_freeze_max_age", "99999"), ("fillfactor", "9"),
        ("autovacuum_enabled", "perhaps"),
        ("autovacuum_vacuum_insert_threshold", "-2"),
    ],
)  # fmt: skip
def test_what_we_refuse_the_server_refuses(conn: Conn, name: str, text: str) -> None:
    assert problem(name, text, 180000) is not None
    with pytest.raises(psycopg.Error):
        conn.execute(f"ALTER TABLE {TABLE} SET ({name} = '{text}')".encode())


def test_what_we_take_the_server_takes(conn: Conn, any_server: TestServer) -> None:
    for option in OPTIONS.values():
        if option.since > (any_server.version_num or 180000):
            assert problem(option.name, "1", any_server.version_num) is not None
            continue
        ends = ("true", "false") if option.kind == "bool" else (option.low, option.high)
        for end in ends:
            text = end if isinstance(end, str) else f"{end:.0f}"
            assert problem(option.name, text, any_server.version_num) is None
            run(conn, ddl.storage_options(TABLE, {}, Change({option.name: text})).sql)
