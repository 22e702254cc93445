"""What each section of the report reads, and who makes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from collections.abc import Sequence as Listed
from typing import Any

from pgtop.advice import Facts, judge
from pgtop.advice.indexes import INDEX_RULES
from pgtop.advice.missing import busiest
from pgtop.advice.questions import ask_advice, ask_definitions, ask_sequences
from pgtop.advice.rules import RULES
from pgtop.analysis.derived import Board
from pgtop.analysis.redact import mask_literals
from pgtop.analysis.vacuum.state import VacuumState
from pgtop.analysis.workload import OWN, Workload
from pgtop.cli.first import ALWAYS, STEADY
from pgtop.model.connections import ConnectionLimit, SessionCounters
from pgtop.model.index import (
    ColumnStatistics,
    CounterWindow,
    ForeignKey,
    Index,
    IndexUse,
    OperatorClass,
    Sequence,
)
from pgtop.model.io import IoTime
from pgtop.model.pool import POOL_TYPES
from pgtop.model.replication import (
    Archiver,
    Checkpoints,
    Conflict,
    DatabaseTrust,
    Recovery,
    Slot,
    Standby,
    WalFiles,
    WalPlace,
)
from pgtop.model.sample import Source, SourceError
from pgtop.model.server import Database, Role
from pgtop.model.session import LockHolder, LockWait, Prepared, Session
from pgtop.model.statement import Running, Statement, StatementsInfo, StatementText
from pgtop.model.table import Partition, Table, TableUse
from pgtop.model.vacuum import HorizonHolder, ParentStatistics, VacuumSetting
from pgtop.report.autovacuum import autovacuum
from pgtop.report.connections import connections
from pgtop.report.document import Cost, document
from pgtop.report.indexes import indexes_part, tables_part
from pgtop.report.replication import replication
from pgtop.report.sessions import hidden, sessions

Section = Callable[[Facts], Any]
"""Facts -> the section's part of the JSON. Raises SourceError where it cannot be made."""

_RELATIONS: tuple[type[Any], ...] = (
    Table, TableUse, Partition, Index, IndexUse, ColumnStatistics, OperatorClass, CounterWindow,
    ForeignKey, Sequence, ParentStatistics, VacuumSetting, HorizonHolder,
)  # fmt: skip

_WAL: tuple[type[Any], ...] = (
    WalPlace, Standby, Slot, Recovery, Archiver, WalFiles, Checkpoints, Conflict, DatabaseTrust,
)  # fmt: skip

READS: Mapping[str, tuple[type[Any], ...]] = {
    "queries": (Statement, StatementText, Running, Role, Database, StatementsInfo),
    "autovacuum": VacuumState.READS,
    "tables": _RELATIONS,
    "indexes": _RELATIONS,
    "sessions": (Session, LockWait, LockHolder, Prepared),
    "connections": (Session, ConnectionLimit, SessionCounters, *POOL_TYPES),
    "replication": _WAL,
    "findings": (IoTime,),
}
"""Section -> the row types it needs. Findings need those of every section."""

MAKES: Mapping[str, Section] = {
    "autovacuum": autovacuum,
    "tables": tables_part,
    "indexes": indexes_part,
    "sessions": sessions,
    "connections": connections,
    "replication": replication,
}
"""Section -> its maker, for all but queries and findings, which `document` makes itself."""


class Watch:
    """Reads a server a few times and makes the report of it."""

    def __init__(self, source: Source, sections: Listed[str]) -> None:
        self.board = Board()
        self.sections = tuple(sections)
        self._source = source
        names = READS.keys() if "findings" in sections else [n for n in READS if n in sections]
        self._types = dict.fromkeys((*ALWAYS, *(t for name in names for t in READS[name])))
        self._server_ms = 0.0
        self._round_trips = 0
        self._first_at: float | None = None

    async def read(self, *, first: bool = False, last: bool = False) -> None:
        """One reading: what is costly (tables, indexes) only the first and the last time, texts
        the last time only if new statements came up."""
        workload = self.board.derived.get(Workload)
        texts = first or (last and workload is not None and bool(workload.textless))
        kinds = [
            kind
            for kind in self._types
            if (texts if kind is StatementText else first or last or kind in STEADY)
        ]
        reading = await self._source.read(kinds)
        self.board.take(reading)
        self._server_ms += reading.server_ms
        self._round_trips += reading.round_trips
        if self._first_at is None:
            self._first_at = reading.taken_at
        if first:
            await ask_sequences(self._source, self.board)
            facts = Facts(self.board.samples, self.board.derived)
            await ask_definitions(self._source, self.board, judge(facts, INDEX_RULES).findings)

    async def advise(self) -> None:
        """Have the busiest statements planned; without a window nothing is known of them."""
        workload: Workload | None = self.board.derived.get(Workload)
        busy = busiest(workload) if workload is not None else frozenset()
        if busy and "findings" in self.sections:
            await ask_advice(self._source, self.board, busy)

    def document(self, *, redact: bool = False) -> dict[str, Any]:
        """The report of what was read."""
        board = self.board
        facts = Facts(board.samples, board.derived)
        verdict = judge(facts, RULES)
        taken_at = board.reading.taken_at if board.reading else 0.0
        made = document(
            board.samples,
            board.derived,
            verdict,
            sections=self.sections,
            extra=self._extra(facts),
            taken_at=taken_at,
            window_s=taken_at - (self._first_at or taken_at),
            cost=Cost(self._server_ms, self._round_trips, self._own_temp_blocks()),
        )
        unseen = hidden(board.samples) if "sessions" in made else None
        if unseen is not None:
            made["unavailable"].append(unseen)
        if redact:
            for part in (*made.get("queries", ()), *made.get("sessions", ())):
                part["query"] = mask_literals(part["query"] or "") or None
        return made

    def _extra(self, facts: Facts) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for name in self.sections:
            if name in MAKES:
                try:
                    made[name] = MAKES[name](facts)
                except SourceError as error:
                    made[name] = error
        return made

    def _own_temp_blocks(self) -> int | None:
        """Temporary blocks that pgtop's own statements wrote while it watched."""
        workload: Workload | None = self.board.derived.get(Workload)
        if workload is None or workload.now is None or workload.first is None:
            return None
        before = workload.first.rows
        return sum(
            row.temp_blks_written - (before[key].temp_blks_written if key in before else 0)
            for key, row in workload.now.rows.items()
            if workload.texts.get(key, "").startswith(OWN)
        )
