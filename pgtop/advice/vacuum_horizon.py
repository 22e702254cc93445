"""Who keeps dead rows from being removed, and who does not although it looks so."""

from __future__ import annotations

from pgtop.advice.thresholds import autovacuum as limits
from pgtop.analysis import units
from pgtop.analysis.vacuum.state import VacuumState
from pgtop.analysis.vacuum.view import TableVacuum
from pgtop.model.vacuum import HorizonHolder


def holding(state: VacuumState, *, catalogs: bool = False) -> list[HorizonHolder]:
    """Holders of this database's rows, the oldest first.

    Transactions of other databases and a slot's catalog_xmin hold no user table here; an
    idle READ COMMITTED transaction that wrote nothing holds nothing and is not in the list.
    """
    scopes = {"database", "cluster", *(("catalogs",) if catalogs else ())}
    found = [holder for holder in state.holders or () if holder.scope in scopes]
    return sorted(found, key=lambda holder: -holder.xid_age)


def blocker(seen: TableVacuum, state: VacuumState) -> HorizonHolder | None:
    """Who keeps this table's dead rows, where that is proved.

    Proof: dead rows are past the threshold although a vacuum ended after the holder began,
    or two runs in a row were seen to remove nothing.
    """
    table = seen.table
    if table.n_dead_tup <= seen.limits.vacuum:
        return None
    holders = holding(state, catalogs=table.system)
    if not holders:
        return None
    oldest = holders[0]
    watch = state.churn.watched.get(table.relid)
    unhelped = watch is not None and watch.unhelped >= limits.UNHELPED_RUNS
    last = seen.last_run
    if oldest.held_s is not None:
        if oldest.held_s < limits.HELD_S:
            return None
        began = state.at - oldest.held_s
        if unhelped or (last is not None and last[0] > began):
            return oldest
        return None
    return oldest if unhelped else None


def named(holder: HorizonHolder) -> str:
    """A holder in a few words: `pid 4242, idle in transaction for 2 h`."""
    since = f" for {units.seconds(holder.held_s)}" if holder.held_s is not None else ""
    if holder.kind == "session":
        waits = ", itself waiting for a lock" if holder.waits else ""
        return f"pid {holder.name}, {holder.state or 'a transaction'}{since}{waits}"
    if holder.kind == "copy":
        return f"pid {holder.name}, an initial copy for a replica{since}"
    if holder.kind == "prepared":
        return f"prepared transaction {holder.name}{since}"
    if holder.kind == "slot":
        return f"replication slot {holder.name} ({holder.state})"
    if holder.kind == "slot_catalog":
        return f"replication slot {holder.name} ({holder.state}, catalogues only)"
    return f"standby {holder.name} (hot_standby_feedback)"


def way_out(holder: HorizonHolder) -> str:
    """What ends it: words, never a statement to run."""
    if holder.waits:
        return (
            "no DDL: it ends when it gets its lock. Activity (`b`) names who is in its way: that"
            " one must go, not this"
        )
    if holder.kind in ("session", "copy"):
        return (
            "no DDL: it must end. Ask whoever runs it; pg_terminate_backend"
            f"({holder.name}) ends it and loses its work. idle_in_transaction_session_timeout"
            " keeps it from coming back"
        )
    if holder.kind == "prepared":
        return (
            "no DDL: COMMIT PREPARED or ROLLBACK PREPARED in its own database, whichever its"
            " transaction manager decides"
        )
    if holder.kind in ("slot", "slot_catalog"):
        return (
            "no DDL: bring its consumer back, or drop the slot once nobody needs it any more:"
            " its consumer must then be built anew"
        )
    return (
        "no DDL: end the long query on the standby, or turn hot_standby_feedback off there"
        " and bear cancelled queries"
    )
