"""Remedies as migrations for the tools people use. Pure.

To add a tool: a module with `render(plan) -> files`, and its line in `TOOLS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

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
from pgtop.migration.plan import File, Plan

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
