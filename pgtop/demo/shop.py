# ruff: noqa: S608 - only numbers and names of this module stand in its statements
"""A bookshop with the sicknesses that real databases have, built within seconds.

What is wrong with it, on purpose:

- `orders` is searched by `user_id` and `status` and has no index for it;
- `order_items.order_id` references `orders` without an index of its own;
- `orders_status_idx` is of little use: four values, none of them rare;
- `orders_total_idx` is never used, `users_email_idx` repeats the unique constraint's index,
  `orders_created_at_idx` is the beginning of `orders_created_at_status_idx`;
- `orders_reference_key` is bloated: a fifth of each of its pages is in use;
- `jobs` is a queue whose autovacuum settings wait for hundreds of thousands of dead rows;
- `events` is partitioned; its partitions were analysed, the parent never was;
- `visits` grew a thousandfold since its statistics were taken.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg

from pgtop.demo.binaries import ServerError
from pgtop.demo.server import Server

DATABASE = "shop"

SCREEN_ROLE = "pgtop_demo"
"""What the screen connects as: it may look at everything and write nothing."""

ROLES = ("web", "worker", "report", "deploy")
"""Of the load's sessions."""

USERS = 100_000
BOOKS = 20_000
AUTHORS = 2_000
ORDERS = 400_000

_ROLES = (
    *(f"CREATE ROLE {name} LOGIN" for name in ROLES),
    # less than a report needs, as a careful person may have set it for everybody
    "ALTER ROLE report SET work_mem = '256kB'",
    f"CREATE ROLE {SCREEN_ROLE} LOGIN",
    f"GRANT pg_monitor, pg_signal_backend TO {SCREEN_ROLE}",
)

_EXTENSIONS = ("pg_stat_statements", "pgstattuple", "hypopg")
"""Those that the server's installation has."""

_CATALOGUE = (
    "SELECT setseed(0.25)",
    "CREATE TABLE authors (id bigint NOT NULL, name text NOT NULL, biography text NOT NULL)",
    f"""INSERT INTO authors SELECT i, 'Author ' || i, repeat(md5(i::text), 1800)
        FROM generate_series(1, {AUTHORS}) i""",
    "ALTER TABLE authors ADD PRIMARY KEY (id)",
    """CREATE TABLE books (id bigint NOT NULL, author_id bigint NOT NULL, title text NOT NULL,
        price numeric(8,2) NOT NULL, in_print boolean NOT NULL)""",
    f"""INSERT INTO books SELECT i, 1 + i % {AUTHORS}, 'The book of ' || md5(i::text),
        5 + (random() * 40)::numeric(8,2), i % 3 > 0 FROM generate_series(1, {BOOKS}) i""",
    "ALTER TABLE books ADD PRIMARY KEY (id)",
    "CREATE INDEX books_author_id_idx ON books (author_id)",
    """ALTER TABLE books ADD CONSTRAINT books_author_id_fkey
        FOREIGN KEY (author_id) REFERENCES authors""",
    "ANALYZE authors, books",
)

_USERS = (
    """CREATE TABLE users (id bigint NOT NULL, name text NOT NULL, email text NOT NULL,
        country text NOT NULL, created_at timestamptz NOT NULL)""",
    f"""INSERT INTO users SELECT i, 'User ' || i, 'User.' || i || '@example.org',
        (ARRAY['de', 'fr', 'it', 'pl'])[1 + i % 4], now() - i * interval '10 minutes'
        FROM generate_series(1, {USERS}) i""",
    "ALTER TABLE users ADD PRIMARY KEY (id)",
    "ALTER TABLE users ADD CONSTRAINT users_email_key UNIQUE (email)",
    "CREATE INDEX users_email_idx ON users (email)",
    "CREATE INDEX users_lower_email_idx ON users (lower(email))",
    "ANALYZE users",
)

_ORDERS = (
    """CREATE TABLE orders (id bigint NOT NULL, user_id bigint NOT NULL, status text NOT NULL,
        total numeric(10,2) NOT NULL, reference uuid NOT NULL, created_at timestamptz NOT NULL,
        note text)""",
    f"""INSERT INTO orders SELECT i, 1 + (i * 7919) % {USERS},
        (ARRAY['new', 'paid', 'sent', 'done'])[1 + (i / 7) % 4], (i % 10000) / 100.0,
        md5(i::text)::uuid, now() - ({ORDERS} - i) * interval '1 minute', 'nothing special'
        FROM generate_series(1::bigint, {ORDERS}) i""",
    "ALTER TABLE orders ADD PRIMARY KEY (id)",
    # filled to a fifth, then said to be filled as usual: what years of random keys leave
    """ALTER TABLE orders ADD CONSTRAINT orders_reference_key UNIQUE (reference)
        WITH (fillfactor = 20)""",
    "ALTER INDEX orders_reference_key RESET (fillfactor)",
    "CREATE INDEX orders_status_idx ON orders (status)",
    "CREATE INDEX orders_total_idx ON orders (total)",
    "CREATE INDEX orders_created_at_idx ON orders (created_at)",
    "CREATE INDEX orders_created_at_status_idx ON orders (created_at, status)",
    "ANALYZE orders",
)

_ITEMS = (
    """CREATE TABLE order_items (id bigint NOT NULL, order_id bigint NOT NULL,
        book_id bigint NOT NULL, quantity integer NOT NULL, price numeric(8,2) NOT NULL)""",
    f"""INSERT INTO order_items SELECT i, 1 + (i * 31) % {ORDERS}, 1 + (i * 17) % {BOOKS},
        1 + i % 3, 5 + (i % 4000) / 100.0 FROM generate_series(1::bigint, {ORDERS}) i""",
    "ALTER TABLE order_items ADD PRIMARY KEY (id)",
    "CREATE INDEX order_items_book_id_idx ON order_items (book_id)",
    "ANALYZE order_items",
)

_QUEUE = (
    """CREATE TABLE jobs (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        state text NOT NULL DEFAULT 'waiting', payload text NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now())
        WITH (autovacuum_vacuum_threshold = 400000, autovacuum_vacuum_scale_factor = 0.8,
        autovacuum_vacuum_insert_threshold = -1)""",
    """INSERT INTO jobs (payload) SELECT 'send mail ' || i || ' ' || repeat('x', 80)
        FROM generate_series(1, 80000) i""",
    "CREATE INDEX jobs_waiting_idx ON jobs (id) WHERE state = 'waiting'",
    "DELETE FROM jobs WHERE id % 10 > 0",
)

_EVENTS = (
    """CREATE TABLE events (id bigint NOT NULL, user_id bigint NOT NULL, kind text NOT NULL,
        at timestamptz NOT NULL) PARTITION BY RANGE (at)""",
    *(
        f"""CREATE TABLE events_2026_{month:02} PARTITION OF events
            FOR VALUES FROM ('2026-{month:02}-01') TO ('2026-{month + 1:02}-01')"""
        for month in range(1, 5)
    ),
    f"""INSERT INTO events SELECT i, 1 + i % {USERS}, (ARRAY['view', 'cart', 'pay'])[1 + i % 3],
        timestamptz '2026-01-01' + i * interval '110 seconds' FROM generate_series(1, 80000) i""",
    "CREATE INDEX events_user_id_idx ON events (user_id)",
    # each partition by itself: ANALYZE of the parent would take its own statistics too
    *(f"ANALYZE events_2026_{month:02}" for month in range(1, 5)),
)

_VISITS = (
    """CREATE TABLE visits (id bigint NOT NULL, page text NOT NULL, day date NOT NULL)
        WITH (autovacuum_analyze_threshold = 5000000)""",
    "INSERT INTO visits SELECT i, 'home', date '2026-01-01' FROM generate_series(1, 100) i",
    "ANALYZE visits",
    """INSERT INTO visits SELECT i, 'page ' || i % 500, date '2026-01-02' + i % 90
        FROM generate_series(101, 100000) i""",
    "CREATE INDEX visits_day_idx ON visits (day)",
)

_REFERENCES = (
    """ALTER TABLE orders ADD CONSTRAINT orders_user_id_fkey
        FOREIGN KEY (user_id) REFERENCES users""",
    """ALTER TABLE order_items ADD CONSTRAINT order_items_order_id_fkey
        FOREIGN KEY (order_id) REFERENCES orders ON DELETE CASCADE""",
    """ALTER TABLE order_items ADD CONSTRAINT order_items_book_id_fkey
        FOREIGN KEY (book_id) REFERENCES books""",
    # in a later session than its rows came and went in, or these would be counted twice
    "ANALYZE jobs",
)

_RIGHTS = (
    f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {', '.join(ROLES)}",
    f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {SCREEN_ROLE}",
    # the deployment of a new release drops an index, which only an owner may do
    "GRANT CREATE ON SCHEMA public TO deploy",
    "ALTER TABLE users OWNER TO deploy",
    "GRANT SELECT, REFERENCES ON users TO web, worker, report",
)

_LANES = (_ORDERS, (*_CATALOGUE, *_USERS, *_ITEMS, *_QUEUE, *_EVENTS, *_VISITS))
"""Built at the same time, each in its own session: about equally long."""


def build(server: Server, said: Callable[[str], None] = lambda _: None) -> None:
    """Create the shop on a fresh server; `said` hears what is being built.

    Raises `ServerError` where the server refuses, or has no room.
    """
    try:
        _build(server, said)
    except psycopg.Error as error:
        raise ServerError(f"the shop cannot be built: {error}") from error


def _build(server: Server, said: Callable[[str], None]) -> None:
    said("creating the shop")
    with psycopg.connect(server.dsn(), autocommit=True) as conn:
        conn.execute(f"CREATE DATABASE {DATABASE}".encode())
        for statement in _ROLES:
            conn.execute(statement.encode())
    said(f"filling it with books, users, and {ORDERS:,} orders")
    with ThreadPoolExecutor(len(_LANES)) as pool:
        lanes = [pool.submit(_run, server, lane) for lane in _LANES]
        try:
            for lane in lanes:
                lane.result()
        except BaseException:
            server.stop()  # ends the other lane's session, for whose end we would wait
            raise
    said("adding foreign keys and rights")
    _run(server, (*_REFERENCES, *_RIGHTS, *_extensions(server), *_reader(server)))
    # what built the shop is not its workload
    _run(server, ("SELECT pg_stat_statements_reset()",))


def _run(server: Server, statements: tuple[str, ...]) -> None:
    with psycopg.connect(server.dsn(DATABASE), autocommit=True) as conn:
        for statement in statements:
            conn.execute(statement.encode())


def _extensions(server: Server) -> Iterator[str]:
    with psycopg.connect(server.dsn(DATABASE)) as conn:
        rows = conn.execute("SELECT name FROM pg_available_extensions").fetchall()
    available = {name for (name,) in rows}
    return (f"CREATE EXTENSION {name}" for name in _EXTENSIONS if name in available)


def _reader(server: Server) -> Iterator[str]:
    with psycopg.connect(server.dsn(DATABASE)) as conn:
        row = conn.execute("SELECT to_regrole('pg_read_all_data') IS NOT NULL").fetchone()
    if row == (True,):
        yield f"GRANT pg_read_all_data TO {SCREEN_ROLE}"
