"""Index advice held against cases of other tools' suites, whose cheapest index is known.

    python -m tests.bench.advice_cases CASES.json "host=… port=…" [--plain] [-v]

Each schema is made in a database of its own. With HypoPG the cost with our advice is the
planner's with the advised indexes pretended; with --plain they are advised without HypoPG,
and priced by it where the server has it, else built for real.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import psycopg

from pgtop.db.collector import Collector
from pgtop.db.hypopg import definition
from pgtop.model.advice import Advice, Advise, Work

SLACK = 1.0
"""Planner units: less than one page read."""

DATABASE = "pgtop_advice_cases"


def main() -> None:
    path, dsn, *flags = sys.argv[1:]
    with open(path) as file:
        cases = json.load(file)
    asyncio.run(_all(cases, dsn, plain="--plain" in flags, loud="-v" in flags))


async def _all(cases: dict[str, Any], dsn: str, *, plain: bool, loud: bool) -> None:
    outcomes: list[tuple[str, str, float]] = []
    for name, schema in cases["schemas"].items():
        wanted = [c for c in cases["cases"] if c["schema"] == name and "check" not in c]
        _make(dsn, schema["setup"])
        collector = Collector({**_params(dsn), "dbname": DATABASE})
        try:
            await collector.open()
            for case in wanted:
                outcomes.append(await _one(collector, dsn, case, plain=plain, loud=loud))
        finally:
            await collector.close()
    _drop(dsn)
    known = {c["id"] for c in cases["cases"] if (c.get("oracle") or {}).get("best")}
    _told(outcomes, known)


def _params(dsn: str) -> dict[str, str]:
    return {key: str(value) for key, value in psycopg.conninfo.conninfo_to_dict(dsn).items()}


def _make(dsn: str, setup: str) -> None:
    _drop(dsn)
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute(f"CREATE DATABASE {DATABASE}")
    with psycopg.connect(dsn, autocommit=True, dbname=DATABASE) as conn:
        conn.execute(setup.encode())
        if "ANALYZE" in setup:  # without it a table stays one that nobody knows
            conn.execute("VACUUM")
        if conn.execute("SELECT 1 FROM pg_available_extensions WHERE name = 'hypopg'").fetchone():
            conn.execute("CREATE EXTENSION hypopg")


def _drop(dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")


async def _one(
    collector: Collector, dsn: str, case: dict[str, Any], *, plain: bool, loud: bool
) -> tuple[str, str, float]:
    works = _works(case)
    if not works:
        return case["id"], "skipped", 0.0
    advice = await collector.ask(Advise(works=works, hypothetical=not plain))
    if "workload" in case:
        verdict, ratio = _held_against(dsn, case, advice, works)
    else:
        verdict, ratio = _judged(case, advice, *_costs(dsn, advice, works))
    if loud or verdict != "ok":
        words = [f"{a.table.name} {a.index.words}" for a in advice.indexes]
        why = [said.why for said in (*advice.not_handled, *advice.notes)]
        print(f"{case['id']:32} {verdict:10} ×{ratio:5.2f}  {advice.cost_before:9.2f} →"
              f" {advice.cost_after:9.2f}  {words} {why}")  # fmt: skip
    return case["id"], verdict, ratio


def _works(case: dict[str, Any]) -> tuple[Work, ...]:
    if case.get("options") or case["id"] in ("ia-postgrest", "ia-two-statements"):
        return ()
    if "query" in case:
        return (Work(name="q", text=case["query"]),)
    return tuple(
        Work(name=f"q{n}", text=q["query"] if isinstance(q, dict) else q)
        for n, q in enumerate(case.get("workload", ()), 1)
    )


def _costs(dsn: str, advice: Advice, works: tuple[Work, ...]) -> tuple[float, float]:
    """The planner's cost with what was advised: pretended (where HypoPG is), and built.

    The cheapest index known was found with HypoPG, what a source expects was priced built:
    each is compared with its like. What is built is rolled back.
    """
    with psycopg.connect(dsn, dbname=DATABASE) as conn:
        has_it = conn.execute("SELECT 1 FROM pg_extension WHERE extname = 'hypopg'").fetchone()
        pretended = 0.0
        if has_it:
            _each(conn, advice, pretend=True)
            pretended = sum(_explained(conn, work.text) for work in works)
            conn.execute("SELECT hypopg_reset()")
        _each(conn, advice, pretend=False)
        built = sum(_explained(conn, work.text) for work in works)
        conn.rollback()
    return (pretended if has_it else built), built


def _each(conn: psycopg.Connection[Any], advice: Advice, *, pretend: bool) -> None:
    for each in advice.indexes:
        for target in [t for _, _, t in each.table.leaves] or [each.table.sql]:
            text = definition(each.index, target)
            if pretend and each.index.method in ("btree", "brin", "hash"):
                conn.execute("SELECT hypopg_create_index(%s)", (text,))
            else:
                conn.execute(text.encode())


def _explained(conn: psycopg.Connection[Any], text: str) -> float:
    generic = "$1" in text
    try:
        with conn.transaction():
            if generic and conn.info.server_version < 160000:
                conn.execute("SET LOCAL plan_cache_mode = force_generic_plan")
                conn.execute(f"PREPARE p AS {text}".encode())
                nulls = ", ".join("NULL" for n in range(1, 9) if f"${n}" in text)
                row = conn.execute(f"EXPLAIN (FORMAT JSON) EXECUTE p({nulls})".encode()).fetchone()
                conn.execute("DEALLOCATE p")
            else:
                options = "FORMAT JSON" + (", GENERIC_PLAN" if generic else "")
                row = conn.execute(f"EXPLAIN ({options}) {text}".encode()).fetchone()
    except psycopg.Error:
        return 0.0
    assert row is not None
    return float(row[0][0]["Plan"]["Total Cost"])


def _held_against(
    dsn: str, case: dict[str, Any], advice: Advice, works: tuple[Work, ...]
) -> tuple[str, float]:
    """A workload: its cost with what we advise against that with what the source expects."""
    with psycopg.connect(dsn, dbname=DATABASE) as conn:
        for each in case["expected_by_source"]["indexes"]:
            table = ".".join(f'"{part}"' for part in each["table"].split("."))
            conn.execute(f"CREATE INDEX ON {table} ({', '.join(each['columns'])})".encode())
        expected = sum(_explained(conn, work.text) for work in works)
        conn.rollback()
    _, built = _costs(dsn, advice, works)
    return ("ok" if built <= 1.05 * expected else "WORSE"), built / expected


def _same_index(advice: Advice, oracle: dict[str, Any]) -> bool:
    """Whether we advise exactly the cheapest known: a price is then ANALYZE's luck."""
    best = min(oracle.get("best") or (), key=lambda b: b["cost"], default=None)
    ours = {f"{a.table.schema}.{a.table.name} {a.index.words}" for a in advice.indexes}
    plain = {text.replace('"', "").replace(", ", ",").lower() for text in ours}
    return best is not None and plain == {best["index"].replace('"', "").lower()}


def _judged(case: dict[str, Any], advice: Advice, cost: float, built: float) -> tuple[str, float]:
    oracle = case.get("oracle") or {}
    expected = case["expected_by_source"]["indexes"]
    best = min((b["cost"] for b in oracle.get("best") or ()), default=None)
    pair = (oracle.get("best_pair") or {}).get("cost")
    best = min((c for c in (best, pair) if c is not None), default=None)
    initial = oracle.get("initial_cost")
    if initial is None and not oracle.get("error") and "workload" not in case:
        return ("ok" if not advice.indexes else "WRONG"), 1.0
    none_right = not expected and (best is None or initial is None or best > 0.95 * initial)
    if none_right:
        return ("ok" if not advice.indexes else "EXTRA"), 1.0
    target = min(c for c in (best, initial) if c is not None)
    ratio = cost / target if target else 1.0
    with_expected = oracle.get("cost_with_expected")
    accepted = {a["using"] for a in case.get("acceptable", ()) if isinstance(a, dict)}
    if accepted & {each.index.method for each in advice.indexes}:
        return "ok", ratio
    worse = built / with_expected if with_expected else 0.0
    if expected and worse > 1.05 and not _same_index(advice, oracle):
        return "WORSE", worse
    near = ratio <= 1.05 or cost - target <= SLACK or _same_index(advice, oracle)
    return ("ok" if near else "FAR"), ratio


def _told(outcomes: list[tuple[str, str, float]], known: set[str]) -> None:
    judged = [o for o in outcomes if o[1] != "skipped"]
    count = {word: sum(o[1] == word for o in judged) for word in sorted({o[1] for o in judged})}
    ratios = [ratio for name, _, ratio in judged if name in known]
    near = sum(ratio <= 1.05 for ratio in ratios)
    print(f"{len(ratios)} with a cheapest index known: {near} within 5 % to the letter")
    print(f"{len(judged)} judged, {len(outcomes) - len(judged)} skipped: {count}")


if __name__ == "__main__":
    main()
