"""What the workload shows: N+1, spills, statements that became worse."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

from pgtop.advice import Facts, NeedsTime, NotPossible, Rule
from pgtop.advice.thresholds import statements as limits
from pgtop.analysis import units
from pgtop.analysis.statement_delta import Delta, Interval, delta
from pgtop.analysis.workload import Workload
from pgtop.model.finding import Cost, Finding, Subject
from pgtop.model.sample import SourceError
from pgtop.model.statement import Statement, StatementKey, StatementText

BLOCK_BYTES = 8192

EAGER = (
    "no DDL: load both at once: Django select_related or prefetch_related, Rails includes,"
    " SQLAlchemy joinedload or selectinload"
)

_SELECT = re.compile(r"\s*(?:/\*.*?\*/\s*)*select\b", re.IGNORECASE | re.DOTALL)
_FOREIGN_KEY_CHECK = re.compile(r"\bfor\s+key\s+share\b", re.IGNORECASE)


def _workload(facts: Facts) -> Workload:
    """The workload over enough intervals. Raises where it cannot be read, or not yet."""
    counters = facts.samples.get(Statement)
    if isinstance(counters, SourceError):
        raise NotPossible(counters.why)
    workload = facts.get(Workload)
    if len(workload.intervals) < limits.INTERVALS:
        raise NeedsTime(f"{len(workload.intervals)} of {limits.INTERVALS} intervals were read")
    return workload


def _of_visible(judge: Callable[[Facts], Iterator[Finding]]) -> Callable[[Facts], list[Finding]]:
    """The rule, which where it finds nothing cannot tell while statements are hidden."""

    def judged(facts: Facts) -> list[Finding]:
        found = list(judge(facts))
        hidden = facts.get(Workload).hidden
        if hidden and not found:
            raise NotPossible(
                f"{hidden} statements of other roles are hidden from this role: GRANT pg_monitor"
            )
        return found

    return judged


def _recent(workload: Workload) -> tuple[Interval, ...]:
    return workload.intervals[-limits.INTERVALS :]


def _every(intervals: Iterable[Interval], key: StatementKey) -> list[tuple[Delta, float]] | None:
    """(delta, seconds) of each interval; None where it did not run in one of them."""
    found = [(i.deltas.get(key), i.seconds) for i in intervals]
    ran = [(d, s) for d, s in found if d is not None]
    return ran if len(ran) == len(found) else None


def _subject(workload: Workload, key: StatementKey) -> Subject:
    database = workload.databases.get(key[1], str(key[1]))
    user = workload.roles.get(key[0], str(key[0]))
    return Subject("statement", str(key[2]), of=f"{database}/{user}")


def _short(workload: Workload, key: StatementKey, width: int = 60) -> str:
    """Its text in quotes, its number where the text was not read."""
    text = " ".join(workload.texts.get(key, "").split())
    if not text:
        return f"statement {key[2]}"
    return f"“{text if len(text) <= width else text[: width - 1] + '…'}”"


def _is_select(workload: Workload, key: StatementKey) -> bool:
    text = workload.texts.get(key, "")
    return bool(_SELECT.match(text)) and not _FOREIGN_KEY_CHECK.search(text)


# -- N+1 ---------------------------------------------------------------------------------


def n_plus_one(facts: Facts) -> Iterator[Finding]:
    """A cheap look-up that runs about once for every row another statement returned."""
    workload = _workload(facts)
    intervals = _recent(workload)
    last = intervals[-1]
    busy_ms = last.exec_ms / last.seconds
    found = unread = False
    for key, seen in last.deltas.items():
        if key in workload.own or not _looks_up(seen, last.seconds):
            continue
        steady = _every(intervals, key)
        if steady is None or not all(_looks_up(d, s) for d, s in steady):
            continue
        calls_s = seen.calls / last.seconds
        ms_s = seen.exec_ms / last.seconds
        share = ms_s / busy_ms if busy_ms else 0.0
        if share < limits.LOOKUP_TIME_FRACTION and calls_s < limits.LOOKUP_BUSY_CALLS_PER_S:
            continue
        unread = unread or key not in workload.texts
        if _is_select(workload, key):
            parents = list(_lists(workload, intervals, key))
            if parents:
                found = True
                yield _n_plus_one(workload, key, parents, calls_s, ms_s, last)
    if unread and not found:  # whether it is a look-up its text says
        facts.rows(StatementText)
        raise NeedsTime("texts of frequent statements were not read yet")


def _looks_up(seen: Delta, seconds: float) -> bool:
    return (
        seen.calls / seconds >= limits.LOOKUP_CALLS_PER_S
        and seen.rows <= seen.calls * limits.LOOKUP_ROWS_PER_CALL
        and seen.exec_ms <= seen.calls * limits.LOOKUP_MEAN_MS
    )


def _lists(
    workload: Workload, intervals: tuple[Interval, ...], child: StatementKey
) -> Iterator[StatementKey]:
    """SELECTs of the same user and database whose rows/s keep pace with the look-up's calls/s."""
    for key in intervals[-1].deltas:
        if key == child or key[:2] != child[:2] or key[3] is False or key in workload.own:
            continue
        if not _is_select(workload, key):
            continue
        if all(_keeps_pace(i.deltas.get(key), i.deltas[child]) for i in intervals):
            yield key


def _keeps_pace(parent: Delta | None, child: Delta) -> bool:
    if parent is None or parent.rows < parent.calls * limits.LIST_ROWS_PER_CALL:
        return False
    return abs(parent.rows - child.calls) <= limits.LIST_MATCH * child.calls


def _n_plus_one(
    workload: Workload,
    key: StatementKey,
    parents: list[StatementKey],
    calls_s: float,
    ms_s: float,
    last: Interval,
) -> Finding:
    child = _short(workload, key)
    rate = units.rate(calls_s)
    if len(parents) == 1:
        parent = last.deltas[parents[0]]
        rows = parent.rows / parent.calls
        whose = f"once per row of {_short(workload, parents[0])}"
        why = (
            f"{child} runs {rate} times/s, {whose}, which returns {units.rate(rows)} rows a call"
            f" and {units.rate(parent.rows / last.seconds)} rows/s"
        )
    else:
        whose = f"about once per row of one of {len(parents)} lists"
        why = (
            f"{child} runs {rate} times/s, as often as each of {len(parents)} statements"
            " returns rows: which of them it follows cannot be told"
        )
    return Finding(
        rule="query.n_plus_one",
        severity="warning",
        subject=_subject(workload, key),
        title=f"{_short(workload, key, 40)} asked {rate}/s, {whose}: N+1",
        why=f"{why}; {units.ms(ms_s)} of every second goes there, and one round trip each",
        evidence={
            "calls_per_s": round(calls_s, 1),
            "ms_per_s": round(ms_s, 3),
            "parent_queryid": str(parents[0][2]) if len(parents) == 1 else None,
            "lists": len(parents),
        },
        cost=Cost(ms_per_s=ms_s),
        confidence="correlated",
        no_remedy=EAGER,
    )


# -- spills ------------------------------------------------------------------------------


def spills(facts: Facts) -> Iterator[Finding]:
    """A statement that writes temporary files interval after interval."""
    workload = _workload(facts)
    intervals = _recent(workload)
    for key, seen in intervals[-1].deltas.items():
        steady = _every(intervals, key)
        if steady is None or key in workload.own:
            continue
        least = min(d.temp_written * BLOCK_BYTES / s for d, s in steady)
        if least < limits.SPILL_BYTES_PER_S:
            continue
        seconds = intervals[-1].seconds
        per_s = seen.temp_written * BLOCK_BYTES / seconds
        per_call = seen.temp_written * BLOCK_BYTES / seen.calls
        ms_s = seen.exec_ms / seconds
        yield Finding(
            rule="query.spills",
            severity="warning",
            subject=_subject(workload, key),
            title=f"{_short(workload, key, 40)} writes {units.size(per_s)}/s of temporary files",
            why=(
                f"each execution writes {units.size(per_call)} to temporary files,"
                f" {units.rate(seen.calls / seconds)} times/s: its sort or hash does not fit into"
                " work_mem"
            ),
            evidence={
                "temp_bytes_per_s": round(per_s),
                "temp_bytes_per_call": round(per_call),
                "calls_per_s": round(seen.calls / seconds, 2),
            },
            cost=Cost(ms_per_s=ms_s, bytes=per_s),
            no_remedy=(
                f"no DDL: SET LOCAL work_mem to some {units.size(_work_mem(per_call))} in this"
                " statement's transaction, or an index that brings its order; its plan (e) says"
                " which node spills"
            ),
        )


def _work_mem(spilled: float) -> float:
    """What would hold it, rounded up to a power of two: in memory a sort takes about twice what
    its tapes take on disk (src/backend/utils/sort/tuplesort.c keeps a header for each tuple)."""
    size = float(1 << 22)
    while size < 2 * spilled:
        size *= 2
    return size


# -- regressions -------------------------------------------------------------------------


def regressed(facts: Facts) -> Iterator[Finding]:
    """A statement that became slower, or more frequent, since the mark."""
    workload = _workload(facts)
    mark = workload.mark or workload.first
    if mark is None or workload.now is None or mark is workload.now:
        raise NeedsTime("nothing was read since the mark")
    before_s = mark.taken_at - workload.first.taken_at if workload.first else 0.0
    after_s = workload.now.taken_at - mark.taken_at
    for key, row in workload.now.rows.items():
        then = mark.rows.get(key)
        if then is None or row is then or key in workload.own:
            continue
        after = delta(row, then)
        if after is None or after.calls < limits.REGRESSED_CALLS:
            continue
        before = _before(workload, key, then)
        if before is not None and before.calls >= limits.REGRESSED_CALLS:
            watched = before_s if workload.mark is not None else None
            yield from _compared(workload, key, before, watched, after, after_s)


def _before(workload: Workload, key: StatementKey, then: Statement) -> Delta | None:
    """What it did before the mark: as pgtop saw it, or in its whole life before pgtop came."""
    if workload.mark is None or workload.first is None:
        return delta(then, None)
    return delta(then, workload.first.rows.get(key))


def _compared(
    workload: Workload,
    key: StatementKey,
    before: Delta,
    before_s: float | None,
    after: Delta,
    after_s: float,
) -> Iterator[Finding]:
    old, new = before.mean_ms or 0.0, after.mean_ms or 0.0
    rate = after.calls / after_s
    slower = (
        new >= old * limits.REGRESSED_MEAN_FACTOR
        and new - old >= limits.REGRESSED_MEAN_MS
        and (new - old) * rate >= limits.REGRESSED_MS_PER_S
    )
    old_rate = before.calls / before_s if before_s else None
    # A lifetime's calls/s says nothing of this hour's: only what pgtop saw itself is compared.
    more = (
        old_rate is not None
        and rate >= old_rate * limits.REGRESSED_CALLS_FACTOR
        and (rate - old_rate) * new >= limits.REGRESSED_MS_PER_S
    )
    if not slower and not more:
        return
    added = rate * new - (old_rate if old_rate is not None else rate) * old
    said = []
    if slower:
        said.append(f"mean {units.ms(old)} → {units.ms(new)}")
    if more:
        said.append(f"{units.rate(old_rate)} → {units.rate(rate)} calls/s")
    since = "the mark" if workload.mark else "pgtop started"
    yield Finding(
        rule="query.regressed",
        severity="warning",
        subject=_subject(workload, key),
        title=f"{_short(workload, key, 40)} got worse: {', '.join(said)}",
        why=(
            f"since {since} {', '.join(said)}: {units.ms(added)} more in every second"
            f" ({before.calls:,} executions before, {after.calls:,} since)"
        ),
        evidence={
            "mean_before_ms": round(old, 3),
            "mean_ms": round(new, 3),
            "calls_per_s_before": None if old_rate is None else round(old_rate, 2),
            "calls_per_s": round(rate, 2),
        },
        cost=Cost(ms_per_s=added),
        no_remedy="no DDL by itself: its plan (e) now, and what changed since: data, statistics,"
        " a release",
    )


STATEMENT_RULES: tuple[Rule, ...] = (
    Rule("query.n_plus_one", _of_visible(n_plus_one)),
    Rule("query.spills", _of_visible(spills)),
    Rule("query.regressed", _of_visible(regressed)),
)
