"""The Activity tab's rows, columns and detail."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.text import Text

from pgtop.advice.ending import end_sql
from pgtop.analysis import units
from pgtop.analysis.blocking import Root
from pgtop.model.finding import Finding
from pgtop.model.session import LockWait, Session
from pgtop.terminal.safe import safe
from pgtop.ui.live_table import Cell, Column, Tone
from pgtop.ui.text import sql_text


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
        started = session.state_change
        if self.wait is not None and self.wait.wait_start is not None:
            started = self.wait.wait_start
        elif session.state != "idle":
            started = session.xact_start or session.query_start or session.state_change
        return None if started is None else max(0.0, self.now - started)


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


def columns() -> tuple[Column[ActivityRow], ...]:
    """What stands at 80 columns first."""
    return (
        Column("pid", "pid", _pid, 13, "left", lambda r: r.pid, frozen=True, descending=False),
        Column("for", "for", lambda r: units.age(r.age_s), 8, sort=lambda r: r.age_s),
        Column("state", "state · waits for", _state, 24, "left", _state_order),
        Column("holds", "holds or wants", _holds, 26, "left", from_width=130),
        Column("frees", "frees", _frees, 6, sort=lambda r: r.root.waiting if r.root else None,
               from_width=95),
        Column("who", "who", _who, 24, "left", lambda r: _who_text(r), from_width=105,
               descending=False),
        Column("database", "database", lambda r: (r.session and r.session.datname) or units.NOTHING,
               12, "left", lambda r: (r.session and r.session.datname) or "", from_width=150,
               descending=False),
        Column("statement", "statement", _statement, 24, "left", flex=True),
    )  # fmt: skip


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
    return units.NOTHING


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


def detail(row: ActivityRow, findings: Sequence[Finding]) -> Text:
    """Everything about a session, what waits for it, and what would end it."""
    text = Text()
    session = row.session
    text.append(safe(_title(row)), "bold")
    for finding in findings:
        text.append(f"\n! {safe(finding.title)}. {safe(finding.why)}", "bold")
        if finding.no_remedy:
            text.append(f"\n  {safe(finding.no_remedy)}")
    if row.wait is not None:
        wait = row.wait
        since = row.now - wait.wait_start if wait.wait_start else None
        text.append(
            f"\nwaits  {wait.mode} on {safe(wait.relation or wait.locktype)}"
            f" for {units.age(since)}, behind {units.plural(wait.blocked_by, 'session')}:"
            f" {safe(wait.blockers)}"
        )
        if wait.held:
            text.append(f"\nheld   {safe(wait.held.replace(',', ', '))}")
    if row.root is not None:
        text.append("\n" + _root_words(row.root))
    if session is None:
        return text
    text.append("\n" + _times(session, row.now) + "\n")
    if session.query:
        text.append("\n")
        text.append_text(sql_text(session.query))
        if len(session.query) >= 1_000:
            text.append("\n(first 1,000 characters)", "dim")
    ends = end_sql(session)
    text.append(f"\n\ny copies  {ends}" if ends else "\n\nthere is nothing here to cancel", "dim")
    return text


def _title(row: ActivityRow) -> str:
    session = row.session
    if session is None:
        return row.root.name if row.root is not None else f"pid {row.pid} is gone"
    workers = f", {units.plural(row.workers, 'parallel worker')}" if row.workers else ""
    return f"pid {session.pid}   {who(session)} on {session.datname or 'no database'}{workers}"


def _root_words(root: Root) -> str:
    words = f"frees  {root.freed} of {units.plural(root.waiting, 'waiting session')} if it ends"
    if root.others:
        words += f"; also in the way: pid {', '.join(map(str, root.others))}"
    if root.holder is not None:
        words += f"\nholds  {units.plural(root.holder.locks, 'lock')}"
        if root.holder.relations:
            words += f": {safe(root.holder.relations.replace(',', ', '))}"
    return words


def _times(session: Session, now: float) -> str:
    def ago(moment: float | None) -> str:
        return units.NOTHING if moment is None else units.age(max(0.0, now - moment))

    parts = [
        f"state {session.state or session.backend_type or units.UNKNOWN} for"
        f" {ago(session.state_change)}",
        f"transaction {ago(session.xact_start)}", f"statement {ago(session.query_start)}",
        f"connected {ago(session.backend_start)}",
    ]  # fmt: skip
    if session.event:
        parts.append(f"waits for {session.event}")
    if session.xid_age is not None:
        parts.append(f"has written, its transaction {units.count(session.xid_age)} back")
    if session.xmin_age is not None:
        parts.append(f"its snapshot {units.count(session.xmin_age)} transactions back")
    if session.query_id:
        parts.append(f"query_id {session.query_id}")
    return safe("; ".join(parts))
