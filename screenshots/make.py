"""Writes the pictures in this directory from the recording of the demo.

`python screenshots/make.py` writes them, `--check` says which are not what it would write.
"""

from __future__ import annotations

import asyncio
import os
import re
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))
os.environ.update(TERM="xterm-256color", COLORTERM="truecolor", TEXTUAL_ANIMATIONS="none")
for name in ("NO_COLOR", "TMUX", "STY", "SSH_CONNECTION"):
    os.environ.pop(name, None)

from tests.ui.playing import playing  # noqa: E402 - Textual reads the environment on import

PICTURES: dict[str, dict[str, object]] = {
    "overview": {"size": (120, 34), "pane": "overview"},
    "activity": {"size": (120, 20), "pane": "activity"},
    "queries": {"size": (120, 30)},
    "queries-80x24": {"size": (80, 24)},
    "indexes": {"size": (120, 30), "pane": "indexes"},
    "autovacuum": {"size": (120, 30), "pane": "autovacuum"},
    "queries-light": {"size": (120, 30), "theme": "light"},
}
"""Name -> how to get there."""

_FONT_FACE = re.compile(r"\s*@font-face \{.*?\}\n", re.DOTALL)
_ID = re.compile(r"terminal-\d+-?")


async def picture(name: str) -> str:
    """One picture as SVG, without fonts from elsewhere."""
    async with playing(**PICTURES[name]) as pilot:  # type: ignore[arg-type]
        svg = pilot.app.export_screenshot(title="pgtop")
    svg = _FONT_FACE.sub("\n", svg)
    return _ID.sub("terminal-", svg).rstrip() + "\n"


def main() -> int:
    """Write, or check."""
    check = "--check" in sys.argv
    stale = []
    for name in PICTURES:
        svg = asyncio.run(picture(name))
        file = HERE / f"{name}.svg"
        if check and (not file.exists() or file.read_text(encoding="utf-8") != svg):
            stale.append(file.name)
        elif not check:
            file.write_text(svg, encoding="utf-8")
    if stale:
        sys.stderr.write(f"not current: {', '.join(stale)}; run python screenshots/make.py\n")
    return bool(stale)


if __name__ == "__main__":
    sys.exit(main())
