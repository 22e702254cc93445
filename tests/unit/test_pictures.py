"""The pictures are what the screen looks like today."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_pictures_are_current() -> None:
    run = subprocess.run(
        [sys.executable, str(ROOT / "screenshots" / "make.py"), "--check"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
