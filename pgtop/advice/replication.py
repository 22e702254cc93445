"""Standbys that fall behind, slots that keep WAL, consumers of changes that do not keep up."""

from __future__ import annotations

from collections.abc import Iterator

from pgtop.advice import Facts, NeedsTime, NotPossible, Rule
from pgtop.advice.thresholds import replication as limits
from pgtop.analysis import units
from pgtop.analysis.replication import Track, WalFlow
from pgtop.model.finding import Cost, Finding, Severity, Subject
from pgtop.model.replication import Recovery, Slot, Standby, WalPlace

HIDDEN = "standbys are hidden from this role: GRANT pg_monitor shows them"


# -- lag ---------------------------------------------------------------------------------


def lag(facts: Facts) -> list[Finding]:
    """Standbys, and this server where it is one itself."""
    standbys, recovery = facts.rows(Standby), facts.rows(Recovery)
    flow = facts.get(WalFlow)
    if any(standby.state is None for standby in standbys):
        raise NotPossible(HIDDEN)
    found: list[Finding] = []
    short = False
    for standby in standbys:
        if standby.state in ("backup", "startup", "stopping") or standby.slot_type == "logical":
            continue
        late = flow.lag_s(standby)
        if not _late(standby.behind, late):
            continue
        track = flow.behind.get(standby.pid, Track())
        if track.seconds < limits.WATCHED_S:
            short = True
        elif min(track.values[-2:]) >= limits.LAG_LEAST_BYTES and not _soon(flow, standby):
            found.append(_standby_finding(standby, late, flow))
    for row in recovery:
        found.extend(_own(row, flow))
    if short and not found:
        raise NeedsTime("a standby is behind: whether it stays so, the next readings tell")
    return found


def _late(behind: int | None, late: float | None) -> bool:
    if behind is None or behind < limits.LAG_LEAST_BYTES:
        return False
    return behind >= limits.LAG_BYTES or (late is not None and late >= limits.LAG_S)


def _soon(flow: WalFlow, standby: Standby) -> bool:
    left = flow.catching_up_s(standby.pid)
    return left is not None and left <= limits.CATCHING_UP_S


def _standby_finding(standby: Standby, late: float | None, flow: WalFlow) -> Finding:
    behind = standby.behind or 0
    steady = _steady(standby, flow)
    severity: Severity = "warning"
    if steady:
        severity = "notice"
    elif late is not None and late >= limits.LAG_CRITICAL_S:
        severity = "critical"
    rate = flow.behind[standby.pid].per_s or 0.0
    moves = f", {units.size(abs(rate))} {'more' if rate > 0 else 'less'} each second"
    how = f" and {units.seconds(late)}" if late is not None else ""
    waits = "; commits wait for it" if standby.synchronous else ""
    return Finding(
        rule="replication.lag",
        severity=severity,
        subject=Subject("standby", standby.name, of=str(standby.pid)),
        title=f"standby {standby.name} is {units.size(behind)}{how} behind{waits}",
        why=f"{_where(standby, steady)}{moves if abs(rate) >= 1024 else ''}",
        evidence={
            "lag_s": None if late is None else round(late, 1),
            "behind_bytes": behind,
            "sent_behind_bytes": standby.sent_behind,
            "flush_behind_bytes": standby.flush_behind,
            "growth_bytes_per_s": round(rate),
            "sync_state": standby.sync_state,
        },
        cost=Cost(bytes=float(behind)),
        no_remedy=_what_helps(standby, steady),
    )


def _steady(standby: Standby, flow: WalFlow) -> bool:
    """Flushed at once and replayed late by an even amount: somebody set a delay."""
    if standby.replay_behind is None or standby.flush_behind is None:
        return False
    if standby.flush_behind > limits.LAG_LEAST_BYTES * 16:
        return False
    moved = flow.replayed.get(standby.pid, Track()).per_s
    grows = flow.behind.get(standby.pid, Track()).per_s
    if not moved or grows is None:
        return False
    return abs(grows) <= limits.DELAY_STEADY * moved


def _where(standby: Standby, steady: bool) -> str:
    """Which part of the way is the slow one."""
    behind = standby.behind or 0
    sent, flush = standby.sent_behind or 0, standby.flush_behind
    if standby.reply_age_s is not None and standby.reply_age_s >= limits.SILENT_S:
        return f"it has not answered for {units.seconds(standby.reply_age_s)}"
    if sent >= behind / 2:
        return f"{units.size(sent)} of it are not sent yet: the network, or the standby's receiver"
    if flush is not None and flush >= behind / 2:
        return f"{units.size(flush)} of it are sent and not on its disk yet: its disk or the way"
    if steady:
        return "it has everything and replays it later by an even amount"
    return "it has nearly everything on its disk and does not replay it as fast"


def _what_helps(standby: Standby, steady: bool) -> str:
    sent = standby.sent_behind or 0
    if sent >= (standby.behind or 0) / 2:
        return (
            "no DDL: look at the link and at the standby's log; without a slot or wal_keep_size"
            " its WAL is removed and it must be built anew"
        )
    if steady:
        return "no DDL: recovery_min_apply_delay on the standby, if that is meant"
    return (
        "no DDL: connect pgtop to the standby: replay may be paused, wait for its readers"
        " (max_standby_streaming_delay), or have one processor only"
    )


def _own(row: Recovery, flow: WalFlow) -> Iterator[Finding]:
    """What a standby knows of itself."""
    left, late = row.to_replay, flow.own_lag_s(row)
    if row.paused:
        yield _own_finding(
            row, late, "warning", "replay is paused on this standby",
            f"{units.size(left)} wait to be replayed; pg_wal_replay_pause() was called, or a"
            " setting of the primary rose above this server's (then its log says which)",
            "no DDL from here: SELECT pg_wal_replay_resume() ends a pause that somebody asked for",
        )  # fmt: skip
        return
    if row.cut_off:
        still = min(flow.cut_off.still_s, flow.own_replay.still_s)
        if still >= limits.LAG_S:
            yield _own_finding(
                row, late, "critical" if still >= limits.LAG_CRITICAL_S else "warning",
                "this standby receives nothing: there is no WAL receiver",
                f"nothing new for {units.seconds(still)} of watching; it once streamed",
                "no DDL: the standby's log says why it cannot connect (primary_conninfo, its"
                " slot, pg_hba.conf there, or WAL that the primary has removed)",
            )  # fmt: skip
        return
    allowed = row.min_apply_delay_s * (1 + limits.DELAY_STEADY) + limits.LAG_S
    if left is None or late is None or left < limits.LAG_LEAST_BYTES or late < allowed:
        return
    track = flow.to_replay
    if track.seconds < limits.WATCHED_S or min(track.values[-2:]) < limits.LAG_LEAST_BYTES:
        return
    yield _own_finding(
        row, late, "critical" if late >= limits.LAG_CRITICAL_S else "warning",
        f"this standby shows rows {units.seconds(late)} old",
        f"{units.size(left)} are here and not replayed: replay waits for statements that read"
        " (max_standby_streaming_delay), or one process does not manage more",
        "no DDL: end what reads for long here, or let hot_standby_feedback keep the rows there",
    )  # fmt: skip


def _own_finding(
    row: Recovery, late: float | None, severity: Severity, title: str, why: str, helps: str
) -> Finding:
    return Finding(
        rule="replication.lag",
        severity=severity,
        subject=Subject("server", "replay"),
        title=title,
        why=why,
        evidence={
            "to_replay_bytes": row.to_replay,
            "lag_s": None if late is None else round(late, 1),
        },
        cost=Cost(bytes=None if row.to_replay is None else float(row.to_replay)),
        no_remedy=helps,
    )


def standby_gone(facts: Facts) -> list[Finding]:
    """Receivers that streamed while we watched, and do not any more."""
    standbys, flow = facts.rows(Standby), facts.get(WalFlow)
    if any(standby.state is None for standby in standbys):
        raise NotPossible(HIDDEN)
    here = {standby.identity for standby in standbys}
    found = []
    for key, seen in flow.seen.items():
        since = flow.standbys_at - seen.last
        steady = seen.last - seen.first >= limits.STEADY_S
        if key not in here and steady and limits.GONE_S <= since <= limits.GONE_FORGOTTEN_S:
            found.append(_gone(*key[:2], since, seen.synchronous))
    return found


def _gone(name: str, client: str | None, since: float, synchronous: bool) -> Finding:
    waits = (
        ". It was synchronous: unless another stands in, every commit waits" if synchronous else ""
    )
    return Finding(
        rule="replication.standby_gone",
        severity="warning",
        subject=Subject("standby", name, of=client),
        title=f"standby {name} is gone for {units.seconds(since)}",
        why=f"it streamed to {client or 'a Unix socket'} while pgtop watched and is not connected"
        f" now{waits}. Without a slot or wal_keep_size the WAL it needs is removed meanwhile",
        evidence={"gone_s": round(since), "synchronous": synchronous},
        confidence="proved",
        no_remedy="no DDL: look at that server and its log, then at the network between",
    )


# -- slots -------------------------------------------------------------------------------


def slot_inactive(facts: Facts) -> list[Finding]:
    """Slots that nobody uses and that keep WAL; slots whose WAL is gone or goes soon."""
    slots, flow = facts.rows(Slot), facts.get(WalFlow)
    place = facts.one(WalPlace)
    found: list[Finding] = []
    short = False
    for slot in slots:
        if slot.lost:
            found.append(_lost(slot))
        elif not _left_alone(slot) and (slot.retained_bytes or 0) >= limits.SLOT_NOTICE_BYTES:
            track, enough = flow.restart.get(slot.slot_name, Track()), _enough(slot)
            if max(track.still_s, slot.inactive_s or 0.0) >= enough:
                found.append(_holding(slot, flow, place))
            elif track.seconds < enough:
                short = True
    if short and not found:
        raise NeedsTime("a slot keeps WAL: whether it moves, the next readings tell")
    return found


def _enough(slot: Slot) -> float:
    """Seconds of standing still that tell. The SQL functions move a slot that nobody is seen to
    use; one that keeps a lot is late even so."""
    much = (slot.retained_bytes or 0) >= limits.SLOT_WARNING_BYTES
    return limits.WATCHED_S if much else limits.SLOT_STILL_S


def _left_alone(slot: Slot) -> bool:
    """Slots that look unused and are well."""
    return slot.active or slot.temporary or slot.synced or slot.copying


def _lost(slot: Slot) -> Finding:
    why = slot.invalidation_reason or "more WAL was written than max_slot_wal_keep_size allows"
    return Finding(
        rule="replication.slot_inactive",
        severity="warning",
        subject=Subject("slot", slot.slot_name),
        title=f"slot {slot.slot_name} is lost: {why}",
        why="its WAL is removed: whoever used it has to be built anew; it keeps nothing any more",
        evidence={"wal_status": slot.wal_status, "reason": slot.invalidation_reason},
        confidence="proved",
        no_remedy="no DDL: build its standby or subscription anew, then remove the slot",
    )


def _holding(slot: Slot, flow: WalFlow, place: WalPlace) -> Finding:
    retained, rate = slot.retained_bytes or 0, flow.growth_per_s(slot.slot_name)
    left = slot.safe_wal_size
    eta = left / rate if left is not None and rate and rate > 0 else None
    severity: Severity = "notice"
    if slot.wal_status == "unreserved" or (eta is not None and eta < limits.SLOT_CRITICAL_S):
        severity = "critical"
    elif retained >= max(limits.SLOT_WARNING_BYTES, place.max_wal_size) or (
        eta is not None and eta < limits.SLOT_WARNING_S
    ):
        severity = "warning"
    grows = f", {units.size(rate)}/s more" if rate and rate >= 1 else ""
    since = f" for {units.seconds(slot.inactive_s)}" if slot.inactive_s is not None else ""
    end = (
        f"it is lost in about {units.seconds(eta)}" if eta is not None
        else f"{units.size(left)} more and it is lost" if left is not None
        else "nothing bounds that (max_slot_wal_keep_size is -1) but the disk, whose free space"
        " SQL cannot see"
    )  # fmt: skip
    holds = f"; it also holds back vacuum by {units.count(slot.xmin_age)} transactions"
    return Finding(
        rule="replication.slot_inactive",
        severity=severity,
        subject=Subject("slot", slot.slot_name),
        title=f"slot {slot.slot_name}, used by nobody{since}, keeps {units.size(retained)} of WAL",
        why=f"{units.size(retained)} since it last moved{grows}; {end}"
        + (holds if slot.xmin_age else ""),
        evidence={
            "retained_bytes": retained,
            "growth_bytes_per_s": None if rate is None else round(rate),
            "safe_wal_size_bytes": left,
            "wal_status": slot.wal_status,
            "inactive_s": slot.inactive_s,
            "slot_type": slot.slot_type,
        },
        cost=Cost(bytes=float(retained), eta_s=eta),
        no_remedy=(
            "no DDL: bring its consumer back. Dropping the slot makes that consumer worthless,"
            " so it is nothing to paste; max_slot_wal_keep_size bounds what any slot may keep"
        ),
    )


def decoding_lag(facts: Facts) -> list[Finding]:
    """Consumers of changes that are connected and do not keep up."""
    slots, flow = facts.rows(Slot), facts.get(WalFlow)
    found: list[Finding] = []
    short = False
    for slot in slots:
        behind = slot.unconfirmed_bytes or 0
        if slot.slot_type != "logical" or not slot.active or slot.lost or slot.synced:
            continue
        if slot.copying or behind < limits.DECODING_NOTICE_BYTES:
            continue
        track = flow.unconfirmed.get(slot.slot_name, Track())
        rate = track.per_s
        if rate is None or track.seconds < limits.WATCHED_S:
            short = True
        elif rate >= 0 or behind / -rate > limits.CATCHING_UP_S:
            found.append(_decoding(slot, flow, behind, rate))
    if short and not found:
        raise NeedsTime("a consumer is behind: whether it gains, the next readings tell")
    return found


def _decoding(slot: Slot, flow: WalFlow, behind: int, rate: float) -> Finding:
    moved = flow.confirmed.get(slot.slot_name, Track()).per_s or 0.0
    still = moved <= 0
    return Finding(
        rule="replication.decoding_lag",
        severity="warning" if behind >= limits.DECODING_BYTES or still else "notice",
        subject=Subject("slot", slot.slot_name, of=slot.database),
        title=f"{slot.slot_name} is {units.size(behind)} behind and does not catch up",
        why=(
            "its consumer is connected and confirms nothing"
            if still
            else f"it confirms {units.size(moved)}/s where {units.size(moved + rate)}/s are written"
        )
        + f"; the slot keeps {units.size(slot.retained_bytes)} of WAL",
        evidence={
            "unconfirmed_bytes": behind,
            "growth_bytes_per_s": round(rate),
            "confirmed_bytes_per_s": round(moved),
            "plugin": slot.plugin,
        },
        cost=Cost(bytes=float(behind)),
        no_remedy=(
            "no DDL: the consumer is the limit (what it applies, an index missing there), or one"
            " long transaction is decoded again and again: logical_decoding_work_mem and"
            " streaming help then"
        ),
    )


REPLICATION_RULES: tuple[Rule, ...] = (
    Rule("replication.lag", lag),
    Rule("replication.standby_gone", standby_gone),
    Rule("replication.slot_inactive", slot_inactive),
    Rule("replication.decoding_lag", decoding_lag),
)
