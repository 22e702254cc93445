"""Why what a view of the Indexes tab lists is not known, or not all of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pgtop.advice import Facts
from pgtop.advice.index_facts import unread
from pgtop.advice.verdict import Verdict
from pgtop.model.index import ForeignKey, IndexUse, OperatorClass
from pgtop.model.table import Partition, Table

SOURCES: Mapping[str, tuple[type[Any], ...]] = {
    "unused": (IndexUse, Table, ForeignKey, OperatorClass),
    "missing": (ForeignKey, Table, OperatorClass, Partition),
    "tables": (Table,),
}
"""View -> what its rows are made of beside the indexes themselves."""

RULES: Mapping[str, str] = {"duplicate": "index.duplicate"}
"""View -> the rule that finds its rows."""

WORDS: Mapping[type[Any], str] = {
    IndexUse: "counters", Table: "tables", ForeignKey: "foreign keys",
    OperatorClass: "operator classes", Partition: "partitions",
}  # fmt: skip


def why_unknown(view: str, facts: Facts, verdict: Verdict | None) -> str | None:
    """The reason, in the server's words where it refused; None: all is known."""
    for row_type in SOURCES.get(view, ()):
        why = unread(facts, row_type, WORDS[row_type])
        if why is not None:
            return why
    rule = RULES.get(view)
    if rule is None:
        return None
    if verdict is None:
        return "not compared yet"
    return verdict.needs_time.get(rule) or verdict.not_possible.get(rule)
