"""What comes out of a search: indexes with their reasons, their price and their remedy."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from pgtop.advice import ddl
from pgtop.advice.indexes import BUILD_WAITS
from pgtop.advice.thresholds import advisor as limit
from pgtop.advisor.candidates import canonical, covers
from pgtop.advisor.search import Search
from pgtop.advisor.sizes import breaks_hot
from pgtop.analysis import names, units
from pgtop.model.advice import Advised, Gain, Said, Superfluous, Work, WorkTable
from pgtop.model.cost import NewIndex
from pgtop.model.finding import Cost, Finding, Remedy, Subject
from pgtop.model.plan import Plan

UNSAFE = range(140000, 140004)
"""14.0 to 14.3 corrupted indexes built CONCURRENTLY (release notes of 14.4)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A finished or interrupted search, and what is needed to speak of it."""

    search: Search
    works: Sequence[Work]
    """In the order of the search's tasks."""

    tables: Mapping[int, WorkTable]
    updated: Mapping[int, frozenset[str]]
    version_num: int
    window_s: float | None
    verified: bool

    def gains(self, *, plans: bool = False) -> tuple[Gain, ...]:
        """Every statement, before and after; with its plans where they are asked for."""
        chosen = self.search.chosen
        return tuple(
            Gain(
                statement=work.name, cost_before=task.base.cost,
                cost_after=self.search.cost(number, chosen), ms=work.ms, calls=work.calls,
                key=work.key,
                plan_before=next(iter(task.base.plans), None) if plans else None,
                plan_after=self._plan_after(number) if plans else None,
            )
            for number, (work, task) in enumerate(zip(self.works, self.search.tasks, strict=True))
        )  # fmt: skip

    def _plan_after(self, number: int) -> Plan | None:
        """As the planner gave it; where our own arithmetic had a part there is none."""
        priced = self.search.known(number, self.search.chosen)
        if not self.verified or priced is None or not priced.verified or not priced.used:
            return None
        return next(iter(priced.plans), None)

    def used_by(self, index: NewIndex) -> tuple[int, ...]:
        """Statements whose plan uses it, those that gain most first."""
        chosen = self.search.chosen
        found = []
        for number, task in enumerate(self.search.tasks):
            priced = self.search.known(number, chosen)
            if priced is not None and index in priced.used:
                saved = (task.base.cost - priced.cost) * task.weight
                found.append((saved, number))
        return tuple(number for _, number in sorted(found, key=lambda f: -f[0]))


def advised(outcome: Outcome) -> tuple[Advised, ...]:
    """The chosen indexes, what they save first. One that no plan uses is thrown out."""
    every = outcome.gains()
    taken: dict[str, set[str]] = {}
    made = []
    for index in sorted(outcome.search.chosen, key=lambda i: (-_saved(outcome, i), i.words)):
        gains = tuple(every[number] for number in outcome.used_by(index))
        if not gains:
            continue
        table = outcome.tables[index.relid]
        verified = outcome.verified and index.method in ("btree", "hash")
        finding = _finding(outcome, index, table, gains, verified, taken)
        made.append(
            Advised(
                index=index, table=table, finding=finding, size_bytes=outcome.search.size_of(index),
                gains=gains, verified=verified,
            )
        )  # fmt: skip
    return tuple(made)


def _saved(outcome: Outcome, index: NewIndex) -> float:
    search = outcome.search
    return sum(
        (search.tasks[n].base.cost - search.cost(n, search.chosen)) * search.tasks[n].weight
        for n in outcome.used_by(index)
    )


# -- one index --------------------------------------------------------------------------


def _finding(
    outcome: Outcome,
    index: NewIndex,
    table: WorkTable,
    gains: Sequence[Gain],
    verified: bool,
    taken: dict[str, set[str]],
) -> Finding:
    name = free_name(index, table, taken)
    before, after = sum(g.cost_before for g in gains), sum(g.cost_after for g in gains)
    safe = outcome.version_num not in UNSAFE
    saved = _ms_per_s(gains, outcome.window_s)
    return Finding(
        rule="index.missing",
        severity="warning" if after <= (1 - limit.WARNING_SHARE) * before else "notice",
        subject=Subject("index", name, schema=table.schema, of=table.name),
        title=f"{table.name} {index.words}: {_cheaper(gains)}",
        why=_why(outcome, index, table, gains, verified),
        evidence={
            "cost_before": round(before, 2),
            "cost_after": round(after, 2),
            "size_bytes": outcome.search.size_of(index),
            "statements": len(gains),
            "verified": verified,
        },
        cost=Cost(ms_per_s=saved),
        confidence="planner" if verified else "estimated",
        remedy=remedy(index, table, name, _caution(outcome, index, table, verified), taken)
        if safe
        else None,
        no_remedy=None
        if safe
        else "PostgreSQL 14.0 to 14.3 can corrupt indexes built CONCURRENTLY: update first",
    )


def _cheaper(gains: Sequence[Gain]) -> str:
    before, after = sum(g.cost_before for g in gains), sum(g.cost_after for g in gains)
    who = gains[0].statement + (f" and {len(gains) - 1} more" if len(gains) > 1 else "")
    return f"{who} for {units.significant(after)} instead of {units.significant(before)}"


def _ms_per_s(gains: Iterable[Gain], window_s: float | None) -> float | None:
    """Time it would save, taking the planner's ratio for the clock's."""
    if not window_s:
        return None
    return sum(
        g.ms * (1 - g.cost_after / g.cost_before) for g in gains if g.ms and g.cost_before
    ) / window_s  # fmt: skip


def _why(
    outcome: Outcome, index: NewIndex, table: WorkTable, gains: Sequence[Gain], verified: bool
) -> str:
    parts = []
    for gain in gains[:3]:
        ratio = gain.cost_before / max(gain.cost_after, 0.01)
        words = f"{gain.statement}: cost {gain.cost_before:,.2f} → {gain.cost_after:,.2f}"
        if gain.ms and gain.calls:
            words += (
                f" (mean {units.ms(gain.ms / gain.calls)} → ≈"
                f" {units.ms(gain.ms / gain.calls / max(ratio, 1.0))} by the planner's ratio)"
            )
        parts.append(words)
    if len(gains) > 3:
        parts.append(f"{len(gains) - 3} more statements")
    said = "; ".join(parts)
    size = f"{'very roughly' if index.method == 'gin' else 'about'}"
    size += f" {units.size(outcome.search.size_of(index))}"
    who = (
        "the planner's estimate, with the index pretended by HypoPG"
        if verified
        else "our own arithmetic, not verified"
    )
    return f"{said}. {who[0].upper()}{who[1:]}; {size}. {_writes(outcome, index, table)}".rstrip()


def _writes(outcome: Outcome, index: NewIndex, table: WorkTable) -> str:
    """What writes will pay."""
    found = []
    if table.inserts_per_s is not None:
        cold = max((table.updates_per_s or 0.0) - (table.hot_updates_per_s or 0.0), 0.0)
        entries = (table.inserts_per_s + cold) * index.selectivity
        if entries >= 0.01:
            held = max((table.rows or 1.0) * index.selectivity, 1.0)
            wal = entries * outcome.search.size_of(index) / held
            found.append(f"Writes will add {units.rate(entries)} entries/s, {units.size(wal)}/s")
    replaced = outcome.search.spared.get(index)
    if replaced is not None:
        found.append(
            f"{replaced.words} would be cheaper still, but it holds a column that UPDATEs set"
            " and would end their being HOT"
        )
    return ". ".join(found) + ("." if found else "")


def _caution(outcome: Outcome, index: NewIndex, table: WorkTable, verified: bool) -> str | None:
    found = []
    updated = outcome.updated.get(index.relid, frozenset())
    if breaks_hot(index, updated):
        hot = sorted(updated & set(index.columns))
        rate = table.hot_updates_per_s
        now = f" ({units.rate(rate)} HOT updates/s now)" if rate else ""
        found.append(
            f"UPDATEs set {', '.join(hot)}: with this index they are HOT no more{now}, every index"
            " of the table gets an entry each time and WAL grows"
        )
    if table.rows is None:
        found.append(f"{table.name} was never analysed: the planner guesses its size")
    if index.where:
        found.append(
            "a statement whose constant comes as a parameter may not be able to use it"
            " (plan_cache_mode = force_custom_plan is safe)"
        )
    if index.method == "brin":
        found.append(
            "it is quick as long as rows lie in this column's order: updates and backfills end it"
        )
    if not verified:
        found.append(
            f"{index.method.upper()} cannot be pretended: look at the plan once it is built"
            if index.method in ("gin", "gist")
            else "not verified: look at the plan once it is built"
        )
    found.append(BUILD_WAITS)
    return "; ".join(found)


def free_name(index: NewIndex, table: WorkTable, taken: dict[str, set[str]]) -> str:
    """A name that no relation of the schema has, nor another index of this advice."""
    used = taken.setdefault(table.schema, set(table.names))
    words = tuple(canonical(key).split(" ")[0].replace("(", "_") for key in index.keys)
    suffix = {"btree": "idx"}.get(index.method, f"{index.method}_idx")
    suffix = f"part_{suffix}" if index.where else suffix
    number, name = 1, names.index_name(table.name, words, suffix)
    while name in used:
        name = names.index_name(table.name, words, f"{suffix}{number}")
        number += 1
    used.add(name)
    return name


def remedy(
    index: NewIndex,
    table: WorkTable,
    name: str,
    caution: str | None,
    taken: dict[str, set[str]],
) -> Remedy:
    """CREATE INDEX CONCURRENTLY; of a partitioned table one on each partition, attached."""

    def create(named: str, target: str, *, concurrently: bool = True) -> str:
        return ddl.create_index(
            names.quote(named), target, ", ".join(index.keys), method=index.method,
            include=", ".join(index.include), where=index.where, concurrently=concurrently,
        )  # fmt: skip

    full = names.qualified(table.schema, name)
    if table.kind != "p":
        return Remedy(
            sql=(create(name, table.sql),),
            undo=(ddl.drop_index(full),),
            transactional=False,
            lock=ddl.SHARE_UPDATE_EXCLUSIVE,
            caution=caution,
        )
    if table.nested:
        sql = [create(name, table.sql, concurrently=False)]
        caution = f"sub-partitioned: built in one go, which keeps writes out; {caution}"
    else:
        sql = [create(name, f"ONLY {table.sql}", concurrently=False)]
        for schema, leaf, target in table.leaves:
            own = names.index_name(leaf, tuple(canonical(k).split(" ")[0] for k in index.keys))
            while own in taken.setdefault(schema, set(table.names)):
                own = names.clipped(own, "1")
            taken[schema].add(own)
            sql += [create(own, target), ddl.attach_index(full, names.qualified(schema, own))]
    return Remedy(
        sql=tuple(sql), undo=(ddl.drop_index(full, concurrently=False),), transactional=False,
        lock="SHARE", caution=caution,
    )  # fmt: skip


# -- what else is to be said --------------------------------------------------------------


def superfluous(found: Sequence[Advised]) -> tuple[Superfluous, ...]:
    """Indexes that do nothing that one of the advised would not do."""
    made = []
    for each in found:
        if each.table.kind == "p":
            continue
        for index in each.table.indexes:
            if not (index.valid and index.droppable and covers(each.index, index)):
                continue
            new = each.finding.subject.name
            finding = Finding(
                rule="index.redundant",
                severity="notice",
                subject=Subject("index", index.name, each.table.schema, each.table.name),
                title=f"{index.name}: {new} will do what it does",
                why=f"{each.table.name} {each.index.words} begins with all of its keys. Drop it"
                f" once {new} is valid; it has {units.size(index.bytes)}.",
                evidence={"bytes": index.bytes, "covered_by": new},
                cost=Cost(bytes=index.bytes),
                confidence="proved",
                remedy=Remedy(
                    sql=(ddl.drop_index(index.sql),),
                    undo=(ddl.concurrently(index.definition),),
                    transactional=False,
                    lock=ddl.ACCESS_EXCLUSIVE,
                    caution=f"only after {new} is valid and the plans use it",
                ),
            )
            made.append(Superfluous(index=index, by=each.index.words, finding=finding))
    return tuple({each.index.sql: each for each in made}.values())


def _not_worth_it(outcome: Outcome) -> Iterator[Said]:
    """What would make a statement cheaper, and costs more than it saves: both, in figures."""
    search = outcome.search
    for number, (work, task) in enumerate(zip(outcome.works, search.tasks, strict=True)):
        if work.ms is None or search.cost(number, search.chosen) < task.base.cost:
            continue
        known = [(search.cost(number, bundle), bundle) for bundle in task.bundles if bundle]
        cost, bundle = min(known, key=lambda each: each[0], default=(task.base.cost, None))
        saved = (task.base.cost - cost) * task.weight
        paid = 0.0 if bundle is None else sum(map(search.upkeep_of, bundle))
        if bundle is None or task.base.cost - cost < limit.GAIN * task.base.cost:
            continue
        size = units.size(sum(map(search.size_of, bundle)))
        why = f"an index of {size} for so little is not worth it"
        if saved <= paid:
            why = f"the writes that were counted would have paid ≈ {units.ms(paid)} for it"
        words = ", ".join(f"{outcome.tables[i.relid].name} {i.words}" for i in bundle)
        yield Said(
            statement=work.name, text=work.beginning,
            why=f"{words} would take it from cost {task.base.cost:,.0f} to {cost:,.0f} and save"
            f" ≈ {units.ms(saved)} of what was counted, but {why}",
        )  # fmt: skip


def notes(outcome: Outcome, said: Sequence[Sequence[str]]) -> Iterator[Said]:
    """Rewrites and the like; indexes withheld; expressions that no index may hold."""
    for work, sentences in zip(outcome.works, said, strict=True):
        for sentence in sentences:
            yield Said(statement=work.name, text=work.beginning, why=sentence)
    yield from _not_worth_it(outcome)
    told: set[tuple[int, int]] = set()
    for index, number in outcome.search.withheld.items():
        if index in outcome.search.chosen or (number, index.relid) in told:
            continue
        told.add((number, index.relid))
        table = outcome.tables[index.relid]
        yield Said(
            statement=outcome.works[number].name,
            text=outcome.works[number].beginning,
            why=f"{table.name} {index.words} is withheld: with it the planner would walk in order"
            " until LIMIT is met while a filter drops most rows, quick only where matches lie at"
            " the beginning",
        )
    for index, why in outcome.search.refused.items():
        table = outcome.tables[index.relid]
        for work, task in zip(outcome.works, outcome.search.tasks, strict=True):
            if any(index in bundle for bundle in task.bundles):
                yield Said(
                    statement=work.name,
                    text=work.beginning,
                    why=f"{table.name} {index.words}: {why}. A condition on the column itself,"
                    " such as a half-open range, is served by an index",
                )
                break
