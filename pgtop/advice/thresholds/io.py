"""Numbers of the rule about slow storage."""

SLOW_MS = 10.0
"""A read or an fsync of WAL on flash takes well below 1 ms, over a network 1 to 3 ms, on a
turning disk up to 10 ms."""

TIMES = 4.0
"""Against before: storage that has always been slow is how this server is."""

GAPS = 3
"""Samples running: one checkpoint or one backup's start is no trouble of the storage."""

LEAST_OPS = 30
"""In each of these gaps: of fewer operations the mean is that of one that was late."""

LEAST_BEFORE = 1_000
"""Operations before, that make a mean to compare with."""
