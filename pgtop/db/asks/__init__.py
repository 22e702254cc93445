"""One module a kind of question. `ASKS` finds who answers a request."""

from __future__ import annotations

from typing import Any

from pgtop.db.asks import indexes, plan, statements, tray

ASKS: dict[type[Any], Any] = {
    **indexes.ASKS,
    **statements.ASKS,
    **plan.ASKS,
    **tray.ASKS,
}
