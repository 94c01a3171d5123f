"""Widens `experiment_tags.value`, the one column of MLflow's tables that Tandem alters.

MLflow allows 20,000 characters in a tag or note of an experiment. Before revision
`17e22815139b`, which makes the column TEXT, PostgreSQL takes 5,000. MLflow's migration changes
nothing where the column is TEXT already, and older MLflow servers do not notice.
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
"""One row if the column is VARCHAR: whether Tandem made the tables, known by their fillfactor."""

_WIDEN: Final = (
    # ALTER TABLE waits for transactions that use the table, and later ones queue behind it.
    "SET LOCAL lock_timeout = '5s'",
    "ALTER TABLE experiment_tags ALTER COLUMN value TYPE text",
    "SET LOCAL lock_timeout TO DEFAULT",
)
_log = logging.getLogger("tandem.db")


def is_due(conn: Connection, *, foreign: bool = False) -> bool:
    """Whether to widen: the column is narrow, and Tandem made the table or `foreign` is set."""
    if conn.dialect.name != "postgresql":  # SQLite enforces no lengths
        return False
    row = conn.exec_driver_sql(_NARROW).first()
    return row is not None and (foreign or bool(row[0]))


def widen(conn: Connection) -> bool:
    """Widen the column, without rewriting the table; False, and a line in the log, if that fails.

    It fails if the role does not own the table, or a view uses the column. A savepoint keeps the
    rest of the transaction.
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
