"""Tables to repack or to analyse, and sequences that run out."""

from __future__ import annotations

from collections.abc import Iterator

from pgtop.advice import Facts, NeedsTime, NotPossible, Rule, ddl
from pgtop.advice.index_facts import IndexFacts, gathered
from pgtop.advice.indexes import running_cause, worth_bytes
from pgtop.advice.thresholds import indexes as limits
from pgtop.analysis import units
from pgtop.model.finding import Cost, Finding, Remedy, Severity, Subject
from pgtop.model.index import Sequence, SequenceValue
from pgtop.model.sample import SourceError
from pgtop.model.table import BLOCK_BYTES, Table, TableUse
from pgtop.model.vacuum import VacuumSetting

REPACK = (
    "pg_repack or pg_squeeze rewrite it while it is used (REPACK (CONCURRENTLY) from 19);"
    " VACUUM FULL shuts everybody out as long as it runs. Each needs room for a second copy with"
    " its indexes. Free space that the table fills again by itself is none of it"
)


def subject(table: Table) -> Subject:
    """The table as a finding names it."""
    return Subject("table", table.relname, schema=table.schemaname)


def bloated(facts: Facts) -> Iterator[Finding]:
    """Half of a big table is air, and nothing is under way that would say why."""
    found = gathered(facts)
    least = worth_bytes(found)
    pages = least / BLOCK_BYTES
    for table in facts.rows(Table):
        if table.relpages < pages or table.system:
            continue
        bloat = found.estimates.of_table(table)
        if bloat.bytes is None or bloat.fraction is None:
            continue
        if bloat.fraction < limits.BLOATED_FRACTION or bloat.bytes < least:
            continue
        if running_cause(facts, table) is not None:
            continue
        sure = "measured" if bloat.source == "measured" else "≈"
        yield Finding(
            rule="table.bloated",
            severity="notice",
            subject=subject(table),
            title=f"{table.relname}: {sure} {units.percent(bloat.fraction)} free space,"
            f" {units.size(bloat.bytes)}",
            why=f"{units.size(table.size_bytes)} now, {sure}"
            f" {units.size(table.size_bytes - bloat.bytes)} after a rewrite"
            + (f" ({bloat.why})" if bloat.why else ""),
            evidence={
                "size_bytes": table.size_bytes,
                "bloat_bytes": round(bloat.bytes),
                "bloat_fraction": round(bloat.fraction, 3),
                "dead_rows": table.n_dead_tup,
            },
            cost=Cost(bytes=bloat.bytes),
            confidence="measured" if bloat.source == "measured" else "estimated",
            no_remedy=REPACK,
        )


# -- statistics --------------------------------------------------------------------------


def stale_statistics(facts: Facts) -> Iterator[Finding]:
    """A table that was never analysed, or was another table when it was."""
    found = gathered(facts)
    facts.rows(TableUse)
    uses = found.usage.table_uses
    off = any(
        row.name in ("autovacuum", "track_counts") and row.setting == "off"
        for row in _settings(facts)
    )
    for table in facts.rows(Table):
        if table.reltuples > 0 and table.n_mod_since_analyze < limits.STALE_CHANGES:
            continue
        if table.relkind not in ("r", "m") or table.system or table.relpersistence == "t":
            continue
        use = uses.get(table.relid)
        if _never(found, table, off):
            yield _stale(table, "was never analysed", table.n_live_tup)
        elif use is not None and _outdated(table, use, found.now):
            yield _stale(
                table,
                f"{units.count(table.n_mod_since_analyze)} rows changed since its statistics were"
                f" made of {units.count(table.rows)}",
                table.n_mod_since_analyze,
            )


def _settings(facts: Facts) -> tuple[VacuumSetting, ...]:
    found = facts.samples.get(VacuumSetting)
    return () if found is None or isinstance(found, SourceError) else found.rows


def _never(found: IndexFacts, table: Table, off: bool) -> bool:
    """Never analysed, and nobody is about to: autovacuum is off, or did not come in time."""
    old = found.server is not None and found.server.version_num < 140000
    unknown = table.reltuples < 0 or (old and table.reltuples == 0 and table.relpages == 0)
    if not unknown or table.n_live_tup < limits.STALE_ROWS:
        return False
    if off or table.option("autovacuum_enabled") in ("false", "off", "0", "no"):
        return True
    since = found.usage.unanalysed_since.get(table.relid, found.now)
    return found.now - since >= limits.STALE_SEEN_S


def _outdated(table: Table, use: TableUse, now: float) -> bool:
    last = max(use.last_analyze or 0.0, use.last_autoanalyze or 0.0)
    return (
        table.reltuples >= 0
        and table.n_mod_since_analyze >= limits.STALE_CHANGES
        and table.n_mod_since_analyze >= limits.STALE_FRACTION * table.rows
        and 0.0 < last <= now - limits.STALE_AGE_S
    )


def _stale(table: Table, what: str, changed: int) -> Finding:
    return Finding(
        rule="table.stale_statistics",
        severity="warning",
        subject=subject(table),
        title=f"{table.relname}: {what}",
        why=f"{table.relname} {what}; the planner guesses"
        if "never" in what
        else f"{what}: plans are made for a table that is no more",
        evidence={
            "live_rows": table.n_live_tup,
            "changed_rows": changed,
            "known_rows": table.reltuples if table.reltuples >= 0 else None,
        },
        cost=Cost(bytes=table.size_bytes),
        confidence="proved",
        remedy=ddl.analyzed(table.ident),
    )


# -- sequences ---------------------------------------------------------------------------


def used_fraction(sequence: Sequence, value: SequenceValue | None) -> float | None:
    """How much of a sequence is gone; None where its value is not known, 0 before its first."""
    if value is None or value.why is not None:
        return None
    if value.last_value is None:
        return 0.0
    start = sequence.seqmin if sequence.seqincrement > 0 else sequence.seqmax
    if abs(start) > abs(sequence.limit):
        start = 0
    room = sequence.limit - start
    return (value.last_value - start) / room if room else 1.0


def near_limit(facts: Facts) -> Iterator[Finding]:
    """A sequence, or the column that takes its values, runs out."""
    found = gathered(facts)
    sequences = [s for s in facts.rows(Sequence) if not s.seqcycle]
    known = found.usage.sequences
    if sequences and not known:
        raise NeedsTime("the sequences' values were not asked yet")
    for sequence in sequences:
        value = known.get(sequence.seqrelid)
        used = used_fraction(sequence, value)
        if value is not None and used is not None and used >= limits.SEQUENCE_NOTICE:
            yield _near(sequence, value, used)
    hidden = sum(1 for s in known.values() if s.why is not None)
    if known and hidden == len(known):
        raise NotPossible("no sequence may be read: SELECT on it, or pg_read_all_data, is needed")


def _near(sequence: Sequence, value: SequenceValue, used: float) -> Finding:
    severity: Severity = "notice"
    if used >= limits.SEQUENCE_WARNING:
        severity = "critical" if used >= limits.SEQUENCE_CRITICAL else "warning"
    most = 1 << ((sequence.column_bits or 64) - 1)
    by_column = sequence.column_bits in (16, 32) and abs(sequence.limit) >= most - 1
    remedy = None
    before = "integer" if sequence.seqmax < 1 << 31 else "bigint"
    if sequence.column_bits == 64 and sequence.limit < most - 1 and sequence.seqincrement > 0:
        remedy = Remedy(
            sql=(ddl.alter_sequence_type(sequence.ident, "bigint"),),
            undo=(ddl.alter_sequence_type(sequence.ident, before, sequence.seqmax),),
            transactional=True,
            lock=ddl.ACCESS_EXCLUSIVE,
            caution="the column is wide enough: only the sequence's own limit moves; instantly,"
            " but set lock_timeout to 3s",
        )
    of = f" for {sequence.column_ident}" if sequence.column_ident else ""
    return Finding(
        rule="sequence.near_limit",
        severity=severity,
        subject=Subject(
            "sequence", sequence.relname, schema=sequence.schemaname, of=sequence.column_ident
        ),
        title=f"{sequence.relname}: {units.percent(used)} of its numbers are gone",
        why=f"{value.last_value:,} of {sequence.limit:,}{of}"
        + (": the column's type ends there" if by_column else ""),
        evidence={
            "last_value": value.last_value,
            "limit": sequence.limit,
            "used_fraction": round(used, 4),
        },
        confidence="measured",
        remedy=remedy,
        no_remedy=None
        if remedy
        else f"{sequence.column_ident or 'what takes its values'} needs a wider type: a new bigint"
        " column filled in the background and swapped, for ALTER … TYPE bigint rewrites the table"
        " under ACCESS EXCLUSIVE",
    )


TABLE_RULES: tuple[Rule, ...] = (
    Rule("table.bloated", bloated),
    Rule("table.stale_statistics", stale_statistics),
    Rule("sequence.near_limit", near_limit),
)
