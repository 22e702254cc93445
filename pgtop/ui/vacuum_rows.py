"""Which tables the Autovacuum tab shows one by one, in which order, and which are folded."""

from __future__ import annotations

from collections.abc import Mapping

from pgtop.advice.thresholds import autovacuum as limits
from pgtop.advice.vacuum_case import Case, case, judged
from pgtop.analysis.vacuum.state import VacuumState
from pgtop.ui.vacuum_columns import TROUBLE

FOLDED = 0
"""The key of the line that stands for the small tables."""

FOLD_FROM = 40
"""So many small tables are shown one by one; more are folded into one line."""

MOST_SMALL = 500
"""Unfolded, the most pressing so many."""


class VacuumRows:
    """The order of the rows, kept from one reading to the next."""

    def __init__(self) -> None:
        self.unfolded = False
        self.wanted: int | None = None
        """A table that a finding led to: shown by itself however small."""

        self.folded: list[int] = []
        """What the line `FOLDED` stands for."""

        self._cases: dict[int, Case] = {}
        self._sorted: tuple[Mapping[int, float], list[int]] | None = None

    def keys(self, state: VacuumState, filter_text: str) -> list[int]:
        """Big tables and those in trouble one by one, the many small ones in one line."""
        needle = filter_text.lower()
        keys = self._single(state, needle)
        small = self._small(state)
        if needle:
            small = [r for r in small if needle in state.label(state.tables[r]).lower()]
        taken = set(keys)
        if self.unfolded or needle or len(small) - len(taken) <= FOLD_FROM:
            keys += [relid for relid in small[: MOST_SMALL + len(taken)] if relid not in taken]
            small = small[MOST_SMALL + len(taken) :]
            taken = set(keys)
        wanted = self.wanted
        if wanted is not None and wanted in state.tables and wanted not in taken and not needle:
            keys.append(wanted)
            taken.add(wanted)
        self.folded = [] if needle else [relid for relid in small if relid not in taken]
        return [*keys, FOLDED] if self.folded else keys

    def case_of(self, state: VacuumState, relid: int) -> Case:
        """One of them worked out."""
        return self._cases.get(relid) or case(state, relid)

    def _single(self, state: VacuumState, needle: str) -> list[int]:
        cases = self._cases = {one.key: one for one in judged(state)}
        shown: list[Case] = []
        for one in cases.values():
            seen = one.seen
            if seen.table.system and seen.pressure.most <= 1 and not seen.run:
                continue
            big = seen.table.size_bytes >= limits.SMALL_BYTES
            trouble = TROUBLE.get(one.word) in ("critical", "warning")
            alone = big or trouble or seen.run or one.key == self.wanted
            if alone and needle in seen.label.lower():
                shown.append(one)
        return [one.key for one in sorted(shown, key=_order)]

    def _small(self, state: VacuumState) -> list[int]:
        """User tables by pressure; sorted once for each reading of all tables."""
        if self._sorted is None or self._sorted[0] is not state.pressures:
            pressures, tables = state.pressures, state.tables
            order = sorted(
                (relid for relid in pressures if not tables[relid].system),
                key=pressures.__getitem__,
                reverse=True,
            )
            self._sorted = (pressures, order)
        return self._sorted[1]


def _order(one: Case) -> tuple[float, float]:
    """Most dead space beyond the threshold first, then the nearest to a trigger."""
    return -one.seen.excess_bytes, -one.seen.pressure.most
