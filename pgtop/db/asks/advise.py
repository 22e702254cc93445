"""Index advice: the workload is planned, priced with indexes that do not exist, and told.

On a second connection, which is closed at the end. Nothing is run, nothing is built.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Generator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pgtop.advisor.candidates import Candidates, candidates
from pgtop.advisor.review import Outcome, advised, notes, superfluous
from pgtop.advisor.search import Search, Task
from pgtop.advisor.sizes import size_bytes, upkeep_ms_per_s
from pgtop.advisor.workload import updated_columns
from pgtop.analysis.plan import normalized
from pgtop.db.connection import Session, Statement
from pgtop.db.hypopg import HypoModel, OwnModel, Planned, behind_pooler, planned, where_installed
from pgtop.db.queries.statements import NOT_INSTALLED
from pgtop.db.work_facts import Rates, rates, work_server, work_tables, writes
from pgtop.model.advice import Advice, Advise, Said, Work, WorkTable
from pgtop.model.cost import CostOf, NewIndex, Priced
from pgtop.model.sample import Sample, SourceError
from pgtop.model.statement import Statement as Counters
from pgtop.model.statement import StatementKey, StatementsInfo
from pgtop.model.table import BLOCK_BYTES

if TYPE_CHECKING:
    from pgtop.db.collector import Collector

MOST_UPDATES = 500
"""Texts of UPDATEs that are looked into for the columns they set."""

_TEXTS = """SELECT /* pgtop */ userid::int8, dbid::int8, queryid::int8, {level}, query
  FROM {view}(true) WHERE queryid = ANY (%s::int8[])"""

_UPDATES = """SELECT /* pgtop */ left(query, 4000) FROM {view}(true)
 WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
   AND query ~* '\\mupdate\\M' LIMIT {most}"""

_HERE = """SELECT /* pgtop */ oid::int8 FROM pg_database WHERE datname = current_database()"""

_PATHS = """SELECT /* pgtop */ r.oid::int8, r.rolname::text, pg_has_role(r.oid, 'MEMBER'),
  (SELECT split_part(s.setting, '=', 2) FROM pg_db_role_setting g, unnest(g.setconfig) s(setting)
    WHERE g.setrole IN (r.oid, 0)
      AND g.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
      AND s.setting LIKE 'search_path=%%'
    ORDER BY g.setrole = 0, g.setdatabase = 0 LIMIT 1)
  FROM pg_roles r WHERE r.oid = ANY (%s::int8[]::oid[])"""


async def advise(collector: Collector, request: Advise) -> Advice:
    """Indexes for a workload. Raises SourceError where there is none, or none can be read."""
    tell = request.progress or (lambda stage, fraction: None)
    works, window_s, watched = request.works, None, None
    if not works:
        tell("reading pg_stat_statements", 0.0)
        works, window_s, watched = await _counted(collector, request)
    begun = time.monotonic()
    updates = await _updates(collector, works)
    async with collector.second() as session:
        model, statements, failed, why = await _prepared(
            collector, session, works, watched, hypothetical=request.hypothetical, tell=tell
        )
        tables = tuple(model.by_oid.values())
        updated = updated_columns(updates, tables)
        search, said = await _search(
            model,
            statements,
            tables,
            updated,
            window_s if request.weighed else None,
            request.max_bytes,
        )
        asked = _Driver(model, search, begun, request.seconds, tell)
        try:
            await asked.drive(search.steps())
            if search.complete:
                await asked.drive(search.spare_hot(updated))
        finally:
            if isinstance(model, HypoModel):
                await model.close(session)
    outcome = Outcome(
        search=search, works=[each.work for each in statements], tables=model.by_oid,
        updated=updated, version_num=collector.catalog.version_num, window_s=window_s,
        verified=model.verified_by == "hypopg",
    )  # fmt: skip
    found = advised(outcome)
    search.chosen = frozenset(each.index for each in found)
    gains = outcome.gains(plans=request.plans)
    return Advice(
        indexes=found, superfluous=superfluous(found), not_handled=tuple(failed),
        notes=tuple(notes(outcome, said)), verified_by=model.verified_by, why_not_verified=why,
        seconds=time.monotonic() - begun, questions=asked.questions,
        complete=search.complete and not asked.late,
        cost_before=sum(gain.cost_before for gain in gains),
        cost_after=sum(gain.cost_after for gain in gains), statements=gains,
    )  # fmt: skip


class _Driver:
    """Asks the questions of a search until its time is up."""

    def __init__(
        self, model: OwnModel, search: Search, begun: float, seconds: float, tell: Any
    ) -> None:
        self.model, self.search, self.tell = model, search, tell
        self.begun, self.seconds = begun, seconds
        self.questions = 0
        self.late = False

    async def drive(self, questions: Generator[CostOf, Priced, None]) -> None:
        """Until the generator ends, or the time does: then its best so far stands."""
        try:
            question = next(questions)
            while True:
                self.search.spent = (time.monotonic() - self.begun) / self.seconds
                if self.search.spent >= 1.0:
                    self.late = True
                    questions.close()
                    self.search.settle()
                    return
                self.questions += 1
                if self.questions % 20 == 0:
                    self.tell(self.search.stage, self.search.progress)
                    await asyncio.sleep(0)
                question = questions.send(await self._answer(question))
        except StopIteration:
            return

    async def _answer(self, question: CostOf) -> Priced:
        try:
            return await self.model.price(question)
        except SourceError as error:
            if error.why.startswith("connection lost"):
                raise
            base = self.model.statements[question.statement].base
            return replace(base, refused=error.why)


async def _search(
    model: OwnModel,
    statements: Sequence[Planned],
    tables: Sequence[WorkTable],
    updated: Mapping[int, frozenset[str]],
    window_s: float | None,
    max_bytes: float | None,
) -> tuple[Search, list[tuple[str, ...]]]:
    by_oid = {table.relid: table for table in tables}
    tasks, said = [], []
    for number, each in enumerate(statements):
        await asyncio.sleep(0)  # the screen's turn: each takes a few milliseconds
        asked = model.wishes_of(number)
        found: Candidates = candidates(asked, updated=updated, extensions=model.server.extensions)
        weight = 1.0
        if each.work.ms is not None:
            weight = each.work.ms / max(each.base.cost, 0.01)
        read = {wish.table.relid for wish in asked}
        read |= {wish.table.root for wish in asked if wish.table.root}
        tasks.append(Task(each.base, frozenset(read), found.bundles, weight))
        said.append(found.said)
    sizes: dict[NewIndex, float] = {}

    def size_of(index: NewIndex) -> float:
        if index not in sizes:
            sizes[index] = size_bytes(index, by_oid[index.relid])
        return sizes[index]

    def upkeep_of(index: NewIndex) -> float:
        if not window_s:
            return 0.0
        table = by_oid[index.relid]
        found = upkeep_ms_per_s(index, table, updated.get(table.relid, frozenset()))
        return (found or 0.0) * window_s

    data = sum(table.pages * BLOCK_BYTES for table in tables if not table.leaves)
    return Search(tasks, size_of, upkeep_of, max_bytes, data), said


# -- statements and their tables ------------------------------------------------------------


async def _prepared(
    collector: Collector,
    session: Session,
    works: Sequence[Work],
    watched: Rates | None,
    *,
    hypothetical: bool,
    tell: Any,
) -> tuple[OwnModel, list[Planned], list[Said], str | None]:
    """Who prices, what can be planned, what cannot, and why HypoPG is not asked."""
    statements: list[Planned] = []
    failed: list[Said] = []
    for number, work in enumerate(works):
        tell("planning", number / len(works))
        try:
            statements.append(await planned(session, work, collector.role))
        except SourceError as error:
            if error.why.startswith("connection lost"):
                raise
            failed.append(Said(statement=work.name, text=work.beginning, why=error.why))
    named = {
        (node.text("Schema") or "", node.relation)
        for each in statements
        for plan in each.base.plans
        for node in plan.nodes
        if node.relation
    }
    tables = await work_tables(collector, sorted(named), session, watched)
    called = {
        name
        for each in statements
        for node in each.plan.nodes
        for key in ("Filter", "Index Cond", "Recheck Cond")
        if (text := node.text(key))
        for name in normalized.function_names(text)
    }
    server = await work_server(collector, called, session)
    why = "HypoPG was not asked for"
    if hypothetical:
        schema = await where_installed(session)
        why = "HypoPG is not installed in this database: CREATE EXTENSION hypopg"
        if schema and await behind_pooler(session):
            why = "a pooler stands before the server: its other clients would meet HypoPG's indexes"
        elif schema:
            return HypoModel(statements, tables, server, schema), statements, failed, None
    return OwnModel(statements, tables, server), statements, failed, why


async def _counted(
    collector: Collector, request: Advise
) -> tuple[tuple[Work, ...], float | None, Rates | None]:
    """The statements of this database that took most time, how long that was counted, and
    what was written meanwhile."""
    relation = collector.catalog.relations.get("pg_stat_statements")
    if relation is None:
        raise SourceError(NOT_INSTALLED[0], remedy=NOT_INSTALLED[1], lasting=True)
    rows, at, info = await _counters(collector)
    before: dict[StatementKey, Counters] = {}
    watched: Rates | None = None
    window_s = at - info.stats_reset if info is not None and info.stats_reset else None
    if request.window_s:
        before = {row.key: row for row in rows}
        began, written = at, await writes(collector)
        await asyncio.sleep(request.window_s)
        rows, at, _ = await _counters(collector)
        window_s, watched = at - began, rates(written, await writes(collector))
    ((here,),) = (await collector.rows([Statement(_HERE)], what="the database"))[0]
    spent = {row.key: _spent(row, before.get(row.key)) for row in rows if row.dbid == here}
    wanted = [
        key
        for key, (calls, ms) in sorted(spent.items(), key=lambda item: -item[1][1])
        if key[2] is not None and key[3] is not False and calls > 0 and ms > 0
        and (not request.keys or key in request.keys)
    ]  # fmt: skip
    texts = await _texts(collector, relation.sql, "toplevel" in relation.columns, wanted[:500])
    paths = await _paths(collector, {key[0] for key in wanted[:500]})
    works: list[Work] = []
    for key in wanted:
        text = texts.get(key)
        if text is None or text.startswith("SELECT /* pgtop */"):
            continue
        if normalized.first_word(text) not in normalized.PLANNED:
            continue
        name, member, path = paths.get(key[0], (None, False, None))
        calls, ms = spent[key]
        works.append(
            Work(
                name=str(key[2]), text=text, calls=calls, ms=ms, key=key, search_path=path,
                role=name if member and name != collector.role else None,
            )
        )  # fmt: skip
        if len(works) >= request.top:
            break
    if not works and request.keys:
        raise SourceError("nothing that can be planned: it has not ended once, or is of another"
                          " database")  # fmt: skip
    if not works:
        raise SourceError("pg_stat_statements has no statement of this database that took time")
    return tuple(works), window_s, watched


async def _counters(
    collector: Collector,
) -> tuple[tuple[Counters, ...], float, StatementsInfo | None]:
    reading = await collector.read((Counters, StatementsInfo))
    found = reading.samples[Counters]
    if isinstance(found, SourceError):
        raise found
    info = reading.samples[StatementsInfo]
    return found.rows, reading.taken_at, info.rows[0] if isinstance(info, Sample) else None


def _spent(row: Counters, before: Counters | None) -> tuple[float, float]:
    """(calls, milliseconds of planning and execution) since `before`."""
    ms = row.total_exec_time + (row.total_plan_time or 0.0)
    if before is None or before.calls > row.calls:
        return float(row.calls), ms
    old = before.total_exec_time + (before.total_plan_time or 0.0)
    return float(row.calls - before.calls), ms - old


async def _texts(
    collector: Collector, view: str, leveled: bool, keys: Sequence[StatementKey]
) -> Mapping[StatementKey, str]:
    level = "toplevel" if leveled else "NULL::bool"
    sql = _TEXTS.format(view=view, level=level)
    ids = sorted({key[2] for key in keys})
    (rows,) = await collector.rows([Statement(sql, (ids,))], what="texts", work_mem="64MB")
    return {(row[0], row[1], row[2], row[3]): row[4] for row in rows if row[4]}


async def _paths(
    collector: Collector, users: set[int]
) -> Mapping[int, tuple[str, bool, str | None]]:
    (rows,) = await collector.rows([Statement(_PATHS, (sorted(users),))], what="roles")
    return {oid: (name, member, path) for oid, name, member, path in rows}


async def _updates(collector: Collector, works: Sequence[Work]) -> list[str]:
    """Texts of the workload's UPDATEs, and of all that pg_stat_statements knows."""
    found = [work.text for work in works]
    relation = collector.catalog.relations.get("pg_stat_statements")
    if relation is not None:
        sql = _UPDATES.format(view=relation.sql, most=MOST_UPDATES)
        try:
            (rows,) = await collector.rows([Statement(sql)], what="updates", work_mem="64MB")
        except SourceError:
            return found
        found += [text for (text,) in rows if text]
    return found


ASKS: dict[type[Any], Any] = {Advise: advise}
