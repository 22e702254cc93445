"""From the command line to an open connection: parameters, password, the first failure."""

from __future__ import annotations

import argparse
import asyncio
import getpass
import logging
import os
import re
import sys
from collections.abc import Awaitable, Callable, Mapping

from pgtop.analysis.redact import mask_passwords
from pgtop.db.collector import Collector
from pgtop.db.pgbouncer import Console
from pgtop.model.sample import Disconnected
from pgtop.terminal.safe import safe

COULD_NOT_CONNECT = 3

FLAGS = {"host": "host", "port": "port", "username": "user", "dbname": "dbname",
         "service": "service"}  # fmt: skip
"""Option -> libpq's keyword."""


def params_of(options: argparse.Namespace, fallback: str = "") -> dict[str, str]:
    """libpq's parameters: the flags over CONNINFO. Raises ValueError with a sentence."""
    params: dict[str, str] = {}
    for text in (getattr(options, "conninfo", None) or fallback, options.dbname or ""):
        params.update(_parsed(text))
    for flag, keyword in FLAGS.items():
        value = getattr(options, flag)
        if value and flag != "dbname":
            params[keyword] = value
    return params


def console_params(text: str) -> dict[str, str]:
    """Parameters of PgBouncer's console; empty where none was named. Raises ValueError."""
    return _parsed(text)


def _parsed(text: str) -> dict[str, str]:
    if not text:
        return {}
    if "=" not in text and "://" not in text:
        return {"dbname": text}
    import psycopg
    from psycopg.conninfo import conninfo_to_dict

    try:
        found = conninfo_to_dict(text)
    except psycopg.Error as error:
        # libpq repeats the string, password and all
        reason = str(error).replace(text, "…").strip()
        raise ValueError(f"the connection string is not one: {_scrubbed(reason, text)}") from None
    return {name: str(value) for name, value in found.items() if value is not None}


def scrubbed_failure(why: str, text: str) -> str:
    """A failure to connect: an `@` or `/` in a URI's password makes libpq take part of it for
    the host, which the message must not repeat."""
    if not torn(text):
        return why
    return f"{_scrubbed(why, text)} (in a URI the password's @ : / % are written %40 %3A %2F %25)"


def torn(text: str) -> bool:
    """Whether part of a URI's password may have been taken for the host."""
    return "://" in text and text.count("@") >= 2


def _scrubbed(reason: str, text: str) -> str:
    """libpq's reason without anything that stands between `:` and `@` in the string."""
    secret = text.rpartition("@")[0].partition("://")[2].partition(":")[2]
    parts = [part for part in (secret, *re.split("[@/:?]", secret)) if len(part) > 1]
    for part in sorted(parts, key=len, reverse=True):
        reason = reason.replace(part, "****")
    return mask_passwords(safe(reason))


async def connected(
    params: dict[str, str],
    *,
    prompt: bool,
    never_prompt: bool,
    wait: bool = False,
    before_prompt: Callable[[], Awaitable[object]] | None = None,
    pgbouncer: Mapping[str, str] | None = None,
) -> Collector:
    """An open Collector; asks for the password on the terminal if the server wants one.

    `pgbouncer` are the parameters of a pooler's console, for when its pools are asked for.
    what `before_prompt` gives is awaited before anything is asked: whoever else reads the terminal.
    """

    async def password() -> str:
        if before_prompt is not None:
            await before_prompt()
        return await _password(params)

    if prompt:
        params = {**params, "password": await password()}
    console = Console(pgbouncer) if pgbouncer else None
    collector = Collector(params, console=console)
    while True:
        try:
            await collector.open()
            return collector
        except Disconnected as error:
            cause = error.__cause__.__cause__ if error.__cause__ is not None else None
            pgconn = getattr(cause, "pgconn", None)
            if pgconn is not None and pgconn.needs_password and not never_prompt and not prompt:
                prompt = True
                collector = Collector({**params, "password": await password()}, console=console)
                continue
            if not wait or error.retry_in is None:
                raise
            print(f"pgtop: {error.why}; trying again", file=sys.stderr)  # noqa: T201
            await asyncio.sleep(error.retry_in)


async def _password(params: dict[str, str]) -> str:
    user = params.get("user") or os.environ.get("PGUSER") or getpass.getuser()
    if not sys.stdin.isatty():
        raise Disconnected("the server wants a password and there is no terminal to ask on;"
                           " use ~/.pgpass or PGPASSWORD")  # fmt: skip
    return await asyncio.to_thread(getpass.getpass, f"Password for user {safe(user)}: ")


def configure_log(path: str | None) -> None:
    """Send everything that logs to `path`, or nowhere: nothing may write on the screen."""
    root = logging.getLogger()
    if path is None:
        root.addHandler(logging.NullHandler())
        return
    from logging.handlers import RotatingFileHandler

    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.close(descriptor)
    handler = RotatingFileHandler(path, maxBytes=5_000_000, backupCount=1, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    root.addHandler(handler)
    root.setLevel(logging.INFO)
