"""What the database's refusals mean: to clients, who learn what kind it is, and to the operator.

The operator's reason holds what the driver says, paths and addresses; no password is in it.
"""

import contextlib
import sqlite3
from collections.abc import Iterator
from typing import Final

import psycopg
from sqlalchemy import URL, exc

from tandem_metadata.database import sqlite_file
from tandem_shared.errors import ApiError, InvalidParameter, Unavailable
from tandem_shared.settings import SettingsError

FULL: Final = "The database's disk is full: nothing was stored. Try again when it has room."
DISK_FAILS: Final = "The database's disk fails; the service's log says how."
READ_ONLY: Final = "The database takes no writes: it is read-only for this service."

_SILENT: Final = "The database does not answer; try again later."
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
"""Codes whose cause may be seen by looking at the file."""

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
"""What helps against errors that PostgreSQL tells apart by words alone."""


def answer(error: exc.DBAPIError, url: URL) -> ApiError | None:
    """What the client is told, with the operator's reason; None for a fault of the service."""
    if isinstance(error, exc.DataError):
        return InvalidParameter(
            "A value is too long, out of range, or not text that can be stored."
        )
    sentence = _sentence(error)
    return Unavailable(sentence, reason=reason(error, url)) if sentence else None


def _sentence(error: exc.DBAPIError) -> str | None:
    if isinstance(error.orig, sqlite3.Error):
        return _SQLITE.get(_sqlite_code(error.orig))
    state = sqlstate(error) or ""
    if state == _READ_ONLY_TRANSACTION:
        return READ_ONLY
    if not (isinstance(error, exc.OperationalError) or error.connection_invalidated):
        return None
    if state == _DISK_FULL:
        return FULL
    if state.startswith(_NO_RESOURCES):
        return "The database has no memory or connections left; try again later."
    return _SILENT


def reason(error: exc.DBAPIError, url: URL) -> str:
    """Why the database cannot be used, for the operator: one line without a full stop."""
    if isinstance(error.orig, sqlite3.Error):
        path = sqlite_file.path_of(url)
        code = _sqlite_code(error.orig)
        if code in _OF_THE_FILE and (trouble := sqlite_file.trouble(path)):
            return trouble
        return f"SQLite says of {path}: {_words(error)}"
    words = _words(error)
    hints = [f". {hint}" for phrase, hint in _HINTS.items() if phrase in words]
    return f"PostgreSQL says: {words}{''.join(hints)}"


def _words(error: exc.DBAPIError) -> str:
    """What the driver says: its first line, behind which come advice and the statement."""
    diagnosis = getattr(error.orig, "diag", None)
    said = getattr(diagnosis, "message_primary", None) or str(error.orig)
    return " ".join(said.strip().partition("\n")[0].split()).rstrip(".")


@contextlib.contextmanager
def refused(url: URL) -> Iterator[None]:
    """Make a database that cannot be used now an error of `--backend-store-uri`, with its reason.

    Raises SettingsError; for what has to be done before anybody is served.
    """
    try:
        yield
    except ApiError as error:
        why = error.reason or error.message.rstrip(".")
    except exc.DBAPIError as error:
        why = reason(error, url)
    else:
        return
    raise SettingsError(f"--backend-store-uri: {why}.")


def is_busy(error: exc.DBAPIError) -> bool:
    """Whether SQLite waited in vain for other writers."""
    return isinstance(error.orig, sqlite3.Error) and _SQLITE.get(_sqlite_code(error.orig)) == (
        _LOCKED
    )


def is_interrupted(error: Exception) -> bool:
    """Whether the database stopped a statement because it was asked to."""
    source = error.orig if isinstance(error, exc.DBAPIError) else error
    if isinstance(source, sqlite3.OperationalError):
        return _sqlite_code(source) == sqlite3.SQLITE_INTERRUPT
    return isinstance(source, psycopg.errors.QueryCanceled)


def sqlstate(error: exc.DBAPIError) -> str | None:
    """PostgreSQL's code for what went wrong; None if it was something else that did."""
    return getattr(error.orig, "sqlstate", None)


def _sqlite_code(error: sqlite3.Error) -> int:
    """The primary code: the low byte of an extended one."""
    return error.sqlite_errorcode & 0xFF if hasattr(error, "sqlite_errorcode") else 0
