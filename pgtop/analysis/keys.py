"""What an index's keys are, so that two indexes can be compared without a look at definitions.

An expression or a predicate is its stored tree, from which the query has taken the places
in the source text: equal trees, equal expressions.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pgtop.model.index import ForeignKey, Index, OperatorClass

Key = tuple[str, str, str, int]
"""Column number or expression, operator class, collation, option bits (1 DESC, 2 NULLS FIRST)."""

BOTH = 3
"""DESC and NULLS FIRST together: a scan backwards."""

_NOT_NULL = re.compile(
    r"\(?\{NULLTEST :arg \{VAR :varno 1 :varattno (\d+) [^{}]*\} :nulltesttype 1 "
    r":argisrow false *\}\)?"
)

ANY_ORDER = frozenset({"gin", "brin"})
"""Methods for which the order of the columns means nothing."""


@dataclass(frozen=True, slots=True)
class Keys:
    """An index as far as its keys go."""

    keys: tuple[Key, ...]
    include: frozenset[str]
    predicate: str | None
    method: str

    @property
    def reversed(self) -> tuple[Key, ...]:
        """The keys as a scan backwards has them."""
        return tuple((what, opclass, coll, bits ^ BOTH) for what, opclass, coll, bits in self.keys)


def keys_of(index: Index) -> Keys:
    """The keys of an index."""
    expressions = iter(split_trees(index.indexprs or ""))
    columns = [next(expressions, "?") if n == "0" else n for n in index.indkey.split()]
    classes, collations = index.indclass.split(), index.indcollation.split()
    options = [int(bits) for bits in index.indoption.split()]
    count = index.indnkeyatts
    keys = tuple(
        (columns[i], classes[i], collations[i], options[i] if i < len(options) else 0)
        for i in range(min(count, len(columns), len(classes), len(collations)))
    )
    return Keys(keys, frozenset(columns[count:]), index.indpred, index.amname)


def split_trees(listed: str) -> list[str]:
    """The trees of a stored list `({…} {…})`, each by itself. A backslash escapes a character."""
    found: list[str] = []
    depth, start, place = 0, 0, 0
    while place < len(listed):
        char = listed[place]
        if char == "\\":
            place += 2
            continue
        if char == "{":
            if depth == 0:
                start = place
            depth += 1
        elif char == "}" and depth:
            depth -= 1
            if depth == 0:
                found.append(listed[start : place + 1])
        place += 1
    return found


Cover = Literal["equal", "wider"]


def covers(wide: Index, narrow: Index) -> Cover | None:
    """Whether `wide` does all that `narrow` does, by its keys alone; None: it does not.

    What else hangs on `narrow` (a constraint, replica identity) is not looked at here.
    """
    if (
        wide.indrelid != narrow.indrelid
        or wide.amname != narrow.amname
        or not (wide.indisvalid and wide.indislive)
    ):
        return None
    a, b = keys_of(wide), keys_of(narrow)
    if a.predicate != b.predicate:
        return None
    if not b.include <= a.include | {key[0] for key in a.keys}:
        return None
    same = _same(a, b)
    if narrow.indisunique and not (same and _as_strict(wide, narrow)):
        return None
    if same:
        return "equal" if a.include == b.include else "wider"
    return "wider" if _starts_with(a, b) else None


def _same(a: Keys, b: Keys) -> bool:
    if a.method in ANY_ORDER:
        return set(a.keys) == set(b.keys)
    return b.keys in (a.keys, a.reversed)


def _starts_with(a: Keys, b: Keys) -> bool:
    if a.method in ANY_ORDER:
        return set(b.keys) < set(a.keys)
    if a.method != "btree" and a.method != "gist":
        return False
    count = len(b.keys)
    return count < len(a.keys) and b.keys in (a.keys[:count], a.reversed[:count])


def _as_strict(wide: Index, narrow: Index) -> bool:
    return (
        wide.indisunique
        and wide.indimmediate >= narrow.indimmediate
        and wide.indnullsnotdistinct >= narrow.indnullsnotdistinct
    )


# -- foreign keys ------------------------------------------------------------------------

Support = Literal[0, 1, 2, 3]
"""3 full, 2 only a leading part of the columns, 1 a method that is weak at it, 0 none."""


def support(key: ForeignKey, index: Index, classes: Mapping[int, OperatorClass]) -> Support:
    """How well an index of the referencing table finds the rows of a referenced one."""
    if not (index.indisvalid and index.indislive and index.indisready):
        return 0
    columns = key.conkey.split()
    if index.indpred is not None and not _only_not_null(index.indpred, columns):
        return 0
    fits = [_fits(key, columns, part, classes) for part in keys_of(index).keys]
    if not fits or not fits[0]:
        return 0
    if index.amname == "btree":
        leading = {part[0] for part in keys_of(index).keys[: len(columns)]}
        return 3 if all(fits[: len(columns)]) and leading == set(columns) else 2
    if index.amname == "hash":
        return 3 if len(columns) == 1 else 2
    return 1


def _only_not_null(predicate: str, columns: Sequence[str]) -> bool:
    """Whether the predicate is `column IS NOT NULL` and nothing else: `column = $1` implies it."""
    found = _NOT_NULL.fullmatch(predicate.strip())
    return found is not None and len(columns) == 1 and found.group(1) == columns[0]


def _fits(
    key: ForeignKey, columns: Sequence[str], part: Key, classes: Mapping[int, OperatorClass]
) -> bool:
    what, opclass, collation, _ = part
    if what not in columns:
        return False
    place = columns.index(what)
    if key.collations.split()[place] != collation:
        return False
    known = classes.get(int(opclass))
    return known is not None and str(known.opcfamily) in key.families.split(",")[place].split()


def best_support(
    key: ForeignKey, indexes: Sequence[Index], classes: Mapping[int, OperatorClass]
) -> Support:
    """The best that these indexes do for a foreign key."""
    found: Support = 0
    for index in indexes:
        found = max(found, support(key, index, classes))
    return found
