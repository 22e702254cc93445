"""Prisma Migrate: a directory a step, one statement in it.

Prisma has no way down: `down.sql` lies beside, for `prisma db execute`.
"""

from __future__ import annotations

from pgtop.migration.plan import File, Plan
from pgtop.migration.sql import alone, comments


def render(plan: Plan) -> tuple[File, ...]:
    """`20261121060501_create_index_x/migration.sql` and `down.sql`."""
    return tuple(
        File(
            f"{plan.version(number)}_{step.slug}/{name}.sql",
            "\n".join([*comments(step), *alone(parts)]) + "\n",
        )
        for number, step in enumerate(plan.steps)
        for name, parts in (("migration", step.up), ("down", step.down))
    )
