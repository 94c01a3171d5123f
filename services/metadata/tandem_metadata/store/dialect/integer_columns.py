"""What a column of type INTEGER holds: ids of experiments, and numbers of model versions.

SQLite stores integers of 64 bits whatever the column's type says, and `mlflow migrate-filestore`
takes ids of 18 digits over.
"""

from typing import Final

from sqlalchemy import Connection

from tandem_metadata.rules.integers import INT64_MAX
from tandem_metadata.store.dialect.pg_arrays import is_postgresql

_INT32_MAX: Final = 2**31 - 1


def largest(conn: Connection) -> int:
    """The largest integer that such a column holds."""
    return _INT32_MAX if is_postgresql(conn) else INT64_MAX
