"""Questions about the plan of a statement.

A normalised text has parameters that nobody knows the values of. From 16 the server plans
it as it is (GENERIC_PLAN); before, a prepared statement with plan_cache_mode =
force_generic_plan gives the same plan.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import pq

from pgtop.analysis.names import literal
from pgtop.analysis.plan import normalized
from pgtop.analysis.plan.parse import parse
from pgtop.analysis.plan.sample_values import sample_values
from pgtop.db.connection import LinkFrozen, Session, Statement
from pgtop.db.errors import is_connection_lost, said
from pgtop.db.plan_facts import plan_facts
from pgtop.model.insight import PlanFacts
from pgtop.model.plan import Plan, PlanError
from pgtop.model.plan_request import (
    AnalyzeCheck,
    CheckAnalyze,
    PlanAnswer,
    PlanOf,
    StatementPlanOf,
)
from pgtop.model.sample import SourceError

if TYPE_CHECKING:
    from pgtop.db.collector import Collector

TIMEOUT_MS = 5_000
"""Planning alone; a hundred joins take a second."""

ANALYZE_TIMEOUT_MS = 60_000
"""The user waits, Esc ends it on the server at once."""

ANALYZE_LOCK_MS = 500

MOST_REPAIRS = 20
"""Texts tried for one statement, each a Parse."""

TIMED_ROWS = 5_000_000
"""Estimated rows through all nodes beyond which the first run does without TIMING."""

_HARMLESS = frozenset(
    """random gen_random_uuid clock_timestamp timeofday setseed random_normal
    uuid_generate_v4 uuidv4 uuidv7 pg_backend_pid pg_sleep statement_timestamp""".split()
)
"""Volatile functions that change nothing."""

_DANGEROUS = (
    "dblink", "pg_terminate_backend", "pg_cancel_backend", "pg_reload_conf", "pg_rotate_logfile",
    "pg_switch_wal", "pg_promote", "pg_advisory", "pg_try_advisory", "lo_", "pg_create_",
    "pg_drop_",
    "pg_read_", "pg_write", "pg_logical_", "pg_replication_", "pg_copy_", "pg_notify", "set_config",
    "pg_stat_reset", "pg_wal_replay",
)  # fmt: skip
"""Functions whose effects a ROLLBACK does not take back, or that READ ONLY does not stop."""

_FUNCTIONS = """SELECT /* pgtop */ DISTINCT p.proname::text FROM pg_proc p
 WHERE p.provolatile = 'v' AND p.prokind IN ('f', 'w') AND p.proname = ANY (%s::text[])"""

_PATH = """SELECT /* pgtop */ r.rolname::text, d.datname::text,
  (SELECT split_part(s.setting, '=', 2) FROM pg_db_role_setting g,
          unnest(g.setconfig) AS s(setting)
    WHERE g.setrole IN (r.oid, 0) AND g.setdatabase IN (d.oid, 0)
      AND s.setting LIKE 'search_path=%%'
    ORDER BY g.setrole = 0, g.setdatabase = 0 LIMIT 1),
  pg_has_role(r.oid, 'MEMBER'), current_database() = d.datname
  FROM pg_roles r, pg_database d WHERE r.oid = %s AND d.oid = %s"""


async def statement_plan(collector: Collector, request: StatementPlanOf) -> PlanAnswer:
    """The plan of a statement of pg_stat_statements; its database and search_path looked up."""
    from pgtop.db.asks.statements import detail_of
    from pgtop.model.statement import DetailOf

    detail = await detail_of(collector, DetailOf(request.key))
    userid, dbid, _, _ = request.key
    (rows,) = await collector.rows([Statement(_PATH, (userid, dbid))], what="the statement's role")
    role, database, path, member, here = rows[0] if rows else (None, None, None, False, True)
    answer = await plan_of(
        collector,
        PlanOf(
            text=detail.query, dbname=None if here else database, search_path=path,
            role=role if member else None, values=request.values,
        ),
    )  # fmt: skip
    if role is not None and not member:
        note = f"planned as {collector.role}, not as {role}: row security and settings may differ"
        return PlanAnswer(
            answer.plans, answer.way, answer.text, (*answer.notes, note), answer.facts,
            answer.database, answer.role,
        )  # fmt: skip
    return answer


async def plan_of(collector: Collector, request: PlanOf) -> PlanAnswer:
    """A plan and what the catalogue knows of it. Raises SourceError with the next step."""
    text = normalized.trimmed(request.text)
    word = normalized.first_word(text)
    if word not in normalized.PLANNED:
        raise SourceError(
            f"{word.upper() or 'this'} has no plan: PostgreSQL plans no such statement"
        )
    if request.dbname is not None or request.analyze:
        changes = {"dbname": request.dbname} if request.dbname else {}
        async with collector.second(**changes) as session:
            return await _planned(collector, session, request, text)
    async with collector.alone() as session:
        answer = await _planned(collector, session, request, text, facts=False)
    return await _with_facts(collector, answer, None)


async def _with_facts(
    collector: Collector, answer: PlanAnswer, session: Session | None
) -> PlanAnswer:
    try:
        facts = await plan_facts(collector, answer.plans, session)
    except SourceError as error:
        note = f"the catalogue was not looked up: {error.why}"
        return PlanAnswer(
            answer.plans, answer.way, answer.text, (*answer.notes, note), None,
            answer.database, answer.role,
        )  # fmt: skip
    return PlanAnswer(
        answer.plans, answer.way, answer.text, answer.notes, facts, answer.database, answer.role
    )


async def _planned(
    collector: Collector, session: Session, request: PlanOf, text: str, *, facts: bool = True
) -> PlanAnswer:
    asker = _Asker(session, request, collector.role)
    await asker.learn()
    if request.values == "typed":
        text = _with_typed(text, request.typed)
    text = await asker.plannable(text)
    unknown = normalized.parameters(text)
    if request.analyze:
        if unknown:
            raise SourceError("ANALYZE needs a value for each parameter: V gives them")
        plans = await asker.analyzed(text)
        way = "ANALYZE" + ("" if request.timing else ", TIMING OFF")
    elif not unknown:
        plans, way = await asker.simple(text), "plan of the values given"
        if request.values != "typed":
            way = "plan of the statement as it is"
    else:
        plans, text, way = await _with_unknown(collector, asker, request, text)
    answer = PlanAnswer(
        plans=plans, way=way, text=text, notes=(*asker.notes, *normalized.notes(text)),
        database=session.conn.info.dbname, role=request.role or collector.role,
    )  # fmt: skip
    return await _with_facts(collector, answer, session) if facts else answer


def _with_typed(text: str, typed: tuple[str, ...]) -> str:
    wanted = normalized.parameters(text)
    if len(typed) < len(wanted):
        raise SourceError(f"{len(wanted)} values are needed, {len(typed)} given")
    return normalized.substituted(text, dict(zip(wanted, typed, strict=False)))


async def _with_unknown(
    collector: Collector, asker: _Asker, request: PlanOf, text: str
) -> tuple[tuple[Plan, ...], str, str]:
    """The generic plan, or one with values that pg_stats knows."""
    generic = await asker.generic(text, {})
    if request.values == "generic":
        return generic, text, "generic plan, values unknown"
    facts = await _facts_inside(collector, asker.session, generic)
    chosen = normalized.page_values(text)
    chosen |= sample_values(generic, facts, common=request.values == "common")
    missing = [number for number in normalized.parameters(text) if number not in chosen]
    if missing:
        names = ", ".join(f"${number}" for number in missing)
        asker.notes.append(f"pg_stats knows no value for {names}: V types them")
        return generic, text, "generic plan, values unknown"
    filled = await asker.plannable(normalized.substituted(text, chosen))
    which = "most common" if request.values == "common" else "typical"
    return await asker.simple(filled), filled, f"{which} values of pg_stats"


async def _facts_inside(
    collector: Collector, session: Session, plans: tuple[Plan, ...]
) -> PlanFacts:
    return await plan_facts(collector, plans, session)


class _Asker:
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
        raise self._why(first, text)

    def _prefix(self, *, generic: bool) -> str:
        return f"EXPLAIN ({self._options(generic=generic)}) "

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
        guard = self._guard(TIMEOUT_MS, ANALYZE_LOCK_MS)
        return self._read(await self._run(f"{guard}; {sql}", text))

    def _guard(self, timeout_ms: int, lock_ms: int) -> str:
        """What makes the rest of its transaction read only and bounded."""
        calls = ", ".join(
            f"pg_catalog.set_config({literal(name)}, {literal(value)}, true)"
            for name, value in self._settings(timeout_ms, lock_ms).items()
        )
        return f"SELECT {calls}"

    async def _prepared(self, text: str, values: dict[int, str]) -> tuple[Plan, ...]:
        """13 to 15: a prepared statement, gone before the transaction ends either way."""
        guard = self._guard(TIMEOUT_MS, ANALYZE_LOCK_MS)
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
                values.get(number) or _neutral(kind) for number, kind in enumerate(kinds, 1)
            )
            call = f"EXECUTE pgtop_plan({given})" if kinds else "EXECUTE pgtop_plan"
            await self._run("SAVEPOINT explained", text)
            plans = self._read(
                await self._run(f"EXPLAIN ({self._options(generic=False)}) {call}", prepared)
            )
            if any("Subplans Removed" in node.raw for plan in plans for node in plan.nodes):
                # The made-up values have excluded partitions: show them all instead.
                await self._run(
                    "DEALLOCATE pgtop_plan; SET LOCAL enable_partition_pruning = off", text
                )
                await self._run(f"PREPARE pgtop_plan AS {prepared}", text)
                explain = f"EXPLAIN ({self._options(generic=False)}) {call}"
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
        raise self._why(first, text)

    async def _clean_up(self) -> None:
        """After an error too: else the pooler's next client finds our prepared statement."""
        conn = self.session.conn
        if conn.closed:
            return
        status = conn.pgconn.transaction_status
        if status in (pq.TransactionStatus.INTRANS, pq.TransactionStatus.INERROR):
            try:
                if status == pq.TransactionStatus.INERROR:
                    await conn.execute("ROLLBACK TO SAVEPOINT explained")
                await conn.execute("DEALLOCATE pgtop_plan")
            except psycopg.Error:
                pass
            await conn.execute("ROLLBACK")

    async def analyzed(self, text: str) -> tuple[Plan, ...]:
        """Run it: read only, with time limits, and roll back. Cancelling ends it on the server."""
        request = self.request
        timing = getattr(request, "timing", True)
        guard = self._guard(ANALYZE_TIMEOUT_MS, ANALYZE_LOCK_MS)
        options = (
            f"ANALYZE, VERBOSE, BUFFERS, SETTINGS, TIMING {'ON' if timing else 'OFF'}, FORMAT JSON"
        )
        await self._run(f"BEGIN TRANSACTION READ ONLY; {guard}", text)
        try:
            return self._read(await self._run(f"EXPLAIN ({options}) {text}", text))
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
            raise self._why(error, text) from error
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

    def _why(self, error: psycopg.Error, text: str) -> SourceError:
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
            "42501": f"{self.role} has no right to read it; planning needs SELECT",
        }.get(state, "")
        length = getattr(self.request, "length", None)
        if state == "42501":
            return SourceError(
                f"{words}: {next_step}", sqlstate=state,
                remedy=f"GRANT pg_read_all_data TO {self.role};"
                if self.session.version_num >= 140_000 else None,
            )  # fmt: skip
        if state == "42601" and (normalized.looks_cut(text) or (length and length > len(text))):
            next_step = "the text is cut off (track_activity_query_size): take it from Queries"
        elif state == "42601":
            next_step = "it is not one statement that can be planned"
        return SourceError(f"{words}" + (f": {next_step}" if next_step else ""), sqlstate=state)


def _as_text(value: object) -> str:
    """EXPLAIN's JSON, which the driver may have read already."""
    import json

    return json.dumps(value)


_NEUTRAL = {
    "boolean": "true", "json": "'{}'", "jsonb": "'{}'",
    "uuid": "'00000000-0000-0000-0000-000000000000'",
    "date": "'2000-01-01'", "bytea": "''", "text": "''", "character varying": "''", "name": "''",
    "interval": "'1 day'", "time without time zone": "'00:00'", "inet": "'127.0.0.1'",
}  # fmt: skip


def _neutral(kind: str) -> str:
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


async def check_analyze(collector: Collector, request: CheckAnalyze) -> AnalyzeCheck:
    """What running it would do. Raises SourceError for all but one reading statement."""
    text = normalized.trimmed(request.text)
    if normalized.first_word(text) not in normalized.READING:
        raise SourceError("only SELECT, WITH, VALUES and TABLE are run")
    answer = await plan_of(
        collector,
        PlanOf(
            text=request.text, dbname=request.dbname, search_path=request.search_path,
            values="typed" if request.typed else "generic", typed=request.typed,
        ),
    )  # fmt: skip
    if normalized.parameters(answer.text):
        raise SourceError("ANALYZE needs a value for each parameter: V gives them")
    kinds = {node.node_type for plan in answer.plans for node in plan.nodes}
    if kinds & {"ModifyTable", "LockRows"}:
        raise SourceError("it writes or locks rows: such statements are never run")
    called = normalized.function_names(answer.text)
    (rows,) = await collector.rows([Statement(_FUNCTIONS, (list(called),))], what="functions")
    volatile = sorted({name for (name,) in rows} - _HARMLESS)
    dangerous = tuple(name for name in called if name.startswith(_DANGEROUS))
    planned = sum((node.figure("Plan Rows") or 0.0) for plan in answer.plans for node in plan.nodes)
    info = ""
    async with collector.alone() as session:
        info = f"{session.conn.info.host or 'local socket'}:{session.conn.info.port}"
    return AnalyzeCheck(
        host=info, database=answer.database, role=answer.role,
        volatile=tuple(name for name in volatile if name not in dangerous), dangerous=dangerous,
        planned_rows=planned, timing=planned < TIMED_ROWS,
    )  # fmt: skip


ASKS: dict[type[Any], Any] = {
    PlanOf: plan_of,
    StatementPlanOf: statement_plan,
    CheckAnalyze: check_analyze,
}
