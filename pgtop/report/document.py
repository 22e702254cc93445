"""The report as one document: what `--format json` prints, and what text and Markdown are made of.

Keys and units are a contract with scripts: every figure carries its unit in its name, a
value that cannot be known is None and `unavailable` says why.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from pgtop import __version__
from pgtop.advice.verdict import Verdict
from pgtop.analysis.names import quote
from pgtop.analysis.workload import Workload
from pgtop.model.finding import Finding, Remedy
from pgtop.model.sample import SourceError
from pgtop.model.server import DatabaseCounters, Link, Server
from pgtop.model.statement import Statement, StatementsInfo

SCHEMA = 1
"""Grows when a key changes its meaning."""

BLOCK_BYTES = 8192

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Cost:
    """What the report itself cost the server."""

    server_ms: float
    round_trips: int
    temp_blocks_written: int | None


def moment(epoch: float | None) -> str | None:
    """Seconds since 1970 as ISO 8601 with offset."""
    if epoch is None:
        return None
    return datetime.fromtimestamp(epoch, tz=timezone.utc).astimezone().isoformat("T", "seconds")


def document(
    samples: Mapping[type[Any], Any],
    derived: Mapping[type[Any], Any],
    verdict: Verdict,
    *,
    sections: Sequence[str],
    extra: Mapping[str, Any],
    taken_at: float,
    window_s: float,
    cost: Cost,
) -> Json:
    """The whole report. `extra` holds the sections that other modules made, by name."""
    unavailable: list[Json] = []
    found: Json = {
        "schema": SCHEMA,
        "tool": {"name": "pgtop", "version": __version__},
        "taken_at": moment(taken_at),
        "window_s": round(window_s, 3),
        "server": server_part(samples),
        "unavailable": unavailable,
        "self": {
            "server_ms": round(cost.server_ms, 3),
            "round_trips": cost.round_trips,
            "temp_blocks_written": cost.temp_blocks_written,
        },
    }
    for name in sections:
        if name == "queries":
            counters = samples.get(Statement)
            if isinstance(counters, SourceError):
                unavailable.append(unavailable_part("queries", counters))
            else:
                workload = derived.get(Workload)
                found["queries"] = queries_part(workload)
                if workload is not None and workload.hidden:
                    unavailable.append(_hidden_part(workload.hidden, samples))
        elif name in extra:
            part = extra[name]
            if isinstance(part, SourceError):
                unavailable.append(unavailable_part(name, part))
            else:
                found[name] = part
    if "findings" in sections:
        found["findings"] = [finding_part(finding) for finding in verdict.findings]
        for rule, why in {**verdict.not_possible, **verdict.needs_time}.items():
            unavailable.append({"what": rule, "why": why, "remedy": None})
    return found


def unavailable_part(what: str, error: SourceError) -> Json:
    """Why a section is missing, and the SQL that would bring it."""
    return {"what": what, "why": error.why, "remedy": error.remedy}


def _hidden_part(hidden: int, samples: Mapping[type[Any], Any]) -> Json:
    server: Server | None = _row(samples, Server)
    role = quote(server.user) if server else "…"
    return {
        "what": "queries.hidden",
        "why": f"{hidden} statements of other roles are hidden from this role",
        "remedy": f"GRANT pg_monitor TO {role};",
    }


def _row(samples: Mapping[type[Any], Any], row_type: type[Any]) -> Any:
    sample = samples.get(row_type)
    rows = () if sample is None or isinstance(sample, SourceError) else sample.rows
    return rows[0] if rows else None


def server_part(samples: Mapping[type[Any], Any]) -> Json:
    """Which server answered."""
    server: Server | None = _row(samples, Server)
    link: Link | None = _row(samples, Link)
    counters: DatabaseCounters | None = _row(samples, DatabaseCounters)
    info: StatementsInfo | None = _row(samples, StatementsInfo)
    return {
        "version_num": server.version_num if server else None,
        "version": server.version.split(" ")[0] if server else None,
        "database": server.database if server else None,
        "in_recovery": server.in_recovery if server else None,
        "started_at": moment(server.started_at) if server else None,
        "stats_reset": moment(counters.stats_reset) if counters else None,
        "pooler": link.pooler if link else None,
        "provider": link.provider if link else None,
        "queries_reset": moment(info.stats_reset) if info else None,
    }


def queries_part(workload: Workload | None) -> list[Json]:
    """One entry a statement, the costliest of the window first."""
    if workload is None or workload.now is None:
        return []
    window = workload.window("mark")
    deltas = window.deltas()
    in_window = window.time_base != "reset"
    total = sum(d.exec_ms for d in deltas.values())
    lifetime = sum(row.total_exec_time for row in workload.now.rows.values())
    rows = []
    for key in window.ordered("total", deltas):
        row = workload.now.rows.get(key)
        if row is None:
            continue
        change = deltas.get(key)
        seconds = window.seconds if in_window else None
        blocks = row.shared_blks_hit + row.shared_blks_read
        part, whole = change.exec_ms if change else 0.0, total
        if not whole:  # nothing ran in the window: the share since the reset
            part, whole = row.total_exec_time, lifetime
        rows.append(
            {
                "queryid": str(row.queryid),
                "database": workload.databases.get(key[1]),
                "user": workload.roles.get(key[0]),
                "query": workload.texts.get(key),
                "calls": row.calls,
                "total_ms": round(row.total_exec_time, 3),
                "mean_ms": round(row.total_exec_time / row.calls, 4) if row.calls else None,
                "rows": row.rows,
                "share_fraction": round(part / whole, 4) if whole else None,
                "calls_per_s": round((change.calls if change else 0) / seconds, 3)
                if seconds
                else None,
                "ms_per_s": round((change.exec_ms if change else 0.0) / seconds, 3)
                if seconds
                else None,
                "hit_fraction": round(row.shared_blks_hit / blocks, 4) if blocks else None,
                "temp_bytes": (row.temp_blks_read + row.temp_blks_written) * BLOCK_BYTES,
                "wal_bytes": row.wal_bytes,
            }
        )
    return rows


def finding_part(finding: Finding) -> Json:
    """A finding by the contract."""
    subject, cost = finding.subject, finding.cost
    return {
        "rule": finding.rule,
        "severity": finding.severity,
        "object": {
            "kind": subject.kind,
            "schema": subject.schema,
            "name": subject.name,
            "of": subject.of,
        },
        "title": finding.title,
        "why": finding.why,
        "evidence": dict(finding.evidence),
        "cost": {
            "ms_per_s": _rounded(cost.ms_per_s),
            "bytes": _rounded(cost.bytes),
            "eta_s": _rounded(cost.eta_s),
        },
        "confidence": finding.confidence,
        "remedy": remedy_part(finding.remedy),
        "no_remedy": finding.no_remedy,
    }


def remedy_part(remedy: Remedy | None) -> Json | None:
    """A remedy by the contract."""
    if remedy is None:
        return None
    return {
        "sql": list(remedy.sql),
        "undo": list(remedy.undo),
        "transactional": remedy.transactional,
        "lock": remedy.lock,
        "caution": remedy.caution,
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
