"""The one thing pgtop may do to a server: end what a session does, after a question."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pgtop.db.connection import Statement
from pgtop.model.session import Ended, EndOf

if TYPE_CHECKING:
    from pgtop.db.collector import Collector

_END = """\
SELECT /* pgtop */ s.same, CASE WHEN s.same THEN {function}(s.pid) ELSE false END
  FROM (SELECT pid, coalesce({still}, false) AS same FROM pg_stat_activity
         WHERE pid = %s::int8 AND extract(epoch FROM backend_start)::float8 = %s::float8
           AND pid <> pg_backend_pid()) s
"""

_SAME_STATEMENT = "state = 'active' AND extract(epoch FROM query_start)::float8 = %s::float8"
_SAME_TRANSACTION = "extract(epoch FROM xact_start)::float8 = %s::float8"


async def end_of(collector: Collector, request: EndOf) -> Ended:
    """Looked for and signalled in one statement, so that nothing comes between."""
    function, still, values = _asked(request)
    (rows,) = await collector.rows(
        [
            Statement(
                _END.format(function=function, still=still),
                (*values, request.pid, request.backend_start),
            )
        ],
        what=function,
    )
    same, sent = rows[0] if rows else (False, False)
    return Ended(found=bool(rows), same=same, sent=bool(sent))


def _asked(request: EndOf) -> tuple[str, str, tuple[float | None, ...]]:
    """(function, condition under which it is still what was meant, its values)."""
    if not request.terminate:
        return "pg_cancel_backend", _SAME_STATEMENT, (request.query_start,)
    if request.xact_start is not None:
        return "pg_terminate_backend", _SAME_TRANSACTION, (request.xact_start,)
    return "pg_terminate_backend", "true", ()


ASKS: dict[type[Any], Any] = {EndOf: end_of}
