"""sqitch: deploy, revert and verify scripts; it runs them by psql and adds no transaction."""

from __future__ import annotations

from pgtop.migration.plan import File, Plan, Step
from pgtop.migration.sql import checked, comments, scripted


def render(plan: Plan) -> tuple[File, ...]:
    """`deploy/`, `revert/`, `verify/`, and the lines for sqitch.plan."""
    files = []
    listed = []
    for number, step in enumerate(plan.steps):
        name = f"{plan.version(number)}_{step.slug}"
        listed.append(f"sqitch add {name} -n {_shell(step)}")
        head = comments(step)
        for directory, lines in (
            ("deploy", scripted(step.up)),
            ("revert", scripted(step.down)),
            ("verify", [line for part in step.up for line in checked(part)]),
        ):
            text = "\n".join([f"-- {directory.capitalize()} {name}", *head, *lines]) + "\n"
            files.append(File(f"{directory}/{name}.sql", text))
    how = "# Run these, then put the files in their place.\n" + "\n".join(listed) + "\n"
    return (*files, File("sqitch-add.sh", how))


def _shell(step: Step) -> str:
    return "'" + step.slug.replace("_", " ") + "'"
