"""What cannot be read at this moment is never judged by what was read before."""

from __future__ import annotations

import pytest

from pgtop.advice import Facts, NeedsTime, NotPossible, judge
from pgtop.advice.rules import RULES
from pgtop.advice.summary import causes, nothing_found
from pgtop.analysis.blocks import Blocks
from pgtop.analysis.derived import Board
from pgtop.model.sample import Sample, SourceError
from pgtop.model.server import Server
from pgtop.model.session import LockWait, Session
from tests.factories import reading, rows_of, server
from tests.sessions import session, wait

LOCKED = SourceError("session: locked", sqlstate="55P03")


def seen(error: SourceError) -> Board:
    """A chain of locks, and then no sessions."""
    board = Board()
    rows = (server(), session(1), session(2), wait(2, 1))
    board.take(reading(rows_of(*rows)))
    board.take(reading({}, errors={Session: error}))
    return board


def test_derived_values_of_before_are_no_facts_of_now() -> None:
    board = seen(LOCKED)
    facts = Facts(board.samples, board.derived)
    assert board.derived[Blocks].at
    with pytest.raises(NeedsTime, match="session: locked"):
        facts.get(Blocks)
    with pytest.raises(NeedsTime, match="session: locked"):
        facts.rows(Session)
    assert facts.rows(LockWait)
    refused = SourceError("permission denied", remedy="GRANT pg_monitor TO me;")
    with pytest.raises(NotPossible):
        Facts(seen(refused).samples).rows(Session)


def test_no_cause_is_clear_that_could_not_be_looked_at() -> None:
    board = seen(LOCKED)
    verdict = judge(Facts(board.samples, board.derived), RULES)
    locks = next(cause for cause in causes(verdict) if cause.name == "locks")
    assert (locks.state, locks.why) == ("waiting", "session: locked")
    assert nothing_found(verdict).startswith("no finding so far")


def test_what_the_session_is_outlives_a_lock_on_what_says_it() -> None:
    board = seen(LOCKED)
    board.take(reading({}, errors={Server: SourceError("server: locked", sqlstate="55P03")}))
    assert isinstance(board.samples[Server], Sample)
    gone = SourceError("server: no such function", lasting=True)
    board.take(reading({}, errors={Server: gone}))
    assert board.samples[Server] is gone
