"""Prices of statements with indexes that do not exist: HypoPG's, or our own arithmetic.

HypoPG keeps its indexes in the backend, so it gets a session of its own that no pooler
stands before, and is emptied at the end. Every price is one message of the simple
protocol: what guards it, the hypothetical indexes, EXPLAIN without ANALYZE. Nothing is
run and nothing is built.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import psycopg

from pgtop.advice import ddl
from pgtop.advisor.own_cost import brin_saved, own_price
from pgtop.advisor.risks import risky, walks
from pgtop.advisor.wishes import Wish, wishes
from pgtop.advisor.workload import as_reading
from pgtop.analysis.names import literal
from pgtop.analysis.plan import normalized
from pgtop.analysis.plan.parse import parse
from pgtop.db.connection import Session
from pgtop.db.errors import is_connection_lost, said
from pgtop.db.plan_asker import ANALYZE_LOCK_MS, TIMEOUT_MS, Asker, neutral
from pgtop.model.advice import Work, WorkServer, WorkTable
from pgtop.model.cost import CostOf, NewIndex, Priced, VerifiedBy
from pgtop.model.plan import Plan, PlanError
from pgtop.model.plan_request import PlanOf
from pgtop.model.sample import SourceError

PRETENDED = frozenset({"btree", "brin", "hash"})
"""Methods that HypoPG can pretend."""

FORBIDDEN = "42501"
MOST_LEAVES = 64
"""Partitions that get a hypothetical index each; those of the plan first."""


_CREATE = "SELECT /* pgtop */ indexrelid::pg_catalog.int8 FROM {schema}.hypopg_create_index({text})"


@dataclass(frozen=True, slots=True)
class Planned:
    """A statement that the server can plan, and its plan today."""

    work: Work
    asker: Asker
    text: str
    call: str | None
    """`EXECUTE …` before 16, where the text has parameters."""

    base: Priced
    notes: tuple[str, ...]

    @property
    def plan(self) -> Plan:
        """The first, where a rule makes several."""
        return self.base.plans[0]


async def planned(session: Session, work: Work, role: str) -> Planned:
    """Plan a statement as it is today. Raises SourceError with the reason where it cannot be."""
    text = normalized.trimmed(work.text)
    word = normalized.first_word(text)
    if word not in normalized.PLANNED:
        raise SourceError(f"{word.upper() or 'this'} has no plan")
    request = PlanOf(text=text, search_path=work.search_path, role=work.role)
    asker = Asker(session, request, role)
    await asker.learn()
    try:
        return await _planned(asker, work, text)
    except SourceError as error:
        reading = as_reading(text) if error.sqlstate == FORBIDDEN else None
        if reading is None:
            raise
        asker.notes.append("planned as a SELECT of its rows: this role may not write")
        return await _planned(asker, work, reading)


async def _planned(asker: Asker, work: Work, text: str) -> Planned:
    session = asker.session
    text = await asker.plannable(text)
    pages = normalized.page_values(text)
    if pages:
        text = await asker.plannable(normalized.substituted(text, pages))
    call = None
    if normalized.parameters(text) and session.version_num < 160_000:
        call = await _call(asker, text)
    plans = _read(await _message(asker, [_explain(asker, text, call)], text))
    notes = tuple(asker.notes) + (("LIMIT taken as 50",) if pages else ())
    return Planned(work, asker, text, call, Priced(_cost(plans), plans), notes)


async def _call(asker: Asker, text: str) -> str:
    """How the prepared statement is called: a value of each parameter's type."""
    results = await _message(
        asker,
        [
            f"PREPARE pgtop_plan AS {text}",
            "SELECT pg_catalog.array_to_string(parameter_types::text[], '|')"
            " FROM pg_catalog.pg_prepared_statements WHERE name = 'pgtop_plan'",
            "DEALLOCATE pgtop_plan",
        ],
        text,
    )
    kinds = results[-2][0][0] or ""
    return f"EXECUTE pgtop_plan({', '.join(map(neutral, kinds.split('|')))})"


def _explain(asker: Asker, text: str, call: str | None) -> str:
    options = "VERBOSE, FORMAT JSON"
    if call is not None:
        mode = "SET LOCAL plan_cache_mode = force_generic_plan"
        return (
            f"{mode}; PREPARE pgtop_plan AS {text}; EXPLAIN /* pgtop */ ({options}) {call};"
            " DEALLOCATE pgtop_plan"
        )
    generic = ", GENERIC_PLAN" if normalized.parameters(text) else ""
    return f"EXPLAIN /* pgtop */ ({options}{generic}) {text}"


async def _message(asker: Asker, parts: Sequence[str], text: str) -> list[list[tuple[Any, ...]]]:
    """One guarded message, one implicit transaction; the rows of each of its results."""
    session = asker.session
    session.round_trips += 1
    cursor = session.conn.cursor()
    guard = asker.guard(TIMEOUT_MS, ANALYZE_LOCK_MS)
    try:
        await cursor.execute("; ".join((guard, *parts)).encode(), prepare=False)
        results = []
        while True:
            results.append(await cursor.fetchall() if cursor.description else [])
            if not cursor.nextset():
                return results
    except psycopg.Error as error:
        with suppress(psycopg.Error):
            if not session.conn.closed:
                await session.conn.execute("DEALLOCATE ALL")
        if "hypopg" in str(error) and not is_connection_lost(error):
            raise SourceError(said(error), sqlstate="hypopg") from error
        raise asker.why(error, text) from error


def _read(results: Sequence[Sequence[tuple[Any, ...]]]) -> tuple[Plan, ...]:
    """The plan among the results: the only one of JSON."""
    for rows in reversed(results):
        if rows and isinstance(rows[0][0], list):
            import json

            try:
                return parse(json.dumps(rows[0][0]))
            except PlanError as error:
                raise SourceError(f"no plan: {error.why}") from error
    raise SourceError("the server sent no plan")


def _cost(plans: Sequence[Plan]) -> float:
    return sum(plan.root.figure("Total Cost") or 0.0 for plan in plans)


class OwnModel:
    """Our own arithmetic on today's plan: nobody has verified it."""

    verified_by: VerifiedBy = "none"

    def __init__(
        self, statements: Sequence[Planned], tables: Sequence[WorkTable], server: WorkServer
    ) -> None:
        self.statements = statements
        self.server = server
        self.tables = {(table.schema, table.name): table for table in tables}
        self.by_oid = {table.relid: table for table in tables}
        self._wishes: dict[int, tuple[Wish, ...]] = {}

    def wishes_of(self, number: int) -> tuple[Wish, ...]:
        """What a statement asks of its tables."""
        if number not in self._wishes:
            self._wishes[number] = wishes(self.statements[number].plan, self.tables)
        return self._wishes[number]

    async def price(self, question: CostOf) -> Priced:
        """By `own_price`; refused where a function of an expression is not IMMUTABLE."""
        for index in question.indexes:
            why = self._not_immutable(index)
            if why:
                return replace(self.statements[question.statement].base, refused=why)
        each = self.statements[question.statement]
        asked = self.wishes_of(question.statement)
        return own_price(each.base, asked, question.indexes, self.server, each.plan)

    def _not_immutable(self, index: NewIndex) -> str | None:
        called = {
            name
            for key in (*index.keys, index.where)
            if "(" in key
            for name in normalized.function_names(key)
        }
        bad = sorted(called - self.server.immutable)
        return f"{bad[0]}() is not IMMUTABLE in every form: no index may hold it" if bad else None


class HypoModel(OwnModel):
    """The planner's own word, by HypoPG, on a session of its own."""

    verified_by: VerifiedBy = "hypopg"

    def __init__(
        self,
        statements: Sequence[Planned],
        tables: Sequence[WorkTable],
        server: WorkServer,
        schema: str,
    ) -> None:
        super().__init__(statements, tables, server)
        self.schema = schema
        """Where the extension is, quoted."""

    async def price(self, question: CostOf) -> Priced:
        """EXPLAIN with the indexes pretended; GIN and GiST on top by our own arithmetic."""
        pretended = [index for index in question.indexes if index.method in PRETENDED]
        others = [index for index in question.indexes if index.method not in PRETENDED]
        each = self.statements[question.statement]
        priced = each.base
        if pretended:
            priced = await self._pretended(each, pretended)
        if priced.refused or not others:
            return priced
        for index in others:
            why = self._not_immutable(index)
            if why:
                return replace(priced, refused=why)
        plan = priced.plans[0]
        own = own_price(priced, wishes(plan, self.tables), others, self.server, plan)
        return replace(own, used=own.used | priced.used, risky=priced.risky)

    async def _pretended(self, each: Planned, indexes: Sequence[NewIndex]) -> Priced:
        parts, owners = [f"SELECT /* pgtop */ {self.schema}.hypopg_reset()"], []
        for index in indexes:
            for statement in self._statements(each, index):
                parts.append(_CREATE.format(schema=self.schema, text=literal(statement)))
                owners.append(index)
        parts.append(_explain(each.asker, each.text, each.call))
        try:
            results = await _message(each.asker, parts, each.text)
        except SourceError as error:
            if error.sqlstate != "hypopg":
                raise
            return replace(each.base, refused=error.why)
        # the guard's result and the reset's stand before those of the indexes
        oids = [rows[0][0] for rows in results[2 : 2 + len(owners)]]
        plans = _read(results)
        used, dubious = set(), set()
        names = {f"<{oid}>": index for oid, index in zip(oids, owners, strict=True)}
        for plan in plans:
            walked = walks(plan)
            for node in plan.nodes:
                found = names.get((node.text("Index Name") or "").partition(">")[0] + ">")
                if found is None:
                    continue
                used.add(found)
                if node in walked and risky(node, self.tables):
                    dubious.add(found)
        cost = _cost(plans)
        brin = {name for name, index in names.items() if index.method == "brin"}
        if brin:
            cost -= sum(brin_saved(plan, brin, self.tables, self.server) for plan in plans)
        return Priced(cost, plans, frozenset(used), frozenset(dubious))

    def _statements(self, each: Planned, index: NewIndex) -> list[str]:
        """CREATE INDEX for HypoPG: for a partitioned table one on each partition."""
        table = self.by_oid[index.relid]
        targets = [table.sql]
        if table.kind == "p":
            read = {(node.text("Schema"), node.relation) for node in each.plan.nodes}
            leaves = sorted(table.leaves, key=lambda leaf: (leaf[0], leaf[1]) not in read)
            targets = [sql for _, _, sql in leaves[:MOST_LEAVES]]
        return [definition(index, target) for target in targets]

    async def close(self, session: Session) -> None:
        """Forget every hypothetical index."""
        if not session.conn.closed:
            with suppress(psycopg.Error):
                await session.conn.execute(f"SELECT {self.schema}.hypopg_reset()".encode())


def definition(index: NewIndex, table: str) -> str:
    """CREATE INDEX without a name."""
    text = ddl.create_index(
        "", table, ", ".join(index.keys), method=index.method,
        include=", ".join(index.include), where=index.where, concurrently=False,
    )  # fmt: skip
    return text.replace("INDEX  ON", "INDEX ON", 1).rstrip(";")


async def where_installed(session: Session) -> str | None:
    """The quoted schema of HypoPG in this database, None where it is not installed."""
    cursor = await session.conn.execute(
        "SELECT /* pgtop */ pg_catalog.quote_ident(n.nspname) FROM pg_catalog.pg_extension e"
        " JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'hypopg'"
    )
    row = await cursor.fetchone()
    return str(row[0]) if row else None


async def behind_pooler(session: Session) -> bool:
    """Whether the backend is not the one that greeted us: others would meet our indexes."""
    cursor = await session.conn.execute("SELECT /* pgtop */ pg_catalog.pg_backend_pid()")
    row = await cursor.fetchone()
    return row is None or row[0] != session.conn.info.backend_pid
