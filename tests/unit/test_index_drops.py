"""All drops that the rules offer, made together: whatever the indexes, nothing needed is lost."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from pgtop.advice import Facts, judge
from pgtop.advice.index_facts import gathered
from pgtop.advice.indexes import INDEX_RULES
from pgtop.analysis.derived import Board
from pgtop.analysis.keys import best_support, covers
from pgtop.model.index import ForeignKey, Index, IndexUse, OperatorClass
from pgtop.model.table import Partition
from pgtop.model.vacuum import HorizonHolder
from tests.factories import reading, rows_of
from tests.ui.test_indexes_pane import LIVE, READY, VALID, index, table, use, window

UNIQUE, IMMEDIATE, REPLIDENT, CONSTRAINT, REFERENCED = 1, 8, 256, 1024, 4096
KINDS = (0, 0, 0, UNIQUE, UNIQUE | CONSTRAINT, UNIQUE | REPLIDENT, UNIQUE | REFERENCED)
CLASS = OperatorClass(1978, 1976, "int4_ops", True)

columns = st.lists(st.sampled_from("123"), min_size=1, max_size=3, unique=True).map(" ".join)


@st.composite
def indexes_of(draw: st.DrawFn) -> list[tuple[Index, IndexUse]]:
    made = []
    for oid in range(1, draw(st.integers(1, 6)) + 1):
        flags = VALID | READY | LIVE | IMMEDIATE
        flags |= draw(st.sampled_from(KINDS))
        if draw(st.integers(0, 9)) == 0:
            flags &= ~VALID
        key = draw(columns)
        many = len(key.split())
        more: dict[str, Any] = {
            "flags": flags, "indpred": draw(st.sampled_from([None, None, None, "{P}"])),
            "amname": draw(st.sampled_from(["btree", "btree", "btree", "hash"])) if many == 1
            else "btree",
            "indoption": " ".join(draw(st.sampled_from("003")) for _ in range(many)),
            "relpages": draw(st.integers(10, 3_000)),
        }  # fmt: skip
        scanned = draw(st.sampled_from([0, 0, 500]))
        made.append((index(oid, f"i{oid}", key, **more), use(oid, scanned)))
    return made


foreign_keys = st.lists(columns, max_size=2).map(
    lambda keys: [
        ForeignKey(
            100 + n, f"fk{n}", 20_000, 30_000, key, key,
            " ".join("0" * len(key.split())), ",".join(["1976"] * len(key.split())), "a", "a",
        )
        for n, key in enumerate(keys)
    ]
)  # fmt: skip


@given(indexes_of(), foreign_keys, st.sampled_from([3, 90]))
@settings(max_examples=400, deadline=None)
def test_what_is_dropped_is_missed_by_nobody(
    some: list[tuple[Index, IndexUse]], keys: list[ForeignKey], days: int
) -> None:
    rows = rows_of(table(), window(days), CLASS, *keys, *(part for pair in some for part in pair))
    board = Board()
    board.take(reading({ForeignKey: (), Partition: (), HorizonHolder: (), **rows}))
    facts = Facts(board.samples, board.derived)
    gone = {
        f.subject.name
        for f in judge(facts, INDEX_RULES).findings
        if f.remedy is not None and f.remedy.sql[0].startswith("DROP") and f.rule != "index.invalid"
    }
    classes = gathered(facts).classes
    before = [i for i, _ in some]
    after = [i for i in before if i.relname not in gone]
    for key in keys:
        assert best_support(key, after, classes) == best_support(key, before, classes)
    for i, used in some:
        if i.relname not in gone:
            continue
        assert not i.constraint
        assert not i.referenced
        assert not i.indisreplident
        if i.indisvalid and (used.idx_scan or i.indisunique):
            assert any(covers(other, i) for other in after), f"{i.relname} is missed"
