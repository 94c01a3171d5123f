"""Which transactions a statement sees, so that what was read can be known to be as it was."""

from typing import Final

from sqlalchemy import String, literal_column

SNAPSHOT: Final = (
    "(SELECT CASE WHEN NOT pg_is_in_recovery() THEN txid_current_snapshot()::text END)"
)
"""The snapshot of a statement, in PostgreSQL's SQL.

Statements of the same snapshot see the same, whoever runs them, until a failover: a transaction
that writes has a number, and the snapshot says which numbers have ended. A replica's does not, and
is NULL.
"""

SNAPSHOT_COLUMN: Final = literal_column(SNAPSHOT, String()).label("snapshot")
"""The same to select; it is found once a statement, not once a row."""
