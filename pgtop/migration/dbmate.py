"""dbmate: one file a step, `transaction:false` where there must be none.

A file without a transaction holds one statement: dbmate sends it as one.
"""

from __future__ import annotations

from pgtop.migration.plan import File, Plan
from pgtop.migration.sql import alone, comments


def render(plan: Plan) -> tuple[File, ...]:
    """`20261121060501_create_index_x.sql`."""
    files = []
    for number, step in enumerate(plan.steps):
        option = "" if step.in_block else " transaction:false"
        lines = [
            *comments(step),
            f"-- migrate:up{option}",
            *alone(step.up),
            "",
            f"-- migrate:down{option}",
            *alone(step.down),
        ]
        files.append(File(f"{plan.version(number)}_{step.slug}.sql", "\n".join(lines) + "\n"))
    return tuple(files)
