"""The one column of MLflow's tables that Tandem makes wider than revision `3da73c924c2f` has it.

Tags of experiments, their notes among them, have 20,000 characters in MLflow 3.17.2, and PostgreSQL
stores 5,000 of them in the tables of revisions before `17e22815139b`. That one makes the column
TEXT; done before, it changes nothing there, and older servers of MLflow do not notice.
"""

import logging
from typing import Final

from sqlalchemy import Connection, exc

from tandem_metadata.database.faults import driver_message

_NARROW: Final = """
SELECT EXISTS (
  SELECT FROM pg_class
  WHERE oid = to_regclass('latest_metrics') AND 'fillfactor=50' = ANY(reloptions))
FROM pg_attribute
WHERE attrelid = to_regclass('experiment_tags') AND attname = 'value'
  AND atttypid = 'varchar'::regtype"""
"""A row where the column is narrow: whether Tandem made the tables, by the room it leaves there."""

_WIDEN: Final = (
    # Whoever reads or writes tags meanwhile is waited for, and everybody waits behind.
    "SET LOCAL lock_timeout = '5s'",
    "ALTER TABLE experiment_tags ALTER COLUMN value TYPE text",
    "SET LOCAL lock_timeout TO DEFAULT",
)
_log = logging.getLogger("tandem.db")


def is_due(conn: Connection, *, foreign: bool = False) -> bool:
    """Whether the column is narrow; in tables that MLflow made it may be so, unless `foreign`."""
    if conn.dialect.name != "postgresql":  # SQLite holds no text to its column's length
        return False
    row = conn.exec_driver_sql(_NARROW).first()
    return row is not None and (foreign or bool(row[0]))


def widen(conn: Connection) -> bool:
    """Widen the column, without rewriting the table; False, and a line in the log, if that fails.

    Nothing else of the transaction is lost then: the role may not own the table, or a view use it.
    """
    try:
        with conn.begin_nested():
            for statement in _WIDEN:
                conn.exec_driver_sql(statement)
    except exc.DBAPIError as error:
        if error.connection_invalidated:
            raise
        _log.warning(
            "tags of experiments keep to 5000 characters: their column could not be widened (%s); "
            "run `tandem-metadata db upgrade` with the role that owns the tables",
            driver_message(error),
        )
        return False
    return True
