"""The line of tabs: where we are is always in view."""

from __future__ import annotations

import pytest
from rich.cells import cell_len

from pgtop.ui.around import tab_line
from pgtop.ui.panes import PANES
from pgtop.ui.table_columns import Tone

MARKS: dict[str, tuple[str, Tone]] = {pane.NAME: ("‼99", "critical") for pane in PANES}


@pytest.mark.parametrize("chosen", [pane.NAME for pane in PANES])
@pytest.mark.parametrize("width", [60, 72, 80, 100])
def test_every_tab_is_in_view(width: int, chosen: str) -> None:
    for marks in (MARKS, {}):
        text = "".join(piece for piece, _ in tab_line(chosen, marks, width).left)
        assert cell_len(text.rstrip()) <= width
        (pane,) = (pane for pane in PANES if chosen == pane.NAME)
        assert f"[{pane.DIGIT} {pane.SHORT}]" in text
        assert all(other.DIGIT in text for other in PANES)
