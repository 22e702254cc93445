"""PgBouncer's columns differ from version to version: rows are made of what there is."""

from __future__ import annotations

from typing import Any

import pytest

from pgtop.db.pgbouncer import Console, pool_of, pooler_of
from pgtop.model.pool import Pool
from pgtop.model.sample import SourceError

COUNTS = {"cl_active": 3, "cl_waiting": 2, "sv_active": 1, "sv_idle": 1, "sv_used": 0,
          "sv_tested": 0, "sv_login": 0, "maxwait": 4}  # fmt: skip
POOL: dict[str, Any] = {"database": "shop", "user": "web", **COUNTS}
DATABASE: dict[str, Any] = {"name": "shop", "host": "db1", "port": 5432, "database": "shop_prod",
                            "pool_size": 20}  # fmt: skip


@pytest.mark.parametrize(
    ("pool", "database", "wait", "reserve"),
    [
        ({}, {"reserve_pool": 5}, 4.0, 5),  # 1.7
        ({"maxwait_us": 250_000, "pool_mode": "transaction", "cl_active_cancel_req": 0},
         {"reserve_pool": 5, "paused": 0, "disabled": 0}, 4.25, 5),  # 1.18
        ({"maxwait_us": 0, "pool_mode": "session", "load_balance_hosts": None},
         {"reserve_pool_size": 3, "server_lifetime": 3600, "max_client_connections": 0},
         4.0, 3),  # 1.24
    ],
)  # fmt: skip
def test_a_pool_of_any_version(
    pool: dict[str, Any], database: dict[str, Any], wait: float, reserve: int
) -> None:
    made = pool_of({**POOL, **pool}, {**DATABASE, **database})
    assert (made.maxwait_s, made.reserve_pool, made.pool_size) == (wait, reserve, 20)
    assert (made.server_database, made.free, made.servers) == ("shop_prod", 1, 2)
    assert made.pool_mode == pool.get("pool_mode")


async def test_a_console_of_something_else_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    async def rows(self: Console) -> dict[type[Any], tuple[Any, ...]]:
        return {Pool: (pool_of({"database": "shop", "user": "web"}, {}),)}

    monkeypatch.setattr(Console, "_rows", rows)
    found = await Console({}).read([Pool])
    refused = found[Pool]
    assert isinstance(refused, SourceError)
    assert "does not answer as PgBouncer's does" in refused.why


def test_a_pool_whose_database_is_gone() -> None:
    made = pool_of(POOL, {})
    assert (made.pool_size, made.host, made.paused) == (None, None, False)


def test_settings_that_a_version_lacks_are_unknown() -> None:
    made = pooler_of("db1:6432", "PgBouncer 1.17.0", {"default_pool_size": "20"}, {})
    assert made.version == "1.17.0"
    assert (made.default_pool_size, made.max_prepared_statements) == (20, None)
    assert (made.query_wait_timeout_s, made.used_clients) == (None, None)
    assert (
        pooler_of("x", "1.21.0", {"max_prepared_statements": "0"}, {}).max_prepared_statements == 0
    )
