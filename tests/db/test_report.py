"""`pgtop report` as a script sees it: standard output, standard error, exit status."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pgtop.cli.main import main
from tests.servers import TestServer


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    status = main(["report", *words])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def as_json(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    status, out, err = run(capsys, "--format", "json", *words)
    assert status in (0, 1), err
    found: dict[str, Any] = json.loads(out)
    return found


def test_the_document_has_what_the_contract_says(
    server: TestServer, capsys: pytest.CaptureFixture[str]
) -> None:
    found = as_json(capsys, "--window", "0.6", server.dsn(user="monitor"))
    assert found["schema"] == 1
    assert found["tool"]["name"] == "pgtop"
    assert found["window_s"] == pytest.approx(0.6, abs=0.3)
    assert found["server"]["version_num"] == server.version_num
    assert found["server"]["in_recovery"] is False
    assert found["self"]["temp_blocks_written"] == 0
    assert found["self"]["round_trips"] >= 4
    keys = {"queryid", "database", "user", "query", "calls", "total_ms", "mean_ms", "rows",
            "share_fraction", "calls_per_s", "ms_per_s", "hit_fraction", "temp_bytes",
            "wal_bytes"}  # fmt: skip
    assert keys <= set(found["queries"][0])
    assert not [q for q in found["queries"] if (q["query"] or "").startswith("SELECT /* pgtop */")]
    assert isinstance(found["findings"], list)


def test_one_sample_has_no_rates(server: TestServer, capsys: pytest.CaptureFixture[str]) -> None:
    found = as_json(capsys, "--window", "0", "--section", "queries", server.dsn(user="monitor"))
    assert found["window_s"] == 0
    assert {q["calls_per_s"] for q in found["queries"]} == {None}
    assert "findings" not in found


@pytest.mark.parametrize("form", ["text", "markdown"])
def test_for_people(server: TestServer, capsys: pytest.CaptureFixture[str], form: str) -> None:
    server.execute("SELECT 'a | b', '`[x](y)`' AS \"<b>odd</b>\" /* \x1b]52;c;eA==\x07 */")
    status, out, _ = run(capsys, "--window", "0", "--format", form, server.dsn(user="monitor"))
    assert status == 0
    assert "pgtop cost the server" in out
    assert "Queries" in out
    assert "\x1b" not in out
    assert "\x07" not in out


def test_a_section_that_is_refused_says_why(
    server: TestServer, capsys: pytest.CaptureFixture[str]
) -> None:
    with server.database() as name:
        _, out, _ = run(capsys, "--window", "0", "--format", "json", server.dsn(name))
        found = json.loads(out)
        assert "queries" not in found
        (part,) = [part for part in found["unavailable"] if part["what"] == "queries"]
        assert part["remedy"] == "CREATE EXTENSION pg_stat_statements;"


def test_nothing_readable_is_status_4_with_the_remedy(
    server: TestServer, capsys: pytest.CaptureFixture[str]
) -> None:
    with server.database() as name:
        status, _, err = run(capsys, "--window", "0", "--section", "queries", server.dsn(name))
        assert status == 4
        assert "CREATE EXTENSION pg_stat_statements;" in err


def test_hidden_statements_are_said(server: TestServer, capsys: pytest.CaptureFixture[str]) -> None:
    found = as_json(capsys, "--window", "0", server.dsn(user="nobody_role"))
    (part,) = [part for part in found["unavailable"] if part["what"] == "queries.hidden"]
    assert part["remedy"] == "GRANT pg_monitor TO nobody_role;"


def test_no_connection_is_status_3(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = run(capsys, "host=127.0.0.1 port=1 user=x")
    assert (status, out) == (3, "")
    assert "nothing listens at" in err


def test_literals_go_on_request(server: TestServer, capsys: pytest.CaptureFixture[str]) -> None:
    server.execute("ALTER ROLE monitor SET application_name = 'very secret 4711'")
    found = as_json(capsys, "--window", "0", "--redact", server.dsn(user="monitor"))
    assert not [q for q in found["queries"] if "4711" in (q["query"] or "")]
    server.execute("ALTER ROLE monitor RESET application_name")
