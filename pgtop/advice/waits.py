"""Rules about waiting: for one event inside the server, and for a standby."""

from __future__ import annotations

from collections.abc import Iterator

from pgtop.advice import Facts, NeedsTime, NotPossible, Rule
from pgtop.advice.ending import NEVER
from pgtop.advice.thresholds import sessions as limits
from pgtop.analysis import units
from pgtop.analysis.waits import Contention, Waits
from pgtop.model.finding import Finding, Subject
from pgtop.model.session import Session

MOST_TEXT = 100
"""Characters of a statement in a sentence."""


def contention(facts: Facts) -> Iterator[Finding]:
    """One event for which many active sessions wait, sample after sample."""
    waits = facts.get(Waits)
    if len(waits.points) < limits.CONTENTION_SAMPLES:
        raise NeedsTime(f"needs {limits.CONTENTION_SAMPLES} samples of active sessions")
    hidden = sum(session.hidden for session in facts.rows(Session))
    found = [
        each
        for each in waits.contended(limits.CONTENTION_CLASSES, limits.CONTENTION_SAMPLES)
        if each.fraction >= limits.CONTENTION_FRACTION
        and each.waiting >= limits.CONTENTION_SESSIONS
    ]
    yield from map(_contended, found)
    if hidden and not found:
        raise NotPossible(f"{hidden} sessions are hidden from this role: GRANT pg_monitor")


def _contended(seen: Contention) -> Finding:
    commit = seen.event in limits.COMMIT_EVENTS
    return Finding(
        rule="wait.contention",
        severity="notice" if commit else "warning",
        subject=Subject("server", f"{seen.wait_class}/{seen.event}"),
        title=(
            f"{units.percent(seen.fraction)} of active sessions or more wait for"
            f" {seen.wait_class}/{seen.event}"
        ),
        why=(
            f"{units.significant(seen.waiting)} of {units.significant(seen.active)} active sessions"
            f" on average, in {limits.CONTENTION_SAMPLES} samples running; most of them run:"
            f" {seen.statement[:MOST_TEXT] or 'a statement that is hidden'}"
        ),
        evidence={
            "waiting": round(seen.waiting, 1),
            "active": round(seen.active, 1),
            "fraction": round(seen.fraction, 3),
            "statement": seen.statement[:MOST_TEXT],
        },
        no_remedy=_uncontended(seen.event),
    )


def _uncontended(event: str) -> str:
    """What makes an event rarer, by its name in PostgreSQL's table of wait events."""
    if event in limits.COMMIT_EVENTS:
        return (
            "no DDL: commits wait for the WAL to reach the disk: fewer and larger transactions,"
            " faster storage"
        )
    if event.startswith(("LockManager", "lock_manager")):
        return (
            "no DDL: statements that lock many relations (partitions, indexes) at many executions"
            " a second: let partitions be pruned when planned, use prepared statements, fewer"
            " sessions at a time (a pooler)"
        )
    if event.startswith(("Subtrans", "Multi", "Notify", "CommitTs", "Xact")):
        return (
            "no DDL: a cache of transaction states is worked through: long transactions with"
            " savepoints (over 64 each), or many lockers of one row; end the oldest transaction"
            " first"
        )
    if event.startswith(("Buffer", "buffer_")):
        return (
            "no DDL: many sessions at the same pages: one hot row, index page or sequence, or more"
            " sessions than processors; fewer at a time (a pooler)"
        )
    return "no DDL: fewer sessions at a time (a pooler) lessen it; the statement says where to look"


# -- synchronous standbys ----------------------------------------------------------------


def sync_wait(facts: Facts) -> Iterator[Finding]:
    """Commits that wait for a synchronous standby."""
    rows = facts.rows(Session)
    waits = facts.get(Waits)
    at = waits.points[-1].at if waits.points else 0.0
    sessions = {row.key: row for row in rows}
    seen = {
        key: at - first
        for key, (_, first) in waits.sync.items()
        if key in sessions and at - first >= limits.SYNC_S
    }
    if not seen:
        if waits.sync and waits.seconds < limits.SYNC_S:
            raise NeedsTime("how long commits wait for the standby shows after more readings")
        return
    longest = max(seen.values())
    first = sessions[max(seen, key=seen.__getitem__)]
    yield Finding(
        rule="replication.sync_wait",
        severity="critical" if longest >= limits.SYNC_CRITICAL_S else "warning",
        subject=Subject("setting", "synchronous_standby_names"),
        title=(
            f"{units.plural(len(seen), 'commit')} wait for a synchronous standby,"
            f" {units.seconds(longest)} or more"
        ),
        why=(
            f"pid {first.pid} and {len(seen) - 1} others committed and wait for a standby to"
            " confirm (IPC/SyncRep); every other commit that asks for it will too"
        ),
        evidence={"sessions": len(seen), "waited_s": round(longest, 1)},
        no_remedy=f"no DDL, no cancel: {NEVER['sync']}",
    )


WAIT_RULES: tuple[Rule, ...] = (
    Rule("wait.contention", contention),
    Rule("replication.sync_wait", sync_wait),
)
