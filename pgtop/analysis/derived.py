"""Facts that take several samples: rates, histories, baselines.

A derived value is made anew from its predecessor with every reading that brought one of
the row types it looks at. To add one: write the class, name it in `DERIVED`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Protocol

from pgtop.analysis.blocks import Blocks
from pgtop.analysis.connections import Connections
from pgtop.analysis.estimates import Estimates
from pgtop.analysis.io import IoFlow
from pgtop.analysis.pulse import Pulse
from pgtop.analysis.replication import WalFlow
from pgtop.analysis.usage import Usage
from pgtop.analysis.vacuum.state import VacuumState
from pgtop.analysis.waits import Waits
from pgtop.analysis.workload import Workload
from pgtop.model.sample import Reading, Sample, SourceError
from pgtop.model.server import Link, Server

Samples = Mapping[type[Any], Sample[Any]]


class Derived(Protocol):
    """What a derived value must offer. Built without arguments, before any sample."""

    READS: ClassVar[tuple[type[Any], ...]]
    """Brought by a reading, any of these calls `advanced`. The first is what it is made of:
    without it nothing is known of now."""

    def advanced(self, fresh: Samples, held: Samples) -> Derived:
        """The next value; `fresh` is what this reading brought, `held` the last of every type."""
        ...


DERIVED: tuple[type[Derived], ...] = (
    Pulse, Connections, Blocks, Waits, Workload, VacuumState, Usage, WalFlow, IoFlow, Estimates,
)  # fmt: skip


LASTING: frozenset[type[Any]] = frozenset({Server, Link})
"""Facts of the session: they hold until there is another one."""


@dataclass(frozen=True, slots=True)
class WorkedOut:
    """What a reading changes beyond its own rows."""

    epoch: tuple[object, ...] | None
    anew: bool
    """Counters before it cannot be compared with it: what is held goes."""

    derived: Mapping[type[Any], Any]


class Board:
    """The last of everything: samples by row type, and what is derived from them.

    Restart, crash, failover, promotion and a move to another database start the
    derived values anew: counters on both sides of these cannot be compared. Rows that
    `Workload` holds itself are not held twice: 9,500 statements are some 15 MB.
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
        self.keep(reading, self.worked_out(reading))

    def worked_out(self, reading: Reading) -> WorkedOut:
        """What a reading makes of the derived values. Changes nothing of the board: a large
        one may be worked out beside the loop that draws."""
        server = reading.samples.get(Server)
        epoch = self.epoch
        if isinstance(server, Sample) and server.rows:
            epoch = (*server.rows[0].epoch, server.rows[0].database)
        anew = self.epoch is not None and epoch != self.epoch
        held = {} if anew else dict(self.samples)
        held.update(reading.samples)
        fresh = {kind: s for kind, s in reading.samples.items() if isinstance(s, Sample)}
        return WorkedOut(epoch, anew, _derived({} if anew else self.derived, fresh, held))

    def keep(self, reading: Reading, found: WorkedOut) -> None:
        """The reading, and what was worked out of it."""
        if found.anew:
            self.samples.clear()
            self.derived.clear()
            self.restarts += 1
        self.epoch = found.epoch
        for kind, sample in reading.samples.items():
            self._hold(kind, sample)
        self.derived.update(found.derived)
        self.reading = replace(reading, samples={})  # its figures; the rows are in `samples`
        self._let_go(reading.samples.keys())

    def add(self, row_type: type[Any], rows: tuple[Any, ...]) -> None:
        """Keep rows that came as an answer to a question."""
        taken_at = self.reading.taken_at if self.reading else 0.0
        sample: Sample[Any] = Sample(taken_at, rows)
        self.samples[row_type] = sample
        self.derived.update(_derived(self.derived, {row_type: sample}, self.samples))
        self._let_go({row_type})

    def _hold(self, kind: type[Any], sample: Sample[Any] | SourceError) -> None:
        """What came takes the last's place; but what the session is does not change with a
        lock that one reading of it met."""
        known = isinstance(self.samples.get(kind), Sample)
        if known and kind in LASTING and isinstance(sample, SourceError) and sample.passing:
            return
        self.samples[kind] = sample

    def _let_go(self, kinds: Iterable[type[Any]]) -> None:
        for kind in Workload.HOLDS.intersection(kinds):
            held = self.samples[kind]
            if isinstance(held, Sample):
                self.samples[kind] = Sample(held.taken_at, ())


def _derived(
    before: Mapping[type[Any], Any],
    fresh: Samples,
    held: Mapping[type[Any], Sample[Any] | SourceError],
) -> dict[type[Any], Any]:
    """The derived values that look at what came, advanced."""
    samples = {kind: s for kind, s in held.items() if isinstance(s, Sample)}
    return {
        kind: before.get(kind, kind()).advanced(fresh, samples)
        for kind in DERIVED
        if any(row_type in fresh for row_type in kind.READS)
    }
