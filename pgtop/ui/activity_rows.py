"""The Activity tab's rows and columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from pgtop.analysis import units
from pgtop.analysis.blocking import Root
from pgtop.analysis.blocks import Blocks
from pgtop.model.sample import Sample
from pgtop.model.session import LockWait, Session
from pgtop.terminal.safe import safe
from pgtop.ui.table_columns import Cell, Column, Tone


@dataclass(frozen=True, slots=True)
class ActivityRow:
    """A session, or a prepared transaction, and its place in the tree."""

    session: Session | None
    wait: LockWait | None
    root: Root | None
    """Of a root only."""

    branch: str
    """The lines of the tree in front of its pid."""

    workers: int
    """Parallel workers that work for it."""

    now: float
    """The server's clock."""

    pid: int
    """0: a prepared transaction."""

    waited: tuple[float | None, bool] = (None, True)
    """Seconds it has waited for a lock, and whether that is exact: before 14 it is the least."""

    @property
    def key(self) -> tuple[int, float | str | None]:
        """Its identity."""
        if self.session is not None:
            return self.session.key
        return self.pid, self.root.node.gid if self.root else None

    @property
    def age_s(self) -> float | None:
        """Seconds its transaction lasts; of one that waits, since it began to wait; of one that
        is idle, since then."""
        if self.root is not None and self.root.prepared is not None:
            return self.root.prepared.prepared_s
        session = self.session
        if session is None:
            return None
        if self.waited[0] is not None:
            return self.waited[0]
        started = session.state_change
        if session.state != "idle":
            started = session.xact_start or session.query_start or session.state_change
        return None if started is None else max(0.0, self.now - started)

    @property
    def statement_s(self) -> float | None:
        """Seconds its statement runs; None where it runs none."""
        session = self.session
        if session is None or session.state != "active" or session.query_start is None:
            return None
        return max(0.0, self.now - session.query_start)


def tree_rows(roots: Sequence[Root], workers: dict[int, int], now: float) -> Iterator[ActivityRow]:
    """The forest from top to bottom, with the lines of the tree."""
    for root in roots:
        ends: list[bool] = []
        stack = [(0, root.node, True)]
        while stack:
            depth, node, last = stack.pop()
            ends = [*ends[: max(0, depth - 1)], last] if depth else []
            lines = "".join("  " if end else "│ " for end in ends[:-1])
            branch = lines + ("└ " if last else "├ ") if depth else ""
            yield ActivityRow(
                session=node.session, wait=node.wait, root=None if depth else root, branch=branch,
                workers=workers.get(node.pid, 0), now=now, pid=node.pid,
            )  # fmt: skip
            final = len(node.children) - 1
            stack.extend(
                (depth + 1, child, number == final)
                for number, child in reversed(list(enumerate(node.children)))
            )


def session_rows(
    found: Sample[Session], blocks: Blocks, *, only_tree: bool, with_idle: bool
) -> tuple[list[ActivityRow], int]:
    """The rows of a view, the tree on top, and how many idle clients were left out."""
    sessions = found.rows
    pids = {s.pid for s in sessions}
    folded: dict[int, int] = {}
    for s in sessions:
        if s.parallel_worker and s.leader_pid in pids:
            folded[s.leader_pid or 0] = folded.get(s.leader_pid or 0, 0) + 1
    rows = [
        replace(row, waited=blocks.waited_s(row.pid))
        for row in tree_rows(blocks.roots, folded, found.taken_at)
    ]
    if only_tree:
        return rows, 0
    placed = {row.pid for row in rows}
    idle, others = 0, []
    for s in sessions:
        if s.pid in placed or (s.parallel_worker and s.leader_pid in pids):
            continue
        if not at_work(s):
            idle += s.client and not with_idle
            if not (with_idle and s.client):
                continue
        others.append(
            ActivityRow(
                session=s, wait=None, root=None, branch="", workers=folded.get(s.pid, 0),
                now=found.taken_at, pid=s.pid,
            )
        )  # fmt: skip
    others.sort(key=lambda r: (not r.session or not at_work(r.session), -(r.age_s or 0.0)))
    return [*rows, *others], idle


def at_work(session: Session) -> bool:
    """Worth a row: everything but idle clients and the server's own idle processes."""
    if session.client:
        return session.state != "idle" or session.hidden
    if session.backend_type in ("walsender", "autovacuum worker", "startup", "parallel worker"):
        return True
    return session.xact_start is not None


def columns() -> tuple[Column[ActivityRow], ...]:
    """What stands at 80 columns first."""
    return (
        Column("pid", "pid", _pid, 12, "left", lambda r: r.pid, frozen=True, descending=False),
        Column("for", "for", _for, 9, sort=lambda r: r.age_s,
               means="since it began to wait, else its transaction, else to be idle; ≥ at least"),
        Column("stmt", "stmt", _statement_age, 7, sort=lambda r: r.statement_s, from_width=112,
               means="how long its statement runs"),
        Column("state", "state · waits for", _state, 20, "left", _state_order,
               means=("what it does, and what it waits for: Lock, IO, Client …; nothing: on the "
                      "processor")),
        Column("holds", "holds or wants", _holds, 24, "left", from_width=136,
               means="the lock that others wait for, or that it wants"),
        Column("frees", "frees", _frees, 6, sort=lambda r: r.root.waiting if r.root else None,
               from_width=80,
               means="sessions that go on once this one ends"),
        Column("who", "who", _who, 22, "left", lambda r: _who_text(r), from_width=104,
               descending=False,
               means="user, application, client"),
        Column("database", "database", lambda r: (r.session and r.session.datname) or units.NOTHING,
               12, "left", lambda r: (r.session and r.session.datname) or "", from_width=150,
               descending=False),
        Column("statement", "statement", _statement, 15, "left", flex=True),
    )  # fmt: skip


def _for(row: ActivityRow) -> Cell:
    return ("" if row.waited[1] else "≥ ") + units.lasting(row.age_s)


def _statement_age(row: ActivityRow) -> Cell:
    return units.NOTHING if row.statement_s is None else units.age(row.statement_s)


def _pid(row: ActivityRow) -> Cell:
    name = str(row.pid) if row.pid else "prepared"
    tone: Tone = "critical" if row.root is not None else ""
    more: tuple[tuple[str, Tone], ...] = ((f"+{row.workers}", "dim"),) if row.workers else ()
    return ((row.branch, "dim"), (name, tone), *more)


def _state(row: ActivityRow) -> Cell:
    session = row.session
    if row.wait is not None:
        return ((f"Lock {row.wait.locktype}", "warning"),)
    if session is None:
        return (("prepared" if row.pid == 0 else "gone", "warning"),)
    if session.hidden:
        return ((f"{units.UNKNOWN} hidden", "dim"),)
    if session.idle_in_transaction:
        return (((session.state or "").replace("transaction", "xact"), "warning"),)
    if session.state == "active" or session.state is None:
        kind = "" if session.client else f"{session.backend_type} "
        waits = f"{session.wait_event_type} {session.wait_event}" if session.wait_event_type else ""
        return ((kind, "dim"), (waits or "running", "" if waits else "good"))
    return ((session.state, "dim"),)


def _state_order(row: ActivityRow) -> int:
    session = row.session
    if row.wait is not None:
        return 4
    if session is None or session.idle_in_transaction:
        return 3
    return {"active": 2, "idle": 0}.get(session.state or "", 1)


def _holds(row: ActivityRow) -> Cell:
    if row.wait is not None:
        wanted = row.wait.mode.removesuffix("Lock")
        what = row.wait.relation or row.wait.locktype
        if not row.wait.same_database:
            what = "(another database)"
        return ((wanted + " ", "notice"), (what, ""))
    if row.root is not None and row.root.holder is not None:
        first = (row.root.holder.relations or "").split(",")[0]
        mode, _, relation = first.partition(" ")
        return ((mode.removesuffix("Lock") + " ", "dim"), (relation, ""))
    if row.session is not None and row.session.xid_age is not None:
        return (("has written", "dim"),)
    return units.NOTHING if row.root is None else units.UNKNOWN  # not read yet


def _frees(row: ActivityRow) -> Cell:
    if row.root is None:
        return ""
    return ((str(row.root.freed), "critical"),)


def who(session: Session) -> str:
    """`web@10.0.0.7 application` as far as known."""
    place = f"@{session.client_addr}" if session.client_addr else ""
    application = f" {session.application_name}" if session.application_name else ""
    return f"{session.usename or units.UNKNOWN}{place}{application}"


def _who_text(row: ActivityRow) -> str:
    if row.session is not None:
        return who(row.session) if row.session.usename else row.session.backend_type or ""
    if row.root is not None and row.root.prepared is not None:
        return row.root.prepared.owner
    return ""


def _who(row: ActivityRow) -> Cell:
    return _who_text(row)


def _statement(row: ActivityRow) -> Cell:
    session = row.session
    if session is None:
        gid = row.root.node.gid if row.root else None
        return ((f"prepared transaction {gid}", "strong"),) if gid else ""
    if session.hidden:
        return (("hidden from this role: GRANT pg_monitor shows it", "dim"),)
    tone: Tone = "" if session.state == "active" else "dim"
    return ((safe(session.query or "")[:600], tone),)
