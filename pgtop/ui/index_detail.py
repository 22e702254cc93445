"""The foot of the Indexes tab: definition, figures, why, DDL and undo of one row."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rich.text import Text

from pgtop.advice import ddl
from pgtop.advice.index_facts import IndexFacts
from pgtop.advice.index_going import may_be_unused, spared_for
from pgtop.advice.index_use import leaves, scans, size_bytes, why_kept
from pgtop.advice.indexes import dead_rows_wait, worth_bytes
from pgtop.advice.thresholds import indexes as limits
from pgtop.analysis import units
from pgtop.analysis.bloat import Bloat
from pgtop.model.finding import Finding
from pgtop.model.index import Index, IndexBuild
from pgtop.model.index_request import Definition
from pgtop.model.sample import SourceError
from pgtop.model.vacuum import VacuumBlock
from pgtop.terminal.glyphs import SEVERITY
from pgtop.terminal.safe import safe
from pgtop.ui.index_key_rows import SUPPORT, AdvisedRow, KeyRow
from pgtop.ui.index_rows import LOUD_FRACTION, IndexRow, hot_lost
from pgtop.ui.index_table_rows import TableRow
from pgtop.ui.text import sql_text

MOST_INDEXES = 12
"""Of a table in its detail."""

GROWN = 0.2
"""Growth since the catalogue counted that is said."""

DROPPED = {"index.unused", "index.duplicate", "index.redundant"}
NO_UNDO = {
    "index.bloated": "none is needed: a rebuilt index is the same index",
    "index.invalid": "none: no query used it",
    "table.bloated": "none is needed: the rows are the same",
}


def index_text(
    row: IndexRow, known: Definition | SourceError | None, builds: tuple[IndexBuild, ...]
) -> Text:
    """Everything about one index."""
    text = Text()
    if isinstance(known, Definition) and known.sql:
        text.append_text(sql_text(known.sql))
        size = f"   {units.size(known.size_bytes)} now" if known.size_bytes is not None else ""
        if row.index.partitioned:
            size = f"   {units.size(size_bytes(row.found, row.index))} in its partitions"
        text.append(f"{size}\n")
    elif isinstance(known, Definition):
        text.append(f"{safe(row.index.ident)}: locked by another session\n", "bold")
    elif isinstance(known, SourceError):
        text.append(f"{safe(row.index.ident)}: {safe(known.why)}\n")
    else:
        text.append(f"{safe(row.index.ident)}   asking for its definition …\n", "dim")
    _lock(text, row.lock)
    _findings(text, row.findings)
    _grown(text, row.size_bytes, row.index.size_bytes)
    text.append(f"bloat {bloat_words(row.bloat)}\n")
    lost, alone = hot_lost(row.found, row.index)
    if lost:
        of = "" if alone else "; the table's indexes together, which of them is not counted"
        text.append(
            f"{units.rate(lost)} updates/s are not HOT because an indexed column changes{of}\n"
        )
    for build in builds:
        if build.relid == row.index.indrelid:
            text.append(f"{build_words(build)}\n", "bold")
    for line in why_nothing(row):
        text.append(f"{safe(line)}\n")
    if row.index.partitioned:
        _indexes(text, row.found, leaves(row.found, row.index))
    return text


def why_nothing(row: IndexRow) -> Iterator[str]:
    """Why an index that looks useless or bloated has no DDL here."""
    index, found = row.index, row.found
    said = {finding.rule for finding in row.findings}
    if index.indisvalid:
        kept = why_kept(found, index)
        if kept is not None:
            yield f"not to be dropped: {kept}"
        elif may_be_unused(found, index) and not said & DROPPED:
            yield _not_yet(found, index)
    if "index.bloated" not in said and not said & DROPPED and index.indisvalid:
        yield from _why_no_rebuild(row)


def _not_yet(found: IndexFacts, index: Index) -> str:
    """Why an index without a scan, on which nothing hangs, is not called unused."""
    seen = found.observed_s(index)
    since = f"in {units.age(seen)}" if seen is not None else "since ?"
    if seen is not None and seen >= limits.UNUSED_WINDOW_S:
        key = spared_for(found, index)
        if key is not None:
            return (
                f"not one scan {since}; it stays for foreign key {key.conname}, which the others"
                " without a scan serve no better"
            )
    built = ", or since it was built" if seen == found.window_s else ""
    return (
        f"not one scan {since}{built}; called unused, with its DDL, from"
        f" {units.age(limits.UNUSED_WINDOW_S)} on"
    )


def _why_no_rebuild(row: IndexRow) -> Iterator[str]:
    """Why bloat that is seen is not worth a rebuild, and the rebuild for who wants it anyway."""
    bloat, table = row.bloat, row.found.usage.tables.get(row.index.indrelid)
    if bloat.bytes is None or bloat.fraction is None or bloat.fraction < LOUD_FRACTION:
        return
    least = worth_bytes(row.found)
    if bloat.fraction < limits.BLOATED_FRACTION:
        part = units.percent(limits.BLOATED_FRACTION)
        why = f"below {part} of bloat: keys in random order fill pages no better for long"
    elif bloat.bytes < least:
        part = units.percent(limits.BLOATED_BUFFERS)
        why = f"below {units.size(least)} of bloat, {part} of this server's shared_buffers"
        if least >= limits.BLOATED_BYTES:
            why = f"below {units.size(least)} of bloat"
    elif dead_rows_wait(table):
        why = "while dead rows of its table wait for VACUUM: it would not last"
    else:
        why = "now: see Overview, or R reads again"
    yield f"no rebuild is recommended {why}; it would be {ddl.reindex(row.index.ident)}"


def bloat_words(bloat: Bloat) -> str:
    """What is known of bloat, and how."""
    if bloat.bytes is None or bloat.fraction is None:
        return f"not estimated: {bloat.why}"
    how = "measured" if bloat.source == "measured" else "≈ estimated from statistics"
    wasted = f"{units.size(bloat.bytes)}, {units.percent(bloat.fraction)}"
    if bloat.most is not None:
        least, share = max(bloat.bytes, 0.0), max(bloat.fraction, 0.0)
        wasted = f"{units.size(least)}, {units.percent(share)} to {units.percent(bloat.most)}"
    if bloat.bytes < 0 and (bloat.most is None or bloat.most <= 0):
        wasted = f"none: a rebuild would take {units.size(-bloat.bytes)} more"
    return f"{wasted}   {how}" + (f"; {bloat.why}" if bloat.why else "")


def build_words(build: IndexBuild) -> str:
    """How far a build is and whom it waits for."""
    done, total = build.blocks_done or build.tuples_done, build.blocks_total or build.tuples_total
    far = f" {units.percent((done or 0) / total)}" if total else ""
    waits = f", waits for pid {build.current_locker_pid}" if build.current_locker_pid else ""
    return f"pid {build.pid}: {safe(build.command or '')}, {safe(build.phase or '')}{far}{waits}"


def table_text(row: TableRow) -> Text:
    """Everything about one table."""
    text = Text(f"{safe(row.table.ident)}\n", "bold")
    table, use = row.table, row.found.usage.table_uses.get(row.table.relid)
    text.append(
        f"{units.count(table.reltuples if table.reltuples >= 0 else None)} rows when last counted,"
        f" {units.count(table.n_dead_tup)} dead; inserted {units.count(table.n_tup_ins)}, updated"
        f" {units.count(table.n_tup_upd)}, deleted {units.count(table.n_tup_del)}\n"
    )
    if use is not None:
        text.append(
            f"read whole {units.count(use.seq_scan)} times,"
            f" {units.count(use.seq_tup_read)} rows by that\n"
        )
    _lock(text, row.lock)
    _findings(text, row.findings)
    _grown(text, row.size_bytes, table.size_bytes)
    text.append(f"bloat {bloat_words(row.bloat)}\n")
    _indexes(text, row.found, row.found.by_table.get(table.relid, ()))
    return text


def _grown(text: Text, now: int | None, known: int) -> None:
    """That bloat is told of another size than that on disk."""
    if now is not None and abs(now - known) > max(GROWN * now, 8 * 8192):
        text.append(
            f"{units.size(now)} on disk; VACUUM and ANALYZE last saw {units.size(known)}, and bloat"
            " is told of that\n"
        )


def _indexes(text: Text, found: IndexFacts, some: Iterable[Index]) -> None:
    """Indexes of a table, or of the partitions of an index: the biggest first."""
    own = sorted(some, key=lambda i: -i.relpages)
    for index in own[:MOST_INDEXES]:
        bloat = found.estimates.of_index(index)
        wasted = units.UNKNOWN if bloat.bytes is None else f"≈{units.size(max(bloat.bytes, 0.0))}"
        text.append(f"  {safe(index.relname)}", "bold")
        text.append(
            f"   ≈{units.size(size_bytes(found, index))}, bloat {wasted},"
            f" {units.count(scans(found, index))} scans\n"
        )
    if len(own) > MOST_INDEXES:
        text.append(f"  and {len(own) - MOST_INDEXES} smaller\n")


def _lock(text: Text, lock: VacuumBlock | None) -> None:
    if lock is not None:
        held = f" for {units.seconds(lock.xact_s)}" if lock.xact_s is not None else ""
        who = f", {safe(lock.role)}" if lock.role else ""
        text.append(f"locked: pid {lock.pid}{who} holds ACCESS EXCLUSIVE{held}\n", "bold")


def key_text(row: KeyRow) -> Text:
    """Everything about one foreign key."""
    text = Text(f"{safe(row.foreign_key.conname)} ({safe(row.foreign_key.columns)})\n", "bold")
    deleted = row.found.usage.deleted(row.foreign_key.confrelid)
    text.append(
        f"index: {SUPPORT[row.support]}; {units.count(deleted)} referenced rows deleted since the"
        f" counters began, each reads {units.size(row.pages * 8192)}\n"
    )
    if not row.findings:
        text.append(f"no finding: {_why_no_key(deleted, row.pages)}\n")
    _findings(text, row.findings)
    return text


def why_no_key(row: KeyRow) -> str:
    """Why a foreign key without an index has no DDL here."""
    return _why_no_key(row.found.usage.deleted(row.foreign_key.confrelid), row.pages)


def _why_no_key(deleted: int | None, pages: int) -> str:
    if not deleted:
        return "no referenced row was deleted, nothing had to look for it"
    if pages < limits.REFERENCING_PAGES:
        return f"below {units.size(limits.REFERENCING_PAGES * 8192)} a table is soon read"
    return "it was not judged yet"


def advised_text(row: AdvisedRow) -> Text:
    """Everything about an index that was advised."""
    subject = row.finding.subject
    text = Text(f"{safe(subject.name)} on {safe(subject.of or '')}: not built\n", "bold")
    _findings(text, row.findings)
    return text


def _findings(text: Text, findings: tuple[Finding, ...]) -> None:
    for finding in findings:
        text.append(f"{SEVERITY[finding.severity]} {safe(finding.title)}\n", "bold")
        text.append(f"{safe(finding.why)}\n")
        if finding.remedy is None:
            text.append(f"{safe(finding.no_remedy or '')}\n")
            continue
        for statement in finding.remedy.sql:
            text.append_text(sql_text(statement))
            text.append("\n")
        if not finding.remedy.undo and finding.rule in NO_UNDO:
            text.append(f"undo  {NO_UNDO[finding.rule]}\n", "dim")
        for statement in finding.remedy.undo:
            text.append("undo  ", "dim")
            text.append_text(sql_text(statement))
            text.append("\n")
        text.append(f"lock  {finding.remedy.lock}   ", "dim")
        text.append(f"{safe(finding.remedy.caution or '')}\n", "dim")
