"""The tray behind every tab: `a` puts a remedy in, files keep it, one a server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, Literal

from textual.app import App

from pgtop.migration.apart import apart
from pgtop.model.finding import Finding, Remedy, Subject
from pgtop.model.sample import Sample
from pgtop.model.server import Link, Server
from pgtop.model.tray import Tray, entry_of, from_plain, plain
from pgtop.ui.schedule import Schedule


class TrayKeeping(App[int]):
    """The part of the app that keeps remedies."""

    schedule: Schedule
    _tray: Tray = Tray("")
    _loading: str | None = None
    """The server whose file is being read."""

    _one_at_a_time: asyncio.Lock | None = None

    def note(self, message: str, severity: str = "information") -> None:
        """Say something at the foot."""
        raise NotImplementedError  # the app's

    @property
    def tray(self) -> Tray:
        """The tray of the server and database on screen; empty before the first reading."""
        server = self.tray_server()
        if server is None:
            return Tray("")
        if self._tray.server != server:
            if self._loading != server:
                self._loading = server
                self.run_worker(self._kept(server, lambda tray: tray), group="tray-file")
            return Tray(server)
        return self._tray

    def tray_server(self) -> str | None:
        """`host:port/database`, once known."""
        link, server = self._row(Link), self._row(Server)
        if link is None or server is None:
            return None
        return f"{link.host}:{link.port}/{server.database}"

    def add_to_tray(
        self, what: Finding | Remedy | Iterable[Finding | Remedy], source: str = ""
    ) -> None:
        """Keep remedies, of findings or as they are; `source` names what a bare one is for."""
        several = [what] if isinstance(what, (Finding, Remedy)) else list(what)
        server, row = self.tray_server(), self._row(Server)
        if server is None or row is None:
            self.note("the server is not known yet", "warning")
            return
        at = self.schedule.board.reading.taken_at if self.schedule.board.reading else 0.0
        entries = [
            found
            for each in several
            if (found := entry_of(_as_finding(each, source), server=server, version=row.version,
                                  at=at)) is not None
        ]  # fmt: skip
        if not entries:
            reasons = [f.no_remedy for f in several if isinstance(f, Finding) and f.no_remedy]
            self.note(reasons[0] if reasons else "there is nothing to run here", "warning")
            return

        def added(tray: Tray) -> Tray:
            for entry in entries:
                tray = tray.with_entry(apart(entry, tray.entries))
            return tray

        before = len(self.tray.entries)
        self.change_tray(added)
        new = len(self.tray.entries) - before
        known = f" ({len(entries) - new} known already)" if new < len(entries) else ""
        count = len(self.tray.entries)
        self.note(f"into the DDL tray: {new} new{known}, {count} in all (9 shows them)")

    def change_tray(self, change: Callable[[Tray], Tray]) -> None:
        """Change what is on screen at once, and the file behind it soon."""
        self._tray = change(self.tray)
        self._loading = self._tray.server
        self.run_worker(self._kept(self._tray.server, change), group="tray-file")

    async def _kept(self, server: str, change: Callable[[Tray], Tray]) -> None:
        """Another pgtop may have changed the file: the change is made to what it holds now."""
        if self._one_at_a_time is None:
            self._one_at_a_time = asyncio.Lock()
        async with self._one_at_a_time:
            try:
                kept, trouble = await asyncio.to_thread(_changed, server, change)
            except OSError as error:
                self.note(f"the tray could not be kept: {error}", "warning")
                return
        if trouble:
            self.note(trouble, "warning")
        if self.tray_server() == server:
            self._tray = kept
            self.tray_changed()

    def tray_changed(self) -> None:
        """The file was read, or written."""

    def _row(self, row_type: type[Any]) -> Any:
        sample = self.schedule.board.samples.get(row_type)
        return sample.rows[0] if isinstance(sample, Sample) and sample.rows else None


def _changed(server: str, change: Callable[[Tray], Tray]) -> tuple[Tray, str]:
    """What the file holds after `change`, and what was wrong with it. Raises OSError."""
    from pgtop.state.tray import UnreadableTray, load, save, set_aside

    trouble = ""
    try:
        before = Tray(server, tuple(map(from_plain, load(server))))
    except (UnreadableTray, KeyError, TypeError, ValueError) as error:
        why = str(error) if isinstance(error, UnreadableTray) else "the kept tray is damaged"
        trouble = f"{why}: set aside as {set_aside(server)}"
        before = Tray(server)
    after = change(before)
    if after != before:
        written = save(server, [plain(entry) for entry in after.entries])
        trouble = trouble or (f"kept elsewhere: {written.note}" if written.note else "")
    return after, trouble


def _as_finding(what: Finding | Remedy, source: str) -> Finding:
    if isinstance(what, Finding):
        return what
    from pgtop.analysis.ddl_parts import understood  # 5 ms, when something is kept
    from pgtop.analysis.table_locks import target_of

    target = next((t for sql in what.sql if (t := target_of(understood(sql))) is not None), None)
    subject = Subject("server", source)
    if target is not None:
        kind: Literal["index", "table"] = "index" if target.kind == "index" else "table"
        subject = Subject(kind, target.name, target.schema, target.table)
    return Finding(
        rule=source or "by hand", severity="notice", subject=subject,
        title=f"{source} of {subject.name}", why=f"proposed by the {source} tab", remedy=what,
    )  # fmt: skip
