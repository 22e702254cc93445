"""Numbers of the rules about sessions and locks."""

BLOCKED_S = 5.0
"""A lock that is waited for less is work: pgbench's clients wait for each other all the time, for
milliseconds. Five times deadlock_timeout, so that no deadlock is still to be resolved."""

BLOCKED_CRITICAL_SESSIONS = 10
"""So many behind one root take the slots of a usual pool …"""

BLOCKED_CRITICAL_S = 10.0
"""… after as long, and more of them come every second."""

BLOCKED_CRITICAL_LONG_S = 300.0
"""However few they are: nobody waits five minutes for a row on purpose."""

IDLE_S = 60.0
"""Idle in a transaction: at any instant half of pgbench's sessions are, for less than a
millisecond. A minute is no program that works, by the age of state_change."""

IDLE_BLOCKING_S = 5.0
"""… and this long where others wait for it."""

IDLE_GROUP = 3
"""More of one application, user and database are one finding: one defect, not sixty."""

CONTENTION_SAMPLES = 5
"""Samples running: one burst is no pattern."""

CONTENTION_FRACTION = 0.25
"""Of the active sessions, in each of these samples."""

CONTENTION_SESSIONS = 4.0
"""Waiting on average. Of four active sessions one in LWLock is a moment, not contention."""

CONTENTION_CLASSES = ("LWLock", "BufferPin")
"""What heavyweight locks wait for has its own rule; I/O and the processor are no locks."""

COMMIT_EVENTS = ("WALWrite", "WALWriteLock", "WALInsert", "wal_insert")
"""Commits stand in line for the WAL's flush where many small transactions commit: that is how
group commit works, and fast storage or fewer commits its remedy. No more than a notice."""

SYNC_S = 10.0
"""A commit that waits so long for a synchronous standby waits for one that is not there."""

SYNC_CRITICAL_S = 30.0
"""wal_sender_timeout is 60 s: half of it without an answer, and every commit hangs."""
