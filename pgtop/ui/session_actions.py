"""Cancel and terminate: the question before, the audit line, the act, and what came of it."""

from __future__ import annotations

import time
from typing import Any, cast

from rich.text import Text
from textual.app import App

from pgtop.advice.ending import endable
from pgtop.analysis import units
from pgtop.analysis.redact import mask_literals
from pgtop.model.sample import Sample, SourceError
from pgtop.model.server import Link
from pgtop.model.session import Ended, EndOf, Session
from pgtop.state.audit import noted
from pgtop.state.files import NowhereToWrite
from pgtop.terminal.safe import safe
from pgtop.ui.frame import Frame
from pgtop.ui.plan_analyze import RunScreen

MOST_TEXT, MOST_LINES = 400, 4
"""Of the statement in the question, which is to fit the smallest screen."""


def why_not(session: Session | None, *, terminate: bool) -> str | None:
    """Why this row cannot be acted on; None if it can."""
    if session is None:
        return "there is no session here: a prepared transaction ends by its own statement (y)"
    if session.hidden or session.backend_start is None:
        return "this role may not see which session it is: GRANT pg_monitor"
    if not endable(session):
        return "this one must not be ended: Enter says why"
    if not terminate and session.state != "active":
        return "it runs no statement, a cancel would do nothing: K ends the session"
    return None


async def end_session(
    app: App[Any], session: Session, *, terminate: bool, now: float, freed: int | None = None
) -> None:
    """Ask, note, act, note. `now` is the server's clock when the row was read.

    The session is the one that was under the cursor when the key was pressed: rows that
    move meanwhile change nothing.
    """
    frame = cast(Frame, app)
    if not await app.push_screen_wait(RunScreen(question(session, terminate, now, freed))):
        return
    what = "terminate" if terminate else "cancel"
    request = EndOf(
        pid=session.pid,
        backend_start=session.backend_start or 0.0,
        terminate=terminate,
        query_start=None if terminate else session.query_start,
        xact_start=session.xact_start if terminate and session.idle_in_transaction else None,
    )
    try:
        noted({"action": what, "step": "confirmed", "server": _server(frame), **_named(session)})
    except NowhereToWrite as error:
        frame.note(f"nothing was done: the audit file cannot be written: {error}", "error")
        return
    try:
        said = outcome(await frame.ask(request), session, what)
    except SourceError as error:
        said = f"{what} pid {session.pid}: {error.why}"
    _note_outcome(frame, what, session, said)
    frame.note(said)
    frame.schedule.now()


def _note_outcome(frame: Frame, what: str, session: Session, said: str) -> None:
    try:
        noted({"action": what, "step": "outcome", "pid": session.pid, "outcome": safe(said)})
    except NowhereToWrite as error:
        frame.note(f"the outcome is not in the audit file: {error}", "warning")


def _server(frame: Frame) -> str | None:
    found = frame.schedule.board.samples.get(Link)
    if not isinstance(found, Sample) or not found.rows:
        return None
    link: Link = found.rows[0]
    return f"{link.host}:{link.port}"


def _named(session: Session) -> dict[str, str | int | float | bool | None]:
    return {
        "pid": session.pid,
        "backend_start": session.backend_start,
        "user": session.usename,
        "database": session.datname,
        "application": session.application_name,
        "client": session.client_addr,
        "state": session.state,
        "query_start": session.query_start,
        "statement": mask_literals(session.query or ""),
    }


def outcome(done: Ended, session: Session, what: str) -> str:
    """What came of it, as a sentence."""
    if not done.found:
        return f"pid {session.pid} is not that session any more: nothing was done"
    if not done.same:
        went_on = "runs another statement" if what == "cancel" else "is in another transaction"
        return f"pid {session.pid} {went_on} by now: nothing was done"
    if not done.sent:
        return f"{what} pid {session.pid}: the signal could not be sent"
    return f"{what} sent to pid {session.pid}; it obeys when it can"


def question(session: Session, terminate: bool, now: float, freed: int | None) -> Text:
    """Whom, since when, at what, and what it brings."""
    asked = Text()
    what = "End this session?" if terminate else "Cancel this statement?"
    asked.append(f"{what}      Y  do it      Esc  leave it\n\n", "bold")
    start = session.backend_start or 0.0
    stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(start))
    place = session.client_addr or "a local socket"
    lines = (
        ("pid", str(session.pid)),
        ("user", f"{session.usename or units.UNKNOWN} on {session.datname or units.UNKNOWN}"),
        ("application", f"{session.application_name or units.NOTHING} from {place}"),
        ("started", f"{stamp}, {units.age(max(0.0, now - start))} ago"),
        ("state", _state(session, now)),
        *((("frees", units.plural(freed, "waiting session")),) if freed else ()),
    )
    for name, value in lines:
        asked.append(f"{name:<12} {safe(value)}\n")
    statement = safe((session.query or "")[:MOST_TEXT], lines=True)
    asked.append("\n" + "\n".join(statement.split("\n")[:MOST_LINES]) + "\n\n")
    if terminate:
        lost = " what it wrote is lost," if session.xid_age is not None else ""
        asked.append(f"Its transaction is rolled back,{lost} its client loses the connection.\n")
    else:
        asked.append("The statement fails, its transaction with it; the session stays.\n")
    asked.append("Only if it is still that session, and still at this.", "dim")
    return asked


def _state(session: Session, now: float) -> str:
    since = session.query_start if session.state == "active" else session.state_change
    return (
        session.state or units.UNKNOWN
        if since is None
        else (f"{session.state} for {units.age(max(0.0, now - since))}")
    )
