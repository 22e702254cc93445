"""Questions about the plan of a statement.

A normalised text has parameters that nobody knows the values of. From 16 the server plans
it as it is (GENERIC_PLAN); before, a prepared statement with plan_cache_mode =
force_generic_plan gives the same plan.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pgtop.analysis.plan import normalized
from pgtop.analysis.plan.sample_values import sample_values
from pgtop.db.connection import Session, Statement
from pgtop.db.plan_asker import Asker
from pgtop.db.plan_facts import plan_facts
from pgtop.model.insight import PlanFacts
from pgtop.model.plan import Plan
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
  coalesce(pg_has_role(r.oid, 'MEMBER'), false), current_database() = d.datname
  FROM (SELECT) w LEFT JOIN pg_roles r ON r.oid = %s LEFT JOIN pg_database d ON d.oid = %s"""


async def statement_plan(collector: Collector, request: StatementPlanOf) -> PlanAnswer:
    """The plan of a statement of pg_stat_statements; its database and search_path looked up."""
    from pgtop.db.asks.statements import detail_of
    from pgtop.model.statement import DetailOf

    detail = await detail_of(collector, DetailOf(request.key))
    userid, dbid, _, _ = request.key
    (rows,) = await collector.rows([Statement(_PATH, (userid, dbid))], what="the statement's role")
    role, database, path, member, here = rows[0]
    if database is None:
        raise SourceError(
            f"its database (oid {dbid}) was dropped: pg_stat_statements still counts what ran there"
        )
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
    asker = Asker(session, request, collector.role)
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
    collector: Collector, asker: Asker, request: PlanOf, text: str
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
