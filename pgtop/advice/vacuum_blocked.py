"""What keeps vacuum from doing its work: a held horizon, locks, a pinned page."""

from __future__ import annotations

from collections.abc import Iterator

from pgtop.advice import Facts, NeedsTime, Rule
from pgtop.advice.thresholds import autovacuum as limits
from pgtop.advice.vacuum_case import Case, judged, known, preparing, subject
from pgtop.advice.vacuum_horizon import holding, named, way_out
from pgtop.analysis import units
from pgtop.analysis.vacuum.state import VacuumState
from pgtop.model.finding import Cost, Finding, Severity, Subject
from pgtop.model.vacuum import HorizonHolder


def horizon_held(facts: Facts) -> Iterator[Finding]:
    """A transaction, slot, prepared transaction or standby keeps dead rows of tables here."""
    state, _ = known(facts)
    blocked: dict[HorizonHolder, list[Case]] = {}
    for one in judged(state):
        if one.proposal.holder is not None:
            blocked.setdefault(one.proposal.holder, []).append(one)
    first = state.churn.seconds is None and not blocked and bool(holding(state))
    if first and any(one.seen.pressure.dead > 1 for one in judged(state)):
        raise NeedsTime("whether a vacuum is in vain shows after another sample")
    for holder, cases in blocked.items():
        yield _held(holder, cases, state)


def _held(holder: HorizonHolder, cases: list[Case], state: VacuumState) -> Finding:
    dead = sum(one.seen.table.n_dead_tup for one in cases)
    size = sum(one.seen.excess_bytes for one in cases)
    others = [other for other in holding(state) if other != holder]
    tables = [one.seen.label for one in cases[:3]]
    more = f" and {len(cases) - 3} more" if len(cases) > 3 else ""
    then = f"; when it ends, {named(others[0])} is next" if others else ""
    hidden = f"; {state.hidden} sessions cannot be seen by this role" if state.hidden else ""
    idle = (holder.state or "").startswith("idle")
    patience = limits.HELD_IDLE_WARNING_S if idle else limits.HELD_WARNING_S
    severe = holder.held_s is None or holder.held_s >= patience or size >= limits.HELD_WARNING_BYTES
    severity: Severity = "warning" if severe else "notice"
    return Finding(
        rule="autovacuum.horizon_held",
        severity=severity,
        subject=holder_subject(holder),
        title=f"{named(holder)}: dead rows of {units.plural(len(cases), 'table')} cannot go",
        why=(
            f"{units.count(dead)} dead rows of {', '.join(tables)}{more} are past the threshold"
            f" and vacuum removes none: {named(holder)} holds the horizon"
            f" {units.count(holder.xid_age)} transactions back{then}{hidden}"
        ),
        evidence={
            "xid_age": holder.xid_age,
            "held_s": None if holder.held_s is None else round(holder.held_s, 1),
            "dead_rows": dead,
            "tables": len(cases),
        },
        cost=Cost(bytes=size or None),
        confidence="proved",
        no_remedy=way_out(holder),
    )


def holder_subject(holder: HorizonHolder) -> Subject:
    """A holder as the object of a finding."""
    if holder.kind in ("session", "copy"):
        return Subject("session", f"{holder.name}@{holder.backend_start or 0:.0f}")
    if holder.kind == "prepared":
        return Subject("prepared", holder.name)
    if holder.kind == "standby":
        return Subject("standby", holder.name)
    return Subject("slot", holder.name)


def lock_starved(facts: Facts) -> Iterator[Finding]:
    """Locks keep autovacuum away from a table that is due."""
    state, settings = known(facts)
    for one in judged(state):
        if one.proposal.word != "lock-starved":
            continue
        held = one.proposal.locks
        if held:
            who = ", ".join(
                f"pid {b.pid} {'holds' if b.granted else 'wants'} {b.mode.removesuffix('Lock')}"
                f" for {units.seconds(b.xact_s)}"
                for b in held[:3]
            )
        else:
            who = "nobody holds a conflicting lock just now: they come and go"
        yield Finding(
            rule="autovacuum.lock_starved",
            severity="warning",
            subject=subject(one.seen),
            title=f"{one.seen.label}: locks keep autovacuum away",
            why=(
                f"{units.count(one.seen.table.n_dead_tup)} dead rows,"
                f" {units.percent(one.seen.pressure.dead)} of the threshold, workers are free and"
                f" none came for {limits.STARVED_NAPTIMES:.0f} naptimes; {who}. A running plain"
                f" autovacuum is cancelled {units.ms(settings.deadlock_timeout_ms)} after somebody"
                " waits for such a lock, a starting one skips the table"
            ),
            evidence={"dead_rows": one.seen.table.n_dead_tup, "locks": len(held)},
            cost=Cost(bytes=one.seen.excess_bytes or None),
            confidence="proved" if held else "estimated",
            no_remedy=(
                "no option helps: end the session, or space out the DDL, LOCK TABLE, CREATE INDEX"
                " and partition jobs on this table"
            ),
        )


def pin_blocked(facts: Facts) -> Iterator[Finding]:
    """A vacuum waits for a page that a session has pinned."""
    state, _ = known(facts)
    waits: dict[tuple[int, int], list[str]] = {}
    for pin in state.pins:
        if (pin.wait_s or 0) < limits.PIN_S or (pin.xact_s or 0) < limits.PIN_S:
            continue
        waits.setdefault((pin.vacuum_pid, pin.relid), []).append(
            f"pid {pin.pid} ({pin.state or '?'} for {units.seconds(pin.xact_s)})"
        )
    for (pid, relid), who in waits.items():
        table = state.tables.get(relid)
        if table is None:
            continue
        yield Finding(
            rule="autovacuum.pin_blocked",
            severity="warning",
            subject=Subject("table", table.relname, schema=table.schemaname),
            title=f"{table.ident}: its vacuum waits for a page that a session keeps pinned",
            why=f"vacuum pid {pid} waits for BufferPin; probably {', '.join(who[:3])}: a cursor"
            " left open keeps its page",
            confidence="correlated",
            no_remedy="no DDL: fetch the cursor to its end, or close it",
        )


BLOCKED_RULES: tuple[Rule, ...] = (
    Rule("autovacuum.horizon_held", horizon_held, preparing),
    Rule("autovacuum.lock_starved", lock_starved, preparing),
    Rule("autovacuum.pin_blocked", pin_blocked),
)
