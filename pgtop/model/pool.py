"""A pooler's pools, as PgBouncer's admin console shows them.

These rows come over a connection of their own, and are kept with the server's.
"""

from __future__ import annotations

from typing import Any, NamedTuple


class Pooler(NamedTuple):
    """The pooler itself: SHOW VERSION, SHOW CONFIG and SHOW LISTS."""

    where: str
    """`host:port` of its console."""

    version: str
    """`1.18.0`."""

    pool_mode: str | None
    default_pool_size: int | None
    reserve_pool_size: int | None
    reserve_pool_timeout_s: float | None
    max_client_conn: int | None
    max_db_connections: int | None
    """0: no limit, as in the next."""

    max_user_connections: int | None
    query_wait_timeout_s: float | None
    """A client that waits longer is sent away with an error; 0: never."""

    max_prepared_statements: int | None
    """None before 1.21, which cannot carry prepared statements in transaction mode; 0: off."""

    used_clients: int | None
    used_servers: int | None


class Pool(NamedTuple):
    """A row of SHOW POOLS, with the limits of its database from SHOW DATABASES."""

    database: str
    """As clients name it."""

    user: str
    pool_mode: str | None
    cl_active: int
    """Clients that have a server connection, or want none just now."""

    cl_waiting: int
    """Clients that sent something and have no server connection yet."""

    sv_active: int
    sv_idle: int
    sv_used: int
    """Idle for so long that it is checked before it is given out."""

    sv_tested: int
    sv_login: int
    maxwait_s: float
    """How long the first in the queue has waited."""

    pool_size: int | None
    reserve_pool: int | None
    host: str | None
    """Of the server behind it; None: a Unix socket."""

    port: int | None
    server_database: str | None
    paused: bool
    disabled: bool

    @property
    def key(self) -> tuple[str, str]:
        """A pool is one user in one database."""
        return self.database, self.user

    @property
    def name(self) -> str:
        """`database/user`."""
        return f"{self.database}/{self.user}"

    @property
    def servers(self) -> int:
        """Server connections that are open."""
        return self.sv_active + self.sv_idle + self.sv_used + self.sv_tested + self.sv_login

    @property
    def free(self) -> int:
        """Server connections that could be given out at once."""
        return self.sv_idle + self.sv_used

    @property
    def own(self) -> bool:
        """The console's own pool."""
        return self.database == "pgbouncer"


class PoolServer(NamedTuple):
    """A row of SHOW SERVERS: a connection of the pooler to the server."""

    database: str
    user: str
    state: str
    remote_pid: int
    """Of the backend at its other end; 0 where a Unix socket does not tell."""

    @property
    def pool(self) -> tuple[str, str]:
        """The key of its pool."""
        return self.database, self.user


POOL_TYPES: tuple[type[Any], ...] = (Pooler, Pool, PoolServer)
"""What comes from the console instead of the server."""
