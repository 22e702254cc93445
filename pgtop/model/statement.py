"""Rows of pg_stat_statements, and what runs right now.

These come by the ten thousand every two seconds, so they are NamedTuples: frozen, and
made from a row without a call of Python's own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from pgtop.model.request import Request

StatementKey = tuple[int, int, int, bool | None]
"""userid, dbid, queryid, toplevel: what the view itself tells statements apart by."""


class Statement(NamedTuple):
    """Counters of one normalised statement, without its text. Times in milliseconds."""

    userid: int
    dbid: int
    queryid: int | None
    """None: another role's statement that this role may not see."""

    toplevel: bool | None
    """None where the installed extension is older than 1.9."""

    calls: int
    total_exec_time: float
    total_plan_time: float | None
    rows: int
    shared_blks_hit: int
    shared_blks_read: int
    shared_blks_dirtied: int
    shared_blks_written: int
    temp_blks_read: int
    temp_blks_written: int
    shared_blk_read_time: float | None
    shared_blk_write_time: float | None
    wal_records: int | None
    wal_bytes: float | None
    stats_since: float | None
    """Seconds since 1970; None before extension 1.11."""

    @property
    def key(self) -> StatementKey:
        """Identifies the statement across samples."""
        return self[:4]  # type: ignore[return-value]  # a slice of a NamedTuple has no types


class StatementText(NamedTuple):
    """The first 400 characters of a statement's text, and how many bytes all of it has."""

    userid: int
    dbid: int
    queryid: int
    toplevel: bool | None
    query: str
    length: int

    @property
    def key(self) -> StatementKey:
        """The statement it belongs to."""
        return self[:4]


class Running(NamedTuple):
    """A statement that runs now. Until it ends no counter holds it."""

    pid: int
    userid: int | None
    dbid: int | None
    query_id: int | None
    """None before 14, where compute_query_id is off, and for a role without the right."""

    age_s: float
    query: str
    """Its first 400 characters, literals included."""


class StatementsInfo(NamedTuple):
    """The state of pg_stat_statements itself."""

    dealloc: int | None
    """How often entries were thrown out for room; None before extension 1.9."""

    stats_reset: float | None
    max: int | None
    """pg_stat_statements.max."""

    track_io_timing: bool


@dataclass(frozen=True, slots=True)
class StatementDetail:
    """One statement whole: its text and every counter that this extension has."""

    query: str
    counters: tuple[tuple[str, float | None], ...]
    """(column name, value), by name; times in milliseconds."""


@dataclass(frozen=True, slots=True)
class DetailOf(Request[StatementDetail]):
    """Asks for a statement's whole text and all its counters."""

    key: StatementKey


@dataclass(frozen=True, slots=True)
class TextsOf(Request[tuple[StatementText, ...]]):
    """Asks for the texts of some statements; those thrown out meanwhile are missing."""

    queryids: frozenset[int]


@dataclass(frozen=True, slots=True)
class FindStatements(Request[str]):
    """Asks which other database of the cluster has pg_stat_statements; answers its name."""


@dataclass(frozen=True, slots=True)
class UseDatabase(Request[str]):
    """Moves the connection to another database of the cluster; answers its name."""

    datname: str
