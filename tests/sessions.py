"""Builders of sessions and lock waits, and of the facts made of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pgtop.advice import Facts
from pgtop.analysis.derived import Board
from pgtop.model.sample import Reading, Sample
from pgtop.model.session import LockHolder, LockWait, Prepared, Session

NOW = 1_760_001_000.0
"""The server's clock at the first look."""


def session(pid: int, **fields: Any) -> Session:
    defaults: dict[str, Any] = {
        "pid": pid, "leader_pid": None, "backend_type": "client backend", "datname": "shop",
        "usename": "web", "application_name": "web", "client_addr": "10.0.0.7", "state": "active",
        "wait_event_type": None, "wait_event": None, "backend_start": NOW - 900,
        "xact_start": NOW - 60, "query_start": NOW - 40, "state_change": NOW - 40, "xid_age": None,
        "xmin_age": None, "query_id": None, "query": "UPDATE orders SET v = 17", "hidden": False,
    }  # fmt: skip
    return Session(**{**defaults, **fields})


def lock_wait(pid: int, *blockers: int, **fields: Any) -> LockWait:
    defaults: dict[str, Any] = {
        "pid": pid, "blockers": ",".join(map(str, blockers)), "blocked_by": len(blockers),
        "locktype": "transactionid", "mode": "ShareLock", "relation": "public.orders",
        "same_database": True, "wait_start": NOW - 30, "held": None, "gid": None,
    }  # fmt: skip
    return LockWait(**{**defaults, **fields})


def wait(pid: int, *blockers: int, **fields: Any) -> LockWait:
    """Who has the higher number has waited longer."""
    return lock_wait(pid, *blockers, **{"wait_start": NOW - 30 - pid / 1_000, **fields})


ALL: tuple[type[Any], ...] = (Session, LockWait, LockHolder, Prepared)


def look(board: Board, at: float, *rows: Any, only: tuple[type[Any], ...] = ALL) -> None:
    """One reading of sessions, `at` seconds after `NOW`."""
    samples: dict[type[Any], Any] = {
        kind: Sample(NOW + at, tuple(row for row in rows if type(row) is kind)) for kind in only
    }
    board.take(
        Reading(samples=samples, taken_at=NOW + at, arrived_at=0.0, server_ms=1.0, round_trips=1)
    )


def facts_of(*looks: Sequence[Any], step: float = 2.0) -> Facts:
    """The facts after these looks, `step` seconds apart."""
    board = Board()
    for number, rows in enumerate(looks):
        look(board, number * step, *rows)
    return Facts(board.samples, board.derived)
