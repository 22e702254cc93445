"""Sessions, what they wait for, and who is in their way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from pgtop.model.request import Request


class Session(NamedTuple):
    """A row of pg_stat_activity: clients, workers, walsenders, the server's own processes."""

    pid: int
    leader_pid: int | None
    """Of a parallel worker; a worker that applies a subscription has one too, from 16."""

    backend_type: str | None
    """None: hidden from this role."""

    datname: str | None
    usename: str | None
    application_name: str | None
    client_addr: str | None
    state: str | None
    wait_event_type: str | None
    wait_event: str | None
    backend_start: float | None
    """Seconds since 1970, as are the next three."""

    xact_start: float | None
    query_start: float | None
    state_change: float | None
    xid_age: int | None
    """Transactions since it took its own id: it has written. None: it has not."""

    xmin_age: int | None
    """Transactions since its snapshot: dead rows younger than that stay."""

    query_id: int | None
    """None before 14, or without compute_query_id."""

    query: str | None
    """First 1,000 characters; None: hidden, or not a client."""

    hidden: bool
    """This role may not see its state."""

    @property
    def key(self) -> tuple[int, float | None]:
        """A pid is used again; with the start of the backend it is one session."""
        return self.pid, self.backend_start

    @property
    def name(self) -> str:
        """The same as text."""
        return f"{self.pid}@{self.backend_start or 0:.6f}"

    @property
    def client(self) -> bool:
        """Whether it is a client's session."""
        return self.backend_type == "client backend" or (self.hidden and self.datname is not None)

    @property
    def parallel_worker(self) -> bool:
        """Only these are counted with their leader: an apply worker has one too."""
        return self.backend_type == "parallel worker"

    @property
    def idle_in_transaction(self) -> bool:
        """In a transaction, and doing nothing."""
        return (self.state or "").startswith("idle in transaction")

    @property
    def event(self) -> str | None:
        """`Lock/transactionid`; None where it does not wait."""
        if self.wait_event_type is None:
            return None
        return f"{self.wait_event_type}/{self.wait_event}"


class LockWait(NamedTuple):
    """A session that waits for a heavyweight lock."""

    pid: int
    blockers: str
    """pids of pg_blocking_pids(), comma between, those that do not wait themselves first, at
    most eight; 0 is a prepared transaction."""

    blocked_by: int
    """How many there are."""

    locktype: str
    mode: str
    relation: str | None
    """The relation it is about, quoted, with its schema; None where it is not one of this
    database."""

    same_database: bool
    wait_start: float | None
    """Seconds since 1970; None before 14, and for a moment after the wait began."""

    held: str | None
    """What the others hold of what it waits for: `pid mode` with commas between, at most eight;
    pid 0 is a prepared transaction."""

    gid: str | None
    """The prepared transaction in its way."""

    @property
    def blocking_pids(self) -> tuple[int, ...]:
        """The blockers."""
        return tuple(int(pid) for pid in self.blockers.split(",") if pid)


class LockHolder(NamedTuple):
    """What a session holds, read only while somebody waits."""

    pid: int
    """0: a prepared transaction."""

    gid: str | None
    locks: int
    relations: str | None
    """Up to five relations with the strongest lock on each: `ShareLock public.orders`, comma."""


class Prepared(NamedTuple):
    """A prepared transaction: it holds its locks though nobody is connected."""

    gid: str
    owner: str
    database: str
    prepared_s: float
    """Seconds since it was prepared."""

    xid_age: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EndOf(Request["Ended"]):
    """Cancel the statement that a session runs, or end the session: that one, not its pid.

    A session goes on while a person reads a question: its statement may have ended, its
    transaction too. What is named here must still be so when the server acts.
    """

    pid: int
    backend_start: float
    """Seconds since 1970, as it was read: another session may have the pid by now."""

    terminate: bool
    """The whole session; False: its statement."""

    query_start: float | None = None
    """Of the statement to cancel."""

    xact_start: float | None = None
    """Of the transaction for whose sake the session is to end; None: for its own."""


@dataclass(frozen=True, slots=True)
class Ended:
    """What came of it."""

    found: bool
    """Whether the session was still there."""

    same: bool
    """Whether it was still at what it was to be ended for."""

    sent: bool
    """Whether the signal was sent. What it brings shows later: a server process obeys when it
    can."""
