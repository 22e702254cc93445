"""Order, notes and text of migrations, without any tool."""

from __future__ import annotations

import ast
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgtop.analysis.ddl_parts import harmless, understood
from pgtop.migration import TOOLS, files_for
from pgtop.migration.plan import joined, plan
from pgtop.model.finding import Finding, Remedy
from tests.migration.cases import concurrent, entries, entry, index

CONTROLS = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
MADE = 1_795_000_000.0


def statements(*remedies: tuple[str, Remedy]) -> list[str]:
    made = plan([entry(rule, remedy) for rule, remedy in remedies], made_at=MADE)
    return [part.sql for step in made.steps for part in step.up]


def test_leftover_goes_first_and_the_narrow_index_last() -> None:
    drop = concurrent(("DROP INDEX CONCURRENTLY public.t_a;",), ())
    leftover = concurrent(("DROP INDEX CONCURRENTLY public.t_a_b;",), ())
    create = index("t_a_b", "public.t", "a, b")
    analyze = Remedy(("ANALYZE public.t;",), (), True, "SHARE UPDATE EXCLUSIVE")
    assert statements(
        ("table.stale_statistics", analyze),
        ("index.redundant", drop),
        ("index.missing", create),
        ("index.invalid", leftover),
    ) == [*leftover.sql, *create.sql, *drop.sql, *analyze.sql]


def test_two_remedies_for_one_object_are_named_and_shared_statements_run_once() -> None:
    rebuild = concurrent(("REINDEX INDEX CONCURRENTLY public.t_a;",), ())
    drop = concurrent(("DROP INDEX CONCURRENTLY public.t_a;",), ())
    made = plan(
        [entry("index.bloated", rebuild), entry("index.unused", drop), entry("x", drop)],
        made_at=MADE,
    )
    assert [p.sql for s in made.steps for p in s.up] == [*drop.sql, *rebuild.sql]
    assert "remedies for public.t_a (index.bloated and index.unused and x)" in made.notes[0]


def test_what_may_fail_stops_no_drop() -> None:
    rebuild = concurrent(("REINDEX INDEX CONCURRENTLY public.t_b;",), ())
    drop = concurrent(("DROP INDEX CONCURRENTLY public.t_a;",), ())
    assert statements(("index.invalid", rebuild), ("index.redundant", drop)) == [
        *drop.sql, *rebuild.sql,
    ]  # fmt: skip


def test_what_must_run_outside_is_alone_and_going_down_is_the_reverse() -> None:
    remedy = concurrent(
        ("DROP INDEX CONCURRENTLY s.i;", "CREATE INDEX CONCURRENTLY i ON s.t (a);"),
        ("DROP INDEX CONCURRENTLY s.i;",),
    )
    made = plan([entry("x", remedy)], made_at=MADE)
    assert [len(step.up) for step in made.steps] == [1, 1]
    assert [len(step.down) for step in made.steps] == [0, 1]
    longer = replace(remedy, sql=remedy.sql[1:], undo=(*remedy.undo, "ANALYZE s.t;"))
    made = plan([entry("x", longer)], made_at=MADE)
    downs = [part.sql for step in reversed(made.steps) for part in step.down]
    assert downs == list(longer.undo)


def test_settings_of_a_session_are_left_out_and_said() -> None:
    made = plan(entries(), made_at=MADE)
    assert any("SET work_mem" in note for note in made.notes)
    assert not any("work_mem" in part.sql for step in made.steps for part in step.up)


@pytest.mark.parametrize("tool", TOOLS)
def test_no_file_holds_a_control_character_or_breaks_out_of_a_comment(tool: str) -> None:
    files = TOOLS[tool](plan(entries(), made_at=MADE))
    assert len({file.path for file in files}) == len(files)
    for file in files:
        assert not CONTROLS.search(file.text), file.path
        assert re.fullmatch(r"[\w./-]+", file.path)
        assert not re.search(r"^; DROP TABLE", file.text, re.MULTILINE)
        if file.path.endswith(".py"):
            ast.parse(file.text)


@pytest.mark.parametrize("tool", TOOLS)
def test_non_transactional_statements_never_share(tool: str) -> None:
    if tool in ("psql", "django", "alembic"):
        return
    for file in TOOLS[tool](plan(entries(), made_at=MADE)):
        for direction in re.split(r"^-- (?:\+goose|migrate:)", file.text, flags=re.MULTILINE):
            count = len(re.findall(r"^[A-Z].*CONCURRENTLY", direction, re.MULTILINE))
            assert count <= 1, file.path
            assert count == 0 or "BEGIN" not in direction


def test_an_empty_tray_makes_files_that_do_nothing() -> None:
    for tool, render in TOOLS.items():
        for file in render(plan([], made_at=MADE)):
            assert not file.path.endswith(".py") or ast.parse(file.text), tool


def test_odd_names_become_escapes() -> None:
    raw = 'DROP INDEX CONCURRENTLY public."a\x1b[201~";'
    assert harmless(raw) == 'DROP INDEX CONCURRENTLY public.U&"a\\001B[201~";'
    assert understood(harmless(raw)).target == replace_name(understood(raw), harmless(raw))


def replace_name(parts: object, sql: str) -> object:
    """The same object, written as in `sql`."""
    target = parts.target  # type: ignore[attr-defined]
    return replace(target, sql=sql.removeprefix("DROP INDEX CONCURRENTLY ").rstrip(";"))


@given(st.text())
def test_nothing_harmful_is_left_of_any_text(text: str) -> None:
    assert not CONTROLS.search(harmless(text))


def test_findings_become_files_and_one_text() -> None:
    kept = entry("index.missing", index("t_a", "public.t", "a"))
    found = Finding(kept.rule, "warning", kept.subject, kept.title, kept.why, remedy=kept.remedy)
    without = replace(found, remedy=None, no_remedy="nothing to run")
    made = files_for("psql", [found, without], server="db1:5432/shop", version="18.4", at=MADE)
    assert len(made) == 2
    assert joined(made) == made[0].text
    assert made[0].text.count("CREATE INDEX CONCURRENTLY") == 1
    several = files_for("dbmate", [found], server="s", version="18.4", at=MADE)
    assert joined(several).startswith("-- index.missing") or len(several) > 1
    plain = joined(files_for("files", [found], server="s", version="18.4", at=MADE))
    assert plain.count("-- file: ") == 2
