"""Numbers of the rules about connections and pools."""

from __future__ import annotations

STILL_S = 600.0
"""Pools of a fixed size may sit near the limit for ever: a level that stands still for so long
is how this server is meant to run."""

STILL_SHARE = 0.95
"""Of the sessions, older than that: then the level has stood still although nobody watched."""

STILL_STEP = 0.02
"""Of the limit: moves within it are none."""

NEAR = 0.8
"""From here on, growth is worth a word …"""

TIGHT = 0.9
"""… and from here on the level itself; a deploy opens its new connections beside the old ones."""

FULL = 0.97
"""A handful of slots is left: the next burst is refused with 53300."""

GROWN = 0.03
"""Of the limit, over the readings that tell of growth: less is traffic."""

TREND_S = 180.0
"""How far back growth is looked at."""

TREND_LEAST_S = 6.0
"""And at least so long."""

SOON_S = 1_800.0
"""Full within half an hour at the present growth: somebody must look today, and now."""

CRITICAL_S = 180.0
"""Full in three minutes: before anybody has read the log."""

WAIT_S = 1.0
"""Clients of a pooler that wait for so long feel it; shorter queues are how a pool works."""

WAIT_CRITICAL_S = 10.0
"""Most clients give up between 5 and 30 s."""

SLOW_S = 1.0
"""A statement that runs for so long holds its server connection by itself: more connections
would wait for the same thing."""

HELD_S = 1.0
"""A transaction idle for so long holds its connection for the sake of its client."""

MOST = 0.5
"""Of the busy server connections: what holds so many is the cause."""

POOL_ROOM = 1.5
"""Times the most that were active at once: a pool of that size has room for a burst."""

POOL_LEAST = 4
"""No advice below this size."""
