"""Which tables' statistics are waited for."""

from __future__ import annotations

from pgtop.analysis.bloat import LEAST_PAGES
from pgtop.analysis.pending import Pending
from tests.ui.test_indexes_pane import index


def test_big_b_trees_wait_the_biggest_first_until_answered() -> None:
    pending = Pending({
        1: [index(10, "a", relpages=500), index(11, "b", relpages=200)],
        2: [index(20, "c", relpages=900), index(21, "d", amname="gin", relpages=9_000)],
        3: [index(30, "small", relpages=LEAST_PAGES - 1)],
        4: [index(40, "known", relpages=5_000)],
    }, known={4})  # fmt: skip
    assert (pending.total, pending.waiting) == (5, 3)
    assert pending.first(9) == [2, 1]
    assert pending.first(1) == [2]
    assert 1 in pending
    assert 3 not in pending
    assert 4 not in pending
    walked = []
    for relid in pending.first(9):
        pending.answered([relid, 77])  # also while somebody walks
        walked.append((relid, pending.waiting))
    assert walked == [(2, 2), (1, 0)]
    assert [each.relname for each in pending.biggest] == ["d", "known", "c", "a", "b"]
