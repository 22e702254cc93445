"""The Activity tab: who does what now, who waits for whom, and what the waiting is for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable
from typing import Any, ClassVar, cast

from rich.text import Text
from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from pgtop.advice import Facts
from pgtop.advice.ending import end_sql, prepared_sql
from pgtop.analysis.blocks import Blocks
from pgtop.analysis.workload import Workload
from pgtop.model.finding import Finding, Remedy, Subject
from pgtop.model.sample import Sample, SourceError
from pgtop.model.session import LockHolder, LockWait, Prepared, Session
from pgtop.model.statement import StatementKey
from pgtop.ui.activity_rows import ActivityRow, columns, detail, tree_rows
from pgtop.ui.detail import Detail
from pgtop.ui.lines import Line, Lines
from pgtop.ui.live_pane import LivePane
from pgtop.ui.live_table import LiveTable, Tone
from pgtop.ui.schedule import Lanes
from pgtop.ui.signs import load_line


class ActivityPane(LivePane):
    """Sessions and the tree of who blocks whom."""

    NAME = "activity"
    DIGIT = "2"
    TITLE = "Activity"
    SHORT = "Act"
    RULES = ("locks.", "wait.", "connections.idle", "replication.sync_wait")
    LANES: ClassVar[Lanes] = {Session: 0, LockWait: 0, LockHolder: 0, Prepared: 0}

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "none", "detail", id="activity.detail"),
        Binding("b", "tree", "blocking tree / all", id="activity.tree"),
        Binding("i", "idle", "idle too", id="activity.idle"),
        Binding("e", "plan", "plan", show=False, id="activity.plan"),
        Binding("C", "end(False)", "cancel the statement…", show=False, id="activity.cancel"),
        Binding("K", "end(True)", "end the session…", show=False, id="activity.kill"),
    ]

    DEFAULT_CSS = "ActivityPane #activity-load { height: 1; }"

    def __init__(self) -> None:
        super().__init__()
        self.only_tree: bool | None = None
        """Only who waits and whom for; None: not chosen, so as there is somebody waiting."""

        self.idle = False

    def compose(self) -> ComposeResult:
        """What the waiting is for, a head, the sessions."""
        yield Lines(id="activity-load")
        yield Lines(id=f"{self.NAME}-head")
        yield self.make_table()

    def make_table(self) -> LiveTable[Any]:
        """Sessions; in the tree they stand in its order."""
        return LiveTable(columns(), empty="reading sessions …")

    # -- facts in ------------------------------------------------------------------------

    def show_facts(self, facts: Facts) -> None:
        """The tree on top, below it what is at work, longest first."""
        found = facts.samples.get(Session)
        if isinstance(found, SourceError):
            self.say_unreadable(found)
            return
        if found is None:
            return
        blocking = facts.derived.get(Blocks) or Blocks()
        if self.only_tree is None and found.rows:
            self.only_tree = bool(blocking.roots)
        rows, idle = self._rows(found, blocking)
        shown = [row for row in rows if self._fits(row)]
        self.table.empty = self._empty(idle)
        if self.table.sort_column is None:
            self.table.show([row.key for row in shown], shown.__getitem__)
        else:
            self.table.show_rows(shown)
        self.query_one("#activity-load", Lines).show(load_line(facts, self.size.width))
        self.head.show(self._head_line(found, blocking, idle))
        self._show_detail()

    def _rows(self, found: Sample[Session], blocking: Blocks) -> tuple[list[ActivityRow], int]:
        """The rows of this view, and how many idle sessions were left out."""
        sessions = found.rows
        pids = {s.pid for s in sessions}
        workers = Counter(
            s.leader_pid for s in sessions if s.parallel_worker and s.leader_pid in pids
        )
        folded = {pid: number for pid, number in workers.items() if pid is not None}
        rows = list(tree_rows(blocking.roots, folded, found.taken_at))
        if self.only_tree:
            return rows, 0
        placed = {row.pid for row in rows}
        idle = 0
        others = []
        for session in sessions:
            if session.pid in placed or (session.parallel_worker and session.leader_pid in pids):
                continue
            if not _at_work(session):
                idle += session.client
                if not (self.idle and session.client):
                    continue
            others.append(
                ActivityRow(
                    session=session, wait=None, root=None, branch="",
                    workers=folded.get(session.pid, 0), now=found.taken_at, pid=session.pid,
                )
            )  # fmt: skip
        others.sort(key=lambda r: (not r.session or not _at_work(r.session), -(r.age_s or 0.0)))
        return [*rows, *others], 0 if self.idle else idle

    def _fits(self, row: ActivityRow) -> bool:
        wanted = self.filter_text.lower()
        if not wanted:
            return True
        s = row.session
        parts = (s.query, s.usename, s.application_name, s.datname, s.client_addr, s.event,
                 s.state) if s else ()  # fmt: skip
        return wanted in str(row.pid) or any(wanted in (part or "").lower() for part in parts)

    def _empty(self, idle: int) -> str:
        if self.filter_text:
            return f"no session matches /{self.filter_text}/: / edits it, Esc forgets it"
        if self.only_tree:
            return "nobody waits for a lock: b shows all sessions"
        return f"no session is at work; {idle} are idle (i shows them)"

    def _head_line(self, found: Sample[Session], blocking: Blocks, idle: int) -> Line:
        clients = [s for s in found.rows if s.client]
        active = sum(s.state == "active" for s in clients)
        waiting = sum(root.waiting for root in blocking.roots)
        in_xact = sum(s.idle_in_transaction for s in clients)
        hidden = sum(s.hidden for s in found.rows)
        left: list[tuple[str, Tone]] = [
            (" blocking tree" if self.only_tree else " all sessions", "strong"),
            (f"  {active} active", ""),
            (f"  {waiting} waiting", "warning" if waiting else ""),
            (f"  {in_xact} idle in xact", ""),
        ]
        if idle:
            left.append((f"  {idle} idle not shown", "dim"))
        if self.filter_text:
            left.append((f"  /{self.filter_text}/", "key"))
        waits = self.facts.samples.get(LockWait)
        if isinstance(waits, SourceError):
            left.append((f"  ! who waits is not known: {waits.why}", "warning"))
        if hidden:
            left.append((f"  ! {hidden} hidden: GRANT pg_monitor shows them", "warning"))
        return Line(tuple(left))

    # -- the row under the cursor --------------------------------------------------------

    @property
    def row(self) -> ActivityRow | None:
        """The session under the cursor."""
        return cast("ActivityRow | None", self.table.cursor_row)

    def key_of(self, subject: Subject) -> Hashable | None:
        """The session of a finding."""
        for key in self.table.keys:
            pid, start = cast("tuple[int, float | str | None]", key)
            if subject.kind == "prepared" and start == subject.name:
                return key
            if subject.kind == "session" and subject.name.split("@")[0] == str(pid):
                return key
        return None

    def _about(self, row: ActivityRow) -> tuple[Finding, ...]:
        verdict = self.frame.verdict
        names = {row.session.name} if row.session else set()
        if row.root is not None and row.root.node.gid:
            names.add(row.root.node.gid)
        found = verdict.findings if verdict else ()
        return tuple(
            f
            for f in found
            if f.subject.kind in ("session", "prepared") and f.subject.name in names
        )

    def offered(self) -> tuple[Finding | Remedy, ...]:
        """The findings about the session."""
        return () if self.row is None else self._about(self.row)

    def copied_text(self) -> tuple[str, str] | None:
        """The statement that would end what it does, with its guard."""
        row = self.row
        ends = end_sql(row.session) if row is not None and row.session is not None else None
        if row is not None and row.root is not None and row.root.node.gid is not None:
            prepared = row.root.prepared
            gid = row.root.node.gid
            return prepared_sql(gid, prepared.database if prepared else None), "statements"
        return (ends, "statement that ends it") if ends else super().copied_text()

    def on_live_table_selected(self) -> None:
        """Enter opens the detail."""
        if not self.query(Detail):
            self.mount(Detail())
        self.call_after_refresh(self._show_detail)

    def on_live_table_moved(self) -> None:
        """The detail follows the cursor."""
        self._show_detail()

    def on_live_table_sort_changed(self) -> None:
        """`<`, `>` or a click on a head chose a column: the tree's order is given up."""
        self.refilter()

    def _show_detail(self) -> None:
        found = self.query(Detail)
        if not found or not found.first().is_mounted:
            return
        row = self.row
        found.first().show(
            Text("no session under the cursor") if row is None else detail(row, self._about(row))
        )

    # -- keys ----------------------------------------------------------------------------

    def action_none(self) -> None:
        """Enter is the table's; this stands for it in the footer."""

    def action_tree(self) -> None:
        """The blocking tree alone, or all."""
        self.only_tree = not self.only_tree
        self.table.sort_by(None, tell=False)
        self.refilter()

    def action_idle(self) -> None:
        """Idle sessions too."""
        self.idle, self.only_tree = not self.idle, False
        self.refilter()

    def action_plan(self) -> None:
        """The plan of the statement that the session runs."""
        row = self.row
        key = self._statement(row.session) if row is not None and row.session else None
        if key is None:
            self.frame.note(
                "no plan: the server does not say which statement of pg_stat_statements this is"
            )
        else:
            self.frame.show_plan(key)

    def _statement(self, session: Session) -> StatementKey | None:
        workload = self.facts.derived.get(Workload)
        if workload is None or workload.now is None or not session.query_id:
            return None
        keys = [key for key in workload.now.rows if key[2] == session.query_id]
        same = [key for key in keys if workload.roles.get(key[0]) == session.usename]
        return next(iter(same or keys), None)

    def action_back(self) -> None:
        """Close the detail, then forget the filter."""
        found = self.query(Detail)
        if found:
            found.first().remove()
            self.focus_inside()
        else:
            super().action_back()

    # -- acting --------------------------------------------------------------------------

    def action_end(self, terminate: bool) -> None:
        """Cancel or terminate the session under the cursor as it is now, after a question."""
        row = self.row
        if not self.frame.config.allow_actions:
            self.frame.note("only with --allow-actions; y copies the statement that does it")
        elif row is not None:
            from pgtop.ui.session_actions import why_not  # seldom needed

            reason = why_not(row.session, terminate=terminate)
            if row.session is None or reason is not None:
                self.frame.note(reason or "")
            else:
                self._end(row.session, terminate, row.now, row.root.freed if row.root else None)

    @work(group="end", exclusive=True)
    async def _end(self, session: Session, terminate: bool, now: float, freed: int | None) -> None:
        from pgtop.ui.session_actions import end_session

        await end_session(self.app, session, terminate=terminate, now=now, freed=freed)


def _at_work(session: Session) -> bool:
    """Worth a row: everything but idle clients and the server's own idle processes."""
    if session.client:
        return session.state != "idle" or session.hidden
    if session.backend_type in ("walsender", "autovacuum worker", "startup", "parallel worker"):
        return True
    return session.xact_start is not None
