"""The demo's load: what a shop's applications do, in a process of its own.

`python -m pgtop.demo.load DSN SECONDS` works until its standard input ends, which it does
when whoever started it ends, however that comes. After SECONDS there is a new release.
"""

from __future__ import annotations

import os
import select
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.types.numeric import Int8

from pgtop.demo import shop

RECONNECT_S = 1.0
"""An application whose session was ended comes back."""

FORGOTTEN_S = 600.0
"""Then the transaction ends and another begins, or the queue would become slower for ever."""

WARM_CALLS = 30
"""Log-ins before anybody looks: what it was before is compared with from 20 calls on."""

AWAY_S = 60.0
"""Who ends the forgotten transaction sees for a while how things are without it."""

PAGE = 20
"""Books on a page, each followed by a look-up of its author."""

REPORTED = 120_000
"""Items in a report: 1.5 MB of temporary files to sort them."""

Connection = psycopg.Connection[Any]
Step = Callable[[Connection, int], None]


@dataclass(frozen=True, slots=True)
class Application:
    """One session that repeats a step."""

    name: str
    role: str
    every_s: float
    step: Step


def _ask(conn: Connection, sql: str, *params: Any) -> list[tuple[Any, ...]]:
    """Send a statement and take its rows, if it has any."""
    cursor = conn.execute(sql.encode(), params or None)
    return cursor.fetchall() if cursor.description else []


def _pick(number: int, of: int) -> Int8:
    """A number from 1 to `of`, always as bigint, and in no visible order."""
    return Int8(1 + (number * 48_271) % of)


def _orders_of_a_user(conn: Connection, number: int) -> None:
    """Reads the whole table: there is no index on user_id and status."""
    sql = "SELECT id, total, created_at FROM orders WHERE user_id = %s AND status = %s"
    _ask(conn, sql, _pick(number, shop.USERS), "paid")


def _books_and_authors(conn: Connection, number: int) -> None:
    """One query for the list, then one more for every row of it."""
    first = _pick(number, shop.BOOKS - PAGE)
    sql = "SELECT id, title, author_id, price FROM books WHERE id >= %s ORDER BY id LIMIT 20"
    for _, _, author_id, _ in _ask(conn, sql, first):
        author = "SELECT id, name, biography FROM authors WHERE id = %s"
        _ask(conn, author, Int8(author_id))


def _items_of_an_order(conn: Connection, number: int) -> None:
    """Follows a foreign key backwards, for which there is no index."""
    sql = "SELECT book_id, quantity, price FROM order_items WHERE order_id = %s"
    _ask(conn, sql, _pick(number, shop.ORDERS))


def _log_in(conn: Connection, number: int) -> None:
    """Cheap, until a release drops the index it stands on."""
    email = f"user.{int(_pick(number, shop.USERS))}@example.org"
    _ask(conn, "SELECT id, name FROM users WHERE lower(email) = %s", email)


def _work(conn: Connection, number: int) -> None:
    """Puts a job into the queue and takes the oldest out of it."""
    payload = f"send mail {number} " + "x" * 80
    _ask(conn, "INSERT INTO jobs (payload) VALUES (%s) RETURNING id", payload)
    taken = _ask(
        conn,
        "UPDATE jobs SET state = 'running' WHERE id = (SELECT id FROM jobs WHERE state = 'waiting'"
        " ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING id",
    )
    for (job,) in taken:
        _ask(conn, "DELETE FROM jobs WHERE id = %s", Int8(job))


def _advance_an_order(conn: Connection, number: int) -> None:
    """Changes an indexed column, so every index gets a new entry."""
    order = Int8(int(_pick(number, shop.ORDERS - 1)) + 1)  # the first is locked
    _ask(conn, "UPDATE orders SET status = %s WHERE id = %s", ("sent", "done")[number % 2], order)


def _report(conn: Connection, number: int) -> None:
    """Sorts more than its work_mem holds."""
    sql = (
        "SELECT percentile_cont(0.95) WITHIN GROUP (ORDER BY price) FROM order_items"
        " WHERE id BETWEEN %s AND %s"
    )
    first = int(_pick(number, shop.ORDERS - REPORTED))
    _ask(conn, sql, Int8(first), Int8(first + REPORTED))


def _events_of_a_user(conn: Connection, number: int) -> None:
    """Over all partitions."""
    sql = "SELECT kind, count(*) FROM events WHERE user_id = %s GROUP BY kind"
    _ask(conn, sql, _pick(number, shop.USERS))


def _visits(conn: Connection, number: int) -> None:
    """The planner knows of a hundred rows, of one day."""
    _ask(conn, "SELECT count(*) FROM visits WHERE day < current_date AND page = %s", "page 7")


def _forgotten(conn: Connection, _: int) -> None:
    """Opens a transaction, changes a row, and waits for somebody who does not come."""
    _ask(conn, "BEGIN ISOLATION LEVEL REPEATABLE READ")
    _ask(conn, "SELECT count(*) FROM jobs")
    _ask(conn, "UPDATE orders SET note = 'being migrated' WHERE id = 1")
    if select.select([conn.fileno()], [], [], FORGOTTEN_S)[0]:  # its end was sent
        time.sleep(AWAY_S)
    _ask(conn, "ROLLBACK")


def _blocked(conn: Connection, _: int) -> None:
    """Wants the row that the forgotten transaction holds."""
    _ask(conn, "UPDATE orders SET total = total + 1 WHERE id = 1")


def _release(conn: Connection, _: int) -> None:
    """After a while a new release drops an index that is still needed."""
    time.sleep(float(sys.argv[2]))
    _ask(conn, "SET lock_timeout = '300ms'")
    _ask(conn, "DROP INDEX IF EXISTS users_lower_email_idx")
    threading.Event().wait()


APPLICATIONS: Sequence[Application] = (
    Application("web", "web", 0.2, _orders_of_a_user),
    Application("web", "web", 0.04, _books_and_authors),
    Application("web", "web", 1.0, _items_of_an_order),
    Application("web", "web", 0.15, _log_in),
    Application("web", "web", 0.2, _events_of_a_user),
    Application("worker", "worker", 0.05, _work),
    Application("worker", "worker", 0.1, _advance_an_order),
    Application("report", "report", 1.0, _report),
    Application("report", "report", 2.0, _visits),
    Application("deploy", "deploy", RECONNECT_S, _forgotten),
    Application("deploy", "deploy", RECONNECT_S, _release),
    Application("web", "web", 2.0, _blocked),
    Application("worker", "worker", 2.0, _blocked),
)


def _repeat(dsn: str, application: Application) -> None:
    """Work at a steady pace, whatever happens to the session, until the process ends."""
    number = 0
    while True:
        try:
            with psycopg.connect(
                dsn, user=application.role, application_name=application.name, autocommit=True
            ) as conn:
                due = time.monotonic()
                while True:
                    number += 1
                    application.step(conn, number)
                    # what was missed while the machine was busy is not made up for
                    due = max(due + application.every_s, time.monotonic() - application.every_s)
                    time.sleep(max(0.0, due - time.monotonic()))
        except psycopg.Error:
            time.sleep(RECONNECT_S)


def main(dsn: str) -> None:
    """Run every application until standard input ends; then nothing is waited for.

    Says a line on standard output when the load is under way.
    """
    with psycopg.connect(dsn, user="web", application_name="web", autocommit=True) as conn:
        for number in range(WARM_CALLS):
            _log_in(conn, number)
    for application in APPLICATIONS:
        # the forgotten transaction takes its row before the others want it
        if application.step is _blocked:
            time.sleep(0.3)
        threading.Thread(target=_repeat, args=(dsn, application), daemon=True).start()
    os.write(1, b"under way\n")
    while os.read(0, 4_096):
        pass
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1])
