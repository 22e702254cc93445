"""What this server, this database and this role have to offer: read once a connection."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pgtop.db.connection import Statement
from pgtop.db.query import Catalog, Query, Relation

_RELATIONS = """\
SELECT /* pgtop */ c.relname::text, format('%I.%I', n.nspname, c.relname),
       string_agg(a.attname::text, E'\\n')
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
 WHERE c.relkind IN ('v', 'r')
   AND c.relname = ANY (string_to_array('{names}', ' ')::name[])
   AND (n.nspname = 'pg_catalog'
        OR EXISTS (SELECT FROM pg_depend d
                    WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
                      AND d.deptype = 'e'))
   AND has_schema_privilege(n.oid, 'USAGE')
 GROUP BY n.nspname, c.relname
"""
"""A view of an extension is found by its membership, in whatever schema it stands."""

_FUNCTIONS = """\
SELECT /* pgtop */ p.proname::text, format('%I.%I', n.nspname, p.proname),
       coalesce(array_to_string(p.proargnames, E'\\n'), ''),
       CASE WHEN NOT has_schema_privilege(n.oid, 'USAGE')
            THEN format('GRANT USAGE ON SCHEMA %I TO %I;', n.nspname, current_user)
            WHEN n.nspname <> 'pg_catalog' AND NOT has_function_privilege(p.oid, 'EXECUTE')
            THEN format('GRANT EXECUTE ON FUNCTION %I.%I(%s) TO %I;', n.nspname, p.proname,
                        oidvectortypes(p.proargtypes), current_user) END
  FROM pg_proc p
  JOIN pg_namespace n ON n.oid = p.pronamespace
 WHERE p.proname = ANY (string_to_array('{names}', ' ')::name[])
   AND (n.nspname = 'pg_catalog'
        OR EXISTS (SELECT FROM pg_depend d
                    WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid
                      AND d.deptype = 'e'))
"""

_EXTENSIONS = "SELECT /* pgtop */ extname::text, extversion FROM pg_extension"

_SETTINGS = "SELECT /* pgtop */ string_agg(name, E'\\n') FROM pg_settings"

_ROLES = """\
SELECT /* pgtop */ rolname::text FROM pg_roles
 WHERE oid < 16384 AND rolname LIKE 'pg\\_%' AND pg_has_role(oid, 'USAGE')
"""

_SELF = """\
SELECT /* pgtop */ current_setting('server_version_num')::int8, pg_is_in_recovery(),
       current_setting('is_superuser') = 'on', quote_ident(current_user),
       current_setting('server_encoding'), pg_backend_pid()::int8,
       CASE WHEN pg_has_role('pg_read_all_settings', 'USAGE')
            THEN current_setting('shared_preload_libraries') ELSE '' END
"""


def statements(queries: Iterable[Query[Any]]) -> list[Statement]:
    """What to send to learn the catalogue that `queries` need."""
    relations: set[str] = set()
    functions: set[str] = set()
    for query in queries:
        names = {*query.relations, *(v.relation for v in query.varying if v.relation)}
        for choices in query.clauses.values():
            names.update(_relation_of(capability) for capability, _ in choices)
        relations |= names - {""}
        functions |= names - {""}
    listed = " ".join(sorted(relations))
    return [
        Statement(_SELF),
        Statement(_RELATIONS.replace("{names}", listed)),
        Statement(_FUNCTIONS.replace("{names}", listed)),
        Statement(_EXTENSIONS),
        Statement(_SETTINGS),
        Statement(_ROLES),
    ]


def _relation_of(capability: str) -> str:
    plain = capability in ("always", "recovery", "primary") or ":" in capability
    return "" if plain else capability.partition(".")[0]


def catalog(answers: Iterable[list[tuple[Any, ...]]]) -> tuple[Catalog, str, int]:
    """The catalogue, the current role quoted, and the backend's pid, from those answers."""
    ((self_,), relations, functions, extensions, ((settings,),), roles) = answers
    version_num, in_recovery, superuser, role, encoding, pid, preloaded = self_
    found = {name: Relation(sql, frozenset(args.split("\n"))) for name, sql, args, _ in functions}
    for name, sql, columns in relations:
        # A view and a function of one name: the columns of the view, which are exact.
        found[name] = Relation(sql, frozenset(columns.split("\n")))
    return (
        Catalog(
            relations=found,
            extensions=dict(extensions),
            settings=frozenset((settings or "").split("\n")),
            preloaded=frozenset(part.strip() for part in preloaded.split(",")),
            version_num=version_num,
            in_recovery=in_recovery,
            superuser=superuser,
            roles=frozenset(name for (name,) in roles),
            server_encoding=encoding,
            grants={name: grant for name, _, _, grant in functions if grant},
        ),
        role,
        pid,
    )


_PROVIDERS = (
    ("aurora", "aurora"),
    ("rds.", "rds"),
    ("cloudsql.", "cloudsql"),
    ("alloydb.", "alloydb"),
    ("azure.", "azure"),
    ("neon.", "neon"),
    ("supautils.", "supabase"),
)


def provider(settings: frozenset[str]) -> str | None:
    """Whose managed service this is, by the settings that only it has."""
    for prefix, name in _PROVIDERS:
        if any(setting.startswith(prefix) for setting in settings):
            return name
    return None
