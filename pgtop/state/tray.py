"""The DDL tray of each server, kept from one start of pgtop to the next."""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Mapping
from typing import Any

from pgtop.state.files import Written, places, read, shown, write

SCHEMA = 1


class UnreadableTray(Exception):
    """The file is damaged or of a newer pgtop; it is left as it is."""


def file_name(server: str) -> str:
    """Readable, and different for servers that differ."""
    readable = re.sub(r"[^A-Za-z0-9.]+", "-", server).strip("-.")[:60]
    told_apart = hashlib.sha256(server.encode(errors="backslashreplace")).hexdigest()[:10]
    return f"tray/{readable}-{told_apart}.json"


def save(server: str, entries: list[Mapping[str, Any]]) -> Written:
    """Keep `entries`, plain values all through. Raises `NowhereToWrite`."""
    document = {"schema": SCHEMA, "server": server, "entries": entries}
    return write(file_name(server), json.dumps(document, ensure_ascii=True, indent=1))


def load(server: str) -> list[dict[str, Any]]:
    """The entries kept for `server`; none where there is no file. Raises `UnreadableTray`."""
    text = read(file_name(server))
    if text is None:
        return []
    try:
        document = json.loads(text)
        schema, owner, entries = document["schema"], document["server"], document["entries"]
    except (ValueError, KeyError, TypeError) as error:
        raise UnreadableTray(f"{file_name(server)} is damaged") from error
    if schema != SCHEMA or owner != server or not isinstance(entries, list):
        raise UnreadableTray(f"{file_name(server)} is of another pgtop or another server")
    return entries


def set_aside(server: str) -> str:
    """Rename a file that cannot be read, so that a new one can be kept; its new name."""
    for place in places():
        path = place / file_name(server)
        if path.is_file():
            aside = path.with_suffix(f".damaged-{int(time.time())}")
            path.rename(aside)
            return shown(aside)
    return file_name(server)
