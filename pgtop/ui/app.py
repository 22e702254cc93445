"""The application: a header, a line of tabs, one pane, a line of keys."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from importlib import import_module
from typing import Any, ClassVar

from textual import events
from textual.app import App, ComposeResult, SystemCommand
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.filter import Monochrome, NoColor
from textual.screen import Screen

from pgtop.advice import Facts, Judge, Rule
from pgtop.advice.verdict import Verdict
from pgtop.analysis.groups import GROUPS, Group
from pgtop.config import Config
from pgtop.model.finding import Finding
from pgtop.model.request import Request
from pgtop.model.sample import Reading, Source
from pgtop.model.statement import StatementKey
from pgtop.terminal.probe import Probe
from pgtop.ui.advising import Advising
from pgtop.ui.around import badges, key_line, tab_line
from pgtop.ui.copying import Copying, swallow_replies
from pgtop.ui.ending import Ending
from pgtop.ui.header import FULL_WIDTH, header_lines
from pgtop.ui.lines import Line, Lines
from pgtop.ui.live_pane import LivePane
from pgtop.ui.memory import Tidying
from pgtop.ui.messages import Message, message
from pgtop.ui.palette import commands
from pgtop.ui.panes import PANES, owner
from pgtop.ui.schedule import Lanes, Schedule
from pgtop.ui.table_columns import Tone
from pgtop.ui.themes import theme_of
from pgtop.ui.tray_keeping import TrayKeeping

LEAST_WIDTH, LEAST_HEIGHT = 60, 15
"""Below this the screen says that it is too small."""

TITLES = {tab.DIGIT: tab.TITLE for tab in PANES}

LEAVING = frozenset({"q", "ctrl+c", "ctrl+q", "ctrl+z"})

INTERVALS = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)


class PgtopApp(Advising, Copying, TrayKeeping, Tidying, Ending, App[int]):
    """Live PostgreSQL inspection."""

    CSS_PATH = "pgtop.tcss"
    TITLE = "pgtop"
    AUTO_FOCUS = "LiveTable"
    ENABLE_COMMAND_PALETTE = True

    BINDINGS: ClassVar[list[BindingType]] = [
        *(
            Binding(digit, f"tab({digit})", TITLES.get(digit, ""), show=False, id=f"tab.{digit}")
            for digit in "123456789"
        ),
        Binding("space", "freeze", "freeze", show=False, id="app.freeze"),
        Binding("R", "refresh_now", "read now", show=False, id="app.refresh"),
        Binding("plus", "interval(1)", "slower", show=False, id="app.slower"),
        Binding("minus", "interval(-1)", "faster", show=False, id="app.faster"),
        Binding("colon,ctrl+p", "command_palette", "palette", show=False, id="app.palette"),
        Binding("question_mark", "help", "help", id="app.help"),
        Binding("q,ctrl+c,ctrl+q", "leave", "quit", id="app.quit"),
        Binding("ctrl+z", "suspend_process", "suspend", show=False, id="app.suspend"),
    ]

    def __init__(
        self,
        source: Source,
        *,
        config: Config | None = None,
        rules: Sequence[Rule] | None = None,
        seconds: float | None = None,
        first_pane: str | None = None,
        first_reading: Awaitable[Reading] | None = None,
        probe: Probe | None = None,
        groups: Mapping[str, Group] = GROUPS,
    ) -> None:
        """Without `rules`, all of them, imported once the first rows are on screen; `groups` are
        read in the background."""
        self.config = config or Config()
        self.ascii_only = self.config.ascii
        self.probe = probe or Probe()
        if self.probe.outstanding:
            swallow_replies()
        super().__init__()
        self.source = source
        self.groups = groups
        self._judge = None if rules is None else Judge(rules)
        self.seconds = seconds
        self.verdict: Verdict | None = None
        self._badges_of: Verdict | None = None
        self._badges: dict[str, tuple[str, Tone]] = {}
        self.message: Message | None = None
        self.panes: dict[str, LivePane] = {}
        self.current: LivePane | None = None
        self._first = first_pane
        self.schedule = Schedule(
            source,
            interval=self.config.interval,
            lanes=self._lanes,
            on_change=self.on_reading,
            first=first_reading,
            groups=groups,
            on_group=self._group_read,
            ahead=lambda: self.current.AHEAD if self.current else frozenset(),
        )
        self.theme = "ansi-dark" if self.no_color else theme_of(self.config.theme, self.probe)
        if self.no_color:  # Textual's own answer to NO_COLOR is greys, which are colours
            self._filters = [
                NoColor() if isinstance(each, Monochrome) else each for each in self._filters
            ]

    # -- the frame -----------------------------------------------------------------------

    def compose(self) -> ComposeResult:
        """Header, tabs, panes, footer."""
        yield Lines(id="header")
        yield Lines(id="tabs")
        yield Container(id="panes")
        yield Lines(id="footer")

    async def on_mount(self) -> None:
        """Show the first tab and begin to read; the other tabs are built when first opened."""
        self.set_keymap(dict(self.config.keys))
        self.watch_terminal()
        first = next((p for p in PANES if self._first == p.NAME), PANES[0])
        await self.show_pane(first.NAME)
        task = self.schedule.start()
        task.add_done_callback(self._schedule_ended)
        self.set_interval(1.0, self.tick)
        self.keep_tidy()
        self.put_keys_first()
        if self.seconds is not None:
            self.set_timer(self.seconds, lambda: self.exit(0))

    def _schedule_ended(self, task: Any) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._handle_exception(error)

    async def show_pane(self, name: str) -> LivePane:
        """Bring a tab into view, at once with what is known, and have it read."""
        pane = self.panes.get(name)
        if pane is None:
            pane = self.panes[name] = next(p for p in PANES if name == p.NAME).load()()
            pane.display = False
            await self.query_one("#panes").mount(pane)
        if pane is not self.current:
            if self.current is not None:
                self.current.display = False
            pane.display = True
            self.current = pane
            pane.focus_inside()
            self.paint()
            self.schedule.now()
        return pane

    def on_resize(self, event: events.Resize) -> None:
        """Two lines of header where there is room; a sentence where there is none."""
        width, height = event.size
        self.set_class(width < LEAST_WIDTH or height < LEAST_HEIGHT, "-small")
        self.set_class(width >= FULL_WIDTH, "-wide")
        self.tick()

    # -- data ----------------------------------------------------------------------------

    def _lanes(self) -> Lanes:
        lanes: dict[type[Any], float] = {}
        for pane in (*self.panes.values(),):
            if pane is self.current:
                lanes.update(pane.LANES)
        return lanes

    async def on_event(self, event: events.Event) -> None:
        """As Textual's; on a screen too small to show what a key does, only those that leave.
        A key never goes to what is gone."""
        if isinstance(event, events.Key):
            if self.message is not None and self.message.read_by(time.monotonic()):
                self.message = None
                self.tick()
            if self.has_class("-small") and event.key not in LEAVING:
                return
            focused = self.screen.focused if self.screen_stack else None
            if focused is not None and not focused.is_attached:
                self.screen.set_focus(None)
                if self.current is not None and len(self.screen_stack) == 1:
                    self.current.focus_inside()
        await super().on_event(event)

    @property
    def facts(self) -> Facts:
        """What rules and panes may look at."""
        board = self.schedule.board
        return Facts(board.samples, board.derived)

    async def on_reading(self, of_tab: bool = True) -> None:
        """A reading arrived, or failed: show it, then judge it, a rule at a time."""
        if of_tab or (self.current is not None and self.current.SHOWS_ALL):
            self.paint()
        else:
            self.tick()
        if self.schedule.status.anew:
            self.note(self.schedule.status.anew, "warning")
            self.schedule.status.anew = ""
        before = self.verdict
        if self._judge is None:
            found = await asyncio.to_thread(import_module, "pgtop.advice.rules")
            self._judge = Judge(found.RULES)
        for _ in self._judge.steps(self.facts):
            await self.give_way()
        self.verdict = self._judge.verdict
        self.advise_when_due()
        if self.verdict is not before:
            self.paint()

    async def _group_read(self, name: str) -> None:
        """What rules want asked beyond what a group brought."""
        from pgtop.advice.questions import ask_definitions, ask_sequences

        board = self.schedule.board
        if name == "indexes":
            await ask_sequences(self.source, board)
        elif name == "statistics" and self.verdict is not None:
            await ask_definitions(self.source, board, self.verdict.of("index."))

    def paint(self) -> None:
        """Everything from what is known now."""
        pane = self.current
        if pane is None or not self.is_running:
            return
        board = self.schedule.board
        pane.table.set_stale(not self.schedule.status.connected)
        if board.reading is not None:
            pane.facts = self.facts
            pane.show_facts(pane.facts)
            pane.shown()
            pane.settle()
        self.tick()

    def tick(self) -> None:
        """Header, tabs and footer, each redrawn only if it says something else."""
        if not self.screen_stack:
            return
        frame = self.screen_stack[0]
        if not frame.query("#header"):
            return
        now = time.monotonic()
        schedule = self.schedule
        width = self.size.width
        if self.has_class("-small"):
            size = f"{self.size.width}x{self.size.height}"
            text = f"pgtop needs {LEAST_WIDTH}x{LEAST_HEIGHT}, this is {size}"
            frame.query_one("#header", Lines).show(Line(((text, "warning"),)))
            return
        frame.query_one("#header", Lines).show(
            *header_lines(
                schedule.board,
                schedule.status,
                width,
                now,
                schedule.interval,
                schedule.ms_per_s,
            )
        )
        frame.query_one("#tabs", Lines).show(self._tab_line(width))
        self._show_footer(frame.query_one("#footer", Lines), width, now)

    def _show_footer(self, footer: Lines, width: int, now: float) -> None:
        """The message while there is one, else the keys."""
        lines: tuple[Line, ...] = (key_line(self.shown_keys(), width),)
        if self.message is not None and now < self.message.until:
            lines = self.message.lines(width)
        if footer.styles.height is None or footer.styles.height.value != len(lines):
            footer.styles.height = len(lines)
        footer.show(*lines)

    def _tab_line(self, width: int) -> Line:
        chosen = self.current.NAME if self.current is not None else None
        if self.verdict is not self._badges_of:
            self._badges_of = self.verdict
            self._badges = badges(self.verdict) if self.verdict else {}
        kept = len(self.tray.entries)
        tray: dict[str, tuple[str, Tone]] = {"tray": (f" {kept}", "key")} if kept else {}
        return tab_line(chosen, {**self._badges, **tray}, width)

    def shown_keys(self) -> list[tuple[str, str]]:
        """(key, what it does) of the current tab and the app, for footer and help."""
        nodes: list[Any] = [self.current] if self.current else []
        keys: dict[str, str] = {}
        barred: frozenset[str | None] = frozenset()
        if self.current is not None and not self.config.allow_actions:
            barred = frozenset(self.current.ACTING)
        for node in (*nodes, self):
            for many in node._bindings.key_to_bindings.values():
                for bound in many:
                    if bound.show and bound.description and bound.id not in barred:
                        key = self.get_key_display(bound)
                        known = keys.get(bound.description)
                        if known is None or key.isalnum() > known.isalnum():
                            keys[bound.description] = key
        return [(key, description) for description, key in keys.items()]

    def get_key_display(self, binding: Binding) -> str:
        """Keys by the names printed on them."""
        names = {"enter": "Enter", "escape": "Esc", "space": "space"}
        return names.get(binding.key) or super().get_key_display(binding)

    # -- what panes use --------------------------------------------------------------------

    async def ask(self, request: Request[Any]) -> Any:
        """Pass a question to the server; cancelling the caller ends it there."""
        return await self.schedule.ask(request)

    def show_plan(self, key: StatementKey) -> None:
        """Open the Plan tab and ask for this statement's plan."""

        back = self.current.NAME if self.current is not None else None

        async def open_plan() -> None:
            from pgtop.ui.panes.plan import PlanPane

            pane = await self.show_pane("plan")
            pane.came_from = back if back != "plan" else None
            if isinstance(pane, PlanPane):
                pane.open_statement(key)

        self.call_later(open_plan)

    def show_finding(self, finding: Finding) -> None:
        """Open the tab that explains it, with the cursor on the row behind it."""
        if finding.subject.kind == "sequence" and finding.subject.of is None:
            self.note("no column takes its values: all that is known of it stands here")
            return
        tab = owner(finding)
        back = self.current.NAME if self.current is not None else None

        async def open_tab(name: str) -> None:
            pane = await self.show_pane(name)
            pane.came_from = back
            pane.seek(finding)

        if tab is not None:
            self.call_later(open_tab, tab.NAME)

    def note(self, text: str, severity: str = "information") -> None:
        """A message at the foot, in place of the keys; `information`, `warning` or `error`."""
        self.message = message(text, severity)
        self.tick()
        self.set_timer(self.message.until - time.monotonic() + 0.05, self.tick)

    def tray_changed(self) -> None:
        """The tray's file was read, or written: its badge and its tab follow."""
        self.paint()

    # -- keys ----------------------------------------------------------------------------

    async def action_tab(self, digit: int) -> None:
        """Bring the tab of this digit into view."""
        for pane in PANES:
            if str(digit) == pane.DIGIT:
                await self.show_pane(pane.NAME)
                return
        self.note(f"there is no tab {digit} yet")

    def action_freeze(self) -> None:
        """Stop reading, or go on."""
        self.schedule.freeze(self.schedule.status.frozen_at is None)
        self.tick()

    def action_refresh_now(self) -> None:
        """Read at once, also what was refused before."""
        self.schedule.now(again=True)

    def action_interval(self, step: int) -> None:
        """Read less often, or more."""
        steps = INTERVALS
        nearest = min(range(len(steps)), key=lambda i: abs(steps[i] - self.schedule.interval))
        self.schedule.interval = steps[max(0, min(len(steps) - 1, nearest + step))]
        self.schedule.now()
        self.tick()

    def action_help(self) -> None:
        """All keys."""
        from pgtop.ui.screens.help import HelpScreen

        self.push_screen(HelpScreen(self.current))

    def action_leave(self) -> None:
        """Quit, from wherever one is."""
        self.exit(0)

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """What the palette offers."""
        return commands(self, self.current)

    async def on_unmount(self) -> None:
        """Leave the server."""
        await self.schedule.stop()
        await self.source.close()
