"""Connections that run out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from pgtop.advice import Facts, NeedsTime, Rule
from pgtop.advice.pooling import pool_size
from pgtop.advice.thresholds import connections as limits
from pgtop.analysis import units
from pgtop.analysis.connections import Bound, Connections, older_share
from pgtop.model.finding import Cost, Finding, Severity, Subject
from pgtop.model.server import Vitals
from pgtop.model.session import Session


def near_limit(facts: Facts) -> Iterator[Finding]:
    """The limit that bites first: the server's, a role's, a database's."""
    sessions = facts.rows(Session)
    facts.rows(Vitals)
    found = facts.get(Connections)
    if not found.bounds:
        raise NeedsTime("connections were not counted yet")
    for bound in found.bounds:
        if bound.share < limits.NEAR:
            continue
        mine = _of(bound, sessions)
        severity, eta = judged(bound, found, mine)
        if severity is not None:
            yield _finding(bound, severity, eta, found, mine)


def _of(bound: Bound, sessions: tuple[Session, ...]) -> list[Session]:
    clients = [session for session in sessions if session.client]
    if bound.kind == "role":
        return [session for session in clients if session.usename == bound.name]
    if bound.kind == "database":
        return [session for session in clients if session.datname == bound.name]
    return clients


def judged(
    bound: Bound, found: Connections, sessions: list[Session]
) -> tuple[Severity | None, float | None]:
    """How bad it is, and seconds until it is full at the present growth; None: it does not grow.

    Of a limit that is near. A level that stands still is how the server is meant to run.
    """
    eta = forecast(bound, found)
    step = max(2.0, bound.limit * limits.STILL_STEP)
    still = found.stands_still(bound, limits.STILL_S, step)
    if not still and eta is None:
        share = older_share(sessions, found.at, limits.STILL_S)
        still = share is not None and share >= limits.STILL_SHARE
    if bound.free == 0:
        return ("notice" if still else "critical"), None
    if still:
        return None, None
    if eta is not None and eta <= limits.CRITICAL_S:
        return "critical", eta
    if eta is not None and eta <= limits.SOON_S:
        return "warning", eta
    if bound.share >= limits.FULL:
        return "warning", eta
    return ("notice" if bound.share >= limits.TIGHT else None), eta


def forecast(bound: Bound, found: Connections) -> float | None:
    """Seconds until it is full; None where it does not grow, or too little to tell."""
    growth = found.growth(bound, limits.TREND_S, limits.TREND_LEAST_S)
    if growth is None:
        return None
    slope, grown = growth
    if slope <= 0 or grown < max(2.0, bound.limit * limits.GROWN):
        return None
    return bound.free / slope


def _finding(
    bound: Bound,
    severity: Severity,
    eta: float | None,
    found: Connections,
    sessions: list[Session],
) -> Finding:
    name = {
        "server": "max_connections",
        "role": f"CONNECTION LIMIT of role {bound.name}",
        "database": f"CONNECTION LIMIT of database {bound.name}",
    }[bound.kind]
    # among hidden sessions are workers, which take no slot: the count is the most there can be
    hidden = any(session.hidden for session in sessions)
    mark = "≈ " if hidden else ""
    soon = f", full in ≈ {units.age(eta)}" if eta is not None else ""
    left = "none is left: new clients are refused" if not bound.free else f"{bound.free} left"
    if hidden and severity == "critical":
        severity, left = "warning", f"{mark}{bound.free} left"
    subject = (
        Subject("database", bound.name)
        if bound.kind == "database"
        else Subject("setting", "rolconnlimit", of=bound.name)
        if bound.kind == "role"
        else Subject("setting", "max_connections")
    )
    return Finding(
        rule="connections.near_limit",
        severity=severity,
        subject=subject,
        title=f"connections {mark}{bound.used} of {bound.limit}, {left}{soon}",
        why=f"{name}, without what is reserved. {_who(sessions, found)}",
        evidence={
            "used": bound.used,
            "limit": bound.limit,
            "full_in_s": None if eta is None else round(eta, 1),
            "opened_per_s": None if found.opened_per_s is None else round(found.opened_per_s, 3),
            "idle": sum(session.state == "idle" for session in sessions),
            "idle_in_transaction": sum(session.idle_in_transaction for session in sessions),
            "most_active": found.most_active,
        },
        cost=Cost(eta_s=0.0 if not bound.free else eta),
        confidence="estimated" if hidden else "measured",
        no_remedy=_way_out(bound, found, sessions),
    )


def _who(sessions: list[Session], found: Connections) -> str:
    states = Counter(_state(session) for session in sessions)
    told = [", ".join(f"{many} {state}" for state, many in states.most_common(4))]
    for what, of in (
        ("application", Counter(s.application_name for s in sessions if s.application_name)),
        ("user", Counter(s.usename for s in sessions if s.usename)),
    ):
        if of:
            name, many = of.most_common(1)[0]
            told.append(f"{many} by {what} {name}")
    if found.opened_per_s:
        least = "" if found.opened_exactly else "at least "
        told.append(f"{least}{units.rate(found.opened_per_s)} new a second")
    return "; ".join(part for part in told if part)


def _state(session: Session) -> str:
    if session.idle_in_transaction:
        return "idle in transaction"
    return session.state or ("hidden" if session.hidden else "starting")


def _way_out(bound: Bound, found: Connections, sessions: list[Session]) -> str:
    held = sum(session.idle_in_transaction for session in sessions)
    first = (
        "no DDL: end what is idle in transaction first; "
        if held * 2 >= len(sessions) > 0
        else "no DDL: "
    )
    seen = (
        f" (at most {found.most_active} were active at once while pgtop watched:"
        f" {pool_size(found.most_active)} server connections would carry them)"
    )
    if bound.kind != "server":
        return (
            f"{first}smaller pools in the application, or a pooler in transaction mode{seen};"
            " raise the CONNECTION LIMIT only where the server has slots to spare"
        )
    return (
        f"{first}a pooler in transaction mode with a small pool{seen}, not a bigger"
        " max_connections: that takes a restart and makes a busy server slower. What that mode"
        " breaks, and the settings of frameworks: h on the Connections tab"
    )


CONNECTION_RULES: tuple[Rule, ...] = (Rule("connections.near_limit", near_limit),)
