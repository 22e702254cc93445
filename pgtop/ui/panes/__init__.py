"""One module a tab. `PANES` is their order on screen; a tab's module is imported when it opens."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module

from pgtop.model.finding import Finding
from pgtop.ui.live_pane import LivePane


@dataclass(frozen=True, slots=True)
class Tab:
    """What the frame knows of a tab before it is opened."""

    NAME: str
    DIGIT: str
    TITLE: str
    SHORT: str
    """Its name at 80 columns."""

    PANE: str
    """The class, in the module of the tab's name."""

    RULES: tuple[str, ...] = ()
    """Beginnings of the names of the rules whose findings this tab explains."""

    def owns(self, finding: Finding) -> bool:
        """Whether this tab is where a finding is explained."""
        return finding.rule.startswith(self.RULES) if self.RULES else False

    def load(self) -> type[LivePane]:
        """Import its module, some tens of milliseconds, and give the class."""
        found: type[LivePane] = getattr(import_module(f"pgtop.ui.panes.{self.NAME}"), self.PANE)
        return found


PANES: tuple[Tab, ...] = (
    Tab("overview", "1", "Overview", "Over", "OverviewPane"),
    Tab("activity", "2", "Activity", "Act", "ActivityPane",
        ("locks.", "wait.", "connections.idle", "replication.sync_wait")),
    Tab("queries", "3", "Queries", "Query", "QueriesPane", ("query.", "io.")),
    Tab("plan", "4", "Plan", "Plan", "PlanPane"),
    Tab("indexes", "5", "Indexes", "Index", "IndexesPane",
        ("index.", "table.bloated", "table.stale_statistics", "sequence.")),
    Tab("autovacuum", "6", "Autovacuum", "Vacuum", "AutovacuumPane",
        ("autovacuum.", "wraparound.", "table.fillfactor", "partition.")),
    Tab("connections", "7", "Connections", "Conn", "ConnectionsPane",
        ("connections.near", "pool.")),
    Tab("replication", "8", "Replication", "Repl", "ReplicationPane",
        ("replication.", "wal.", "checkpoint.", "integrity.", "server.")),
    Tab("tray", "9", "DDL", "DDL", "TrayPane"),
)  # fmt: skip


def owner(finding: Finding) -> Tab | None:
    """The tab that explains a finding."""
    return next((tab for tab in PANES if tab.owns(finding)), None)
