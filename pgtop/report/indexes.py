"""The report's sections about tables and indexes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pgtop.advice import Facts
from pgtop.analysis.bloat import Bloat
from pgtop.analysis.estimates import Estimates
from pgtop.analysis.usage import Usage
from pgtop.model.index import Index
from pgtop.model.sample import Sample, SourceError
from pgtop.model.table import Table
from pgtop.report.document import moment

Json = dict[str, Any]


def tables_part(facts: Facts) -> list[Json]:
    """One entry a table, the biggest first. Raises the `SourceError` of what could not be read."""
    usage, estimates = _known(facts, Table)
    rows = sorted(
        (t for t in usage.tables.values() if t.relkind in ("r", "m") and not t.system),
        key=lambda t: (-t.relpages, t.schemaname, t.relname),
    )
    scans = _index_scans(facts, usage, estimates)
    return [_table(row, usage, estimates.of_table(row), scans(row.relid)) for row in rows]


def _index_scans(facts: Facts, usage: Usage, estimates: Estimates) -> Callable[[int], int | None]:
    """Scans of all indexes of a table by its oid; None where an index's are not known."""
    known = isinstance(facts.samples.get(Index), Sample)

    def scans(relid: int) -> int | None:
        uses = [usage.indexes.get(i.indexrelid) for i in estimates.by_table.get(relid, ())]
        counted = [use.idx_scan for use in uses if use is not None]
        return sum(counted) if known and len(counted) == len(uses) else None

    return scans


def _table(row: Table, usage: Usage, bloat: Bloat, index_scans: int | None) -> Json:
    use = usage.table_uses.get(row.relid)
    return {
        "schema": row.schemaname,
        "name": row.relname,
        "size_bytes": row.size_bytes,
        **_bloat(bloat),
        "seq_scans": use.seq_scan if use else None,
        "index_scans": index_scans,
        "live_rows": row.n_live_tup,
        "dead_rows": row.n_dead_tup,
        "hot_fraction": _rounded(usage.hot_fraction(row.relid)),
    }


def indexes_part(facts: Facts) -> list[Json]:
    """One entry an index with storage, invalid ones first, then by size. Raises as
    `tables_part`."""
    usage, estimates = _known(facts, Index)
    rows = sorted(
        (i for i in estimates.indexes() if not i.partitioned),
        key=lambda i: (i.indisvalid, -i.relpages, i.schemaname, i.relname),
    )
    return [_index(row, usage, estimates) for row in rows]


def _index(row: Index, usage: Usage, estimates: Estimates) -> Json:
    use = usage.indexes.get(row.indexrelid)
    table = usage.tables.get(row.indrelid)
    known = usage.definitions.get(row.indexrelid)
    return {
        "schema": row.schemaname,
        "table": table.relname if table else None,
        "name": row.relname,
        "method": row.amname,
        "size_bytes": row.size_bytes,
        **_bloat(estimates.of_index(row)),
        "scans": use.idx_scan if use else None,
        "last_scan": moment(use.last_idx_scan) if use else None,
        "unique": row.indisunique,
        "primary": row.indisprimary,
        "constraint": row.relname if row.constraint else None,
        "valid": row.indisvalid,
        "definition": known.sql if known else None,
    }


def _known(facts: Facts, row_type: type[Any]) -> tuple[Usage, Estimates]:
    found = facts.samples.get(row_type)
    if isinstance(found, SourceError):
        raise found
    usage, estimates = facts.derived.get(Usage), facts.derived.get(Estimates)
    if found is None or usage is None or estimates is None:
        raise SourceError("not read")
    return usage, estimates


def _bloat(bloat: Bloat) -> Json:
    return {
        "bloat_bytes": None if bloat.bytes is None else round(max(0.0, bloat.bytes)),
        "bloat_fraction": None if bloat.fraction is None else _rounded(max(0.0, bloat.fraction)),
        "bloat_source": bloat.source,
        "bloat_note": bloat.why,
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
