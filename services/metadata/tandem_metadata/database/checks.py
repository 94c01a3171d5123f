"""Checks whether the database takes writes, as far as can be seen without writing to it."""

import errno

from sqlalchemy import URL, Connection

from tandem_metadata.database import sqlite_file
from tandem_metadata.database.faults import FULL, READ_ONLY
from tandem_shared.errors import Unavailable


def check_access(url: URL) -> None:
    """Raise Unavailable, with a reason, if the service's user cannot use SQLite's file."""
    if why := sqlite_file.why_unusable(sqlite_file.path_of(url)):
        raise Unavailable(READ_ONLY, reason=why)


def check_file(url: URL) -> None:
    """Raise Unavailable, with a reason, if SQLite's file or its disk takes no writes."""
    check_access(url)
    path = sqlite_file.path_of(url)
    if url.query.get("mode") == "ro" or "immutable" in url.query:
        raise Unavailable(READ_ONLY, reason="the address opens the file read-only")
    try:
        sqlite_file.check_space(path.parent)
    except OSError as error:
        if error.errno in sqlite_file.DISK_FULL:
            sentence = FULL
        elif error.errno == errno.EROFS:
            sentence = READ_ONLY
        else:  # such as a read-only folder, in which SQLite's -wal and -shm exist
            return
        reason = f"the folder {path.parent} takes no more: {error.strerror}"
        raise Unavailable(sentence, reason=reason) from error


def is_read_only(conn: Connection) -> bool:
    """Whether PostgreSQL refuses writes of this connection, as a replica does."""
    setting = "SELECT current_setting('transaction_read_only')"
    return bool(conn.exec_driver_sql(setting).scalar() == "on")
