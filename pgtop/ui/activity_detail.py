"""Everything about one session, as text under the table."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from pgtop.advice.ending import NEVER, end_sql
from pgtop.analysis import units
from pgtop.analysis.blocking import Root
from pgtop.model.finding import Finding
from pgtop.model.session import Session
from pgtop.terminal.safe import safe
from pgtop.ui.activity_rows import ActivityRow, who
from pgtop.ui.text import sql_text


def detail(row: ActivityRow, findings: Sequence[Finding]) -> Text:
    """Everything about a session, what waits for it, and what would end it."""
    text = Text()
    session = row.session
    text.append(safe(_title(row)), "bold")
    for finding in findings:
        text.append(f"\n! {safe(finding.title)}. {safe(finding.why)}", "bold")
        if finding.no_remedy:
            text.append(f"\n  {safe(finding.no_remedy)}")
    if row.wait is not None:
        wait = row.wait
        since = units.UNKNOWN if row.waited[0] is None else units.seconds(row.waited[0])
        text.append(
            f"\nwaits  {wait.mode} on {safe(wait.relation or wait.locktype)}"
            f" for {'' if row.waited[1] else 'at least '}{since},"
            f" behind {units.plural(wait.blocked_by, 'session')}: {safe(wait.blockers)}"
        )
        if wait.held:
            text.append(f"\nheld   {safe(wait.held.replace(',', ', '))}")
    if row.root is not None:
        text.append("\n" + _root_words(row.root))
    if session is None:
        return text
    text.append("\n" + _times(session, row.now) + "\n")
    if session.query:
        text.append("\n")
        text.append_text(sql_text(session.query))
        if len(session.query) >= 1_000:
            text.append("\n(first 1,000 characters)", "dim")
    ends = end_sql(session)
    never = NEVER.get(row.root.kind, "") if row.root is not None else ""
    nothing = f"no cancel: {never}" if never else "nothing here should be cancelled"
    text.append(f"\n\ny copies\n{safe(ends, lines=True)}" if ends else f"\n\n{nothing}", "dim")
    return text


def _title(row: ActivityRow) -> str:
    session = row.session
    if session is None:
        return row.root.name if row.root is not None else f"pid {row.pid} is gone"
    workers = f", {units.plural(row.workers, 'parallel worker')}" if row.workers else ""
    return f"pid {session.pid}   {who(session)} on {session.datname or 'no database'}{workers}"


def _root_words(root: Root) -> str:
    words = f"frees  {root.freed} of {units.plural(root.waiting, 'waiting session')} if it ends"
    if root.others:
        words += f"; also in the way: pid {', '.join(map(str, root.others))}"
    if root.holder is not None:
        words += f"\nholds  {units.plural(root.holder.locks, 'lock')}"
        if root.holder.relations:
            words += f": {safe(root.holder.relations.replace(',', ', '))}"
    return words


def _times(session: Session, now: float) -> str:
    def ago(moment: float | None) -> str:
        return units.NOTHING if moment is None else units.age(max(0.0, now - moment))

    parts = [
        f"state {session.state or session.backend_type or units.UNKNOWN} for"
        f" {ago(session.state_change)}",
        f"transaction {ago(session.xact_start)}", f"statement {ago(session.query_start)}",
        f"connected {ago(session.backend_start)}",
    ]  # fmt: skip
    if session.event:
        parts.append(f"waits for {session.event}")
    if session.xid_age is not None:
        parts.append(f"has written, its transaction {units.count(session.xid_age)} back")
    if session.xmin_age is not None:
        parts.append(f"its snapshot {units.count(session.xmin_age)} transactions back")
    if session.query_id:
        parts.append(f"query_id {session.query_id}")
    return safe("; ".join(parts))
