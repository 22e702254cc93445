"""The report for people: plain text for a terminal, Markdown for an incident channel."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from pgtop.analysis import units
from pgtop.terminal.glyphs import SEVERITY
from pgtop.terminal.safe import safe

Json = Mapping[str, Any]

MOST_ROWS = 20
"""Rows of a section that people get; JSON holds all."""

MOST_TEXT = 90
"""Characters of a statement in a line."""


@dataclass(frozen=True, slots=True)
class Shown:
    """One column of a section's table."""

    title: str
    value: Callable[[Json], str]
    right: bool = True


def _text(row: Json, key: str) -> str:
    value = " ".join(str(row.get(key) or units.UNKNOWN).split())
    return value if len(value) <= MOST_TEXT else value[: MOST_TEXT - 1] + "…"


def _none(key: str, shown: Callable[[Any], str]) -> Callable[[Json], str]:
    """As `_of`, where nothing there is truly nothing."""
    return lambda row: units.NOTHING if row.get(key) is None else shown(row[key])


def _of(key: str, shown: Callable[[Any], str]) -> Callable[[Json], str]:
    return lambda row: shown(row.get(key))


QUERIES: tuple[Shown, ...] = (
    Shown("share", _of("share_fraction", units.percent)),
    Shown("total/s", _of("ms_per_s", lambda ms: units.ms(ms) if ms != 0 else units.NOTHING)),
    Shown("mean", _of("mean_ms", units.ms)),
    Shown("calls/s", _of("calls_per_s", units.rate)),
    Shown("calls", _of("calls", units.count)),
    Shown("user", lambda row: _text(row, "user"), right=False),
    Shown("statement", lambda row: _text(row, "query"), right=False),
)


def _named(row: Json) -> str:
    return ".".join(part for part in (row.get("schema"), row.get("name")) if part)


def _what(row: Json) -> str:
    """What an index is, and that it is broken first."""
    constraint = row["constraint"] is not None and not row["primary"]
    words = (
        (not row["valid"], "invalid"),
        (row["primary"], "PK"),
        (row["unique"] and not row["primary"], "uniq"),
        (constraint, "con"),
        (row["method"] != "btree", str(row["method"])),
    )
    return " ".join(word for holds, word in words if holds) or "–"


def _bloat(row: Json) -> str:
    if row.get("bloat_bytes") is None:
        return units.UNKNOWN
    mark = "" if row.get("bloat_source") == "measured" else "≈"
    return f"{mark}{units.size(row['bloat_bytes'])}"


TABLES: tuple[Shown, ...] = (
    Shown("size ≈", _of("size_bytes", units.size)),
    Shown("bloat", _bloat),
    Shown("seq scans", _of("seq_scans", units.count)),
    Shown("index scans", _of("index_scans", units.count)),
    Shown("rows", _of("live_rows", units.count)),
    Shown("dead", _of("dead_rows", units.count)),
    Shown("table", _named, right=False),
)

INDEXES: tuple[Shown, ...] = (
    Shown("size ≈", _of("size_bytes", units.size)),
    Shown("bloat", _bloat),
    Shown("scans", _of("scans", units.count)),
    Shown("what", _what, right=False),
    Shown("index", _named, right=False),
    Shown("on", lambda row: _text(row, "table"), right=False),
)

AUTOVACUUM: tuple[Shown, ...] = (
    Shown("dead", _of("dead_rows", units.count)),
    Shown("vacuum at", _of("vacuum_threshold", units.count)),
    Shown("next in", _of("next_vacuum_s", units.seconds)),
    Shown("by", lambda row: _text(row, "next_by"), right=False),
    Shown("state", lambda row: _text(row, "state"), right=False),
    Shown("table", _named, right=False),
)

STANDBYS: tuple[Shown, ...] = (
    Shown("behind", _of("replay_lag_bytes", units.size)),
    Shown("seconds", _of("replay_lag_s", units.seconds)),
    Shown("not sent", _of("sent_lag_bytes", units.size)),
    Shown("state", lambda row: _text(row, "state"), right=False),
    Shown("sync", lambda row: _text(row, "sync_state"), right=False),
    Shown("standby", lambda row: _text(row, "application"), right=False),
)

SLOTS: tuple[Shown, ...] = (
    Shown("retained", _none("retained_bytes", units.size)),
    Shown("safe for", _none("safe_wal_size_bytes", units.size)),
    Shown("in use", lambda row: "yes" if row["active"] else "no", right=False),
    Shown("status", lambda row: _text(row, "wal_status"), right=False),
    Shown("slot", lambda row: _text(row, "name"), right=False),
)


def _in_the_way(row: Json) -> str:
    if row["blocked_by"] is None:
        return units.UNKNOWN
    behind = [f"prepared {row['blocked_by_prepared']}" if pid == 0 else str(pid)
              for pid in row["blocked_by"][:3]]  # fmt: skip
    return ", ".join(behind) or (f"blocks {row['blocks']}" if row["blocks"] else units.NOTHING)


def _age(key: str) -> Callable[[Json], str]:
    shown = _none(key, units.seconds)
    return lambda row: units.UNKNOWN if row["hidden"] else shown(row)


def _at(row: Json) -> str:
    if row["hidden"]:
        return f"{units.UNKNOWN} hidden"
    resting = (row["state"] or "").startswith("idle")  # it waits for its client: no wait
    parts = (row["state"] or row["type"], None if resting else row["wait"])
    return " ".join(part for part in parts if part) or units.UNKNOWN


SESSIONS: tuple[Shown, ...] = (
    Shown("pid", lambda row: str(row["pid"])),
    Shown("transaction", _age("transaction_s")),
    Shown("statement", _age("query_s")),
    Shown("state, wait", _at, right=False),
    Shown("behind", _in_the_way, right=False),
    Shown("user", lambda row: _text(row, "user"), right=False),
    Shown("application", lambda row: _text(row, "application"), right=False),
    Shown(
        "query",
        lambda row: units.NOTHING if row["query"] == "" else _text(row, "query"),
        right=False,
    ),
)

LIMITS: tuple[Shown, ...] = (
    Shown("used", _of("used", units.count)),
    Shown("of", _of("limit", units.count)),
    Shown("full in", _none("full_in_s", units.age)),
    Shown("limit", lambda row: " ".join(dict.fromkeys((row["kind"], row["name"]))), right=False),
)

CROWDS: tuple[Shown, ...] = (
    Shown("sessions", _of("sessions", units.count)),
    Shown("active", _of("active", units.count)),
    Shown("idle", _of("idle", units.count)),
    Shown("idle in xact", _of("idle_in_transaction", units.count)),
    Shown("longest", _none("oldest_idle_in_transaction_s", units.age)),
    Shown("application", lambda row: _text(row, "name"), right=False),
)

POOLS: tuple[Shown, ...] = (
    Shown("waiting", _of("clients_waiting", units.count)),
    Shown("longest", _of("longest_wait_s", units.seconds)),
    Shown("busy", _of("servers_active", units.count)),
    Shown("size", _of("pool_size", units.count)),
    Shown("why", lambda row: _text(row, "cause"), right=False),
    Shown("pool", lambda row: f"{row['database']}/{row['user']}", right=False),
)

SECTIONS: dict[str, tuple[str, tuple[Shown, ...]]] = {
    "queries": ("Queries, costliest of the window first", QUERIES),
    "tables": ("Tables, biggest first", TABLES),
    "indexes": ("Indexes, invalid ones first, then by size", INDEXES),
    "autovacuum": ("Autovacuum, most pressing first", AUTOVACUUM),
    "sessions": ("Sessions, those in the way of others first", SESSIONS),
    "connections.limits": ("Connections, the limit that bites first", LIMITS),
    "connections.by_application": ("Connections by application", CROWDS),
    "connections.pools": ("Pools of the pooler", POOLS),
    "replication.standbys": ("Standbys and other receivers of WAL", STANDBYS),
    "replication.slots": ("Replication slots", SLOTS),
}
"""Section -> its title and columns. A section of another module adds its own line here."""


def as_text(report: Json) -> str:
    """The report for a terminal; nothing in it is an escape sequence."""
    lines = [_server_line(report), ""]
    if "findings" in report:
        lines += [*_findings(report), ""]
    for name, (title, columns) in SECTIONS.items():
        rows = _part(report, name)
        if rows is not None:
            lines += [_titled(report, name, title), *_table(rows, columns), ""]
    lines += _unavailable(report)
    return "\n".join(safe(line, spaces=True).rstrip() for line in lines).rstrip() + "\n"


def _part(report: Json, name: str) -> Sequence[Json] | None:
    """A section's rows, or those of a part of it; None where the report has no such thing."""
    found: Any = report
    for key in name.split("."):
        found = found.get(key) if isinstance(found, Mapping) else None
    return cast("Sequence[Json] | None", found)


def _titled(report: Json, name: str, title: str) -> str:
    """A section's title; that of the queries says what they are ordered by."""
    if not _part(report, name):
        return f"{title}: none"
    if name == "queries" and not any(part["calls_per_s"] for part in report[name]):
        return "Queries, costliest since the reset first: none ran in the window"
    return title


def _server_line(report: Json) -> str:
    server, cost = report["server"], report["self"]
    role = "standby" if server["in_recovery"] else "primary"
    via = f" via {server['pooler']}" if server["pooler"] else ""
    return (
        f"{server['database']}: PostgreSQL {server['version']} {role}{via}, {report['taken_at']},"
        f" {units.seconds(report['window_s'])} watched; pgtop cost the server"
        f" {units.ms(cost['server_ms'])} in {units.plural(cost['round_trips'], 'round trip')}"
    )


def _findings(report: Json) -> Iterable[str]:
    found = report["findings"]
    if not found:
        missing = sum("." in part["what"] for part in report["unavailable"])
        left = f"; {missing} could not be made here: why stands under Not available"
        yield f"no finding: every check that could be made passed{left if missing else ''}"
        return
    yield units.plural(len(found), "finding") + ", worst first"
    for part in found:
        yield f"  {SEVERITY[part['severity']]} {part['title']}   [{part['rule']}]"
        yield f"      {part['why']}"
        remedy = part["remedy"]
        if remedy is None:
            yield f"      {part['no_remedy']}"
        else:
            yield from (f"      {line}" for line in remedy["sql"])
            yield from (f"      undo: {line}" for line in remedy["undo"])
            if remedy["caution"]:
                yield f"      caution: {remedy['caution']}"


def _unavailable(report: Json) -> Iterable[str]:
    parts = report["unavailable"]
    if parts:
        yield "Not available"
    for part in parts:
        remedy = f": {part['remedy']}" if part["remedy"] else ""
        yield f"  {part['what']}: {part['why']}{remedy}"


def _table(rows: Sequence[Json], columns: Sequence[Shown]) -> Iterable[str]:
    if not rows:
        return
    cells = [[safe(column.value(row)) for column in columns] for row in rows[:MOST_ROWS]]
    widths = [
        max(len(column.title), *(len(line[i]) for line in cells)) if cells else len(column.title)
        for i, column in enumerate(columns)
    ]
    for line in ([column.title for column in columns], *cells):
        yield "  " + "  ".join(
            text.rjust(width) if column.right else text.ljust(width)
            for text, width, column in zip(line, widths, columns, strict=True)
        )
    if len(rows) > MOST_ROWS:
        yield f"  and {len(rows) - MOST_ROWS} more (--format json has them all)"


def as_markdown(report: Json) -> str:
    """The report for an incident channel; server text cannot make markup."""
    lines = [f"**{_cell(_server_line(report))}**", ""]
    if "findings" in report:
        lines += [*_findings_markdown(report), ""]
    for name, (title, columns) in SECTIONS.items():
        rows = _part(report, name)
        if rows is not None:
            titled = _titled(report, name, title)
            lines += [f"### {titled}", "", *_table_markdown(rows, columns), ""]
    if report["unavailable"]:
        lines += ["### Not available", ""]
        lines += [
            f"- {_cell(part['what'])}: {_cell(part['why'])}"
            + (f" {_code(part['remedy'])}" if part["remedy"] else "")
            for part in report["unavailable"]
        ]
    return "\n".join(lines).rstrip() + "\n"


def _findings_markdown(report: Json) -> Iterable[str]:
    if not report["findings"]:
        yield next(iter(_findings(report)))
        return
    for part in report["findings"]:
        yield f"- **{part['severity']}** {_cell(part['title'])} ({_code(part['rule'])})"
        yield f"  {_cell(part['why'])}"
        remedy = part["remedy"]
        if remedy is None:
            yield f"  {_cell(part['no_remedy'] or '')}"
        else:
            yield "  ```sql"
            yield from (f"  {_fenced(line)}" for line in remedy["sql"])
            yield from (f"  -- undo: {_fenced(line)}" for line in remedy["undo"])
            yield "  ```"


def _table_markdown(rows: Sequence[Json], columns: Sequence[Shown]) -> Iterable[str]:
    if not rows:
        return
    yield "| " + " | ".join(column.title for column in columns) + " |"
    yield "|" + "|".join("---:" if column.right else "---" for column in columns) + "|"
    for row in rows[:MOST_ROWS]:
        texts = (column.value(row) for column in columns)
        yield (
            "| "
            + " | ".join(
                _cell(text) if column.right else _code(text)
                for text, column in zip(texts, columns, strict=True)
            )
            + " |"
        )
    if len(rows) > MOST_ROWS:
        yield f"\nand {len(rows) - MOST_ROWS} more"


_SPECIAL = str.maketrans({char: "\\" + char for char in "\\`*_[]<>|#~"} | {"&": "&amp;"})


def _cell(text: str) -> str:
    return safe(text).translate(_SPECIAL)


def _code(text: str) -> str:
    """Inline code that holds whatever it holds."""
    shown = safe(text).replace("|", "\\|")
    fence = "`"
    while fence in shown:
        fence += "`"
    gap = " " if shown.startswith("`") or shown.endswith("`") else ""
    return f"{fence}{gap}{shown}{gap}{fence}"


def _fenced(text: str) -> str:
    return safe(text).replace("```", "'''")
