"""The report's `autovacuum` section."""

from __future__ import annotations

import json

import pytest

from pgtop.advice import Facts
from pgtop.model.sample import SourceError
from pgtop.model.table import Table
from pgtop.report.autovacuum import autovacuum
from tests.vacuum_facts import facts, table, use

KEYS = {
    "schema", "name", "dead_rows", "vacuum_threshold", "vacuum_fraction", "insert_threshold",
    "insert_fraction", "analyze_threshold", "analyze_fraction", "freeze_fraction", "dead_per_s",
    "next_vacuum_s", "next_by", "vacuum_duration_s", "state", "options",
}  # fmt: skip


def test_figures_and_where_options_come_from() -> None:
    options = "autovacuum_vacuum_scale_factor=0.5"
    main = table(20001, relname="a", reltoastrelid=20002, options=options, n_dead_tup=400_000)
    toast = table(20002, relkind="t", schemaname="pg_toast", relname="pg_toast_20001")
    rows = [main, toast, use(20001), use(20002)]
    one, two = autovacuum(
        facts([main._replace(n_dead_tup=394_000), toast], rows, autovacuum_naptime="30",
              autovacuum_vacuum_cost_limit="800")
    )  # fmt: skip
    assert one.keys() >= KEYS
    assert (one["schema"], one["name"], one["toast_of"]) == ("public", "a", None)
    assert (one["dead_rows"], one["vacuum_threshold"]) == (400_000, 500_050)
    assert one["dead_per_s"] == 100
    assert (one["next_by"], one["next_vacuum_s"]) == ("dead", pytest.approx(1000.5))
    found = one["options"]
    assert found["autovacuum_vacuum_scale_factor"] == {"value": "0.5", "from": "table"}
    assert found["autovacuum_vacuum_cost_limit"] == {"value": "800", "from": "server"}
    assert found["autovacuum_vacuum_threshold"] == {"value": "50", "from": "default"}
    assert two["toast_of"] == {"schema": "public", "name": "a"}
    assert two["options"]["autovacuum_vacuum_scale_factor"]["from"] == "inherited"
    assert (two["analyze_threshold"], two["analyze_fraction"]) == (None, None)
    json.dumps([one, two], allow_nan=False)


def test_one_sample_leaves_rates_unknown() -> None:
    (one,) = autovacuum(facts([table(n_dead_tup=5)]))
    assert one["dead_per_s"] is None
    assert one["next_vacuum_s"] is None
    assert one["next_by"] is None


def test_what_cannot_be_read_is_no_empty_list() -> None:
    with pytest.raises(SourceError, match="no right"):
        autovacuum(Facts({Table: SourceError("no right")}))
    with pytest.raises(SourceError):
        autovacuum(Facts())
