"""Rows of the Replication tab: everything that WAL goes to, waits for, or tells of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, cast

from pgtop.advice import Facts
from pgtop.analysis import units
from pgtop.analysis.replication import Track, WalFlow
from pgtop.model.finding import Finding, Subject
from pgtop.model.replication import (
    Archiver,
    Checkpoints,
    Conflict,
    DatabaseTrust,
    Recovery,
    Slot,
    Standby,
    WalCounters,
    WalFiles,
    WalPlace,
)
from pgtop.model.sample import Sample, SourceError
from pgtop.model.server import Server

Key = tuple[str, str]
Texts = tuple[tuple[str, str], ...]

WAIT = "…"
"""Not known yet: a second reading tells."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line: what it is, how it stands, how far it is behind or how much it keeps."""

    key: Key
    name: str
    state: str
    bytes: int | None = None
    """Behind, kept, or waiting; None where there is no such figure."""

    bytes_unknown: bool = False
    lag_s: float | None = None
    per_s: float | None = None
    """Change of `bytes`; None where it is not known."""

    said: str = ""
    """What else there is to say of it on a line."""

    more: Texts = ()
    """(name, value) of everything, for the detail."""

    findings: tuple[Finding, ...] = ()


def rows_of(facts: Facts, findings: tuple[Finding, ...]) -> list[Row]:
    """All rows: standbys, slots, then what the server says of itself."""
    flow = facts.derived.get(WalFlow) or WalFlow()
    made = [
        *(_standby(row, flow) for row in read(facts, Standby)),
        *_gone(facts, flow),
        *(_slot(row, flow) for row in read(facts, Slot)),
        *(_recovery(row, flow) for row in read(facts, Recovery)),
        *_archiver(facts, flow),
        *_files(facts, flow),
        *_checkpoints(facts, flow),
        *(_conflict(row) for row in read(facts, Conflict) if row.total),
        *_server(facts),
        *(_trust(row) for row in read(facts, DatabaseTrust) if _doubtful(row)),
    ]
    return [_with(row, findings) for row in made]


def read(facts: Facts, kind: type[Any]) -> tuple[Any, ...]:
    """The rows last read of a type; none where they could not be."""
    found = facts.samples.get(kind)
    return found.rows if isinstance(found, Sample) else ()


def key_of(subject: Subject) -> Key | None:
    """The row that is about `subject`."""
    if subject.kind == "standby":
        return "standby", subject.of or subject.name
    if subject.kind in ("slot", "setting"):
        return subject.kind, subject.name
    if subject.kind == "database":
        return "database", subject.name
    if subject.kind == "server":
        known = subject.name in ("replay", "archiver", "pg_wal")
        return "server", subject.name if known else "server"
    return None


def _with(row: Row, findings: tuple[Finding, ...]) -> Row:
    own = tuple(f for f in findings if key_of(f.subject) == row.key)
    return replace(row, findings=own) if own else row


# -- one of each kind --------------------------------------------------------------------


def _standby(row: Standby, flow: WalFlow) -> Row:
    hidden = row.state is None
    track = flow.behind.get(row.pid, Track())
    via = f"slot {row.slot_name}" if row.slot_name else "no slot"
    return Row(
        key=("standby", str(row.pid)),
        name=f"{'subscriber' if row.slot_type == 'logical' else 'standby'} {row.name}",
        state="hidden" if hidden else f"{row.state} {row.sync_state or ''}".strip(),
        bytes=row.behind,
        bytes_unknown=row.behind is None,
        lag_s=flow.lag_s(row),
        per_s=track.per_s,
        said="hidden from this role: GRANT pg_monitor" if hidden
        else f"{row.client_addr or 'socket'}, {via}",
        more=(
            ("pid", str(row.pid)), ("user", row.usename or units.UNKNOWN),
            ("from", row.client_addr or "a Unix socket"),
            ("not sent yet", units.size(row.sent_behind)),
            ("not written yet", units.size(row.write_behind)),
            ("not flushed yet", units.size(row.flush_behind)),
            ("not replayed yet", units.size(row.replay_behind)),
            ("lag by its answers", f"write {_lag(row.write_lag_s)}, flush"
             f" {_lag(row.flush_lag_s)}, replay {_lag(row.replay_lag_s)}"),
            ("it catches up", _until(flow.catching_up_s(row.pid), row.behind)),
            ("last answer", f"{units.seconds(row.reply_age_s)} ago"),
            ("holds back vacuum by", units.NOTHING if row.xmin_age is None else
             f"{units.count(row.xmin_age)} transactions (hot_standby_feedback)"),
            ("slot", row.slot_name or "none: WAL it needs may be removed"),
        ),
    )  # fmt: skip


def _gone(facts: Facts, flow: WalFlow) -> Iterator[Row]:
    here = {row.identity for row in read(facts, Standby)}
    for (name, client, slot), seen in flow.seen.items():
        if (name, client, slot) not in here:
            gone = units.seconds(flow.standbys_at - seen.last)
            yield Row(
                key=("standby", client or name),
                name=f"standby {name}",
                state="gone",
                said=f"streamed to {client or 'a Unix socket'}, not connected for {gone}",
                more=(
                    ("gone for", gone),
                    ("watched before", units.seconds(seen.last - seen.first)),
                    ("synchronous", "yes" if seen.synchronous else "no"),
                    ("slot", slot or "none"),
                ),
            )


def _lag(value: float | None) -> str:
    return units.NOTHING if value is None else units.seconds(value)


def _until(seconds: float | None, behind: int | None) -> str:
    if not behind:
        return "it has everything"
    return "not at its present speed" if seconds is None else f"in {units.seconds(seconds)}"


def _slot(row: Slot, flow: WalFlow) -> Row:
    logical = row.slot_type == "logical"
    words = [row.slot_type, "in use" if row.active else "unused", row.wal_status or "no WAL"]
    kind = [name for name in ("temporary", "synced") if getattr(row, name)]
    safe = (
        "no limit but the disk" if row.safe_wal_size is None
        else f"{units.size(row.safe_wal_size)} until it is lost"
    )  # fmt: skip
    if row.lost:
        safe = f"lost: {row.invalidation_reason or 'its WAL is removed'}"
    elif row.retained_bytes is None:
        safe = "never used: it reserves nothing"
    return Row(
        key=("slot", row.slot_name),
        name=f"slot {row.slot_name}",
        state=" ".join((*words, *kind)),
        bytes=row.retained_bytes,
        lag_s=None,
        per_s=flow.growth_per_s(row.slot_name),
        said=f"{safe}{f'; {row.plugin} in {row.database}' if logical else ''}",
        more=(
            ("type", f"{row.slot_type} {row.plugin or ''}"), ("database", row.database or "all"),
            ("used by", f"pid {row.active_pid}" if row.active else "nobody"),
            ("unused for", units.NOTHING if row.inactive_s is None
             else units.seconds(row.inactive_s)),
            ("keeps", units.size(row.retained_bytes)),
            ("not confirmed", units.size(row.unconfirmed_bytes) if logical else units.NOTHING),
            ("it moved last", _moved(flow.restart.get(row.slot_name, Track()))),
            ("wal_status", row.wal_status or units.NOTHING), ("until it is lost", safe),
            ("holds back vacuum by", _horizon(row)),
        ),
    )  # fmt: skip


def _moved(track: Track) -> str:
    if track.seconds <= 0:
        return WAIT
    if track.still_s >= track.seconds:
        return f"not in the {units.seconds(track.seconds)} pgtop watches"
    return f"{units.seconds(track.still_s)} ago"


def _horizon(row: Slot) -> str:
    parts = []
    if row.xmin_age is not None:
        parts.append(f"{units.count(row.xmin_age)} transactions in every table")
    if row.catalog_xmin_age is not None:
        parts.append(f"{units.count(row.catalog_xmin_age)} transactions in catalogues")
    return ", ".join(parts) or units.NOTHING


def _recovery(row: Recovery, flow: WalFlow) -> Row:
    state = "paused" if row.paused else row.receiver_status or "no receiver"
    if row.hidden:
        state = "receiver hidden"
    delay = f", delayed by {units.seconds(row.min_apply_delay_s)}" if row.min_apply_delay_s else ""
    host = f"from {row.sender_host}:{row.sender_port}" if row.sender_host else "from the archive"
    return Row(
        key=("server", "replay"),
        name="replay here",
        state=state,
        bytes=row.to_replay,
        bytes_unknown=row.to_replay is None,
        lag_s=flow.own_lag_s(row),
        per_s=flow.to_replay.per_s,
        said=f"{host}{delay}",
        more=(
            ("receiver", row.receiver_status or units.UNKNOWN),
            ("sender", f"{row.sender_host or units.UNKNOWN}, last heard of"
             f" {units.seconds(row.message_age_s)} ago"),
            ("slot there", row.slot_name or "none"),
            ("received, not replayed", units.size(row.to_replay)),
            ("last transaction", f"{units.seconds(row.replay_age_s)} ago"
             + (" (no lag: everything is replayed)" if row.to_replay == 0 else "")),
            ("delay by setting", units.seconds(row.min_apply_delay_s)),
            ("replay", f"{units.size(flow.own_replay.per_s)}/s"),
        ),
    )  # fmt: skip


def _archiver(facts: Facts, flow: WalFlow) -> Iterator[Row]:
    for row in cast("tuple[Archiver, ...]", read(facts, Archiver)):
        if row.archive_mode == "off":
            continue
        files = read(facts, WalFiles)
        ready = files[0].ready if files else None
        last = "never" if row.archived_age_s is None else f"{units.seconds(row.archived_age_s)} ago"
        yield Row(
            key=("server", "archiver"),
            name="archive",
            state="fails" if row.failing else row.archive_mode,
            bytes=None if ready is None else ready * (16 << 20),
            bytes_unknown=ready is None,
            lag_s=None,
            said=f"last success {last}"
            + (f"; {units.count(row.failed_count)} failures" if row.failed_count else ""),
            more=(
                ("archive_mode", row.archive_mode), ("archived", units.count(row.archived_count)),
                ("last success", f"{last} {row.last_archived_wal or ''}"),
                ("failed", units.count(row.failed_count)),
                ("last failure", "never" if row.failed_age_s is None else
                 f"{units.seconds(row.failed_age_s)} ago {row.last_failed_wal or ''}"),
                ("segments that wait", units.count(ready)),
                ("archived a second", units.rate(flow.archived.per_s)),
            ),
        )  # fmt: skip


def _files(facts: Facts, flow: WalFlow) -> Iterator[Row]:
    places = cast("tuple[WalPlace, ...]", read(facts, WalPlace))
    if not places:
        return
    place = places[0]
    found = facts.samples.get(WalFiles)
    files = found.rows[0] if isinstance(found, Sample) and found.rows else None
    counters = read(facts, WalCounters)
    why = found.said if isinstance(found, SourceError) else ""
    yield Row(
        key=("server", "pg_wal"),
        name="pg_wal",
        state=units.UNKNOWN if files is None else units.plural(files.files, "file"),
        bytes=None if files is None else files.bytes,
        bytes_unknown=files is None,
        per_s=flow.files.per_s,
        said=why or f"{units.size(flow.wal.per_s)}/s written; max_wal_size"
        f" {units.size(place.max_wal_size)}",
        more=(
            ("written", f"{units.size(flow.wal.per_s)}/s"),
            ("max_wal_size", units.size(place.max_wal_size)),
            ("wal_keep_size", units.size(place.wal_keep_size)),
            ("max_slot_wal_keep_size", "unlimited" if place.max_slot_wal_keep_size < 0
             else units.size(place.max_slot_wal_keep_size)),
            ("whole pages", units.UNKNOWN if not counters or not counters[0].wal_records else
             units.percent(counters[0].wal_fpi / counters[0].wal_records) + " of records"),
            ("free space of the disk", "SQL cannot see it"),
        ),
    )  # fmt: skip


def _checkpoints(facts: Facts, flow: WalFlow) -> Iterator[Row]:
    for row in cast("tuple[Checkpoints, ...]", read(facts, Checkpoints)):
        yield Row(
            key=("setting", "max_wal_size"),
            name="checkpoints",
            state=f"{units.count(row.requested)} requested, {units.count(row.timed)} timed",
            bytes=row.since_redo,
            lag_s=row.checkpoint_age_s,
            said="WAL since the last one: what a crash would replay",
            more=(
                ("last began", f"{units.seconds(row.checkpoint_age_s)} ago"),
                ("WAL since", units.size(row.since_redo)),
                ("requested while watched", _since(flow.requested)),
                ("by the clock while watched", _since(flow.timed)),
                ("written", units.ms(row.write_ms)), ("synced", units.ms(row.sync_ms)),
            ),
        )  # fmt: skip


def _since(track: Track) -> str:
    if track.seconds <= 0:
        return WAIT
    return f"{track.values[-1] - track.values[0]} in {units.seconds(track.seconds)}"


def _conflict(row: Conflict) -> Row:
    causes = {
        "snapshot": row.snapshot, "lock": row.lock, "buffer pin": row.bufferpin,
        "deadlock": row.deadlock, "tablespace": row.tablespace, "logical slot": row.logical_slot,
    }  # fmt: skip
    named = ", ".join(f"{units.count(n)} {name}" for name, n in causes.items() if n)
    return Row(
        key=("conflict", row.datname),
        name=f"cancelled in {row.datname}",
        state=units.count(row.total),
        said=f"{named}: replay ended statements that read",
        more=tuple((name, units.count(n)) for name, n in causes.items()),
    )


def _server(facts: Facts) -> Iterator[Row]:
    found = facts.samples.get(Server)
    for row in cast("tuple[Server, ...]", read(facts, Server)):
        now = found.taken_at if isinstance(found, Sample) else row.started_at
        began = row.checkpointer_started_at
        yield Row(
            key=("server", "server"),
            name="server",
            state="standby" if row.in_recovery else "primary",
            lag_s=None,
            said=f"up for {units.seconds(now - row.started_at)}",
            more=(
                ("postmaster", f"up for {units.seconds(now - row.started_at)}"),
                ("checkpointer", "hidden from this role" if began is None else
                 f"up for {units.seconds(now - began)}"),
            ),
        )  # fmt: skip


def _doubtful(row: DatabaseTrust) -> bool:
    return bool(row.checksum_failures) or row.collation_version != row.collation_version_now


def _trust(row: DatabaseTrust) -> Row:
    failures = row.checksum_failures
    return Row(
        key=("database", row.datname),
        name=f"database {row.datname}",
        state=f"{units.count(failures)} checksum failures" if failures else "collation changed",
        said=f"collation {row.collation_version or units.NOTHING}, the library has"
        f" {row.collation_version_now or units.NOTHING}",
        more=(
            ("checksum failures", "checksums are off" if failures is None
             else units.count(failures)),
            ("made with collation", row.collation_version or units.NOTHING),
            ("installed now", row.collation_version_now or units.NOTHING),
        ),
    )  # fmt: skip
