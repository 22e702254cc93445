"""WAL that piles up: an archive that fails, files that are kept, checkpoints that are forced."""

from __future__ import annotations

from collections.abc import Iterator

from pgtop.advice import Facts, NeedsTime, Rule, ddl
from pgtop.advice.thresholds import replication as limits
from pgtop.analysis import units
from pgtop.analysis.replication import Track, WalFlow
from pgtop.model.finding import Cost, Finding, Remedy, Severity, Subject
from pgtop.model.replication import Archiver, Slot, WalFiles, WalPlace
from pgtop.model.sample import Sample

SEGMENT = 16 << 20


def archiver_failing(facts: Facts) -> Iterator[Finding]:
    """The archive does not take segments, or takes them too slowly."""
    archiver = facts.one(Archiver)
    if archiver.archive_mode == "off":
        return
    ready = _ready(facts)
    failing = (
        archiver.failing
        and (archiver.failed_age_s or 0.0) <= limits.ARCHIVE_RECENT_S
        and archiver.failed_count >= limits.ARCHIVE_FAILURES
    )
    severity = _archive_severity(failing, ready, facts.get(WalFlow))
    if severity is None:
        return
    waiting = "" if ready is None else f"; {units.plural(ready, 'segment')} wait"
    last = (
        "none was archived since the counters began"
        if archiver.archived_age_s is None
        else f"the last success was {units.seconds(archiver.archived_age_s)} ago"
    )
    word = "fails" if failing else "does not keep up"
    yield Finding(
        rule="wal.archiver_failing",
        severity=severity,
        subject=Subject("server", "archiver"),
        title=f"archiving WAL {word}{waiting}",
        why=f"{last}; {units.count(archiver.failed_count)} failures counted"
        + (f", the last at {archiver.last_failed_wal}" if archiver.last_failed_wal else "")
        + ". No backup can be restored beyond that point, and pg_wal grows until the disk is full"
        " (its free space SQL cannot see)",
        evidence={
            "failed_count": archiver.failed_count,
            "failed_age_s": _rounded(archiver.failed_age_s),
            "archived_age_s": _rounded(archiver.archived_age_s),
            "segments_waiting": ready,
        },
        cost=Cost(bytes=None if ready is None else float(ready * SEGMENT)),
        confidence="proved" if failing else "measured",
        no_remedy="no DDL: the server's log holds what archive_command or archive_library said;"
        " mend the archive, it then catches up by itself. Never delete files from pg_wal",
    )


def _archive_severity(failing: bool, ready: int | None, flow: WalFlow) -> Severity | None:
    waiting = ready or 0
    stuck = waiting >= limits.ARCHIVE_READY_WARNING and (flow.ready.per_s or 0.0) >= 0
    if waiting >= limits.ARCHIVE_READY_CRITICAL and (failing or flow.archived.still_s > 0):
        return "critical"
    if failing:
        return "warning"
    watched = flow.archived.seconds >= limits.WATCHED_S
    return "warning" if stuck and watched and flow.archived.per_s == 0 else None


def _ready(facts: Facts) -> int | None:
    found = facts.samples.get(WalFiles)
    return found.rows[0].ready if isinstance(found, Sample) and found.rows else None


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)


def retained(facts: Facts) -> Iterator[Finding]:
    """More in pg_wal than the settings ask for: who keeps it."""
    files, place = facts.one(WalFiles), facts.one(WalPlace)
    allowed = max(place.max_wal_size, place.wal_keep_size)
    beyond = files.bytes - allowed
    if beyond < limits.WAL_NOTICE_BYTES or files.bytes < allowed * limits.WAL_TIMES:
        return
    holder, covered = _holder(facts, files, allowed)
    if covered:
        return
    rate = facts.get(WalFlow).files.per_s
    grows = f", {units.size(rate)}/s more" if rate and rate >= 1024 else ""
    yield Finding(
        rule="wal.retained",
        severity="warning" if beyond >= limits.WAL_WARNING_BYTES else "notice",
        subject=Subject("server", "pg_wal"),
        title=f"pg_wal holds {units.size(files.bytes)}, max_wal_size is"
        f" {units.size(place.max_wal_size)}: {holder}",
        why=f"{units.plural(files.files, 'file')}{grows}; {holder} keeps it. The disk's free space"
        " SQL cannot see",
        evidence={
            "bytes": files.bytes,
            "allowed_bytes": allowed,
            "growth_bytes_per_s": None if rate is None else round(rate),
            "segments_waiting": files.ready,
        },
        cost=Cost(bytes=float(beyond)),
        no_remedy=f"no DDL: it goes when {holder} lets go; never delete files from pg_wal",
    )


def _holder(facts: Facts, files: WalFiles, allowed: int) -> tuple[str, bool]:
    """(who keeps it, whether another rule says so already)."""
    slots = [slot for slot in facts.rows(Slot) if slot.retained_bytes]
    worst = max(slots, key=lambda slot: slot.retained_bytes or 0, default=None)
    held = (worst.retained_bytes or 0) if worst is not None else 0
    waiting = files.ready * SEGMENT
    if worst is not None and held >= max(waiting, allowed):
        if not worst.active:
            return f"slot {worst.slot_name}", True
        return f"slot {worst.slot_name}, in use and behind", False
    if waiting >= allowed:
        return "the archiver", True
    return "a checkpoint that is late, or wal_keep_size before a reload", False


def forced(facts: Facts) -> Iterator[Finding]:
    """Checkpoints that the volume of WAL asked for, one after another."""
    flow, place = facts.get(WalFlow), facts.one(WalPlace)
    track = flow.requested
    if track.seconds < limits.FORCED_WATCHED_S:
        raise NeedsTime("requested checkpoints are counted over a minute")
    number = track.values[-1] - track.values[0]
    if number < limits.FORCED_LEAST or place.in_recovery:
        return
    written = _written(flow.wal, track)
    if written is None or written / number < limits.FORCED_VOLUME * place.forced_after:
        return  # somebody's CHECKPOINT
    gap, per_s = track.seconds / number, written / track.seconds
    if gap >= place.checkpoint_timeout_s / 2:
        return
    wanted = _rounded_up(
        per_s * place.checkpoint_timeout_s * (1 + place.checkpoint_completion_target)
    )
    close = gap < limits.FORCED_GAP_S and track.seconds >= limits.FORCED_WARNING_WATCHED_S
    yield Finding(
        rule="checkpoint.forced",
        severity="warning" if close else "notice",
        subject=Subject("setting", "max_wal_size"),
        title=f"WAL forces a checkpoint every {units.seconds(gap)},"
        f" checkpoint_timeout would be {units.seconds(place.checkpoint_timeout_s)}",
        why=f"{number} were requested in {units.seconds(track.seconds)} at {units.size(per_s)}/s of"
        f" WAL; after each the first change of a page writes it whole again. max_wal_size is"
        f" {units.size(place.max_wal_size)}",
        evidence={
            "requested": number,
            "gap_s": round(gap, 1),
            "wal_bytes_per_s": round(per_s),
            "max_wal_size_bytes": place.max_wal_size,
        },
        remedy=_larger(wanted, place),
    )


def _written(wal: Track, during: Track) -> float | None:
    """Bytes of WAL between the ends of `during`."""
    if not wal.times:
        return None
    inside = [v for at, v in zip(wal.times, wal.values, strict=True) if at >= during.times[0] - 1]
    return float(inside[-1] - inside[0]) if len(inside) > 1 else None


def _rounded_up(size: float) -> int:
    """The next power of two GB."""
    gigabytes = 1
    while gigabytes * limits.GIB < size:
        gigabytes *= 2
    return gigabytes


def _larger(gigabytes: int, place: WalPlace) -> Remedy | None:
    grown = max(gigabytes, 2 * place.max_wal_size // limits.GIB)
    return ddl.system_setting(
        "max_wal_size",
        f"{grown}GB",
        caution=f"needs up to {grown} GB of disk for pg_wal, and recovery after a crash takes"
        " longer; for a load that ends by itself it is not worth it",
    )


WAL_RULES: tuple[Rule, ...] = (
    Rule("wal.archiver_failing", archiver_failing),
    Rule("wal.retained", retained),
    Rule("checkpoint.forced", forced),
)
