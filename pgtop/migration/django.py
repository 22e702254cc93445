"""Django: one migration, `atomic = False`.

An index that `models.Index` can express is made by AddIndexConcurrently, so that the
model's state follows, with the line for the model beside it; everything else by RunSQL
with a list of statements (a single text of several would be one transaction).
"""

from __future__ import annotations

import re

from pgtop.analysis.ddl_parts import Parts, plain_column, unquoted
from pgtop.migration.plan import File, Plan, Step, header, statement
from pgtop.migration.python_text import call, comment, listed, text

_NAME_MOST = 30
"""models.Index refuses longer names (django.db.models.indexes.Index.max_name_length)."""

_CLASSES = {
    "btree": ("models.Index", None),
    "gin": ("GinIndex", "django.contrib.postgres.indexes"),
    "gist": ("GistIndex", "django.contrib.postgres.indexes"),
    "brin": ("BrinIndex", "django.contrib.postgres.indexes"),
    "hash": ("HashIndex", "django.contrib.postgres.indexes"),
}
_NULL = re.compile(r"\(?(?P<name>\"(?:[^\"]|\"\")+\"|[a-z_][a-z0-9_]*) IS (?P<no>NOT )?NULL\)?\Z")

APP = "app"
PREVIOUS = "0001_initial"


def render(plan: Plan, *, app: str = APP, previous: str = PREVIOUS) -> tuple[File, ...]:
    """`0002_pgtop_20261121060501.py`; the app and the migration before it are the user's."""
    operations: list[str] = []
    classes = {"models.Index": ""}
    for step in plan.steps:
        operations += comment(header(step), 8)
        operations += _operation(step, app, classes)
    special = sorted(name for name, module in classes.items() if module)
    imports = [
        *(["from django.contrib.postgres.indexes import " + ", ".join(special)] if special else []),
        *_concurrent_import(operations),
        "from django.db import migrations" + (", models" if _needs_models(operations) else ""),
    ]
    lines = [
        f"# {plan.title}",
        *comment((f"note: {note}" for note in plan.notes), 0),
        "# To do: app and previous migration in `dependencies`, model_name where it says so.",
        *imports,
        "",
        "",
        "class Migration(migrations.Migration):",
        "    atomic = False  # CONCURRENTLY cannot run inside a transaction",
        "",
        f"    dependencies = [({text(app)}, {text(previous)})]",
        "",
        "    operations = [",
        *operations,
        "    ]",
    ]
    return (File(f"0002_pgtop_{plan.version(0)}.py", "\n".join(lines) + "\n"),)


def _concurrent_import(operations: list[str]) -> list[str]:
    used = any(line.lstrip().startswith("AddIndexConcurrently") for line in operations)
    line = "from django.contrib.postgres.operations import AddIndexConcurrently"
    return [line] if used else []


def _needs_models(operations: list[str]) -> bool:
    return any("models." in line and not line.lstrip().startswith("#") for line in operations)


def _operation(step: Step, app: str, classes: dict[str, str]) -> list[str]:
    index = _index(step.up[0], classes) if len(step.up) == 1 else None
    if index is not None and step.down and step.down[0].verb == "drop index":
        assert step.up[0].table is not None
        model = _model(step.up[0].table.name, app)
        return [
            *comment([f"In the model: class Meta: indexes = [{index}]"], 8),
            *_closed(
                call("AddIndexConcurrently", [f"model_name={text(model)}", f"index={index}"], 8)
            ),
        ]
    lines: list[str] = []
    if step.up and step.up[0].verb == "drop index" and step.up[0].target is not None:
        name = step.up[0].target.name
        instead = f"RemoveIndexConcurrently(model_name=…, name={text(name)})"
        lines = comment([f"If a model declares it, instead: {instead}"], 8)
    up, down = (_statements(parts) for parts in (step.up, step.down))
    return [*lines, *_closed(call("migrations.RunSQL", [f"sql={up}", f"reverse_sql={down}"], 8))]


def _closed(lines: list[str]) -> list[str]:
    return [*lines[:-1], lines[-1] + ","]


def _statements(parts: tuple[Parts, ...]) -> str:
    if not parts:
        return "migrations.RunSQL.noop"
    return listed(statement(part) for part in parts)


def _model(table: str, app: str) -> str:
    """Django's own table names are app_model."""
    return table.removeprefix(f"{app}_").replace("_", "").lower()


def _index(part: Parts, classes: dict[str, str]) -> str | None:
    """`models.Index(fields=[…], name=…)`; None where it cannot say the same."""
    columns = [plain_column(key) for key in part.keys]
    if (
        part.verb != "create index" or not part.concurrently or part.unique or part.with_options
        or part.method not in _CLASSES or part.name is None or part.table is None
        or part.table.schema not in (None, "public") or len(part.name.name) > _NAME_MOST
        or not all(columns) or part.name.name[:1] in "_0123456789"
    ):  # fmt: skip
        return None
    fields = [("-" if down else "") + name for name, down in filter(None, columns)]
    arguments = [f"fields={listed(fields)}", f"name={text(part.name.name)}"]
    if part.include:
        arguments.append(f"include={listed(unquoted(name) for name in part.include)}")
    if part.where:
        condition = _NULL.match(part.where)
        if condition is None:
            return None
        field = f"{unquoted(condition['name'])}__isnull"
        if not field.isidentifier():
            return None
        arguments.append(f"condition=models.Q({field}={not condition['no']})")
    name, module = _CLASSES[part.method]
    if module:
        classes[name] = module
    return f"{name}({', '.join(arguments)})"
