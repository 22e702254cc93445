"""What the server's and the network's errors mean, in a sentence with the next step.

Classified by SQLSTATE wherever there is one: messages come in the server's language.
"""

from __future__ import annotations

import re

import psycopg

from pgtop.analysis.redact import mask_passwords
from pgtop.model.sample import Disconnected, SourceError
from pgtop.terminal.safe import safe

STATEMENT_TIMEOUT_MS = 3_000
"""Ours, per statement. A monitor's query that needs longer is part of the incident."""

LOCK_TIMEOUT_MS = 200
"""Ours. Nothing we read should wait for a lock; what does is left out and named."""

_MONITOR = "GRANT pg_monitor TO {role};"

LASTING = frozenset({"42501", "42883", "42P01", "42703", "0A000", "55000", "3F000", "42704"})
"""SQLSTATEs that asking again does not change: rights, missing objects, not supported."""

_CONNECTION_LOST = frozenset({"57P01", "57P02", "57P03", "57P05", "53300", "25P03", "25P04"})
"""Shutdown, crash, starting up, idle-session timeout, no slot, transaction timeouts."""


def query_error(
    error: Exception,
    *,
    what: str,
    role: str,
    grant: str | None = None,
    timeout_ms: int = STATEMENT_TIMEOUT_MS,
    lock_ms: int = LOCK_TIMEOUT_MS,
) -> SourceError:
    """Why one query could not be answered. `role` is the current role, quoted.

    `grant` is what the role is known to lack for it; without it pg_monitor is advised. The
    limits are those under which it ran.
    """
    if not isinstance(error, psycopg.Error):
        return SourceError(f"{what}: the answer could not be decoded ({type(error).__name__})")
    state = error.sqlstate
    message = said(error)
    if state == "42501":
        remedy = grant or _MONITOR.format(role=role)
        return SourceError(f"{what}: {message}", sqlstate=state, remedy=remedy, lasting=True)
    if state in ("22021", "22P05"):
        return SourceError(
            f"{what}: a text in another encoding keeps all from being read: {message}",
            sqlstate=state,
        )
    if state == "57014":
        return SourceError(
            f"{what}: no answer within pgtop's own statement_timeout of {timeout_ms / 1000:g} s",
            sqlstate=state,
        )
    if state == "55P03":
        return SourceError(locked(what, lock_ms=lock_ms), sqlstate=state)
    if state == "55000" and "shared_preload_libraries" in message:
        return SourceError(
            f"{what}: {message}",
            sqlstate=state,
            remedy="ALTER SYSTEM SET shared_preload_libraries = 'pg_stat_statements';"
            " -- add to what is there, then restart the server",
            lasting=True,
        )
    return SourceError(f"{what}: {message}", sqlstate=state, lasting=state in LASTING)


def locked(what: str, who: str = "locked", *, lock_ms: int = LOCK_TIMEOUT_MS) -> str:
    """The sentence where a lock was met; `who` says whose, where that is known."""
    return f"{what}: {who}; pgtop waited its own lock_timeout of {lock_ms} ms"


def is_connection_lost(error: BaseException) -> bool:
    """Whether the connection is gone, not only the query.

    A backend that is terminated inside a pipeline arrives without a SQLSTATE.
    """
    if isinstance(error, OSError):
        return True
    if not isinstance(error, psycopg.OperationalError):
        return isinstance(error, psycopg.InterfaceError)
    state = error.sqlstate
    return state is None or state in _CONNECTION_LOST or state.startswith("08")


_LIBPQ = re.compile(r"^(?:consuming input|sending query|flushing|the connection is) failed: ")
"""What libpq was at when the link went says nothing to a reader."""


def said(error: BaseException) -> str:
    """The server's own words: one line, harmless, without secrets."""
    text = ""
    if isinstance(error, psycopg.Error):
        text = error.diag.message_primary or ""
    text = text or (str(error).strip().split("\n")[0]) or type(error).__name__
    text = _LIBPQ.sub("", text)
    return mask_passwords(safe(text))[:400]


# What libpq says before there is a session carries no SQLSTATE; the phrases are libpq's
# own (English unless its catalogue is installed) and the server's FATAL messages, which
# lc_messages may translate: what none of them fits is shown as it came.
_CONNECT: tuple[tuple[str, str, float | None], ...] = (
    (
        r"too many clients|remaining connection slots|too many connections|53300",
        "no free connection slot: {said}; `pgtop --wait` takes the first that gets free",
        2.0,
    ),
    (
        r"starting up|shutting down|not accepting connections|recovery mode|57P03",
        "the server does not take connections yet: {said}; `pgtop --wait` waits for it",
        1.0,
    ),
    (
        r"password authentication failed|SASL authentication failed|wrong password",
        "wrong password or user: {said}; check ~/.pgpass, PGPASSWORD or try -W",
        None,
    ),
    (
        r"no password supplied",
        "the server wants a password: use ~/.pgpass, PGPASSWORD or leave -w out",
        None,
    ),
    (
        r"no pg_hba\.conf entry",
        "the server's pg_hba.conf has no line for this host, user and database: {said}",
        None,
    ),
    (
        r"server does not support SSL|SSL is not enabled",
        "the server has no TLS but sslmode asks for it: {said}; sslmode=prefer does without",
        None,
    ),
    (
        r"certificate verify failed|root certificate|SSL error|tlsv1|ssl.*alert",
        "TLS failed: {said}; see sslmode and sslrootcert",
        None,
    ),
    (
        r"failed to resolve host|could not translate host name|Name or service not known"
        r"|nodename nor servname|getaddrinfo",
        "unknown host: {said}; check its spelling and the name server",
        5.0,
    ),
    (
        r"unsupported startup parameter",
        "the pooler refuses a start parameter: {said}; leave PGOPTIONS and `options` out",
        None,
    ),
    (r"database .* does not exist", "{said}; `psql -l` lists the databases", None),
    (r"role .* does not exist", "{said}; name another with -U", None),
    (r"Connection refused|could not connect|No such file or directory",
     "nothing listens at {where}: {said}; is the server up, and the port right?", 1.0),
    (r"timeout expired|timed out|[Tt]imeout",
     "no answer in time: {said}; the network, a stopped server or a locked catalogue", 1.0),
    (r"No route to host|unreachable", "no way to that host: {said}", 2.0),
)  # fmt: skip


def connect_error(error: BaseException) -> Disconnected:
    """Why there is no connection, with the next step; `retry_in` None where a retry is wrong."""
    text = _all_attempts(error)
    state = getattr(error, "sqlstate", None)
    for pattern, sentence, retry_in in _CONNECT:
        if re.search(pattern, text) or (state and state in pattern):
            where = ", ".join(dict.fromkeys(":".join(w) for w in _SERVER.findall(str(error))))
            told = sentence.format(said=text, where=safe(where) or "that address")
            return Disconnected(told, sqlstate=state, retry_in=retry_in)
    return Disconnected(f"could not connect: {text}", sqlstate=state, retry_in=2.0)


_SERVER = re.compile(
    r'connection to server (?:at|on socket) "([^"]*)"(?: \([^)]*\))?(?:, port (\d+))?'
)

_NOISE = re.compile(
    r"^connection failed: |^Multiple connection attempts failed\. All failures were:\s*"
    r"|^connection to server [^:]*(?:, port \d+)? failed: |connection is bad: |FATAL:\s+|^- ",
)


def _all_attempts(error: BaseException) -> str:
    """libpq's message without its repetitions: each distinct reason once, secrets masked."""
    reasons: list[str] = []
    for line in str(error).splitlines():
        line = line.strip()
        previous = None
        while line != previous:
            previous, line = line, _NOISE.sub("", line)
        if line and line not in reasons and not line.startswith(("Is the server", "- host:")):
            reasons.append(line)
    return mask_passwords(safe("; ".join(reasons) or type(error).__name__))[:400]
