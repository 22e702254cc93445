"""A `Source` backed by a server: one connection, kept; what fails is left out, not repeated."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import psycopg

from pgtop.analysis.redact import mask_passwords
from pgtop.db import catalog as catalogs
from pgtop.db.asks import answering
from pgtop.db.connection import Answer, LinkFrozen, Session, Statement
from pgtop.db.errors import (
    LOCK_TIMEOUT_MS,
    STATEMENT_TIMEOUT_MS,
    is_connection_lost,
    locked,
    query_error,
    said,
)
from pgtop.db.lockers import LOCKERS, lockers
from pgtop.db.pgbouncer import Console
from pgtop.db.queries import QUERIES
from pgtop.db.query import Catalog, as_row, named
from pgtop.db.refusals import LOCK_NOT_AVAILABLE, MISSING, Refusals
from pgtop.model.pool import POOL_TYPES
from pgtop.model.request import AnswerT, Request
from pgtop.model.sample import Disconnected, Reading, Sample, SourceError
from pgtop.model.server import Link

RELEARN_S = 30.0
"""While something is missing (an extension, a function) what the server has is learnt anew."""

BACKOFF_S = (0.5, 1.0, 2.0, 4.0, 5.0)
"""Between attempts to reconnect, each times 0.5 to 1.5 so that many pgtops do not march in step.
A refused attempt costs a server next to nothing; who waits for it to come back looks on."""

NO_CONSOLE = "no pooler's console was given (--pgbouncer 'host=… port=6432 user=…')"

_ENCODING = frozenset({"22021", "22P05", "42883"})
"""Text that cannot become UTF-8: bytes then come as they are and are shown as they can be."""


class Collector:
    """Reads row types and answers requests over one guarded connection."""

    def __init__(self, params: dict[str, str], *, console: Console | None = None) -> None:
        """`console` is PgBouncer's, where one was given: its rows come with the server's."""
        self._params = params
        self._console = console
        self._session: Session | None = None
        self._catalog: Catalog | None = None
        self._link: Link | None = None
        self.role = ""
        self._lock = asyncio.Lock()
        self._refusals = Refusals()
        self._failures = 0
        self._relearn = False
        self._learnt_at = 0.0
        self._opened: set[Session] = set()

    @property
    def catalog(self) -> Catalog:
        """What the connected server has. Only while connected."""
        if self._catalog is None:
            raise Disconnected("not connected", retry_in=0.0)
        return self._catalog

    async def open(self) -> None:
        """Connect and learn the catalogue, or raise `Disconnected` with the next step."""
        async with self._lock:
            await self._connected()

    async def read(self, types: Iterable[type[Any]]) -> Reading:
        """Read all rows of each type in one round trip; one more for each that fails."""
        kinds = list(types)
        pools = [kind for kind in kinds if kind in POOL_TYPES]
        if not pools:
            return await self._reading(kinds)
        reading, found = await asyncio.gather(
            self._reading([kind for kind in kinds if kind not in POOL_TYPES]), self._pools(pools)
        )
        at = reading.taken_at
        samples: dict[type[Any], Sample[Any] | SourceError] = {
            kind: rows if isinstance(rows, SourceError) else Sample(at, rows)
            for kind, rows in found.items()
        }
        with_pools: Reading = replace(reading, samples={**reading.samples, **samples})
        return with_pools

    async def _pools(
        self, types: list[type[Any]]
    ) -> dict[type[Any], tuple[Any, ...] | SourceError]:
        if self._console is not None:
            return await self._console.read(types)
        return dict.fromkeys(types, SourceError(NO_CONSOLE, lasting=True))

    async def _reading(self, types: Iterable[type[Any]]) -> Reading:
        async with self._lock:
            session = await self._connected()
            trips = session.round_trips
            samples: dict[type[Any], Sample[Any] | SourceError] = {}
            pending = self._askable(types, samples)
            answer = await self._read(session, [sql for _, sql, _ in pending], pending)
            server_ms, taken_at = answer.server_ms, answer.taken_at
            while True:
                for (row_type, _, _), rows in zip(pending, answer.rows, strict=False):
                    samples[row_type] = Sample(taken_at, await self._rows(row_type, rows))
                    self._refusals.came_through(row_type)
                if answer.error is None:
                    break
                failed = pending[len(answer.rows)][0]
                samples[failed] = self._refuse(failed, answer.error)
                pending = pending[len(answer.rows) + 1 :]
                answer = await self._read(session, [sql for _, sql, _ in pending], pending)
                server_ms, taken_at = server_ms + answer.server_ms, answer.taken_at
            await self._name_lockers(session, samples)
            if Link in samples and self._link is not None:
                samples[Link] = Sample(taken_at, (self._link,))
            stamped = {
                kind: Sample(taken_at, found.rows) if isinstance(found, Sample) else found
                for kind, found in samples.items()
            }
            return Reading(
                samples=stamped,
                taken_at=taken_at,
                arrived_at=time.monotonic(),
                server_ms=server_ms,
                round_trips=session.round_trips - trips,
            )

    async def ask(self, request: Request[AnswerT]) -> AnswerT:
        """Answer one question, or raise `SourceError`. Cancelling ends it on the server."""
        answer: AnswerT = await answering(request)(self, request)
        return answer

    async def rows(
        self,
        statements: Sequence[Statement],
        *,
        what: str,
        work_mem: str = "4MB",
        timeout_ms: int = STATEMENT_TIMEOUT_MS,
        lock_ms: int = LOCK_TIMEOUT_MS,
        settings: dict[str, str] | None = None,
        session: Session | None = None,
    ) -> tuple[list[tuple[Any, ...]], ...]:
        """One guarded reading outside the tick, for a question. Raises `SourceError`."""
        options: dict[str, Any] = {
            "work_mem": work_mem,
            "timeout_ms": timeout_ms,
            "lock_ms": lock_ms,
            "settings": settings,
        }
        if session is not None:
            try:
                answer = await session.read(statements, **options)
            except (psycopg.Error, OSError, LinkFrozen) as error:
                raise SourceError(f"{what}: connection lost: {said(error)}") from error
        else:
            async with self._lock:
                answer = await self._guarded(await self._connected(), statements, **options)
        if answer.error is not None:
            raise query_error(
                answer.error, what=what, role=self.role, timeout_ms=timeout_ms, lock_ms=lock_ms
            ) from answer.error
        return answer.rows

    @asynccontextmanager
    async def second(self, **changes: str) -> AsyncIterator[Session]:
        """A second connection, for as long as a question needs it; `changes` such as dbname.
        Where there is none, the first is not lost for that, and nobody is to try again."""
        try:
            session = await Session.open({**self._params, **changes})
        except Disconnected as error:
            raise Disconnected(error.why, sqlstate=error.sqlstate) from error
        self._opened.add(session)
        try:
            yield session
        finally:
            self._opened.discard(session)
            await session.close()

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[Session]:
        """The one connection, for a question that is more than a pipeline of readings."""
        async with self._lock:
            yield await self._connected()

    async def use_database(self, datname: str) -> None:
        """Move to another database of the cluster; back to the old one if it refuses us."""
        async with self._lock:
            before = dict(self._params)
            self._params = {**self._params, "dbname": datname}
            await self._drop()
            try:
                await self._connected()
            except Disconnected:
                self._params = before
                raise

    def forget_refusals(self) -> None:
        """Ask again for what was refused or missing: somebody may have granted or created it."""
        self._refusals.forget()
        self._relearn = True

    async def close(self) -> None:
        """End what runs on the server and leave it, within a second."""
        session, self._session = self._session, None
        if self._console is not None:
            await self._console.close()
        for opened in (*self._opened, *((session,) if session else ())):
            await opened.close()

    # -- below: with the lock held -------------------------------------------------------

    async def _connected(self) -> Session:
        if self._session is not None and not self._session.conn.closed:
            if self._relearn:
                await self._learn(self._session, again=True)
            return self._session
        try:
            session = await Session.open(self._params)
            self._session = session
            await self._learn(session)
        except Disconnected as error:
            self._session = None
            wait = None if error.retry_in is None else self._backoff(error.retry_in)
            raise Disconnected(error.why, sqlstate=error.sqlstate, retry_in=wait) from error
        self._failures = 0
        return session

    async def _learn(self, session: Session, *, again: bool = False) -> None:
        """What the server has. `again`: what was learnt before will do where it cannot be read."""
        answer = await self._guarded(session, catalogs.statements(QUERIES.values()))
        self._relearn, self._learnt_at = False, time.monotonic()
        if answer.error is not None:
            if again:
                return
            why = said(answer.error)
            if getattr(answer.error, "sqlstate", None) == LOCK_NOT_AVAILABLE:
                who = await self._lockers(session) or "somebody has locked a catalogue"
                why = f"{who}; `pgtop --wait` tries again"
            await self._drop()
            raise Disconnected(f"the catalogue cannot be read: {why}", retry_in=2.0)
        found, self.role, pid = catalogs.catalog(answer.rows)
        self._catalog = found
        self._refusals.forget(MISSING)
        info = session.conn.info
        self._link = Link(
            host=info.host or "local socket",
            port=str(info.port),
            tls=bool(session.conn.pgconn.ssl_in_use),
            local=info.host.startswith("/") or not info.host,
            pooler="pooler" if pid != info.backend_pid else None,
            provider=catalogs.provider(found.settings),
            since=session.opened_at,
        )

    def _backoff(self, at_least: float) -> float:
        step = BACKOFF_S[min(self._failures, len(BACKOFF_S) - 1)]
        self._failures += 1
        return max(step, min(at_least, 5.0)) * random.uniform(0.5, 1.5)

    async def _drop(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            session.abandon()
            await session.conn.close()

    def _askable(
        self, types: Iterable[type[Any]], samples: dict[type[Any], Sample[Any] | SourceError]
    ) -> list[tuple[type[Any], str, str]]:
        """(row type, SQL, work_mem) of what this server can be asked; the rest as errors."""
        pending: list[tuple[type[Any], str, str]] = []
        wanted = tuple(types)
        refused = self._refusals.standing(wanted)
        for row_type in wanted:
            if row_type is Link:
                samples[Link] = Sample(0.0, ())
                continue
            if row_type in refused:
                samples[row_type] = refused[row_type]
                continue
            query = QUERIES[row_type]
            try:
                pending.append((row_type, query.render(self.catalog), query.work_mem))
            except SourceError as error:
                samples[row_type] = error
                self._look_again()
        return pending

    def _look_again(self) -> None:
        """Something is missing: it may be there by and by, or have been dropped just now."""
        self._relearn = time.monotonic() - self._learnt_at >= RELEARN_S

    async def _lockers(self, session: Session) -> str:
        answer = await self._guarded(session, [LOCKERS])
        return lockers(answer.rows[0]) if answer.error is None else ""

    async def _name_lockers(
        self, session: Session, samples: dict[type[Any], Sample[Any] | SourceError]
    ) -> None:
        """Say of what met a lock just now whose it was."""
        fresh = self._refusals.fresh_locks()
        if not fresh or not (who := await self._lockers(session)):
            return
        for kind in fresh:
            refusal = samples[kind]
            if isinstance(refusal, SourceError):
                refusal.why = locked(named(kind), who)

    def _refuse(self, row_type: type[Any], error: Exception) -> SourceError:
        grants = [self.catalog.grants.get(name) for name in QUERIES[row_type].relations]
        refusal = query_error(
            error,
            what=named(row_type),
            role=self.role,
            grant=next(filter(None, grants), None),
        )
        if refusal.sqlstate in MISSING:
            self._look_again()
        self._refusals.add(row_type, refusal)
        return refusal

    async def _read(
        self, session: Session, sqls: list[str], pending: list[tuple[type[Any], str, str]]
    ) -> Answer:
        work_mem = max((mem for _, _, mem in pending), key=_megabytes, default="4MB")
        return await self._guarded(session, [Statement(sql) for sql in sqls], work_mem=work_mem)

    async def _guarded(
        self, session: Session, statements: Sequence[Statement], **options: Any
    ) -> Answer:
        """`Session.read`, once more where text cannot be converted or a standby is serializable."""
        try:
            answer = await session.read(statements, **options)
            state = getattr(answer.error, "sqlstate", None)
            if not answer.guarded and state == "0A000" and not session.explicit:
                session.explicit = True
                answer = await session.read(statements, **options)
            elif state in _ENCODING and session.encoding is None:
                session.encoding = "SQL_ASCII"
                answer = await session.read(statements, **options)
            if answer.error is not None and (
                not answer.guarded or is_connection_lost(answer.error)
            ):
                raise answer.error
        except LinkFrozen as error:
            await self._drop()
            raise Disconnected(
                "the link is frozen: no answer although the server's own time limit passed",
                retry_in=0.0,
            ) from error
        except (psycopg.Error, OSError) as error:
            await self._drop()
            raise Disconnected(
                f"connection lost: {said(error)}", sqlstate=getattr(error, "sqlstate", None),
                retry_in=self._backoff(0.0),
            ) from error  # fmt: skip
        return answer

    async def _rows(self, row_type: type[Any], rows: list[tuple[Any, ...]]) -> tuple[Any, ...]:
        """Rows of the type, made in slices, passwords in statement texts masked."""
        make: Callable[[tuple[Any, ...]], Any] = as_row(row_type)
        masked = _positions(row_type, QUERIES[row_type].texts)
        made: list[Any] = []
        for start in range(0, len(rows), 1_000):
            if start:
                await asyncio.sleep(0)
            part = rows[start : start + 1_000]
            if masked:
                part = [_masked(row, masked) for row in part]
            made.extend(map(make, part))
        return tuple(made)


def _positions(row_type: type[Any], names: tuple[str, ...]) -> tuple[int, ...]:
    if not names:
        return ()
    fields = getattr(row_type, "_fields", None) or tuple(row_type.__dataclass_fields__)
    return tuple(fields.index(name) for name in names)


def _masked(row: tuple[Any, ...], positions: tuple[int, ...]) -> tuple[Any, ...]:
    values = list(row)
    for position in positions:
        if values[position]:
            values[position] = mask_passwords(values[position])
    return tuple(values)


def _megabytes(work_mem: str) -> int:
    return int(work_mem.removesuffix("MB"))
