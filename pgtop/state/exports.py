"""Migration files, written where the user stands."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pgtop.state.files import Written, shown, write


def export(files: Iterable[tuple[str, str]], name: str, *, here: Path | None = None) -> Written:
    """Write (relative path, text) pairs below `here`/`name`; `here` is the working directory.

    Where that cannot be written they go below the state directory, and the note says so.
    Nothing that exists is overwritten: FileExistsError. Raises `NowhereToWrite` when no
    place takes them.
    """
    listed = list(files)
    here = here or Path.cwd()
    base = here / name
    try:
        base.mkdir(exist_ok=False)
        for path, text in listed:
            target = base / path
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("x", encoding="utf-8") as file:
                file.write(text)
    except FileExistsError:
        raise
    except OSError as error:
        root = base
        for path, text in listed:
            root = write(f"migrations/{name}/{path}", text).path
            root = root.parents[path.count("/")]
        return Written(root, f"{shown(here)}: {error.strerror}")
    return Written(base)
