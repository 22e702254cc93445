"""Rules about sessions: who blocks, and who sits on a transaction."""

from __future__ import annotations

from collections.abc import Iterator

from pgtop.advice import Facts, NeedsTime, NotPossible, Rule
from pgtop.advice.ending import way_out
from pgtop.advice.thresholds import sessions as limits
from pgtop.analysis import units
from pgtop.analysis.blocking import Root
from pgtop.analysis.blocks import Blocks
from pgtop.analysis.redact import mask_literals
from pgtop.model.finding import Cost, Finding, Severity, Subject
from pgtop.model.sample import Sample
from pgtop.model.session import LockWait, Session

MOST_TEXT = 100
"""Characters of a statement in a sentence; its literals are masked."""


def subject(session: Session) -> Subject:
    """A session as findings name it."""
    return Subject("session", session.name)


def who(session: Session) -> str:
    """`web@10.0.0.7 (app)`: user, client and application, as far as known."""
    client = f"@{session.client_addr}" if session.client_addr else ""
    application = f" ({session.application_name})" if session.application_name else ""
    return f"{session.usename or '?'}{client}{application}"


def said(session: Session | None) -> str:
    """Its statement in a few words, literals masked."""
    text = " ".join(mask_literals((session.query if session else None) or "").split())
    return text if len(text) <= MOST_TEXT else text[: MOST_TEXT - 1] + "…"


# -- locks -------------------------------------------------------------------------------


def blocking(facts: Facts) -> Iterator[Finding]:
    """The root of a tree of sessions that wait for locks."""
    facts.rows(LockWait), facts.rows(Session)  # the reason where they cannot be read
    blocks = facts.get(Blocks)
    unsure = named = False
    for root in blocks.roots:
        if root.kind == "gone":
            continue
        waited = blocks.longest_s(root)
        if waited >= limits.BLOCKED_S:
            named = True
            yield _blocked(root, waited)
        elif _maybe_long(root, blocks):
            unsure = True
    if unsure and not named:
        raise NeedsTime("how long they wait for a lock shows after more readings (before 14)")


def _maybe_long(root: Root, blocks: Blocks) -> bool:
    """Whether they may have waited longer than they were seen to."""
    exact = all(blocks.waited_s(n.pid)[1] for depth, n in root.node.walk() if depth)
    return not exact and (root.waited_s or 0.0) >= limits.BLOCKED_S


def _blocked(root: Root, waited: float) -> Finding:
    many = units.plural(root.waiting, "session")
    doing = _doing(root)
    holder = root.holder
    holds = f", holds {units.plural(holder.locks, 'lock')}" if holder is not None else ""
    holds += f" ({holder.relations.replace(',', ', ')})" if holder and holder.relations else ""
    session = root.node.session
    statement = said(session)
    freed = (
        f"its end frees {root.freed}"
        if root.freed == root.waiting
        else f"its end frees {root.freed} of them; the others wait for"
        f" {', '.join(f'pid {pid}' for pid in root.others[:3])} too"
    )
    first = max(root.node.children, key=lambda node: node.below, default=None)
    queued = (
        f"; pid {first.pid} wants {first.wait.mode},"
        f" with {units.plural(first.below, 'session')} behind it"
        if first is not None and first.wait is not None and first.below
        else ""
    )
    return Finding(
        rule="locks.blocking",
        severity=_blocked_severity(root, waited),
        subject=Subject("prepared", root.node.gid or "?")
        if root.kind == "prepared"
        else Subject("session", session.name if session else str(root.node.pid)),
        title=f"{root.name} ({doing}) blocks {many}, the first for {units.seconds(waited)}",
        why=(
            f"{root.name}{f', {who(session)}' if session else ''}, {doing}{holds}"
            f"{f', last statement: {statement}' if statement else ''};"
            f" {freed}{queued}"
        ),
        evidence={
            "waiting": root.waiting,
            "freed": root.freed,
            "waited_s": round(waited, 1),
            "kind": root.kind,
            "locks": None if holder is None else holder.locks,
            "wrote": _wrote(root),
        },
        cost=Cost(ms_per_s=1_000.0 * root.waiting),  # each waits all of every second
        no_remedy=way_out(root),
    )


def _wrote(root: Root) -> bool | None:
    """Whether it changed rows: it has a transaction id. How many is in no view."""
    session = root.node.session
    if root.kind == "prepared":
        return True
    return None if session is None or session.hidden else session.xid_age is not None


def _doing(root: Root) -> str:
    session = root.node.session
    if root.kind == "prepared":
        since = root.prepared.prepared_s if root.prepared is not None else None
        return f"prepared {units.seconds(since)} ago" if since is not None else "prepared"
    if session is not None and session.hidden:
        return "what it does is hidden from this role"
    words = {
        "sync": "waits for a standby", "recovery": "replay on this standby",
        "wraparound": "vacuum against wraparound", "vacuum": "autovacuum",
        "index build": "builds an index", "walsender": "copies for a replica",
        "deadlock": "waits itself, in a ring",
    }  # fmt: skip
    if root.kind in words:
        return words[root.kind]
    return (session.state or "state unknown") if session is not None else "state unknown"


def _blocked_severity(root: Root, waited: float) -> Severity:
    nodes = [node for depth, node in root.node.walk() if depth]
    waits = [node.wait for node in nodes if node.wait is not None]
    if all(wait.locktype == "virtualxid" for wait in waits):
        return "notice"  # CREATE INDEX CONCURRENTLY waits for old snapshots, and nobody for it
    if all(n.session and n.session.backend_type == "autovacuum worker" for n in nodes):
        return "notice"
    many = root.waiting >= limits.BLOCKED_CRITICAL_SESSIONS
    long = waited >= limits.BLOCKED_CRITICAL_LONG_S
    return "critical" if long or (many and waited >= limits.BLOCKED_CRITICAL_S) else "warning"


# -- idle in transaction -----------------------------------------------------------------


def idle_in_transaction(facts: Facts) -> Iterator[Finding]:
    """Sessions that hold a transaction open and do nothing, by their age and by what they hold."""
    rows = facts.rows(Session)
    sample = facts.samples.get(Session)
    now = sample.taken_at if isinstance(sample, Sample) else 0.0
    blocks = facts.derived.get(Blocks)
    behind = {r.node.pid: r.waiting for r in blocks.roots} if blocks is not None else {}
    groups: dict[tuple[str | None, ...], list[tuple[float, Session]]] = {}
    for session in rows:
        if not session.idle_in_transaction or session.state_change is None:
            continue
        age = now - session.state_change
        least = limits.IDLE_BLOCKING_S if session.pid in behind else limits.IDLE_S
        if age >= least:
            key = (session.application_name, session.usename, session.datname)
            groups.setdefault(key, []).append((age, session))
    for found in groups.values():
        found.sort(key=lambda each: -each[0])
        if len(found) > limits.IDLE_GROUP:
            yield _idle(found, behind)
        else:
            yield from (_idle([one], behind) for one in found)
    hidden = sum(session.hidden for session in rows)
    if hidden and not groups:
        raise NotPossible(f"{hidden} sessions are hidden from this role: GRANT pg_monitor")


def _idle(found: list[tuple[float, Session]], behind: dict[int, int]) -> Finding:
    age, oldest = found[0]
    wrote = sum(s.xid_age is not None for _, s in found)
    snapshots = sum(s.xmin_age is not None for _, s in found)
    blocked = sum(behind.get(s.pid, 0) for _, s in found)
    holds = [
        *([f"{units.plural(blocked, 'session')} behind it"] if blocked else []),
        *(["uncommitted changes and their row locks"] if wrote else []),
        *(["dead rows that vacuum may not remove"] if wrote or snapshots else []),
    ]
    held = ", ".join(holds) or "its table locks and a connection"
    many = len(found) > 1
    name = f"{len(found)} sessions" if many else f"pid {oldest.pid}"
    return Finding(
        rule="connections.idle_in_transaction",
        severity="warning" if holds else "notice",
        subject=subject(oldest),
        title=(
            f"{name} of {oldest.application_name or who(oldest)} idle in transaction"
            f"{', the longest' if many else ''} for {units.seconds(age)}"
        ),
        why=(
            f"pid {oldest.pid}, {who(oldest)} on {oldest.datname}, keeps {held};"
            f" last statement: {said(oldest) or 'hidden'}"
        ),
        evidence={
            "sessions": len(found),
            "idle_s": round(age, 1),
            "wrote": wrote,
            "snapshots": snapshots,
            "blocked": blocked,
            "xid_age": oldest.xid_age,
        },
        no_remedy=(
            "no DDL: the application must end its transaction before it waits for anything else."
            f" y in Activity copies pg_terminate_backend({oldest.pid}), which loses its work;"
            " idle_in_transaction_session_timeout, set for its role, keeps it from coming back"
        ),
    )


SESSION_RULES: tuple[Rule, ...] = (
    Rule("locks.blocking", blocking),
    Rule("connections.idle_in_transaction", idle_in_transaction),
)
