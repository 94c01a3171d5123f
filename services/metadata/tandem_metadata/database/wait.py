"""Waits for a database that somebody else migrates, at the start of `serve --no-migrate`.

The service listens meanwhile, and its answers say what it waits for.
"""

import asyncio
import logging
import os.path
from collections.abc import Awaitable, Callable
from typing import Final

from prometheus_client import Gauge
from sqlalchemy import exc

from tandem_metadata.database import faults, revisions, sqlite_file
from tandem_metadata.database.database import Database
from tandem_metadata.database.faults import sqlstate
from tandem_shared.concurrency.threads import Threads
from tandem_shared.errors import Unavailable

POLL_SECONDS: Final = 2.0

_FIRST_SECONDS: Final = 1.0
"""Longest that `start` waits for the first look, so that a ready database is served at once."""

PENDING = Gauge(
    "tandem_db_migration_pending",
    "1 while a worker waits for a database that it can use, else 0.",
    multiprocess_mode="livemax",
)
_log = logging.getLogger("tandem.db")


class DatabaseWait:
    """Looks at the database every `POLL_SECONDS`, in a thread, until it can be used.

    `then` is called once, in the event loop, before the first request is let through. `also` looks
    at what else has to be there, in the thread, and raises Unavailable until it is. The event loop
    calls all methods but `_look`.
    """

    def __init__(
        self,
        database: Database,
        artifact_root: str,
        threads: Threads,
        then: Callable[[], Awaitable[None]],
        also: Callable[[], None] | None = None,
    ) -> None:
        self._database = database
        self._also = also
        self._root = artifact_root
        self._threads = threads
        self._then = then
        self._sentence: str | None = "The service has not looked at its database yet."
        self._logged = ""
        self._task: asyncio.Task[None] | None = None

    def check(self) -> None:
        """Raise Unavailable, saying what is waited for, until the wait is over."""
        if self._sentence is not None:
            raise Unavailable(self._sentence)

    async def start(self) -> None:
        """Begin to wait. If the database is ready within a second, the wait is over on return."""
        PENDING.set(1)
        self._task = asyncio.create_task(self._run())
        await asyncio.wait([self._task], timeout=_FIRST_SECONDS)

    async def stop(self) -> None:
        """End the wait. A look that hangs in its thread is not waited for."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        while (sentence := await self._threads.start(self._look)) is not None:
            self._sentence = sentence
            await asyncio.sleep(POLL_SECONDS)
        await self._then()
        self._sentence = None
        PENDING.set(0)
        if self._logged:
            _log.info("the database is ready: the wait is over")

    def _look(self) -> str | None:
        """What is waited for, as a sentence; None once the database is ready. Logs each change."""
        reason = None
        try:
            adopt(self._database, self._root)
            if self._also:
                self._also()
        except Unavailable as error:
            sentence, reason = error.message, error.reason or error.message
        except Exception as error:
            sentence = "The service cannot look at its database; its log has the reason."
            if isinstance(error, exc.DBAPIError):
                reason = faults.reason(error, self._database.url)
            else:
                reason = f"{type(error).__name__}: {error}"
        if reason is None:
            return None
        if reason != self._logged:
            self._logged = reason
            _log.warning("waiting for the database: %s", reason)
        return sentence


def adopt(database: Database, artifact_root: str) -> None:
    """Make a database ready for service as `Database.prepare` does, but leave its tables alone.

    Adds experiment 0 if it is missing, because that is data. Raises Unavailable, saying what is
    missing, while Tandem cannot use the database.
    """
    if _is_missing_file(database):  # SQLite would create it when it connects
        raise Unavailable(f"The service's database is not there; {revisions.UPGRADE} makes it.")
    database.check_access()
    try:
        with database.read(quiet=True) as conn:
            if why := revisions.why_unusable(conn):
                raise Unavailable(f"The service waits for its database to be migrated. {why}")
            is_complete = revisions.has_default(conn)
        if database.dialect == "sqlite":
            database.use_wal()
        if not is_complete:
            with database.write() as conn:
                revisions.add_default(conn, artifact_root)
    except exc.ProgrammingError as error:
        if sqlstate(error) != revisions.INSUFFICIENT_PRIVILEGE:
            raise
        raise Unavailable(
            "The service's role lacks rights in its database: grant it SELECT, INSERT, UPDATE and "
            "DELETE on all tables and USAGE on all sequences."
        ) from error


def _is_missing_file(database: Database) -> bool:
    path = sqlite_file.path_of(database.url)
    return database.dialect == "sqlite" and not os.path.exists(path)
