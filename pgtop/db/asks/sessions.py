"""The one thing pgtop may do to a server: end what a session does, after a question."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pgtop.db.connection import Statement
from pgtop.model.session import Ended, EndOf

if TYPE_CHECKING:
    from pgtop.db.collector import Collector

_END = """\
SELECT /* pgtop */ {function}(pid) FROM pg_stat_activity
 WHERE pid = %s AND extract(epoch FROM backend_start)::float8 = %s AND pid <> pg_backend_pid()
"""


async def end_of(collector: Collector, request: EndOf) -> Ended:
    """Found and signalled in one statement: between the look and the act nothing can change."""
    function = "pg_terminate_backend" if request.terminate else "pg_cancel_backend"
    (rows,) = await collector.rows(
        [Statement(_END.format(function=function), (request.pid, request.backend_start))],
        what=function,
    )
    return Ended(found=bool(rows), sent=bool(rows and rows[0][0]))


ASKS = {EndOf: end_of}
