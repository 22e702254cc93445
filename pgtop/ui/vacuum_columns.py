"""The Autovacuum tab's rows, columns and head line."""

from __future__ import annotations

from dataclasses import dataclass

from pgtop.advice.vacuum_case import Case, prepared, utilisation
from pgtop.advice.vacuum_horizon import holding, named
from pgtop.analysis import units
from pgtop.analysis.vacuum.settings import VacuumSettings
from pgtop.analysis.vacuum.state import VacuumState
from pgtop.model.vacuum import VacuumRun
from pgtop.ui.table_columns import Cell, Column, Tone

MIB = 2**20

TROUBLE: dict[str, Tone] = {
    "blocked": "critical", "lock-starved": "critical", "wraparound": "critical", "off": "critical",
    "disabled": "warning", "no stats": "warning", "too slow": "warning", "advice": "warning",
    "draft": "notice", "due": "notice", "running": "good", "burst": "notice",
    "naptime-bound": "notice",
}  # fmt: skip
"""Words that ask for a look; all others are dim."""

GLYPHS: dict[Tone, str] = {"critical": " ‼", "warning": " !", "notice": " ·"}


@dataclass(frozen=True, slots=True)
class VacuumRow:
    """A table, or all the small ones in one line."""

    key: int
    case: Case | None
    now: float
    marked: bool = False
    folded: int = 0
    folded_due: int = 0
    folded_worst: float = 0.0


def columns() -> tuple[Column[VacuumRow], ...]:
    """The worst first; the bars go before their numbers do."""
    return (
        Column("mark", " ", lambda r: "x" if r.marked else " ", width=1, align="left"),
        Column("pressure", "pressure", _pressure, width=8, sort=_most,
               means="how near autovacuum is to starting: 100 % is its threshold"),
        Column("bar", "", _bar, width=12, align="left", from_width=148),
        Column("trigger", "of what", lambda r: r.case.seen.nearest[0] if r.case else "",
               width=8, align="left",
               means="which threshold is the nearest: dead rows, inserts, changes, age"),
        Column("count", "now", lambda r: units.count(r.case.seen.nearest[1]) if r.case else "",
               width=7,
               means="what has come together of it"),
        Column("limit", "limit", lambda r: units.count(r.case.seen.nearest[2]) if r.case else "",
               width=7,
               means="where autovacuum starts, from the settings in force for this table"),
        Column("dead", "dead", lambda r: _count(r, "n_dead_tup"), width=7, from_width=136,
               sort=lambda r: r.case.seen.table.n_dead_tup if r.case else None,
               means="rows that vacuum has not removed yet"),
        Column("dead/s", "dead/s", _dead_rate, width=7, from_width=96,
               sort=lambda r: (r.case.seen.rates.dead or 0) if r.case and r.case.seen.rates
               else None,
               means="how fast they grow"),
        Column("next", "next", _next, width=6, descending=False,
               sort=lambda r: r.case.seen.next_s if r.case else None,
               means="until the threshold at this pace"),
        Column("by", "by", lambda r: (r.case.seen.next_by or units.NOTHING) if r.case else "",
               width=7, align="left", from_width=112,
               means="what will start it then"),
        Column("ins", "inserts", lambda r: _share(r, "inserts"), width=7, from_width=176,
               sort=lambda r: r.case.seen.pressure.inserts if r.case else None,
               means="the same for inserted rows (13 and later)"),
        Column("mod", "changes", lambda r: _share(r, "changes"), width=7, from_width=176,
               sort=lambda r: r.case.seen.pressure.changes if r.case else None,
               means="the same for ANALYZE: changed rows"),
        Column("xid", "xid age", lambda r: _share(r, "xid"), width=7, from_width=176,
               sort=lambda r: r.case.seen.pressure.xid if r.case else None,
               means="age of its oldest transaction, of autovacuum_freeze_max_age"),
        Column("mxid", "mxid", lambda r: _share(r, "mxid"), width=6, from_width=196,
               sort=lambda r: r.case.seen.pressure.mxid if r.case else None,
               means="age of its oldest multixact likewise"),
        Column("last", "last", _last, width=8, from_width=104,
               sort=lambda r: _ago(r),
               means="since the last vacuum; m: by hand"),
        Column("runs", "runs", lambda r: _count(r, "autovacuum_count"), width=6, from_width=204,
               sort=lambda r: r.case.seen.table.autovacuum_count if r.case else None,
               means="autovacuums since the counters began"),
        Column("takes", "takes ≈", _takes, width=8, from_width=104,
               sort=lambda r: r.case.seen.takes_s if r.case else None,
               means=("how long a vacuum takes: as measured, or ≈ from its pages and the cost "
                      "limit")),
        Column("size", "size ≈", lambda r: units.size(r.case.seen.table.size_bytes)
               if r.case else "", width=8, from_width=160,
               sort=lambda r: r.case.seen.table.size_bytes if r.case else None),
        Column("options", "options", _options, width=7, align="left", from_width=128,
               means="settings of its own"),
        Column("state", "state", _state, width=14, align="left",
               sort=lambda r: r.case.word if r.case else None, descending=False),
        Column("table", "table", _label, width=18, align="left", flex=True, names=True,
               sort=lambda r: r.case.seen.label if r.case else None, descending=False),
    )  # fmt: skip


def _most(row: VacuumRow) -> float | None:
    return row.case.seen.pressure.most if row.case else None


def _pressure(row: VacuumRow) -> Cell:
    share = _most(row) if row.case else row.folded_worst
    text = units.percent(share)
    return ((text, "strong" if (share or 0) > 1 and row.case else ""),)


def _bar(row: VacuumRow) -> Cell:
    share = _most(row)
    if share is None:
        return ""
    text = units.bar(min(share, 1.0), 10)
    return ((text, "warning" if share > 1 else "bar"), (" ▸" if share > 1 else "", "warning"))


def _count(row: VacuumRow, name: str) -> str:
    return units.count(getattr(row.case.seen.table, name)) if row.case else ""


def _share(row: VacuumRow, name: str) -> str:
    if row.case is None:
        return ""
    value = getattr(row.case.seen.pressure, name)
    return units.NOTHING if value is None else units.percent(value)


def _dead_rate(row: VacuumRow) -> Cell:
    if row.case is None:
        return ""
    rates = row.case.seen.rates
    if rates is None:
        return units.UNKNOWN
    if rates.dead is None:
        return f"≤{units.rate(rates.dead_gross)}"
    return units.rate(rates.dead) if rates.net else f"≈{units.rate(rates.dead)}"


def _next(row: VacuumRow) -> Cell:
    if row.case is None:
        return ""
    seen = row.case.seen
    if seen.next_s is None:
        unknown = seen.rates is None or seen.rates.dead is None
        return units.UNKNOWN if unknown else units.NOTHING
    return (("due", "notice"),) if seen.next_s <= 0 else units.age(seen.next_s)


def _ago(row: VacuumRow) -> float | None:
    last = row.case.seen.last_run if row.case else None
    return None if last is None else row.now - last[0]


def _last(row: VacuumRow) -> Cell:
    if row.case is None:
        return ""
    last = row.case.seen.last_run
    if last is None:
        return units.UNKNOWN if row.case.seen.use is None else "never"
    return units.age(max(0.0, row.now - last[0])) + ("" if last[1] == "auto" else " m")


def _takes(row: VacuumRow) -> Cell:
    if row.case is None:
        return ""
    seen = row.case.seen
    takes = seen.takes_s
    if takes is None:
        return units.UNKNOWN
    words = units.age(takes) if takes >= 1 else units.seconds(takes)
    return words if seen.measured_s is not None else f"≈{words}"


def _options(row: VacuumRow) -> Cell:
    if row.case is None:
        return ""
    seen = row.case.seen
    if not seen.options:
        return units.NOTHING
    return f"{len(seen.options)} {'inh.' if seen.inherited else 'own'}"


def _state(row: VacuumRow) -> Cell:
    if row.case is None:
        return (("folded", "dim"),)
    word: str = row.case.word
    tone = TROUBLE.get(word, "dim")
    run = row.case.seen.run
    if word == "running" and run is not None and run.share is not None:
        word = f"running {units.percent(run.share)}"
    return ((word + GLYPHS.get(tone, ""), tone),)


def _label(row: VacuumRow) -> Cell:
    if row.case is not None:
        return row.case.seen.label
    due = f", {row.folded_due} due" if row.folded_due else ""
    return ((f"{units.plural(row.folded, 'small table')}{due} (s)", "dim"),)


def head_lines(
    state: VacuumState, settings: VacuumSettings, width: int, *, runs_known: bool = True
) -> list[list[tuple[str, Tone]]]:
    """On or off, workers, budget, ages, the counters' age; the horizon on a line of its own
    where somebody holds it."""
    pieces: list[tuple[str, Tone]] = [
        (" on", "good") if settings.enabled else (" OFF ‼", "critical")
    ]
    if state.server is not None and state.server.in_recovery:
        pieces.append(("  standby: vacuum runs on the primary", "notice"))
    busy = sum(p.run.worker for p in state.history.now)
    here = sum(p.run.worker and p.run.same_database for p in state.history.now)
    full: Tone = "warning" if busy >= settings.max_workers else ""
    other = f" ({here} here)" if busy != here else ""
    if runs_known:
        pieces.append((f"  workers {busy}/{settings.max_workers}{other}", full))
    else:
        pieces.append((f"  workers ?/{settings.max_workers}", "notice"))
    pieces.extend(_budget(state, settings, width))
    words, tone = _horizon(state)
    if tone != "warning":
        pieces.append((words, tone))
    pieces.append(_ages(state, settings, width))
    pieces.append(_counters(state, width))
    return [pieces, [(words[1:] + " ", tone)]] if tone == "warning" else [pieces]


def _budget(state: VacuumState, settings: VacuumSettings, width: int) -> list[tuple[str, Tone]]:
    budget = settings.budget
    if budget is None:
        return [("  unthrottled", "notice")]
    read = budget / max(settings.page_miss, 0.001) * 8192 / MIB
    write = budget / max(settings.page_dirty, 0.001) * 8192 / MIB
    used = utilisation(state) if prepared(state) else None
    tone: Tone = "warning" if used is not None and used >= 0.7 else ""
    share = units.UNKNOWN if used is None else f"≈ {units.percent(used)}"
    if width < 100:
        return [(f"  budget used {share}" if used is not None else f"  {read:.0f} MiB/s", tone)]
    words = f"  budget {read:.0f} MiB/s read {write:.0f} write"
    whose = " by this database" if width >= 140 else ""
    return [(f"{words}, used {share}{whose}", tone)]


def _horizon(state: VacuumState) -> tuple[str, Tone]:
    unseen = f", cannot see {state.hidden} sessions" if state.hidden else ""
    if state.holders is None:
        return ("  horizon ?", "dim")
    holders = holding(state)
    if not holders:
        return (f"  horizon {'free' if not unseen else '?'}{unseen}", "dim")
    oldest = holders[0]
    young = oldest.held_s is not None and oldest.held_s < 60
    words = f"  horizon {units.plural(oldest.xid_age, 'xid')}"
    if young:  # everyday life: naming it would flicker with every reading
        return (f"{words}{unseen}", "dim")
    old = oldest.held_s is None or oldest.held_s >= 300
    return (f"{words}: {named(oldest)}{unseen}", "warning" if old and oldest.xid_age else "")


def _ages(state: VacuumState, settings: VacuumSettings, width: int) -> tuple[str, Tone]:
    if not state.databases:
        return ("  oldest db ?", "dim")
    share = max(
        max(d.xid_age / settings.freeze_max_age, d.mxid_age / settings.multixact_freeze_max_age)
        for d in state.databases
    )
    of = " of forced" if width >= 100 else ""
    return (f"  oldest db {units.percent(share)}{of}", "warning" if share > 1.2 else "")


def _counters(state: VacuumState, width: int) -> tuple[str, Tone]:
    window = state.window_s()
    if state.counters.lost >= 3:
        of = f" ({state.counters.lost} tables)" if width >= 100 else ""
        return (f"  counters lost{of}", "warning")
    if window is None:
        return ("  counters ?", "dim")
    return (f"  counters {'≥' if state.counters.at_least else ''}{units.age(window)}", "dim")


def running_lines(
    state: VacuumState, settings: VacuumSettings, most: int = 4
) -> list[list[tuple[str, Tone]]]:
    """One line a vacuum under way: how far, how long still, whether it gives way."""
    lines: list[list[tuple[str, Tone]]] = []
    for progress in state.history.now[:most]:
        run = progress.run
        table = state.tables.get(run.relid or 0) if run.same_database else None
        where = state.label(table) if table is not None else f"in {run.datname or '?'}"
        pieces: list[tuple[str, Tone]] = [(f" {where}", "strong")]
        pieces.append((f"  {run.phase or 'analyze or between tables'}", ""))
        if progress.share is not None:
            bar = units.bar(progress.share, 8)
            pieces += [(f" {units.percent(progress.share)} ", ""), (bar, "bar")]
        if progress.eta_s is not None:
            pieces.append((f" {units.age(progress.eta_s)} left in phase", ""))
        if (run.index_vacuum_count or 0) > 1:
            pieces.append((f"  {run.index_vacuum_count} index passes: memory too small", "warning"))
        if run.delay_time and run.xact_s:
            pieces.append((f"  asleep {units.percent(run.delay_time / 1000 / run.xact_s)}", "dim"))
        if run.wait_event_type in ("Lock", "BufferPin"):
            pieces.append((f"  waits {run.wait_event_type}/{run.wait_event}", "warning"))
        since = f"  pid {run.pid}, {units.age(run.xact_s)}"
        pieces.append((f"  {_yields(run, settings)}{since}", "dim"))
        lines.append(pieces)
    more = len(state.history.now) - most
    if more > 0:
        lines.append([(f" and {more} more vacuums", "dim")])
    return lines


def _yields(run: VacuumRun, settings: VacuumSettings) -> str:
    if run.prevents_wraparound is None:
        return "whether it gives way is hidden"
    if run.prevents_wraparound:
        return "against wraparound: does not give way"
    if not run.worker:
        return "a session's own VACUUM: does not give way"
    return f"gives way after {units.ms(settings.deadlock_timeout_ms)}"
