"""Storage options that vacuum looks at: ranges, where a value comes from, exact undo."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pgtop.analysis.vacuum.settings import VacuumSettings
from pgtop.model.table import options_of

Source = Literal["table", "inherited", "server", "default"]


@dataclass(frozen=True, slots=True)
class Option:
    """One storage option. Ranges are the server's own (reloptions.c)."""

    name: str
    setting: str | None
    """The setting of the server that stands in for it."""

    low: float
    high: float
    kind: Literal["int", "float", "bool"]
    toast: bool = True
    since: int = 130000
    default: str | None = None
    """Where no setting stands in."""


_BIG = 2147483647

OPTIONS: Mapping[str, Option] = {
    option.name: option
    for option in (
        Option("autovacuum_vacuum_scale_factor", "autovacuum_vacuum_scale_factor", 0, 100, "float"),
        Option("autovacuum_vacuum_threshold", "autovacuum_vacuum_threshold", 0, _BIG, "int"),
        Option("autovacuum_vacuum_max_threshold", "autovacuum_vacuum_max_threshold", -1, _BIG,
               "int", since=180000),
        Option("autovacuum_vacuum_insert_scale_factor", "autovacuum_vacuum_insert_scale_factor",
               0, 100, "float"),
        Option("autovacuum_vacuum_insert_threshold", "autovacuum_vacuum_insert_threshold", -1,
               _BIG, "int"),
        Option("autovacuum_analyze_scale_factor", "autovacuum_analyze_scale_factor", 0, 100,
               "float", toast=False),
        Option("autovacuum_analyze_threshold", "autovacuum_analyze_threshold", 0, _BIG, "int",
               toast=False),
        Option("autovacuum_vacuum_cost_limit", "autovacuum_vacuum_cost_limit", 1, 10000, "int"),
        Option("autovacuum_vacuum_cost_delay", "autovacuum_vacuum_cost_delay", 0, 100, "float"),
        Option("autovacuum_freeze_max_age", "autovacuum_freeze_max_age", 100000, 2000000000,
               "int"),
        Option("autovacuum_multixact_freeze_max_age", "autovacuum_multixact_freeze_max_age",
               10000, 2000000000, "int"),
        Option("autovacuum_freeze_min_age", "vacuum_freeze_min_age", 0, 1000000000, "int"),
        Option("autovacuum_enabled", None, 0, 1, "bool", default="true"),
        Option("fillfactor", None, 10, 100, "int", toast=False, default="100"),
    )
}  # fmt: skip
"""Units are fixed: milliseconds for cost_delay, written without a unit."""

EDITABLE: tuple[str, ...] = tuple(OPTIONS)

_NUMBER = re.compile(r"-?(0|[1-9]\d{0,8})(\.\d+)?\Z")


@dataclass(frozen=True, slots=True)
class Chosen:
    """The value that counts, and from where."""

    value: str
    source: Source


def to_bool(text: str) -> bool:
    """As parse_bool reads it (bool.c): unique beginnings, any case. Raises ValueError."""
    low = text.strip().lower()
    if low and ("true".startswith(low) or "yes".startswith(low) or low in ("on", "1")):
        return True
    if low and ("false".startswith(low) or "no".startswith(low) or low in ("off", "of", "0")):
        return False
    raise ValueError(f"no boolean: {text!r}")


def own_options(joined: str | None, main_joined: str | None = None) -> tuple[dict[str, str], bool]:
    """(options that count, inherited) of a table, or of a TOAST table beside its main table.

    A TOAST table without one option of its own uses its table's; with a single one it
    uses its own alone (autovacuum.c, do_autovacuum).
    """
    if joined is None and main_joined is not None:
        return options_of(main_joined), True
    return options_of(joined), False


def chosen(
    options: Mapping[str, str], inherited: bool, settings: VacuumSettings, *, toast: bool = False
) -> dict[str, Chosen]:
    """Every option this server knows with its value and source."""
    found: dict[str, Chosen] = {}
    for option in OPTIONS.values():
        if settings.version_num < option.since or (toast and not option.toast):
            continue
        if option.name in options:
            source: Source = "inherited" if inherited else "table"
            found[option.name] = Chosen(options[option.name], source)
            continue
        value, of = option.default, "default"
        if option.setting is not None:
            value, of = settings.text(option.setting), settings.source(option.setting)
            if option.name == "autovacuum_vacuum_cost_limit":
                value = f"{settings.cost_limit:.0f}"
            elif option.name == "autovacuum_vacuum_cost_delay":
                value = f"{settings.cost_delay_ms:g}"
        if value is not None:
            found[option.name] = Chosen(value, "server" if of == "server" else "default")
    return found


def problem(name: str, text: str, version_num: int, *, toast: bool = False) -> str | None:
    """Why the server would refuse a value, in its own terms; None where it would not."""
    option = OPTIONS.get(name)
    if option is None or version_num < option.since:
        return f"{name} is no option of this server"
    if toast and not option.toast:
        return f"{name} does not exist for TOAST tables"
    if option.kind == "bool":
        try:
            to_bool(text)
        except ValueError:
            return "true or false"
        return None
    if not re.fullmatch(r"-?\d+(\.\d+)?", text):
        return "a bare number: no unit, no exponent"
    if option.kind == "int" and "." in text:
        return "a whole number"
    if not option.low <= float(text) <= option.high:
        return f"between {option.low:.0f} and {option.high:.0f}"
    return None


def value_sql(text: str) -> str:
    """A value for SET (…): bare where the parser gives back the same text, else quoted."""
    if _NUMBER.match(text) or text in ("true", "false", "on", "off", "auto"):
        return text
    from pgtop.analysis.names import literal

    return literal(text)


@dataclass(frozen=True, slots=True)
class Change:
    """What to SET and what to RESET on one relation, in this order: RESET, then SET."""

    sets: Mapping[str, str]
    resets: tuple[str, ...] = ()


def undo_of(before: Mapping[str, str], change: Change, *, prefix: str = "") -> Change:
    """What brings back the options exactly as they stood, order included.

    The server drops a changed option from its place and appends it, so everything from
    the first changed place on is set again in its old order (transformRelOptions,
    reloptions.c). `prefix` is `toast.` for the options of a TOAST table.
    """
    names = list(before)
    touched = {*change.sets, *change.resets}
    new = tuple(name for name in change.sets if name not in before)
    places = [place for place, name in enumerate(names) if name in touched]
    again = names[min(places) :] if places else []
    return Change(
        sets={prefix + name: before[name] for name in again},
        resets=tuple(prefix + name for name in new),
    )


def after(before: Mapping[str, str], change: Change) -> dict[str, str]:
    """The options as the server holds them after the change."""
    kept = {
        name: value
        for name, value in before.items()
        if name not in change.sets and name not in change.resets
    }
    return {**kept, **change.sets}
