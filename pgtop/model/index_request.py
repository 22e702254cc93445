"""What is asked about single indexes, tables and sequences, and the answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

from pgtop.model.index import ColumnStatistics, SequenceValue
from pgtop.model.request import Request


class Definition(NamedTuple):
    """CREATE INDEX as the server words it, and the exact size."""

    relid: int
    sql: str | None
    """None where the relation is locked."""

    size_bytes: int | None
    why: str | None
    """`locked` where another session's lock kept us from looking."""


@dataclass(frozen=True, slots=True)
class DefinitionOf(Request[Definition]):
    """How an index is defined, and its size now. Waits for no lock longer than 100 ms."""

    indexrelid: int


@dataclass(frozen=True, slots=True)
class KeysOf(Request[dict[int, str]]):
    """The columns of these indexes as SQL would list them, `(sku) INCLUDE (price)`, without
    looking at definitions."""

    indexrelids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class SizesOf(Request[dict[int, int]]):
    """Bytes on disk of these relations' main forks now, of those that are there. Refused where
    one is locked for longer than 100 ms."""

    relids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class StatisticsOf(Request[tuple[ColumnStatistics, ...]]):
    """Statistics of the columns of these tables and of the expressions in their indexes."""

    relids: tuple[int, ...]
    most_columns: int = 1 << 30
    """Tables from the first on until they have so many columns: each costs some 30 µs."""


@dataclass(frozen=True, slots=True)
class ValuesOf(Request[tuple[SequenceValue, ...]]):
    """How far these sequences are."""

    seqrelids: tuple[int, ...]


class Measured(NamedTuple):
    """What reading a whole relation said."""

    relid: int
    size_bytes: int
    free_bytes: float | None
    """What a rebuild would give back, within the fill factor; None where the function does not
    tell."""

    seconds: float
    method: str
    """The function that was asked."""

    detail: str
    """Its own figures, for a person."""


@dataclass(frozen=True, slots=True)
class Measure(Request[Measured]):
    """Read a relation with pgstattuple's functions, on a connection of its own."""

    relid: int
    method: Literal["btree", "gin", "hash", "heap"]
    fillfactor: int
    budget_s: float
