"""Every text that was copied, as a file: what a clipboard lost can still be fetched."""

from __future__ import annotations

import re
import time
from pathlib import Path

from pgtop.state.files import Written, places, write

DIRECTORY = "copied"

MOST = 50
"""Files kept; the oldest go."""


def keep(text: str, kind: str, *, now: float | None = None) -> Written:
    """Write `text` as a file of its own, newest 50 kept. Raises `NowhereToWrite`.

    `kind` becomes part of the name: `20261121T024630Z-ddl.sql`.
    """
    moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
    stem = f"{moment}-{re.sub(r'[^a-z0-9]+', '-', kind.lower()).strip('-')[:40] or 'text'}"
    suffix = ".tsv" if "row" in kind else ".sql"
    written = write(f"{DIRECTORY}/{_free(stem, suffix)}", text + "\n")
    _prune(written.path.parent)
    return written


def _free(stem: str, suffix: str) -> str:
    """A name that no copy of the same second has had."""
    taken = [path.stem for place in places() for path in (place / DIRECTORY).glob(f"{stem}*")]
    numbers = [
        int(name[len(stem) + 1 :] or 1)
        for name in taken
        if name[len(stem) + 1 :].isdigit() or name == stem
    ]
    return f"{stem}-{max(numbers) + 1}{suffix}" if numbers else stem + suffix


def _prune(directory: Path) -> None:
    """By time of writing: a name's second may repeat."""
    files = [path for path in directory.glob("[0-9]*") if path.is_file()]
    files.sort(key=lambda path: path.stat().st_mtime_ns)
    for path in files[:-MOST]:
        path.unlink(missing_ok=True)
