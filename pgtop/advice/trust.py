"""Whether the server and what it stores can be relied on."""

from __future__ import annotations

from collections.abc import Iterator

from pgtop.advice import Facts, NeedsTime, NotPossible, Rule
from pgtop.advice.thresholds import replication as limits
from pgtop.analysis import units
from pgtop.model.finding import Finding, Subject
from pgtop.model.replication import DatabaseTrust
from pgtop.model.sample import Sample, SourceError
from pgtop.model.server import Server

COLLATION_SINCE = 150000
"""The first version that notes with which collation a database was made."""


def _server(facts: Facts) -> tuple[Server, float]:
    found = facts.samples.get(Server)
    if isinstance(found, SourceError):
        raise NotPossible(found.why)
    if not isinstance(found, Sample) or not found.rows:
        raise NeedsTime("the server was not read yet")
    return found.rows[0], found.taken_at


def crash_restarted(facts: Facts) -> Iterator[Finding]:
    """A crash restarts every process but the postmaster: its start time does not move."""
    server, now = _server(facts)
    began = server.checkpointer_started_at
    if began is None:
        raise NotPossible("when the checkpointer started is hidden from this role")
    ago = now - began
    if began - server.started_at < limits.CRASH_GAP_S or ago > limits.CRASH_NOTICE_S:
        return
    yield Finding(
        rule="server.crash_restarted",
        severity="warning" if ago <= limits.CRASH_WARNING_S else "notice",
        subject=Subject("server", server.database),
        title=f"the server recovered from a crash {units.seconds(ago)} ago",
        why=f"the postmaster is up for {units.seconds(now - server.started_at)}, the checkpointer"
        f" for {units.seconds(ago)}: a process was killed (out of memory?) or died, or the server"
        " was not stopped cleanly. Every session was lost, unlogged tables are empty, the counters"
        " began anew",
        evidence={"ago_s": round(ago), "up_s": round(now - server.started_at)},
        confidence="proved",
        no_remedy="no DDL: the server's log names the process and the signal; signal 9 is mostly"
        " the kernel's out-of-memory killer",
    )


def checksum(facts: Facts) -> Iterator[Finding]:
    """Pages that did not match their checksum when they were read."""
    rows = facts.rows(DatabaseTrust)
    if all(row.checksum_failures is None for row in rows):
        raise NotPossible("data checksums are off: a damaged page would not be noticed")
    for row in rows:
        if not row.checksum_failures:
            continue
        ago = row.checksum_age_s
        fresh = ago is not None and ago <= limits.CHECKSUM_CRITICAL_S
        when = "" if ago is None else f", the last {units.seconds(ago)} ago"
        failures = units.plural(row.checksum_failures, "page read", "page reads")
        yield Finding(
            rule="integrity.checksum",
            severity="critical" if fresh else "warning",
            subject=Subject("database", row.datname),
            title=f"{failures} failed their checksum in {row.datname}{when}",
            why="what is on the disk is not what PostgreSQL wrote: the storage lies or something"
            " else wrote there. The log names file and block",
            evidence={"failures": row.checksum_failures, "last_s": None if ago is None
                      else round(ago)},
            confidence="proved",
            no_remedy="no DDL: copy the data directory before anything else, then restore what is"
            " hurt from a backup or a standby; an index alone can be built anew (REINDEX)",
        )  # fmt: skip


def collation(facts: Facts) -> Iterator[Finding]:
    """Databases made with another version of the library that sorts their text."""
    rows = facts.rows(DatabaseTrust)
    server, _ = _server(facts)
    if server.version_num < COLLATION_SINCE:
        raise NotPossible("before PostgreSQL 15 a database does not note its collation's version")
    for row in rows:
        made, now = row.collation_version, row.collation_version_now
        if made is None or now is None or made == now:
            continue
        yield Finding(
            rule="integrity.collation",
            severity="warning",
            subject=Subject("database", row.datname),
            title=f"database {row.datname} was made with collation version {made}, the library"
            f" now is {now}",
            why="text may sort otherwise than when its indexes were built: then they miss rows and"
            " unique ones let duplicates in, without an error",
            evidence={"made_with": made, "now": now},
            confidence="proved",
            no_remedy="no DDL in one line: bt_index_check of the extension amcheck says which"
            " indexes over text are wrong; REINDEX those CONCURRENTLY, and only then ALTER"
            " DATABASE … REFRESH COLLATION VERSION, which checks nothing",
        )


TRUST_RULES: tuple[Rule, ...] = (
    Rule("server.crash_restarted", crash_restarted),
    Rule("integrity.checksum", checksum),
    Rule("integrity.collation", collation),
)
