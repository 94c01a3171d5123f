"""Lets one `gc` at a time work on a database."""

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterator
from typing import Final

from tandem_metadata.database.database import Database
from tandem_metadata.database.sqlite_file import path_of
from tandem_shared.settings import SettingsError

_KEY: Final = 0x7461_6E64_6570  # of an advisory lock: the migration's plus three
# Of a transaction, not of a session: PgBouncer lends a session to others between transactions.
_TRY_LOCK: Final = f"SELECT pg_try_advisory_xact_lock({_KEY})"
_BUSY: Final = "Another `gc` is at work on this database; let it end."


@contextlib.contextmanager
def alone(database: Database) -> Iterator[Callable[[], None]]:
    """Hold the lock, which ends with the process; yields what raises Unavailable once it is lost.

    Raises SettingsError while another process holds it.
    """
    if database.dialect == "sqlite":
        with _file(f"{path_of(database.url)}-gc"):
            yield lambda: None
        return
    with database.write() as conn:
        if not conn.exec_driver_sql(_TRY_LOCK).scalar_one():
            raise SettingsError(_BUSY)

        def check() -> None:
            # So that the server does not take the transaction for an idle one, besides.
            conn.exec_driver_sql("SELECT 1")

        yield check


@contextlib.contextmanager
def _file(path: str) -> Iterator[None]:
    """A locked file beside the database, which is removed at the end; a crash unlocks it."""
    while True:
        try:
            file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise SettingsError(f"The file {path} cannot be made: {error.strerror}.") from None
        try:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise SettingsError(_BUSY) from None
            if not _is_at(path, file):  # another process has removed it since
                continue
            try:
                yield
            finally:
                os.unlink(path)
            return
        finally:
            os.close(file)


def _is_at(path: str, file: int) -> bool:
    try:
        return os.path.samestat(os.stat(path), os.fstat(file))
    except FileNotFoundError:
        return False
