"""All that the index rules offer, run together: no statement stands in another's way."""

from __future__ import annotations

import psycopg
import pytest

from pgtop.advice import Facts
from pgtop.advice.index_facts import gathered
from pgtop.advice.thresholds import indexes as limits
from pgtop.advice.verdict import Verdict
from pgtop.analysis.keys import best_support
from pgtop.model.index import ForeignKey
from tests.db.index_cases import FOREIGN_KEYS, REDUNDANT
from tests.db.test_index_rules import execute, foreign_key_case, judged, redundancy_case


def fill(dsn: str) -> None:
    """The labelled cases with rows, each foreign key there twice, rows of its parents deleted."""
    for name, indexes, _ in REDUNDANT:
        execute(dsn, redundancy_case(name, indexes.removeprefix("{v15} ")))
        execute(
            dsn,
            [
                f'INSERT INTO "{name}".t (id, nn, a, b, c, d, e) SELECT g, g, g, g % 5, g, g::text,'
                " g::text FROM generate_series(1, 300) g"
            ],
        )
    for number, (name, columns, indexes, _) in enumerate(FOREIGN_KEYS):
        schema = f"f{number}"
        execute(dsn, [
            *foreign_key_case(schema, name, columns, indexes),
            f"ALTER TABLE {schema}.child ADD CONSTRAINT {name}_again FOREIGN KEY {columns}"
            f" REFERENCES {schema}.parent {columns}",
            f"INSERT INTO {schema}.parent SELECT g, g, g, g::text, g"
            " FROM generate_series(1, 500) g",
            f"INSERT INTO {schema}.child SELECT g, g, g, g::text, g"
            " FROM generate_series(1, 400) g",
            f"DELETE FROM {schema}.parent WHERE id > 450",
        ])  # fmt: skip
    execute(dsn, ["ANALYZE"])


def run(dsn: str, verdict: Verdict) -> int:
    """Run every remedy's statements, worst finding first; how many there were."""
    statements = [sql for f in verdict.findings if f.remedy for sql in f.remedy.sql]
    with psycopg.connect(dsn, autocommit=True) as conn:
        for sql in statements:
            conn.execute(sql.encode())
    return len(statements)


async def test_what_is_offered_together_can_be_run_together(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "UNUSED_WINDOW_S", 0.0)
    for name in ("UNUSED_BYTES", "REFERENCING_PAGES"):
        monkeypatch.setattr(limits, name, 0)
    fill(database)
    _, verdict = await judged(database)
    rules = {f.rule for f in verdict.findings if f.remedy}
    assert rules >= {"index.unused", "index.duplicate", "index.redundant", "index.missing_fk"}
    assert run(database, verdict) > 80
    board, verdict = await judged(database)
    run(database, verdict)  # what new indexes have made superfluous
    board, verdict = await judged(database)
    assert [f.title for f in verdict.findings if f.remedy] == []
    facts = Facts(board.samples, board.derived)
    found = gathered(facts)
    labelled = {name for name, *_ in FOREIGN_KEYS}
    keys = [k for k in facts.rows(ForeignKey) if k.conname.removesuffix("_again") in labelled]
    assert len(keys) == 2 * len(labelled)
    for key in keys:
        assert best_support(key, found.by_table[key.conrelid], found.classes) == 3, key.conname
