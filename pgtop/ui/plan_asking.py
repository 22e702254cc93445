"""The part of the Plan tab that asks: for a statement's plan, with values, again, and for real."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from textual import work

from pgtop.model.advice import Advice
from pgtop.model.finding import Finding
from pgtop.model.plan_request import PlanAnswer, PlanOf, StatementPlanOf, Values
from pgtop.model.request import AnswerT, Request
from pgtop.model.sample import Sample, SourceError
from pgtop.model.statement import StatementKey
from pgtop.report.plan_view import PlanView
from pgtop.ui.live_pane import LivePane


@dataclass(frozen=True, slots=True)
class Opened:
    """A plan on screen, and how to ask for it again."""

    views: tuple[PlanView, ...]
    way: str
    text: str
    """The statement, or what was pasted."""

    notes: tuple[str, ...] = ()
    of: str = ""
    """Database and role."""

    request: Request[PlanAnswer] | None = None
    raw: str = ""
    offers: tuple[Finding, ...] = ()
    """What `y` and `a` take in place of the findings: the indexes of a what-if plan."""


class PlanAsking(LivePane):
    """Asks the server; what comes back is opened by the pane."""

    def __init__(self) -> None:
        super().__init__()
        self.opened: Opened | None = None
        self._asking = ""

    def _open(self, opened: Opened) -> None:
        raise NotImplementedError  # the pane's

    def _leave(self) -> None:
        """Another statement: a plan that is refused must not stand under the last one's."""
        raise NotImplementedError  # the pane's

    def _say(self, why: str) -> None:
        raise NotImplementedError  # the pane's

    def _paint_head(self) -> None:
        raise NotImplementedError  # the pane's

    def open_statement(self, key: StatementKey, text: str = "", database: str = "") -> None:
        """Ask for the plan of a statement of pg_stat_statements."""
        self._leave()
        self._ask(StatementPlanOf(key=key), f"asking for the plan of {text[:60]} …")

    def open_request(self, request: Request[PlanAnswer]) -> None:
        """Ask for any plan."""
        self._leave()
        self._ask(request, "asking for the plan …")

    @work(group="plan", exclusive=True)
    async def _ask(self, request: Request[PlanAnswer], words: str) -> None:
        answer = await self._answered(request, words)
        if answer is not None:
            self._take(answer, request)

    async def _answered(self, request: Request[AnswerT], words: str) -> AnswerT | None:
        """The answer, the head saying meanwhile what is asked; None, and why, where refused."""
        self._asking = words
        self._paint_head()
        try:
            return cast("AnswerT", await self.frame.ask(request))
        except SourceError as error:
            self._asking = ""
            self.remedy = error.remedy
            self._say(error.why)
            return None
        finally:
            self._asking = ""

    def _take(self, answer: PlanAnswer, request: Request[PlanAnswer]) -> None:
        self._open(
            Opened(
                views=tuple(
                    self._agreeing(PlanView.of(plan, answer.facts), request)
                    for plan in answer.plans
                ),
                way=answer.way, text=answer.text, notes=answer.notes,
                of=f"{answer.database} as {answer.role}", request=request,
            )
        )  # fmt: skip

    def _agreeing(self, view: PlanView, request: Request[PlanAnswer]) -> PlanView:
        """Where the search over the busiest statements advised an index for this one, its index
        stands here too: it has weighed what writes pay, which one plan cannot tell."""
        found = self.frame.schedule.board.samples.get(Advice)
        if not isinstance(request, StatementPlanOf) or not isinstance(found, Sample):
            return view
        for advice in found.rows:
            for advised in advice.indexes:
                if any(gain.key == request.key for gain in advised.gains):
                    view = view.with_index(advised.table.sql, advised.finding)
        return view

    def action_ask_again(self) -> None:
        """The same question once more: after an index was made, d compares."""
        request = self.opened.request if self.opened else None
        if request is None:
            self._say("this plan was pasted: there is nothing to ask")
        else:
            self._ask(request, "asking again …")

    @work(group="plan", exclusive=True)
    async def action_what_if(self) -> None:
        """Look for an index, and show the plan that it would give beside today's."""
        from pgtop.ui.plan_whatif import outcome, question

        opened = self.opened
        asked = question(opened)
        if opened is None:
            self._say("no plan is open: e on a statement in Queries asks for one")
            return
        if asked is None:
            self._say("a pasted plan has no statement to plan again: e on one in Queries")
            return
        advice = await self._answered(
            asked, "looking for indexes on a second connection; Esc ends it …"
        )
        if advice is None:
            return
        found = outcome(advice, opened, opened.views[0].context.facts)
        if found.before is None or found.after is None:
            self._say(found.said)
            return
        self._open(found.before)
        self._open(found.after)
        self.compare()

    def compare(self) -> None:
        """Show the plan against the one before it."""
        raise NotImplementedError  # the pane's

    def action_values(self) -> None:
        """Values for the parameters: typed, or those that pg_stats knows."""
        if self._plan_request() is None:
            self.frame.note("values are for statements of a server: e on one in Queries")
            return
        from pgtop.ui.plan_values import ValuesLine

        if not self.query(ValuesLine):
            self.mount(ValuesLine(self))

    def _plan_request(self) -> PlanOf | None:
        """The question about the text in view, whatever led to it."""
        opened = self.opened
        if opened is None or opened.request is None:
            return None
        if isinstance(opened.request, PlanOf):
            return opened.request
        return PlanOf(text=opened.text)

    def use_values(self, typed: tuple[str, ...]) -> None:
        """Ask with these values; without any, with the most common and the typical ones."""
        request = self._plan_request()
        if request is None:
            return
        if typed:
            self._ask(_with_values(request, "typed", typed), "asking with these values …")
        else:
            self._ask_samples(request)

    @work(group="plan", exclusive=True)
    async def _ask_samples(self, request: PlanOf) -> None:
        """Most common and typical values of pg_stats: both plans if they differ."""
        self._asking = "asking with values of pg_stats …"
        self._paint_head()
        try:
            common, typical = [
                await self.frame.ask(_with_values(request, values))
                for values in ("common", "typical")
            ]
        except SourceError as error:
            self._asking = ""
            self._say(error.why)
            return
        finally:
            self._asking = ""
        both = _differ(common, typical)
        way = "most common (1) and typical (2) values of pg_stats" if both else common.way
        plans = (*common.plans, *typical.plans) if both else common.plans
        self._take(
            PlanAnswer(plans, way, common.text, common.notes, common.facts, common.database,
                       common.role),
            request,
        )  # fmt: skip

    @work(group="plan", exclusive=True)
    async def action_analyze(self) -> None:
        """Run it, after a question that says where and what."""
        from pgtop.ui.plan_analyze import asked_to_run

        request = self._plan_request()
        if not self.frame.config.allow_actions:
            self._say("start pgtop with --allow-actions to run statements")
            return
        if request is None or self.opened is None:
            self._say("this plan was pasted: there is nothing to run")
            return
        self._asking = "looking at what it would do …"
        self._paint_head()
        try:
            run = await asked_to_run(self.app, request, self.opened.text)
            if run is None:
                return
            self._asking = "running it, read only; Esc ends it on the server …"
            self._paint_head()
            answer = await self.frame.ask(run)
        except SourceError as error:
            self._asking = ""
            self._say(error.why)
            return
        finally:
            self._asking = ""
            self._paint_head()
        self._take(answer, run)


def _with_values(request: PlanOf, values: Values, typed: tuple[str, ...] = ()) -> PlanOf:
    return PlanOf(
        text=request.text, dbname=request.dbname, search_path=request.search_path,
        role=request.role, values=values, typed=typed, length=request.length,
    )  # fmt: skip


def _differ(one: PlanAnswer, other: PlanAnswer) -> bool:
    """Whether two plans have another shape."""

    def shape(answer: PlanAnswer) -> list[Any]:
        return [
            (node.node_type, node.text("Index Name"), node.children)
            for plan in answer.plans
            for node in plan.nodes
        ]

    return shape(one) != shape(other)
