"""What a report asks beyond its readings: values of sequences, definitions behind findings."""

from __future__ import annotations

from pgtop.advice import Facts, judge
from pgtop.advice.indexes import INDEX_RULES
from pgtop.analysis.derived import Board
from pgtop.analysis.estimates import Estimates
from pgtop.model.index import (
    Definition,
    DefinitionOf,
    Index,
    Sequence,
    SequenceValue,
    ValuesOf,
)
from pgtop.model.sample import Disconnected, Sample, Source, SourceError

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


async def ask_definitions(source: Source, board: Board) -> None:
    """The definitions of the indexes that findings would drop, so that the undo is known."""
    if not isinstance(board.samples.get(Index), Sample):
        return
    verdict = judge(Facts(board.samples, board.derived), INDEX_RULES)
    estimates: Estimates = board.derived[Estimates]
    ids = {(i.schemaname, i.relname): i.indexrelid for i in estimates.indexes()}
    known: list[Definition] = []
    for finding in verdict.findings:
        subject = finding.subject
        drops = finding.remedy is not None and finding.remedy.sql[0].startswith("DROP INDEX")
        oid = ids.get((subject.schema or "", subject.name))
        if drops and oid is not None and len(known) < MOST_DEFINITIONS:
            try:
                known.append(await source.ask(DefinitionOf(oid)))
            except Disconnected:
                raise
            except SourceError:
                continue
    if known:
        board.add(Definition, tuple(known))
