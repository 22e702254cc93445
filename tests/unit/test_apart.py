"""Two new indexes in one tray do not share a name."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pgtop.migration.apart import alike, apart
from pgtop.migration.plan import plan
from pgtop.model.finding import Remedy
from pgtop.model.tray import Entry, Tray
from tests.unit.test_tray import entry


def _index(name: str, keys: str, *, table: str = "public.orders") -> Entry:
    remedy = Remedy(
        sql=(f"CREATE INDEX CONCURRENTLY {name} ON {table} ({keys});",),
        undo=(f"DROP INDEX CONCURRENTLY public.{name};",),
        transactional=False, lock="SHARE UPDATE EXCLUSIVE",
    )  # fmt: skip
    return replace(entry(), remedy=remedy)


def _kept(*entries: Entry) -> Tray:
    tray = Tray("h:1/d")
    for each in entries:
        tray = tray.with_entry(apart(each, tray.entries))
    return tray


@pytest.mark.parametrize(
    ("name", "second"),
    [
        ("orders_user_id_idx", "orders_user_id_idx_2"),
        ('"Odd ""x"" idx"', '"Odd ""x"" idx_2"'),
        ("x" * 63, "x" * 61 + "_2"),
        ('"' + "é" * 31 + '"', '"' + "é" * 30 + '_2"'),
    ],
)
def test_the_second_of_a_name_is_numbered_with_its_undo(name: str, second: str) -> None:
    tray = _kept(_index(name, "user_id"), _index(name, "user_id, created_at"))
    assert tray.entries[0].remedy.sql == (
        f"CREATE INDEX CONCURRENTLY {name} ON public.orders (user_id);",
    )
    assert tray.entries[1].remedy.sql == (
        f"CREATE INDEX CONCURRENTLY {second} ON public.orders (user_id, created_at);",
    )
    assert tray.entries[1].remedy.undo == (f"DROP INDEX CONCURRENTLY public.{second};",)


def test_the_same_remedy_twice_is_one() -> None:
    assert len(_kept(_index("a_idx", "b"), _index("a_idx", "b")).entries) == 1
    several = (_index("a_idx", "b"), *(_index("a_idx", "b, c") for _ in range(3)))
    assert [e.remedy.sql[0].split()[3] for e in _kept(*several).entries] == ["a_idx", "a_idx_2"]


def test_indexes_that_begin_alike_are_told() -> None:
    tray = _kept(_index("a", "user_id"), _index("b", "user_id, at"), _index("c", "at"))
    assert alike(tray.entries) == {("public.orders", "user_id"): ["a", "b"]}
    (note,) = plan(tray.entries, made_at=0.0).notes
    assert note.startswith("2 new indexes of public.orders begin with user_id: a, b;")
