"""Every form and frame of a plan gives the same tree and the same properties."""

from __future__ import annotations

import contextlib
import json
import lzma
import time
from collections import Counter
from pathlib import Path

# ruff: noqa: E501
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pgtop.analysis.plan.parse import parse
from pgtop.model.plan import Plan, PlanError, PlanNode
from tests.unit.plan_corpus import corpus, named

_NOT_IN_AUTO_EXPLAIN = {
    "Planning",
    "Planning Time",
    "Execution Time",
    "Query Identifier",
    "Serialization",
}
"""EXPLAIN's summary: auto_explain logs the same execution without it."""


def _differs(node: PlanNode, text: PlanNode, above: PlanNode | None, verbose: bool) -> list[str]:
    """The keys of the JSON form that TEXT prints and that were not read from it."""
    wrong = []
    for key, value in node.raw.items():
        found = text.raw.get(key)
        if key == "Inner Unique" and not verbose:
            continue  # TEXT prints it with VERBOSE only
        if key == "Scan Direction" and value == "NoMovement":
            continue
        if key == "Parent Relationship" and above is not None and above.node_type == "ModifyTable":
            continue  # Member in 13, Outer from 14: TEXT shows neither
        if key in ("I/O Read Time", "I/O Write Time"):
            found = text.raw.get(key, text.raw.get("Shared " + key))  # 15 prints `shared read=`
        if key == "Workers":
            found = found or []
            wrong += ["Workers"] if len(value) != len(found) else []
            for ours, theirs in zip(value, found, strict=False):
                wrong += [
                    f"Workers.{inner}"
                    for inner, amount in ours.items()
                    if theirs.get(inner, 0) != amount
                ]
        elif value != found and not (found is None and value in (0, False, "", [])):
            wrong.append(key)
    return wrong


def _compare(json_plan: Plan, text_plan: Plan, verbose: bool) -> list[str]:
    if [node.children for node in json_plan.nodes] != [node.children for node in text_plan.nodes]:
        return ["tree"]
    wrong = []
    for node, text in zip(json_plan.nodes, text_plan.nodes, strict=False):
        wrong += _differs(node, text, json_plan.parent(node), verbose)
    for key, value in json_plan.raw.items():
        found = text_plan.raw.get(key)
        if key in _NOT_IN_AUTO_EXPLAIN or (found is None and value in ({}, [])):
            continue
        if key == "Triggers" and isinstance(found, list):
            value = [
                {inner: amount for inner, amount in trigger.items() if inner in printed}
                for trigger, printed in zip(value, found, strict=False)
            ]
        if value != found:
            wrong.append(key)
    return wrong


def _pairs(ending: str) -> Counter[str]:
    wrong: Counter[str] = Counter()
    for name in named(f".{ending}.pair.txt"):
        stem = name.removesuffix(".pair.txt")
        plans, texts = parse(corpus()[stem]), parse(corpus()[name])
        assert len(plans) == len(texts), name
        found = [
            key
            for plan, text in zip(plans, texts, strict=False)
            for key in _compare(plan, text, ".v." in stem)
        ]
        wrong.update(f"{name}: {key}" for key in found)
        wrong["pairs"] += 1
    return wrong


@pytest.mark.parametrize(("ending", "count"), [("json", 546), ("yaml", 273), ("xml", 273)])
def test_text_of_the_same_execution_reads_the_same(ending: str, count: int) -> None:
    assert _pairs(ending) == Counter({"pairs": count})


def _shape(plan: Plan) -> list[tuple[str, tuple[str, ...]]]:
    return [(node.node_type, tuple(sorted(node.raw))) for node in plan.nodes]


def test_yaml_and_xml_have_every_key_of_json() -> None:
    compared = 0
    for name in named(".yaml", ".xml"):
        stem = name.rpartition(".")[0]
        try:
            plans, others = parse(corpus()[stem + ".json"]), parse(corpus()[name])
        except PlanError as error:
            if "rule_nothing" not in name:
                raise AssertionError(name) from error
            continue
        for plan, other in zip(plans, others, strict=False):
            assert sorted(plan.raw) == sorted(other.raw), name
            if len(plan.nodes) == len(other.nodes):
                assert _shape(plan) == _shape(other), name
            compared += 1
    assert compared > 500


def test_nothing_is_left_unread() -> None:
    for name in named(".text", ".pair.txt"):
        try:
            plans = parse(corpus()[name])
        except PlanError:
            continue
        for plan in plans:
            assert not plan.unread, name
            assert not any(node.unread for node in plan.nodes), name
            assert plan.truncated is None, name


_TEXT = """\
Sort  (cost=82.47..83.72 rows=500 width=44) (actual time=1.100..1.200 rows=500 loops=1)
  Sort Key: t.b, "Odd, name" DESC
  Sort Method: quicksort  Memory: 64kB
  ->  Seq Scan on public.t  (cost=0.00..60.05 rows=500 width=44) (actual time=0.010..0.900 rows=500 loops=1)
        Filter: (t.txt <> 'a,b (cost=1..2'::text)
        Rows Removed by Filter: 1500
Planning Time: 0.100 ms
Execution Time: 1.300 ms
"""


@pytest.mark.parametrize(
    "paste",
    [
        pytest.param(_TEXT, id="plain"),
        pytest.param("\ufeff" + _TEXT.replace("\n", "\r\n"), id="bom-crlf"),
        pytest.param("\n".join(f"\x1b[32m{line}\x1b[0m" for line in _TEXT.split("\n")), id="ansi"),
        pytest.param(_TEXT.replace("        ", "\t"), id="tabs"),
        pytest.param(_TEXT.replace("  ", "\xa0 "), id="hard-spaces"),
        pytest.param(
            "\n".join(f'"{line}"'.replace("Odd, name", "Odd, name") if '"' not in line
                      else '"' + line.replace('"', '""') + '"' for line in _TEXT.split("\n")[:-1]),
            id="pgadmin-quotes",
        ),
        pytest.param(
            " QUERY PLAN\n-----------\n"
            + "".join(f" {line}\n" for line in _TEXT.split("\n")[:-1]) + "(8 Zeilen)\n",
            id="psql",
        ),
        pytest.param(
            "shop=> explain analyze select 1;\n" + _TEXT + "\nTime: 3.1 ms\n", id="with-prompt"
        ),
        pytest.param(
            "2026-11-21 05:00:00.000 UTC [42] LOG:  duration: 1.305 ms  plan:\n\tQuery Text: select\n"
            "\t  1\n" + "".join(f"\t{line}\n" for line in _TEXT.split("\n")[:-1])
            + "2026-11-21 05:00:01.000 UTC [42] LOG:  something else\n",
            id="stderr-log",
        ),
        pytest.param(
            "".join(
                f"Nov 21 05:00:00 db postgres[42]: [7-{number}] {line}\n"
                for number, line in enumerate(
                    ["LOG:  duration: 1.305 ms  plan:", "#011Query Text: select 1"]
                    + ["#011" + line for line in _TEXT.split("\n")[:-1]], 1,
                )
            ),
            id="syslog",
        ),
        pytest.param(
            '2026-11-21 05:00:00 UTC,"u","db",42,"127.0.0.1:1",65,1,"SELECT",,1/1,0,LOG,00000,'
            '"duration: 1.305 ms  plan:\nQuery Text: select 1\n' + _TEXT.replace('"', '""')[:-1]
            + '",,,,,,,,,"psql","client backend",,0\n',
            id="csvlog",
        ),
        pytest.param(
            json.dumps({"timestamp": "now", "message": "duration: 1.305 ms  plan:\n" + _TEXT}) + "\n",
            id="jsonlog",
        ),
    ],
)  # fmt: skip
def test_frames_and_logs_are_taken_off(paste: str) -> None:
    (plan,) = parse(paste)
    assert [node.node_type for node in plan.nodes] == ["Sort", "Seq Scan"]
    sort, scan = plan.nodes
    assert sort.texts("Sort Key") == ("t.b", '"Odd, name" DESC')
    assert sort.figure("Sort Space Used") == 64
    assert scan.text("Filter") == "(t.txt <> 'a,b (cost=1..2'::text)"
    assert scan.figure("Rows Removed by Filter") == 1500
    assert scan.text("Schema") == "public"
    assert plan.figure("Execution Time") == 1.3


def test_lines_cut_by_a_narrow_window_are_joined() -> None:
    cut = "\n".join(
        line[start : start + 80]
        for line in _TEXT.split("\n")
        for start in range(0, max(1, len(line)), 80)
    )
    assert cut != _TEXT
    (plan,) = parse(cut)
    assert [node.node_type for node in plan.nodes] == ["Sort", "Seq Scan"]
    assert plan.nodes[1].figure("Actual Total Time") == 0.9


def test_names_that_look_like_costs_and_arrows() -> None:
    (plan,) = parse(
        'Seq Scan on tiny "x -> y  (cost=1.00..2.00 rows=3 width=4)"'
        "  (cost=0.00..1.25 rows=1 width=7)\n"
        "  Filter: (a = 'line one\n  ->  Seq Scan on fake  (cost=0.00..1.00 rows=1 width=1)'::text)\n"
    )
    assert len(plan.nodes) == 1
    assert plan.root.text("Alias") == "x -> y  (cost=1.00..2.00 rows=3 width=4)"
    assert "fake" in (plan.root.text("Filter") or "")


def test_two_plans_of_a_rule() -> None:
    one = "Insert on t  (cost=0.00..0.01 rows=0 width=0)\n  ->  Result  (cost=0.00..0.01 rows=1 width=4)\n"
    plans = parse(one + "\n" + one.replace("on t", "on audit"))
    assert [plan.root.relation for plan in plans] == ["t", "audit"]


@pytest.mark.parametrize(
    ("paste", "why", "line"),
    [
        ("", "nothing to read", 1),
        ("hello\nworld\n", "no plan starts here", 1),
        ("Query rewrites to nothing\n", "rewrites it to nothing", None),
        ("[\n]\n", "rewrites it to nothing", None),
        ('["Utility statements have no plan structure"]', "no utility statements", None),
        ('[\n {\n  "Plan": {\n   "Node Ty', "no node before it", 4),
        ('{"Plan": 3}', '"Plan"', 1),
        ("<!DOCTYPE x [<!ENTITY a 'b'>]>\n<explain><Query><Plan>&a;</Plan>", "XML", None),
    ],
)
def test_what_is_no_plan_says_so(paste: str, why: str, line: int | None) -> None:
    with pytest.raises(PlanError) as caught:
        parse(paste)
    assert why in str(caught.value)
    if line is not None:
        assert caught.value.line == line


def test_a_cut_plan_is_read_as_far_as_it_goes() -> None:
    text = corpus()["pg18/hashjoin.json"]
    (plan,) = parse(text[: len(text) // 2])
    assert plan.truncated is not None
    assert "cut off in line" in plan.truncated
    assert plan.root.node_type == parse(text)[0].root.node_type


def test_unknown_lines_and_keys_are_kept() -> None:
    (plan,) = parse(
        "Seq Scan on t  (cost=0.00..1.00 rows=1 width=4)\n  Prefetch Distance: 12\n  what is this\n"
    )
    assert plan.root.raw["Prefetch Distance"] == 12
    assert plan.root.unread == ("what is this",)


def _nested(depth: int, form: str) -> str:
    if form == "json":
        opened = '{"Node Type": "Limit", "Actual Loops": 1, "Actual Total Time": 1, "Plans": ['
        return (
            '[{"Plan": '
            + opened * (depth - 1)
            + '{"Node Type": "Result"}'
            + "]}" * (depth - 1)
            + "}]"
        )
    if form == "xml":
        opened = "<Plan><Node-Type>Limit</Node-Type><Plans>"
        closed = "</Plans></Plan>"
        inner = "<Plan><Node-Type>Result</Node-Type></Plan>"
        return (
            f"<explain><Query>{opened * (depth - 1)}{inner}{closed * (depth - 1)}</Query></explain>"
        )
    if form == "yaml":
        lines = ["- Plan:", '    Node Type: "Limit"']
        for level in range(1, depth):
            pad = " " * (4 * level)
            lines += [f"{pad}Plans:", f'{pad}  - Node Type: "Limit"']
        return "\n".join(lines)
    return "\n".join(
        " " * (6 * level - 4 if level else 0) + ("->  " if level else "")
        + "Limit  (cost=0.00..1.00 rows=1 width=4)"
        for level in range(depth)
    )  # fmt: skip


@pytest.mark.parametrize("form", ["json", "xml", "yaml", "text"])
def test_five_thousand_levels(form: str) -> None:
    depth = 5_000 if form in ("json", "xml") else 1_000  # indentation alone is 75 MB at 5,000
    started = time.process_time()
    (plan,) = parse(_nested(depth, form))
    assert len(plan.nodes) == depth
    assert plan.nodes[-1].depth == depth - 1
    assert time.process_time() - started < 5


_PIECES = st.sampled_from(
    [
        "->  ", "Seq Scan on t", "  (cost=0.00..1.00 rows=1 width=4)", " (actual rows=1 loops=1)",
        "\n", " ", "'", '"', "(", ")", "[", "]", "{", "}", ":", ",", '"Plan"', '"Node Type"', "Worker 0:  ",
        "<explain", "</explain>", "<Plan>", "- Plan:", "  Plans:", "JIT:", "  Timing: Generation 1 ms",
        "Sort Method: ", "Buffers: shared hit=1", "QUERY PLAN", "-----", "|", "│", "+", "…", ".", "\t", "\x1b[1m",
        "duration: 1.0 ms  plan:", "Query Text: ", "Trigger x: time=1 calls=2", "InitPlan 1", "CTE x",
        "Group Key: a", "Sampling: x (", "Full-sort Groups: 1  Sort Method: q", "\0", "\ud800", "¹", "٣",
    ]
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.lists(st.one_of(_PIECES, st.text(max_size=6)), max_size=60))
def test_hostile_text_raises_nothing_else(pieces: list[str]) -> None:
    try:
        plans = parse("".join(pieces))
    except PlanError:
        return
    assert all(plan.nodes for plan in plans)


_JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(
                ["Plan", "Node Type", "Plans", "Actual Loops", "Actual Total Time", "Plan Rows",
                 "Workers", "Subplan Name", "Parent Relationship", "JIT", "Triggers", "Filter",
                 "Shared Hit Blocks", "CTE Name", "Actual Rows", "Settings"]
            ),
            inner, max_size=5,
        ),
    ),
    max_leaves=25,
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(_JSON, st.sampled_from(["Gather", "Limit", "CTE Scan", "ModifyTable", "Aggregate"]))
def test_any_json_below_a_node_is_kept(value: object, node_type: str) -> None:
    plan = {"Plan": {"Node Type": node_type, "Plans": [value], "Filter": value}}
    (read,) = parse(json.dumps([plan]))
    assert read.root.node_type == node_type


@pytest.mark.parametrize(
    "piece",
    [
        "(", "\"'\n", "->  x\n", "- ", "[", '{"Plan":', "  (cost=", "Worker 0:  ", "CTE x\n",
        '"', "<Plan>", "x" * 90 + "\n", "Output: " + "a, " * 50 + "\n", " | \n", "duration: 1.0 ms  plan:\n",
    ],
)  # fmt: skip
def test_hostile_length_takes_bounded_time(piece: str) -> None:
    text = "Seq Scan on t  (cost=0.00..1.00 rows=1 width=4)\n  " + piece * (300_000 // len(piece))
    started = time.process_time()
    with contextlib.suppress(PlanError):
        parse(text)
    assert time.process_time() - started < 4


def test_a_megabyte_is_read_in_seconds() -> None:
    text = corpus().get("pg18/append_200.text", "")
    text = text or corpus()["pg18/append_200.v.text"]
    whole = "\n\n".join([text] * (1_000_000 // len(text) + 1))
    started = time.process_time()
    plans = parse(whole)
    assert len(plans) > 1
    assert time.process_time() - started < 4


def _psql() -> dict[str, str]:
    data = Path(__file__).parent.parent / "data" / "psql_frames.json.xz"
    found: dict[str, str] = json.loads(lzma.decompress(data.read_bytes()))
    return found


def _told(plan: Plan) -> list[tuple[tuple[int, ...], dict[str, object]]]:
    return [
        (node.children, {k: v for k, v in node.raw.items() if not str(v).startswith("pg_temp")})
        for node in plan.nodes
    ]


def test_every_frame_that_psql_draws() -> None:
    """Border 0-2, three line styles, wrapped, expanded, unaligned, csv, html, asciidoc; 13 and 18.

    The old-ascii style wraps without a mark: what it cut cannot always be told.
    """
    renderings = _psql()
    wrong, read = [], 0
    for name, text in renderings.items():
        version, form, query, options = name.split("|")
        if "old-ascii" in options and "wrapped" in options:
            continue
        (plain,) = parse(renderings[f"{version}|{form}|{query}|-A -t"])
        try:
            (plan,) = parse(text)
        except PlanError as error:
            wrong.append((name, str(error)))
            continue
        read += 1
        if _told(plan) != _told(plain) or plan.truncated:
            wrong.append((name, "differs"))
    assert wrong == []
    assert read > 1_200
