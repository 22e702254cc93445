"""What rules need asked beyond readings: values of sequences, definitions behind findings."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Any, Protocol

from pgtop.advice.index_remedies import UNDO_UNKNOWN
from pgtop.analysis.derived import Board
from pgtop.analysis.estimates import Estimates
from pgtop.analysis.usage import Usage
from pgtop.model.advice import Advice, Advise
from pgtop.model.finding import Finding
from pgtop.model.index import Sequence, SequenceValue
from pgtop.model.index_request import Definition, DefinitionOf, ValuesOf
from pgtop.model.sample import Disconnected, Sample, Source, SourceError
from pgtop.model.statement import StatementKey

MOST_DEFINITIONS = 50
"""Findings whose DROP gets its undo; each is a round trip."""

MOST_SEQUENCES = 500

WIDE = 1 << 53
"""A sequence that ends beyond it does not run out in anybody's time."""


def endangered(sequences: tuple[Sequence, ...]) -> tuple[int, ...]:
    """Which sequences are worth a look: those that end within reach, the nearest first."""
    near = [s for s in sequences if not s.seqcycle and abs(s.limit) < WIDE]
    return tuple(s.seqrelid for s in sorted(near, key=lambda s: abs(s.limit)))


async def ask_sequences(source: Source, board: Board) -> None:
    """How far the sequences are, onto the board."""
    found = board.samples.get(Sequence)
    if isinstance(found, Sample):
        wanted = endangered(found.rows)[:MOST_SEQUENCES]
        try:
            board.add(SequenceValue, await source.ask(ValuesOf(wanted)) if wanted else ())
        except Disconnected:
            raise
        except SourceError as error:
            board.samples[SequenceValue] = error


async def ask_definitions(source: Source, board: Board, findings: Iterable[Finding]) -> None:
    """The definitions of the indexes that findings would drop, so that the undo is known; of
    the first ones that lack it."""
    estimates: Estimates | None = board.derived.get(Estimates)
    usage: Usage | None = board.derived.get(Usage)
    first = islice((f for f in findings if lacks_undo(f)), MOST_DEFINITIONS)
    named = {(f.subject.schema, f.subject.name) for f in first}
    if not named or estimates is None or usage is None:
        return
    names = {name for _, name in named}
    wanted = [
        i.indexrelid
        for i in estimates.indexes()
        if i.relname in names and (i.schemaname, i.relname) in named
    ]
    known: list[Definition] = []
    for oid in wanted:
        if oid in usage.definitions:  # the finding is older than it
            continue
        try:
            known.append(await source.ask(DefinitionOf(oid)))
        except Disconnected:
            raise
        except SourceError:
            continue
    if known:
        board.add(Definition, tuple(known))
        board.derived[Usage].memo.clear()  # findings are worded anew, with their undo


def lacks_undo(finding: Finding) -> bool:
    """Whether a DROP INDEX is offered whose undo will be known with its definition; what a
    failed build left needs none."""
    remedy = finding.remedy
    return remedy is not None and (remedy.caution or "").startswith(UNDO_UNKNOWN)


SECONDS = 2.0
"""A search takes at most as long: in ten minutes 3 ms/s, on one connection more."""


class Asker(Protocol):
    """Whoever answers questions: a source, or what stands before it."""

    async def ask(self, request: Any) -> Any:
        """Answer one question, or raise `SourceError`."""
        ...


async def ask_advice(source: Asker, board: Board, busy: frozenset[StatementKey]) -> None:
    """Have these statements planned for indexes that they lack, onto the board."""
    try:
        found = await source.ask(Advise(keys=tuple(sorted(busy)), seconds=SECONDS))
        board.add(Advice, (found,))
    except Disconnected:
        raise
    except SourceError as error:
        board.samples[Advice] = error
