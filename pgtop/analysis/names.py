"""Identifiers and literals that pgtop itself puts into SQL.

Names that exist come quoted from the server; these functions are for new names, and
for plans read without a server.
"""

from __future__ import annotations

import re

# The words that quote_ident quotes: every keyword that is not unreserved
# (src/include/parser/kwlist.h). The union over 13..19: quoting one too many is harmless.
_QUOTED_WORDS = frozenset(
    """all analyse analyze and any array as asc asymmetric authorization between bigint binary bit
    boolean both case cast char character check coalesce collate collation column concurrently
    constraint create cross current_catalog current_date current_role current_schema current_time
    current_timestamp current_user dec decimal default deferrable desc distinct do else end except
    exists extract false fetch float for foreign freeze from full grant graph_table greatest group
    grouping having ilike in initially inner inout int integer intersect interval into is isnull
    join json json_array json_arrayagg json_exists json_object json_objectagg json_query
    json_scalar json_serialize json_table json_value lateral leading least left like limit
    localtime localtimestamp merge_action national natural nchar none normalize not notnull null
    nullif numeric offset on only or order out outer overlaps overlay placing position precision
    primary real references returning right row select session_user setof similar smallint some
    substring symmetric system_user table tablesample then time timestamp to trailing treat trim
    true union unique user using values varchar variadic verbose when where window with
    xmlattributes xmlconcat xmlelement xmlexists xmlforest xmlnamespaces xmlparse xmlpi xmlroot
    xmlserialize xmltable""".split()
)
_PLAIN = re.compile(r"[a-z_][a-z0-9_]*\Z")
_LISTED = re.compile(r'"(?:[^"]|"")*"|[^,"\s]+')
_MAX_BYTES = 63
"""NAMEDATALEN - 1."""


def _harmless(char: str) -> bool:
    return char.isprintable()


def quote(name: str) -> str:
    """One identifier, as quote_ident would write it.

    A name with a character that a terminal might obey becomes `U&"…"`, so that what is
    copied holds no control character. Raises ValueError for NUL and the empty name,
    which PostgreSQL cannot hold.
    """
    if not name or "\0" in name:
        raise ValueError("an identifier has at least one character and no NUL")
    if _PLAIN.match(name) and name not in _QUOTED_WORDS:
        return name
    if all(map(_harmless, name)):
        return '"' + name.replace('"', '""') + '"'
    return 'U&"' + "".join(map(_escaped, name)) + '"'


def _escaped(char: str) -> str:
    if char == '"':
        return '""'
    if char == "\\":
        return "\\\\"
    if _harmless(char):
        return char
    point = ord(char)
    return f"\\{point:04X}" if point <= 0xFFFF else f"\\+{point:06X}"


def qualified(schema: str | None, name: str) -> str:
    """`schema.name`, each part quoted."""
    return quote(name) if schema is None else f"{quote(schema)}.{quote(name)}"


def listed(joined: str) -> tuple[str, ...]:
    """The identifiers of `a, "b, c"`, each as it is quoted."""
    return tuple(_LISTED.findall(joined))


def literal(value: str) -> str:
    """A string constant, safe whatever standard_conforming_strings is."""
    if "\0" in value:
        raise ValueError("a text constant holds no NUL")
    if all(map(_harmless, value)) and "\\" not in value:
        return "'" + value.replace("'", "''") + "'"
    escaped = "".join(
        "\\\\" if char == "\\"
        else "''" if char == "'"
        else char if _harmless(char)
        else f"\\U{ord(char):08X}"
        for char in value
    )  # fmt: skip
    return f"E'{escaped}'"


def clipped(name: str, suffix: str = "") -> str:
    """`name + suffix` within the 63 bytes of an identifier, cut in `name`, never in a character."""
    room = _MAX_BYTES - len(suffix.encode())
    return name.encode(errors="replace")[:room].decode(errors="ignore") + suffix


def index_name(table: str, columns: tuple[str, ...], suffix: str = "idx") -> str:
    """A name for a new index as CREATE INDEX would choose it: table_column_column_idx."""
    stem = "_".join(
        (table, *(re.sub(r"\W+", "_", column).strip("_") or "expr" for column in columns))
    )
    return clipped(stem, "_" + suffix)
