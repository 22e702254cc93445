"""One module a tab. `PANES` is their order on screen."""

from __future__ import annotations

from pgtop.ui.live_pane import LivePane
from pgtop.ui.panes.autovacuum import AutovacuumPane
from pgtop.ui.panes.plan import PlanPane
from pgtop.ui.panes.queries import QueriesPane
from pgtop.ui.panes.tray import TrayPane

PANES: tuple[type[LivePane], ...] = (QueriesPane, PlanPane, AutovacuumPane, TrayPane)
