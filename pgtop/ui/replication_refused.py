"""Rows of the Replication tab for what the server did not let us read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pgtop.advice import Facts
from pgtop.analysis import units
from pgtop.model.replication import (
    Archiver,
    Checkpoints,
    Conflict,
    DatabaseTrust,
    Recovery,
    Slot,
    Standby,
)
from pgtop.model.sample import SourceError
from pgtop.ui.replication_rows import Row

REFUSABLE: tuple[tuple[type[Any], str], ...] = (
    (Standby, "standbys"), (Slot, "slots"), (Recovery, "replay here"), (Archiver, "archive"),
    (Checkpoints, "checkpoints"), (Conflict, "cancelled by replay"),
    (DatabaseTrust, "checksums, collations"),
)  # fmt: skip
"""What has no row of its own where it cannot be read, and would be taken for nothing."""


def refused(facts: Facts) -> Iterator[Row]:
    """A row for each."""
    for kind, name in REFUSABLE:
        found = facts.samples.get(kind)
        if isinstance(found, SourceError):
            why = found.said
            yield Row(
                key=("refused", name), name=name, state=units.UNKNOWN, bytes_unknown=True,
                said=why, more=(("not known", why),),
            )  # fmt: skip
