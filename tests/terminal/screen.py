"""The whole screen on a fake server; on leaving, says what it saw."""

from __future__ import annotations

import asyncio
import json
import os
import sys

from pgtop.config import Config
from pgtop.terminal.probe import probe
from pgtop.ui.app import PgtopApp
from tests import factories
from tests.ui.fakes import FakeSource


async def main(target: str) -> None:
    asked = probe()
    source = FakeSource(factories.server(), factories.vitals(), factories.link())
    app = PgtopApp(source, config=Config(interval=3600), probe=asked)
    keys: list[str] = []

    def watch() -> None:
        app.copy_text("CREATE INDEX ☃ ON t (c);", "the DDL")

    app.call_later(watch)
    original = app.on_event

    async def on_event(event: object) -> None:
        key = getattr(event, "key", None)
        if isinstance(key, str) and keys[-1:] != [key]:  # a key bubbles through here twice
            keys.append(key)
        await original(event)  # type: ignore[arg-type]

    app.on_event = on_event  # type: ignore[method-assign]
    await app.run_async()
    told = {
        "outstanding": asked.outstanding, "keys": keys, "theme": app.theme,
        "sure": app.copied and app.copied.sure, "message": app.copied and app.copied.message,
    }  # fmt: skip
    with open(target + ".new", "w") as file:  # noqa: ASYNC230
        json.dump(told, file)
    os.replace(target + ".new", target)


asyncio.run(main(sys.argv[1]))
