"""Indexes that repeat another: the same keys, or the front of wider ones."""

from __future__ import annotations

from collections.abc import Iterator

from pgtop.advice import Facts, NotJudged, Rule
from pgtop.advice.index_facts import IndexFacts, gathered, kept, kept_in_slices, listed
from pgtop.advice.index_going import going
from pgtop.advice.index_remedies import dropped
from pgtop.advice.index_use import scans, size_bytes, subject
from pgtop.analysis import units
from pgtop.analysis.keys import ANY_ORDER, covers
from pgtop.model.finding import Cost, Finding
from pgtop.model.index import Index
from pgtop.model.table import Table

Pair = tuple[Index, Index, str]
"""(index to drop, the one that does its work, equal or wider)."""


def comparing(facts: Facts) -> Iterator[None]:
    """Compare all indexes in slices, for rules: see `Rule.prepare`."""
    try:
        found, gone, inputs = _inputs(facts)
    except NotJudged:
        return
    yield from kept_in_slices(found.usage, "repeated", inputs, lambda: _compared(found, gone))


def _inputs(facts: Facts) -> tuple[IndexFacts, frozenset[int], tuple[object, ...]]:
    """The facts, what is offered for a drop for want of use, and all that is looked at."""
    found, gone = gathered(facts), going(facts)
    facts.rows(Table)  # what brings a partitioned index back names its table
    usage = found.usage
    return found, gone, (found.by_table, gone, usage.leaves, bool(usage.indexes))


def _compared(found: IndexFacts, gone: frozenset[int]) -> Iterator[list[Finding]]:
    """What repeats another, table by table."""
    for indexes in found.by_table.values():
        yield [_repetition(found, *pair) for pair in _pairs(indexes, gone)]


def _pairs(indexes: list[Index], unused: frozenset[int] = frozenset()) -> Iterator[Pair]:
    """Those of one table, no index both ways; none is left to one that goes itself."""
    if len(indexes) < 2:
        return
    gone: set[int] = set()
    for narrow in sorted(indexes, key=_worth):
        best: tuple[Index, str] | None = None
        for wide in indexes:
            if wide is narrow or wide.indexrelid in gone or wide.indexrelid in unused:
                continue
            if not _comparable(wide, narrow):
                continue
            how = covers(wide, narrow)
            if how == "equal" or (how and (best is None or wide.indnkeyatts > _width(best))):
                best = (wide, how)
                if how == "equal":
                    break
        if best is not None and _may_go(narrow):
            gone.add(narrow.indexrelid)
            yield narrow, best[0], best[1]


def _width(best: tuple[Index, str]) -> int:
    return best[0].indnkeyatts


def _worth(index: Index) -> tuple[object, ...]:
    """The least worth keeping first: of equal ones the one that nothing rests on, the younger."""
    return (
        index.constraint, index.referenced, index.indisreplident, index.indisunique, index.indnatts,
        -index.indexrelid,
    )  # fmt: skip


def _comparable(a: Index, b: Index) -> bool:
    """Cheap, before keys are taken apart: most pairs differ in their first column."""
    if a.amname != b.amname or a.indpred != b.indpred:
        return False
    return a.amname in ANY_ORDER or a.indkey.split(" ", 1)[0] == b.indkey.split(" ", 1)[0]


def _may_go(narrow: Index) -> bool:
    """Whether nothing but its keys hangs on it; foreign keys and uniqueness the other serves."""
    return not (
        narrow.indisprimary
        or narrow.constraint
        or narrow.referenced
        or narrow.indisexclusion
        or narrow.indisreplident
        or narrow.indisclustered
        or narrow.extension
        or narrow.parent
        or not narrow.indisvalid
    )


def duplicate(facts: Facts) -> Iterator[Finding]:
    """Two indexes of the same keys."""
    yield from (f for f in _repeated(facts) if f.rule == "index.duplicate")


def redundant(facts: Facts) -> Iterator[Finding]:
    """An index that is the front of another."""
    yield from (f for f in _repeated(facts) if f.rule == "index.redundant")


def repeated(facts: Facts) -> frozenset[tuple[str | None, str]]:
    """(schema, name) of the indexes whose work another one does."""
    findings = _repeated(facts)
    made: frozenset[tuple[str | None, str]] = kept(
        gathered(facts).usage, "repeated names", (findings,),
        lambda: frozenset((f.subject.schema, f.subject.name) for f in findings),
    )  # fmt: skip
    return made


def _repeated(facts: Facts) -> tuple[Finding, ...]:
    found, gone, inputs = _inputs(facts)
    made: tuple[Finding, ...] = kept(
        found.usage, "repeated", inputs,
        lambda: listed(finding for some in _compared(found, gone) for finding in some),
    )  # fmt: skip
    return made


def _repetition(found: IndexFacts, narrow: Index, wide: Index, how: str) -> Finding:
    size, other = size_bytes(found, narrow), size_bytes(found, wide)
    read, read_other = scans(found, narrow), scans(found, wide)
    same = how == "equal"
    what = "has the same keys as" if same else "is the front of"
    caution = (
        ""
        if same
        else f"; {wide.relname} has more bytes a row, so scans for the first columns alone may"
        " take a little longer"
    )
    return Finding(
        rule="index.duplicate" if same else "index.redundant",
        severity="notice",
        subject=subject(found, narrow),
        title=f"{narrow.relname} {what} {wide.relname}: {units.size(size)}",
        why=(
            f"{narrow.relname} ({units.size(size)}, {units.count(read)} scans) {what}"
            f" {wide.relname} ({units.size(other)}, {units.count(read_other)} scans): every"
            f" write maintains both{caution}"
        ),
        evidence={
            "covered_by": wide.relname,
            "size_bytes": size,
            "covering_size_bytes": other,
            "scans": read,
            "covering_scans": read_other,
        },
        cost=Cost(bytes=size),
        confidence="proved",
        remedy=dropped(found, narrow),
    )


REPEAT_RULES: tuple[Rule, ...] = (
    Rule("index.duplicate", duplicate, comparing),
    Rule("index.redundant", redundant, comparing),
)
