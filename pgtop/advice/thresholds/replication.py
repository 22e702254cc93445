"""Numbers of the rules about replication, WAL and the server's own troubles."""

MIB = 1 << 20
GIB = 1 << 30

LAG_S = 30.0
"""A standby so far behind shows its readers old rows, and a failover would lose them or wait."""

LAG_CRITICAL_S = 600.0
"""Ten minutes behind it is no standby to fail over to."""

LAG_BYTES = 1 * GIB
"""So much to catch up is a warning whatever the clock says: the seconds of a link that hangs are
those of its last answer."""

LAG_LEAST_BYTES = 1 * MIB
"""On an idle primary a standby reports the last few bytes with its next status message, and that
interval is a setting (wal_receiver_status_interval)."""

CATCHING_UP_S = 120.0
"""A standby that will have everything by then is on its way: it was just restarted, or a bulk
load has ended."""

SILENT_S = 60.0
"""wal_receiver_timeout's default: a receiver that says nothing for so long will be given up."""

WATCHED_S = 8.0
"""Lag must hold over two readings: one burst of WAL is not a standby that falls behind."""

STEADY_S = 60.0
"""Who streamed for so long was no copy that ended."""

GONE_S = 30.0
"""A receiver that lost its link tries again every 5 s (wal_retrieve_retry_interval); a standby
that is restarted takes longer only where it has much to replay."""

GONE_FORGOTTEN_S = 3_600.0
"""Later it was taken away on purpose, or somebody knows."""

DELAY_STEADY = 0.2
"""Replay lag that stays within this share while everything is flushed at once is a delay
that somebody set (recovery_min_apply_delay)."""

SLOT_STILL_S = 20.0
"""A restart_lsn that has not moved for so long, where nobody uses the slot, is not only slow: a
consumer in use moves it with its messages, every wal_receiver_status_interval of 10 s."""

SLOT_NOTICE_BYTES = 256 * MIB
"""Less than a consumer's restart leaves behind on a server that writes; not worth a word."""

SLOT_WARNING_BYTES = 1 * GIB
"""max_wal_size's default, and where that is larger the setting: more than the server keeps for
itself. A standby that is rebooted comes back before that."""

SLOT_CRITICAL_S = 3_600.0
"""So long until the slot is lost, at the present rate: whoever is on call must act now."""

SLOT_WARNING_S = 86_400.0
"""A day."""

DECODING_BYTES = 1 * GIB
"""A consumer of changes this far behind and not gaining will not get there by itself."""

DECODING_NOTICE_BYTES = 256 * MIB

WAL_TIMES = 2.0
"""pg_wal may pass max_wal_size while a checkpoint is spread; twice that is held by something."""

WAL_NOTICE_BYTES = 1 * GIB
"""Beyond what the settings allow."""

WAL_WARNING_BYTES = 10 * GIB
"""Small disks for WAL are 20 to 50 GB: at this point the end is in sight for them."""

ARCHIVE_RECENT_S = 180.0
"""The archiver tries again every 60 s (pgarch.c, PGARCH_AUTOWAKE_INTERVAL): no failure for three
times that is none now."""

ARCHIVE_FAILURES = 3
"""It tries three times at once (NUM_ARCHIVE_RETRIES): a single failure that the next attempt
mends is no finding."""

ARCHIVE_READY_WARNING = 16
"""Segments of 16 MB that wait, 256 MB: failing or not, the archive is behind."""

ARCHIVE_READY_CRITICAL = 640
"""10 GB: the disk is filling up, and point-in-time recovery ends long ago."""

FORCED_LEAST = 3
"""Requested checkpoints in a row: CHECKPOINT, CREATE DATABASE or a backup request one each."""

FORCED_WATCHED_S = 60.0

FORCED_VOLUME = 0.5
"""Of the distance at which WAL requests a checkpoint: what was requested after less was requested
by somebody's command."""

FORCED_GAP_S = 30.0
"""checkpoint_warning's default: closer together the server itself complains."""

FORCED_WARNING_WATCHED_S = 300.0
"""A load of data does so for minutes and then never again."""

CRASH_GAP_S = 10.0
"""The checkpointer is started within moments of the postmaster (postmaster.c); later than
this it was started again."""

CRASH_WARNING_S = 3_600.0
CRASH_NOTICE_S = 86_400.0
"""After a day it is history: the log has it."""

CHECKSUM_CRITICAL_S = 7 * 86_400.0
"""A page that failed within the week is likely still being read; older counts were perhaps
repaired, and only a reset of the counters would say so."""
