"""Facts that take several samples: rates, histories, baselines.

A derived value is made anew from its predecessor with every reading that brought one of
the row types it looks at. To add one: write the class, name it in `DERIVED`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Protocol

from pgtop.analysis.workload import Workload
from pgtop.model.sample import Reading, Sample, SourceError
from pgtop.model.server import Server

Samples = Mapping[type[Any], Sample[Any]]


class Derived(Protocol):
    """What a derived value must offer. Built without arguments, before any sample."""

    READS: ClassVar[tuple[type[Any], ...]]
    """Brought by a reading, any of these calls `advanced`."""

    def advanced(self, fresh: Samples, held: Samples) -> Derived:
        """The next value; `fresh` is what this reading brought, `held` the last of every type."""
        ...


DERIVED: tuple[type[Derived], ...] = (Workload,)


class Board:
    """The last of everything: samples by row type, and what is derived from them.

    Restart, crash, failover, promotion and a move to another database start the
    derived values anew: counters on both sides of these cannot be compared.
    """

    def __init__(self) -> None:
        self.samples: dict[type[Any], Sample[Any] | SourceError] = {}
        self.derived: dict[type[Any], Any] = {}
        self.reading: Reading | None = None
        self.epoch: tuple[object, ...] | None = None
        self.restarts = 0
        """How often the epoch changed: the screen says so."""

    def take(self, reading: Reading) -> None:
        """Keep what a reading brought."""
        server = reading.samples.get(Server)
        if isinstance(server, Sample) and server.rows:
            epoch = (*server.rows[0].epoch, server.rows[0].database)
            if self.epoch is not None and epoch != self.epoch:
                self.samples.clear()
                self.derived.clear()
                self.restarts += 1
            self.epoch = epoch
        self.samples.update(reading.samples)
        self.reading = reading
        fresh = {kind: s for kind, s in reading.samples.items() if isinstance(s, Sample)}
        held = {kind: s for kind, s in self.samples.items() if isinstance(s, Sample)}
        for kind in DERIVED:
            if any(row_type in fresh for row_type in kind.READS):
                self.derived[kind] = self.derived.get(kind, kind()).advanced(fresh, held)
