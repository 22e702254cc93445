"""Flyway: versioned and undo scripts, with a .conf where there must be no transaction."""

from __future__ import annotations

from pgtop.migration.plan import File, Plan
from pgtop.migration.sql import alone, comments

_CONF = "executeInTransaction=false\n"

_LOCK = (
    "-- Flyway's own lock is a transaction that CONCURRENTLY would wait for: run with\n"
    "-- -postgresql.transactional.lock=false (flyway.postgresql.transactional.lock=false)."
)


def render(plan: Plan) -> tuple[File, ...]:
    """`V20261121060501__create_index_x.sql`, `U….sql`, and their `.conf`."""
    files = []
    for number, step in enumerate(plan.steps):
        for letter, parts in (("V", step.up), ("U", step.down)):
            name = f"{letter}{plan.version(number)}__{step.slug}.sql"
            lock = [] if step.in_block else [_LOCK]
            files.append(File(name, "\n".join([*comments(step), *lock, *alone(parts)]) + "\n"))
            if not step.in_block:
                files.append(File(name + ".conf", _CONF))
    return tuple(files)
