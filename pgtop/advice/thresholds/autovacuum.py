"""Numbers of the rules about autovacuum."""

GIB = float(2**30)

DEAD_FRACTION = 0.05
"""Dead rows a table should hold at most when vacuum comes: a quarter of the default's 20 %."""

MAX_INTERVAL_S = 86_400.0
"""A table that changes should be vacuumed about daily …"""

CALM_FRACTION = 0.01
"""… unless a day's dead rows are less than this share of it."""

MIN_INTERVAL_S = 600.0
"""More often than this the visits cost more than the dead rows."""

NAPTIMES = 5.0
"""An interval of fewer naptimes is decided by the naptime, not by the threshold."""

CALM_S = 14 * 86_400.0
"""A table that reaches the better threshold only after this long is left alone."""

FACTOR = 2.0
"""A threshold within twice the better one stays: a change must be worth its line of DDL."""

SMALL_BYTES = 64 * float(2**20)
"""Below this whatever vacuum does takes a second: pgbench_branches stands at 600-8,850 % of its
threshold on a healthy pgbench."""

WORTH_BYTES = 0.25 * GIB
"""Dead space that an override saves before it is proposed: at less nobody would notice."""

CAP_ROWS = 10e6
"""From 18, tables of this many rows get a cap instead of a factor: one option that still
follows the table when it shrinks."""

LEAST_ROWS = 1000.0
"""No threshold of dead rows lower than this."""

MEMORY_ROWS = 178_956_970.0
"""Dead rows that 1 GB holds up to 16: more means another pass over every index."""

LONG_S = 86_400.0
"""Counters this old show a day's rhythm: younger ones give a draft, not a finding."""

BURST_FACTOR = 3.0
"""Live and long-term churn further apart than this: a burst, nothing lasting is proposed."""

MAX_VACUUM_S = 7_200.0
"""A vacuum longer than this is too slow …"""

DUTY = 0.5
"""… and so is one that takes more than this share of its interval."""

MAX_COST_LIMIT = 1_000.0
"""Five times the default budget for one table: 195 MiB/s of dirtied pages."""

UTILISATION = 0.7
"""Above this the budget is the limit: queueing grows without bound towards 1."""

UTILISATION_GOAL = 0.5
"""Where a raised cost limit should bring it."""

INSERT_SHARE = 0.9
"""A table is insert-only when this share of its changes are inserts …"""

INSERT_ROWS = 1e6
"""… and it has at least so many rows."""

INSERT_LEAST = 100_000.0
"""Rows between two vacuums for inserts, at least."""

APPEND_DEAD = 0.001
"""Dead rows per inserted row below which a table is append-only: freeze at once."""

APPEND_ROWS = 10e6
"""… if it is this big."""

ANALYZE_DRIFT = 2.0
"""Row counts of the planner and of the counters this factor apart: estimates are wrong."""

ANALYZE_ROWS = 1e6
"""Tables below are analysed often enough."""

STARVED_NAPTIMES = 10.0
"""Due for so many naptimes with workers free, and nobody came: locks keep it away."""

HELD_S = 60.0
"""Transactions younger than this are everyday life."""

HELD_WARNING_S = 3_600.0
"""A running statement this old that keeps dead rows is worth a person's look …"""

HELD_IDLE_WARNING_S = 300.0
"""… an idle transaction already after this long: it does nothing meanwhile."""

HELD_WARNING_BYTES = GIB
"""… and whatever keeps this much dead."""

UNHELPED_RUNS = 2
"""Runs in a row that removed nothing: the horizon is held."""

PIN_S = 60.0
"""A vacuum waiting this long for a page somebody has pinned (a cursor left open, mostly)."""

NO_STATISTICS_ROWS = 1000.0
"""Rows that a table without any counter must hold before their loss matters."""

LOST_TABLES = 3
"""Tables without counters before the loss is called one of the server."""

FILLFACTOR_UPDATES = 10_000
"""Updates seen before their kind is judged."""

FILLFACTOR_HOT = 0.5
"""Below this share of HOT updates …"""

FILLFACTOR_NEWPAGE = 0.25
"""… and above this share that went to another page, pages are full."""

FILLFACTOR_ROWS = 20.0
"""Fewer rows a page need more room: 80 in place of 90."""

OWN_FRACTION = 1.0
"""A table's own options let it gather more dead rows than it has rows: nobody meant that …"""

OWN_DEAD_ROWS = 10_000.0
"""… and it did, by so many at least: proved at once, whatever the counters' age."""

NAPTIME_S = 10
"""What a naptime that limits is shortened to; shorter wakes the launcher for nothing."""

NAPTIME_DATABASES = 8
"""With more databases each gets its turn rarely, whatever the naptime."""

HERD_S = 1_800.0
"""Backlog that new thresholds may make due at once; more goes in batches."""

DEAD_ROW_BYTES = 6.0
"""An ItemPointerData of the array that vacuum kept up to 16 (vacuumlazy.c)."""
