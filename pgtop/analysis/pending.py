"""Which tables' column statistics an estimate of an index's bloat still waits for."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from heapq import nlargest
from operator import attrgetter

from pgtop.analysis.bloat import LEAST_PAGES
from pgtop.analysis.bloat_btree import why_not_btree
from pgtop.model.index import Index

BIGGEST = 200
"""Indexes of which the tab tells how many have no estimate, where none is known to be bloated."""


class Pending:
    """Tables with a B-tree to be estimated, those of the biggest indexes first."""

    def __init__(
        self, by_table: Mapping[int, Sequence[Index]] | None = None, known: Container[int] = ()
    ) -> None:
        """`known` are the tables whose statistics are there."""
        every: list[Index] = []
        first: list[tuple[int, int, int]] = []
        for relid, indexes in (by_table or {}).items():
            big = [index for index in indexes if index.relpages >= LEAST_PAGES]
            every += big
            if big and relid not in known:
                number = sum(why_not_btree(index) is None for index in big)
                if number:
                    first.append((max(index.relpages for index in big), relid, number))
        first.sort(reverse=True)
        self._indexes = {relid: number for _, relid, number in first}
        self.total = len(every)
        """Indexes that are big enough for an estimate."""

        self.waiting = sum(self._indexes.values())
        """Of these, those without."""

        self.biggest = nlargest(BIGGEST, every, key=attrgetter("relpages"))

    def answered(self, relids: Iterable[int]) -> None:
        """These were asked for, whatever came of it. Who walks through the others meanwhile, in
        another thread, is not disturbed."""
        done = self._indexes.keys() & set(relids)
        if done:
            self._indexes = {r: number for r, number in self._indexes.items() if r not in done}
            self.waiting = sum(self._indexes.values())

    def again(self, relids: Iterable[int]) -> None:
        """There are newer statistics of these: they come last, and nothing waits for them."""
        more = {relid: 0 for relid in relids if relid not in self._indexes}
        self._indexes = {**self._indexes, **more}

    def __contains__(self, relid: int) -> bool:
        return relid in self._indexes

    def first(self, number: int) -> list[int]:
        """So many tables."""
        return [relid for relid, _ in zip(self._indexes, range(number), strict=False)]
