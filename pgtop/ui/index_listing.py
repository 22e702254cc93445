"""Rows of the Indexes tab, chosen and ordered bit by bit: tens of thousands hold up no key."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from operator import itemgetter
from time import perf_counter
from typing import Any

Steps = Generator[None, None, list[Any]]

SLICE_S = 0.004
"""So long a slice of work takes at most: the screen's loop allows a step 10 ms."""

SHARE = 10.0
"""Counters and statistics move all the time: 60,000 rows are not ordered for each of them."""

BATCH = 16
"""Rows between two looks at the clock: an estimate of bloat takes up to 0.3 ms."""

RUN = 4_000
"""Rows sorted at once; sorting what is sorted in runs costs a tenth."""


def ordered(
    rows: Iterable[Any], keep: Callable[[Any], bool], by: Callable[[Any], Any], *, descending: bool
) -> Steps:
    """The rows to keep, by a value; those without one last, in their order."""
    known: list[tuple[Any, Any]] = []
    unknown: list[Any] = []
    for place, row in enumerate(rows):
        if place % BATCH == 0:
            yield
        if keep(row):
            value = by(row)
            if value is None:
                unknown.append(row)
            else:
                known.append((value, row))
    runs: list[tuple[Any, Any]] = []
    for start in range(0, len(known), RUN):
        runs += sorted(known[start : start + RUN], key=itemgetter(0), reverse=descending)
        yield
    if len(known) > RUN:
        yield
        runs.sort(key=itemgetter(0), reverse=descending)
    return [row for _, row in runs] + unknown


class Listing:
    """The rows of the present view, listed again when something that they hang on has changed."""

    def __init__(self) -> None:
        self.rows: list[Any] = []
        self.keys: list[int] = []
        """Theirs."""

        self.of: Any = None
        """The view that `rows` belong to."""

        self._view: tuple[Any, ...] | None = None
        self._inputs: tuple[Any, ...] = ()
        self._steps: Steps | None = None
        self._began = self._again_at = 0.0

    @property
    def slicing(self) -> bool:
        """Whether other rows than `rows` are being listed."""
        return self._steps is not None

    def want(
        self, view: tuple[Any, ...], inputs: tuple[Any, ...], steps: Callable[[], Steps]
    ) -> bool:
        """Do one slice; begin anew where the view, its name first, is another.

        Other inputs wait until the rows under way are there, and for `SHARE` times as long as
        those took. Whether `rows` are ready. Until they are, they are those of before.
        """
        other = self._view is None or not _same(self._view, view)
        if other or (self._steps is None and self.again_in(inputs) == 0.0):
            self._view, self._inputs, self._steps = view, inputs, steps()
            self._began = perf_counter()
        return self._go_on()

    def again_in(self, inputs: tuple[Any, ...]) -> float | None:
        """Seconds until rows of these inputs are worth listing; None where they are listed."""
        if self._view is not None and _same(self._inputs, inputs):
            return None
        return max(0.0, self._again_at - perf_counter())

    def slices(self) -> Iterator[None]:
        """What is left of the work."""
        while not self._go_on():
            yield

    def _go_on(self) -> bool:
        until = perf_counter() + SLICE_S
        while self._steps is not None:
            try:
                next(self._steps)
            except StopIteration as end:
                self.rows, self._steps = end.value, None
                self.keys = [row[0] for row in self.rows]  # the oid comes first in every row
                self.of = self._view[0] if self._view else None
                self._again_at = perf_counter() + SHARE * (perf_counter() - self._began)
            else:
                if perf_counter() >= until:
                    return False
        return True


def _same(before: tuple[Any, ...], now: tuple[Any, ...]) -> bool:
    """Rows by identity, words and numbers by value."""
    return len(before) == len(now) and all(
        a is b or (isinstance(a, (str, bool, int)) and type(a) is type(b) and a == b)
        for a, b in zip(before, now, strict=True)
    )
