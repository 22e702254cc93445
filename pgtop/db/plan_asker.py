"""One statement's way through Parse, repairs and EXPLAIN on one connection."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import psycopg
from psycopg import pq

from pgtop.analysis.names import literal
from pgtop.analysis.plan import normalized
from pgtop.analysis.plan.parse import parse
from pgtop.db.connection import LinkFrozen, Session, Statement
from pgtop.db.errors import is_connection_lost, said
from pgtop.model.plan import Plan, PlanError
from pgtop.model.plan_request import CheckAnalyze, PlanOf
from pgtop.model.sample import SourceError

TIMEOUT_MS = 5_000
"""Planning alone; a hundred joins take a second."""

ANALYZE_TIMEOUT_MS = 60_000
"""The user waits, Esc ends it on the server at once."""

ANALYZE_LOCK_MS = 500

MOST_REPAIRS = 20
"""Texts tried for one statement, each a Parse."""


class Asker:
    """One statement's way through Parse, repairs and EXPLAIN on one connection."""

    def __init__(self, session: Session, request: PlanOf | CheckAnalyze, role: str) -> None:
        self.session = session
        self.request = request
        self.role = role
        self.notes: list[str] = []
        self.search_path = request.search_path

    async def learn(self) -> None:
        """The search_path that the session has by itself, where the statement's is not known."""
        if self.search_path is None:
            self.search_path = await self._run("SELECT current_setting('search_path')", "")

    @property
    def _generic(self) -> bool:
        return self.session.version_num >= 160_000

    def _options(self, *, generic: bool) -> str:
        return "VERBOSE, SETTINGS, FORMAT JSON" + (", GENERIC_PLAN" if generic else "")

    def _settings(self, timeout_ms: int, lock_ms: int) -> dict[str, str]:
        chosen = {
            "transaction_read_only": "on",
            "statement_timeout": str(timeout_ms),
            "lock_timeout": str(lock_ms),
            "idle_in_transaction_session_timeout": "5000",
        }
        if self.search_path is not None:
            chosen["search_path"] = self.search_path
        role = getattr(self.request, "role", None)
        if role:
            chosen["role"] = role
        return chosen

    # -- is it one statement, and can it be parsed? ----------------------------------------

    async def plannable(self, text: str) -> str:
        """The text, repaired if need be, proved to be a single statement that Parse accepts."""
        tried: list[tuple[str, str]] = [(text, "")]
        seen = {text}
        first: psycopg.Error | None = None
        while tried and len(seen) <= MOST_REPAIRS:
            candidate, note = tried.pop(0)
            error = await self._parse(candidate)
            if error is None:
                if note:
                    self.notes.append(note)
                return candidate
            if first is None or first.sqlstate == "42601":
                first = error
            new = [
                (repaired.text, "; ".join(filter(None, (note, repaired.note))))
                for repaired in normalized.repairs(
                    candidate, error.sqlstate or "", self._position(error)
                )
                if repaired.text not in seen
            ]
            seen.update(changed for changed, _ in new)
            tried = [*new, *tried]
        assert first is not None
        raise self.why(first, text)

    def _prefix(self, *, generic: bool) -> str:
        return f"EXPLAIN /* pgtop */ ({self._options(generic=generic)}) "

    def _position(self, error: psycopg.Error) -> int | None:
        at = error.diag.statement_position
        if not at or not at.isdecimal():
            return None
        position = int(at) - len(self._prefix(generic=self._generic))
        return position if position > 0 else None

    async def _parse(self, text: str) -> psycopg.Error | None:
        """Send it as one extended-protocol statement: two are refused before either runs.

        A text with parameters ends with 08P01 at Bind, which proves that Parse took it.
        """
        settings = self._settings(TIMEOUT_MS, ANALYZE_LOCK_MS)
        try:
            answer = await self.session.read(
                [Statement(self._prefix(generic=self._generic) + text)],
                timeout_ms=TIMEOUT_MS, lock_ms=ANALYZE_LOCK_MS, settings=settings,
            )  # fmt: skip
        except (psycopg.Error, OSError, LinkFrozen) as error:
            raise SourceError(f"connection lost: {said(error)}") from error
        refused = answer.error
        if refused is None or getattr(refused, "sqlstate", None) == "08P01":
            return None
        if not isinstance(refused, psycopg.Error) or is_connection_lost(refused):
            raise SourceError(f"connection lost: {said(refused)}")
        return refused

    # -- the plans -------------------------------------------------------------------------

    async def simple(self, text: str) -> tuple[Plan, ...]:
        """The plan of a text without parameters."""
        return await self._explained(self._prefix(generic=False) + text, text)

    async def generic(self, text: str, values: dict[int, str]) -> tuple[Plan, ...]:
        """The plan whose parameters are not known."""
        if self._generic:
            return await self._explained(self._prefix(generic=True) + text, text)
        return await self._prepared(text, values)

    async def _explained(self, sql: str, text: str) -> tuple[Plan, ...]:
        """One message of the simple protocol is one transaction; Parse proved what is in it."""
        guard = self.guard(TIMEOUT_MS, ANALYZE_LOCK_MS)
        return self._read(await self._run(f"{guard}; {sql}", text))

    def guard(self, timeout_ms: int, lock_ms: int) -> str:
        """What makes the rest of its transaction read only and bounded."""
        calls = ", ".join(
            f"pg_catalog.set_config({literal(name)}, {literal(value)}, true)"
            for name, value in self._settings(timeout_ms, lock_ms).items()
        )
        return f"SELECT /* pgtop */ {calls}"

    async def _prepared(self, text: str, values: dict[int, str]) -> tuple[Plan, ...]:
        """13 to 15: a prepared statement, gone before the transaction ends either way."""
        guard = self.guard(TIMEOUT_MS, ANALYZE_LOCK_MS)
        await self._run(
            f"BEGIN READ ONLY; {guard}; SET LOCAL plan_cache_mode = force_generic_plan", text
        )
        try:
            prepared = await self._prepare_repaired(text)
            types = await self._run(
                "SELECT pg_catalog.array_to_string(parameter_types::text[], '|')"
                " FROM pg_catalog.pg_prepared_statements"
                " WHERE name = 'pgtop_plan'",
                text,
            )
            kinds = [kind for kind in (types or "").split("|") if kind]
            given = ", ".join(
                values.get(number) or neutral(kind) for number, kind in enumerate(kinds, 1)
            )
            call = f"EXECUTE pgtop_plan({given})" if kinds else "EXECUTE pgtop_plan"
            await self._run("SAVEPOINT explained", text)
            plans = self._read(await self._run(f"{self._prefix(generic=False)}{call}", prepared))
            if any("Subplans Removed" in node.raw for plan in plans for node in plan.nodes):
                # The made-up values have excluded partitions: show them all instead.
                await self._run(
                    "DEALLOCATE pgtop_plan; SET LOCAL enable_partition_pruning = off", text
                )
                await self._run(f"PREPARE pgtop_plan AS {prepared}", text)
                explain = f"{self._prefix(generic=False)}{call}"
                plans = self._read(await self._run(explain, prepared))
                self.notes.append("all partitions are shown: the values decide which are read")
            return plans
        finally:
            await self._clean_up()

    async def _prepare_repaired(self, text: str) -> str:
        """PREPARE, repaired as far as its errors say."""
        tried, seen, first = [(text, "")], {text}, None
        while tried and len(seen) <= MOST_REPAIRS:
            candidate, note = tried.pop(0)
            await self._run("SAVEPOINT prepared", text)
            try:
                await self._run(f"PREPARE pgtop_plan AS {candidate}", candidate, raw=True)
            except psycopg.Error as error:
                first = first or error
                await self._run("ROLLBACK TO prepared", text)
                at = error.diag.statement_position
                skipped = len("PREPARE pgtop_plan AS ")
                position = int(at) - skipped if at and at.isdecimal() else None
                new = [
                    (repaired.text, "; ".join(filter(None, (note, repaired.note))))
                    for repaired in normalized.repairs(candidate, error.sqlstate or "", position)
                    if repaired.text not in seen
                ]
                seen.update(changed for changed, _ in new)
                tried = [*new, *tried]
                continue
            if note:
                self.notes.append(note)
            return candidate
        assert first is not None
        raise self.why(first, text)

    async def _clean_up(self) -> None:
        """After an error too: else the pooler's next client finds our prepared statement."""
        conn = self.session.conn
        if conn.closed:
            return
        status = conn.pgconn.transaction_status
        if status not in (pq.TransactionStatus.INTRANS, pq.TransactionStatus.INERROR):
            return
        for savepoint in ("explained", "prepared"):
            if conn.pgconn.transaction_status != pq.TransactionStatus.INERROR:
                break
            with suppress(psycopg.Error):
                await conn.execute(f"ROLLBACK TO SAVEPOINT {savepoint}".encode())
        with suppress(psycopg.Error):
            await conn.execute("DEALLOCATE pgtop_plan")
        await conn.execute("ROLLBACK")

    async def analyzed(self, text: str) -> tuple[Plan, ...]:
        """Run it: read only, with time limits, and roll back. Cancelling ends it on the server."""
        request = self.request
        timing = getattr(request, "timing", True)
        guard = self.guard(ANALYZE_TIMEOUT_MS, ANALYZE_LOCK_MS)
        options = (
            f"ANALYZE, VERBOSE, BUFFERS, SETTINGS, TIMING {'ON' if timing else 'OFF'}, FORMAT JSON"
        )
        await self._run(f"BEGIN TRANSACTION READ ONLY; {guard}", text)
        try:
            return self._read(await self._run(f"EXPLAIN /* pgtop */ ({options}) {text}", text))
        finally:
            if not self.session.conn.closed:
                try:
                    await self.session.conn.execute("ROLLBACK")
                except psycopg.Error:
                    self.session.abandon()

    # -- one message ------------------------------------------------------------------------

    async def _run(self, sql: str, text: str, *, raw: bool = False) -> str | None:
        """Send by the simple protocol; the last result's first value."""
        self.session.round_trips += 1
        cursor = self.session.conn.cursor()
        try:
            await cursor.execute(sql.encode(), prepare=False)
        except psycopg.Error as error:
            if raw:
                raise
            raise self.why(error, text) from error
        while cursor.nextset():
            pass
        if cursor.description is None:
            return None
        row: Any = await cursor.fetchone()
        value = row[0] if row else None
        return value if isinstance(value, str) or value is None else _as_text(value)

    def _read(self, document: str | None) -> tuple[Plan, ...]:
        try:
            return parse(document or "")
        except PlanError as error:
            raise SourceError(f"no plan: {error.why}") from error

    def _rights(self, text: str) -> str:
        """What planning needs: the planner's answer is refused as running it would be."""
        word = normalized.first_word(text)
        if word in ("insert", "update", "delete", "merge"):
            return (
                f"{self.role} has not the right to {word.upper()} that planning asks for too, and a"
                " role that watches should not have it: paste the plan of a role that has"
            )
        return f"{self.role} has no right to read it; planning needs SELECT"

    def why(self, error: psycopg.Error, text: str) -> SourceError:
        """An error of EXPLAIN as a sentence with the next step."""
        state, words = error.sqlstate or "", said(error)
        if is_connection_lost(error):
            return SourceError(f"connection lost: {words}")
        next_step = {
            "42P01": "it is of another search_path or database, or a temporary table",
            "3F000": "its schema does not exist in this database",
            "55P03": f"a lock on one of its tables was not free for {ANALYZE_LOCK_MS} ms:"
            " Activity shows who holds it",
            "57014": f"no plan within {TIMEOUT_MS // 1_000} s"
            " (an ANALYZE that is cut off gives no partial plan)",
            "25006": "it writes: only reading statements are run",
            "42501": self._rights(text),
        }.get(state, "")
        length = getattr(self.request, "length", None)
        if state == "42501":
            reads = normalized.first_word(text) in normalized.READING
            return SourceError(
                f"{words}: {next_step}", sqlstate=state,
                remedy=f"GRANT pg_read_all_data TO {self.role};"
                if reads and self.session.version_num >= 140_000 else None,
            )  # fmt: skip
        if state == "42601" and (normalized.looks_cut(text) or (length and length > len(text))):
            next_step = "the text is cut off (track_activity_query_size): take it from Queries"
        elif state == "42601":
            next_step = "it is not one statement that can be planned"
        return SourceError(f"{words}" + (f": {next_step}" if next_step else ""), sqlstate=state)


def _as_text(value: object) -> str:
    """EXPLAIN's JSON, which the driver may have read already."""
    return json.dumps(value)


_NEUTRAL = {
    "boolean": "true", "json": "'{}'", "jsonb": "'{}'",
    "uuid": "'00000000-0000-0000-0000-000000000000'",
    "date": "'2000-01-01'", "bytea": "''", "text": "''", "character varying": "''", "name": "''",
    "interval": "'1 day'", "time without time zone": "'00:00'", "inet": "'127.0.0.1'",
}  # fmt: skip


def neutral(kind: str) -> str:
    """A value of a type that planning with force_generic_plan does not look at."""
    if kind.endswith("[]"):
        return f"'{{}}'::{kind}"
    if kind.startswith("timestamp"):
        return f"'2000-01-01'::{kind}"
    if kind in _NEUTRAL:
        return f"{_NEUTRAL[kind]}::{kind}"
    if kind in ("smallint", "integer", "bigint", "numeric", "real", "double precision", "oid"):
        return f"1::{kind}"
    return f"NULL::{kind}"
