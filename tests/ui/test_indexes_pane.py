from __future__ import annotations

from typing import Any

import pytest
from rich.text import Text

from pgtop.advice import Rule, questions
from pgtop.analysis.bloat import Bloat
from pgtop.model.finding import Finding, Subject
from pgtop.model.index import CounterWindow, ForeignKey, Index, IndexUse, OperatorClass
from pgtop.model.index_request import (
    Definition,
    DefinitionOf,
    KeysOf,
    Measure,
    Measured,
    SizesOf,
    StatisticsOf,
    ValuesOf,
)
from pgtop.model.sample import SourceError
from pgtop.model.table import Partition, Table
from pgtop.model.vacuum import VacuumBlock
from pgtop.ui.detail import Detail, ascii_text
from pgtop.ui.index_detail import bloat_words
from pgtop.ui.panes.indexes import IndexesPane
from tests.factories import STARTED
from tests.hostile import CORPUS
from tests.ui.driving import app_of, read_again, running, screen_text, segments, settle
from tests.ui.fakes import FakeSource

VALID, READY, LIVE = 32, 64, 128


def index(oid: int, name: str, key: str = "1", /, **fields: Any) -> Index:
    keys = len(key.split())
    defaults: dict[str, Any] = {
        "indexrelid": oid, "indrelid": 20_000, "ident": f"public.{name}", "schemaname": "public",
        "relname": name, "relkind": "i", "amname": "btree",
        "relpages": 1_000, "reltuples": 1e5, "options": None, "parent": 0, "indnatts": keys,
        "indnkeyatts": keys, "flags": VALID | READY | LIVE | 8, "indkey": key,
        "indcollation": " ".join("0" * keys), "indclass": " ".join(["1978"] * keys),
        "indoption": " ".join("0" * keys), "indexprs": None, "indpred": None,
        "builder_pid": None, "created_at": None,
    }  # fmt: skip
    return Index(**{**defaults, **fields})


def table(relid: int = 20_000, name: str = "orders", **fields: Any) -> Table:
    defaults: dict[str, Any] = dict.fromkeys(Table._fields, 0)
    defaults.update(
        relid=relid, ident=f"public.{name}", schemaname="public", relname=name, relkind="r",
        relpersistence="p", relispartition=False, relpages=5_000, reltuples=1e5, options=None,
        owner="web",
    )  # fmt: skip
    return Table(**{**defaults, **fields})


def use(oid: int, scans: int) -> IndexUse:
    return IndexUse(oid, scans, scans, scans, None, 0, 0)


def window(days: float, **fields: Any) -> CounterWindow:
    defaults: dict[str, Any] = {
        "stats_reset": STARTED - days * 86_400, "discarded_at": None, "in_recovery": False,
        "replicas": 0, "hidden_builds": 0, "shared_buffers": 1 << 27, "nondeterministic": "",
    }  # fmt: skip
    return CounterWindow(**{**defaults, **fields})


def shop(days: float = 60, *more: Any) -> FakeSource:
    source = FakeSource(
        table(), window(days), index(1, "by_user", "1"), index(2, "by_user_day", "1 2"),
        index(3, "by_note", "3"), use(1, 40), use(2, 7), use(3, 0), *more,
    )  # fmt: skip
    source.answers = {
        KeysOf: {1: "(user_id)", 2: "(user_id, day)", 3: "(note)"},
        StatisticsOf: (), ValuesOf: (), SizesOf: {},
        DefinitionOf: Definition(3, "CREATE INDEX by_note ON public.orders (note)", 8 << 20, None),
    }  # fmt: skip
    return source


async def test_views_by_one_key_each_and_back() -> None:
    async with running(shop(), size=(150, 30), first_pane="indexes") as pilot:
        assert "all 3" in screen_text(pilot)
        await pilot.press("u")
        shown = screen_text(pilot)
        assert "unused 1" in shown
        assert "by_note on public.orders (note)" in shown
        assert "by_user " not in shown
        await pilot.press("d")
        assert "redundant by_user on public.orders (user_id)" in screen_text(pilot)
        await pilot.press("d")
        assert "all 3" in screen_text(pilot)
        await pilot.press("T")
        assert "public.orders" in screen_text(pilot)
        await pilot.press("m")
        assert "no foreign key in this database" in screen_text(pilot)
    key = ForeignKey(7, "orders_user_fkey", 20_000, 20_000, "1", "user_id", "0", "1976", "a", "a")
    source = shop(60, key, OperatorClass(1978, 1976, "int4_ops", True))
    async with running(source, size=(150, 30), first_pane="indexes") as pilot:
        await pilot.press("m")
        await settle(pilot)
        assert "every foreign key has an index" in screen_text(pilot)


async def test_what_may_be_dropped_is_not_known_without_foreign_keys() -> None:
    source = shop()
    source.errors[ForeignKey] = SourceError("pg_constraint is locked", lasting=True)
    async with running(source, size=(150, 30), first_pane="indexes") as pilot:
        await pilot.press("u")
        shown = screen_text(pilot)
        assert "unused ?" in shown
        assert "which indexes may be dropped is not known: pg_constraint is locked" in shown


@pytest.mark.parametrize(
    ("key", "kind", "said"),
    [
        ("u", IndexUse, "unused ? which indexes may be dropped is not known"),
        ("u", OperatorClass, "unused ? which indexes may be dropped is not known"),
        ("d", Table, "duplicate ? which indexes repeat others is not known"),
        ("m", ForeignKey, "missing ? which foreign keys have no index is not known"),
        ("m", OperatorClass, "missing ? which foreign keys have no index is not known"),
        ("T", Table, "tables ? tables are not known"),
    ],
)
async def test_a_view_is_not_empty_where_it_is_not_known(
    key: str, kind: type[Any], said: str
) -> None:
    fk = ForeignKey(7, "orders_user_fkey", 20_000, 20_000, "1", "user_id", "0", "1976", "a", "a")
    source = shop(60, fk)
    source.errors[kind] = SourceError("its catalogue is locked", lasting=True)
    async with running(source, size=(150, 30), first_pane="indexes") as pilot:
        await pilot.press(key)
        await settle(pilot)
        shown = screen_text(pilot)
        head, sentence = said.split("? ")
        assert f"{head}? " in shown
        assert f"{sentence}: its catalogue is locked" in shown


async def test_unused_lists_what_it_can_as_soon_as_foreign_keys_came() -> None:
    """Counters come every ten seconds: until then it said that every index was scanned."""
    source = shop()
    source.errors[ForeignKey] = SourceError("pg_constraint is locked")
    async with running(source, size=(150, 30), first_pane="indexes") as pilot:
        await pilot.press("u")
        assert "unused ? " in screen_text(pilot)
        source.errors.clear()
        pane = app_of(pilot).current
        assert pane is not None
        app_of(pilot).schedule.board.add(ForeignKey, ())
        pane.refilter()
        await settle(pilot)
        assert "unused 1 " in screen_text(pilot)


async def test_an_index_without_counters_is_not_said_to_be_never_scanned() -> None:
    source = shop(60, index(4, "by_day", "2"))
    async with running(source, size=(150, 30), first_pane="indexes") as pilot:
        lines = screen_text(pilot).split("\n")
        assert "never" in next(line for line in lines if "by_note" in line)
        assert "never" not in next(line for line in lines if "by_day" in line)


async def test_the_window_is_always_said() -> None:
    async with running(shop(3), size=(80, 24), first_pane="indexes") as pilot:
        assert "counters 3 d (young)" in screen_text(pilot)
    async with running(shop(60), size=(150, 24), first_pane="indexes") as pilot:
        assert "counters 60 d" in screen_text(pilot)


async def test_a_locked_index_is_said_in_its_own_row_only() -> None:
    source = shop()
    source.answers[DefinitionOf] = Definition(1, None, None, "locked")
    async with running(source, size=(150, 30), first_pane="indexes") as pilot:
        await pilot.press("enter")
        await pilot.pause(0.3)
        await settle(pilot)
        assert "locked by another session" in screen_text(pilot)
        assert "by_user_day on public.orders" in screen_text(pilot)


async def test_rows_behind_an_exclusive_lock_say_so_and_no_others() -> None:
    lock = VacuumBlock(
        20_000, 99, "AccessExclusiveLock", True, "deploy", "", "active", "", 30.0, STARTED, False
    )
    wanted = lock._replace(relid=20_001, granted=False)
    weaker = lock._replace(relid=20_001, mode="ShareUpdateExclusiveLock")
    other = index(9, "elsewhere", "1", indrelid=20_001)
    more = (table(20_001, "other"), other, lock, wanted, weaker)
    async with running(shop(60, *more), size=(150, 30), first_pane="indexes") as pilot:
        lines = screen_text(pilot).split("\n")
        assert "locked" in next(line for line in lines if "by_note" in line)
        assert "locked" not in next(line for line in lines if "elsewhere" in line)
        await pilot.press("T")
        lines = screen_text(pilot).split("\n")
        assert "locked" in next(line for line in lines if "public.orders" in line)
        assert "locked" not in next(line for line in lines if "public.other" in line)
        pane = app_of(pilot).panes["indexes"]
        pane.table.move_to(20_000)
        await pilot.press("enter")
        await settle(pilot)
        assert "pid 99, deploy holds ACCESS EXCLUSIVE for 30.0 s" in screen_text(pilot)


async def test_ascii_alone_where_the_terminal_has_no_more() -> None:
    source = shop()
    source.answers[DefinitionOf] = Definition(1, "CREATE INDEX é ON o (n)", 8 << 20, None)
    async with running(
        source, size=(150, 30), first_pane="indexes", config={"ascii": True}
    ) as pilot:
        await pilot.press("enter")
        await pilot.pause(0.3)
        await settle(pilot)
        assert "CREATE INDEX" in screen_text(pilot)
        for key in ("u", "d", "T", "m", "b", "i"):
            assert screen_text(pilot).isascii(), key
            await pilot.press(key)
            await settle(pilot)


def test_a_text_in_ascii_keeps_its_styles() -> None:
    text = Text.assemble(("≈ 3 … 5", "bold"), " – ", ("“é”", "dim"), "\nend")
    made = ascii_text(text)
    assert made.plain.isascii()
    assert made.plain.startswith("~ 3 ... 5 - ")
    assert made.plain.endswith("\nend")
    assert next(made.plain[s.start : s.end] for s in made.spans) == "~ 3 ... 5"
    assert [str(s.style) for s in made.spans] == ["bold", "dim"]


async def test_the_foot_has_the_ddl_and_its_undo() -> None:
    async with running(shop(), size=(150, 40), first_pane="indexes") as pilot:
        await pilot.press("u", "enter")
        await pilot.pause(0.3)
        await settle(pilot)
        await read_again(pilot)
        shown = screen_text(pilot)
        assert "DROP INDEX CONCURRENTLY public.by_note;" in shown
        assert "undo  CREATE INDEX CONCURRENTLY by_note ON public.orders (note);" in shown


async def test_a_drop_is_kept_with_its_undo_beyond_those_that_are_asked_ahead(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(questions, "MOST_DEFINITIONS", 0)
    async with running(shop(), size=(150, 40), first_pane="indexes") as pilot:
        await pilot.press("u")
        await pilot.pause(0.3)
        await settle(pilot)
        await read_again(pilot)
        await pilot.press("a")
        await settle(pilot)
        (entry,) = app_of(pilot).tray.entries
        assert entry.remedy.undo == ("CREATE INDEX CONCURRENTLY by_note ON public.orders (note);",)


async def test_no_statistics_is_a_question_mark_not_zero() -> None:
    async with running(shop(), size=(150, 30), first_pane="indexes") as pilot:
        row = next(line for line in screen_text(pilot).split("\n") if "by_note" in line)
        assert row.split()[:3] == ["≈7.81", "MB", "?"]


async def test_hostile_names_are_harmless() -> None:
    named: list[Any] = []
    for i, name in enumerate(CORPUS):
        named.append(index(10 + i, name, ident=name, indrelid=30_000 + i))
        named.append(table(30_000 + i, name, ident=name))
    async with running(shop(60, *named), size=(150, 60), first_pane="indexes") as pilot:
        for text in segments(pilot):
            assert text.isprintable(), ascii(text)


async def test_what_cannot_be_read_is_said() -> None:
    source = shop()
    source.errors[Index] = SourceError("index: no answer", lasting=True)
    async with running(source, first_pane="indexes") as pilot:
        assert "no answer" in screen_text(pilot)


async def test_an_index_that_came_or_went_brings_the_catalogue_at_once() -> None:
    """Counters come every ten seconds, the catalogue every two minutes."""
    source = shop(60)
    async with running(source, size=(150, 30), first_pane="indexes") as pilot:
        source.set(index(1, "by_user", "1"), index(4, "new_one", "2"), use(1, 40), use(4, 0))
        app_of(pilot).schedule.anew([IndexUse])
        for _ in range(3):
            await read_again(pilot)
        shown = screen_text(pilot)
        assert "new_one" in shown
        assert "by_note" not in shown


async def test_an_index_that_is_gone_brings_the_catalogue_at_once() -> None:
    source = shop(60)
    source.answers[DefinitionOf] = SourceError("no longer there under its oid", lasting=True)
    async with running(source, size=(150, 30), first_pane="indexes") as pilot:
        source.set(index(11, "by_user", "1"), use(11, 40))
        await pilot.press("enter")
        await pilot.pause(0.3)
        await settle(pilot)
        await read_again(pilot)
        assert app_of(pilot).panes["indexes"].table.keys == [11], "rebuilt: another oid"


async def test_why_there_is_no_ddl_is_said_in_the_row() -> None:
    source = shop(3, index(5, "half", "4", flags=64 | 128 | 1))
    async with running(source, size=(150, 40), first_pane="indexes") as pilot:
        table = app_of(pilot).panes["indexes"].table
        table.move_to(3)
        await pilot.press("enter")
        await pilot.pause(0.3)
        await settle(pilot)
        assert (
            "not one scan in 3 d, or since it was built; called unused, with its DDL"
            in screen_text(pilot)
        )
        table.move_to(5)
        await pilot.pause(0.3)
        await settle(pilot)
        shown = screen_text(pilot)
        assert "rows with equal values stood in its way" in shown
        assert "look for them first" in " ".join(shown.split())
        assert "keeps values unique" not in shown


async def test_bloat_that_is_not_known_is_no_all_clear() -> None:
    async with running(shop(60), size=(150, 30), first_pane="indexes") as pilot:
        await pilot.press("b")
        await settle(pilot)
        shown = " ".join(screen_text(pilot).split())
        assert "no index is known to be bloated; of 3 of the 3 biggest nothing is:" in shown


async def test_a_screen_too_small_to_see_takes_no_key_but_those_that_leave() -> None:
    async with running(shop(60), size=(40, 10), first_pane="indexes") as pilot:
        await pilot.press("2")
        await pilot.press("u")
        pane = app_of(pilot).current
        assert pane is not None
        assert pane.NAME == "indexes"
        assert getattr(pane, "mode") == "all"  # noqa: B009
        await pilot.press("q")
    assert app_of(pilot).return_code == 0


async def test_help_says_what_columns_mean_and_which_need_a_wider_screen() -> None:
    async with running(shop(), first_pane="indexes", size=(80, 50)) as pilot:
        await pilot.press("question_mark")
        shown = " ".join(" ".join(line.split()) for line in screen_text(pilot).split("\n"))
        assert "what REINDEX would free, estimated from statistics" in shown
        assert (
            "share of its blocks that were found in shared_buffers (from 140 columns on)" in shown
        )


async def test_parentheses_scroll_the_detail_and_its_border_says_that_there_is_more() -> None:
    source = shop()
    long = "CREATE INDEX by_note ON public.orders (" + ", ".join(f"column_{n}" for n in range(200))
    source.answers[DefinitionOf] = Definition(3, long, 8 << 20, None)
    async with running(source, size=(80, 24), first_pane="indexes") as pilot:
        await pilot.press("enter")
        await pilot.pause(0.3)
        await settle(pilot)
        detail = app_of(pilot).query_one(Detail)
        assert "( ) for more" in screen_text(pilot)
        cursor = app_of(pilot).panes["indexes"].table.cursor_index
        await pilot.press(")")
        assert 0 < detail.scroll_y < detail.size.height
        for _ in range(40):
            await pilot.press(")")
        assert detail.scroll_y == detail.max_scroll_y
        await pilot.press(*["("] * 40)
        assert detail.scroll_y == 0
        assert app_of(pilot).panes["indexes"].table.cursor_index == cursor
        await pilot.press("escape", ")")
        assert "for more" not in screen_text(pilot)


async def test_the_detail_of_a_table_names_its_indexes() -> None:
    async with running(shop(), size=(100, 30), first_pane="indexes") as pilot:
        await pilot.press("T", "enter")
        await settle(pilot)
        shown = screen_text(pilot)
        assert "by_user   ≈7.81 MB, bloat ?, 40 scans" in shown
        assert "by_note   ≈7.81 MB, bloat ?, 0 scans" in shown
        await pilot.press("question_mark")
        await settle(pilot)
        assert "the key of a view again: all indexes" in screen_text(pilot)


async def test_the_filter_stands_in_the_head_of_every_view() -> None:
    async with running(shop(), size=(80, 24), first_pane="indexes") as pilot:
        await pilot.press("slash", *"note", "enter")
        for key in ("", "u", "i", "T"):
            if key:
                await pilot.press(key)
            assert "/note/" in screen_text(pilot)
        await pilot.press("escape")
        assert "/note/" not in screen_text(pilot)


async def test_sorting_walks_through_columns_that_are_seen() -> None:
    async with running(shop(), size=(80, 24), first_pane="indexes") as pilot:
        for _ in range(8):
            await pilot.press(">")
            head = screen_text(pilot).split("\n")[3]
            assert "▼" in head or "▲" in head, head


async def test_what_gin_does_not_tell_is_no_zero() -> None:
    source = shop(60, index(7, "by_words", "4", amname="gin", relpages=20_000))
    source.answers[Measure] = Measured(
        7, 160 << 20, None, 0.1, "pgstatginindex", "0 pending pages with 0 rows"
    )
    async with running(source, size=(150, 30), first_pane="indexes") as pilot:
        await pilot.press("M")
        await settle(pilot)
        shown = screen_text(pilot)
        assert "what a rebuild would free pgstatginindex does not tell" in shown
        row = next(line for line in shown.split("\n") if "by_words" in line)
        assert row.split()[:3] == ["≈156", "MB", "?"]


async def test_the_tray_key_says_why_nothing_is_recommended() -> None:
    async with running(shop(3), size=(150, 30), first_pane="indexes") as pilot:
        app_of(pilot).panes["indexes"].table.move_to(3)
        await pilot.press("a")
        await settle(pilot)
        assert "called unused, with its DDL, from 35 d on" in screen_text(pilot)


async def test_a_message_that_was_read_goes_with_the_next_key(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with running(shop(), size=(150, 30), first_pane="indexes") as pilot:
        app = app_of(pilot)
        app.note("copied")
        await pilot.press("down")
        assert "copied" in screen_text(pilot), "it was not read yet"
        monkeypatch.setattr("pgtop.ui.messages.READ_S", 0.0)
        await pilot.press("down")
        assert "copied" not in screen_text(pilot)
        app.note("the link is slow", "warning")
        await pilot.press("down")
        assert "the link is slow" in screen_text(pilot)


async def test_the_detail_of_an_index_to_drop_does_not_tell_of_a_rebuild() -> None:
    """Both were written out, one under the other."""
    measured = Measured(1, 8 << 20, 7 << 20, 0.1, "pgstatindex", "density 10 %")
    async with running(shop(), size=(150, 40), first_pane="indexes") as pilot:
        board = app_of(pilot).schedule.board
        board.add(Measured, (measured,))
        await pilot.press("d", "enter")
        await settle(pilot)
        shown = screen_text(pilot)
        assert "DROP INDEX CONCURRENTLY public.by_user;" in shown
        assert "no rebuild is recommended" not in shown


async def test_a_filter_finds_the_indexes_of_partitions() -> None:
    whole = index(40, "events_at", "1", relkind="I", indrelid=20_010)
    part = index(41, "events_2026_at", "1", parent=40, indrelid=20_011)
    more = (whole, part, table(20_010, "events", relkind="p"), table(20_011, "events_2026"))
    async with running(shop(60, *more), size=(150, 30), first_pane="indexes") as pilot:
        assert "events_2026_at" not in screen_text(pilot)
        await pilot.press(*"/2026", "enter")
        await settle(pilot)
        assert "events_2026_at on public.events_2026" in screen_text(pilot)


async def test_a_partitioned_index_tells_of_those_of_its_partitions() -> None:
    whole = index(40, "events_at", "1", relkind="I", indrelid=20_010, relpages=0)
    part = index(41, "events_2026_at", "1", parent=40, indrelid=20_011, relpages=200)
    more = (
        whole, part, table(20_010, "events", relkind="p"), table(20_011, "events_2026"),
        Partition(20_011, 20_010), use(41, 6),
    )  # fmt: skip
    async with running(shop(60, *more), size=(150, 40), first_pane="indexes") as pilot:
        app_of(pilot).panes["indexes"].table.move_to(40)
        await pilot.press("enter")
        await settle(pilot)
        assert "events_2026_at   ≈1.56 MB, bloat ?, 6 scans" in screen_text(pilot)


async def test_a_foreign_key_without_ddl_says_why() -> None:
    key = ForeignKey(7, "orders_item_fkey", 20_000, 20_000, "4", "item_id", "0", "1976", "a", "a")
    source = shop(60, key, OperatorClass(1978, 1976, "int4_ops", True))
    async with running(source, size=(150, 30), first_pane="indexes") as pilot:
        await pilot.press("m")
        await settle(pilot)
        await pilot.press("a")
        assert "no referenced row was deleted" in screen_text(pilot)


def _found(rule: str, subject: Subject) -> Finding:
    return Finding(rule, "warning", subject, "title", "its figures")


@pytest.mark.parametrize(
    ("found", "mode", "key"),
    [
        (_found("table.bloated", Subject("table", "orders", "public")), "tables", 20_000),
        (_found("sequence.near_limit", Subject("sequence", "orders_id_seq", "public", "orders.id")),
         "tables", 20_000),
        (_found("index.missing_fk", Subject("table", "orders", "public", "orders_item_fkey")),
         "missing", 7),
        (_found("index.unused", Subject("index", "by_note", "public", "orders")), "unused", 3),
        (_found("index.low_cardinality", Subject("index", "by_user", "public")), "all", 1),
    ],
    ids=["table", "sequence", "key", "unused", "index"],
)  # fmt: skip
async def test_a_finding_leads_to_its_row(found: Finding, mode: str, key: int) -> None:
    fk = ForeignKey(7, "orders_item_fkey", 20_000, 20_000, "4", "item_id", "0", "1976", "a", "a")
    source = shop(60, fk, OperatorClass(1978, 1976, "int4_ops", True))
    rules = (Rule(found.rule, lambda facts: (found,)),)
    async with running(source, size=(150, 40), first_pane="overview", rules=rules) as pilot:
        app_of(pilot).show_finding(found)
        await settle(pilot)
        for _ in range(3):
            await read_again(pilot)
        pane = app_of(pilot).current
        assert isinstance(pane, IndexesPane)
        assert (pane.mode, pane.table.cursor_key) == (mode, key)
        if found.subject.kind == "sequence":
            await pilot.press("enter")
            await settle(pilot)
            shown = screen_text(pilot)
            assert "sequence public.orders" in shown
            assert "its figures" in shown


@pytest.mark.parametrize(
    ("bloat", "said"),
    [
        (Bloat("estimate", bytes=-114_688.0, fraction=-0.07, most=0.0), "none: a rebuild would"),
        (Bloat("estimate", bytes=-8_192.0, fraction=-0.01, most=0.2), "0 B, 0 % to 20 %   ≈"),
        (Bloat("estimate", bytes=-8_192.0, fraction=-0.01), "none: a rebuild would take 8.00 kB"),
        (Bloat("measured", bytes=8_192.0, fraction=0.5), "8.00 kB, 50 %   measured"),
    ],
)
def test_bloat_is_never_less_than_none(bloat: Bloat, said: str) -> None:
    assert bloat_words(bloat).startswith(said)


async def test_sizes_of_rows_in_view_are_those_on_disk() -> None:
    """The catalogue knows them since the last VACUUM: 8 kB of an index of 896 kB."""
    source = shop()
    source.answers[SizesOf] = {2: 8_192_000, 3: 64 << 20, 20_000: 1 << 30}
    async with running(source, size=(150, 40), first_pane="indexes") as pilot:
        pane = app_of(pilot).current
        assert isinstance(pane, IndexesPane)
        pane.table.move_to(3)
        await pilot.press("enter")
        await pilot.pause(0.3)
        await settle(pilot)
        shown = screen_text(pilot)
        sizes = {line.split()[0] for line in shown.split("\n") if " on public.orders (" in line}
        assert sizes == {"≈7.81", "7.81", "64.0"}
        assert "64.0 MB on disk; VACUUM and ANALYZE last saw 7.81 MB" in shown
        await pilot.press("escape", "T")
        await settle(pilot)
        assert "1.00 GB" in screen_text(pilot)
        assert pane._size_of(3, 9_000) is None, "the catalogue counted since"
        source.answers[SizesOf] = SourceError("lock_timeout of 100 ms")
        source.set(index(3, "by_note", "3", relpages=9_000), use(3, 0))
        app_of(pilot).schedule.anew([Index])
        await pilot.press("T")
        await read_again(pilot)
        await settle(pilot)
        assert "≈70.3 MB" in screen_text(pilot), "locked: what the catalogue knows"
        assert "lock_timeout" not in screen_text(pilot)


async def test_what_a_failed_build_left_gets_no_undo_with_its_definition() -> None:
    left = index(3, "by_note_ccnew", "3", flags=READY | LIVE)
    source = FakeSource(table(), window(60), index(1, "by_user", "1"), left, use(1, 40), use(3, 0))
    source.answers = shop().answers
    async with running(source, size=(150, 40), first_pane="indexes") as pilot:
        await pilot.press("i", "enter")
        await pilot.pause(0.3)
        await settle(pilot)
        await read_again(pilot)
        shown = screen_text(pilot)
        assert "DROP INDEX CONCURRENTLY public.by_note_ccnew;" in shown
        assert "a copy: there is nothing to take back" in shown
        assert "undo  CREATE" not in shown
