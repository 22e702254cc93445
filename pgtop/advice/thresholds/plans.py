"""When something in a plan is worth a word.

The corpus of the tests is what they were tried on: 93 statements on PostgreSQL 13, 15 and
18, analysed, with the findings that must and must not be made written beside each.
"""

from __future__ import annotations

CRITICAL_SHARE = 0.5
"""A finding that explains half of the run is the first thing to do."""

WARNING_SHARE = 0.1
"""Below a tenth nobody will notice the remedy."""

PLANNED_CONFIDENCE = 0.5
"""A finding on the planner's figures alone counts half: they may be the very thing that is off."""

READ_FOR_NOTHING = 10_000
"""Rows. Fewer rows than this are read in a millisecond or two whatever the way."""

SEQ_DROPPED = 0.9
"""Share of rows that a Seq Scan drops before an index is likely to win: random reads cost
four times sequential ones (random_page_cost), and a tenth of the rows still hit most pages."""

SEQ_SHARE = 0.1
IDX_DROPPED_ROWS = 1_000
"""An index scan pays a random read for each row that it drops."""

IDX_DROPPED = 0.5
"""Below half, a wider index saves less than it costs to keep."""

IDX_SHARE = 0.05
RARE_VALUE = 0.05
"""A constant that holds for less of the table than this makes a partial index worth it …"""

USUAL_VALUE = 0.5
"""… where another value holds at least half of the rows."""

LIMIT_FACTOR = 100
"""Rows sorted or walked for each row returned."""

OFFSET_FACTOR = 10
"""Rows skipped for each row returned."""

LOOPS = 1_000
LOOPS_SHARE = 0.2
"""Share of the run below a loop before fewer loops would be felt."""

NL_SEQ_LOOPS = 10
"""A table read this often, by each process, is cheaper to index."""

NL_SEQ_ROWS = 100_000
SUBPLAN_LOOPS = 100
MISESTIMATE = 10
"""Ten times off changes the join method; below it the planner's choice is mostly right."""

MISESTIMATE_CRITICAL = 100
MISESTIMATE_ROWS = 1_000
"""Being wrong about a handful of rows costs nothing."""

STALE_FRACTION = 0.1
"""autovacuum_analyze_scale_factor's default: beyond it ANALYZE is overdue."""

NL_MISEST_SHARE = 0.3
STATISTICS_TARGET = 1_000
"""Ten times default_statistics_target: MCV lists and histograms ten times as long."""

SORT_ROW_OVERHEAD = 48
"""Bytes a row of a sort in memory beyond its size on disk, from 15, whose tuples lie in a
generation context. 200,000 rows: 17.8 MB on disk were 26.5 MB in memory on 18."""

SORT_CHUNK_OVERHEAD = 40
"""Up to 14 each tuple's chunk is a power of two, and this much more a row (aset.c, SortTuple).
200,000 rows: 4.5, 17.8, 44.4 MB on disk were 14.8, 34.0, 58.4 MB in memory on 13."""

SORT_CONTEXT_VERSION = 150_000

HASH_ROW_OVERHEAD = 50
"""Bytes a row of a hash table beyond the row's width; 9.9 MB for 200,000 rows of 8 bytes."""

GROUP_OVERHEAD = ((170_000, 65), (0, 130))
"""Bytes a group of HashAggregate beyond its width; 41.0 MB on 13 and 26.6 MB on 18 for
200,000 groups of 81 bytes."""

WORK_MEM_HEADROOM = 1.2
"""More than was needed this time, so that the next run fits too."""

TEMP_BLOCKS = 1_000
"""8 MB of temporary files."""

HEAP_FETCHES = 1_000
HEAP_FETCH_SHARE = 0.1
"""Share of an index-only scan's rows looked up in the heap: the visibility map is behind."""

LOSSY_SHARE = 0.1
BITMAP_PAGE_BYTES = 75
"""Bytes a page of an exact bitmap; 5,307 pages fitted in 384 kB."""

RECHECK_ROWS = 1_000
RECHECK_SHARE = 0.3
READ_BLOCKS = 1_000
READ_PER_ROW = 5
"""Blocks an index scan reads for each row: three levels of index, one heap page, one spare."""

READ_SHARE = 0.1
BLOATED_TABLE = 3
"""Blocks read against what the rows need: a table after one big delete is twice its size."""

ROW_HEADER = 28
"""Bytes of a tuple header and line pointer (htup_details.h, itemid.h)."""

SKIP_SEARCHES = 10
"""Descents of the tree for each loop."""

SEARCHES = 1_000
FUNC_DROPPED = 0.5
BRIN_BYTES = 1 << 30
"""Below a gigabyte a B-tree is small enough."""

BRIN_CORRELATION = 0.9
"""Heap order follows the column closely enough for block ranges to exclude each other."""

PARTITIONS = 8
PARTITIONS_EMPTY = 0.5
WORKER_SKEW = 3
"""The slowest worker has this many times the mean: the Gather waits for it."""

JIT_SHARE = 0.15
JIT_MS = 20
PLANNING_MS = 10
"""Planning may take longer than the run; below 10 ms that is the way of short statements."""

TRIGGER_SHARE = 0.2
TRIGGER_MS = 10
FK_CALL_MS = 1.0
"""A foreign key check by index takes 0.02-0.1 ms; a millisecond is a scan of the table."""

CTE_ROWS = 10_000
CTE_DROPPED = 0.5
MEMOIZE_EVICTED = 0.1
MEMOIZE_MISSES = 1_000
COUNT_ROWS = 100_000
COLD_BLOCKS = 1_000
FOREIGN_DROPPED = 1_000
FOREIGN_LOOPS = 100
SERIALIZE_SHARE = 0.3
WIDE_ROW = 1_000
"""Bytes. A sort or hash of rows this wide spends its memory on columns it does not compare."""

WAL_FPI_SHARE = 0.3
WAL_RECORDS = 1_000
DISABLED_COST = 1e10
"""What enable_* = off adds to a cost up to 17 (costsize.c, disable_cost)."""

UNACCOUNTED_SHARE = 0.2
UNACCOUNTED_MS = 10
"""Executor start and end take below a millisecond without hundreds of partitions."""

TIMED_ROWS_PER_S = 5_000_000
"""Rows through all nodes a second: beyond, reading the clock is a good part of the time."""

QUICK_MS = 5.0
"""A run that took less is nobody's incident by itself: what it shows is a notice."""
