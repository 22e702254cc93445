"""Which indexes might serve a statement: equality, then one range or an order, and the kin.

They only have to be likely: each is priced, and what the planner does not use is thrown out.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from pgtop.advice.thresholds import advisor as limit
from pgtop.advisor.terms import Term, branches, distinct_values, own_text, rare, terms
from pgtop.advisor.wishes import Wish
from pgtop.model.advice import WorkColumn, WorkIndex, WorkTable
from pgtop.model.cost import NewIndex

Bundle = frozenset[NewIndex]
"""Indexes that only help together, such as one for each branch of an OR; mostly one."""

FIRST_USER_OID = 16384
"""FirstNormalObjectId (access/transam.h): below are the catalogues."""


@dataclass(frozen=True, slots=True)
class Candidates:
    """What may serve one statement, likeliest first, and what no index can do for it."""

    bundles: tuple[Bundle, ...]
    said: tuple[str, ...] = ()


def candidates(
    wishes: Iterable[Wish],
    *,
    updated: Mapping[int, frozenset[str]],
    extensions: frozenset[str],
) -> Candidates:
    """For one statement. `updated`: table -> columns that UPDATEs of the workload set."""
    said: list[str] = []
    columns: list[list[Bundle]] = []
    for wish in wishes:
        why = _not_for(wish.table)
        if why is not None:
            said.extend([why] if why else [])
            continue
        maker = _Maker(wish, updated.get(wish.table.relid, frozenset()), extensions, said)
        columns.append(list(dict.fromkeys(maker.bundles())))
    turns = itertools.zip_longest(*columns)
    found = [bundle for turn in turns for bundle in turn if bundle is not None]
    return Candidates(tuple(dict.fromkeys(found))[: limit.MOST_CANDIDATES], _once(said))


def _once(said: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(said))


def _not_for(table: WorkTable) -> str | None:
    """Why no index is looked for: empty where that needs no word, None where one is."""
    if table.relid < FIRST_USER_OID or table.kind not in ("r", "m", "p"):
        return ""
    if table.policies:
        return (
            f"row security is on for {table.name}: what this role's plan shows is not what the"
            " application's does"
        )
    if table.rows is not None and table.rows < limit.SMALL_ROWS:
        return "" if table.pages <= limit.SMALL_PAGES else None
    return None


def canonical(key: str) -> str:
    """A key as the server would print it: no brackets around an expression, one blank."""
    text = " ".join(key.split())
    while text.startswith("(") and text.endswith(")") and _closes_last(text):
        text = text[1:-1].strip()
    return text.replace('"', "")


def _closes_last(text: str) -> bool:
    depth = 0
    for place, char in enumerate(text):
        depth += {"(": 1, ")": -1}.get(char, 0)
        if depth == 0 and place < len(text) - 1:
            return False
    return True


def served_by(table: WorkTable, new: NewIndex) -> WorkIndex | None:
    """An index that exists and does all that `new` would do."""
    keys = tuple(map(canonical, new.keys))
    for index in table.indexes:
        if not index.valid or index.method != new.method:
            continue
        if index.predicate and canonical(index.predicate) != canonical(new.where):
            continue
        own = tuple(map(canonical, index.keys))
        extra = {canonical(column) for column in new.include}
        carried = {*own, *map(canonical, index.include)}
        if own[: len(keys)] == keys and extra <= carried:
            return index
    return None


def covers(new: NewIndex, index: WorkIndex) -> bool:
    """Whether `new` does all that an existing index does."""
    keys = tuple(map(canonical, index.keys))
    return (
        index.method == new.method
        and canonical(index.predicate or "") == canonical(new.where)
        and tuple(map(canonical, new.keys))[: len(keys)] == keys
        and {*map(canonical, index.include)}
        <= {*map(canonical, new.include), *map(canonical, new.keys)}
    )


class _Maker:
    """The candidates of one wish."""

    def __init__(
        self, wish: Wish, updated: frozenset[str], extensions: frozenset[str], said: list[str]
    ) -> None:
        self.wish, self.table = wish, wish.table
        self.updated, self.extensions, self.said = updated, extensions, said
        found = terms(wish, said)
        order = sorted(found, key=lambda term: (term.kind == "in", term.selectivity))
        self.equal = [t for t in order if t.kind in ("equal", "in") and self._indexable(t)]
        self.ranges = [t for t in found if t.kind == "range" and self._indexable(t)]
        self.others = [t for t in found if t.kind in ("pattern", "container", "not null")]

    def bundles(self) -> Iterator[Bundle]:
        """Likeliest first."""
        for new in itertools.chain(
            self._by_conditions(), self._special(), self._by_joins(), self._partial(), self._wide()
        ):
            if new is None:
                continue
            existing = served_by(self.table, new)
            if existing is None:
                yield frozenset({new})
            else:
                self._say_unused(existing, new)
        yield from self._by_branches()

    def _say_unused(self, existing: WorkIndex, new: NewIndex) -> None:
        """Why an index that exists is not used, where it would bring few rows."""
        node = self.wish.node
        kept = (node.figure("Plan Rows") or 0.0) / max(self.table.rows or 1.0, 1.0)
        asked = tuple(term.sql for term in self.equal)
        if node.node_type != "Seq Scan" or kept > limit.GAIN or new.keys != asked:
            return
        self.said.append(
            f"{existing.name} begins with ({', '.join(new.keys)}) already, and the planner reads"
            f" {self.table.name} whole: look at random_page_cost and at its statistics"
        )

    # -- B-trees --------------------------------------------------------------------------

    def _by_conditions(self) -> Iterator[NewIndex | None]:
        equal = tuple(term.sql for term in self.equal)
        yield from self._with_tail(equal)
        for length in range(len(equal) - 1, 1, -1):
            yield self._btree(equal[:length])
        for key in equal:
            yield self._btree((key,))
        for key in equal[:2] if len(equal) > 1 else ():
            yield from self._with_tail((key,), covering=False)
        if equal:
            yield from self._with_tail((), covering=False)
        ranges = [term.sql for term in self.ranges]
        for one, other in itertools.permutations(dict.fromkeys(ranges), 2):
            yield self._btree((*equal, one, other))

    def _with_tail(
        self, lead: tuple[str, ...], *, covering: bool = True
    ) -> Iterator[NewIndex | None]:
        """`lead` with each order, with each range, alone; each carrying what is needed too."""
        tails = [*self.wish.orders, *((term.sql,) for term in self.ranges)]
        if not self.wish.limited:
            tails.sort(key=lambda tail: tail in self.wish.orders)
        shapes = [(*lead, *(key for key in tail if _bare(key) not in lead)) for tail in tails]
        for shape in dict.fromkeys((*shapes, lead)):
            yield self._btree(shape)
            if covering:
                yield self._btree(shape, covering=True)

    def _by_joins(self) -> Iterator[NewIndex | None]:
        """For the inner side of a loop, from each other table and from all at once."""
        equal = tuple(term.sql for term in self.equal)
        groups = [
            tuple(
                column.sql
                for condition in found
                if condition.expression is None
                and condition.cast is None
                and (column := self.table.column(condition.column)) is not None
                and column.orderable
            )
            for found in self.wish.joins.values()
        ]
        groups = [group for group in dict.fromkeys(groups) if group]
        together = tuple(dict.fromkeys(key for group in groups for key in group))
        for group in dict.fromkeys((*groups, together) if together else groups):
            ordered = tuple(sorted(group, key=self._commonness))
            yield self._btree(ordered)
            for shape in ((*ordered, *equal), (*equal, *ordered)) if equal else ():
                yield self._btree(shape)
            yield self._btree((*ordered, *equal), covering=True)
            for term in self.ranges[:2]:
                yield self._btree((*ordered, *equal, term.sql))
                yield self._btree((*equal, term.sql), covering=True)

    def _commonness(self, key: str) -> float:
        column = next((c for c in self.table.columns if c.sql == key), None)
        return -distinct_values(column, self.table) if column else 0.0

    def _partial(self) -> Iterator[NewIndex | None]:
        """On the rows alone for which a constant of the text holds."""
        every = [*self.equal, *(t for t in self.others if t.kind == "not null")]
        for term in (each for each in every if rare(each, self.table)):
            rest = tuple(t.sql for t in self.equal if t is not term)
            shapes = [(*rest, *order) for order in self.wish.orders]
            shapes += [(*rest, other.sql) for other in self.ranges]
            shapes += [rest] if rest else []
            joined = [
                (column.sql,)
                for found in self.wish.joins.values()
                for condition in found[:1]
                if (column := self.table.column(condition.column)) is not None
            ]
            if term.condition.kind in ("equal", "boolean"):
                joined = joined or [(term.sql,)]
            for shape in dict.fromkeys(shapes or joined):
                yield self._btree(shape, where=own_text(term.condition.text, self.wish), only=term)

    def _by_branches(self) -> Iterator[Bundle]:
        """One index for each branch of an OR: the planner joins their bitmaps."""
        for parts in branches(self.wish):
            best = [min(part, key=lambda term: term.selectivity) for part in parts]
            made = [self._btree((t.sql,)) for t in best if self._indexable(t)]
            if len(made) == len(best) and all(made):
                missing = [new for new in made if new and served_by(self.table, new) is None]
                if missing:
                    yield frozenset(missing)

    # -- other methods --------------------------------------------------------------------

    def _special(self) -> Iterator[NewIndex | None]:
        for term in self.others:
            if term.kind == "pattern":
                yield from self._for_pattern(term)
            elif term.kind == "container":
                yield self._for_container(term)

    def _for_pattern(self, term: Term) -> Iterator[NewIndex | None]:
        condition = term.condition
        found = re.match(r"'((?:[^']|'')*)'", condition.value)
        text = found[1] if found else None
        if condition.kind == "like" and text and re.fullmatch(r"[^%_\\]+%?", text):
            plain = term.column.bytewise and term.plain
            family = "" if plain else " " + _pattern_class(term.column)
            equal = tuple(each.sql for each in self.equal)
            yield self._btree((*equal, term.sql + family))
            return
        if text is not None and max(map(len, re.split(r"[%_]", text)), default=0) < 3:
            self.said.append(f"the pattern on {term.column.name} is too short for trigrams")
            return
        if "pg_trgm" not in self.extensions:
            self.said.append(
                f"a pattern on {term.column.name} is served by a GIN index of trigrams: that needs"
                " CREATE EXTENSION pg_trgm"
            )
            return
        yield self._new((term.sql + " gin_trgm_ops",), (term,), method="gin")

    def _for_container(self, term: Term) -> NewIndex | None:
        column, operator = term.column, term.condition.operator
        if not term.plain:  # to_tsvector('english', body) @@ …, (j -> 'tags') ? …
            family = "" if "to_tsvector" in term.sql or "->" in term.sql else None
        elif column.type == "jsonb":
            asked = {t.condition.operator for t in self.others if t.column is column}
            family = " jsonb_path_ops" if asked <= {"@>", "@@"} else ""
        else:
            family = "" if column.type == "tsvector" or column.category == "A" else None
        if family is None and column.category == "R":
            return self._new((term.sql,), (term,), method="gist")
        if family is None or (operator == "<@" and column.type == "jsonb"):
            return None
        return self._new((term.sql + family,), (term,), method="gin")

    def _wide(self) -> Iterator[NewIndex | None]:
        """BRIN on a big table that lies in the order of a column that a range is asked of."""
        for term in self.ranges:
            correlation = abs(term.column.correlation or 0.0)
            if (
                term.plain
                and correlation >= limit.BRIN_CORRELATION
                and self.table.pages >= limit.BRIN_PAGES
                and term.column.name not in self.updated
            ):
                yield self._new((term.sql,), (term,), method="brin")

    # -- one index ------------------------------------------------------------------------

    def _indexable(self, term: Term) -> bool:
        if not term.plain:
            return "SubPlan" not in term.sql and "InitPlan" not in term.sql and "$" not in term.sql
        return self._fits(term.column)

    def _fits(self, column: WorkColumn) -> bool:
        """Whether a B-tree takes every value of it."""
        if not column.orderable or column.category == "A" or column.type in ("jsonb", "tsvector"):
            return False
        statistics = column.statistics
        if statistics is None:
            return True
        listed = ",".join(filter(None, (statistics.mcv_lengths, statistics.histogram_lengths)))
        longest = max((float(part) for part in listed.split(",") if part), default=0.0)
        return max(longest, float(statistics.avg_width)) <= limit.WIDE_KEY

    def _btree(
        self,
        keys: tuple[str, ...],
        *,
        covering: bool = False,
        where: str = "",
        only: Term | None = None,
    ) -> NewIndex | None:
        """None where a key cannot be one, or where there is nothing to carry."""
        kept: dict[str, str] = {}
        for key in keys:
            kept.setdefault(_bare(key), key)
        chosen = tuple(kept.values())[: limit.WIDEST]
        by_sql = {column.sql: column for column in self.table.columns}
        if not chosen or any(
            (column := by_sql.get(_bare(key))) is not None and not self._fits(column)
            for key in chosen
        ):
            return None
        include = self._carried(chosen, by_sql) if covering else ()
        if covering and not include:
            return None
        found = [t for t in (*self.equal, *self.ranges, *self.others) if t.sql in map(_bare, keys)]
        return self._new(chosen, (*found, *((only,) if only else ())), include, where, only)

    def _carried(self, keys: tuple[str, ...], by_sql: Mapping[str, WorkColumn]) -> tuple[str, ...]:
        """Columns to carry so that the table need not be visited; none where that is no gain."""
        needed = self.wish.needed
        if needed is None or self.table.visible_fraction < limit.VISIBLE:
            return ()
        if not all(_bare(key) in by_sql for key in keys):
            return ()
        named = {by_sql[_bare(key)].name for key in keys}
        extra = [c for c in self.table.columns if c.name in needed - named]
        width = sum(c.avg_width or 8.0 for c in extra)
        if (
            len(extra) > limit.INCLUDED
            or width > limit.INCLUDED_BYTES
            or any(c.name in self.updated for c in extra)
        ):
            return ()
        return tuple(column.sql for column in extra)

    def _new(
        self,
        keys: tuple[str, ...],
        found: tuple[Term, ...],
        include: tuple[str, ...] = (),
        where: str = "",
        only: Term | None = None,
        *,
        method: str = "btree",
    ) -> NewIndex:
        by_sql = {column.sql: column.name for column in self.table.columns}
        columns = [by_sql[_bare(key)] for key in (*keys, *include) if _bare(key) in by_sql]
        columns += [term.column.name for term in found]
        return NewIndex(
            relid=self.table.relid, keys=keys, method=method, include=include, where=where,
            columns=tuple(dict.fromkeys(columns)),
            selectivity=only.selectivity if only else 1.0,
        )  # fmt: skip


def _bare(key: str) -> str:
    """A key without class and direction: the column or the expression."""
    return re.sub(r"(?: \w+_ops)?(?: DESC)?(?: NULLS (?:FIRST|LAST))?\Z", "", key)


def _pattern_class(column: WorkColumn) -> str:
    return {"character varying": "varchar_pattern_ops", "character": "bpchar_pattern_ops"}.get(
        column.type, "text_pattern_ops"
    )
