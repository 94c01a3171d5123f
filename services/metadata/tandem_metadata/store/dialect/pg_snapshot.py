"""The snapshot of a statement on PostgreSQL, which tells whether rows read before are current."""

from typing import Final

from sqlalchemy import String, literal_column

SNAPSHOT: Final = "(SELECT CASE WHEN NOT pg_is_in_recovery() THEN pg_current_snapshot()::text END)"
"""The statement's snapshot as text, in SQL.

Equal snapshots see equal rows: a snapshot lists the finished writing transactions. That does not
hold across a failover, where ids may repeat, nor on a replica, where this is NULL.
"""

SNAPSHOT_COLUMN: Final = literal_column(SNAPSHOT, String()).label("snapshot")
"""The same as a column. It is evaluated once a statement, not once a row."""
