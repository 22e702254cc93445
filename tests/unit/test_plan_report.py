"""A plan as text, JSON by the contract, and Markdown."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pgtop.analysis.plan.parse import parse
from pgtop.cli.explain import main
from pgtop.report.plan import json_parts, markdown_lines, text_lines
from pgtop.report.plan_view import PlanView
from tests.unit.plan_corpus import corpus, named

_NODE_KEYS = {
    "path", "type", "schema", "relation", "index", "alias", "relationship", "loops",
    "workers_planned", "workers_launched", "rows_planned", "rows_actual", "misestimate",
    "rows_removed", "inclusive_ms", "exclusive_ms", "exclusive_fraction", "shared_hit_blocks",
    "shared_read_blocks", "temp_blocks", "uncertain_ms", "never_executed", "insights", "children",
}  # fmt: skip


def _document(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(
        "".join(json_parts([PlanView.of(p) for p in parse(corpus()[name])]))
    )
    return found


def _walk(node: dict[str, Any]) -> list[dict[str, Any]]:
    return [node, *(inner for child in node["children"] for inner in _walk(child))]


def test_json_has_the_contracts_keys() -> None:
    found = _document("pg18/parallel_hash.json")
    assert {"schema", "source", "execution_ms", "planning_ms", "root", "insights"} <= set(found)
    nodes = _walk(found["root"])
    (plan,) = parse(corpus()["pg18/parallel_hash.json"])
    assert [node["path"] for node in nodes] == [plan.path(node) for node in plan.nodes]
    for node in nodes:
        assert set(node) == _NODE_KEYS
    total = sum(node["exclusive_ms"] for node in nodes)
    assert total == pytest.approx(found["root"]["inclusive_ms"], rel=0.05)


def test_what_is_not_known_is_null() -> None:
    plain = _document("pg18/hashjoin.plain.json")
    for node in _walk(plain["root"]):
        assert node["inclusive_ms"] is None
        assert node["rows_actual"] is None
        assert node["shared_hit_blocks"] is None
        assert node["rows_planned"] is not None
    untimed = _document("pg18/hashjoin.notiming.json")
    assert untimed["root"]["inclusive_ms"] is None
    assert untimed["root"]["rows_actual"] is not None


def test_every_plan_of_the_corpus_can_be_printed() -> None:
    for name in named(".json", ".plain.text", ".yaml"):
        if "utility" in name or "rule_nothing" in name:
            continue
        for plan in parse(corpus()[name]):
            view = PlanView.of(plan)
            text = "\n".join(text_lines(view))
            assert all(char.isprintable() or char == "\n" for char in text), name
            assert len(text.split("\n")) >= len(plan.nodes), name
            assert "\n".join(markdown_lines(view)).startswith("## Plan")


def test_server_text_cannot_act_on_the_terminal_or_the_markdown() -> None:
    hostile = [
        {
            "Plan": {
                "Node Type": "Seq Scan",
                "Relation Name": "a\x1b]52;c;x\x07\n```\n# b",
                "Alias": "‮x",
            }
        }
    ]
    (plan,) = parse(json.dumps(hostile))
    view = PlanView.of(plan)
    text = "\n".join(text_lines(view))
    assert "\x1b" not in text
    assert "\u202e" not in text
    markdown = list(markdown_lines(view))
    fences = [line for line in markdown if line.startswith("```")]
    assert len(fences) == 2


def test_a_plan_a_thousand_deep_is_printed() -> None:
    opened = '{"Node Type": "Limit", "Plans": ['
    (plan,) = parse(
        "[" + '{"Plan":' + opened * 2_000 + '{"Node Type": "Result"}' + "]}" * 2_000 + "}]"
    )
    view = PlanView.of(plan)
    lines = list(text_lines(view))
    assert max(map(len, lines)) < 300
    assert "".join(json_parts([view])).count('"path"') == 2_001


def test_the_command_prints_and_fails_by_its_contract(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "plan.json"
    file.write_text(corpus()["pg18/seqscan_filter.json"])
    assert main([str(file), "--format", "json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["insights"][0]["rule"] == "plan.seq_filter"
    assert err == ""
    assert main([str(file), "--format", "markdown"]) == 0
    assert "CREATE INDEX CONCURRENTLY orders_city_idx" in capsys.readouterr().out
    file.write_text("one\ntwo\n")
    assert main([str(file), "--format", "text"]) == 4
    assert "line 1: no plan starts here" in capsys.readouterr().err
    assert main([str(tmp_path / "absent"), "--format", "text"]) == 2
    assert main([str(file), "--analyze"]) == 2
