"""What leaves the Plan tab: DDL to the clipboard and the tray, a report, the plan as it came."""

from __future__ import annotations

from typing import Any

from pgtop.model.finding import Finding, Remedy, Subject
from pgtop.model.insight import Insight
from pgtop.report.plan_view import PlanView
from pgtop.ui.live_table import LiveTable
from pgtop.ui.plan_asking import PlanAsking


class PlanCopying(PlanAsking):
    """The part of the tab that gives what stands at the cursor."""

    def __init__(self) -> None:
        super().__init__()
        self._at = 0
        """Which of the plans that came together is in view."""

    @property
    def findings(self) -> LiveTable[Any]:
        """The list under it."""
        return self.query_one("#plan-findings", LiveTable)

    @property
    def view(self) -> PlanView | None:
        """The plan in view."""
        return self.opened.views[self._at] if self.opened else None

    def _at_cursor(self) -> tuple[Insight, ...]:
        """The finding under the cursor of the list, or those of the node under the tree's."""
        view, node = self.view, self.table.cursor_row
        if view is None or node is None:
            return ()
        chosen = self.findings.cursor_row if self.findings.has_focus else None
        return (chosen[1],) if chosen else view.by_node.get(node.number, ())

    def copied_text(self) -> tuple[str, str] | None:
        """The DDL of the finding at the cursor; else all that is known of the node."""
        offers = self.opened.offers if self.opened else ()
        if offers:
            return "\n".join(s for f in offers if f.remedy for s in f.remedy.sql), "DDL"
        for insight in self._at_cursor():
            if insight.remedy is not None:
                return "\n".join(insight.remedy.sql), "DDL"
        view, node = self.view, self.table.cursor_row
        if view is None or node is None:
            return super().copied_text()
        from pgtop.ui.plan_detail import node_text

        return node_text(view, node).plain, "node"

    def offered(self) -> tuple[Finding | Remedy, ...]:
        """The findings at the cursor that have DDL, as the tray keeps them."""
        view = self.view
        if self.opened is not None and self.opened.offers:
            return self.opened.offers
        found = self._at_cursor()
        kept = tuple(each for each in found if each.remedy is not None) or found[:1]
        if view is None:
            return ()
        return tuple(
            Finding(
                rule=each.rule, severity=each.severity,
                subject=Subject("plan", view.label(view.plan.nodes[each.number])),
                title=each.title, why=each.why, evidence=each.evidence, remedy=each.remedy,
                no_remedy=each.no_remedy, confidence="planner" if not view.plan.analyzed
                else "measured",
            )
            for each in kept
        )  # fmt: skip

    def action_copy_all(self) -> None:
        """The whole report, for a ticket."""
        view = self.view
        if view is None:
            return
        from pgtop.report.plan import markdown_lines

        self.frame.copy_text("\n".join(markdown_lines(view)) + "\n", "report")

    def action_raw(self) -> None:
        """The plan as it came, for other tools."""
        view, opened = self.view, self.opened
        if view is None or opened is None:
            return
        from pgtop.report.plan import raw_json
        from pgtop.ui.screens.text import TextScreen

        self.app.push_screen(TextScreen(opened.raw or raw_json(view.plan)))
