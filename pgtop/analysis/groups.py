"""Row types that are read together, and how often while nobody looks at them.

The first screen and the badges of the tabs tell of everything: what no open tab reads is
read in the background, a group at a time, each within a share of the server's time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import inf
from typing import Any

from pgtop.model.connections import ConnectionLimit, SessionCounters
from pgtop.model.index import (
    ColumnStatistics,
    CounterWindow,
    ForeignKey,
    Index,
    IndexBuild,
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
    WalCounters,
    WalFiles,
    WalPlace,
)
from pgtop.model.sample import Sample, SourceError
from pgtop.model.server import Database, Role, Vitals
from pgtop.model.session import LockHolder, LockWait, Prepared, Session
from pgtop.model.statement import Running, Statement, StatementsInfo, StatementText
from pgtop.model.table import IndexPages, Partition, Table, TableUse
from pgtop.model.vacuum import (
    DatabaseAge,
    HorizonHolder,
    ParentStatistics,
    PinWait,
    VacuumBlock,
    VacuumRun,
    VacuumScore,
    VacuumSetting,
    XidClock,
)


@dataclass(frozen=True, slots=True)
class Group:
    """What one reading in the background brings."""

    types: tuple[type[Any], ...]
    every_s: float
    """At most this often; 0 is every interval."""

    ms_per_s: float
    """Milliseconds of the server's time it may take in a second: a costlier group comes later."""

    def gap_s(self, cost_ms: float) -> float:
        """Seconds between two readings where one costs the server `cost_ms`."""
        return max(self.every_s, cost_ms / self.ms_per_s)


GROUPS: Mapping[str, Group] = {
    "sessions": Group((Session, LockWait, LockHolder, Prepared, *POOL_TYPES), 0, 1),
    "connections": Group((ConnectionLimit, SessionCounters), 30, 0.2),
    "statements": Group((Statement, Running, Role, Database, StatementsInfo), 0, 2.5),
    "texts": Group((StatementText,), inf, 1),  # later only those of new statements
    "vacuum": Group(
        (VacuumRun, HorizonHolder, VacuumBlock, PinWait, XidClock, DatabaseAge), 10, 0.3
    ),
    "replication": Group((WalPlace, Standby, Slot, Recovery), 5, 0.3),
    "wal": Group(
        (Archiver, WalFiles, Checkpoints, WalCounters, Conflict, DatabaseTrust), 30, 0.2
    ),
    "io": Group((IoTime,), 10, 0.2),
    "tables": Group((Table, TableUse), 60, 1),
    "indexes": Group((Index, IndexUse, CounterWindow, IndexBuild, Sequence), 120, 0.5),
    "settings": Group(
        (VacuumSetting, VacuumScore, ParentStatistics, Partition, IndexPages, OperatorClass,
         ForeignKey), 300, 0.3,
    ),
    "statistics": Group((ColumnStatistics,), 600, 0.2),
}  # fmt: skip
"""In the order in which they are first read. The limits' sum is what pgtop may cost at most on a
large server: 5 ms/s, header and sessions included."""


def somebody_waits(samples: Mapping[type[Any], Sample[Any] | SourceError]) -> bool:
    """Whether anybody may be waiting for a lock; where sessions are hidden that is not known."""
    found = samples.get(Vitals)
    if not isinstance(found, Sample) or not found.rows:
        return True
    waiting: int | None = found.rows[0].waiting
    return waiting is None or waiting > 0


ONLY_WHEN: Mapping[type[Any], Callable[[Mapping[type[Any], Sample[Any] | SourceError]], bool]] = {
    LockWait: somebody_waits,
    LockHolder: somebody_waits,
}
"""Row types that are empty unless something holds, which the header's readings tell: to plan these
statements costs more than all else that is read of sessions."""
