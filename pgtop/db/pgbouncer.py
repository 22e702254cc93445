"""PgBouncer's admin console: a second connection, opened when its pools are first asked for.

The console knows the simple protocol alone: no parameters, no pipeline, no BEGIN, no SET. Its
columns differ from version to version, so they are taken by name.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping
from typing import Any

import psycopg
from psycopg import pq
from psycopg.adapt import Loader

from pgtop.db.connection import Session
from pgtop.db.errors import said
from pgtop.model.pool import Pool, Pooler, PoolServer
from pgtop.model.sample import Disconnected, SourceError

ANSWER_S = 1.0
"""For all answers together: a pooler that is stuck must not hold the server's figures up."""

RETRY_S = 10.0
"""After a failure."""

CONFIG_S = 60.0
"""Settings change seldom."""

Row = Mapping[str, Any]

_UNLIKE = (LookupError, ValueError, TypeError)
"""A console of another pooler: columns missing, or figures that are none."""


class _Text(Loader):
    """Text as it can be shown, whatever bytes it has."""

    format = pq.Format.TEXT

    def load(self, data: bytes | bytearray | memoryview) -> str:
        return bytes(data).decode("utf-8", "backslashreplace")


class Console:
    """Reads pools; what goes wrong is told in place of each row type."""

    def __init__(self, params: Mapping[str, str]) -> None:
        """`params` are libpq's; the database is `pgbouncer` unless another is named."""
        self._params = {"dbname": "pgbouncer", "connect_timeout": "2", **params}
        self._session: Session | None = None
        self._lock = asyncio.Lock()
        self._refused: tuple[SourceError, float] | None = None
        self._settings: dict[str, str] = {}
        self._settings_at = 0.0
        self._version = ""

    async def read(
        self, types: Iterable[type[Any]]
    ) -> dict[type[Any], tuple[Any, ...] | SourceError]:
        """Rows of each of `types`, or for all of them the reason for none."""
        wanted = list(types)
        async with self._lock:
            if self._refused is not None and time.monotonic() < self._refused[1]:
                return dict.fromkeys(wanted, self._refused[0])
            try:
                found = await self._in_time()
            except (psycopg.Error, OSError, SourceError, *_UNLIKE) as error:
                refusal = _refusal(error)
                self._refused = (refusal, time.monotonic() + RETRY_S)
                await self._drop()
                return dict.fromkeys(wanted, refusal)
            self._refused = None
            return {kind: found[kind] for kind in wanted}

    @property
    def connected(self) -> bool:
        """Whether the second connection is open."""
        return self._session is not None

    async def close(self) -> None:
        """Leave."""
        await self._drop()

    async def _in_time(self) -> dict[type[Any], tuple[Any, ...]]:
        """The rows, or `SourceError`. What is late is cut off: psycopg's own way of giving up
        asks the pooler for a cancel, which one that is stuck does not answer."""
        task = asyncio.ensure_future(self._rows())
        done: set[Any] = set()
        try:
            done, _ = await asyncio.wait({task}, timeout=ANSWER_S)
        finally:
            if not done:
                self._cut(task)
        if not done:
            await asyncio.wait({task}, timeout=ANSWER_S)
            raise SourceError(f"PgBouncer's console: no answer within {ANSWER_S:.0f} s")
        return await task

    def _cut(self, task: asyncio.Future[Any]) -> None:
        task.add_done_callback(lambda done: done.cancelled() or done.exception())
        if self._session is None:
            task.cancel()
        else:
            self._session.abandon()

    async def _rows(self) -> dict[type[Any], tuple[Any, ...]]:
        session = self._session
        if session is None or session.conn.closed:
            session = self._session = await Session.open(dict(self._params))
            session.conn.adapters.register_loader("text", _Text)
            self._version = str((await _show(session, "VERSION"))[0]["version"])
            self._settings_at = 0.0
        now = time.monotonic()
        if not self._settings_at or now - self._settings_at > CONFIG_S:
            config = await _show(session, "CONFIG")
            self._settings = {str(row["key"]): str(row.get("value") or "") for row in config}
            self._settings_at = now
        lists = {row["list"]: row["items"] for row in await _show(session, "LISTS")}
        databases = {row["name"]: row for row in await _show(session, "DATABASES")}
        pools = await _show(session, "POOLS")
        servers = await _show(session, "SERVERS")
        info = session.conn.info
        where = f"{info.host or 'local socket'}:{info.port}"
        return {
            Pooler: (pooler_of(where, self._version, self._settings, lists),),
            Pool: tuple(pool_of(row, databases.get(row["database"], {})) for row in pools),
            PoolServer: tuple(
                PoolServer(
                    row["database"] or "",
                    row["user"] or "",
                    row["state"] or "",
                    int(row.get("remote_pid") or 0),
                )
                for row in servers
            ),
        }

    async def _drop(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            session.abandon()
            await session.conn.close()


async def _show(session: Session, what: str) -> list[Row]:
    cursor = await session.conn.execute(f"SHOW {what}".encode())
    names = [column.name for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in await cursor.fetchall()]


_WHO = (
    "; its user must be among PgBouncer's stats_users or admin_users, and its database must be"
    " pgbouncer"
)


def _refusal(error: BaseException) -> SourceError:
    if isinstance(error, Disconnected):
        who = _WHO if "not allowed" in error.why else ""  # PgBouncer gives no SQLSTATE of its own
        return SourceError(f"PgBouncer's console: {error.why}{who}")
    if isinstance(error, SourceError):
        return error
    if isinstance(error, _UNLIKE):
        return SourceError("PgBouncer's console: it does not answer as PgBouncer's does")
    return SourceError(f"PgBouncer's console: {said(error)}{_WHO}")


def pooler_of(where: str, version: str, settings: Mapping[str, str], lists: Row) -> Pooler:
    """The pooler of its version, SHOW CONFIG and SHOW LISTS."""

    def number(name: str) -> int | None:
        text = settings.get(name, "")
        return int(text) if text.lstrip("-").isdigit() else None

    def seconds(name: str) -> float | None:
        try:
            return float(settings[name])
        except (KeyError, ValueError):
            return None

    return Pooler(
        where=where,
        version=version.removeprefix("PgBouncer ").strip(),
        pool_mode=settings.get("pool_mode"),
        default_pool_size=number("default_pool_size"),
        reserve_pool_size=number("reserve_pool_size"),
        reserve_pool_timeout_s=seconds("reserve_pool_timeout"),
        max_client_conn=number("max_client_conn"),
        max_db_connections=number("max_db_connections"),
        max_user_connections=number("max_user_connections"),
        query_wait_timeout_s=seconds("query_wait_timeout"),
        max_prepared_statements=number("max_prepared_statements"),
        used_clients=lists.get("used_clients"),
        used_servers=lists.get("used_servers"),
    )


def pool_of(row: Row, database: Row) -> Pool:
    """A row of SHOW POOLS, with that of its database from SHOW DATABASES."""
    return Pool(
        database=row["database"] or "",
        user=row["user"] or "",
        pool_mode=row.get("pool_mode"),
        cl_active=int(row["cl_active"]),
        cl_waiting=int(row["cl_waiting"]),
        sv_active=int(row["sv_active"]),
        sv_idle=int(row["sv_idle"]),
        sv_used=int(row["sv_used"]),
        sv_tested=int(row["sv_tested"]),
        sv_login=int(row["sv_login"]),
        maxwait_s=int(row["maxwait"]) + int(row.get("maxwait_us") or 0) / 1e6,
        pool_size=database.get("pool_size"),
        reserve_pool=database.get("reserve_pool", database.get("reserve_pool_size")),
        host=database.get("host"),
        port=database.get("port"),
        server_database=database.get("database"),
        paused=bool(database.get("paused")),
        disabled=bool(database.get("disabled")),
    )
