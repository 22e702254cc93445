"""What the app says: in place of the keys at the foot, where it covers no row."""

from __future__ import annotations

import textwrap
import time
from dataclasses import dataclass

from pgtop.terminal.safe import safe
from pgtop.ui.lines import Line
from pgtop.ui.table_columns import Tone

SHOWN_S = 6.0
"""Seconds a message stays; a longer one stays longer."""

READ_S = 1.5
"""After so long a key takes a message away that is no warning: it covers what it is about."""

MOST_LINES = 4

PER_S = 25
"""Characters that somebody reads in a second, tired."""

_TONES: dict[str, Tone] = {"information": "strong", "warning": "warning", "error": "critical"}
_MARKS = {"information": "", "warning": "! ", "error": "‼ "}


@dataclass(frozen=True, slots=True)
class Message:
    """One message and until when it is shown."""

    text: str
    severity: str
    since: float
    """`time.monotonic()`."""

    until: float

    def read_by(self, now: float) -> bool:
        """Whether it was up long enough for whoever presses the next key."""
        return self.severity == "information" and now > self.since + READ_S

    def lines(self, width: int) -> tuple[Line, ...]:
        """At most four lines, the last marked where more was said."""
        mark = _MARKS.get(self.severity, "")
        parts = textwrap.wrap(mark + self.text, max(20, width - 2)) or [""]
        if len(parts) > MOST_LINES:
            parts = [*parts[: MOST_LINES - 1], parts[MOST_LINES - 1][: width - 4] + " …"]
        tone: Tone = _TONES.get(self.severity, "strong")
        return tuple(Line(((f" {part}", tone),)) for part in parts)


def message(text: str, severity: str) -> Message:
    """A message from now on; server text in it is made harmless."""
    said = safe(text)
    now = time.monotonic()
    return Message(said, severity, now, now + max(SHOWN_S, len(said) / PER_S))
