"""How many of the changes in `tests.mutations` the tests notice.

`python -m tests.bench.mutations [WORD …]`; ten minutes, or those whose promise holds a word.
Each is made in a copy of the checkout, where the tests named beside it must fail: one that
survives has a test that proves nothing.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.mutations import MUTATIONS, Mutation

ROOT = Path(__file__).parents[2]


def noticed(copy: Path, mutation: Mutation) -> str:
    """What came of it: `noticed`, `survived`, or why it could not be made."""
    file = copy / mutation.file
    if not file.exists():
        return "no such file"
    before = file.read_text(encoding="utf-8")
    if mutation.old not in before:
        return "not applicable: the code has changed"
    file.write_text(before.replace(mutation.old, mutation.new, 1), encoding="utf-8")
    try:
        found = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider",
             *shlex.split(mutation.tests)],
            cwd=copy, env={**os.environ, "PYTHONPATH": str(copy)}, capture_output=True,
            timeout=300, check=False,
        )  # fmt: skip
    finally:
        file.write_text(before, encoding="utf-8")
    return {0: "SURVIVED", 1: "noticed"}.get(found.returncode, f"pytest ended {found.returncode}")


def main() -> int:
    with tempfile.TemporaryDirectory() as where:
        copy = Path(where) / "copy"
        names = subprocess.run(
            ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout.split("\n")
        for name in filter(None, names):
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, copy / name)
        ends = []
        words = sys.argv[1:]
        for mutation in MUTATIONS:
            if words and not any(word in mutation.promise for word in words):
                continue
            end = noticed(copy, mutation)
            ends.append(end)
            print(f"{mutation.regressions:<6} {mutation.promise:<56} {end}", flush=True)
    print(f"{ends.count('noticed')} of {len(ends)} noticed")
    return int(ends.count("noticed") != len(ends))


if __name__ == "__main__":
    sys.exit(main())
