"""golang-migrate, and any tool that takes `.up.sql` and `.down.sql`.

It sends a file as one query, which is one transaction unless it holds one statement:
what must run outside has a file of its own.
"""

from __future__ import annotations

from pgtop.migration.plan import File, Plan
from pgtop.migration.sql import alone, comments


def render(plan: Plan) -> tuple[File, ...]:
    """`20261121060501_create_index_x.up.sql` and `.down.sql`."""
    return tuple(
        File(
            f"{plan.version(number)}_{step.slug}.{direction}.sql",
            "\n".join([*comments(step), *alone(parts)]) + "\n",
        )
        for number, step in enumerate(plan.steps)
        for direction, parts in (("up", step.up), ("down", step.down))
    )
