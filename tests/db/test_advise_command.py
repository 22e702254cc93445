"""`pgtop advise` from the command line, against a real server."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import psycopg
import pytest

from pgtop.cli.advise import main, read_works, size
from tests.db.test_advise import SHOP, WORKS


@pytest.fixture
def shop(database: str, tmp_path: Path) -> str:
    with psycopg.connect(database, autocommit=True) as conn:
        conn.execute(SHOP.encode())
    for name in ("page", "mail", "whole"):
        (tmp_path / f"{name}.sql").write_text(WORKS[name] + ";\n")
    (tmp_path / "bad.sql").write_text("SELECT nothing FROM nowhere\x1b[2J")
    return database


def test_json_keeps_its_contract(
    shop: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([shop, "--queries", str(tmp_path), "--format", "json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["schema"] == 1
    assert answer["verified_by"] == "none"
    assert answer["cost_after"] is None
    assert answer["cost_before"] > 0
    assert {each["query"] for each in answer["not_handled"]} == {"bad"}
    by_table = {each["table"]: each for each in answer["indexes"]}
    assert by_table.keys() == {"public.orders", "public.customers"}
    page = by_table["public.orders"]
    assert page["sql"].startswith("CREATE INDEX CONCURRENTLY orders_customer_id_")
    assert page["undo"].startswith("DROP INDEX CONCURRENTLY public.orders_customer_id")
    assert page["queries"] == ["page"]
    assert page["cost_after"] < page["cost_before"]
    assert page["size_bytes"] > 100_000
    assert page["verified"] is False


def test_text_names_what_could_not_be_planned_and_draws_nothing(
    shop: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([shop, "--queries", str(tmp_path)]) == 0
    out, err = capsys.readouterr()
    assert "public.customers ((lower(email)))" in out
    assert "could not be planned:\n   bad: " in out
    assert "\x1b" not in out
    assert err == "", "no progress where there is no terminal"


@pytest.mark.parametrize("form", ["psql", "django", "alembic", "files"])
def test_migrations(
    shop: str, tmp_path: Path, form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([shop, "--queries", str(tmp_path / "page.sql"), "--format", form]) == 0
    out = capsys.readouterr().out
    assert "orders_customer_id_created_at_idx" in out
    if form in ("django", "alembic"):
        ast.parse(out)


def test_what_cannot_be_is_said_with_its_status(
    shop: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([shop, "--format", "rails"]) == 2
    assert "rails is not shipped" in capsys.readouterr().err
    assert main([shop, "--queries", str(tmp_path / "absent.sql")]) == 2
    assert main([shop]) == 4
    assert "CREATE EXTENSION pg_stat_statements" in capsys.readouterr().err
    assert main([shop, "--queries", str(tmp_path / "bad.sql")]) == 4
    assert main(["host=127.0.0.1 port=1", "--queries", str(tmp_path)]) == 3


def test_the_workload_is_what_was_counted(
    database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with psycopg.connect(database, autocommit=True) as conn:
        conn.execute("CREATE EXTENSION pg_stat_statements")
        conn.execute(SHOP.encode())
        conn.execute("VACUUM ANALYZE")
        conn.execute("SELECT pg_stat_statements_reset()")
        for number in range(50):
            conn.execute(b"SELECT * FROM orders WHERE customer_id = %d" % number).fetchall()
        conn.execute("SELECT count(*) FROM few WHERE word = 'w1'")
    assert main([database, "--format", "json", "--top", "5"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert [each["table"] for each in answer["indexes"]] == ["public.orders"]
    assert len(answer["queries"]) <= 5
    assert answer["indexes"][0]["saves_ms_per_s"] > 0


def test_files_and_sizes(tmp_path: Path) -> None:
    (tmp_path / "b.sql").write_text("SELECT 1")
    (tmp_path / "a.sql").write_text("SELECT 1; SELECT 2")
    assert [w.name for w in read_works([str(tmp_path)])] == ["a.q01", "a.q02", "b"]
    assert [w.name for w in read_works([str(tmp_path / "a.sql")])] == ["q01", "q02"]
    assert size("500MB") == 500 * 1024**2
    assert size("2g") == 2 * 1024**3
    assert size("4096") == 4096
    with pytest.raises(Exception, match="a size such as"):
        size("many")
