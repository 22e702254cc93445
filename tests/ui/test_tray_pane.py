"""The DDL tab: what `a` keeps, what it shows of the server, what it hands over."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pgtop.model.finding import Finding, Subject
from pgtop.model.index import Index
from pgtop.model.table import Table
from pgtop.model.tray import AppliedState, Holder, Locks, LocksFor, TargetState
from pgtop.ui.app import PgtopApp
from tests import factories
from tests.migration.cases import concurrent, in_transaction, index
from tests.ui.driving import app_of, read_again, running, screen_text, settle
from tests.ui.fakes import FakeSource

HOLDER = Holder(4242, "AccessExclusiveLock", True, 7980.0, "idle in transaction", "web@deploy")


def finding(rule: str, remedy: Any, **changes: Any) -> Finding:
    made = Finding(
        rule=rule, severity="warning", subject=Subject("table", "orders", "public"),
        title=f"title of {rule}", why="600 k rows read to keep 2", evidence={"calls_per_s": 41.2},
        remedy=remedy,
    )  # fmt: skip
    return replace(made, **changes)


DROP = finding("index.redundant", concurrent(
    ("DROP INDEX CONCURRENTLY public.t_a;",), ("CREATE INDEX CONCURRENTLY t_a ON public.t (a);",)
))  # fmt: skip
CREATE = finding("index.missing", index("t_a_b", "public.t", "a, b"))
OPTIONS = finding("autovacuum.late", in_transaction(
    ("ALTER TABLE public.t SET (fillfactor = 90);",), ("ALTER TABLE public.t RESET (fillfactor);",)
))  # fmt: skip


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGTOP_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("PGTOP_CLIPBOARD", "file")
    monkeypatch.chdir(tmp_path)


def source(locks: Any = None, states: Any = None) -> FakeSource:
    made = FakeSource(factories.server(), factories.vitals(), factories.link())

    class Answers(dict[type[Any], Any]):
        """One answer for each target, whatever their number."""

        def __getitem__(self, kind: type[Any]) -> Any:
            number = len(made.asked[-1].targets)  # type: ignore[attr-defined]
            if kind is LocksFor:
                return (locks or (Locks(True),) * number)[:number]
            assert kind is AppliedState
            return (states or (TargetState(exists=False),) * number)[:number]

    made.answers = Answers()
    return made


def written(where: Path) -> list[str]:
    return [file.read_text() for file in where.glob("pgtop-alembic-*/*")]


def notes(pilot: Any) -> list[str]:
    said = app_of(pilot).message
    return [] if said is None else [said.text]


async def kept(pilot: Any, *findings: Finding) -> PgtopApp:
    app = app_of(pilot)
    if findings:
        app.add_to_tray(findings)
    await app.workers.wait_for_complete()
    await pilot.press("9")
    await settle(pilot)
    return app


async def test_empty_says_how_to_fill_it() -> None:
    async with running(source()) as pilot:
        await pilot.press("9")
        await settle(pilot)
        assert "nothing kept yet: `a` on a finding" in screen_text(pilot)


async def test_statements_stand_in_running_order_with_lock_and_state() -> None:
    server = source(
        locks=(Locks(True, (HOLDER,)), Locks(True), Locks(True)),
        states=(
            TargetState(exists=True, oid=1, valid=False, ready=True),
            TargetState(exists=True, options=("fillfactor=90",)),
            TargetState(exists=True, oid=2, valid=True),
        ),
    )
    async with running(server) as pilot:
        await kept(pilot, DROP, CREATE, OPTIONS)
        text = screen_text(pilot)
        lines = [line for line in text.split("\n") if "public.t" in line]
        assert [line.split()[-1] for line in lines] == ["b);", "90);", "public.t_a;"]
        assert "! waits for pid 4242" in lines[0]
        assert "failed: invalid index left" in lines[0]
        assert "✓" in lines[1]
        assert "option set" in lines[1]
        assert "· free" in lines[2]
        assert "3 statements   1 applied   1 failed   psql" in text
        assert "9 DDL] 3" in text
        await pilot.press("enter")
        await settle(pilot)
        text = screen_text(pilot)
        assert "pid 4242 (web@deploy, idle in transaction, transaction 2 h 13 min) holds" in text
        assert "reads and writes go on" in text
        assert "undo  DROP INDEX CONCURRENTLY public.t_a_b;" in text


async def test_the_tray_is_there_again_after_a_restart_and_not_on_another_server() -> None:
    async with running(source()) as pilot:
        await kept(pilot, CREATE, CREATE, DROP)
        assert len(app_of(pilot).tray.entries) == 2
    async with running(source()) as pilot:
        await pilot.press("9")
        await settle(pilot)
        await read_again(pilot)
        assert [e.rule for e in app_of(pilot).tray.entries] == ["index.missing", "index.redundant"]
        assert "t_a_b ON public.t" in screen_text(pilot)
        await pilot.press("delete")
        await settle(pilot)
        assert [e.rule for e in app_of(pilot).tray.entries] == ["index.redundant"]
    other = source()
    other.set(factories.server(database="other"))
    async with running(other) as pilot:
        await pilot.press("9")
        await settle(pilot)
        assert "nothing kept yet" in screen_text(pilot)


async def test_what_is_under_the_cursor_its_undo_and_all_are_copied(tmp_path: Path) -> None:
    async with running(source()) as pilot:
        app = await kept(pilot, DROP, CREATE)
        for key in ("y", "u", "Y"):
            await pilot.press(key)
            await settle(pilot)
            assert app.copied is not None
            assert app.copied.path is not None
            text = app.copied.path.read_text()
            if key == "y":
                assert text == CREATE.remedy.sql[0] + "\n"  # type: ignore[union-attr]
            elif key == "u":
                assert text == "DROP INDEX CONCURRENTLY public.t_a_b;\n"
            else:
                assert text.index("CREATE INDEX") < text.index("DROP INDEX CONCURRENTLY IF EXISTS")
        await pilot.press("x", "Y")
        await settle(pilot)
        assert app.copied is not None
        assert app.copied.path is not None
        assert "DROP INDEX" not in app.copied.path.read_text()
        assert "1 marked" in screen_text(pilot)


async def test_files_are_written_where_the_user_stands(tmp_path: Path) -> None:
    async with running(source()) as pilot:
        await kept(pilot, DROP, CREATE)
        await pilot.press("f", "f", "w")
        await settle(pilot)
        assert "alembic ▾" in screen_text(pilot)
    (made,) = written(tmp_path)
    assert "op.create_index" in made


async def test_a_damaged_file_is_set_aside_and_said(tmp_path: Path) -> None:
    async with running(source()) as pilot:
        await kept(pilot, CREATE)
    (file,) = (tmp_path / "state/tray").iterdir()
    file.write_text("{")
    async with running(source()) as pilot:
        await pilot.press("9")
        await settle(pilot)
        assert any("set aside" in said for said in notes(pilot))
        await kept(pilot, DROP)
    assert len(list((tmp_path / "state/tray").iterdir())) == 2


async def test_nothing_to_run_is_said() -> None:
    async with running(source()) as pilot:
        app = app_of(pilot)
        app.add_to_tray(finding("locks.blocking", None, no_remedy="end the session yourself"))
        await pilot.pause()
        assert notes(pilot) == ["end the session yourself"]
        assert app.tray.entries == ()


@pytest.mark.parametrize("size", [(80, 24), (160, 48), (60, 15)])
async def test_hostile_names_on_every_size(size: tuple[int, int]) -> None:
    odd = concurrent(('DROP INDEX CONCURRENTLY public."a\x1b]52;c;eA==\x07[red]";',), ())
    async with running(source(), size=size) as pilot:
        app = await kept(pilot, finding("index.unused", odd, title="[/]\x1b[2J"))
        await pilot.press("enter")
        await settle(pilot)
        text = screen_text(pilot)
        assert not any(ord(c) < 32 and c != "\n" for c in text)
        await pilot.press("y")
        await settle(pilot)
        assert app.copied is not None
        assert app.copied.path is not None
        assert 'U&"a\\001B]52;c;eA==\\0007[red]"' in app.copied.path.read_text()


async def test_a_bare_remedy_is_named_by_what_it_touches() -> None:
    async with running(source()) as pilot:
        app = await kept(pilot)
        remedy = OPTIONS.remedy
        assert remedy is not None
        app.add_to_tray(remedy, "autovacuum")
        await settle(pilot)
        (entry,) = app.tray.entries
        assert (entry.rule, entry.subject) == ("autovacuum", Subject("table", "t", "public", "t"))
        assert entry.title == "autovacuum of t"


async def test_the_key_a_keeps_the_finding_under_the_cursor() -> None:
    async with running(source()) as pilot:
        app = app_of(pilot)
        assert app.current is not None
        await pilot.press("a")
        assert notes(pilot) == ["nothing is recommended for this row"]
        app.current.offered = lambda: (CREATE,)  # type: ignore[method-assign]
        await pilot.press("a")
        await settle(pilot)
        assert [e.rule for e in app.tray.entries] == ["index.missing"]
        assert notes(pilot)[-1] == "into the DDL tray: 1 new, 1 in all (9 shows them)"


async def test_what_was_run_is_read_again_at_once() -> None:
    """The tray sees it two minutes before the catalogue's slow lane would."""
    states = [TargetState(exists=True, oid=2, valid=True)]
    async with running(source(states=states)) as pilot:
        app = await kept(pilot, DROP)
        app.schedule._read_at.update({Index: 1e12, Table: 1e12})
        await read_again(pilot)
        assert app.schedule._read_at.get(Index) == 1e12, "nothing has changed"
        states[0] = TargetState(exists=False)
        await read_again(pilot)
        await settle(pilot)
        assert app.schedule._read_at.get(Index) != 1e12
