"""Overrides of one or many tables as one script, with its undo and what it sets off."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pgtop.advice.thresholds import autovacuum as limits
from pgtop.advice.vacuum_case import Case, options_after, remedy, subject
from pgtop.analysis import units
from pgtop.analysis.vacuum.options import Change
from pgtop.analysis.vacuum.settings import VacuumSettings
from pgtop.analysis.vacuum.state import VacuumState
from pgtop.analysis.vacuum.view import effect
from pgtop.model.finding import Finding
from pgtop.terminal.safe import safe

LOCK_NAMES = {
    "ShareUpdateExclusiveLock": "SHARE UPDATE EXCLUSIVE",
    "ShareLock": "SHARE",
    "ShareRowExclusiveLock": "SHARE ROW EXCLUSIVE",
    "ExclusiveLock": "EXCLUSIVE",
    "AccessExclusiveLock": "ACCESS EXCLUSIVE",
}


@dataclass(frozen=True, slots=True)
class Planned:
    """One table and what is to change."""

    one: Case
    change: Change


def lock_timeout_ms(settings: VacuumSettings, *, polite: bool) -> float:
    """How long ALTER TABLE waits.

    A plain autovacuum of the table is cancelled, and its work lost, once somebody waited
    deadlock_timeout for its lock (proc.c): polite gives up before that, firm waits past it.
    """
    if polite:
        return max(50.0, min(500.0, settings.deadlock_timeout_ms / 2))
    return max(3_000.0, 3 * settings.deadlock_timeout_ms)


def prefers_polite(one: Case) -> bool:
    """A vacuum that is half done or older than ten minutes is worth waiting for."""
    run = one.seen.run
    if run is None:
        return False
    return (run.share or 0.0) > 0.5 or (run.run.xact_s or 0.0) > 600


def lock_words(one: Case, state: VacuumState, settings: VacuumSettings, *, polite: bool) -> str:
    """Who holds the table right now, and what the statement would do to an autovacuum of it."""
    relids = {one.seen.table.relid, one.seen.table.reltoastrelid}
    if one.seen.main is not None:
        relids.add(one.seen.main.relid)
    held = [b for b in state.blocks if b.relid in relids and b.granted]
    runs = [p.run for p in state.history.now if p.run.relid in relids]
    if any(run.prevents_wraparound for run in runs):
        return "a vacuum against wraparound runs and does not give way: wait for it"
    if any(not run.worker for run in runs):
        return "somebody's own VACUUM of it runs: it waits for that"
    if runs:
        pid = runs[0].pid
        if polite:
            return (
                f"autovacuum (pid {pid}) works on it: polite gives up after"
                f" {units.ms(lock_timeout_ms(settings, polite=True))} and leaves it alone"
            )
        return (
            f"autovacuum (pid {pid}) works on it: after"
            f" {units.ms(settings.deadlock_timeout_ms)} it is CANCELLED and its work is lost"
        )
    if held:
        first = held[0]
        mode = LOCK_NAMES.get(first.mode, first.mode)
        return f"pid {first.pid} holds {mode} for {units.seconds(first.xact_s)}: it waits for that"
    return "free now; a plain autovacuum that starts meanwhile is cancelled by firm, not by polite"


def script(
    planned: Sequence[Planned], state: VacuumState, settings: VacuumSettings, *, polite: bool
) -> str:
    """All changes, small tables first, with what becomes due at once said above them."""
    ordered = sorted(planned, key=lambda p: p.one.seen.takes_s or 0.0)
    wait = lock_timeout_ms(settings, polite=polite)
    server = state.server
    version = f"PostgreSQL {server.version.split()[0]}" if server else ""
    lines = [
        # A name may hold a newline: in a comment it would end the comment.
        *(f"-- {safe(line)}" for line in herd(ordered, settings)),
        f"SET lock_timeout = '{wait:.0f}ms';  -- "
        + (
            "polite: gives way to a running vacuum; try again if it fails"
            if polite
            else "firm: a plain autovacuum of the table is cancelled after"
            f" {units.ms(settings.deadlock_timeout_ms)}"
        ),
    ]
    for entry in ordered:
        made = remedy(entry.one, state, entry.change)
        lines.append("-- " + safe(f"{_said(entry, settings)}. {version}"))
        lines.append("-- " + safe(f"undo: {' '.join(made.undo)}"))
        lines.extend(made.sql)
    lines.append("RESET lock_timeout;")
    return "\n".join(lines)


def undo_script(planned: Iterable[Planned], state: VacuumState) -> str:
    """What brings every table's options back as they are now."""
    return "\n".join(
        line for entry in planned for line in remedy(entry.one, state, entry.change).undo
    )


def override(entry: Planned, state: VacuumState, settings: VacuumSettings) -> Finding:
    """One table's change with its reason, proposed or made by hand."""
    one, proposal = entry.one, entry.one.proposal
    as_proposed = entry.change == Change(proposal.sets, proposal.resets)
    by_rule = as_proposed and proposal.rules
    return Finding(
        rule=proposal.rules[0] if by_rule else "autovacuum.override",
        severity="notice",
        subject=subject(one.seen),
        title=_said(entry, settings),
        why="as proposed for its churn" if by_rule else "edited by hand in the Autovacuum tab",
        confidence="estimated",
        remedy=remedy(one, state, entry.change),
    )


def herd(planned: Sequence[Planned], settings: VacuumSettings) -> list[str]:
    """What the new thresholds make due at once, and how long that keeps the workers."""
    due = [
        entry
        for entry in planned
        if entry.one.seen.pressure.most <= 1 and _due_after(entry, settings)
    ]
    if not due:
        return []
    backlog = sum(entry.one.seen.takes_s or 0.0 for entry in due)
    shared = backlog / max(1, settings.max_workers) if settings.budget is None else backlog
    said = [
        f"due at once: {', '.join(entry.one.seen.label for entry in due[:6])}"
        + (f" and {len(due) - 6} more" if len(due) > 6 else "")
        + f"; about {units.seconds(shared)} of vacuum, other tables wait behind it"
    ]
    if shared > limits.HERD_S:
        said.append(f"that is more than {units.seconds(limits.HERD_S)}: run it in batches")
    return said


def _due_after(entry: Planned, settings: VacuumSettings) -> bool:
    seen = entry.one.seen
    then = effect(seen, options_after(entry.one, entry.change), settings, dead_per_s=None)
    inserts = then.limits.insert
    return seen.table.n_dead_tup > then.limits.vacuum or (
        inserts is not None and seen.table.n_ins_since_vacuum > inserts
    )


def _said(entry: Planned, settings: VacuumSettings) -> str:
    one = entry.one
    rate = one.proposal.dead_per_s
    now = effect(one.seen, one.seen.options, settings, dead_per_s=rate)
    then = effect(one.seen, options_after(one, entry.change), settings, dead_per_s=rate)
    words = [
        f"{one.seen.label}: vacuum at {units.count(then.limits.vacuum)} dead rows"
        f" ({units.percent(then.dead_fraction)}) instead of {units.count(now.limits.vacuum)}"
    ]
    if then.every_s is not None and now.every_s is not None:
        words.append(f"every {units.seconds(then.every_s)} instead of {units.seconds(now.every_s)}")
    if then.takes_s is not None:
        words.append(f"each up to {units.seconds(then.takes_s)}")
    return ", ".join(words)
