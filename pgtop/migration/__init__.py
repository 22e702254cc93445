"""Remedies as migrations for the tools people use. Pure.

To add a tool: a module with `render(plan) -> files`, and its line in `TOOLS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from pgtop.migration import (
    alembic,
    dbmate,
    django,
    flyway,
    golang_migrate,
    goose,
    prisma,
    psql,
    sqitch,
)
from pgtop.migration.plan import File, Plan, plan
from pgtop.model.finding import Finding
from pgtop.model.tray import entry_of

Render = Callable[[Plan], tuple[File, ...]]

TOOLS: Mapping[str, Render] = {
    "psql": psql.render,
    "django": django.render,
    "alembic": alembic.render,
    "files": golang_migrate.render,
    "dbmate": dbmate.render,
    "goose": goose.render,
    "flyway": flyway.render,
    "golang-migrate": golang_migrate.render,
    "sqitch": sqitch.render,
    "prisma": prisma.render,
}
"""Name -> what writes its files. `files` are plain `.up.sql` and `.down.sql`."""


def files_for(
    tool: str, findings: Iterable[Finding], *, server: str, version: str, at: float
) -> tuple[File, ...]:
    """The remedies of `findings` as files of `tool`, a name of `TOOLS`.

    `server` is `host:port/database`, `version` its version, `at` when it was seen, seconds
    since 1970. Findings without a remedy are left out.
    """
    entries = (entry_of(each, server=server, version=version, at=at) for each in findings)
    return TOOLS[tool](plan([each for each in entries if each is not None], made_at=at))
