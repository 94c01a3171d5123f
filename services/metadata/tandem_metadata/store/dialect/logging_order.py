"""The order in which things were first logged, where the database knows it by itself.

SQLite numbers rows as they come, and an update leaves the number. PostgreSQL knows of a row which
transaction wrote it, and where it lies: that is the first one only where rows are never updated.
"""

from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Table, literal_column

from tandem_metadata.store.dialect.pg_arrays import is_postgresql

NEVER_UPDATED: Final = "age({0}xmin) DESC, {0}ctid"
"""PostgreSQL's clause for such a table; what precedes a column's name is put in."""


def is_kept(conn: Connection) -> bool:
    """Whether the database knows the order of any table, also of one whose rows are updated."""
    return not is_postgresql(conn)


def first_logged(
    conn: Connection, table: Table, key: ColumnElement[Any], *, updated: bool = True
) -> ColumnElement[Any]:
    """What to order a table's rows by: as they were first logged, or else by `key`."""
    if is_kept(conn):
        return literal_column(f"{table.name}.rowid")
    return key if updated else literal_column(NEVER_UPDATED.format(f"{table.name}."))
