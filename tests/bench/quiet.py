"""No alarm on a healthy server: every rule, on pgbench under load and on an idle server.

    python -m tests.bench.quiet [SECONDS] [DIRECTORY OF BINARIES …]

A private server for each directory of binaries, read as the screen reads it: the fast
groups every 2 s, the others when their time has come. Each finding that ever stood is
printed with its severity; warnings and criticals are false alarms. The server's time
for each group comes last.
"""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict

from pgtop.advice import Facts, Judge
from pgtop.advice.rules import RULES
from pgtop.analysis.derived import Board
from pgtop.analysis.groups import GROUPS
from pgtop.cli.first import ALWAYS
from pgtop.db.collector import Collector
from pgtop.model.finding import SEVERITIES
from tests.servers import named_servers, running

INTERVAL_S = 2.0


async def watched(dsn: str, seconds: float) -> tuple[dict[str, str], dict[str, list[float]]]:
    """(what stood at any time: rule and title by severity, milliseconds of each group)."""
    collector = Collector({k: str(v) for k, v in conninfo_to_dict(dsn).items()})
    await collector.open()
    board, judge = Board(), Judge(RULES)
    stood: dict[str, str] = {}
    spent: dict[str, list[float]] = defaultdict(list)
    read_at: dict[str, float] = {}
    end = time.monotonic() + seconds
    try:
        while time.monotonic() < end:
            board.take(await collector.read(ALWAYS))
            for name, group in GROUPS.items():
                now = time.monotonic()
                if now - read_at.get(name, -1e9) < group.every_s:
                    continue
                read_at[name] = now
                reading = await collector.read(group.types)
                spent[name].append(reading.server_ms)
                board.take(reading)
            for _ in judge.steps(Facts(board.samples, board.derived)):
                pass
            for found in judge.verdict.findings:
                stood[f"{found.rule} {found.subject.name}"] = f"{found.severity}: {found.title}"
            await asyncio.sleep(INTERVAL_S)
    finally:
        await collector.close()
    for name, why in judge.verdict.needs_time.items():
        stood[f"{name} needs time"] = f"not judged: {why}"
    return stood, spent


def tell(title: str, stood: dict[str, str], spent: dict[str, list[float]]) -> int:
    """Print one run; how many false alarms it had."""
    alarms = [text for text in stood.values() if text.startswith(SEVERITIES[:2])]
    print(f"{title}: {len(alarms)} false alarms, {len(stood) - len(alarms)} notices and unjudged")
    for name, text in sorted(stood.items()):
        print(f"    {name}: {text}")
    for name, each in spent.items():
        first, rest = each[0], each[1:]
        mean = sum(rest) / len(rest) if rest else 0.0
        print(f"    {name:12} first {first:6.2f} ms, then {mean:5.2f} ms x {len(rest)}")
    return len(alarms)


def main() -> int:
    """Run it; status 1 where anything was a false alarm."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
    pgbench = shutil.which("pgbench")
    if pgbench is None:
        sys.exit("pgbench is not installed")
    alarms = 0
    for place in sys.argv[2:] or named_servers():
        with running(place) as server:
            dsn = server.dsn()
            name = f"{Path(place).parts[-3:-1]} {server.version_num}"
            alarms += tell(f"idle {name}", *asyncio.run(watched(dsn, seconds)))
            subprocess.run([pgbench, "-i", "-q", "-s", "10", dsn], check=True, capture_output=True)
            load = subprocess.Popen(
                [pgbench, "-c", "8", "-T", str(int(seconds) + 15), dsn],
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )  # fmt: skip
            try:
                alarms += tell(f"pgbench {name}", *asyncio.run(watched(dsn, seconds)))
            finally:
                load.terminate()
                load.wait()
    return 1 if alarms else 0


if __name__ == "__main__":
    sys.exit(main())
