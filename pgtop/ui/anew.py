"""What the user is told when the connection is another one, or the server behind it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pgtop.model.sample import Sample, SourceError
from pgtop.model.server import Link, Server

Samples = Mapping[type[Any], Sample[Any] | SourceError]


def connected_anew(before: Samples, now: Samples) -> str:
    """One sentence where a server, or a connection, took the place of the last; else "".

    The loss itself may have been too short to be seen, and counters of two servers, or from
    both sides of a restart, are not compared: rates and histories begin again.
    """
    was, link_was = _row(before, Server), _row(before, Link)
    server, link = _row(now, Server), _row(now, Link)
    if was is None or server is None:
        return ""
    if was.database != server.database:
        return ""
    again = "rates and histories begin again"
    if was.in_recovery != server.in_recovery:
        role = "a standby" if server.in_recovery else "a primary"
        return f"this is {role} now: {again}"
    if was.started_at != server.started_at:
        return f"the server was restarted, or this is another one: {again}"
    if was.checkpointer_started_at != server.checkpointer_started_at:
        return f"the server came back from a crash: {again}"
    if link is not None and link_was is not None and link.since != link_was.since:
        return "the connection was lost and is open again: the same server, nothing restarted"
    return ""


def _row(samples: Samples, row_type: type[Any]) -> Any:
    sample = samples.get(row_type)
    return sample.rows[0] if isinstance(sample, Sample) and sample.rows else None
