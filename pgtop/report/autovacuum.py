"""The report's `autovacuum` section: one entry a table, the most pressing first."""

from __future__ import annotations

from typing import Any

from pgtop.advice import Facts, NotJudged
from pgtop.advice.vacuum_case import Case, case, known
from pgtop.analysis.vacuum.state import VacuumState
from pgtop.model.sample import SourceError

MOST = 5_000
"""Tables worked out; of more, the most pressing ones."""


def autovacuum(facts: Facts) -> list[dict[str, Any]]:
    """Entries by the contract. Raises `SourceError` where tables cannot be read."""
    try:
        state, _ = known(facts)
    except NotJudged as reason:
        raise SourceError(str(reason)) from reason
    relids = sorted(
        (
            relid
            for relid, share in state.pressures.items()
            if not state.tables[relid].system or share > 1
        ),
        key=lambda relid: -state.pressures[relid],
    )
    return [entry(state, case(state, relid)) for relid in relids[:MOST]]


def entry(state: VacuumState, one: Case) -> dict[str, Any]:
    """One table."""
    seen, table = one.seen, one.seen.table
    limits, near, rates = seen.limits, seen.pressure, seen.rates
    made: dict[str, Any] = {
        "schema": table.schemaname,
        "name": table.relname,
        "toast_of": None
        if seen.main is None
        else {"schema": seen.main.schemaname, "name": seen.main.relname},
        "dead_rows": table.n_dead_tup,
        "vacuum_threshold": round(limits.vacuum, 3),
        "vacuum_fraction": _rounded(near.dead),
        "insert_threshold": _rounded(limits.insert, 3),
        "insert_fraction": _rounded(near.inserts),
        "analyze_threshold": _rounded(limits.analyze, 3),
        "analyze_fraction": _rounded(near.changes),
        "freeze_fraction": _rounded(max(near.xid or 0.0, near.mxid or 0.0)),
        "dead_per_s": None if rates is None else _rounded(rates.dead, 3),
        "inserts_per_s": None if rates is None else _rounded(rates.inserts, 3),
        "next_vacuum_s": _rounded(seen.next_s, 1),
        "next_by": seen.next_by,
        "vacuum_duration_s": _rounded(seen.takes_s, 3),
        "vacuum_duration_source": "measured"
        if seen.measured_s is not None
        else "estimate"
        if seen.takes_s is not None
        else "unavailable",
        "state": one.word,
        "options": {
            name: {"value": found.value, "from": found.source}
            for name, found in seen.chosen.items()
        },
    }
    score = state.scores.get(table.relid)
    if score is not None:
        made["score"] = _rounded(score)
    return made


def _rounded(value: float | None, digits: int = 4) -> float | None:
    return None if value is None else round(value, digits)
