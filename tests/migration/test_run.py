"""Every migration run up and down, by the real tool where a registry has it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from pgtop.migration import TOOLS, alembic, django
from pgtop.migration.plan import File, Plan, plan
from tests.migration.cases import SCHEMA, STATE, entries

CREATED = 7
"""Indexes that the entries make; one is dropped."""


@pytest.fixture
def made() -> Plan:
    return plan(entries(), made_at=1_795_000_000.0)


@pytest.fixture
def conn(any_database: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(any_database, autocommit=True) as conn:
        for statement in SCHEMA:
            conn.execute(statement.encode())
        yield conn


def state(conn: psycopg.Connection[Any]) -> list[str]:
    row = conn.execute(STATE.encode()).fetchone()
    assert row is not None
    return list(json.loads(row[0]))


def up_and_down(
    conn: psycopg.Connection[Any], up: Callable[[], None], down: Callable[[], None]
) -> None:
    before = state(conn)
    up()
    after = state(conn)
    indexes = [line for line in after if line.startswith("index ")]
    assert len(indexes) == len([x for x in before if x.startswith("index ")]) + CREATED - 1
    assert all(line.endswith(" true") for line in indexes)
    assert not any("app_order_user_id " in line for line in indexes)
    assert any("autovacuum_vacuum_scale_factor=0.01" in line for line in after)
    assert "statistics order_stats" in after
    assert "target status500" in after
    down()
    assert state(conn) == before


def saved(files: tuple[File, ...], where: Path) -> Path:
    for file in files:
        path = where / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(file.text, encoding="utf-8")
    return where


def ran(command: list[str], cwd: Path, **env: str) -> None:
    done = subprocess.run(
        command, cwd=cwd, env={**os.environ, **env}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def environment(dsn: str) -> dict[str, str]:
    """libpq's variables."""
    names = {"host": "PGHOST", "port": "PGPORT", "user": "PGUSER", "dbname": "PGDATABASE"}
    params = conninfo_to_dict(dsn)
    return {variable: str(params[name]) for name, variable in names.items() if name in params}


PSQL = shutil.which("psql")


@pytest.mark.skipif(PSQL is None, reason="psql is not here")
def test_psql(conn: psycopg.Connection[Any], any_database: str, tmp_path: Path, made: Plan) -> None:
    saved(TOOLS["psql"](made), tmp_path)
    up, down = (file.path for file in TOOLS["psql"](made))
    env = environment(any_database)

    def run(path: str) -> None:
        ran(["psql", "-X", "-q", "-f", path], tmp_path, **env)

    up_and_down(conn, lambda: run(up), lambda: run(down))


@pytest.mark.skipif(PSQL is None, reason="psql is not here")
def test_psql_stops_at_an_invalid_leftover_before_it_drops(
    conn: psycopg.Connection[Any], any_database: str, tmp_path: Path, made: Plan
) -> None:
    conn.execute("CREATE INDEX order_user_status ON app_order (id)")
    up = TOOLS["psql"](made)[0].path
    saved(TOOLS["psql"](made), tmp_path)
    done = subprocess.run(
        ["psql", "-X", "-q", "-f", up], cwd=tmp_path, capture_output=True, check=False,
        env={**os.environ, **environment(any_database)},
    )  # fmt: skip
    assert done.returncode == 3
    assert any("app_order_user_id " in line for line in state(conn))


@pytest.mark.skipif(PSQL is None, reason="psql is not here")
def test_sqitch_scripts(
    conn: psycopg.Connection[Any], any_database: str, tmp_path: Path, made: Plan
) -> None:
    saved(TOOLS["sqitch"](made), tmp_path)
    names = sorted(path.name for path in (tmp_path / "deploy").iterdir())
    env = environment(any_database)

    def run(directory: str, order: list[str]) -> None:
        for name in order:
            flags = ["-X", "-q", "-v", "ON_ERROR_STOP=1"]
            ran(["psql", *flags, "-f", f"{directory}/{name}"], tmp_path, **env)

    def up() -> None:
        run("deploy", names)
        run("verify", names)

    up_and_down(conn, up, lambda: run("revert", names[::-1]))
    with pytest.raises(AssertionError, match="division by zero"):
        run("verify", names)


def sections(text: str, first: str, second: str) -> tuple[str, str]:
    """What stands behind two directives."""
    found = re.split(rf"^{first}.*$|^{second}.*$", text, flags=re.MULTILINE)
    return found[1], found[2]


def statements(text: str) -> list[str]:
    """As goose and Flyway cut a file: at a semicolon that ends a line, or a comment after it."""
    bare = "\n".join(line for line in text.splitlines() if not line.startswith("--"))
    return [part for part in re.split(r";(?:\s*--[^\n]*)?\s*(?:\n|\Z)", bare) if part.strip()]


def directions(tool: str, files: tuple[File, ...]) -> tuple[list[list[str]], list[list[str]]]:
    """For each file what is sent as one query, up and down, as the tool would."""
    ups: list[list[str]] = []
    downs: list[list[str]] = []
    for file in files:
        if tool == "dbmate":
            up, down = sections(file.text, "-- migrate:up", "-- migrate:down")
            ups.append([up])
            downs.append([down])
        elif tool == "goose":
            up, down = sections(file.text, r"-- \+goose Up", r"-- \+goose Down")
            ups.append(statements(up))
            downs.append(statements(down))
        elif tool == "flyway" and file.path.endswith(".sql"):
            (ups if file.path.startswith("V") else downs).append(statements(file.text))
        elif tool in ("golang-migrate", "files", "prisma"):
            (downs if "down" in file.path else ups).append([file.text])
    return ups, downs


@pytest.mark.parametrize("tool", ["dbmate", "goose", "flyway", "golang-migrate", "prisma"])
def test_file_sets_as_their_tools_send_them(
    conn: psycopg.Connection[Any], tool: str, made: Plan
) -> None:
    files = TOOLS[tool](made)
    ups, downs = directions(tool, files)
    assert len(ups) == len(downs) == len(made.steps)

    def send(order: list[list[str]]) -> None:
        for queries in order:
            for query in queries:
                conn.execute(query.encode())  # no parameters: one simple query, as theirs

    up_and_down(conn, lambda: send(ups), lambda: send(downs[::-1]))


DBMATE = os.environ.get("DBMATE") or shutil.which("dbmate")


@pytest.mark.skipif(DBMATE is None, reason="dbmate is not here")
def test_dbmate_itself(
    conn: psycopg.Connection[Any], any_database: str, tmp_path: Path, made: Plan
) -> None:
    saved(TOOLS["dbmate"](made), tmp_path)
    params = conninfo_to_dict(any_database)
    url = (f"postgres://{params['user']}@{params['host']}:{params['port']}/{params['dbname']}"
           "?sslmode=disable")  # fmt: skip
    command = [str(DBMATE), "-u", url, "-d", str(tmp_path), "--no-dump-schema"]

    def down() -> None:
        for _ in made.steps:
            ran([*command, "rollback"], tmp_path)

    up_and_down(conn, lambda: ran([*command, "migrate"], tmp_path), down)


def test_alembic(
    conn: psycopg.Connection[Any], any_database: str, tmp_path: Path, made: Plan
) -> None:
    (file,) = alembic.render(made)
    saved((File("alembic/versions/" + file.path, file.text),), tmp_path)
    params = conninfo_to_dict(any_database)
    url = (f"postgresql+psycopg://{params['user']}@{params['host']}:{params['port']}"
           f"/{params['dbname']}")  # fmt: skip
    (tmp_path / "alembic.ini").write_text("[alembic]\nscript_location = alembic\n")
    (tmp_path / "alembic/env.py").write_text(
        textwrap.dedent(f"""\
        from alembic import context
        from sqlalchemy import create_engine
        with create_engine({url!r}).connect() as connection:
            context.configure(connection=connection)
            with context.begin_transaction():
                context.run_migrations()
        """)
    )
    command = [sys.executable, "-m", "alembic"]
    up_and_down(
        conn,
        lambda: ran([*command, "upgrade", "head"], tmp_path),
        lambda: ran([*command, "downgrade", "base"], tmp_path),
    )


def django_project(dsn: str, where: Path, *files: File) -> None:
    params = conninfo_to_dict(dsn)
    database = {
        "ENGINE": "django.db.backends.postgresql", "NAME": params["dbname"],
        "USER": params["user"], "HOST": params["host"], "PORT": str(params["port"]),
    }  # fmt: skip
    model = File("app/models.py", textwrap.dedent("""\
        from django.db import models
        class Order(models.Model):
            user_id = models.BigIntegerField()
            status = models.TextField(null=True)
            created_at = models.DateTimeField(null=True)
            select = models.IntegerField(null=True)
            größe = models.TextField(null=True, db_column="Größe")
            class Meta:
                managed = True
        """))  # fmt: skip
    first = File("app/migrations/0001_initial.py", textwrap.dedent("""\
        from django.db import migrations, models
        class Migration(migrations.Migration):
            initial = True
            operations = [migrations.SeparateDatabaseAndState(state_operations=[
                migrations.CreateModel(name="Order", fields=[
                    ("id", models.BigAutoField(primary_key=True)),
                    ("user_id", models.BigIntegerField()),
                    ("status", models.TextField(null=True)),
                    ("created_at", models.DateTimeField(null=True)),
                    ("select", models.IntegerField(null=True)),
                    ("Größe", models.TextField(null=True)),
                ])])]
        """))  # fmt: skip
    settings = File("settings.py", (
        f"DATABASES = {{'default': {database!r}}}\nINSTALLED_APPS = ['app']\nUSE_TZ = True\n"
        "DEFAULT_AUTO_FIELD = 'django.db.models.BigAutoField'\n"
    ))  # fmt: skip
    marks = (File("app/__init__.py", ""), File("app/migrations/__init__.py", ""))
    saved((model, first, settings, *marks, *files), where)


def test_django(
    conn: psycopg.Connection[Any], any_database: str, tmp_path: Path, made: Plan
) -> None:
    if conn.info.server_version < 140000:
        pytest.skip("Django 5.2 takes PostgreSQL 14 and later")
    (file,) = django.render(made, app="app", previous="0001_initial")
    assert file.text.count("AddIndexConcurrently(") == 4
    django_project(any_database, tmp_path, File("app/migrations/" + file.path, file.text))
    command = [sys.executable, "-W", "error::SyntaxWarning", "-m", "django", "migrate", "app"]
    env = {"DJANGO_SETTINGS_MODULE": "settings", "PYTHONPATH": str(tmp_path)}
    ran([*command, "0001"], tmp_path, **env)
    up_and_down(
        conn,
        lambda: ran(command, tmp_path, **env),
        lambda: ran([*command, "0001"], tmp_path, **env),
    )


SQUAWK = shutil.which("squawk", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")


@pytest.mark.skipif(SQUAWK is None, reason="squawk is not here")
@pytest.mark.parametrize("tool", [t for t in TOOLS if t not in ("django", "alembic")])
def test_squawk_finds_nothing_unexplained(tool: str, tmp_path: Path, made: Plan) -> None:
    saved(TOOLS[tool](made), tmp_path)
    files = sorted(str(path) for path in tmp_path.rglob("*.sql"))
    done = subprocess.run(
        [str(SQUAWK), "--pg-version", "14.0", "--reporter", "gcc", *files],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout + done.stderr == ""
    assert done.returncode == 0
