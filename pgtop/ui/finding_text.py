"""A finding in words: what, why, what to run, what takes it back."""

from __future__ import annotations

import io
from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from pgtop.model.finding import Finding
from pgtop.terminal.safe import safe

MOST_SQL = 4
"""Statements shown; the tray and the copy hold all."""


def finding_text(findings: Sequence[Finding]) -> Text:
    """The first of them whole; of several, the others by their titles."""
    finding = findings[0]
    text = Text()
    text.append(safe(finding.title), "bold")
    text.append(f"   {finding.rule}, {finding.confidence}", "dim")
    if finding.why:
        text.append("\n" + safe(finding.why))
    remedy = finding.remedy
    if remedy is None:
        text.append("\n" + safe(no_ddl(finding)))
        _also(text, findings)
        return text
    for sql in remedy.sql[:MOST_SQL]:
        text.append("\n" + safe(f"{sql.rstrip(';')};"), "cyan")
    if remedy.undo:
        text.append("\nundo  " + safe(remedy.undo[0]), "dim")
    text.append(f"\nlock  {remedy.lock}", "dim")
    if remedy.caution:
        text.append("\n!  " + safe(remedy.caution), "yellow")
    _also(text, findings)
    return text


def _also(text: Text, findings: Sequence[Finding]) -> None:
    if len(findings) > 1:
        others = "; ".join(safe(f.title) for f in findings[1:6])
        more = f" and {len(findings) - 6} more" if len(findings) > 6 else ""
        text.append(f"\nalso: {others}{more}")


def no_ddl(finding: Finding) -> str:
    """Why there is nothing to run, saying so once."""
    why = (finding.no_remedy or "there is nothing to run").removeprefix("no DDL: ")
    return why if why.startswith("no DDL") else f"no DDL: {why}"


def cut(text: Text, width: int, lines: int, more: str) -> Text:
    """At most so many lines of this width; what is cut ends with `more`: how to see the rest."""
    wrapped = text.wrap(Console(width=max(20, width), file=io.StringIO()), max(20, width))
    if len(wrapped) <= lines:
        return text
    kept = Text("\n").join(list(wrapped)[:lines])
    kept.rstrip()
    over = len(wrapped[lines - 1].plain.rstrip()) + len(more) - width
    if over > 0:
        kept.right_crop(over)
    kept.append(more, "dim")
    return kept
