"""The Activity tab: who does what now, who waits for whom, and what the waiting is for."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, ClassVar

from rich.text import Text
from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from pgtop.advice import Facts
from pgtop.advice.ending import end_sql, prepared_sql
from pgtop.analysis import units
from pgtop.analysis.blocks import Blocks
from pgtop.analysis.waits import Waits
from pgtop.analysis.workload import Workload
from pgtop.model.finding import Finding, Remedy, Subject
from pgtop.model.plan_request import PlanOf
from pgtop.model.sample import Sample, SourceError
from pgtop.model.session import LockHolder, LockWait, Prepared, Session
from pgtop.model.statement import StatementKey
from pgtop.ui.activity_detail import detail
from pgtop.ui.activity_rows import ActivityRow, columns, session_rows
from pgtop.ui.detail import Detail
from pgtop.ui.lines import Line, Lines
from pgtop.ui.live_pane import LivePane
from pgtop.ui.live_table import LiveTable
from pgtop.ui.load_rows import LoadRow, load_columns, load_rows
from pgtop.ui.schedule import Lanes
from pgtop.ui.signs import hidden_sessions, load_line
from pgtop.ui.table_columns import Tone

MOST_QUERY = 1_000
"""Bytes of a statement that are read; server's track_activity_query_size may be less."""


HELD_S = 6.0
"""What a root holds changes little while it waits: read at every interval it would cost the server
a third of the tab."""


class ActivityPane(LivePane):
    """Sessions and the tree of who blocks whom."""

    NAME = "activity"
    DIGIT = "2"
    TITLE = "Activity"
    SHORT = "Act"
    OF = Session
    RULES = ("locks.", "wait.", "connections.idle", "replication.sync_wait")
    LANES: ClassVar[Lanes] = {
        Session: 0,
        LockWait: 0,
        LockHolder: HELD_S,
        Prepared: HELD_S,
    }

    ACTING = frozenset({"activity.cancel", "activity.kill"})

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "none", "detail", id="activity.detail"),
        Binding("b", "tree", "tree / all", id="activity.tree"),
        Binding("w", "load", "load", id="activity.load"),
        Binding("i", "idle", "idle too", id="activity.idle"),
        Binding("e", "plan", "plan", show=False, id="activity.plan"),
        Binding("C", "end(False)", "cancel the statement…", id="activity.cancel"),
        Binding("K", "end(True)", "end the session…", id="activity.kill"),
    ]

    DEFAULT_CSS = "ActivityPane #activity-load { height: 1; }"

    def __init__(self) -> None:
        super().__init__()
        self.only_tree: bool | None = None
        """Only who waits and whom for; None: not chosen, so as there is somebody waiting."""

        self.load = False
        """The load of the last minutes in place of the sessions."""

        self.narrowed: LoadRow | None = None
        """Only the sessions that are at this now."""

        self.idle = False
        self._detailed: Session | None = None
        """Whose detail is open."""

        self._led_to: Hashable | None = None
        """The row that a finding led to and that was opened for it."""

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
        if found is None:
            return
        self.query_one("#activity-load", Lines).show(load_line(facts, self.app.size.width))
        if isinstance(found, SourceError):
            self.say_unreadable(found)
            return
        if self.load:
            self._show_load(facts)
            return
        blocking = facts.derived.get(Blocks) or Blocks()
        if self.only_tree is None and found.rows:
            self.only_tree = bool(blocking.roots)
        rows, idle = session_rows(
            found, blocking, only_tree=self.only_tree is True, with_idle=self.idle
        )
        shown = [row for row in rows if self._fits(row)]
        self.table.empty = self._empty(idle)
        if self.table.sort_column is None:
            self.table.show([row.key for row in shown], shown.__getitem__)
        else:
            self.table.show_rows(shown)
        self.head.show(self._head_line(found, blocking, idle))
        self._show_detail()

    def _show_load(self, facts: Facts) -> None:
        """The last minutes by wait class and statement."""
        waits = facts.derived.get(Waits) or Waits()
        wanted = self.filter_text.lower()
        rows = [r for r in load_rows(waits) if wanted in f"{r.wait_class} {r.name}".lower()]
        unseen = hidden_sessions(facts)
        self.table.empty = "no session was at work in the last minutes"
        if unseen:
            self.table.empty = f"no session whom this role may see was at work; {unseen} are hidden"
        self.table.show([row.key for row in rows], rows.__getitem__)
        average = sum(share.average for share in waits.classes(1))
        self.head.show(
            Line(
                (
                    (" load", "strong"),
                    (f"  {units.significant(average)} sessions active on average", ""),
                    (f" without {unseen} hidden" if unseen else "", "warning"),
                    (f"  of {units.plural(len(waits.points), 'look')}", "dim"),
                    (f" in {units.seconds(waits.seconds)}", "dim"),
                ),
                (("Enter", "key"), (" its sessions  ", "dim"), ("w", "key"), (" back ", "dim")),
            )
        )

    def _fits(self, row: ActivityRow) -> bool:
        wanted = self.filter_text.lower()
        s = row.session
        if self.narrowed is not None and (s is None or not self.narrowed.holds(s)):
            return False
        if not wanted:
            return True
        parts = (s.query, s.usename, s.application_name, s.datname, s.client_addr, s.event,
                 s.state) if s else ()  # fmt: skip
        return wanted in str(row.pid) or any(wanted in (part or "").lower() for part in parts)

    def _empty(self, idle: int) -> str:
        if self.filter_text:
            return f"no session matches /{self.filter_text}/: / edits it, Esc forgets it"
        if self.narrowed is not None:
            return f"no session is at {self.narrowed.words} just now: Esc shows all"
        if self.only_tree:
            waits = self.facts.samples.get(LockWait)
            if isinstance(waits, SourceError):
                return f"who waits for a lock is not known: {waits.why}; b shows all sessions"
            return "nobody waits for a lock: b shows all sessions"
        return f"no session is at work; {idle} are idle (i shows them)"

    def _head_line(self, found: Sample[Session], blocking: Blocks, idle: int) -> Line:
        clients = [s for s in found.rows if s.client]
        active = sum(s.state == "active" for s in clients)
        waiting = sum(root.waiting for root in blocking.roots)
        in_xact = sum(s.idle_in_transaction for s in clients)
        hidden = sum(s.hidden for s in found.rows)
        least = "≥" if hidden else ""
        waits = self.facts.samples.get(LockWait)
        unknown = isinstance(waits, SourceError)
        left: list[tuple[str, Tone]] = [
            (" blocking tree" if self.only_tree else " all sessions", "strong"),
            (f"  {least}{active} active", ""),
            ("  ? waiting", "")
            if unknown
            else (f"  {least}{waiting} waiting", "warning" if waiting else ""),
            (f"  {least}{in_xact} idle in xact", ""),
        ]
        if self.narrowed is not None:
            left.append((f"  only {self.narrowed.words}", "key"))
        elif idle:
            left.append((f"  {idle} idle not shown", "dim"))
        if self.filter_text:
            left.append((f"  /{self.filter_text}/", "key"))
        if isinstance(waits, SourceError):
            left.append((f"  ! who waits is not known: {waits.why}", "warning"))
        if hidden:
            left.append((f"  ! {hidden} hidden: GRANT pg_monitor shows them", "warning"))
        return Line(tuple(left))

    # -- the row under the cursor --------------------------------------------------------

    @property
    def row(self) -> ActivityRow | None:
        """The session under the cursor."""
        row = self.table.cursor_row
        return row if isinstance(row, ActivityRow) else None

    def seek(self, finding: Finding) -> None:
        """Show where the finding is: the load, the tree, or the list."""
        if not finding.rule.startswith("replication."):
            self._show_view(
                load=finding.rule.startswith("wait."), only_tree=finding.rule.startswith("locks.")
            )
        super().seek(finding)

    def key_of(self, subject: Subject) -> Hashable | None:
        """The session of a finding, or the wait class."""
        for key in self.table.keys:
            if not isinstance(key, tuple):
                continue
            if key[0] == "load":
                if key[2] is None and subject.name.startswith(f"{key[1]}/"):
                    return key
            elif subject.kind == "prepared":
                if key[1] == subject.name:
                    return key
            elif subject.name == f"{key[0]}@{key[1] or 0:.6f}":
                return key
        return None

    def _about(self, row: ActivityRow) -> tuple[Finding, ...]:
        verdict = self.frame.verdict
        names = {row.session.name} if row.session else set()
        if row.root is not None and row.root.node.gid:
            names.add(row.root.node.gid)
        return tuple(
            finding
            for name in names
            for finding in (verdict.about(name) if verdict else ())
            if finding.subject.kind in ("session", "prepared")
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

    def reached(self) -> None:
        """A finding led here: its session is opened, and Esc closes it and goes back at once."""
        self._led_to = self.table.cursor_key
        self.table.action_select()

    def on_live_table_selected(self) -> None:
        """Enter opens the detail; in the load it leads to the sessions."""
        chosen = self.table.cursor_row
        if isinstance(chosen, LoadRow):
            self._show_view(load=False, only_tree=False, narrowed=chosen)
            return
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
        self._tell_of_ended(row)
        found.first().show(
            Text("no session under the cursor") if row is None else detail(row, self._about(row))
        )

    def _tell_of_ended(self, row: ActivityRow | None) -> None:
        """Whoever looks at a session is told that it is gone; the cursor is on another then."""
        before, sample = self._detailed, self.facts.samples.get(Session)
        self._detailed = row.session if row is not None else None
        if before is None or not isinstance(sample, Sample) or self._detailed is before:
            return
        if all(session.key != before.key for session in sample.rows):
            self.frame.note(f"pid {before.pid} has ended")

    # -- keys ----------------------------------------------------------------------------

    def action_none(self) -> None:
        """Enter is the table's; this stands for it in the footer."""

    def action_tree(self) -> None:
        """The blocking tree alone, or all."""
        self._show_view(load=False, only_tree=self.load or not self.only_tree)

    def action_load(self) -> None:
        """What active sessions waited for in the last minutes, or the sessions again."""
        self._show_view(load=not self.load, only_tree=bool(self.only_tree))

    def _show_view(self, *, load: bool, only_tree: bool, narrowed: LoadRow | None = None) -> None:
        if load != self.load:
            self.table.show((), lambda index: None)  # rows of one kind, columns of another
            self.table.set_columns(load_columns() if load else columns())
        self.load, self.only_tree, self.narrowed = load, only_tree, narrowed
        self.query(Detail).remove()
        self.table.sort_by(None, tell=False)
        self.refilter()

    def action_idle(self) -> None:
        """Idle sessions too."""
        self.idle = not self.idle
        self._show_view(load=False, only_tree=False)

    def action_plan(self) -> None:
        """The plan of the statement under the cursor: as it is counted, else as it was sent."""
        chosen = self.table.cursor_row
        if isinstance(chosen, LoadRow):
            key = self._statement(chosen.statement, None)
            if key is None:
                self.frame.note("no statement that pg_stat_statements knows is under the cursor")
            else:
                self.frame.show_plan(key)
            return
        session = self.row.session if self.row is not None else None
        key = self._statement(session.query_id, session) if session is not None else None
        if key is not None:
            self.frame.show_plan(key)
        elif session is None or not session.query or session.state != "active":
            self.frame.note("it runs no statement just now")
        elif len(session.query.encode()) > MOST_QUERY - 4:  # half a character was left out
            self.frame.note("only the first 1,000 characters of it are known: no plan of those")
        else:
            self._plan_text(session.query, session.datname)

    @work(group="plan", exclusive=True)
    async def _plan_text(self, text: str, database: str | None) -> None:
        from pgtop.ui.panes.plan import PlanPane

        pane = await self.frame.show_pane("plan")
        if isinstance(pane, PlanPane):
            pane.open_request(PlanOf(text=text, dbname=database))

    def _statement(
        self, query_id: int | str | None, session: Session | None
    ) -> StatementKey | None:
        """Its key in pg_stat_statements: of the session's own role and database, if it has one."""
        workload = self.facts.derived.get(Workload)
        if workload is None or workload.now is None or not isinstance(query_id, int):
            return None
        keys = [key for key in workload.now.rows if key[2] == query_id]
        if session is None:
            return next(iter(keys), None)
        return next(
            (
                key
                for key in keys
                if workload.roles.get(key[0]) == session.usename
                and workload.databases.get(key[1]) == session.datname
            ),
            None,
        )

    def action_back(self) -> None:
        """Close the detail, then forget the filter."""
        found = self.query(Detail)
        if found:
            found.first().remove()
            self.focus_inside()
            if self._led_to is not None and self._led_to == self.table.cursor_key:
                super().action_back()
            self._led_to = None
        elif self.narrowed is not None:
            self._show_view(load=True, only_tree=False)
        elif self.load:
            self.action_load()
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
