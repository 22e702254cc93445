"""One guarded connection: every reading is one pipeline, one implicit transaction.

The pipeline runs in autocommit without BEGIN, so the transaction ends at its Sync: an
error leaves the session idle, not in an aborted transaction. Its first statement sets
what guards the rest, for this transaction alone, so nothing reaches the next client of
a pooler's connection.
"""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import pq
from psycopg.adapt import Loader, Transformer

from pgtop.analysis.names import literal
from pgtop.db.errors import LOCK_TIMEOUT_MS, STATEMENT_TIMEOUT_MS, connect_error

SLICE = 1_000
"""Rows decoded before the screen gets its turn: a few milliseconds."""

FROZEN_AFTER_S = STATEMENT_TIMEOUT_MS / 1_000 + 3.0
"""With no answer by then the link is frozen: the server would have cancelled by itself."""

CANCEL_S = 0.6
"""For a cancel to reach the server and be answered; then the line is cut, and from 14 on
client_connection_check_interval ends the query there."""

_DEFAULTS = {
    "fallback_application_name": "pgtop",
    "connect_timeout": "5",
    "keepalives_idle": "15",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "20000",
    "client_encoding": "UTF8",
}


class LenientText(Loader):
    """Text as UTF-8; bytes that are not become `\\xNN` and cost one cell, not the view."""

    format = pq.Format.BINARY

    def load(self, data: bytes | bytearray | memoryview) -> str:
        """Decode whatever came."""
        return bytes(data).decode("utf-8", "backslashreplace")


class CutText(LenientText):
    """Text that the server cut by bytes: half a character at its end is left out."""

    def load(self, data: bytes | bytearray | memoryview) -> str:
        """Decode whatever came."""
        raw = bytes(data)
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError as error:
            whole = error.start if error.reason == "unexpected end of data" else len(raw)
            return super().load(raw[:whole])


class LinkFrozen(Exception):
    """No answer came although the server must have given up by itself."""


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement to send, with its parameters."""

    sql: str
    params: Sequence[Any] | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What a pipeline brought: rows for each statement, or the first error and where it stood."""

    rows: tuple[list[tuple[Any, ...]], ...]
    """Of the statements before the failed one."""

    error: Exception | None
    guarded: bool
    """False where the guard itself was refused, so that nothing else ran."""

    taken_at: float
    """Server's clock, seconds since 1970; 0 after an error."""

    server_ms: float


async def connect(params: dict[str, str]) -> psycopg.AsyncConnection[tuple[Any, ...]]:
    """Open a connection by libpq's rules. Raises `psycopg.OperationalError`."""
    _find_certificates()
    conn = await psycopg.AsyncConnection.connect(
        **{**_DEFAULTS, **params},  # type: ignore[arg-type]  # libpq's parameters are all text
        autocommit=True,
        prepare_threshold=None,
    )
    conn.adapters.register_loader("bytea", CutText)
    return conn


def _find_certificates() -> None:
    """Point the wheel's OpenSSL at the system's certificates, for sslrootcert=system."""
    bundle = "/etc/ssl/certs/ca-certificates.crt"
    if "SSL_CERT_FILE" not in os.environ and os.path.exists(bundle):
        os.environ["SSL_CERT_FILE"] = bundle


_CLOCK = Statement(
    "SELECT /* pgtop */ extract(epoch FROM clock_timestamp())::float8,"
    " extract(epoch FROM clock_timestamp() - transaction_timestamp())::float8 * 1000"
)


class Pipeline(psycopg.AsyncPipeline):
    """psycopg's, without the Flush that it sends behind its last Sync.

    A Flush has no answer. Where it leaves after the Sync's answer came, which is luck,
    PgBouncer 1.18 lends it a server connection and waits: pgtop would keep a connection
    of the pool, idle, until its next reading.
    """

    def _exit_gen(self) -> Any:
        try:
            self._enqueue_sync()
            yield from self._communicate_gen()
        finally:
            yield from self._fetch_gen(flush=False)


@asynccontextmanager
async def pipeline(conn: psycopg.AsyncConnection[Any]) -> AsyncIterator[None]:
    """Pipeline mode for the block. Raises `psycopg.OperationalError` on a closed connection."""
    if conn.closed:
        raise psycopg.OperationalError("the connection is closed")
    entered = conn._pipeline = Pipeline(conn)
    try:
        async with entered:
            yield
    finally:
        conn._pipeline = None


class Session:
    """One connection and the guarded readings on it."""

    def __init__(self, conn: psycopg.AsyncConnection[tuple[Any, ...]]) -> None:
        self.conn = conn
        self.opened_at = time.monotonic()
        self.encoding: str | None = None
        """`SQL_ASCII` once the server could not convert its text to UTF-8."""

        self.explicit = False
        """BEGIN … ROLLBACK instead of the implicit transaction: a standby whose default
        isolation level is serializable refuses every other."""

        self.round_trips = 0

    @classmethod
    async def open(cls, params: dict[str, str]) -> Session:
        """Connect, or raise `Disconnected` with a sentence."""
        try:
            return cls(await connect(params))
        except (psycopg.Error, OSError) as error:
            raise connect_error(error) from error

    @property
    def version_num(self) -> int:
        """As the server, or its pooler, reported at the start."""
        return self.conn.info.server_version

    def guard(
        self, *, work_mem: str, timeout_ms: int, lock_ms: int, settings: dict[str, str]
    ) -> Statement:
        """The statement that makes the rest of its transaction harmless."""
        chosen = {
            "transaction_read_only": "on",
            "statement_timeout": str(timeout_ms),
            "lock_timeout": str(lock_ms),
            "idle_in_transaction_session_timeout": "5000",
            "search_path": "pg_catalog",
            "work_mem": work_mem,
            "jit": "off",
            "max_parallel_workers_per_gather": "0",
        }
        if self.version_num >= 140000:
            chosen["client_connection_check_interval"] = "1000"
        if self.version_num >= 170000:
            chosen["transaction_timeout"] = str(timeout_ms * 3)
        if self.encoding:
            chosen["client_encoding"] = self.encoding
        chosen.update(settings)
        calls = ", ".join(
            f"set_config('{name}', {literal(value)}, true)" for name, value in chosen.items()
        )
        return Statement(f"SELECT /* pgtop */ {calls}")

    async def read(
        self,
        statements: Sequence[Statement],
        *,
        work_mem: str = "4MB",
        timeout_ms: int = STATEMENT_TIMEOUT_MS,
        lock_ms: int = LOCK_TIMEOUT_MS,
        settings: dict[str, str] | None = None,
    ) -> Answer:
        """One guarded reading: one pipeline, one round trip.

        Errors of a statement are in the answer. Raises psycopg's OperationalError when
        the connection is gone and `LinkFrozen` when no answer came in time; then the
        connection is closed.
        """
        guard = self.guard(
            work_mem=work_mem, timeout_ms=timeout_ms, lock_ms=lock_ms, settings=settings or {}
        )
        task = asyncio.ensure_future(self._pipeline([guard, *statements, _CLOCK]))
        limit = timeout_ms / 1_000 + FROZEN_AFTER_S - STATEMENT_TIMEOUT_MS / 1_000
        try:
            done, _ = await asyncio.wait({task}, timeout=limit)
        except asyncio.CancelledError:
            task.cancel()  # psycopg then cancels the query on the server
            _, pending = await asyncio.wait({task}, timeout=CANCEL_S)
            if pending:
                self.abandon()
            raise
        if not done:
            self.abandon()
            await asyncio.wait({task}, timeout=1)
            task.cancel()
            raise LinkFrozen
        cursors, error = await task
        return await self._answer(cursors, error)

    async def _pipeline(
        self, statements: Sequence[Statement]
    ) -> tuple[list[psycopg.AsyncCursor[tuple[Any, ...]]], Exception | None]:
        cursors: list[psycopg.AsyncCursor[tuple[Any, ...]]] = []
        error: Exception | None = None
        self.round_trips += 1
        begin = self.explicit
        try:
            async with pipeline(self.conn):
                if begin:
                    await self.conn.execute("BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY")
                for statement in statements:
                    cursor = self.conn.cursor(binary=True)
                    cursors.append(cursor)
                    await cursor.execute(statement.sql.encode(), statement.params)
                if begin:
                    await self.conn.execute("ROLLBACK")
        except psycopg.Error as raised:
            error = raised
            if self.conn.closed:
                raise
        if begin and error is not None:
            await self.conn.execute("ROLLBACK")
        return cursors, error

    async def _answer(
        self, cursors: Sequence[psycopg.AsyncCursor[tuple[Any, ...]]], error: Exception | None
    ) -> Answer:
        rows: list[list[tuple[Any, ...]]] = []
        for cursor in cursors:
            result = cursor.pgresult
            if result is None or result.status != pq.ExecStatus.TUPLES_OK:
                break
            rows.append(await _decoded(cursor, result, lenient=bool(self.encoding)))
        complete = len(rows) == len(cursors)
        taken_at, server_ms = rows[-1][0] if complete else (0.0, 0.0)
        return Answer(
            rows=tuple(rows[1:-1] if complete else rows[1:]),
            error=error if not complete else None,
            guarded=bool(rows),
            taken_at=taken_at,
            server_ms=server_ms,
        )

    def abandon(self) -> None:
        """Cut the line: whoever waits on it wakes with an error; nothing is sent or waited for."""
        try:
            fd = os.dup(self.conn.fileno())
        except (psycopg.Error, OSError):
            return
        with socket.socket(fileno=fd) as line:
            try:
                line.shutdown(socket.SHUT_RDWR)
            except OSError:
                return

    async def close(self) -> None:
        """Cancel what runs on the server, within a second, and go."""
        if not self.conn.closed:
            if self.conn.pgconn.transaction_status == pq.TransactionStatus.ACTIVE:
                try:
                    await asyncio.wait_for(self.conn.cancel_safe(timeout=CANCEL_S), CANCEL_S)
                except (psycopg.Error, OSError, asyncio.TimeoutError):
                    self.abandon()
            await self.conn.close()


async def _decoded(
    cursor: psycopg.AsyncCursor[tuple[Any, ...]], result: pq.abc.PGresult, *, lenient: bool
) -> list[tuple[Any, ...]]:
    """All rows, in slices, so that no step holds the screen's loop for long.

    psycopg's own text loader takes a third of the time of ours, and raises where a text is
    not UTF-8: from there on ours goes on.
    """
    decoder = _decoder(cursor, result, lenient=lenient)
    rows: list[tuple[Any, ...]] = []
    while len(rows) < result.ntuples:
        if rows:
            await asyncio.sleep(0)
        end = min(len(rows) + SLICE, result.ntuples)
        try:
            rows.extend(decoder.load_rows(len(rows), end, tuple))
        except UnicodeDecodeError:
            decoder = _decoder(cursor, result, lenient=True)
    return rows


def _decoder(
    cursor: psycopg.AsyncCursor[tuple[Any, ...]], result: pq.abc.PGresult, *, lenient: bool
) -> psycopg.abc.Transformer:
    """What makes Python's values of a result's."""
    if lenient:
        cursor.adapters.register_loader("text", LenientText)
    decoder = Transformer(cursor)
    decoder.set_pgresult(result)
    return decoder
