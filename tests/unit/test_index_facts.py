"""Pure parts of the index rules: stored trees, gates by window and replicas, page arithmetic."""

from __future__ import annotations

from operator import is_
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgtop.advice import Facts, NeedsTime, NotPossible, ddl, foreign_keys, index_repeats, judge
from pgtop.advice.index_facts import IndexFacts, gathered
from pgtop.advice.index_going import spared_for
from pgtop.advice.index_invalid import invalid
from pgtop.advice.index_remedies import dropped
from pgtop.advice.index_repeats import comparing, duplicate, redundant
from pgtop.advice.index_unused import naming, unused
from pgtop.advice.index_use import scans, size_bytes, why_kept
from pgtop.advice.indexes import INDEX_RULES, bloated
from pgtop.analysis.bloat import btree_free_bytes, hash_pages
from pgtop.analysis.bloat_btree import btree
from pgtop.analysis.derived import Board
from pgtop.analysis.keys import split_trees
from pgtop.analysis.usage import Usage
from pgtop.analysis.value_spread import spread_values
from pgtop.model.index import (
    ColumnStatistics,
    CounterWindow,
    ForeignKey,
    Index,
    IndexUse,
    OperatorClass,
)
from pgtop.model.index_request import Definition
from pgtop.model.sample import Sample, SourceError
from pgtop.model.server import Server
from pgtop.model.table import Partition, Table
from pgtop.model.vacuum import HorizonHolder
from tests.factories import STARTED, reading, rows_of
from tests.ui.test_advising import advice
from tests.ui.test_indexes_pane import index, table, use, window


def facts(days: float, *, more: tuple[Any, ...] = (), **fields: Any) -> Facts:
    rows = rows_of(table(), window(days, **fields), index(1, "never"), use(1, 0), *more)
    rows = {ForeignKey: (), OperatorClass: (), Partition: (), HorizonHolder: (), **rows}
    for kind in (Index, IndexUse, Table, CounterWindow, Server):
        assert kind in rows
    board = Board()
    board.take(reading(rows))
    return Facts(board.samples, board.derived)


def test_unused_needs_a_month() -> None:
    with pytest.raises(NeedsTime, match="too young"):
        list(unused(facts(3)))
    with pytest.raises(NeedsTime):
        list(unused(facts(20)))
    (found,) = unused(facts(40))
    assert found.subject.name == "never"
    assert found.remedy is not None
    assert found.remedy.sql == ("DROP INDEX CONCURRENTLY public.never;",)
    assert not found.remedy.transactional


def test_an_index_that_was_seen_to_appear_is_as_old_as_that() -> None:
    board = Board()
    rows = rows_of(table(), window(90), index(1, "never"), use(1, 0))
    rows = {ForeignKey: (), OperatorClass: (), Partition: (), **rows}
    board.take(reading(rows))
    new = {Index: (index(1, "never"), index(2, "new", "2")), IndexUse: (use(1, 0), use(2, 0))}
    board.take(reading({**rows, **new}, at=STARTED + 1_060))
    board.take(reading({**rows, **new}, at=STARTED + 4_660))
    seen = Facts(board.samples, board.derived)
    assert [f.subject.name for f in unused(seen)] == ["never"]
    found = gathered(seen)
    assert found.observed_s(index(2, "new", "2")) == pytest.approx(3_600)
    assert found.observed_s(index(1, "never")) == found.window_s


def test_unused_is_not_said_on_a_standby_or_without_a_window() -> None:
    with pytest.raises(NotPossible, match="standby"):
        list(unused(facts(90, in_recovery=True)))
    with pytest.raises(NotPossible, match="not known"):
        list(unused(facts(90, stats_reset=None)))


def test_with_replicas_there_is_nothing_to_run() -> None:
    (found,) = unused(facts(90, replicas=2))
    assert found.remedy is None
    assert "2 replicas" in str(found.no_remedy)


def test_what_a_foreign_key_needs_is_not_unused() -> None:
    key = ForeignKey(7, "orders_user_fkey", 20_000, 30_000, "1", "user_id", "0", "1976", "a", "a")
    classes = OperatorClass(1978, 1976, "int4_ops", True)
    seen = facts(90, more=(key, classes))
    assert list(unused(seen)) == []
    assert "orders_user_fkey needs it" in str(why_kept(gathered(seen), index(1, "never")))
    assert len(list(unused(facts(90, more=(key._replace(conkey="2"), classes))))) == 1


def test_an_index_that_goes_takes_over_no_other() -> None:
    """Both were offered for a drop: the one that nobody scans, and the one whose work it does."""
    wide, busy = index(2, "wide", "1 2", relpages=2_000), use(1, 1_000_000)
    for days, said in (
        (90, [("index.unused", "wide")]),
        (3, [("index.redundant", "never")]),
    ):  # fmt: skip
        seen = facts(days, more=(wide, use(2, 0)))
        board = Board()
        board.take(reading({k: s.rows for k, s in seen.samples.items() if isinstance(s, Sample)}
                           | {IndexUse: (busy, use(2, 0))}))  # fmt: skip
        found = judge(Facts(board.samples, board.derived), INDEX_RULES).findings
        assert [(f.rule, f.subject.name) for f in found if f.remedy] == said


def test_of_an_index_that_repeats_another_that_is_said_alone() -> None:
    """It had a second finding, unused, with the same DROP: run after the other it fails."""
    wide = index(2, "wide", "1 2", relpages=2_000)
    found = judge(facts(90, more=(wide, use(2, 9))), INDEX_RULES).findings
    assert [(f.rule, f.subject.name) for f in found] == [("index.redundant", "never")]


def test_with_replicas_what_nobody_scans_here_may_take_over() -> None:
    wide = index(2, "wide", "1 2", relpages=2_000)
    found = judge(facts(90, more=(wide, use(2, 0)), replicas=1), INDEX_RULES).findings
    assert [f.subject.name for f in found if f.remedy] == ["never"]


def test_of_two_unused_indexes_one_stays_for_the_foreign_key() -> None:
    key = ForeignKey(7, "orders_user_fkey", 20_000, 30_000, "1", "user_id", "0", "1976", "a", "a")
    classes = OperatorClass(1978, 1976, "int4_ops", True)
    wide = index(2, "wide", "1 2", relpages=2_000)
    seen = facts(90, more=(key, classes, wide, use(2, 0)))
    found = list(unused(seen))
    assert [f.subject.name for f in found] == ["wide"], "the smaller one stays"
    assert spared_for(gathered(seen), index(1, "never")) == key


def test_an_index_of_a_partition_alone_stays_for_the_key_of_the_whole() -> None:
    key = ForeignKey(7, "events_user_fkey", 77, 30_000, "1", "user_id", "0", "1976", "a", "a")
    classes = OperatorClass(1978, 1976, "int4_ops", True)
    parts = (table(77, "events", relkind="p"), Partition(20_000, 77))
    assert list(unused(facts(90, more=(key, classes, *parts)))) == []


@pytest.mark.parametrize("kind", [ForeignKey, OperatorClass, Table])
def test_nothing_is_unused_until_it_is_known_what_needs_it(kind: type[Any]) -> None:
    seen = facts(90)
    for lacking, reason in ((None, NeedsTime), (SourceError("refused", lasting=True), NotPossible)):
        samples = {k: v for k, v in seen.samples.items() if k is not kind}
        if lacking is not None:
            samples[kind] = lacking
        with pytest.raises(reason):
            list(unused(Facts(samples, seen.derived)))
        if kind is not Table:
            found = gathered(Facts(samples, seen.derived))
            assert "a foreign key may need it" in str(why_kept(found, index(1, "never")))


@pytest.mark.parametrize("kind", [OperatorClass, Partition, Table])
def test_no_foreign_key_lacks_an_index_until_it_is_known_which_fit(kind: type[Any]) -> None:
    """Without operator classes none fits: each key had a CREATE INDEX to offer."""
    key = ForeignKey(7, "orders_user_fkey", 20_000, 30_000, "1", "user_id", "0", "1976", "a", "a")
    users = table(30_000, "users", n_tup_del=5)
    seen = facts(90, more=(key, users, OperatorClass(1978, 1976, "int4_ops", True)))
    for lacking, reason in ((None, NeedsTime), (SourceError("refused", lasting=True), NotPossible)):
        samples = {k: v for k, v in seen.samples.items() if k is not kind}
        if lacking is not None:
            samples[kind] = lacking
        with pytest.raises(reason):
            list(foreign_keys.missing_fk(Facts(samples, seen.derived)))
    bare = {**seen.samples, OperatorClass: Sample(STARTED, ())}
    assert len(list(foreign_keys.missing_fk(Facts(bare, seen.derived)))) == 1
    assert list(foreign_keys.missing_fk(seen)) == [], "what was judged before is not kept"


@pytest.mark.parametrize("kind", [HorizonHolder, Table])
def test_nothing_is_rebuilt_until_it_is_known_that_it_would_help(kind: type[Any]) -> None:
    air = index(2, "air", "2", relpages=100_000)
    seen = facts(1, more=(air, column(attnum=2), OperatorClass(1978, 1976, "int4_ops", True)))
    assert [f.subject.name for f in bloated(seen)] == ["air"]
    samples = {k: v for k, v in seen.samples.items() if k is not kind}
    with pytest.raises(NeedsTime):
        list(bloated(Facts(samples, seen.derived)))


def test_an_index_that_goes_is_not_rebuilt() -> None:
    """REINDEX after DROP fails, before it is work for nothing."""
    classes = OperatorClass(1978, 1976, "int4_ops", True)
    air = index(2, "air", "1", relpages=100_000)
    busy, idle = (use(1, 5), use(2, 5)), (use(1, 5), use(2, 0))
    wide = index(1, "never", "1 2")
    for more, said in (
        ((air, *busy), [("index.redundant", "air")]),
        ((air._replace(indkey="2"), *busy), [("index.bloated", "air")]),
        ((air._replace(indkey="2"), *idle), [("index.unused", "air")]),
    ):
        rows = rows_of(
            table(), window(90), wide, classes, column(attnum=1), column(attnum=2), *more
        )
        board = Board()
        board.take(reading({ForeignKey: (), Partition: (), HorizonHolder: (), **rows}))
        found = judge(Facts(board.samples, board.derived), INDEX_RULES).findings
        assert [(f.rule, f.subject.name) for f in found] == said


def test_scans_of_a_partitioned_index_are_known_when_all_of_its_leaves_are() -> None:
    whole = index(2, "whole", "1", relkind="I", indrelid=77)
    leaves = [index(n, f"leaf{n}", "1", indrelid=70 + n, parent=2) for n in (3, 4)]
    parts = [Partition(73, 77), Partition(74, 77)]
    found = gathered(facts(1, more=(whole, *leaves, *parts, use(3, 5))))
    assert scans(found, whole) is None, "one of them was not read: it is not 5"
    assert size_bytes(found, whole) == 2 * leaves[0].size_bytes
    found = gathered(facts(1, more=(whole, *leaves, *parts, use(3, 5), use(4, 2))))
    assert scans(found, whole) == 7


def test_entries_are_not_counted_from_updates_that_may_have_been_hot() -> None:
    board = Board()
    board.take(reading({Table: (table(),)}))
    board.take(reading({Table: (table(n_tup_ins=100, n_tup_upd=50),)}, at=STARTED + 1_010))
    assert board.derived[Usage].entries_per_s(20_000) is None
    board.take(reading({Table: (table(n_tup_ins=200, n_tup_upd=50),)}, at=STARTED + 1_020))
    assert board.derived[Usage].entries_per_s(20_000) == pytest.approx(10)


def test_a_partitioned_index_has_no_undo_while_its_table_is_not_known() -> None:
    """The parent's statement alone would build an index that stays invalid."""
    whole = index(2, "whole", "1", relkind="I", indrelid=77)
    sql = "CREATE INDEX whole ON ONLY public.parted USING btree (a)"
    found = gathered(facts(1, more=(whole, Definition(2, sql, 0, None))))
    assert dropped(found, whole).undo == ()
    there = table(77, "parted", relkind="p")
    found = gathered(facts(1, more=(whole, there, Definition(2, sql, 0, None))))
    assert dropped(found, whole).undo == (f"{sql};",)


def test_an_index_that_is_being_built_is_not_called_broken() -> None:
    half = index(2, "half", "2", flags=64 | 128)
    (found,) = invalid(facts(1, more=(half,)))
    assert found.subject.name == "half"
    assert list(invalid(facts(1, more=(half._replace(builder_pid=77),)))) == []


def test_an_index_that_cannot_become_unique_is_not_rebuilt() -> None:
    half = index(2, "half", "1", flags=1 | 64 | 128)
    few, many = column(n_distinct=4.0), column(n_distinct=90_000.0)
    for statistics, verb in ((few, "DROP INDEX"), (many, "REINDEX"), (column(), "REINDEX")):
        (found,) = invalid(facts(1, more=(half, statistics)))
        assert found.remedy is not None
        assert found.remedy.sql[0].startswith(verb)
        assert ("cannot become unique: its column has ≈ 4 values in 100 k rows" in found.why) == (
            verb == "DROP INDEX"
        )
    (found,) = invalid(facts(1, more=(half,)))
    assert found.remedy is not None
    assert found.remedy.sql[0].startswith("REINDEX"), "nothing is known of its values"
    part = half._replace(indpred="{CONST}")
    (found,) = invalid(facts(1, more=(part, few)))
    assert found.remedy is not None
    assert found.remedy.sql[0].startswith("REINDEX"), "nor of the rows of a partial index"


def test_a_partitioned_index_is_dropped_as_a_whole_and_not_concurrently() -> None:
    whole = index(2, "whole", "1", relkind="I")
    (found,) = (f for f in duplicate(facts(1, more=(whole,))) if f.subject.name == "whole")
    assert found.remedy is not None
    assert found.remedy.sql == ("DROP INDEX public.whole;",)
    assert "lock_timeout" in str(found.remedy.caution)


def test_one_index_is_proposed_for_foreign_keys_that_it_serves_alike() -> None:
    """The same key made twice had the same CREATE INDEX twice: the second would fail."""

    def fk(oid: int, name: str, key: str, columns: str) -> ForeignKey:
        many = len(key.split())
        families = ",".join(["1976"] * many)
        return ForeignKey(
            oid, name, 20_000, 30_000, key, columns, " ".join("0" * many), families, "a", "a"
        )

    users = table(30_000, "users", n_tup_del=5)
    keys = (
        fk(1, "narrow", "4", '"x, y"'), fk(2, "wide", "5 4", 'z, "x, y"'),
        fk(3, "again", "5 4", 'z, "x, y"'), fk(4, "turned", "4 5", '"x, y", z'),
        fk(5, "front", "5", "z"),
    )  # fmt: skip
    found = list(foreign_keys.missing_fk(facts(90, more=(users, *keys))))
    assert {f.subject.of for f in found} == {"narrow", "wide", "again", "turned", "front"}
    made = {f.subject.of: f.remedy.sql[0] for f in found if f.remedy}
    assert list(made) == ["wide", "narrow"], "its column stands second in the other"
    assert made["wide"].endswith('(z, "x, y");')
    said = next(f.no_remedy for f in found if f.subject.of == "front")
    assert said == "the index that is proposed for foreign key wide serves it too"


def test_an_index_that_was_advised_serves_the_foreign_key_too() -> None:
    key = ForeignKey(7, "orders_user_fkey", 20_000, 30_000, "7", "user_id", "0", "1976", "a", "a")
    users = table(30_000, "users", n_tup_del=5)
    for columns, offered in (("user_id DESC NULLS LAST", 0), ("note", 1)):
        advised = advice((1, 1, 1, True), columns)
        seen = facts(90, more=(key, users, advised))
        (found,) = foreign_keys.missing_fk(seen)
        assert (found.remedy is not None) == bool(offered)
        assert offered or "proposed for statements: (user_id DESC" in str(found.no_remedy)


def test_names_are_looked_through_once_for_all_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """For each of 2,000 keys among 80,000 names it took 50 s."""
    looked: list[int] = []
    names = foreign_keys._names

    def counted(found: IndexFacts) -> dict[str, set[str]]:
        looked.append(1)
        return names(found)

    monkeypatch.setattr(foreign_keys, "_names", counted)
    tables = [table(20_000 + n, f"t{n}", n_tup_del=5) for n in range(1_000)]
    keys = [
        ForeignKey(n, f"t{n}_fkey", 20_000 + n, 20_000, "7", "c", "0", "1976", "a", "a")
        for n in range(1_000)
    ]
    indexes = [index(50_000 + n, f"t{n}_c_idx", "1") for n in range(10_000)]
    one = facts(90, more=(*tables, *keys, *indexes))
    for _ in foreign_keys.judging(one):
        assert not looked or looked == [1]
    found = list(foreign_keys.missing_fk(one))
    assert looked == [1], "and what was judged in slices is not judged again"
    assert len(found) == 1_000
    assert found[3].remedy is not None
    assert "t3_c_idx1" in found[3].remedy.sql[0], "t3_c_idx is taken"


TREE = st.recursive(
    st.text("ab :\\1", max_size=6).map(lambda t: t.replace("\\", "\\}")),
    lambda inner: st.lists(inner, max_size=3).map(lambda parts: "{" + " ".join(parts) + "}"),
    max_leaves=8,
)


@given(st.lists(TREE.map(lambda t: "{X " + t + "}"), max_size=4))
def test_trees_come_out_as_they_went_in(trees: list[str]) -> None:
    assert split_trees("(" + " ".join(trees) + ")") == trees


def column(**fields: Any) -> ColumnStatistics:
    defaults: dict[str, Any] = {
        "relid": 20_000, "attnum": 1, "attlen": 4, "attalign": "i", "attstorage": "p",
        "attisdropped": False, "expression": False, "known": True, "null_frac": 0.0,
        "avg_width": 4, "n_distinct": -1.0, "freqs": None, "mcv_lengths": None,
        "histogram_lengths": None,
    }  # fmt: skip
    return ColumnStatistics(**{**defaults, **fields})


def test_a_fresh_integer_key_has_366_entries_a_page() -> None:
    fresh = index(1, "fresh", reltuples=366_000.0, relpages=1_005)
    found = btree(fresh, 366_000.0, [column()], deduplicates=True)
    assert found.pages is not None
    assert 1_001 <= found.pages <= 1_008


def test_few_values_take_six_bytes_a_row() -> None:
    few = index(1, "few", reltuples=1e6, relpages=3_000)
    shares = ",".join(["0.2"] * 5)
    found = btree(few, 1e6, [column(n_distinct=5.0, freqs=shares)], deduplicates=True)
    plain = btree(few, 1e6, [column(n_distinct=5.0, freqs=shares)], deduplicates=False)
    assert found.pages is not None
    assert plain.pages is not None
    assert 820 <= found.pages <= 860
    assert 2_730 <= plain.pages <= 2_760


def test_columns_that_may_depend_on_each_other_give_a_range() -> None:
    """(g % 1000, g % 5): the second says nothing new, but 5,000 pairs might exist."""
    both = index(1, "both", "1 2", reltuples=120_000.0, relpages=150)
    thousand = column(n_distinct=1000.0)
    five = column(attnum=2, n_distinct=5.0, freqs=",".join(["0.2"] * 5))
    found = btree(both, 120_000.0, [thousand, five], deduplicates=True)
    alone = btree(index(1, "one", reltuples=120_000.0, relpages=150), 120_000.0,
                  [thousand], deduplicates=True)  # fmt: skip
    assert found.fraction is not None
    assert found.most is not None
    assert alone.fraction is not None
    assert found.most > found.fraction + 0.02
    assert found.most == pytest.approx(alone.fraction, abs=0.05)
    unique = index(1, "both", "1 2", reltuples=120_000.0, relpages=150, flags=1 | 32 | 64 | 128)
    assert btree(unique, 120_000.0, [thousand, five], deduplicates=True).most is None
    assert btree(both, 120_000.0, [thousand, five], deduplicates=False).most is None


def test_few_rows_a_value_are_a_range_where_their_spread_matters() -> None:
    """An index of 17, built a moment ago: 180,497 values by chance in 466,666 rows, of which
    ANALYZE counted 137,800. As it said it was 12 % bloat."""
    fresh = index(1, "fresh", reltuples=466_666.0, relpages=913)
    said = column(n_distinct=-0.295299)
    found = btree(fresh, 466_666.0, [said], deduplicates=True)
    assert found.fraction == pytest.approx(0.0, abs=0.03)
    assert spread_values(said, 466_666.0) == pytest.approx(180_497, rel=0.05)
    assert spread_values(column(n_distinct=-0.3), 20_000.0) == -0.3, "ANALYZE saw all of it"
    assert spread_values(column(), 1e6) == -1.0, "unique"
    assert spread_values(column(n_distinct=50.0), 1e6) == pytest.approx(50, rel=0.01)
    unique = btree(fresh._replace(flags=1 | 32 | 64 | 128), 466_666.0, [said], deduplicates=True)
    assert unique.most is None


def test_an_estimate_from_a_skewed_sample_says_that_it_may_be_less() -> None:
    """Fresh on 17: 249,127 values, some common, of which ANALYZE counted 58,525."""
    fresh = index(1, "fresh", reltuples=800_000.0, relpages=1_312)
    shares = ",".join(["0.0013"] * 100)
    said = btree(fresh, 800_000.0, [column(n_distinct=58_525, freqs=shares)], deduplicates=True)
    assert said.fraction is not None
    assert said.fraction > 0.3
    assert "it may be less, M measures it" in str(said.why)
    alike = btree(fresh, 800_000.0, [column(n_distinct=58_525)], deduplicates=True)
    assert "may be less" not in str(alike.why)
    few = btree(fresh, 800_000.0, [column(n_distinct=200, freqs=shares)], deduplicates=True)
    assert "may be less" not in str(few.why)


@given(st.floats(0, 1e9), st.floats(-1, 1e6), st.floats(0, 1), st.integers(0, 200))
def test_any_statistics_give_an_estimate(
    rows: float, distinct: float, null_frac: float, width: int
) -> None:
    odd = column(attlen=-1, n_distinct=distinct, null_frac=null_frac, avg_width=width)
    found = btree(index(1, "odd", reltuples=rows), rows, [odd], deduplicates=True)
    assert found.pages is not None
    assert found.pages >= 1


@pytest.mark.parametrize(
    ("entries", "pages"),
    [(0, 4), (50_000, 258), (200_000, 822), (500_000, 2_050), (1_000_000, 4_098)],
)
def test_a_hash_index_is_as_big_as_its_build_makes_it(entries: int, pages: int) -> None:
    """Sizes of indexes that 17 built."""
    assert hash_pages(entries, 75) == pytest.approx(pages, rel=0.01)


def test_what_pgstatindex_says_becomes_bytes() -> None:
    assert btree_free_bytes(100, 0, 0, 90.0, 90) == 0
    assert btree_free_bytes(100, 10, 5, 45.0, 90) == 65 * 8192


def test_the_undo_of_a_drop_is_built_concurrently() -> None:
    made = ddl.concurrently("CREATE UNIQUE INDEX a ON public.t USING btree (b)")
    assert made == "CREATE UNIQUE INDEX CONCURRENTLY a ON public.t USING btree (b);"


def test_many_indexes_are_compared_in_slices_once_for_each_reading() -> None:
    many = [index(10 + n, f"x{n}", "1" if n % 2 else "1 2", indrelid=n // 2) for n in range(20_000)]
    board = Board()
    board.take(reading(rows_of(table(), window(3), use(10, 0), *many)))
    found = Facts(board.samples, board.derived)
    assert sum(1 for _ in comparing(found)) > 3
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(index_repeats, "covers", None)  # all is compared, nothing anew
        assert len({f.subject.name for f in redundant(found)}) == 10_000
        assert not any(True for _ in comparing(found))


def test_many_unused_indexes_are_looked_for_in_slices_and_named_once() -> None:
    """20,000 of them were one second of the screen's loop, every ten seconds."""
    many = [index(10 + n, f"x{n}", "1 2", indrelid=n // 3) for n in range(9_000)]
    uses = [use(10 + n, 0) for n in range(9_000)]
    rows = rows_of(table(), window(60), *many, *uses)
    board = Board()
    board.take(reading({ForeignKey: (), OperatorClass: (), Partition: (), **rows}))
    seen = Facts(board.samples, board.derived)
    assert sum(1 for _ in naming(seen)) > 3
    found = list(unused(seen))
    assert len(found) == 9_000
    board.take(reading({IndexUse: tuple(uses)}, at=STARTED + 1_010))
    again = Facts(board.samples, board.derived)
    assert sum(1 for _ in naming(again)) >= 1, "counters may have moved"
    assert all(map(is_, found, unused(again))), "they have not, and nothing is worded anew"


def test_the_definition_of_the_row_under_the_cursor_words_nothing_anew() -> None:
    """It comes with each move of the cursor; 22,000 findings took a second, in one step."""
    board = Board()
    seen = facts(60)
    board.samples.update(seen.samples)
    board.derived.update(seen.derived)
    (before,) = unused(Facts(board.samples, board.derived))
    known = Definition(1, "CREATE INDEX never ON public.orders (a)", 8192, None)
    board.add(Definition, (known,))
    assert board.derived[Usage].definitions == {1: known}
    (after,) = unused(Facts(board.samples, board.derived))
    assert after is before


def test_without_statistics_of_a_column_no_bloat_is_told() -> None:
    fresh = index(1, "fresh", reltuples=366_000.0, relpages=1_005)
    found = btree(fresh, 366_000.0, [column(known=False)], deduplicates=True)
    assert (found.source, found.bytes) == ("unavailable", None)
    assert "no statistics visible" in (found.why or "")
