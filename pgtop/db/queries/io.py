"""Times of reads (pg_stat_io, from 16) and of WAL's fsyncs (pg_stat_wal 14 to 17, then pg_stat_io).

Summed over all backends; memory that the operating system has already is a read too.
"""

from __future__ import annotations

from pgtop.db.query import Query
from pgtop.model.io import IoTime

TIMES = Query(
    row_type=IoTime,
    clauses={
        "reads": (
            (
                "pg_stat_io",
                "SELECT 'read', current_setting('track_io_timing') = 'on',"
                " coalesce(sum(reads), 0)::int8, coalesce(sum(read_time), 0)::float8"
                " FROM {pg_stat_io} WHERE object = 'relation'",
            ),
            ("always", "SELECT 'read', false, 0::int8, 0::float8 WHERE false"),
        ),
        "fsyncs": (
            (
                "pg_stat_wal.wal_sync_time",
                "UNION ALL SELECT 'fsync', current_setting('track_wal_io_timing') = 'on',"
                " wal_sync, wal_sync_time FROM {pg_stat_wal}",
            ),
            (
                "version:180000",
                "UNION ALL SELECT 'fsync', current_setting('track_wal_io_timing') = 'on',"
                " coalesce(sum(fsyncs), 0)::int8, coalesce(sum(fsync_time), 0)::float8"
                " FROM {pg_stat_io} WHERE object = 'wal'",
            ),
        ),
    },
    template="SELECT /* pgtop */ * FROM ({reads} {fsyncs}) io",
)
