"""The forest of waiters: the right root each time, rings cut, everybody in it once."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pgtop.analysis.blocking import forest
from pgtop.model.session import LockHolder, Prepared
from tests.sessions import NOW, session, wait


def test_three_levels_have_one_root() -> None:
    sessions = [session(pid) for pid in (1, 2, 3, 4)]
    (root,) = forest(sessions, [wait(2, 1), wait(3, 2), wait(4, 1)], now=NOW)
    assert [(depth, n.pid) for depth, n in root.node.walk()] == [(0, 1), (1, 4), (1, 2), (2, 3)]
    assert (root.name, root.waiting, root.freed, root.kind) == ("pid 1", 3, 3, "active")
    assert root.waited_s is not None
    assert round(root.waited_s, 3) == 30.004


def test_a_blocked_ddl_is_not_the_root_of_the_queue_behind_it() -> None:
    waits = [wait(2, 1, mode="AccessExclusiveLock"), *(wait(pid, 2) for pid in range(3, 34))]
    (root,) = forest([session(1, state="idle in transaction")], waits, now=NOW)
    assert (root.who, root.kind, root.waiting) == ((1, None), "idle", 32)
    assert root.node.children[0].below == 31


def test_a_blocker_that_waits_for_nobody_is_chosen_before_one_that_does() -> None:
    (root,) = forest([], [wait(2, 1), wait(3, 2, 1)])
    assert [n.pid for n in root.node.children] == [3, 2]


def test_a_prepared_transaction_is_a_root_by_its_gid() -> None:
    holders = [LockHolder(0, "mig'1", 4, "RowExclusiveLock public.orders")]
    (root,) = forest(
        [session(2)], [wait(2, 0, gid="mig'1")], holders, [Prepared("mig'1", "u", "shop", 90, 7)]
    )
    assert (root.name, root.kind) == ("prepared transaction mig'1", "prepared")
    assert root.prepared is not None
    assert root.holder is not None
    assert root.holder.locks == 4


def test_parallel_workers_count_as_their_leader() -> None:
    workers = [session(p, backend_type="parallel worker", leader_pid=2) for p in (21, 22)]
    (root,) = forest([session(1), session(2), *workers], [wait(21, 1), wait(22, 1, 21)])
    assert [n.pid for n in root.node.children] == [2]
    assert root.waiting == 1


def test_an_apply_worker_is_no_parallel_worker() -> None:
    apply = session(5, backend_type="logical replication worker", leader_pid=2)
    (root,) = forest([session(1), apply], [wait(5, 1)])
    assert root.node.children[0].pid == 5


def test_a_ring_is_cut_where_the_wait_began() -> None:
    (root,) = forest([session(1), session(2), session(3)], [wait(1, 2), wait(2, 1), wait(3, 1)])
    assert root.kind == "deadlock"
    assert root.who == (2, None)  # wait_start: the higher the pid the earlier
    assert {n.pid for _, n in root.node.walk()} == {1, 2, 3}


def test_who_waits_for_another_tree_too_is_not_freed() -> None:
    roots = forest([session(1), session(2)], [wait(5, 1), wait(6, 2), wait(7, 1, 2)])
    first = next(r for r in roots if r.who == (1, None))
    assert (first.waiting, first.freed, first.others) == (2, 1, (2,))


def test_what_a_root_is_decides_what_may_be_done() -> None:
    kinds = {
        "sync": session(1, wait_event_type="IPC", wait_event="SyncRep"),
        "recovery": session(1, backend_type="startup", query=None, state=None),
        "walsender": session(1, backend_type="walsender"),
        "wraparound": session(
            1,
            backend_type="autovacuum worker",
            query="autovacuum: VACUUM public.t (to prevent wraparound)",
        ),
        "vacuum": session(1, backend_type="autovacuum worker", query="autovacuum: VACUUM public.t"),
        "idle": session(1, state="idle in transaction (aborted)"),
        "index build": session(1, query="CREATE INDEX CONCURRENTLY i ON t (a)"),
        "active": session(1),
    }
    for kind, who in kinds.items():
        assert forest([who], [wait(2, 1)])[0].kind == kind
    assert forest([], [wait(2, 1)])[0].kind == "gone"


@given(
    st.dictionaries(
        st.integers(1, 30), st.lists(st.integers(0, 40), min_size=1, max_size=4), max_size=30
    )
)
def test_every_waiter_stands_in_exactly_one_tree(edges: dict[int, list[int]]) -> None:
    waits = [wait(pid, *by) for pid, by in edges.items()]
    roots = forest([session(pid) for pid in range(1, 41)], waits, now=NOW)
    placed = [n.pid for root in roots for depth, n in root.node.walk() if depth]
    rings = [root.node.pid for root in roots if root.kind == "deadlock"]
    alone = [pid for pid, by in edges.items() if set(by) == {pid}]  # waits for itself: no edge
    assert sorted(placed + rings + alone) == sorted(edges)
    assert all(root.waiting for root in roots)


def test_a_chain_longer_than_the_stack() -> None:
    (root,) = forest([], [wait(pid, pid - 1) for pid in range(2, 5_000)])
    assert root.waiting == 4_998
