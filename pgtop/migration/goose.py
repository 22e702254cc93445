"""goose: one file a step, NO TRANSACTION where there must be none."""

from __future__ import annotations

from pgtop.migration.plan import File, Plan
from pgtop.migration.sql import alone, comments


def render(plan: Plan) -> tuple[File, ...]:
    """`20261121060501_create_index_x.sql`."""
    files = []
    for number, step in enumerate(plan.steps):
        option = [] if step.in_block else ["-- +goose NO TRANSACTION"]
        lines = [
            *option,
            *comments(step),
            "-- +goose Up",
            *alone(step.up),
            "",
            "-- +goose Down",
            *alone(step.down),
        ]
        files.append(File(f"{plan.version(number)}_{step.slug}.sql", "\n".join(lines) + "\n"))
    return tuple(files)
