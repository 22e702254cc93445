"""A `Source` that a test writes to, in place of a server."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from typing import Any

from pgtop.model.request import AnswerT, Request
from pgtop.model.sample import Reading, Sample, SourceError
from tests.factories import STARTED, rows_of


class FakeSource:
    """Serves whatever rows the test last set, two seconds of the server's clock apart."""

    def __init__(self, *rows: Any) -> None:
        self.rows = rows_of(*rows)
        self.errors: dict[type[Any], SourceError] = {}
        self.lost: SourceError | None = None
        """Raised by every reading while it is set."""

        self.gate = asyncio.Event()
        self.gate.set()
        self.reads = 0
        self.asked: list[Request[Any]] = []
        self.answers: dict[type[Any], Any] = {}
        self.closed = False
        self.clock = STARTED + 1000

    def set(self, *rows: Any) -> None:
        """Replace the rows of the types that are given."""
        for kind in {type(row) for row in rows}:
            self.rows[kind] = tuple(row for row in rows if type(row) is kind)

    async def read(self, types: Iterable[type[Any]]) -> Reading:
        self.reads += 1
        await self.gate.wait()
        if self.lost is not None:
            raise self.lost
        self.clock += 2
        samples: dict[type[Any], Sample[Any] | SourceError] = {
            kind: self.errors.get(kind) or Sample(self.clock, self.rows.get(kind, ()))
            for kind in types
        }
        return Reading(
            samples=samples,
            taken_at=self.clock,
            arrived_at=time.monotonic(),
            server_ms=1.2,
            round_trips=1,
        )

    async def ask(self, request: Request[AnswerT]) -> AnswerT:
        self.asked.append(request)
        answer = self.answers[type(request)]
        if isinstance(answer, SourceError):
            raise answer
        return answer  # type: ignore[no-any-return]

    async def close(self) -> None:
        self.closed = True
