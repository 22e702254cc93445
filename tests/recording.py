"""Readings of a real server, kept: the screen's goldens and pictures are made of them.

`python -m tests.recording FILE` records the demo once more.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import sys
import time
from collections.abc import Iterable
from dataclasses import astuple, is_dataclass
from pathlib import Path
from typing import Any

from pgtop.cli.first import STEADY
from pgtop.db.queries import QUERIES
from pgtop.db.query import as_row
from pgtop.model.index import ColumnStatistics, Index
from pgtop.model.index_request import KeysOf, SizesOf, StatisticsOf, ValuesOf
from pgtop.model.request import AnswerT, Request
from pgtop.model.sample import Reading, Sample, SourceError
from pgtop.model.server import Link
from pgtop.model.statement import StatementText, TextsOf
from pgtop.model.table import Table

FILE = Path(__file__).parent / "data" / "demo-recording.json.gz"

TYPES: dict[str, type[Any]] = {kind.__name__: kind for kind in (*QUERIES, Link)}

READINGS = 10
INTERVAL_S = 2.0


def write(readings: Iterable[Reading], file: Path) -> None:
    """Keep readings; the time stamp of the archive stays out, so that it is deterministic."""
    kept = []
    for reading in readings:
        samples = {}
        for kind, found in reading.samples.items():
            if isinstance(found, Sample):
                rows = [_values(row) for row in found.rows]
                samples[kind.__name__] = {"at": found.taken_at, "rows": rows}
            else:
                samples[kind.__name__] = {"why": found.why, "remedy": found.remedy}
        kept.append(
            {"at": reading.taken_at, "ms": reading.server_ms, "trips": reading.round_trips,
             "samples": samples}
        )  # fmt: skip
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(gzip.compress(json.dumps(kept).encode(), mtime=0))


class Recording:
    """A `Source` that plays what was recorded, then stands still."""

    def __init__(self, file: Path = FILE) -> None:
        self.readings = [
            self._loaded(part) for part in json.loads(gzip.decompress(file.read_bytes()))
        ]
        self.answers: dict[type[Any], Any] = {}
        self.reads = 0
        self._held: dict[type[Any], Sample[Any] | SourceError] = {}

    def _loaded(self, part: dict[str, Any]) -> Reading:
        samples: dict[type[Any], Sample[Any] | SourceError] = {}
        for name, found in part["samples"].items():
            kind = TYPES.get(name)
            if kind is None:
                continue
            if "why" in found:
                samples[kind] = SourceError(found["why"], remedy=found["remedy"], lasting=True)
            else:
                make = as_row(kind)
                rows = tuple(make([_hashable(v) for v in row]) for row in found["rows"])
                samples[kind] = Sample(found["at"], rows)
        return Reading(samples, part["at"], 0.0, part["ms"], part["trips"])

    @property
    def length(self) -> int:
        """How many readings there are."""
        return len(self.readings)

    async def read(self, types: Iterable[type[Any]]) -> Reading:
        """The next reading, cut to the types that are asked for."""
        reading = self.readings[min(self.reads, self.length - 1)]
        self._held.update(reading.samples)
        self.reads += 1
        missing = SourceError("not in the recording")
        return Reading(
            samples={kind: self._held.get(kind, missing) for kind in types},
            taken_at=reading.taken_at,
            arrived_at=time.monotonic(),
            server_ms=reading.server_ms,
            round_trips=reading.round_trips,
        )

    def _last(self, kind: type[Any]) -> tuple[Any, ...]:
        """The rows of the last reading that has them."""
        found = [r for r in self.readings if isinstance(r.samples.get(kind), Sample)]
        return found[-1].sample(kind).rows if found else ()

    async def ask(self, request: Request[AnswerT]) -> AnswerT:
        """What the test put there for this kind of question; texts are in the recording."""
        if isinstance(request, TextsOf):
            texts = self._last(StatementText)
            return tuple(t for t in texts if t.queryid in request.queryids)  # type: ignore[return-value]  # rows of the type that is asked for
        if isinstance(request, StatisticsOf):
            known = self._last(ColumnStatistics)
            return tuple(c for c in known if c.relid in request.relids)  # type: ignore[return-value]  # as above
        if isinstance(request, KeysOf):
            return {}  # type: ignore[return-value]  # names of columns are not in the recording
        if isinstance(request, SizesOf):
            relations = (*self._last(Index), *self._last(Table))
            return {r.key: r.size_bytes for r in relations if r.key in request.relids}  # type: ignore[return-value]  # vacuumed: the catalogue knows them
        if isinstance(request, ValuesOf):
            return ()  # type: ignore[return-value]  # nor how far sequences are
        answer = self.answers.get(type(request))
        if answer is None:
            raise SourceError("not in the recording")
        return answer  # type: ignore[no-any-return]

    async def close(self) -> None:
        """Nothing to leave."""


def _values(row: Any) -> list[Any]:
    return list(astuple(row)) if is_dataclass(row) and not isinstance(row, type) else list(row)


def _hashable(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


async def _record(conninfo: str, file: Path) -> None:
    from psycopg.conninfo import conninfo_to_dict

    from pgtop.db.collector import Collector

    collector = Collector({k: str(v) for k, v in conninfo_to_dict(conninfo).items()})
    await collector.open()
    await asyncio.sleep(20)  # until the load has found its pace
    readings = []
    for number in range(READINGS):
        # Slow lanes twice, as a minute apart; the last reading costs what a tick costs.
        types = (*QUERIES, Link) if number in (0, READINGS - 2) else STEADY
        readings.append(await collector.read(types))
        await asyncio.sleep(INTERVAL_S)
    await collector.close()
    write(readings, file)


def main() -> int:
    """Record the demo."""
    from pgtop.cli.demo import run_demo

    file = Path(sys.argv[1]) if len(sys.argv) > 1 else FILE

    def run(conninfo: str) -> int:
        asyncio.run(_record(conninfo, file))
        return 0

    return run_demo(run)


if __name__ == "__main__":
    sys.exit(main())
