"""The order in which things were first logged, as far as the database knows it.

SQLite's rowid counts up with each new row, and an update keeps it. PostgreSQL's xmin and ctid tell
which transaction wrote a row version, and where: of a row that was never updated, the first one.
"""

from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Table, literal_column

from tandem_metadata.store.dialect.pg_arrays import is_postgresql

NEVER_UPDATED: Final = "age({0}xmin) DESC, {0}ctid"
"""PostgreSQL's ORDER BY for a table without updates. Takes the prefix of its columns' names."""


def is_kept(conn: Connection) -> bool:
    """Whether the database knows the order also of a table whose rows are updated."""
    return not is_postgresql(conn)


def first_logged(
    conn: Connection, table: Table, key: ColumnElement[Any], *, updated: bool = True
) -> ColumnElement[Any]:
    """The ORDER BY that sorts a table's rows as they were first logged, or else by `key`."""
    if is_kept(conn):
        return literal_column(f"{table.name}.rowid")
    return key if updated else literal_column(NEVER_UPDATED.format(f"{table.name}."))
