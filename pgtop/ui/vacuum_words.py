"""Sentences of the Autovacuum tab: the formula with its numbers, and why a table stands so."""

from __future__ import annotations

from pgtop.advice.thresholds import autovacuum as limits
from pgtop.advice.vacuum_case import Case
from pgtop.advice.vacuum_horizon import named, way_out
from pgtop.analysis import units
from pgtop.analysis.vacuum.settings import VacuumSettings
from pgtop.analysis.vacuum.state import VacuumState
from pgtop.analysis.vacuum.view import TableVacuum


def formula(seen: TableVacuum) -> str:
    """`50 + 0.2 × 200,000,000 = 40,000,050 dead rows; 9,000,000 now = 22 %`."""
    chosen, table = seen.chosen, seen.table
    base = chosen["autovacuum_vacuum_threshold"].value
    scale = chosen["autovacuum_vacuum_scale_factor"].value
    about = "≈ " if seen.limits.vacuum > 16.7e6 else ""  # the server's own single precision
    sum_ = f"{base} + {scale} × {table.rows:,.0f}"
    if seen.limits.capped:
        sum_ = f"capped, less than {sum_}"
    known = "" if table.reltuples >= 0 else " (rows not known yet: counted as 0)"
    return (
        f"{sum_} = {about}{seen.limits.vacuum:,.0f} dead rows{known}; {table.n_dead_tup:,} now ="
        f" {units.percent(seen.pressure.dead)}"
    )


def reason(one: Case, state: VacuumState, settings: VacuumSettings) -> str:
    """Why it stands so, and what to do, in a sentence."""
    word, proposal, seen = one.proposal.word, one.proposal, one.seen
    if word == "blocked" and proposal.holder is not None:
        holder = proposal.holder
        return f"{named(holder)} keeps the dead rows: {way_out(holder)}"
    if word == "lock-starved":
        held = proposal.locks
        who = f"pid {held[0].pid} holds {held[0].mode}" if held else "nobody just now"
        return f"due, workers free, nobody comes: locks keep autovacuum away ({who})"
    if word in ("advice", "draft", "too slow"):
        return _advice_words(one, state)
    if word == "naptime-bound":
        return (
            f"fills its threshold within one naptime of {units.seconds(settings.naptime_s)}:"
            " lowering it changes nothing"
        )
    if word == "burst" and seen.rates is not None and seen.long is not None:
        return (
            f"{units.rate(seen.rates.dead_gross)} updates and deletes/s now,"
            f" {units.rate(seen.long.changes - seen.long.inserts)}/s in the long run: too far apart"
            " for a lasting option"
        )
    if word == "small":
        return (
            f"small ({units.size(seen.table.size_bytes)}): an override pays from"
            f" {units.size(limits.SMALL_BYTES)} on, where it saves {units.size(limits.WORTH_BYTES)}"
        )
    return _WORDS.get(word, word)


def _advice_words(one: Case, state: VacuumState) -> str:
    if one.proposal.basis == "none":
        return "its own options let it gather more dead rows than it has rows: RESET them"
    if one.proposal.lasting:
        window = state.window_s()
        return f"measured over {units.seconds(window)} of counters; Enter edits the proposal"
    return (
        "a draft: from the last interval alone. A lasting option wants a day of counters, for"
        " one hour says nothing of the night's batch"
    )


_WORDS = {
    "standby": "a standby: counters are 0 here and ALTER is refused; connect to the primary",
    "off": "autovacuum or track_counts is off for the whole server",
    "temporary": "a temporary table: only its own session can vacuum it",
    "system": "a catalogue: it cannot be altered; look for temporary tables and DDL in a loop",
    "partitioned": "a partitioned table has no rows of its own: its leaves are vacuumed",
    "no stats": "it holds rows and its counters know of none: a crash or reset zeroed them;"
    " ANALYZE it",
    "disabled": "autovacuum_enabled is off for it, perhaps for a bulk load; wraparound still"
    " forces a vacuum",
    "wraparound": "past its freeze age: a forced vacuum is due, whatever the options say",
    "calm": "it reaches a better threshold only after two weeks: nothing to gain",
    "within 2×": "already within twice the better threshold",
    "unknown": "its churn is not known yet: after the next sample",
    "ok": "nothing to change",
}
