"""What ends a session that is in others' way, as text to copy; and where nothing should."""

from __future__ import annotations

from datetime import datetime, timezone

from pgtop.analysis.blocking import Root, RootKind
from pgtop.analysis.names import literal, quote
from pgtop.model.session import Session
from pgtop.terminal.safe import safe

NEVER: dict[RootKind, str] = {
    "sync": (
        "it waits for a synchronous standby: a cancelled wait leaves the commit done here and not"
        " there. Bring the standby back, or take it out of synchronous_standby_names"
    ),
    "recovery": (
        "it is the standby's replay: it waits for queries here, by max_standby_streaming_delay."
        " End those, or let replay cancel them"
    ),
    "wraparound": (
        "it is a vacuum against wraparound: it does not give way and begins anew when it is"
        " ended. Let it end; vacuum_cost_delay in its way slows it"
    ),
}
"""Kinds of roots that must not be cancelled, and why."""


def moment(epoch: float) -> str:
    """Seconds since 1970 as the server's own microseconds, in UTC."""
    return datetime.fromtimestamp(epoch, tz=timezone.utc).isoformat(" ", "microseconds")


def end_sql(session: Session) -> str | None:
    """What ends its statement, or where it runs none its session, under whom that hits; it can
    hit no other session.

    None where the session cannot be named for sure, or is not a client's.
    """
    if session.backend_start is None or not endable(session):
        return None
    function = "pg_cancel_backend" if session.state == "active" else "pg_terminate_backend"
    whom = (f"{session.usename or '?'}@{session.datname or 'no database'}",
            session.application_name, session.client_addr, session.state)  # fmt: skip
    return (
        f"-- {safe(', '.join(filter(None, whom)))}\n"
        f"SELECT {function}(pid) FROM pg_stat_activity\n"
        f" WHERE pid = {session.pid} AND backend_start = {literal(moment(session.backend_start))};"
    )


def endable(session: Session) -> bool:
    """Whether ending it harms nobody but its own client."""
    if session.wait_event == "SyncRep":
        return False
    if session.backend_type == "autovacuum worker":
        return "(to prevent wraparound)" not in (session.query or "")
    return session.backend_type in ("client backend", "parallel worker", "walsender")


def prepared_sql(gid: str, database: str | None) -> str:
    """Both ends of a prepared transaction: which is right its transaction manager knows."""
    where = f", in database {quote(database)}" if database else ""
    return (
        f"-- whichever its transaction manager decided{where}\n"
        f"-- COMMIT PREPARED {literal(gid)};\n-- ROLLBACK PREPARED {literal(gid)};"
    )


def way_out(root: Root) -> str:
    """What ends a root, in words."""
    why = NEVER.get(root.kind)
    if why is not None:
        return f"no DDL, no cancel: {why}"
    pid = root.node.pid
    if root.kind == "prepared":
        return (
            "no DDL: COMMIT PREPARED or ROLLBACK PREPARED in its own database, whichever its"
            " transaction manager decided; y in Activity copies both"
        )
    if root.kind == "idle":
        return (
            f"no DDL: its client must end the transaction. y in Activity copies"
            f" pg_terminate_backend({pid}), which loses its work; cancelling does nothing to an"
            " idle session. idle_in_transaction_session_timeout keeps it from coming back"
        )
    if root.kind == "vacuum":
        return (
            "no DDL: a plain autovacuum gives way by itself after deadlock_timeout; if it does"
            f" not, y in Activity copies pg_cancel_backend({pid})"
        )
    if root.kind == "index build":
        return (
            "no DDL: it builds an index and lets others read and write; cancelled, it leaves an"
            f" invalid index behind. y in Activity copies pg_cancel_backend({pid})"
        )
    if root.kind == "walsender":
        return (
            "no DDL: a copy for a replica holds it; cancelled, the copy begins anew. y in Activity"
            f" copies pg_cancel_backend({pid})"
        )
    if root.kind == "deadlock":
        return "no DDL: they wait for each other; the server ends one after deadlock_timeout"
    return f"no DDL: wait for it, or y in Activity copies pg_cancel_backend({pid})"
