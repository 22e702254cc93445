"""SQLAlchemy and Alembic: one revision; what cannot run in a transaction in an
autocommit_block, with the Index line for the model."""

from __future__ import annotations

import re

from pgtop.analysis.ddl_parts import Parts, plain_column, split_list, unquoted
from pgtop.migration.plan import File, Plan, header, statement
from pgtop.migration.python_text import call, comment, text


def render(plan: Plan, *, down_revision: str | None = None) -> tuple[File, ...]:
    """`20261121060501_pgtop.py`; `down_revision` is the user's."""
    up: list[str] = []
    down: list[str] = []
    for step in plan.steps:
        up += comment(header(step), 4)
        up += _model_line(step.up)
        up += _block(step.up)
    for step in reversed(plan.steps):
        down += _block(step.down)
    revision = plan.version(0)
    lines = [
        f"# {plan.title}",
        *comment((f"note: {note}" for note in plan.notes), 0),
        "# To do: down_revision is the revision before this one.",
        *(["import sqlalchemy as sa"] if any("sa." in line for line in _code(up + down)) else []),
        "from alembic import op",
        "",
        f"revision = {text(revision)}",
        f"down_revision = {text(down_revision) if down_revision else None}",
        "branch_labels = None",
        "depends_on = None",
        "",
        "",
        "def upgrade() -> None:",
        *(up if _code(up) else ["    pass"]),
        "",
        "",
        "def downgrade() -> None:",
        *(down or ["    pass"]),
    ]
    return (File(f"{revision}_pgtop.py", "\n".join(lines) + "\n"),)


def _code(lines: list[str]) -> list[str]:
    return [line for line in lines if not line.lstrip().startswith("#")]


def _block(parts: tuple[Parts, ...]) -> list[str]:
    if not parts:
        return []
    if all(part.in_block for part in parts):
        return [line for part in parts for line in _operation(part, 4)]
    inner = [line for part in parts for line in _operation(part, 8)]
    return ["    with op.get_context().autocommit_block():", *inner]


def _operation(part: Parts, indent: int) -> list[str]:
    if part.verb == "create index" and part.name is not None and part.table is not None:
        arguments = [text(part.name.name), text(part.table.name), _columns(part)]
        return call("op.create_index", [*arguments, *_options(part)], indent)
    if part.verb == "drop index" and part.name is not None:
        arguments = [text(part.name.name)]
        if part.name.schema is not None:
            arguments.append(f"schema={text(part.name.schema)}")
        if part.concurrently:
            arguments.append("postgresql_concurrently=True")
        return call("op.drop_index", [*arguments, "if_exists=True"], indent)
    return call("op.execute", [text(_escaped(statement(part)))], indent)


def _columns(part: Parts) -> str:
    return "[" + ", ".join(map(_column, part.keys)) + "]"


def _column(key: str) -> str:
    plain = plain_column(key)
    if plain is not None and not plain[1]:
        return text(plain[0])
    return f"sa.text({text(_escaped(key))})"


def _options(part: Parts) -> list[str]:
    options = []
    assert part.table is not None
    if part.table.schema is not None:
        options.append(f"schema={text(part.table.schema)}")
    if part.unique:
        options.append("unique=True")
    if part.concurrently:
        options.append("postgresql_concurrently=True")
    if part.method != "btree":
        options.append(f"postgresql_using={text(part.method)}")
    if part.include:
        names = ", ".join(text(unquoted(name)) for name in part.include)
        options.append(f"postgresql_include=[{names}]")
    if part.where:
        options.append(f"postgresql_where=sa.text({text(_escaped(part.where))})")
    if part.with_options:
        pairs = (pair.partition("=") for pair in split_list(part.with_options))
        values = ", ".join(
            f"{text(name.strip())}: {text(value.strip().strip(chr(39)))}"
            for name, _, value in pairs
        )
        options.append(f"postgresql_with={{{values}}}")
    return options


def _model_line(parts: tuple[Parts, ...]) -> list[str]:
    """`sa.Index(…)` for `__table_args__`, without what only the migration needs."""
    lines = []
    for part in parts:
        if part.verb == "create index" and part.name is not None and part.table is not None:
            options = [
                o for o in _options(part) if not o.startswith(("schema=", "postgresql_conc"))
            ]
            arguments = [text(part.name.name), *map(_column, part.keys), *options]
            lines.append(f"In the model: sa.Index({', '.join(arguments)})")
    return comment(lines, 4)


_BIND = re.compile(r"(?<![:\w\\])(?=:\w)")


def _escaped(sql: str) -> str:
    """sa.text takes `:name` for a parameter; a backslash before the colon stops that."""
    return _BIND.sub(r"\\", sql)
