"""The SQL that rules recommend: every statement, its undo and its lock, in one place.

Tables, indexes and columns come in quoted: by the server for what exists, by
`analysis.names.quote` for what is new.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pgtop.analysis import names
from pgtop.analysis.vacuum.options import Change, undo_of, value_sql
from pgtop.model.finding import Remedy

SHARE_UPDATE_EXCLUSIVE = "SHARE UPDATE EXCLUSIVE"
ACCESS_EXCLUSIVE = "ACCESS EXCLUSIVE"


def set_options(relation: str, options: Mapping[str, str], *, kind: str = "TABLE") -> str:
    """`ALTER TABLE relation SET (name = value, …);`."""
    listed = ", ".join(f"{name} = {value}" for name, value in options.items())
    return f"ALTER {kind} {relation} SET ({listed});"


def reset_options(relation: str, names: Iterable[str], *, kind: str = "TABLE") -> str:
    """`ALTER TABLE relation RESET (name, …);`."""
    return f"ALTER {kind} {relation} RESET ({', '.join(names)});"


def create_index(
    name: str,
    table: str,
    keys: str,
    *,
    method: str = "btree",
    include: str = "",
    where: str = "",
    with_options: str = "",
    unique: bool = False,
    concurrently: bool = True,
) -> str:
    """`CREATE INDEX CONCURRENTLY name ON table (keys) …;`; `keys` is what the brackets hold."""
    using = "" if method == "btree" else f" USING {method}"
    return (
        f"CREATE {'UNIQUE ' if unique else ''}INDEX {'CONCURRENTLY ' if concurrently else ''}{name}"
        f" ON {table}{using} ({keys})"
        + (f" INCLUDE ({include})" if include else "")
        + (f" WITH ({with_options})" if with_options else "")
        + (f" WHERE {where}" if where else "")
        + ";"
    )


def drop_index(index: str, *, concurrently: bool = True) -> str:
    """`DROP INDEX CONCURRENTLY schema.index;`."""
    return f"DROP INDEX {'CONCURRENTLY ' if concurrently else ''}{index};"


def concurrently(definition: str) -> str:
    """`CREATE INDEX CONCURRENTLY …;` of what pg_get_indexdef says."""
    for head in ("CREATE UNIQUE INDEX ", "CREATE INDEX "):
        if definition.startswith(head):
            return f"{head}CONCURRENTLY {definition[len(head) :].rstrip(';')};"
    raise ValueError(f"not the definition of an index: {definition[:40]}")


def attach_index(index: str, partition: str) -> str:
    """`ALTER INDEX index ATTACH PARTITION partition;`."""
    return f"ALTER INDEX {index} ATTACH PARTITION {partition};"


def alter_sequence_type(sequence: str, type_name: str, maxvalue: int | None = None) -> str:
    """`ALTER SEQUENCE sequence AS bigint;`, with MAXVALUE where it is given."""
    most = "" if maxvalue is None else f" MAXVALUE {maxvalue}"
    return f"ALTER SEQUENCE {sequence} AS {type_name}{most};"


def reindex(index: str) -> str:
    """`REINDEX INDEX CONCURRENTLY schema.index;`."""
    return f"REINDEX INDEX CONCURRENTLY {index};"


def analyze(table: str, columns: str = "") -> str:
    """`ANALYZE table;` or `ANALYZE table (columns);`."""
    return f"ANALYZE {table} ({columns});" if columns else f"ANALYZE {table};"


def analyzed(table: str, columns: str = "", *, caution: str | None = None) -> Remedy:
    """ANALYZE as a remedy: there is nothing to undo."""
    return Remedy(
        sql=(analyze(table, columns),),
        undo=(),
        transactional=True,
        lock=SHARE_UPDATE_EXCLUSIVE,
        caution=caution,
    )


def create_statistics(name: str, kinds: str, columns: str, table: str) -> str:
    """`CREATE STATISTICS name (kinds) ON columns FROM table;`; ANALYZE must follow."""
    return f"CREATE STATISTICS {name} ({kinds}) ON {columns} FROM {table};"


def set_setting(name: str, value: str) -> str:
    """`SET name = 'value';` for this session."""
    return f"SET {name} = {names.literal(value)};"


def reset_setting(name: str) -> str:
    """`RESET name;`."""
    return f"RESET {name};"


def set_statistics(table: str, column: str, target: int) -> str:
    """`ALTER TABLE table ALTER COLUMN column SET STATISTICS target;`; ANALYZE must follow."""
    return f"ALTER TABLE {table} ALTER COLUMN {column} SET STATISTICS {target};"


def drop_statistics(name: str) -> str:
    """`DROP STATISTICS name;`."""
    return f"DROP STATISTICS {name};"


def vacuum_analyze(table: str) -> str:
    """`VACUUM (ANALYZE) table;`; outside a transaction block."""
    return f"VACUUM (ANALYZE) {table};"


def change_options(relation: str, changes: Iterable[Change]) -> tuple[str, ...]:
    """At most one RESET and one SET for all these changes of one table, in this order."""
    resets = [name for change in changes for name in change.resets]
    sets = {name: value_sql(v) for change in changes for name, v in change.sets.items()}
    return (
        *((reset_options(relation, resets),) if resets else ()),
        *((set_options(relation, sets),) if sets else ()),
    )


def storage_options(
    relation: str,
    before: Mapping[str, str],
    change: Change,
    *,
    toast_before: Mapping[str, str] | None = None,
    toast: Change | None = None,
    caution: str | None = None,
) -> Remedy:
    """A table's storage options and those of its TOAST table, with the exact way back.

    `before` and `toast_before` are the options as they are stored, in their order and by
    their plain names; `toast` too names its options without `toast.`.
    """
    undo = undo_of(before, change)
    there, back = [change], [undo]
    if toast is not None:
        sets = {f"toast.{name}": value for name, value in toast.sets.items()}
        there.append(Change(sets, tuple(f"toast.{name}" for name in toast.resets)))
        back.append(undo_of(toast_before or {}, toast, prefix="toast."))
    return Remedy(
        sql=change_options(relation, there),
        undo=change_options(relation, back),
        transactional=True,
        lock=SHARE_UPDATE_EXCLUSIVE,
        caution=caution,
    )


def system_setting(name: str, value: str, *, caution: str | None = None) -> Remedy:
    """`ALTER SYSTEM SET name = 'value'` and a reload; outside a transaction block."""
    reload = "SELECT pg_reload_conf();"
    return Remedy(
        sql=(f"ALTER SYSTEM SET {name} = {names.literal(value)};", reload),
        undo=(f"ALTER SYSTEM RESET {name};", reload),
        transactional=False,
        lock="none",
        caution=caution,
    )


def vacuum(table: str, options: str = "") -> str:
    """`VACUUM (options) table;`; outside a transaction block."""
    return f"VACUUM ({options}) {table};" if options else f"VACUUM {table};"


def analyze_parent(table: str, *, only: bool) -> str:
    """`ANALYZE parent;`, or from 18 `ANALYZE ONLY parent;`, which leaves the leaves alone."""
    return f"ANALYZE {'ONLY ' if only else ''}{table};"


def alter_statistics(name: str, target: int) -> str:
    """`ALTER STATISTICS name SET STATISTICS target;`; ANALYZE must follow."""
    return f"ALTER STATISTICS {name} SET STATISTICS {target};"
