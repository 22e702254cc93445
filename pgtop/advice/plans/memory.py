"""What did not fit in work_mem, and how much would have been enough."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from pgtop.advice.plans.context import Context
from pgtop.advice.plans.remedies import work_mem
from pgtop.advice.thresholds import plans as limit
from pgtop.analysis import units
from pgtop.model.insight import Insight
from pgtop.model.plan import PlanNode, figure

BLOCK = 8192


def _by_version(context: Context, table: tuple[tuple[int, int], ...]) -> int:
    """The cautious figure where the version is not known."""
    version = context.facts.version_num if context.facts else 0
    return next(amount for least, amount in table if version >= least)


def _in_memory(context: Context, disk: float, rows: float) -> float:
    """Bytes that tuples take in memory which took `disk` bytes in a file."""
    version = context.facts.version_num if context.facts else 0
    if version >= limit.SORT_CONTEXT_VERSION or rows < 1 or disk <= 0:
        return disk + rows * limit.SORT_ROW_OVERHEAD
    chunk = 2.0 ** math.ceil(math.log2(max(disk / rows, 8.0)))
    return rows * (chunk + limit.SORT_CHUNK_OVERHEAD)


def _parts(node: PlanNode) -> Iterator[Mapping[str, Any]]:
    """What the node says of itself, and each worker of itself."""
    yield node.raw
    yield from node.workers


def _spilled_kb(part: Mapping[str, Any]) -> float:
    """Kilobytes that a sort wrote to disk."""
    kb = 0.0
    if part.get("Sort Space Type") == "Disk":
        kb = figure(part.get("Sort Space Used")) or 0.0
    for key in ("Full-sort Groups", "Pre-sorted Groups"):
        groups = part.get(key)
        space = groups.get("Sort Space Disk") if isinstance(groups, dict) else None
        if isinstance(space, dict):
            kb = max(kb, figure(space.get("Peak Sort Space Used")) or 1.0)
    return kb


def sort_disk(context: Context) -> Iterator[Insight]:
    """SORT_DISK: a sort went to temporary files."""
    for node in context.ran():
        if node.node_type not in ("Sort", "Incremental Sort"):
            continue
        spilled = [kb for part in _parts(node) if (kb := _spilled_kb(part))]
        if not spilled:
            continue
        rows = node.figure("Actual Rows") or 0.0
        needed = _in_memory(context, max(spilled) * 1024, rows)
        each = " in each process" if len(spilled) > 1 else ""
        yield context.insight(
            "sort_disk", node, "DISK",
            f"The sort by {', '.join(node.texts('Sort Key')) or 'its key'} went to disk:"
            f" {units.size(sum(spilled) * 1024)}",
            f"{context.label(node)} wrote {units.size(max(spilled) * 1024)}{each}"
            f" ({node.text('Sort Method') or 'external merge'}); in memory it needs"
            f" ≈ {units.size(needed)} of work_mem{each}. An index in this order needs no sort.",
            score=context.share(node), remedy=work_mem(needed),
            evidence={"disk_bytes": sum(spilled) * 1024, "needed_bytes": needed},
        )  # fmt: skip


def hash_batch(context: Context) -> Iterator[Insight]:
    """HASH_BATCH: a hash table was written out in batches."""
    for node in context.ran():
        batches = node.figure("Hash Batches") or 1.0
        if batches <= 1:
            continue
        original = node.figure("Original Hash Batches") or batches
        rows = node.figure("Actual Rows") or 0.0
        if node.raw.get("Parallel Aware"):
            rows *= context.loops(node)
        width = node.figure("Plan Width") or 0.0
        needed = rows * (width + limit.HASH_ROW_OVERHEAD)
        factor = _hash_factor(context)
        grew = (
            f" It was planned with {original:.0f}: the estimate below it is too low."
            if batches > original
            else ""
        )
        yield context.insight(
            "hash_batch", node, "DISK",
            f"The hash table took {batches:.0f} batches",
            f"{context.label(node)} holds {units.count(rows)} rows of {width:.0f} bytes,"
            f" ≈ {units.size(needed)}: more than work_mem × hash_mem_multiplier, so both sides of"
            f" the join are written and read again.{grew}",
            score=max(context.share(node), _parent_share(context, node)),
            remedy=work_mem(needed / factor),
            evidence={"batches": batches, "needed_bytes": needed},
        )  # fmt: skip


def _hash_factor(context: Context) -> float:
    """hash_mem_multiplier: 2 from 15, 1 before and where the version is not known."""
    if context.facts is None:
        return 1.0
    default = 2.0 if context.facts.version_num >= 150_000 else 1.0
    try:
        return float(context.facts.settings.get("hash_mem_multiplier", default)) or default
    except ValueError:
        return default


def _parent_share(context: Context, node: PlanNode) -> float:
    above = context.plan.parent(node)
    return context.share(above) if above is not None else 0.0


def hashagg_disk(context: Context) -> Iterator[Insight]:
    """HASHAGG_DISK: groups were written out in batches."""
    for node in context.ran():
        if node.node_type != "Aggregate":
            continue
        spilled = [
            part for part in _parts(node) if (figure(part.get("HashAgg Batches")) or 0.0) > 1
        ]
        if not spilled:
            continue
        groups = node.figure("Actual Rows") or 0.0
        width = node.figure("Plan Width") or 0.0
        needed = groups * (width + _by_version(context, limit.GROUP_OVERHEAD))
        disk = max((figure(part.get("Disk Usage")) or 0.0) for part in spilled) * 1024
        yield context.insight(
            "hashagg_disk", node, "DISK",
            f"Grouping went to disk: {units.size(disk)}",
            f"{context.label(node)} holds {units.count(groups)} groups of {width:.0f} bytes,"
            f" ≈ {units.size(needed)}, and wrote {units.size(disk)}.",
            score=context.share(node), remedy=work_mem(needed / _hash_factor(context)),
            evidence={"disk_bytes": disk, "needed_bytes": needed},
        )  # fmt: skip


def storage_disk(context: Context) -> Iterator[Insight]:
    """STORAGE_DISK (18) and TEMP_IO: a tuple store went to temporary files."""
    for node in context.ran():
        on_disk = node.text("Storage") == "Disk"
        written = context.own(node, "Temp Written Blocks")
        if not on_disk and written < limit.TEMP_BLOCKS:
            continue
        explained = any(_spilled_kb(part) for part in _parts(node)) or any(
            (figure(part.get("HashAgg Batches")) or 0.0) > 1 for part in _parts(node)
        )
        hashing = node.node_type in ("Hash", "Hash Join", "Gather", "Gather Merge")
        if not on_disk and (explained or hashing):
            continue
        kb = node.figure("Maximum Storage") or 0.0
        stored = kb * 1024 if kb else written * BLOCK
        rows = (node.figure("Actual Rows") or 0.0) if on_disk else 0.0
        needed = _in_memory(context, stored, rows)
        yield context.insight(
            "storage_disk" if on_disk else "temp_io", node, "DISK",
            f"{node.node_type} keeps its rows on disk: {units.size(stored)}",
            f"{context.label(node)} stores rows to read them again; {units.size(stored)} did not"
            f" fit in work_mem, ≈ {units.size(needed)} would.",
            score=context.share(node), remedy=work_mem(needed),
            evidence={"disk_bytes": stored, "needed_bytes": needed},
        )  # fmt: skip


def lossy(context: Context) -> Iterator[Insight]:
    """LOSSY: a bitmap kept pages in place of rows."""
    for node in context.ran():
        if node.node_type != "Bitmap Heap Scan":
            continue
        pages = [
            (
                figure(part.get("Exact Heap Blocks")) or 0.0,
                figure(part.get("Lossy Heap Blocks")) or 0.0,
            )
            for part in _parts(node)
        ]
        exact, vague = sum(e for e, _ in pages), sum(v for _, v in pages)
        if not vague or vague / (exact + vague) < limit.LOSSY_SHARE:
            continue
        method = _bitmap_method(context, node)
        needed = (exact + vague) * limit.BITMAP_PAGE_BYTES
        is_brin = method == "brin"
        guess = (
            "" if method else " A BRIN index is always lossy; which kind this is was not looked up."
        )
        yield context.insight(
            "lossy", node, "LOSSY",
            f"The bitmap remembers {units.percent(vague / (exact + vague))} of its pages only"
            f" whole",
            f"{context.label(node)} has {units.count(vague)} lossy pages of"
            f" {units.count(exact + vague)}: every row on them is checked again, and"
            f" {units.count(context.removed(node, 'Index Recheck'))} were dropped.{guess}",
            score=context.share(node),
            remedy=None if is_brin else work_mem(needed),
            no_remedy="BRIN knows block ranges only: a smaller pages_per_range makes them narrower",
        )  # fmt: skip


def _bitmap_method(context: Context, node: PlanNode) -> str | None:
    if context.facts is None:
        return None
    named = {n.text("Index Name") for n in context.plan.below(node)}
    for table in context.facts.tables:
        for index in table.indexes:
            if index.name in named:
                return index.method
    return None


RULES = (sort_disk, hash_batch, hashagg_disk, storage_disk, lossy)
