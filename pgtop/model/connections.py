"""Limits on connections beside max_connections, and how many sessions came and went."""

from __future__ import annotations

from typing import NamedTuple


class ConnectionLimit(NamedTuple):
    """A CONNECTION LIMIT of a role or a database; superusers are not bound by either."""

    kind: str
    """`role` or `database`."""

    name: str
    limit: int


class SessionCounters(NamedTuple):
    """pg_stat_database's counters of sessions, summed; from 14."""

    sessions: int
    """Begun since the counters were reset."""

    sessions_abandoned: int
    """Ended because the client was gone."""

    sessions_fatal: int
    sessions_killed: int
