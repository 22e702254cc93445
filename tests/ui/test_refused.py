"""A row type that the server refuses is said to be not known, on every tab that counts its rows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

from pgtop.config import Config
from pgtop.model.replication import Archiver, Checkpoints, Slot, Standby, WalFiles
from pgtop.model.sample import Reading, SourceError
from pgtop.model.session import LockWait
from pgtop.model.table import IndexPages
from pgtop.model.vacuum import VacuumRun
from pgtop.ui.app import PgtopApp
from tests.recording import Recording
from tests.ui.driving import screen_text, settle


class Refusing(Recording):
    def __init__(self, kind: type[Any]) -> None:
        super().__init__()
        self.kind = kind

    async def read(self, types: Iterable[type[Any]]) -> Reading:
        reading = await super().read(types)
        why = SourceError("permission denied for it", lasting=True)
        samples = {k: why if k is self.kind else found for k, found in reading.samples.items()}
        return replace(reading, samples=samples)


@pytest.mark.parametrize(
    ("pane", "keys", "kind", "said", "unsaid"),
    [
        ("activity", (), LockWait, "  ? waiting", " 0 waiting"),
        ("activity", ("b",), LockWait, "who waits for a lock is not known", "nobody waits"),
        ("replication", (), Standby, "? receivers", " 0 receivers"),
        ("replication", (), Slot, "? of 10 slots", " 0 of 10"),
        ("replication", (), Archiver, "archive                  ?", "archive never"),
        ("replication", (), Checkpoints, "checkpoints              ?", "requested"),
        ("replication", (), WalFiles, "permission denied for it", "None"),
        ("autovacuum", (), VacuumRun, "workers ?/3", "workers 0"),
        ("autovacuum", (), IndexPages, "never        ? ", "≈770 ms"),
    ],
)
async def test_what_is_refused_is_not_none(
    pane: str, keys: tuple[str, ...], kind: type[Any], said: str, unsaid: str
) -> None:
    source = Refusing(kind)
    app = PgtopApp(source, config=Config(interval=0.05), first_pane=pane)
    async with app.run_test(size=(140, 30)) as pilot:
        for _ in range(200):
            await pilot.pause(0.02)
            if source.reads > source.length:
                break
        await pilot.press(*keys)
        await settle(pilot)
        shown = screen_text(pilot)
        assert said in shown
        assert unsaid not in shown
