"""Questions about the plan of a statement, and what their answers hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pgtop.model.insight import PlanFacts
from pgtop.model.plan import Plan
from pgtop.model.request import Request
from pgtop.model.statement import StatementKey

Values = Literal["generic", "common", "typical", "typed"]
"""Where a statement's parameters come from: nowhere, pg_stats, or the user."""


@dataclass(frozen=True, slots=True)
class PlanAnswer:
    """A plan that the server made."""

    plans: tuple[Plan, ...]
    """Several where a rule rewrites the statement into several."""

    way: str
    """How it was got, for the header: `generic plan, values unknown`."""

    text: str
    """What was explained, repairs and values in it."""

    notes: tuple[str, ...] = ()
    """What has to be known to read it: repairs, squashed lists, LIMIT of unknown size."""

    facts: PlanFacts | None = None
    database: str = ""
    role: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanOf(Request[PlanAnswer]):
    """Asks for the plan of a statement, as pg_stat_statements or a person wrote it."""

    text: str
    dbname: str | None = None
    """Another database than the connected one."""

    search_path: str | None = None
    """The statement's; None is the role's own."""

    role: str | None = None
    """SET LOCAL ROLE, where allowed: row security and settings are its."""

    values: Values = "generic"
    typed: tuple[str, ...] = ()
    """With `typed`: SQL expressions for $1, $2, …"""

    analyze: bool = False
    """Run it: read only, rolled back. Only after the user was asked."""

    timing: bool = True
    length: int | None = None
    """Of the whole text, where `text` may be only its beginning."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementPlanOf(Request[PlanAnswer]):
    """Asks for the plan of a statement of pg_stat_statements by its key."""

    key: StatementKey
    values: Values = "generic"


@dataclass(frozen=True, slots=True)
class AnalyzeCheck:
    """What a person has to know before a statement is run."""

    host: str
    database: str
    role: str
    volatile: tuple[str, ...]
    """Volatile functions that it calls, but for those known to change nothing."""

    dangerous: tuple[str, ...]
    """Functions whose effects no ROLLBACK undoes."""

    planned_rows: float
    """Through all nodes, as estimated."""

    timing: bool
    """False where reading the clock for each row would take longer than the statement."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckAnalyze(Request[AnalyzeCheck]):
    """Asks what running a statement would do; refuses all but one SELECT."""

    text: str
    dbname: str | None = None
    search_path: str | None = None
    typed: tuple[str, ...] = ()
