"""What the SQL of every tool shares: comments, time limits, what linters are told and why."""

from __future__ import annotations

from collections.abc import Sequence

from pgtop.analysis.ddl_parts import Parts
from pgtop.analysis.names import literal
from pgtop.migration.plan import Step, header, statement

NO_IF_NOT_EXISTS = (
    "-- Without IF NOT EXISTS: an invalid index of that name must stop this, not pass for it.",
    "-- squawk-ignore prefer-robust-stmts",
)

NOTHING = "SELECT 1; -- nothing to do in this direction"
"""Tools that send a file as one statement refuse an empty one."""


NO_TIMEOUTS = (
    "-- One statement a file: time limits are the connection's. For CONCURRENTLY they should be",
    "-- off (PGOPTIONS='-c statement_timeout=0 -c lock_timeout=0'), else it leaves half an index.",
    "-- squawk-ignore require-lock-timeout, require-statement-timeout",
)

TIMEOUTS = ("SET LOCAL lock_timeout = '3s';", "SET LOCAL statement_timeout = 0;")
"""Behind others in the queue it would hold up everybody who comes after; a retry is cheap."""

IN_ONE = "-- The tool makes one transaction of this: all of it happens, or nothing."

VALID = (
    "SELECT 1 / count(*) AS valid FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid"
    " JOIN pg_namespace n ON n.oid = c.relnamespace"
    " WHERE i.indisvalid AND n.nspname = {} AND c.relname = {};"
)


def comments(step: Step) -> list[str]:
    """The header as SQL comments."""
    return [f"-- {line}" for line in header(step)]


def alone(parts: Sequence[Parts]) -> list[str]:
    """The statements for a tool that wraps, or does not wrap, a transaction by itself."""
    if not parts:
        return [NOTHING]
    if all(part.in_block for part in parts):
        lines = [*TIMEOUTS, IN_ONE]
        for part in parts:
            lines += [NO_IF_NOT_EXISTS[-1], statement(part)]
        return lines
    lines = []
    for part in parts:
        ignored = _ignored(part)
        if ignored:
            rules = NO_TIMEOUTS[-1].removeprefix("-- squawk-ignore ")
            lines += [*NO_TIMEOUTS[:-1], *ignored[:-1], f"{ignored[-1]}, {rules}"]
        else:
            lines += NO_TIMEOUTS
        lines.append(statement(part))
    return lines


def scripted(parts: Sequence[Parts]) -> list[str]:
    """The statements for a script that makes its own transactions and time limits.

    CONCURRENTLY gets no lock_timeout: it would also end the waits for old snapshots and
    leave an invalid index (indexcmds.c, DefineIndex, from 9.x to 18).
    """
    if not parts:
        return []
    if all(part.in_block for part in parts):
        body = [line for part in parts for line in (*_ignored(part), statement(part))]
        return ["BEGIN;", *TIMEOUTS, *body, "COMMIT;"]
    lines = ["SET lock_timeout = 0;", "SET statement_timeout = 0;"]
    for part in parts:
        lines += [*_ignored(part), statement(part), *checked(part)]
    return lines


def _ignored(part: Parts) -> tuple[str, ...]:
    if part.verb == "create index":
        return NO_IF_NOT_EXISTS
    if part.verb == "create statistics":
        return NO_IF_NOT_EXISTS[1:]
    return ()


def checked(part: Parts) -> list[str]:
    """A build that failed half-way leaves an invalid index: an error there stops the rest."""
    target = part.target
    if part.verb not in ("create index", "reindex") or target is None or target.schema is None:
        return []
    return [
        "-- Division by zero here says: the index is invalid. Drop it and build it again.",
        VALID.format(literal(target.schema), literal(target.name)),
    ]
