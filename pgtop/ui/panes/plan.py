"""The Plan tab: where a statement's time goes, why, and the DDL that ends it."""

from __future__ import annotations

import textwrap
from typing import Any, ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from pgtop.advice import Facts
from pgtop.analysis import units
from pgtop.model.insight import Insight
from pgtop.model.plan import PlanNode
from pgtop.report.plan_view import PlanMetric, PlanView
from pgtop.terminal.glyphs import SEVERITY
from pgtop.ui.detail import Detail
from pgtop.ui.lines import Line, Lines, clipped
from pgtop.ui.live_table import LiveTable
from pgtop.ui.plan_asking import Opened
from pgtop.ui.plan_columns import (
    FINDING_COLUMNS,
    METRICS,
    columns,
    diff_columns,
    first_folds,
    gone,
    paired,
    visible,
)
from pgtop.ui.plan_copying import PlanCopying
from pgtop.ui.table_columns import Column, Tone

NO_PLAN = (
    "no plan yet: e on a statement in Queries asks for one;"
    " or paste EXPLAIN's output here: text, JSON, YAML, XML, a log of auto_explain"
)

MOST_FINDINGS = 6
"""Lines of findings under the tree; the others are reached by n."""


class PlanTable(LiveTable[PlanNode]):
    """The tree: left and right fold, or go to the parent and the first child."""

    def action_column(self, step: int) -> None:
        """Fold or unfold; where there is nothing to, go up or down."""
        pane = next(node for node in self.ancestors if isinstance(node, PlanPane))
        pane.fold(opening=step > 0)


class PlanPane(PlanCopying):
    """One plan: tree, findings, nodes, and its predecessor."""

    NAME = "plan"
    DIGIT = "4"
    TITLE = "Plan"
    SHORT = "Plan"

    ACTING = frozenset({"plan.analyze"})

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "none", "node", id="plan.node"),
        Binding("n", "finding(1)", "next finding", id="plan.next"),
        Binding("N", "finding(-1)", "finding before", show=False, id="plan.before"),
        Binding("H", "hottest", "hottest", id="plan.hottest"),
        Binding("V", "values", "values", id="plan.values"),
        Binding("A", "analyze", "analyze…", id="plan.analyze"),
        Binding("d", "diff", "compare", id="plan.diff"),
        Binding("I", "what_if", "index?", id="plan.whatif"),
        Binding("p", "next_plan", "next of several", show=False, id="plan.several"),
        Binding("e", "ask_again", "ask again", id="plan.again"),
        Binding("X", "raw", "raw", show=False, id="plan.raw"),
        *(
            Binding(key, f"metric('{metric}')", f"by {name}", show=False, id=f"plan.{metric}")
            for key, (metric, name) in METRICS.items()
        ),
    ]

    DEFAULT_CSS = """
    PlanPane #plan-head { height: 2; }
    PlanPane #plan-findings { height: auto; max-height: 8; }
    """

    def __init__(self) -> None:
        super().__init__()
        self.before: Opened | None = None
        """The plan that was open before: what `d` compares with."""

        self.metric: PlanMetric = "time"
        self.comparing = False
        self._folded: set[int] = set()
        self._finding = -1
        self._refused = ""
        self._views: dict[int, PlanView] = {}

    def compose(self) -> ComposeResult:
        """Head, tree, findings."""
        yield Lines(id="plan-head")
        yield self.make_table()
        findings: LiveTable[tuple[int, Insight]] = LiveTable(
            FINDING_COLUMNS, key=lambda row: row[0], id="plan-findings", empty="no finding"
        )
        findings.display = False
        yield findings

    def make_table(self) -> LiveTable[Any]:
        """The tree; its columns come with the first plan."""
        tree: Column[PlanNode] = Column(
            "plan", "plan", lambda node: "", align="left", frozen=True, flex=True
        )
        return PlanTable((tree,), key=lambda node: node.number, id="plan-tree", empty=NO_PLAN)

    @property
    def table(self) -> LiveTable[Any]:
        """The tree."""
        return self.query_one("#plan-tree", LiveTable)

    # -- a plan comes in -----------------------------------------------------------------

    def open_text(self, text: str, way: str = "pasted") -> None:
        """Show a plan that was pasted or read from a file, or say why it is none."""
        from pgtop.analysis.plan.parse import parse
        from pgtop.model.plan import PlanError

        try:
            views = tuple(PlanView.of(plan) for plan in parse(text))
        except PlanError as error:
            self._say(f"this is no plan: {error}")
            return
        first = views[0].plan
        form = first.source.upper()
        self._open(Opened(views, f"{way} plan, {form}", first.query_text or "", raw=text))

    def _leave(self) -> None:
        self.before, self.opened = self.opened or self.before, None
        self.comparing, self.filter_text, self._refused = False, "", ""
        self.query(Detail).remove()
        self.findings.display = False
        self.table.empty = NO_PLAN
        self.table.show((), lambda index: None)

    def _open(self, opened: Opened) -> None:
        self.before, self.opened = self.opened or self.before, opened
        self._refused = ""
        self._at, self._finding, self.comparing = 0, -1, False
        self.filter_text = ""
        view = opened.views[0]
        self._folded = first_folds(view)
        self.table.action_home()
        self._paint()
        hot = self._hottest()
        if hot is not None:
            self.table.move_to(hot)
            # Before the first layout there is no height, so nothing to keep in view.
            self.call_after_refresh(self.table.move_to, hot)
        self._show_node()

    def _say(self, why: str) -> None:
        """Nothing new: the old plan stays, the reason is told."""
        if self.opened is not None:
            self._refused = why
        else:
            self.table.empty = why
            self.table.show((), lambda index: None)
        self._paint_head()

    def on_paste(self, event: events.Paste) -> None:
        """A plan from the clipboard."""
        event.stop()
        if event.text.strip():
            self.open_text(event.text)

    # -- painting --------------------------------------------------------------------------

    def show_facts(self, facts: Facts) -> None:
        """A plan does not change with the readings."""

    def refilter(self) -> None:
        """Search: the cursor goes to the first node that has the text."""
        if self.filter_text:
            self._seek(1, from_here=False)
        self._paint()

    def _matches(self, node: PlanNode) -> bool:
        needle = self.filter_text.lower()
        view = self.view
        if not needle or view is None:
            return False
        return needle in view.label(node).lower() or any(
            needle in value.lower() for value in node.raw.values() if isinstance(value, str)
        )

    def _paint(self) -> None:
        view, opened = self.view, self.opened
        if view is None or opened is None:
            return
        nodes = view.plan.nodes
        old = self.before.views[0] if self.comparing and self.before else None
        if old is not None:
            pairs = paired(view, old)
            self.table.set_columns(diff_columns(view, old, pairs))
            self.table.show(range(len(nodes)), nodes.__getitem__)
        else:
            shown = visible(view, self._folded)
            self.table.set_columns(columns(view, self.metric, self._folded, self._matches))
            self.table.show(shown, lambda index: nodes[shown[index]])
        rows = list(enumerate(view.insights, 1))
        self.findings.display = bool(rows) and old is None
        self.findings.show([number for number, _ in rows], rows.__getitem__)
        self._paint_head()

    def _paint_head(self) -> None:
        opened, view = self.opened, self.view
        if opened is None or view is None:
            self.head.show(Line(((f" {self._asking or 'Plan'}", "notice"),)))
            return
        left: list[tuple[str, Tone]] = [(f" {self._asking or opened.way}", "strong")]
        if opened.of:
            left.append((f"  {opened.of}", ""))
        if len(opened.views) > 1:
            left.append((f"  plan {self._at + 1} of {len(opened.views)}: p", "key"))
        if self.comparing and self.before is not None:
            lost = gone(self.before.views[0], paired(view, self.before.views[0]))
            left.append((f"  against: {self.before.way}", "notice"))
            if lost:
                left.append((f"  gone: {', '.join(lost[:3])}", "notice"))
        if self.filter_text:
            left.append((f"  /{self.filter_text}/", "key"))
        keys: list[tuple[str, Tone]] = []
        for key, (metric, name) in METRICS.items():
            keys += [
                (f"{key} ", "key"),
                (f"{name}  ", "strong" if metric == self.metric else "dim"),
            ]
        said = " · ".join((*view.summary(), *opened.notes))
        lines = [Line(tuple(left), tuple(keys)), *self._said(said, view)]
        if self._refused:
            words = textwrap.wrap(f"! {self._refused}", max(20, self.app.size.width - 2))
            lines = [Line(((f" {part}", "warning"),)) for part in words[:4]] + lines[1:]
        if opened.text:
            text = clipped(" ".join(opened.text.split()), self.app.size.width - 2)
            lines.insert(1, Line(((f" {text}", "strong"),)))
        self.head.styles.height = len(lines)
        self.head.show(*lines)

    def _said(self, said: str, view: PlanView) -> list[Line]:
        """How the plan came about, on two lines at most, beside how many findings there are."""
        count = len(view.insights)
        found: list[tuple[str, Tone]] = []
        if count:
            worst = view.insights[0].severity
            found = [(f" {SEVERITY[worst]}{units.plural(count, 'finding')}: n ", worst)]
        room = max(20, self.app.size.width - 2 - sum(len(text) for text, _ in found))
        parts = textwrap.wrap(said, room) or [""]
        if len(parts) > 2:
            parts = [parts[0], clipped(" ".join(parts[1:]), room)]
        return [
            Line(((f" {part}", "dim"),), () if number else tuple(found))
            for number, part in enumerate(parts)
        ]

    def _show_node(self) -> None:
        details, view = self.query(Detail), self.view
        node = self.table.cursor_row
        if not details or view is None or node is None or not details.first().is_mounted:
            return
        from pgtop.ui.plan_detail import node_text

        details.first().show(node_text(view, node))

    # -- moving ----------------------------------------------------------------------------

    def action_none(self) -> None:
        """Enter is the table's; this stands for it in the footer."""

    def on_live_table_selected(self, event: LiveTable.Selected) -> None:
        """Enter on a node opens it, on a finding goes to its node."""
        if event.table is self.findings:
            row = self.findings.cursor_row
            if row is not None:
                self._finding = row[0] - 1
                self._go(row[1].number)
                self.table.focus()
            return
        if not self.query(Detail):
            self.mount(Detail(), after=self.table)
        self.call_after_refresh(self._show_node)

    def on_live_table_moved(self, event: LiveTable.Moved) -> None:
        """The node's pane follows the cursor."""
        if event.table is self.table:
            self._show_node()

    def _go(self, number: int) -> None:
        """To a node, unfolding what hides it."""
        view = self.view
        if view is None:
            return
        hidden = len(self._folded)
        above = view.plan.parent(view.plan.nodes[number])
        while above is not None:
            self._folded.discard(above.number)
            above = view.plan.parent(above)
        if len(self._folded) != hidden:
            self._paint()
        self.table.move_to(number)
        self._show_node()

    def fold(self, *, opening: bool) -> None:
        """Left: fold, or go to the parent. Right: unfold, or go to the first child."""
        node, view = self.table.cursor_row, self.view
        if node is None or view is None or self.comparing:
            return
        if opening and node.number in self._folded:
            self._folded.discard(node.number)
        elif opening:
            if node.children:
                self.table.move_to(node.children[0])
            return
        elif node.children and node.number not in self._folded:
            self._folded.add(node.number)
        else:
            if node.parent is not None:
                self.table.move_to(node.parent)
            return
        self._paint()

    def action_finding(self, step: int) -> None:
        """To the next finding's node; while searching, to the next match."""
        view = self.view
        if self.filter_text:
            self._seek(step, from_here=True)
        elif view is not None and view.insights:
            self._finding = (self._finding + step) % len(view.insights)
            self.findings.move_to(self._finding + 1)
            self._go(view.insights[self._finding].number)
        elif view is not None:
            self.frame.note("no finding in this plan")

    def _seek(self, step: int, *, from_here: bool) -> None:
        view, node = self.view, self.table.cursor_row
        if view is None:
            return
        count = len(view.plan.nodes)
        start = node.number if node is not None else 0
        offsets = range(step, step * count, step) if from_here else range(count)
        for offset in offsets:
            number = (start + offset) % count
            if self._matches(view.plan.nodes[number]):
                self._go(number)
                return

    def _hottest(self) -> int | None:
        view = self.view
        if view is None:
            return None
        return max(
            range(len(view.plan.nodes)),
            key=lambda number: view.share(view.plan.nodes[number], self.metric) or 0.0,
        )

    def action_hottest(self) -> None:
        """To the node with the greatest share of the metric."""
        hottest = self._hottest()
        if hottest is not None:
            self._go(hottest)

    def action_metric(self, metric: PlanMetric) -> None:
        """Bars and shares by another metric."""
        self.metric = metric
        self._paint()

    def action_next_plan(self) -> None:
        """The next of several plans."""
        if self.opened is None or len(self.opened.views) < 2:
            return
        self._at = (self._at + 1) % len(self.opened.views)
        self._finding = -1
        self._folded = first_folds(self.opened.views[self._at])
        self._paint()

    def compare(self) -> None:
        """Against the plan that was open before."""
        self.comparing = True
        self._paint()

    def action_diff(self) -> None:
        """Side by side with the plan that was open before; once more ends it."""
        if self.before is None:
            self.frame.note("there is no plan before this one to compare with")
            return
        self.comparing = not self.comparing
        self._paint()

    def action_back(self) -> None:
        """End what is asked, close the node, the comparison, the search."""
        if self._asking:
            self.workers.cancel_group(self, "plan")
            self._asking = ""
            self.frame.note("cancelled")
            self._paint_head()
        elif self._refused:
            self._refused = ""
            self._paint_head()
        elif self.query(Detail):
            self.query(Detail).first().remove()
            self.focus_inside()
        elif self.comparing:
            self.action_diff()
        elif self.filter_text:
            self.filter_text = ""
            self._paint()
        else:
            super().action_back()
