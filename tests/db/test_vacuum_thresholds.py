"""Thresholds equal to the server's own: its autovacuum prints them at DEBUG3."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest

from pgtop.analysis.vacuum.state import VacuumState
from pgtop.analysis.vacuum.triggers import triggers
from pgtop.model.sample import Sample
from pgtop.model.server import Server
from tests.db.reading import collecting
from tests.servers import TestServer, named_servers, running

TABLES = """
CREATE TABLE plain (id int, note text);
INSERT INTO plain SELECT i, 'x' FROM generate_series(1, 4000) i;
CREATE TABLE fixed (id int) WITH (autovacuum_vacuum_threshold = 5000,
    autovacuum_vacuum_scale_factor = 0.013, autovacuum_analyze_threshold = 777,
    autovacuum_analyze_scale_factor = 0.4, autovacuum_vacuum_insert_threshold = 3333,
    autovacuum_vacuum_insert_scale_factor = 0.31);
INSERT INTO fixed SELECT i FROM generate_series(1, 10000) i;
CREATE TABLE no_inserts (id int) WITH (autovacuum_vacuum_insert_threshold = -1);
INSERT INTO no_inserts SELECT i FROM generate_series(1, 3000) i;
CREATE TABLE inherits (id int, big text) WITH (autovacuum_vacuum_threshold = 91,
    autovacuum_vacuum_insert_scale_factor = 0.07);
CREATE TABLE own (id int, big text) WITH (autovacuum_vacuum_threshold = 4321,
    toast.autovacuum_vacuum_scale_factor = 0.5);
ALTER TABLE inherits ALTER big SET STORAGE EXTERNAL;
ALTER TABLE own ALTER big SET STORAGE EXTERNAL;
INSERT INTO inherits SELECT i, repeat('x', 9000) FROM generate_series(1, 40) i;
INSERT INTO own SELECT i, repeat('x', 9000) FROM generate_series(1, 40) i;
CREATE MATERIALIZED VIEW seen AS SELECT id FROM plain;
VACUUM ANALYZE;
"""

CHANGES = """
UPDATE plain SET note = 'y' WHERE id <= 20;
INSERT INTO plain SELECT i, 'z' FROM generate_series(1, 30) i;
DELETE FROM fixed WHERE id <= 40;
INSERT INTO fixed SELECT i FROM generate_series(1, 60) i;
INSERT INTO no_inserts SELECT i FROM generate_series(1, 60) i;
DELETE FROM inherits WHERE id <= 2;
DELETE FROM own WHERE id <= 3;
"""

CAPPED = """
CREATE TABLE capped (id int) WITH (autovacuum_vacuum_max_threshold = 60);
INSERT INTO capped SELECT i FROM generate_series(1, 5000) i;
VACUUM ANALYZE capped;
VACUUM (FREEZE) plain;
INSERT INTO capped SELECT i FROM generate_series(1, 50) i;
"""

LINE = re.compile(
    r"DEBUG:  (\S+): vac: (\d+) \(threshold (\d+)\), "
    r"ins: (?:(\d+) \(threshold (-?\d+)\)|\(disabled\)), anl: (\d+) \(threshold (\d+)\)"
)


@pytest.fixture(scope="module", params=named_servers())
def telling(request: pytest.FixtureRequest) -> Iterator[TestServer]:
    """A server whose autovacuum tells its sums every second, of tables that are not due."""
    options = {"log_min_messages": "debug3", "autovacuum_naptime": "1s"}
    with running(request.param, options) as server:
        server.execute(*filter(str.strip, TABLES.split(";\n")))
        if server.version_num >= 180000:
            server.execute(*filter(str.strip, CAPPED.split(";\n")))
        server.execute(*filter(str.strip, CHANGES.split(";\n")))
        yield server


def told(server: TestServer, wanted: set[str]) -> dict[str, re.Match[str]]:
    """The last line about each relation, once all were looked at after this moment."""
    start = server.server.log.stat().st_size
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with server.server.log.open(encoding="utf-8", errors="replace") as log:
            log.seek(start)
            found = {match[1]: match for line in log if (match := LINE.search(line))}
        if wanted <= found.keys():
            return found
        time.sleep(0.2)
    raise AssertionError(f"not told of {wanted - found.keys()}")


async def read_state(dsn: str) -> VacuumState:
    async with collecting(dsn) as collector:
        reading = await collector.read([*VacuumState.READS, Server])
    held = {kind: s for kind, s in reading.samples.items() if isinstance(s, Sample)}
    return VacuumState().advanced(held, held)


def differences(state: VacuumState, lines: dict[str, re.Match[str]]) -> list[str]:
    """Where our sums and counts are not the server's."""
    assert state.settings is not None
    found = []
    by_name = {table.relname: table for table in state.tables.values()}
    for name, line in lines.items():
        table = by_name[name]
        limits = triggers(table, state.options_of(table.relid)[0], state.settings)
        pairs = [("dead", table.n_dead_tup, line[2]), ("vacuum", limits.vacuum, line[3])]
        if line[5] is not None and int(line[5]) >= 0:
            pairs.append(("inserts", table.n_ins_since_vacuum, line[4]))
            pairs.append(("insert", limits.insert or 0, line[5]))
        elif limits.insert is not None:
            found.append(f"{name}: the server has inserts switched off")
        if table.relkind != "t":
            pairs.append(("changes", table.n_mod_since_analyze, line[6]))
            pairs.append(("analyze", limits.analyze or 0, line[7]))
        elif limits.analyze is not None:
            found.append(f"{name}: TOAST is never analysed")
        found += [
            f"{name} {what}: ours {ours}, the server's {theirs}"
            for what, ours, theirs in pairs
            if ours != pytest.approx(float(theirs), abs=0.51, rel=1e-6)
        ]
    return found


@pytest.mark.matrix
async def test_thresholds_equal_the_servers_own(telling: TestServer) -> None:
    names = {"plain", "fixed", "no_inserts", "inherits", "own", "seen"}
    deadline = time.monotonic() + 40
    while True:  # up to 14 the counters arrive late, by way of a file
        state = await read_state(telling.dsn())
        ours = {
            table.relname
            for table in state.tables.values()
            if not table.system and table.relkind in "rmt" and table.n_live_tup
        }
        late = time.monotonic() > deadline
        if names <= ours or late:
            lines = told(telling, ours)
            wrong = differences(state, {name: lines[name] for name in ours})
            if not wrong or late:
                break
    assert names <= ours
    assert sum(name.startswith("pg_toast_") for name in ours) == 2
    assert wrong == []
