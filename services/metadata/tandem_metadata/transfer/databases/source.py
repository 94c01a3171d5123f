"""The database that is read: opened for reading only, and seen at one moment."""

import contextlib
import os
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import psycopg
from sqlalchemy import URL, Connection, StaticPool, create_engine, exc

from tandem_metadata.database import faults, revisions, sqlite_file
from tandem_metadata.database.address import parse_url
from tandem_metadata.database.database import Database
from tandem_metadata.database.pool import Dialect
from tandem_metadata.transfer.databases import catalog, reading
from tandem_metadata.transfer.databases.catalog import Shape
from tandem_metadata.transfer.databases.reading import Row
from tandem_shared.settings import SettingsError

FLAG: Final = "SOURCE"
"""What messages call the source."""

LENGTH: Final = "tandem_length"
"""A function of SQL on SQLite: how many characters a text has, with all NULs."""

_MAGIC: Final = b"SQLite format 3\0"
_SCHEMES: Final = ("sqlite:", "postgresql:", "postgresql+", "postgres:")


def is_database(source: str) -> bool:
    """Whether what a user wrote is a database: an address of one, or SQLite's file."""
    if source.startswith(_SCHEMES):
        return True
    try:
        with open(source, "rb") as file:
            return file.read(len(_MAGIC)) == _MAGIC
    except (OSError, ValueError):
        return False


def address(source: str) -> str:
    """The source as an address: a path of SQLite's file becomes one."""
    return source if source.startswith(_SCHEMES) else f"sqlite:///{os.path.abspath(source)}"


@dataclass(frozen=True, slots=True)
class Source:
    """An open source: all that is read of it is of one moment."""

    conn: Connection
    dialect: Dialect
    url: URL
    revision: str
    shapes: dict[str, Shape]
    _version: "_DataVersion | None"

    @property
    def shown(self) -> str:
        """The address without a password."""
        return revisions.address(self.conn)

    def rows(self, shape: Shape, where: str, to: Dialect) -> Iterator[Row]:
        """All rows of a table for which a condition holds, as `reading.rows` gives them.

        Raises SettingsError, about the source, for what goes wrong in reading.
        """
        with _telling(self.url):
            yield from reading.rows(self.conn, shape, where, to=to)

    def scalars(self, statement: str) -> Sequence[Any]:
        """The first row of a statement; raises SettingsError about the source."""
        with _telling(self.url):
            return tuple(self.conn.exec_driver_sql(statement).one())

    def all(self, statement: str) -> Sequence[Sequence[Any]]:
        """All rows of a statement; raises SettingsError about the source."""
        with _telling(self.url):
            return [tuple(row) for row in self.conn.exec_driver_sql(statement)]

    def has_changed(self) -> bool:
        """Whether SQLite's file was written to by others since it was opened."""
        return self._version is not None and self._version.has_changed()


class _DataVersion:
    """Tells whether others have committed to SQLite's file since."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        """`connection` stays outside transactions, in which a file does not change."""
        self._connection = connection
        self._first = self._look()

    def _look(self) -> Any:
        self._connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        return self._connection.execute("PRAGMA data_version").fetchone()

    def has_changed(self) -> bool:
        return bool(self._look() != self._first)


@dataclass(frozen=True, slots=True)
class _Settings:
    backend_store_uri: str
    db_auth: str
    pool_size: int = 1
    pool_timeout: float = 60.0
    pool_recycle: int = -1
    db_prepared_statements: bool = False


@contextlib.contextmanager
def opened(source: str, db_auth: str = "password") -> Iterator[Source]:
    """The source, in one transaction that only reads.

    Raises SettingsError for one that is not there, does not answer, or is no database of MLflow's.
    """
    uri = address(source)
    url = parse_url(uri, FLAG)
    of_kind = _sqlite(url) if url.drivername == "sqlite" else _postgresql(uri, db_auth)
    with contextlib.ExitStack() as stack:
        with _telling(url):
            conn, version = stack.enter_context(of_kind)
            revision = revisions.current(conn)
            if revision is None:
                raise SettingsError(
                    f"{FLAG} has no revision (no alembic_version), so it is not MLflow's."
                )
            shapes = catalog.read(conn)
        dialect: Dialect = "sqlite" if conn.dialect.name == "sqlite" else "postgresql"
        yield Source(conn, dialect, url, revision, shapes, version)


@contextlib.contextmanager
def _telling(url: URL) -> Iterator[None]:
    """Raise SettingsError, about the source, for what goes wrong in reading it."""
    try:
        with faults.as_settings_error(url, FLAG):
            yield
    except (sqlite3.Error, psycopg.Error) as error:
        raise SettingsError(f"{FLAG}: {faults.reason(error, url)}.") from error


@contextlib.contextmanager
def _postgresql(uri: str, db_auth: str) -> Iterator[tuple[Connection, None]]:
    database = Database(_Settings(uri, db_auth), flag=FLAG, quiet=True)
    try:
        with database.write() as conn:
            conn.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            yield conn, None
    finally:
        database.close()


@contextlib.contextmanager
def _sqlite(url: URL) -> Iterator[tuple[Connection, _DataVersion]]:
    path = sqlite_file.path_of(url)
    if not path.is_file():
        raise SettingsError(f"{FLAG}: there is no SQLite database at {path}.")
    with contextlib.closing(_connect(path)) as watching, contextlib.closing(_connect(path)) as read:
        version = _DataVersion(watching)
        engine = create_engine(
            url, creator=lambda: read, poolclass=StaticPool, isolation_level="AUTOCOMMIT"
        )
        with engine.connect() as conn:
            read.create_function(LENGTH, 1, _length, deterministic=True)
            conn.exec_driver_sql("BEGIN")
            conn.exec_driver_sql("SELECT count(*) FROM sqlite_master").scalar()
            try:
                yield conn, version
            finally:
                with contextlib.suppress(exc.DBAPIError):
                    conn.exec_driver_sql("ROLLBACK")


def _length(value: Any) -> int | None:
    return len(value) if isinstance(value, str) else None


def _connect(path: Path) -> sqlite3.Connection:
    """A connection that changes nothing.

    A file with a log is opened for writing where it can be: SQLite then removes the log's index
    that it makes beside the file. Where it cannot, and nobody else uses it, the file is read alone.
    """
    name = f"file:{quote(str(path.absolute()))}"
    beside = os.path.exists(f"{path}-wal")
    if os.access(path, os.W_OK) and os.access(path.parent, os.W_OK):
        mode = "mode=rw"
    else:
        mode = "mode=ro" if beside else "mode=ro&immutable=1"
    connection = sqlite3.connect(f"{name}?{mode}", uri=True, isolation_level=None)
    connection.execute("PRAGMA query_only = ON")
    return connection
