"""The way to wraparound: what happens at which age, by version."""

from __future__ import annotations

from typing import NamedTuple

from pgtop.analysis.vacuum.settings import WRAP, VacuumSettings


class Step(NamedTuple):
    """One rung: its name and the age at which it comes."""

    name: str
    age: float


def xid_ladder(settings: VacuumSettings) -> tuple[Step, ...]:
    """Forced vacuum, fail-safe, warnings, stop (SetTransactionIdLimit, varsup.c).

    Warnings come 11 million before the wrap on 13, 40 million from 14, 100 million on 19;
    the stop 1 million before on 13, 3 million from 14. Reads still work after the stop.
    """
    version = settings.version_num
    warning = 11e6 if version < 140000 else 40e6 if version < 190000 else 100e6
    stop = 1e6 if version < 140000 else 3e6
    steps = [Step("forced vacuum", settings.freeze_max_age)]
    if settings.failsafe_age is not None:
        steps.append(Step("fail-safe", settings.failsafe_age))
    steps += [Step("warnings", WRAP - warning), Step("stop", WRAP - stop)]
    return tuple(steps)


def mxid_ladder(settings: VacuumSettings) -> tuple[Step, ...]:
    """The same of multixacts (SetMultiXactIdLimit, multixact.c); members may end sooner."""
    steps = [Step("forced vacuum", settings.multixact_freeze_max_age)]
    if settings.multixact_failsafe_age is not None:
        steps.append(Step("fail-safe", settings.multixact_failsafe_age))
    version = settings.version_num
    warning = 11e6 if version < 140000 else 40e6 if version < 190000 else 100e6
    stop = 1e6 if version < 140000 else 3e6
    steps += [Step("warnings", WRAP - warning), Step("stop", WRAP - stop)]
    return tuple(steps)


def eta(age: float, step: Step, per_s: float | None) -> float | None:
    """Seconds until a rung; 0 where it is reached, None where the rate is unknown or nil."""
    if age >= step.age:
        return 0.0
    if per_s is None or per_s <= 0:
        return None
    return (step.age - age) / per_s
