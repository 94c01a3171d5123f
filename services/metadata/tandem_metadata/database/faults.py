"""What errors of the database mean: a sentence for the client, a reason for the operator.

The reason repeats the driver's message, with paths and addresses, but no password.
"""

import contextlib
import sqlite3
from collections.abc import Iterator
from typing import Final

import psycopg
from sqlalchemy import URL, exc

from tandem_metadata.database import sqlite_file
from tandem_metadata.database.address import BACKEND
from tandem_metadata.database.login.tokens import LoginFailed
from tandem_shared.errors import ApiError, InvalidParameter, Unavailable
from tandem_shared.settings import SettingsError

FULL: Final = "The database's disk is full: nothing was stored. Try again when it has room."
DISK_FAILS: Final = "The database's disk fails; the service's log says how."
MOVED: Final = (
    "A file of the database was moved or removed while in use: nothing was stored. The service's "
    "log says which."
)
READ_ONLY: Final = "The database takes no writes: it is read-only for this service."

_SILENT: Final = "The database does not answer; try again later."
_NO_LOGIN: Final = "The service cannot log in to its database; its log says why."
_LOCKED: Final = "The database is locked by other writes; try again later."
_BROKEN: Final = "The database's file is damaged, or is none of SQLite's."
_SQLITE: Final = {
    sqlite3.SQLITE_BUSY: _LOCKED,
    sqlite3.SQLITE_LOCKED: _LOCKED,
    sqlite3.SQLITE_READONLY: READ_ONLY,
    sqlite3.SQLITE_FULL: FULL,
    sqlite3.SQLITE_IOERR: DISK_FAILS,
    sqlite3.SQLITE_CANTOPEN: "The database cannot be opened; the service's log says why.",
    sqlite3.SQLITE_CORRUPT: _BROKEN,
    sqlite3.SQLITE_NOTADB: _BROKEN,
}
_OF_THE_FILE: Final = frozenset(
    {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN}
)
"""Codes of errors whose cause may be visible in the file's mode, owner or folder."""

_READ_ONLY_TRANSACTION: Final = "25006"  # the primary has become a replica
_DISK_FULL: Final = "53100"
_NO_RESOURCES: Final = "53"

_HINTS: Final = {
    "password authentication failed": (
        "Check the password; special characters in it must be percent-encoded, as %40 for @"
    ),
    "no password supplied": "Write it as postgresql://user:password@host/name",
    "permission denied for schema": (
        "Grant the role CREATE on the schema, or run `tandem-metadata db upgrade` with a role that "
        "may create tables"
    ),
}
"""Advice by phrases: PostgreSQL gives these errors no codes of their own."""


DatabaseError = exc.DBAPIError | sqlite3.Error | psycopg.Error
"""An error of the database's driver, as SQLAlchemy wraps it or as the driver raises it."""


def api_error(error: DatabaseError, url: URL) -> ApiError | None:
    """What the client is told, with the operator's reason; None for a fault of the service."""
    if isinstance(_of_driver(error), (psycopg.DataError, sqlite3.DataError)):
        return InvalidParameter(
            "A value is too long, out of range, or not text that can be stored."
        )
    sentence = _sentence(error)
    return Unavailable(sentence, reason=reason(error, url)) if sentence else None


def _sentence(error: DatabaseError) -> str | None:
    source = _of_driver(error)
    if isinstance(source, sqlite3.Error):
        return _SQLITE.get(_sqlite_code(source))
    if isinstance(source, LoginFailed):
        return _NO_LOGIN
    state = sqlstate(error) or ""
    if state == _READ_ONLY_TRANSACTION:
        return READ_ONLY
    lost = isinstance(error, exc.DBAPIError) and error.connection_invalidated
    if not (lost or isinstance(source, psycopg.OperationalError)):
        return None
    if state == _DISK_FULL:
        return FULL
    if state.startswith(_NO_RESOURCES):
        return "The database has no memory or connections left; try again later."
    return _SILENT


def reason(error: DatabaseError, url: URL) -> str:
    """Why the database cannot be used, for the operator: one line without a full stop."""
    source = _of_driver(error)
    if isinstance(source, LoginFailed):
        return str(source)
    message = driver_message(error)
    if isinstance(source, sqlite3.Error):
        path = sqlite_file.path_of(url)
        code = _sqlite_code(source)
        if code in _OF_THE_FILE and (why := sqlite_file.why_unusable(path)):
            return why
        return f"SQLite says of {path}: {message}"
    hints = [f". {hint}" for phrase, hint in _HINTS.items() if phrase in message]
    return f"PostgreSQL says: {message}{''.join(hints)}"


def driver_message(error: DatabaseError) -> str:
    """The first line of the driver's message; advice and the statement follow in others."""
    source = _of_driver(error)
    diagnosis = getattr(source, "diag", None)
    message = getattr(diagnosis, "message_primary", None) or str(source)
    return " ".join(message.strip().partition("\n")[0].split()).rstrip(".")


@contextlib.contextmanager
def as_settings_error(url: URL, flag: str = BACKEND) -> Iterator[None]:
    """Raise SettingsError about the flag that gives the address, with the reason, on failure.

    For what has to be done before anybody is served.
    """
    try:
        yield
    except ApiError as error:
        why = error.reason or error.message.rstrip(".")
    except exc.DBAPIError as error:
        why = reason(error, url)
    else:
        return
    raise SettingsError(f"{flag}: {why}.")


def is_busy(error: exc.DBAPIError) -> bool:
    """Whether SQLite waited in vain for other writers."""
    source = error.orig
    return isinstance(source, sqlite3.Error) and _SQLITE.get(_sqlite_code(source)) == _LOCKED


def is_interrupted(error: DatabaseError) -> bool:
    """Whether the database stopped a statement because it was asked to."""
    source = _of_driver(error)
    if isinstance(source, sqlite3.OperationalError):
        return _sqlite_code(source) == sqlite3.SQLITE_INTERRUPT
    return isinstance(source, psycopg.errors.QueryCanceled)


def sqlstate(error: DatabaseError) -> str | None:
    """PostgreSQL's code of the error; None if it is not PostgreSQL's."""
    return getattr(_of_driver(error), "sqlstate", None)


def _of_driver(error: DatabaseError) -> BaseException | None:
    return error.orig if isinstance(error, exc.DBAPIError) else error


def _sqlite_code(error: sqlite3.Error) -> int:
    """The primary code: the low byte of an extended one."""
    return error.sqlite_errorcode & 0xFF if hasattr(error, "sqlite_errorcode") else 0
