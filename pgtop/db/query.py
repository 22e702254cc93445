"""Queries that adapt to the views, columns and settings a server really has."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic

from pgtop.model.sample import RowT, SourceError

if TYPE_CHECKING:
    from typing_extensions import LiteralString


@dataclass(frozen=True, slots=True)
class Relation:
    """A view, table or set-returning function as this server has it."""

    sql: str
    """Its schema-qualified name, quoted by the server."""

    columns: frozenset[str]


@dataclass(frozen=True, slots=True)
class Catalog:
    """What one server, database and role have to offer, read once a connection."""

    relations: Mapping[str, Relation]
    """Views, tables and set-returning functions by unqualified name."""

    extensions: Mapping[str, str]
    """Extension name -> installed version."""

    settings: frozenset[str]
    """Names of all settings."""

    preloaded: frozenset[str]
    """shared_preload_libraries; empty where this role may not see it."""

    version_num: int
    in_recovery: bool
    superuser: bool
    roles: frozenset[str]
    """Predefined roles whose rights the current role has: pg_monitor, pg_read_all_stats, …"""

    server_encoding: str = "UTF8"
    grants: Mapping[str, str] = field(default_factory=dict)
    """Function of an extension -> the GRANT without which this role may not call it."""


@dataclass(frozen=True, slots=True)
class Varying:
    """A column of the result that not every version of the view has.

    Rendered as the first of `candidates` that exists, else as NULL of `type`.
    """

    name: str
    """Stands in the template as `{name}`."""

    type: LiteralString
    candidates: tuple[str, ...]
    """Newest first."""

    relation: str | None = None
    """Whose columns to look at; None is the query's first relation."""

    expression: LiteralString = "{alias}{column}"
    """How the column is read: `{column}` is its name, `{alias}` the table's alias and a dot."""

    alias: LiteralString = ""

    def render(self, columns: frozenset[str]) -> str:
        """The expression to select."""
        prefix = self.alias + "." if self.alias else ""
        for candidate in self.candidates:
            if candidate in columns:
                return self.expression.format(column=candidate, alias=prefix)
        return f"NULL::{self.type}"


@dataclass(frozen=True, slots=True)
class Query(Generic[RowT]):
    """SQL that yields `row_type` on every supported server.

    Select list in the order of the row type's fields; results only bool, int8, float8
    and text, cast in the SQL (they travel in binary). A text of pg_stat_activity is in the
    encoding of its session's database, whatever ours is: `left` and `length` raise where its
    end is half a character of ours, so it is cut by bytes, `substring(textsend(query) FROM 1
    FOR 400)`, and that bytea becomes a text here. Nothing in it may wait for a lock
    on a user's relation. It starts with `SELECT /* pgtop */`, so that pgtop can hide its
    own statements.
    """

    row_type: type[RowT]
    template: LiteralString
    """Holds `{view_name}` for relations and `{name}` for each of `varying` and `clauses`."""

    relations: tuple[str, ...] = ()
    """All must exist, else the reading is refused with `missing`."""

    varying: tuple[Varying, ...] = ()
    clauses: Mapping[str, tuple[tuple[str, LiteralString], ...]] = field(default_factory=dict)
    """`{name}` -> (capability, text) pairs: the first whose capability `has` is taken, else ''.

    A capability is `relation`, `relation.column`, `setting:name`, `version:140000`,
    `recovery`, `primary`, `role:pg_monitor` or `always`. The text may hold what the
    template may.
    """

    missing: tuple[str, str] | None = None
    """(why, remedy) where a relation does not exist."""

    work_mem: str = "4MB"
    texts: tuple[str, ...] = ()
    """Fields that hold statement texts, where passwords are to be masked."""

    def render(self, catalog: Catalog) -> str:
        """The statement to send. Raises `SourceError` where this server has no such view."""
        absent = [name for name in self.relations if name not in catalog.relations]
        if absent:
            why, remedy = self.missing or (f"{absent[0]} does not exist on this server", "")
            raise SourceError(why, remedy=remedy or None, lasting=True)
        parts = {name: relation.sql for name, relation in catalog.relations.items()}
        for varying in self.varying:
            relation = varying.relation or self.relations[0]
            found = catalog.relations.get(relation)
            parts[varying.name] = varying.render(found.columns if found else frozenset())
        for name, choices in self.clauses.items():
            chosen = next((text for what, text in choices if has(catalog, what)), "")
            parts[name] = chosen.format(**parts)
        return self.template.format(**parts)


def has(catalog: Catalog, capability: str) -> bool:
    """Whether this server has a capability, in the words of `Query.clauses`."""
    kind, _, rest = capability.partition(":")
    if kind == "version" and rest:
        return catalog.version_num >= int(rest)
    if kind == "setting" and rest:
        return rest in catalog.settings
    if kind == "role" and rest:
        return catalog.superuser or rest in catalog.roles
    if capability in ("always", "recovery", "primary"):
        return capability == "always" or catalog.in_recovery == (capability == "recovery")
    relation, _, column = capability.partition(".")
    found = catalog.relations.get(relation)
    return found is not None and (not column or column in found.columns)


_WORDS = {"Vitals": "vital signs", "Session": "sessions", "Statement": "statements"}


def named(row_type: type[Any]) -> str:
    """What a reader calls the rows: `WalFiles` are wal files."""
    name = row_type.__name__
    return _WORDS.get(name) or re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower()


def as_row(row_type: type[Any]) -> Any:
    """What makes a row of a tuple: NamedTuples without a call of Python's own."""
    return getattr(row_type, "_make", None) or (lambda values: row_type(*values))
