"""When an index is worth having."""

SMALL_ROWS = 500
SMALL_PAGES = 10
"""A table of no more than this is read whole in less time than an index descent takes."""

GAIN = 0.05
"""Share of a statement's cost that an index has to save. The planner's figures are not
better than that; what a person would notice begins far above."""

GAIN_UNITS = 1.0
"""And in the planner's units: the price of one page read in order."""

MOST_READ = 0.2
"""Share of a table's rows beyond which our own arithmetic claims no gain: pages are then read
one after another all the same."""

CARRYING_UNITS = 20.0
"""What columns carried along (INCLUDE) have to save: they cost every write, and HOT."""

CARRYING_GAIN = 0.25
"""And of a statement's cost."""

BYTES_PRICE = 0.5
"""An index of a tenth of the tables' bytes has to save a twentieth of the workload. Without a
price 22 statements got 26 indexes, more bytes than the tables, for what 9 do nearly as well."""

WORKLOAD_GAIN = 0.001
"""Share of the workload's time below which nobody would notice that an index is there."""

WIDEST = 4
"""Key columns. Measured workloads gain next to nothing from the fourth on."""

MOST_CANDIDATES = 32
"""For one statement; the first ones are the likeliest."""

INCLUDED = 4
INCLUDED_BYTES = 64
"""Columns, and their bytes, that an index may carry only to spare the visit to the table."""

VISIBLE = 0.8
"""All-visible pages below which an index-only scan visits the table after all."""

RARE = 0.10
"""Share of rows that a constant may keep for an index on these rows alone."""

EXCEPTION = 0.5
"""And of an even share among the column's values: as many rows as the others is no exception."""

FEW_VALUES = 50
"""Different values of a column whose constants stand for states, not for things."""

MOSTLY_NULL = 0.70
"""Share of rows that an IS NULL may keep: `deleted_at IS NULL` is worth it from there on down."""

BRIN_PAGES = 100_000
"""Below 800 MB a B-tree on the column is affordable, and finds single rows too."""

BRIN_CORRELATION = 0.95
"""pg_stats.correlation from which block ranges exclude each other."""

WIDE_KEY = 2_000
"""Bytes of a value: beyond 2,704 an entry does not fit a third of a page, and INSERT fails."""

ENTRY_MS = 0.02
"""Time of one index entry, WAL and later VACUUM counted in. pgbench on one core: 10 to 30 µs
for each further index."""

LOST_HOT_ENTRIES = 1.0
"""Entries that every index of the table gets where an update is HOT no more."""

HOT_VARIANT_TIMES = 5.0
HOT_VARIANT_SHARE = 0.01
"""An index that leaves updates HOT is preferred while its cost is at most this many times the
best and at most this share of today's: (user_id) for (user_id, status) kept HOT at 100 %,
where tps fell by 15 to 41 %."""

RISK_KEPT = 0.5
"""Share of rows that a filter keeps, as estimated, below which an ordered walk under a LIMIT
rests on matching rows to come early: it took 215 ms where 3.7 were planned."""

WARNING_SHARE = 0.5
"""An index that halves a statement's cost is worth a warning; less, a notice."""
