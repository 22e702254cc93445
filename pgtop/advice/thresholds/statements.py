"""Numbers of the rules about statements."""

INTERVALS = 3
"""A pattern holds when it held in as many intervals running: one burst is no pattern."""

LOOKUP_ROWS_PER_CALL = 1.05
"""A look-up by key returns one row or none; a little more allows for a few that join."""

LOOKUP_MEAN_MS = 5.0
"""A look-up that takes longer has a trouble of its own, which is not its number."""

LOOKUP_CALLS_PER_S = 50.0
"""Below this the round trips of N+1 cost less than a person would notice."""

LOOKUP_TIME_FRACTION = 0.05
"""Share of all execution time from which a repeated look-up is worth the change …"""

LOOKUP_BUSY_CALLS_PER_S = 1_000.0
"""… or as many calls, whatever their time: each is a round trip that the server never sees."""

LIST_ROWS_PER_CALL = 5.0
"""A list is a statement whose rows somebody iterates over."""

LIST_MATCH = 0.15
"""How far the list's rows/s may be from the look-up's calls/s and still be about once a row."""

SPILL_BYTES_PER_S = 1_048_576.0
"""1 MB/s to temporary files, interval after interval: the disk works for want of work_mem."""

REGRESSED_MEAN_FACTOR = 2.0
"""Twice as slow is more than noise and cache temperature …"""

REGRESSED_MEAN_MS = 5.0
"""… if it is also this many milliseconds: 0.1 to 0.2 ms is nobody's incident."""

REGRESSED_CALLS_FACTOR = 3.0
"""Three times as often: a retry loop, a cache that went cold, a new release."""

REGRESSED_CALLS = 20
"""Executions on both sides before a mean is compared."""

REGRESSED_MS_PER_S = 50.0
"""Added load, 5 % of one core: what is less hurts nobody."""
