"""The Connections tab: whose they are, what they do, how near the limit, and the pooler before."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, ClassVar, Literal, cast

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from pgtop.advice import Facts
from pgtop.advice.pools import behind, diagnosis
from pgtop.analysis.connections import By, Connections, Crowd, crowds, shared
from pgtop.model.connections import ConnectionLimit, SessionCounters
from pgtop.model.finding import Finding, Remedy, Subject
from pgtop.model.pool import Pool, Pooler, PoolServer
from pgtop.model.sample import Sample, SourceError
from pgtop.model.server import Link, Vitals
from pgtop.model.session import Session
from pgtop.ui.connection_rows import (
    PoolRow,
    crowd_columns,
    crowd_text,
    hints_text,
    movement,
    offer,
    picture,
    pool_columns,
    pool_text,
)
from pgtop.ui.detail import Detail
from pgtop.ui.lines import Line, Lines
from pgtop.ui.live_pane import LivePane
from pgtop.ui.live_table import LiveTable
from pgtop.ui.schedule import Lanes
from pgtop.ui.table_columns import Tone

View = Literal["state", "database", "user", "application", "client", "pools"]

VIEWS: dict[str, tuple[View, str]] = {
    "s": ("state", "state"),
    "d": ("database", "database"),
    "u": ("user", "user"),
    "n": ("application", "application name"),
    "c": ("client", "client"),
    "p": ("pools", "pools"),
}
"""Key -> the view, and its name."""


class ConnectionsPane(LivePane):
    """Connections by what they share, or the pooler's pools; above them both in one picture."""

    NAME = "connections"
    DIGIT = "7"
    TITLE = "Connections"
    SHORT = "Conn"
    OF = Session
    RULES = ("connections.near", "pool.")
    LANES: ClassVar[Lanes] = {
        Session: 0, Pooler: 0, Pool: 0, PoolServer: 0, ConnectionLimit: 60, SessionCounters: 15,
    }  # fmt: skip

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "none", "detail", id="connections.detail"),
        *(
            Binding(key, f"view('{view}')", name, id=f"connections.{view}")
            for key, (view, name) in VIEWS.items()
        ),
        Binding("h", "hints", "pooling hints", id="connections.hints"),
    ]

    DEFAULT_CSS = "ConnectionsPane #connections-picture { height: 2; }"

    def __init__(self) -> None:
        super().__init__()
        self.view: View | None = None
        """None: not chosen; pools where there are some, else applications."""

        self.hints = False
        """The detail shows hints instead of the row."""

    def compose(self) -> ComposeResult:
        """The picture, a head, the table."""
        yield Lines(id="connections-picture")
        yield Lines(id=f"{self.NAME}-head")
        yield self.make_table()

    def make_table(self) -> LiveTable[Any]:
        """Crowds, until pools are chosen."""
        return LiveTable(crowd_columns("application name"), empty="reading sessions …")

    # -- facts in ------------------------------------------------------------------------

    def show_facts(self, facts: Facts) -> None:
        """Picture, head, rows."""
        sessions = self._sample(Session)
        if isinstance(sessions, SourceError):
            self.say_unreadable(sessions)
            return
        found = facts.derived.get(Connections)
        if sessions is None or found is None:
            return
        pools = self._pool_rows(sessions)
        if self.view is None and Pool in facts.samples:
            self._choose("pools" if pools else "application")
        self._show_picture(found, pools)
        self.head.show(self._head_line(sessions))
        if self.view == "pools":
            shown: list[Any] = [row for row in pools if self._fits(row.pool.name)]
            self.table.empty = self._no_pools()
        else:
            by: By = self.view or "application"
            limits = self._rows(ConnectionLimit)
            made = crowds(sessions.rows, by, sessions.taken_at, limits)
            shown = [crowd for crowd in made if self._fits(crowd.name or "")]
            self.table.empty = self._empty("no client is connected")
        self.table.show_rows(shown)
        self._show_detail()

    def _sample(self, row_type: type[Any]) -> Sample[Any] | SourceError | None:
        return self.facts.samples.get(row_type)

    def _rows(self, row_type: type[Any]) -> tuple[Any, ...]:
        found = self._sample(row_type)
        return found.rows if isinstance(found, Sample) else ()

    def _pooler(self) -> Pooler | None:
        return next(iter(self._rows(Pooler)), None)

    def _pool_rows(self, sessions: Sample[Session]) -> list[PoolRow]:
        own = behind(self._rows(PoolServer), sessions.rows)
        rows = [
            PoolRow(pool, diagnosis(pool, own, sessions.taken_at))
            for pool in self._rows(Pool)
            if not pool.own
        ]
        rows.sort(key=lambda r: (-r.pool.maxwait_s, -r.pool.cl_waiting, -r.pool.sv_active, r.key))
        return rows

    def _fits(self, name: str) -> bool:
        return self.filter_text.lower() in name.lower()

    def _empty(self, sentence: str) -> str:
        if self.filter_text:
            return f"nothing matches /{self.filter_text}/: / edits it, Esc forgets it"
        return sentence

    def _no_pools(self) -> str:
        found = self._sample(Pool)
        if isinstance(found, SourceError):
            return found.why
        return self._empty("the pooler has no pool yet: nobody came through it")

    def _show_picture(self, found: Connections, pools: list[PoolRow]) -> None:
        vitals: Vitals | None = next(iter(self._rows(Vitals)), None)
        lines = [
            picture(self._pooler(), pools, vitals, found, self.app.size.width),
            movement(found, pools),
        ]
        refused = self._sample(Pool)
        if isinstance(refused, SourceError):
            lines.append(offer(next(iter(self._rows(Link)), None), refused.why))
        shown = self.query_one("#connections-picture", Lines)
        shown.styles.height = len(lines)
        shown.show(*lines)

    def _head_line(self, sessions: Sample[Session]) -> Line:
        name = next((n for v, n in VIEWS.values() if v == self.view), "application name")
        title = " pools" if self.view == "pools" else f" by {name}"
        left: list[tuple[str, Tone]] = [(title, "strong")]
        if self.view == "pools" and self._pooler() is not None:
            left.append(("  over a second connection, to the console", "dim"))
        hidden = sum(session.hidden for session in sessions.rows)
        if hidden:
            left.append((f"  ! {hidden} hidden: GRANT pg_monitor shows them", "warning"))
        if self.filter_text:
            left.append((f"  /{self.filter_text}/", "key"))
        return Line(tuple(left))

    # -- the row under the cursor ------------------------------------------------------------

    def key_of(self, subject: Subject) -> Hashable | None:
        """The row of a finding in the view that `seek` chose."""
        wanted: Hashable = None
        if subject.kind == "pool":
            wanted = tuple(subject.name.split("/", 1))
        elif subject.kind == "database":
            wanted = ("database", subject.name)
        elif subject.of is not None:
            wanted = ("user", subject.of)
        else:
            return next(iter(self.table.keys), None)
        return wanted if wanted in self.table.keys else None

    def seek(self, finding: Finding) -> None:
        """Choose the view that has the row behind the finding."""
        subject = finding.subject
        if subject.kind == "pool":
            self._choose("pools")
        elif subject.kind == "database":
            self._choose("database")
        elif subject.of is not None:
            self._choose("user")
        else:
            self._choose("application")
        self.refilter()
        super().seek(finding)

    def _about(self) -> tuple[Finding, ...]:
        verdict, row = self.frame.verdict, self.table.cursor_row
        if verdict is None or row is None:
            return ()
        found = verdict.of(*self.RULES)
        if isinstance(row, PoolRow):
            return tuple(f for f in found if f.subject == Subject("pool", row.pool.name))
        crowd = cast(Crowd, row)
        server = Subject("setting", "max_connections")
        mine = {
            "database": Subject("database", crowd.name or ""),
            "user": Subject("setting", "rolconnlimit", of=crowd.name),
        }.get(crowd.by, server)
        return tuple(f for f in found if f.subject in (mine, server))

    def offered(self) -> tuple[Finding | Remedy, ...]:
        """The findings about the row."""
        return self._about()

    def on_live_table_selected(self) -> None:
        """Enter opens the detail."""
        self.hints = False
        self._open_detail()

    def on_live_table_moved(self) -> None:
        """The detail follows the cursor."""
        self._show_detail()

    def on_live_table_sort_changed(self) -> None:
        """`<`, `>` or a click on a head chose a column."""
        self.refilter()

    def _open_detail(self) -> None:
        if not self.query(Detail):
            self.mount(Detail())
        self.call_after_refresh(self._show_detail)

    def _show_detail(self) -> None:
        found = self.query(Detail)
        if found and found.first().is_mounted:
            found.first().show(self._detail())

    def _detail(self) -> Text:
        row, sessions = self.table.cursor_row, self._sample(Session)
        connections = self.facts.derived.get(Connections)
        if self.hints:
            most = connections.most_active if connections is not None else 0
            return hints_text(self._pooler(), most)
        if isinstance(row, PoolRow):
            return pool_text(row, self._pooler(), self._about())
        if row is None or not isinstance(sessions, Sample):
            return Text("nothing under the cursor")
        crowd = cast(Crowd, row)
        at = sessions.taken_at
        mine = [s for s in sessions.rows if s.client and shared(s, crowd.by) == crowd.name]
        return crowd_text(crowd, mine, at, self._about())

    # -- keys --------------------------------------------------------------------------------

    def action_none(self) -> None:
        """Enter is the table's; this stands for it in the footer."""

    def _choose(self, view: View) -> None:
        if view != self.view:
            self.view = view
            name = next(name for known, name in VIEWS.values() if known == view)
            self.table.sort_by(None, tell=False)
            self.table.show_rows([])  # rows of the other kind do not fit the new columns
            self.table.set_columns(pool_columns() if view == "pools" else crowd_columns(name))

    def action_view(self, view: View) -> None:
        """Show the sessions by something else, or the pools."""
        self._choose(view)
        self.refilter()

    def action_hints(self) -> None:
        """What a pooler changes and what each framework sets, or the row again."""
        self.hints = not self.hints
        self._open_detail()

    def action_back(self) -> None:
        """Close the detail, then forget the filter."""
        found = self.query(Detail)
        if found:
            self.hints = False
            found.first().remove()
            self.focus_inside()
        else:
            super().action_back()
