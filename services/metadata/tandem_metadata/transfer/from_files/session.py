"""The transactions of an import."""

import contextlib
from collections.abc import Iterator

from sqlalchemy import Connection

from tandem_metadata.database import revisions
from tandem_metadata.database.database import Database


class Session:
    """Connections to the target, or none if an import is only tried on a target without tables.

    PostgreSQL gets one transaction for all between the start and the end of `whole`. SQLite gets
    many short ones, as other processes cannot write during one. What they write is such that an
    import which ends between two of them is completed by the next.
    """

    def __init__(self, database: Database | None, *, dry_run: bool) -> None:
        self._database = database
        self._dry_run = dry_run
        self._open: Connection | None = None

    @property
    def is_one(self) -> bool:
        """Whether all is written in one transaction."""
        return self._database is not None and self._database.dialect == "postgresql"

    @contextlib.contextmanager
    def whole(self) -> Iterator[None]:
        """What belongs together."""
        if self._database is None or self._dry_run or not self.is_one:
            yield
            return
        with self._database.write() as conn:
            # Who migrates, and other imports, wait: the lock is that of migrations.
            revisions.lock(conn)
            self._open = conn
            try:
                yield
            finally:
                self._open = None

    @contextlib.contextmanager
    def write(self) -> Iterator[Connection | None]:
        """A connection in a transaction; None if nothing is to be written."""
        if self._database is None or self._dry_run:
            yield None
        elif self._open is not None:
            yield self._open
        else:
            with self._database.write() as conn:
                if self.is_one:
                    revisions.lock(conn)
                yield conn

    @contextlib.contextmanager
    def read(self) -> Iterator[Connection | None]:
        """A connection to look things up; None if there are no tables."""
        if self._database is None:
            yield None
        elif self._open is not None:
            yield self._open
        else:
            with self._database.read() as conn:
                yield conn
