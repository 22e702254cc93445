"""Numbers of the rules about indexes, tables and sequences."""

DAY_S = 86_400.0

UNUSED_WINDOW_S = 35 * DAY_S
"""A month and a bit: jobs that run once a month have had their turn."""

YOUNG_WINDOW_S = 7 * DAY_S
"""Below this the counters have not even seen a week: too young to speak of."""

UNUSED_BYTES = 32 * 1024
"""A smaller index costs nothing that a person would notice."""

BLOATED_FRACTION = 0.50
"""Indexes with random keys live at 60 to 75 % full: rebuilding such a one made it bigger."""

BLOATED_BYTES = 1 << 30
"""What is wasted: a gigabyte, …"""

BLOATED_BUFFERS = 0.05
"""… or this share of shared_buffers, which holds the waste instead of rows."""

DEAD_FRACTION = 0.20
"""With more dead rows than this VACUUM comes first: what it frees is used again."""

HOLDER_S = 3_600.0
"""A horizon held for an hour is a running cause of bloat: a rebuild would not last."""

LOW_CARDINALITY_VALUES = 20
"""Few values …"""

RARE_FRACTION = 0.05
"""… of which none is rarer than this: reading that much of a table by index gains nothing."""

LOW_CARDINALITY_PAGES = 1_000
"""8 MB of table: below, any way of reading it is quick."""

REFERENCING_PAGES = 128
"""1 MB: a smaller referencing table is read whole in no time."""

REFERENCING_SLOW_PAGES = 12_800
"""100 MB read for each deleted row is seconds of every deletion."""

STALE_ROWS = 1_000
"""Smaller tables: the planner's guess from their size will do."""

STALE_SEEN_S = 600.0
"""Ten rounds of autovacuum at its default naptime: it would have come by then."""

STALE_FRACTION = 1.0
"""As many rows changed since the last ANALYZE as it knew: ten times autovacuum's threshold."""

STALE_CHANGES = 100_000
"""… and this many, so that small tables between two runs are left alone."""

STALE_AGE_S = 3_600.0
"""… and the last ANALYZE an hour ago: during a bulk load it is only about to come."""

SEQUENCE_NOTICE = 0.60
"""Of the limit. A wider type takes a rewrite of the table: that wants weeks to be prepared."""

SEQUENCE_WARNING = 0.75
SEQUENCE_CRITICAL = 0.90
