"""Opens a Collector on a DSN and closes it again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from psycopg.conninfo import conninfo_to_dict

from pgtop.db.collector import Collector


@asynccontextmanager
async def collecting(dsn: str, **changes: str) -> AsyncIterator[Collector]:
    """An open Collector."""
    params = {name: str(value) for name, value in conninfo_to_dict(dsn).items()}
    collector = Collector({**params, **changes})
    await collector.open()
    try:
        yield collector
    finally:
        await collector.close()
