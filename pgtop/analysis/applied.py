"""Was a recommended statement run, by whoever: read from the catalogue, not remembered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pgtop.analysis import units
from pgtop.analysis.ddl_parts import Parts
from pgtop.model.tray import TargetState


@dataclass(frozen=True, slots=True)
class Applied:
    """How far a statement is."""

    state: Literal["no", "running", "yes", "failed", "unknown"]
    text: str
    """`–`, `building 42 %`, `valid`, `option set`, `failed: invalid index left`."""


NOT_YET = Applied("no", units.NOTHING)


def mark(state: TargetState) -> str:
    """What tells this object from the one that a rebuild puts in its place."""
    return f"oid:{state.oid}{':valid' if state.valid else ''}" if state.exists else "absent"


def applied(
    parts: Parts, state: TargetState | None, *, before: str | None, added_at: float
) -> Applied:
    """Whether the object is as the statement leaves it.

    `before` is the `mark` of the object when the remedy was kept: REINDEX leaves another
    oid under the same name.
    """
    if state is None or parts.verb in ("session", "other"):
        return Applied("unknown", "? cannot be seen in the catalogue")
    if parts.verb == "create index":
        return _created(state)
    if parts.verb == "drop index":
        return _dropped(state, before)
    if parts.verb == "reindex":
        return _rebuilt(state, before)
    if parts.verb in ("create statistics", "drop statistics"):
        wanted = parts.verb == "create statistics"
        return Applied("yes", "applied") if state.exists == wanted else NOT_YET
    if not state.exists:
        return Applied("unknown", "? its table is gone")
    if parts.verb in ("set options", "reset options"):
        return _options(parts.options, state)
    if parts.verb == "set statistics":
        reached = all(
            state.statistics.get(column, -1) == int(value or -1)
            for column, value in parts.options.items()
        )
        return Applied("yes", "option set") if reached else NOT_YET
    last = state.last_analyze if parts.verb == "analyze" else state.last_vacuum
    return Applied("yes", "applied") if last is not None and last >= added_at else NOT_YET


def _created(state: TargetState) -> Applied:
    if not state.exists:
        return NOT_YET
    if state.phase is not None:
        return _running(state)
    if state.valid:
        return Applied("yes", "valid")
    cost = "every write pays for it" if state.ready else "it costs nothing but its name"
    return Applied("failed", f"failed: invalid index left; {cost}")


def _dropped(state: TargetState, before: str | None) -> Applied:
    if not state.exists:
        return Applied("yes", "applied")
    if state.valid is False and before is not None and before.endswith(":valid"):
        return Applied("failed", "failed: invalid index left; REINDEX brings it back")
    return NOT_YET


def _rebuilt(state: TargetState, before: str | None) -> Applied:
    if not state.exists:
        return Applied("unknown", "? the index is gone")
    if state.phase is not None:
        return _running(state)
    if before is None:
        return Applied("unknown", "? what it was before is not known")
    if before.removesuffix(":valid") != mark(state).removesuffix(":valid"):
        if state.valid:
            return Applied("yes", "valid")
        return Applied("failed", "failed: index is invalid")
    if state.leftover is not None:
        return Applied("failed", f"failed: invalid index left: {state.leftover}")
    return NOT_YET


def _running(state: TargetState) -> Applied:
    done = f" {units.percent(state.done_fraction)}" if state.done_fraction is not None else ""
    waits = f", waits for pid {state.waits_for_pid}" if state.waits_for_pid else ""
    return Applied("running", f"{state.phase}{done}{waits}")


def _options(wanted: Mapping[str, str | None], state: TargetState) -> Applied:
    pairs = (option.partition("=") for option in state.options)
    have = {name: value for name, _, value in pairs}
    for name, value in wanted.items():
        if not _same(have.get(name), value):
            return NOT_YET
    return Applied("yes", "option set" if any(wanted.values()) else "option reset")


def _same(have: str | None, wanted: str | None) -> bool:
    """Numbers by value: 0.01 is 0.010; words without case."""
    if have is None or wanted is None:
        return have is wanted
    try:
        return float(have) == float(wanted)
    except ValueError:
        true, false = ("on", "true", "yes", "1"), ("off", "false", "no", "0")
        return have.lower() == wanted.lower() or any(
            have.lower() in words and wanted.lower() in words for words in (true, false)
        )
