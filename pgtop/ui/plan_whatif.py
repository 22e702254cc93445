"""Today's plan beside the one that an index would give. Nothing is built, nothing is run."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from pgtop.analysis import units
from pgtop.model.advice import Advice, Advise, Work
from pgtop.model.insight import PlanFacts
from pgtop.model.plan import Plan
from pgtop.model.plan_request import PlanOf, StatementPlanOf
from pgtop.report.plan_view import PlanView
from pgtop.ui.plan_asking import Opened

SEARCHED_S = 10.0
"""For the search; what was found until then is the answer."""

_PRETENDED = re.compile(r"<\d+>\w+\Z")
"""How HypoPG calls its indexes: `<13540>btree_orders_user_id`."""


@dataclass(frozen=True, slots=True)
class WhatIf:
    """What came of it: the two plans, or a sentence in their place."""

    before: Opened | None
    after: Opened | None
    said: str


def question(opened: Opened | None) -> Advise | None:
    """What to ask about the plan in view; None where it came without its statement."""
    request = opened.request if opened else None
    if isinstance(request, StatementPlanOf):
        return Advise(keys=(request.key,), seconds=SEARCHED_S, plans=True, weighed=False)
    if isinstance(request, PlanOf):
        work = Work(
            name="this statement", text=request.text, search_path=request.search_path,
            role=request.role,
        )  # fmt: skip
        return Advise(works=(work,), seconds=SEARCHED_S, plans=True, weighed=False)
    return None


def outcome(advice: Advice, opened: Opened, facts: PlanFacts | None) -> WhatIf:
    """Both plans, where an index helps and the planner itself has said what it would do."""
    if not advice.indexes:
        reasons = [said.why for said in (*advice.not_handled, *advice.notes)]
        why = reasons[0] if reasons else "none makes it a twentieth cheaper"
        return WhatIf(None, None, f"no index is advised: {why}")
    gain = next(iter(advice.statements), None)
    ddl = "; ".join(f"{each.table.name} {each.index.words}" for each in advice.indexes)
    if gain is None or gain.plan_before is None or gain.plan_after is None:
        why = advice.why_not_verified or "our own arithmetic had a part in it"
        figures = "" if gain is None else f", cost {_costs(gain.cost_before, gain.cost_after)}"
        return WhatIf(None, None, f"index {ddl}{figures}; but no plan with it: {why}")
    told = f"cost {_costs(gain.cost_before, gain.cost_after)} by the planner, with HypoPG"
    before = replace(
        opened, views=(PlanView.of(gain.plan_before, facts),), way="today's plan", raw="", notes=()
    )
    after = replace(
        opened, views=(PlanView.of(_named(gain.plan_after), facts),), way=f"what if: {ddl}",
        notes=(told, "nothing was built: y copies the DDL, a keeps it"), raw="",
        offers=tuple(each.finding for each in advice.indexes),
    )  # fmt: skip
    return WhatIf(before, after, told)


def _costs(before: float, after: float) -> str:
    factor = f" (÷{before / after:,.3g})" if 0 < after < before else ""
    return f"{units.count(before)} → {units.count(after)}{factor}"


def _named(plan: Plan) -> Plan:
    """The plan with its pretended indexes called what they are."""
    nodes = tuple(
        replace(node, raw={**node.raw, "Index Name": "(not built)"})
        if _PRETENDED.match(node.text("Index Name") or "")
        else node
        for node in plan.nodes
    )
    return replace(plan, nodes=nodes)
