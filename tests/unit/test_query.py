from __future__ import annotations

import re
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import pytest

import pgtop
from pgtop.db.queries import QUERIES
from pgtop.db.query import Catalog, Query, Relation, Varying, has
from pgtop.model.sample import SourceError


def catalog(**relations: tuple[str, ...]) -> Catalog:
    return Catalog(
        relations={n: Relation(f"s.{n}", frozenset(c)) for n, c in relations.items()},
        extensions={},
        settings=frozenset({"jit"}),
        preloaded=frozenset(),
        version_num=150000,
        in_recovery=False,
        superuser=False,
        roles=frozenset({"pg_monitor"}),
    )


def test_the_newest_column_that_exists_is_chosen() -> None:
    varying = Varying("time", "float8", ("total_exec_time", "total_time"))
    query: Query[Any] = Query(
        row_type=int, relations=("v",), varying=(varying,), template="SELECT {time} FROM {v}"
    )
    assert query.render(catalog(v=("total_time",))) == "SELECT total_time FROM s.v"
    both = catalog(v=("total_time", "total_exec_time"))
    assert query.render(both) == "SELECT total_exec_time FROM s.v"
    assert query.render(catalog(v=("calls",))) == "SELECT NULL::float8 FROM s.v"


def test_a_missing_view_is_refused_with_its_remedy() -> None:
    query: Query[Any] = Query(
        row_type=int, relations=("v",), template="SELECT", missing=("no v here", "CREATE v")
    )
    with pytest.raises(SourceError) as refused:
        query.render(catalog())
    assert (refused.value.why, refused.value.remedy) == ("no v here", "CREATE v")
    assert refused.value.lasting


@pytest.mark.parametrize(
    ("capability", "there"),
    [
        ("always", True), ("primary", True), ("recovery", False), ("version:140000", True),
        ("version:160000", False), ("setting:jit", True), ("setting:x", False),
        ("role:pg_monitor", True), ("role:pg_x", False), ("v", True), ("v.a", True),
        ("v.b", False), ("w", False),
    ],
)  # fmt: skip
def test_capabilities(capability: str, there: bool) -> None:
    assert has(catalog(v=("a",)), capability) is there


@pytest.mark.parametrize("query", QUERIES.values(), ids=lambda q: q.row_type.__name__)
def test_every_query_is_marked_as_our_own(query: Query[Any]) -> None:
    assert query.template.lstrip().startswith(("SELECT /* pgtop */", "WITH /* pgtop */"))


@pytest.mark.parametrize("query", QUERIES.values(), ids=lambda q: q.row_type.__name__)
def test_masked_texts_are_fields(query: Query[Any]) -> None:
    kind = query.row_type
    names = [f.name for f in fields(kind)] if is_dataclass(kind) else list(kind._fields)
    assert set(query.texts) <= set(names)


def test_nothing_read_on_a_tick_waits_for_a_lock_on_a_user_relation() -> None:
    """These functions open the relation, and wait behind ACCESS EXCLUSIVE."""
    waiting = re.compile(
        r"\b(pg_(total_)?relation_size|pg_table_size|pg_indexes_size|pg_get_indexdef"
        r"|pg_get_expr|pg_get_viewdef|pgstattuple|pgstatindex|pg_sequences)\s*\("
    )
    for query in QUERIES.values():
        assert not waiting.search(query.template), query.row_type


_SOURCE = {
    file.name: file.read_text(encoding="utf-8")
    for file in (Path(pgtop.__file__).parent / "db").rglob("*.py")
}


def _nowhere(pattern: str) -> None:
    found = [name for name, text in _SOURCE.items() if re.search(pattern, text)]
    assert not found, f"{pattern} in {found}"


def test_no_text_is_recoded_by_the_server() -> None:
    """convert_from and a cast to bytea stumble over backslashes and bytes of other encodings."""
    _nowhere(r"convert_from|convert_to|::bytea|CAST\(.* AS bytea")


def test_no_relation_is_named_by_text() -> None:
    """`(schema || '.' || name)::regclass` breaks on quotes and on what a role may not see."""
    for query in QUERIES.values():
        assert not re.search(r"(?<!')::regclass|to_regclass", query.template), query.row_type


def test_no_reading_measures_a_whole_database() -> None:
    """The size of a database is a walk through its files, and refused on managed services."""
    _nowhere(r"pg_database_size|pg_tablespace_size|pg_ls_tmpdir|sum\(pg_relation_size")


def test_nothing_resets_counters() -> None:
    """They are the application's as much as ours: not offered, by no key."""
    _nowhere(r"\bpg_stat_(statements_)?reset\w*\(")


def test_times_travel_as_seconds() -> None:
    """A timestamp as text follows DateStyle and the time zone of the role."""
    for query in QUERIES.values():
        assert not re.search(r"(_at|_start|_reset|_change|waitstart)::text", query.template)


def test_a_worker_without_a_database_yet_is_not_here() -> None:
    """In its first moment pg_stat_activity has NULL for it: it ended the screen in a long run."""
    from pgtop.db.queries import QUERIES
    from pgtop.model.vacuum import VacuumRun

    template = QUERIES[VacuumRun].template
    assert "coalesce(coalesce(a.datname, p.datname) = current_database(), false)" in template
