"""The report's `sessions` section: who blocks and who waits, then who works, then who rests."""

from __future__ import annotations

from typing import Any

from pgtop.advice import Facts
from pgtop.analysis.blocking import Root
from pgtop.analysis.blocks import Blocks
from pgtop.analysis.names import quote
from pgtop.model.sample import Sample, SourceError
from pgtop.model.server import Server
from pgtop.model.session import LockWait, Session
from pgtop.report.document import moment


def sessions(facts: Facts) -> list[dict[str, Any]]:
    """Entries by the contract. Raises `SourceError` where sessions cannot be read.

    Parallel workers stand with their leader; of the server's own processes those that work for
    somebody: walsenders, autovacuum, a standby's replay.
    """
    found = facts.samples.get(Session)
    if isinstance(found, SourceError):
        raise found
    if found is None:
        return []
    blocks = facts.derived.get(Blocks) or Blocks()
    refused = isinstance(facts.samples.get(LockWait), SourceError)
    roots = {root.node.pid: root for root in blocks.roots}
    pids = {row.pid for row in found.rows}
    workers: dict[int, int] = {}
    rows = []
    for row in found.rows:
        if row.parallel_worker and row.leader_pid in pids:
            workers[row.leader_pid or 0] = workers.get(row.leader_pid or 0, 0) + 1
        elif row.client or row.hidden or row.xact_start is not None or row.backend_type in _SHOWN:
            rows.append(row)
    rows.sort(key=lambda row: _rank(row, roots, blocks, found.taken_at))
    return [
        {
            **entry(row, blocks, found.taken_at, roots.get(row.pid), known=not refused),
            "parallel_workers": workers.get(row.pid, 0),
        }
        for row in rows
    ]


_SHOWN = ("walsender", "autovacuum worker", "startup")

_ORDER = {"active": 2, None: 3, "idle": 5}
"""Of a state; those idle in a transaction stand between."""


def _rank(
    row: Session, roots: dict[int, Root], blocks: Blocks, now: float
) -> tuple[int, float, int]:
    if row.pid in roots:
        return 0, -float(roots[row.pid].waiting), row.pid
    if row.pid in blocks.waits:
        return 1, -(blocks.waited_s(row.pid)[0] or 0.0), row.pid
    started = row.xact_start or row.query_start or now
    return _ORDER.get(row.state, 4), started - now, row.pid


def entry(
    row: Session, blocks: Blocks, now: float, root: Root | None = None, *, known: bool = True
) -> dict[str, Any]:
    """One session; `known` is False where lock waits could not be read."""
    wait = blocks.waits.get(row.pid)
    waited, exact = blocks.waited_s(row.pid)
    return {
        "pid": row.pid,
        "type": row.backend_type,
        "state": row.state,
        "hidden": row.hidden,
        "user": row.usename,
        "database": row.datname,
        "application": row.application_name,
        "client": row.client_addr,
        "wait": row.event,
        "wait_s": None if wait is None or not exact else _seconds(waited),
        "transaction_s": _since(row.xact_start, now),
        "query_s": _since(row.query_start, now) if row.state == "active" else None,
        "state_s": _since(row.state_change, now),
        "connected_at": moment(row.backend_start),
        "xid_age": row.xid_age,
        "xmin_age": row.xmin_age,
        "query": row.query,
        "blocked_by": (list(wait.blocking_pids) if wait is not None else []) if known else None,
        "blocked_by_prepared": wait.gid if wait is not None else None,
        "wants": None if wait is None else wait.mode,
        "relation": None if wait is None else wait.relation,
        "blocks": root.waiting if root is not None else 0,
        "frees": root.freed if root is not None else 0,
    }


def hidden(samples: Any) -> dict[str, Any] | None:
    """What is not in the section, and the grant that would bring it; None where all is."""
    found, server = samples.get(Session), samples.get(Server)
    if not isinstance(found, Sample):
        return None
    many = sum(row.hidden for row in found.rows)
    if not many:
        return None
    user = server.rows[0].user if isinstance(server, Sample) and server.rows else None
    return {
        "what": "sessions.hidden",
        "why": f"what {many} sessions of other roles do is hidden from this role",
        "remedy": f"GRANT pg_monitor TO {quote(user) if user else '…'};",
    }


def _since(epoch: float | None, now: float) -> float | None:
    return None if epoch is None else _seconds(max(0.0, now - epoch))


def _seconds(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
