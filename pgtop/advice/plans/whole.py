"""What the whole run says: JIT, planning, triggers, workers, I/O, WAL, time that is nobody's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pgtop.advice import ddl
from pgtop.advice.plans.context import Context, severity_of
from pgtop.advice.plans.remedies import Proposal
from pgtop.advice.thresholds import plans as limit
from pgtop.analysis import names, units
from pgtop.analysis.plan.times import triggers
from pgtop.model.finding import Remedy
from pgtop.model.insight import Insight
from pgtop.model.plan import GATHERS, figure


def jit(context: Context) -> Iterator[Insight]:
    """JIT: compiling took longer than it can have saved."""
    spent, base = context.metrics.jit_ms, context.metrics.base_ms
    if spent is None or not base:
        return
    processes = max(node.processes for node in context.metrics.nodes)
    share = min(1.0, spent / processes / base)
    if share < limit.JIT_SHARE or spent < limit.JIT_MS:
        return
    among = f" in {processes:.0f} processes" if processes > 1 else ""
    yield context.insight(
        "jit", context.plan.root, "JIT",
        f"JIT compiled for {units.ms(spent)}: {units.percent(share)} of the run",
        f"JIT took {units.ms(spent)}{among} of a run of {units.ms(base)}: the cost estimate passed"
        " jit_above_cost, often as it is too high.",
        score=share,
        remedy=Remedy(
            sql=(ddl.set_setting("jit", "off"),), undo=(ddl.reset_setting("jit"),),
            transactional=True, lock="none",
            caution="in the session, or for the role or database (ALTER ROLE … SET jit = off)",
        ),
    )  # fmt: skip


def plan_time(context: Context) -> Iterator[Insight]:
    """PLAN_TIME: planning takes longer than running."""
    planning, execution = (
        context.plan.figure("Planning Time"),
        context.plan.figure("Execution Time"),
    )
    if planning is None or execution is None:
        return
    if planning < limit.PLANNING_MS or planning <= execution:
        return
    share = planning / (planning + execution)
    yield context.insight(
        "plan_time", context.plan.root, "PLANNING",
        f"Planning takes {units.ms(planning)}, running {units.ms(execution)}",
        f"Planning {units.ms(planning)} against {units.ms(execution)} of execution:"
        f" {sum(1 for n in context.plan.nodes if n.relation)} tables are in the plan.",
        score=share,
        no_remedy="prepared statements plan once; fewer joins; a default_statistics_target"
        " that is not raised for all; bloated catalogues show in Planning's buffers",
    )  # fmt: skip


def trigger(context: Context) -> Iterator[Insight]:
    """TRIGGER and FK_INDEX: triggers hold the time, foreign keys without an index foremost."""
    base = context.metrics.base_ms
    fired = triggers(context.plan)
    total = sum(figure(each.get("Time")) or 0.0 for each in fired)
    if base and total >= limit.TRIGGER_MS and total >= limit.TRIGGER_SHARE * base:
        worst = max(fired, key=lambda each: figure(each.get("Time")) or 0.0)
        yield context.insight(
            "trigger", context.plan.root, "TRIGGER",
            f"Triggers took {units.ms(total)}: {units.percent(min(1.0, total / base))} of the run",
            f"{_trigger_name(worst)} took {units.ms(figure(worst.get('Time')))} in"
            f" {units.count(figure(worst.get('Calls')))} calls. AFTER triggers, foreign keys among"
            " them, are in no node's time.",
            score=min(1.0, total / base), no_remedy="see the trigger's own statements",
        )  # fmt: skip
    for each in fired:
        spent, calls = figure(each.get("Time")) or 0.0, figure(each.get("Calls")) or 0.0
        if "Constraint Name" not in each or calls < 1 or spent / calls < limit.FK_CALL_MS:
            continue
        share = min(1.0, spent / base) if base else 0.0
        proposal = _foreign_key(context, str(each["Constraint Name"]))
        yield context.insight(
            "fk_index", context.plan.root, "FK",
            f"Each check of {each['Constraint Name']} takes {units.ms(spent / calls)}",
            f"{units.ms(spent)} for {units.count(calls)} checks of the foreign key"
            f" {each['Constraint Name']}: with an index on the referencing columns a check takes"
            f" about 0.05 ms. {proposal.said}".rstrip(),
            score=share, remedy=proposal.remedy, no_remedy=proposal.no_remedy,
        )  # fmt: skip


def _trigger_name(each: Mapping[str, object]) -> str:
    constraint = each.get("Constraint Name")
    return f"The check of {constraint}" if constraint else f"Trigger {each.get('Trigger Name')}"


def _foreign_key(context: Context, constraint: str) -> Proposal:
    if context.facts is None:
        return Proposal(
            None, "an index on the referencing columns of this foreign key; which they are was not"
            " looked up, as there is no connection",
        )  # fmt: skip
    key = next((fk for fk in context.facts.foreign_keys if fk.name == constraint), None)
    if key is None:
        return Proposal(None, "this foreign key is no longer there")
    if any(i.valid and i.keys[: len(key.columns)] == key.columns for i in key.table.indexes):
        return Proposal(None, f"{key.table.name} has an index on {', '.join(key.columns)}")
    facts = [key.table.column(column) for column in key.columns]
    keys = ", ".join(
        c.sql if c else names.quote(n) for c, n in zip(facts, key.columns, strict=True)
    )
    name = names.quote(names.index_name(key.table.name, key.columns))
    return Proposal(
        Remedy(
            sql=(ddl.create_index(name, key.table.sql, keys),),
            undo=(ddl.drop_index(f"{names.quote(key.table.schema)}.{name}"),),
            transactional=False,
            lock=ddl.SHARE_UPDATE_EXCLUSIVE,
        )
    )


def workers(context: Context) -> Iterator[Insight]:
    """WORKERS and PAR_SKEW: fewer workers than planned, or one that did all."""
    for node in context.ran():
        planned, launched = node.figure("Workers Planned"), node.figure("Workers Launched")
        if node.node_type in GATHERS and planned and launched is not None and launched < planned:
            yield context.insight(
                "workers", node, f"W {launched:.0f}/{planned:.0f}",
                f"{launched:.0f} of {planned:.0f} workers were launched",
                f"{context.label(node)} was costed for {planned:.0f} workers and got"
                f" {launched:.0f}:"
                " max_parallel_workers or max_worker_processes was used up at that moment.",
                score=0.5 * context.wall_share(node),
                no_remedy="it runs when there are free workers; more of them only with free CPUs",
            )  # fmt: skip
        rows = [
            (figure(w.get("Actual Rows")) or 0.0) * (figure(w.get("Actual Loops")) or 0.0)
            for w in node.workers
            if "Actual Rows" in w
        ]
        mean = sum(rows) / len(rows) if rows else 0.0
        if (
            len(rows) < 2
            or max(rows) < limit.MISESTIMATE_ROWS
            or max(rows) < limit.WORKER_SKEW * mean
        ):
            continue
        yield context.insight(
            "par_skew", node, "SKEW",
            f"One worker did {units.count(max(rows))} of {units.count(sum(rows))} rows",
            f"{context.label(node)}: the busiest worker has {max(rows) / mean:.1f}× the mean; the"
            " Gather waits for it.",
            score=0.5 * context.wall_share(node), no_remedy="uneven work: no index ends it",
        )  # fmt: skip


def cold(context: Context) -> Iterator[Insight]:
    """COLD: more was read from disk than found in the cache."""
    root = context.plan.root
    read, hit = root.figure("Shared Read Blocks") or 0.0, root.figure("Shared Hit Blocks") or 0.0
    if read < limit.COLD_BLOCKS or read <= hit or not root.loops:
        return
    spent = root.figure("Shared I/O Read Time") or root.figure("I/O Read Time") or 0.0
    base = context.metrics.base_ms
    speed = ""
    if spent:
        speed = f" in {units.ms(spent)}, {units.size(read * 8192 / spent * 1000)}/s"
    yield context.insight(
        "cold", root, "COLD",
        f"{units.size(read * 8192)} came from outside shared_buffers",
        f"{units.count(read)} pages were read{speed}, {units.count(hit)} found in shared_buffers.",
        score=min(1.0, spent / base) if spent and base else 0.0,
        no_remedy="once cold it is warm the next time; again and again means that it does not fit",
    )  # fmt: skip


def serialize(context: Context) -> Iterator[Insight]:
    """SERIALIZE and WIDE: columns that cost more than they are worth."""
    spent, base = context.metrics.serialization_ms, context.metrics.base_ms
    if spent is not None and base and spent >= limit.SERIALIZE_SHARE * base:
        yield context.insight(
            "serialize", context.plan.root, "OUTPUT",
            f"Writing the result took {units.ms(spent)}",
            f"Serialisation took {units.percent(min(1.0, spent / base))} of the run: wide or"
            " compressed columns are converted to text.",
            score=min(1.0, spent / base), no_remedy="SELECT only the columns that are used",
        )  # fmt: skip
    for node in context.ran():
        width = node.figure("Plan Width") or 0.0
        on_disk = node.text("Sort Space Type") == "Disk" or (node.figure("Hash Batches") or 1) > 1
        if width >= limit.WIDE_ROW and on_disk:
            yield context.insight(
                "wide", node, "WIDE",
                f"Rows of {width:,.0f} bytes go through {node.node_type}",
                f"{context.label(node)} spilled rows of {width:,.0f} bytes: most of that is columns"
                " it does not compare.",
                score=context.share(node),
                no_remedy="sort or join the keys alone, then join the wide columns",
            )  # fmt: skip


def wal_fpi(context: Context) -> Iterator[Insight]:
    """WAL_FPI: whole pages in the log."""
    root = context.plan.root
    records, whole = root.figure("WAL Records") or 0.0, root.figure("WAL FPI") or 0.0
    if records < limit.WAL_RECORDS or whole < limit.WAL_FPI_SHARE * records:
        return
    yield context.insight(
        "wal_fpi", root, "WAL",
        f"{units.count(whole)} full pages in {units.count(records)} WAL records",
        f"{units.size(root.figure('WAL Bytes'))} of WAL, {units.percent(whole / records)} of its"
        " records with a full page: the first change of a page after a checkpoint logs it whole.",
        score=0.0, no_remedy="fewer checkpoints: a larger max_wal_size",
    )  # fmt: skip


def disabled(context: Context) -> Iterator[Insight]:
    """DISABLED: a node that a setting forbids was taken all the same."""
    for node in context.plan.nodes:
        cost = node.figure("Total Cost") or 0.0
        below = max(
            (c.figure("Total Cost") or 0.0 for c in context.plan.children(node)), default=0.0
        )
        by_cost = cost >= limit.DISABLED_COST > below
        flagged = node.raw.get("Disabled") is True
        if not flagged and not by_cost:
            continue
        settings = context.plan.raw.get("Settings")
        off = [
            name
            for name, value in settings.items()
            if name.startswith("enable_") and value == "off"
        ] if isinstance(settings, dict) else []  # fmt: skip
        which = ", ".join(off) or "some enable_… setting (EXPLAIN with SETTINGS shows which)"
        remedy = None
        if off:
            remedy = Remedy(
                sql=tuple(ddl.reset_setting(name) for name in off), undo=tuple(
                    ddl.set_setting(name, "off") for name in off
                ), transactional=True, lock="none",
            )  # fmt: skip
        yield context.insight(
            "disabled", node, "DISABLED",
            f"{node.node_type} is switched off, and was taken",
            f"{context.label(node)} has no other way to run, though {which} is off: its cost is"
            " inflated and what is around it was chosen by that.",
            score=context.share(node) if node.loops else 0.0,
            remedy=remedy, no_remedy="find where the setting comes from: pg_settings.source",
        )  # fmt: skip


def unaccounted(context: Context) -> Iterator[Insight]:
    """UNACCOUNTED: time that is in no node, trigger or serialisation."""
    spent, base = context.metrics.unaccounted_ms, context.metrics.base_ms
    if spent is None or not base:
        return
    if spent < limit.UNACCOUNTED_MS or spent < limit.UNACCOUNTED_SHARE * base:
        return
    share = spent / base
    yield context.insight(
        "unaccounted", context.plan.root, "?",
        f"{units.ms(spent)} are in no node: {units.percent(share)} of the run",
        f"Execution took {units.ms(base)}, its nodes, triggers and output"
        f" {units.ms(base - spent)}.",
        score=share, severity=severity_of(share),
        no_remedy="waiting for locks at the start, opening many partitions, JIT of the leader,"
        " AFTER triggers that EXPLAIN does not show",
    )  # fmt: skip


def inflated(context: Context) -> float | None:
    """Rows a second through all nodes, where reading the clock is a good part of the times."""
    base = context.metrics.base_ms
    if not base or not context.plan.timed or base < limit.UNACCOUNTED_MS:
        return None
    rate = sum(context.returned(node) for node in context.ran()) / (base / 1_000)
    return rate if rate > limit.TIMED_ROWS_PER_S else None


RULES = (
    jit, plan_time, trigger, workers, cold, serialize, wal_fpi, disabled, unaccounted,
)  # fmt: skip
