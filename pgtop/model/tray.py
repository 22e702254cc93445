"""What was recommended and kept to be run later, by a person, with another tool."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from pgtop.model.finding import Finding, Remedy, Subject
from pgtop.model.request import Request


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One remedy with the reasons for it."""

    rule: str
    subject: Subject
    title: str
    why: str
    evidence: Mapping[str, float | int | str | bool | None] = field(default_factory=dict)
    remedy: Remedy
    server: str
    """`host:port/database`, and nothing secret."""

    version: str
    """The server's, as it says it."""

    added_at: float
    """The server's clock, seconds since 1970."""

    before: Mapping[str, str] = field(default_factory=dict)
    """Statement -> mark of its object when it was added, to see what only changes: `oid:16400`."""

    @property
    def key(self) -> str:
        """The same remedy added again is the same entry."""
        return hashlib.sha256(
            "\n".join(self.remedy.sql).encode(errors="backslashreplace")
        ).hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class Tray:
    """The entries of one server and database, oldest first."""

    server: str
    entries: tuple[Entry, ...] = ()

    def with_entry(self, entry: Entry) -> Tray:
        """With `entry`; one with the same statements keeps its place and takes the newer why."""
        if all(entry.key != known.key for known in self.entries):
            return replace(self, entries=(*self.entries, entry))
        kept = tuple(
            replace(entry, added_at=known.added_at, before=known.before)
            if known.key == entry.key
            else known
            for known in self.entries
        )
        return replace(self, entries=kept)

    def without(self, key: str) -> Tray:
        """Without the entry of this key."""
        return replace(self, entries=tuple(e for e in self.entries if e.key != key))


def entry_of(finding: Finding, *, server: str, version: str, at: float) -> Entry | None:
    """A finding's remedy as an entry; None where there is nothing to run."""
    if finding.remedy is None:
        return None
    return Entry(
        rule=finding.rule,
        subject=finding.subject,
        title=finding.title,
        why=finding.why,
        evidence=finding.evidence,
        remedy=finding.remedy,
        server=server,
        version=version,
        added_at=at,
    )


@dataclass(frozen=True, slots=True)
class Target:
    """What a statement touches, for questions to the server. Names as the catalogue has them."""

    kind: Literal["table", "index", "statistics"]
    schema: str
    name: str
    table_schema: str | None = None
    """Of its table, where the object need not exist yet."""

    table: str | None = None


@dataclass(frozen=True, slots=True)
class Holder:
    """A session, or a prepared transaction, with a lock on a table."""

    pid: int | None
    """None: a prepared transaction."""

    mode: str
    """As pg_locks names it: `RowExclusiveLock`."""

    granted: bool
    xact_s: float | None
    """Seconds since its transaction began."""

    state: str | None
    who: str
    """`user@application`, or the prepared transaction's gid."""

    backend_type: str | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A session whose snapshot an index build must outwait."""

    pid: int
    xact_s: float | None
    state: str | None
    who: str


@dataclass(frozen=True, slots=True)
class Locks:
    """Locks on one target's table now."""

    exists: bool
    """Whether the table was found."""

    holders: tuple[Holder, ...] = ()
    """Granted and waiting, pgtop's own left out."""

    snapshots: tuple[Snapshot, ...] = ()
    """Of this database, oldest transaction first."""

    hidden: int = 0
    """Sessions whose snapshot this role may not see."""


@dataclass(frozen=True, slots=True)
class LocksFor(Request[tuple[Locks, ...]]):
    """Who holds and awaits locks on the tables of `targets`; answers in their order."""

    targets: tuple[Target, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetState:
    """An object as the catalogue has it now."""

    exists: bool
    oid: int | None = None
    valid: bool | None = None
    ready: bool | None = None
    options: tuple[str, ...] = ()
    """reloptions: `autovacuum_vacuum_scale_factor=0.01`."""

    statistics: Mapping[str, int] = field(default_factory=dict)
    """Column -> statistics target, where one is set."""

    last_analyze: float | None = None
    last_vacuum: float | None = None
    """Seconds since 1970; by hand."""

    phase: str | None = None
    """Of an index build under way."""

    done_fraction: float | None = None
    waits_for_pid: int | None = None
    leftover: str | None = None
    """An invalid index that a failed REINDEX CONCURRENTLY left beside it, quoted."""


@dataclass(frozen=True, slots=True)
class AppliedState(Request[tuple[TargetState, ...]]):
    """How the objects of `targets` are now; answers in their order."""

    targets: tuple[Target, ...]


def plain(entry: Entry) -> dict[str, Any]:
    """An entry as values that JSON holds."""
    return asdict(entry)


def from_plain(values: Mapping[str, Any]) -> Entry:
    """What `plain` made. Raises KeyError, TypeError or ValueError for anything else."""
    remedy = dict(values["remedy"])
    for name in ("sql", "undo"):
        if not isinstance(remedy[name], list) or not all(isinstance(s, str) for s in remedy[name]):
            raise ValueError(name)
        remedy[name] = tuple(remedy[name])
    rest = {name: values[name] for name in values if name not in ("remedy", "subject")}
    entry = Entry(**rest, subject=Subject(**values["subject"]), remedy=Remedy(**remedy))
    float(entry.added_at)
    return entry
