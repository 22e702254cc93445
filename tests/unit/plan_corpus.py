"""The corpus of real plans: one execution in several forms, of PostgreSQL 13, 15 and 18."""

from __future__ import annotations

import json
import tarfile
from functools import cache
from pathlib import Path
from typing import Any

_ARCHIVE = Path(__file__).parent.parent / "data" / "plans.tar.xz"


@cache
def corpus() -> dict[str, str]:
    """`pg18/hashagg.json` -> its text."""
    with tarfile.open(_ARCHIVE) as archive:
        found: dict[str, str] = {}
        for member in archive.getmembers():
            file = archive.extractfile(member)
            if file is not None:
                found[member.name.partition("plans/")[2]] = file.read().decode()
    return found


def labels() -> dict[str, dict[str, Any]]:
    """Query -> the findings its plans must and must not raise."""
    read: dict[str, dict[str, Any]] = json.loads(corpus()["labels.json"])
    return {name: label for name, label in read.items() if not name.startswith("_")}


def named(*endings: str) -> list[str]:
    """The corpus' files that end so, without those that list others."""
    return sorted(
        name for name in corpus() if name.endswith(endings) and "MANIFEST" not in name
        and name != "labels.json"
    )  # fmt: skip
