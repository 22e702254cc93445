"""One module a tab. `PANES` is their order on screen."""

from __future__ import annotations

from pgtop.ui.live_pane import LivePane
from pgtop.ui.panes.queries import QueriesPane

PANES: tuple[type[LivePane], ...] = (QueriesPane,)
