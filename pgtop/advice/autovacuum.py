"""Why a table is not vacuumed, or too late, or too slowly; and the option that changes it."""

from __future__ import annotations

from collections.abc import Iterator

from pgtop.advice import Facts, NeedsTime, Rule, ddl
from pgtop.advice.thresholds import autovacuum as limits
from pgtop.advice.vacuum_case import (
    Case,
    advised,
    judged,
    known,
    preparing,
    remedy,
    subject,
)
from pgtop.advice.vacuum_server import SERVER_RULES, budget, memory, workers
from pgtop.analysis import units
from pgtop.analysis.vacuum.options import Change, after
from pgtop.analysis.vacuum.settings import VacuumSettings
from pgtop.analysis.vacuum.state import VacuumState
from pgtop.analysis.vacuum.view import Effect, effect
from pgtop.model.finding import Cost, Finding


def late(facts: Facts) -> Iterator[Finding]:
    """A dead-row threshold far away for this table's churn."""
    yield from _options(facts, "autovacuum.late", "is vacuumed late")


def insert_late(facts: Facts) -> Iterator[Finding]:
    """An insert-only table that is vacuumed too rarely."""
    yield from _options(facts, "autovacuum.insert_late", "is vacuumed too rarely for its inserts")


def analyze_late(facts: Facts) -> Iterator[Finding]:
    """A table whose row count the planner has wrong."""
    yield from _options(facts, "autovacuum.analyze_late", "is analysed late")


def slow(facts: Facts) -> Iterator[Finding]:
    """A vacuum that takes too much of its interval, where a higher limit helps."""
    state, settings = known(facts)
    yield from budget(state, settings)
    yield from memory(state, settings)
    yield from _options(facts, "autovacuum.slow", "is vacuumed too slowly")


def cannot_keep_up(facts: Facts) -> Iterator[Finding]:
    """A table that even the highest reasonable limit does not keep clean; too few workers."""
    state, settings = known(facts)
    yield from workers(state, settings)
    for one in advised(judged(state), "autovacuum.cannot_keep_up"):
        now, then = _before_after(one, settings)
        share = units.percent(then.duty)
        yield Finding(
            rule="autovacuum.cannot_keep_up",
            severity="warning",
            subject=subject(one.seen),
            title=f"{one.seen.label}: vacuum cannot keep up with its churn",
            why=(
                f"{units.rate(one.proposal.dead_per_s)} dead rows/s against a run of"
                f" {units.seconds(then.takes_s)}: {share} of the time at any reasonable limit"
            ),
            evidence={"dead_per_s": one.proposal.dead_per_s, "takes_s": now.takes_s},
            cost=Cost(bytes=one.seen.excess_bytes),
            confidence="estimated",
            no_remedy=(
                "no option helps: drop unused indexes, partition the table, or run"
                f" {ddl.vacuum(one.seen.table.ident, 'PARALLEL 4')} off-peak"
            ),
        )


def _options(facts: Facts, rule: str, says: str) -> Iterator[Finding]:
    state, settings = known(facts)
    cases = judged(state)
    found = [one for one in advised(cases, rule) if one.proposal.changes]
    if not found:
        window = state.window_s()
        draft = any(rule in one.proposal.rules for one in cases)
        if draft and (window is None or window < limits.LONG_S):
            age = units.seconds(window) if window is not None else "an unknown time"
            raise NeedsTime(
                f"counters cover {age}: a lasting option needs a day of them;"
                " drafts stand in the Autovacuum tab"
            )
    for one in found:
        yield _late(one, rule, says, state, settings)


def _before_after(one: Case, settings: VacuumSettings) -> tuple[Effect, Effect]:
    change = Change(one.proposal.sets, one.proposal.resets)
    long = one.seen.long
    rates = {
        "dead_per_s": one.proposal.dead_per_s,
        "inserts_per_s": one.proposal.inserts_per_s,
        "changes_per_s": long.changes if long else None,
    }
    options = one.seen.options
    return (
        effect(one.seen, options, settings, **rates),
        effect(one.seen, after(options, change), settings, **rates),
    )


def _late(one: Case, rule: str, says: str, state: VacuumState, settings: VacuumSettings) -> Finding:
    now, then = _before_after(one, settings)
    seen = one.seen
    steps = effect_words(now, then, rule)
    table = seen.table
    own = one.proposal.basis == "none"
    if own:
        steps.append(
            f"its own options let {units.count(now.limits.vacuum)} dead rows gather in a table of"
            f" {units.count(max(table.rows, table.n_live_tup))};"
            f" {units.count(table.n_dead_tup)} are there now"
        )
    elif seen.long is not None:
        steps.append(f"measured over {units.seconds(seen.long.seconds)} of counters")
    return Finding(
        rule=rule,
        severity="warning" if own else "notice",
        subject=subject(seen),
        title=f"{seen.label} {says}; proposed: {steps[0]}",
        why="; ".join(steps),
        evidence={
            "dead_per_s": _round(one.proposal.dead_per_s),
            "vacuum_threshold": round(now.limits.vacuum),
            "proposed_threshold": round(then.limits.vacuum),
            "every_s": _round(now.every_s),
            "proposed_every_s": _round(then.every_s),
            "takes_s": _round(now.takes_s),
            "proposed_takes_s": _round(then.takes_s),
        },
        cost=Cost(bytes=one.proposal.saves_bytes or None),
        confidence="proved" if own else "estimated",
        remedy=remedy(one, state),
    )


def effect_words(now: Effect, then: Effect, rule: str) -> list[str]:
    """Before → after, the figure that matters to the rule first."""
    words = []
    if rule == "autovacuum.insert_late":
        words.append(
            f"at {units.count(then.limits.insert)} inserts instead of"
            f" {units.count(now.limits.insert)}, every {units.seconds(then.insert_every_s)}"
            f" instead of {units.seconds(now.insert_every_s)}; index-only scans and the forced"
            " vacuum gain"
        )
    elif rule == "autovacuum.analyze_late":
        words.append(
            f"at {units.count(then.limits.analyze)} changes instead of"
            f" {units.count(now.limits.analyze)}"
        )
    else:
        words.append(
            f"at {units.count(then.limits.vacuum)} dead rows"
            f" ({units.percent(then.dead_fraction)}) instead of {units.count(now.limits.vacuum)}"
            f" ({units.percent(now.dead_fraction)})"
        )
        if then.every_s is not None and now.every_s is not None:  # how fast rows die is known
            words.append(
                f"every {units.seconds(then.every_s)} instead of {units.seconds(now.every_s)}"
            )
    words.append(
        f"a run takes up to {units.seconds(then.takes_s)} instead of {units.seconds(now.takes_s)}"
    )
    return words


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def disabled(facts: Facts) -> Iterator[Finding]:
    """autovacuum_enabled is off for a table."""
    state, _ = known(facts)
    for one in judged(state):
        if one.proposal.word != "disabled" or one.seen.inherited:
            continue
        table = one.seen.table
        yield Finding(
            rule="autovacuum.disabled",
            severity="warning" if one.seen.pressure.most > 1 else "notice",
            subject=subject(one.seen),
            title=f"{one.seen.label}: autovacuum is switched off for it",
            why=(
                f"autovacuum_enabled is off in its options; {units.count(table.n_dead_tup)} dead"
                f" of {units.count(table.rows)} rows, {units.percent(one.seen.pressure.dead)} of"
                " the threshold. Somebody may have meant it for a bulk load"
            ),
            evidence={"dead_rows": table.n_dead_tup},
            cost=Cost(bytes=one.seen.excess_bytes or None),
            confidence="proved",
            remedy=remedy(one, state),
        )


AUTOVACUUM_RULES: tuple[Rule, ...] = (
    Rule("autovacuum.late", late, preparing),
    Rule("autovacuum.insert_late", insert_late, preparing),
    Rule("autovacuum.analyze_late", analyze_late, preparing),
    Rule("autovacuum.slow", slow, preparing),
    Rule("autovacuum.cannot_keep_up", cannot_keep_up, preparing),
    Rule("autovacuum.disabled", disabled, preparing),
    *SERVER_RULES,
)
