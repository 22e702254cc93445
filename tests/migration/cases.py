"""Remedies of every kind on a schema with names that need every quote."""

from __future__ import annotations

from pgtop.advice import ddl
from pgtop.analysis.names import qualified, quote
from pgtop.model.finding import Remedy, Subject
from pgtop.model.tray import Entry

LONG = "é" * 31
"""62 bytes."""

ODD = 'we"ird\x1b[201~\n;$check$'

SCHEMA = (
    "CREATE TABLE public.app_order (id bigserial PRIMARY KEY, user_id bigint NOT NULL,"
    ' status text, created_at timestamptz, "select" int, "Größe" text)',
    "INSERT INTO public.app_order (user_id, status, created_at)"
    " SELECT n % 100, 'x:y', now() FROM generate_series(1, 1000) n",
    "CREATE INDEX app_order_user_id ON public.app_order (user_id)",
    "CREATE INDEX app_order_status ON public.app_order (status)",
    f"CREATE SCHEMA {quote(ODD)}",
    f"CREATE TABLE {qualified(ODD, LONG)} ({quote(ODD)} int)",
)

ORDER = "public.app_order"


def entry(rule: str, remedy: Remedy, name: str = "app_order") -> Entry:
    return Entry(
        rule=rule,
        subject=Subject("table", name, "public"),
        title="orders is read whole\x1b]52;c;eA==\x07",
        why="600 k rows read to keep 2\n; DROP TABLE x; --",
        evidence={"calls_per_s": 41.2, "mean_ms": 38.9},
        remedy=remedy,
        server="db1:5432/shop",
        version="18.4",
        added_at=1_795_000_000.0,
    )


def index(name: str, table: str, keys: str, schema: str = "public", **more: str) -> Remedy:
    sql = ddl.create_index(quote(name), table, keys, **more)  # type: ignore[arg-type]
    return concurrent((sql,), (ddl.drop_index(qualified(schema, name)),))


def concurrent(sql: tuple[str, ...], undo: tuple[str, ...]) -> Remedy:
    return Remedy(sql, undo, False, ddl.SHARE_UPDATE_EXCLUSIVE)


def in_transaction(sql: tuple[str, ...], undo: tuple[str, ...]) -> Remedy:
    return Remedy(sql, undo, True, ddl.SHARE_UPDATE_EXCLUSIVE)


def entries() -> list[Entry]:
    scale = {"autovacuum_vacuum_scale_factor": "0.01"}
    return [
        entry("index.redundant", concurrent(
            ("DROP INDEX CONCURRENTLY public.app_order_user_id;",),
            ("CREATE INDEX CONCURRENTLY app_order_user_id ON public.app_order (user_id);",))),
        entry("index.missing", index("order_user_status", ORDER, "user_id, status")),
        entry("index.missing", index(
            "order_recent", ORDER, "created_at DESC, user_id", include="status",
            where="(status IS NOT NULL)")),
        entry("index.missing", index(
            "order_lower", ORDER, "lower(status) text_pattern_ops, user_id DESC NULLS LAST",
            include='"select"', with_options="fillfactor='70'",
            where="((status = 'x:y'::text) AND (status ~~ '%a%'::text))")),
        entry("index.missing", index("order_select", ORDER, '"select", "Größe"', method="btree")),
        entry("index.missing", index("order_brin", ORDER, "created_at", method="brin")),
        entry("index.missing", index(
            "an_index_name_that_is_longer_than_thirty_chars", ORDER, "status")),
        entry("index.missing", index(ODD, qualified(ODD, LONG), quote(ODD), schema=ODD)),
        entry("index.bloated", concurrent(
            ("REINDEX INDEX CONCURRENTLY public.app_order_status;",), ())),
        entry("autovacuum.late", in_transaction(
            (ddl.set_options(ORDER, scale),), (ddl.reset_options(ORDER, scale),))),
        entry("table.stale_statistics", in_transaction(
            (ddl.create_statistics("public.order_stats", "ndistinct", "user_id, status", ORDER),
             ddl.analyze(ORDER)),
            ("DROP STATISTICS public.order_stats;",))),
        entry("table.stale_statistics", in_transaction(
            ("ALTER TABLE public.app_order ALTER COLUMN status SET STATISTICS 500;",),
            ("ALTER TABLE public.app_order ALTER COLUMN status SET STATISTICS -1;",))),
        entry("plan.spill", in_transaction(("SET work_mem = '8MB';",), ("RESET work_mem;",))),
    ]  # fmt: skip


STATE = """
SELECT json_agg(x ORDER BY x)::text FROM (
  SELECT 'index ' || pg_get_indexdef(indexrelid) || ' ' || indisvalid::text FROM pg_index i
    JOIN pg_class c ON c.oid = indrelid JOIN pg_namespace n ON n.oid = relnamespace
   WHERE nspname NOT LIKE 'pg\\_%' AND relname !~ '^(django|alembic|auth|schema_mig)'
  UNION ALL
  SELECT 'options ' || relname || coalesce(array_to_string(reloptions, ','), '') FROM pg_class c
    JOIN pg_namespace n ON n.oid = relnamespace
   WHERE relkind = 'r' AND nspname NOT LIKE 'pg\\_%' AND nspname <> 'information_schema'
     AND relname !~ '^(django|alembic|auth|schema_mig)'
  UNION ALL SELECT 'statistics ' || stxname FROM pg_statistic_ext
  UNION ALL SELECT 'target ' || attname || attstattarget::text FROM pg_attribute
   WHERE attrelid = 'public.app_order'::regclass AND attnum > 0 AND attstattarget >= 0
) s(x)
"""
