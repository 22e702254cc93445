"""The load of the last minutes: by class, by event, by statement; and what is contended."""

from __future__ import annotations

import pytest

from pgtop.analysis.derived import Board
from pgtop.analysis.waits import WINDOW_S, Waits, counts, statement_of
from tests.sessions import facts_of, look, session


def test_load_is_counted_by_class_and_by_statement() -> None:
    rows = [
        session(1, query_id=7, query="SELECT 1 FROM a WHERE id = 5"),
        session(2, query_id=7, query="SELECT 1 FROM a WHERE id = 6"),
        session(3, query_id=8, wait_event_type="Lock", wait_event="tuple", query="UPDATE b"),
        session(4, state="idle"),
        session(5, backend_type="walsender"),
        session(6, backend_type="parallel worker", leader_pid=1, query_id=7),
    ]
    waits = facts_of(rows, rows[:2]).get(Waits)
    assert [(s.name, s.average) for s in waits.classes()] == [("CPU", 2.5), ("Lock", 0.5)]
    assert [(s.statement, s.average) for s in waits.statements()] == [(7, 2.5), (8, 0.5)]
    assert waits.statements("Lock")[0].name == "UPDATE b"
    assert [s.name for s in waits.events("Lock")] == ["tuple"]
    assert waits.classes()[0].series == (3.0, 2.0)


def test_only_statements_under_way_are_load() -> None:
    assert counts(session(1))
    assert counts(session(1, backend_type="parallel worker"))
    assert not counts(session(1, state="idle in transaction"))
    assert not counts(session(1, state=None, backend_type=None, hidden=True))
    assert not counts(session(1, state="active", backend_type="walsender"))


def test_without_query_id_the_text_without_its_literals_tells_statements_apart() -> None:
    one = statement_of(session(1, query="SELECT *  FROM t WHERE id = 5 AND s = 'x'"))
    two = statement_of(session(2, query="SELECT * FROM t\nWHERE id = 77 AND s = 'yy'"))
    assert one == two
    assert "'" not in one[1]


def test_what_is_older_than_the_window_is_forgotten_with_its_texts() -> None:
    board = Board()
    look(board, 0, session(1, query_id=1, query="SELECT old"))
    look(board, WINDOW_S + 1, session(1, query_id=2, query="SELECT new"))
    waits: Waits = board.derived[Waits]
    assert len(waits.points) == 1
    assert list(waits.texts) == [2]


def test_nothing_ran() -> None:
    waits = facts_of((), ()).get(Waits)
    assert waits.classes() == []
    assert waits.seconds == 2.0
    assert Waits().statements() == []


@pytest.mark.parametrize(("waiting", "found"), [(2, True), (0, False)])
def test_contention_is_an_event_that_is_there_in_every_sample(waiting: int, found: bool) -> None:
    def rows(number: int) -> list[object]:
        stuck = [
            session(p, wait_event_type="LWLock", wait_event="SubtransSLRU") for p in range(number)
        ]
        return [*stuck, *(session(p) for p in range(10, 14))]

    waits = facts_of(*(rows(n) for n in (3, 3, 3, 3, waiting))).get(Waits)
    seen = list(waits.contended(("LWLock",), 5))
    assert bool(seen) is found
    if seen:
        assert seen[0].event == "SubtransSLRU"
        assert seen[0].fraction == pytest.approx(2 / 6)
