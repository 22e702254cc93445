"""A script for psql, and one that takes it back."""

from __future__ import annotations

from pgtop.migration.plan import File, Plan, Step
from pgtop.migration.sql import comments, scripted


def render(plan: Plan) -> tuple[File, ...]:
    """`….sql` and `….undo.sql`."""
    stem = f"pgtop-{plan.version(0)}"
    up = _script(plan, [(s, scripted(s.up)) for s in plan.steps], "")
    down = _script(plan, [(s, scripted(s.down)) for s in reversed(plan.steps)], " UNDO of")
    return File(f"{stem}.sql", up), File(f"{stem}.undo.sql", down)


def _script(plan: Plan, blocks: list[tuple[Step, list[str]]], what: str) -> str:
    lines = [
        f"--{what} {plan.title}",
        "-- psql -X -f THIS_FILE; not with -1: CONCURRENTLY runs outside transactions",
        *(f"-- note: {note}" for note in plan.notes),
        "\\set ON_ERROR_STOP on",
        "\\encoding UTF8",
    ]
    entry = None
    for step, statements in blocks:
        if not statements:
            continue
        if step.entry is not entry:
            entry = step.entry
            lines += ["", *comments(step)]
        lines += statements
    return "\n".join(lines) + "\n"
