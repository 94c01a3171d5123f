"""Serves a folder of runs: what is in it goes into the database beside it, also while it grows."""

import asyncio
import contextlib
import fcntl
import logging
import os
from collections.abc import Callable
from typing import Final

from tandem_metadata.database.address import parse_url
from tandem_metadata.database.database import Database
from tandem_metadata.database.sqlite_file import path_of
from tandem_metadata.rules.run_folders import LOOK_SECONDS, RunFolder
from tandem_metadata.transfer.file_store.store import FileStore
from tandem_metadata.transfer.from_files.following import Following
from tandem_metadata.transfer.report import Report
from tandem_shared.concurrency.threads import Threads
from tandem_shared.errors import ApiError
from tandem_shared.settings import SettingsError

_LISTED: Final = 3
"""Files that were skipped and that the log names; the others are counted."""

_log = logging.getLogger("tandem.folder")


def take_over(folder: RunFolder, database: Database) -> None:
    """Import what the folder holds, before the service starts; `database` has the tables.

    Raises SettingsError for a folder that cannot be read, and what `Database` raises.
    """
    try:
        _check(folder)
        report = Following(FileStore(folder.path), database).look()
    except OSError as error:
        raise SettingsError(
            f"The folder {folder.path} cannot be read: {error.strerror or error}."
        ) from None
    _log.info("%s", folder.note())
    if report:
        _tell(report)


class ServedFolder:
    """Looks at the folder every few seconds, in one process of all that serve its database.

    A file beside the database is locked by the one that does. A look that fails is told once, and
    repeated at the next time.
    """

    def __init__(
        self,
        folder: RunFolder,
        open_database: Callable[[], Database],
        seconds: float = LOOK_SECONDS,
    ) -> None:
        """`open_database` opens one of its own, so that no request waits for its connections."""
        self._folder = folder
        self._open = open_database
        self._seconds = seconds
        self._threads = Threads("folder", 1)
        self._task: asyncio.Task[None] | None = None
        self._lock: int | None = None
        self._said = ""
        self._skipped = ""
        self._database: Database | None = None
        self._following: Following | None = None

    async def start(self) -> None:
        """Begin, in the running event loop."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """End. An import under way is not waited for: the next one completes it."""
        if self._task:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        self._threads.close()
        if self._lock is not None:
            os.close(self._lock)

    async def _run(self) -> None:
        while True:
            # Not `run`, which would wait for an import when the service stops.
            await self._threads.start(self._look)
            await asyncio.sleep(self._seconds)

    def _look(self) -> None:
        try:
            if not self._is_ours():
                return
            _check(self._folder)
            if self._following is None:
                self._database = self._open()
                self._following = Following(FileStore(self._folder.path), self._database)
            report = self._following.look()
        except (ApiError, OSError) as error:
            said = error.message if isinstance(error, ApiError) else str(error)
            if said != self._said:
                self._said = said
                _log.warning("the folder %s is not followed now: %s", self._folder.path, said)
            return
        except Exception:
            _log.exception("a look at the folder %s failed", self._folder.path)
            return
        if self._said:
            self._said = ""
            _log.info("the folder %s is followed again", self._folder.path)
        if report:
            self._skipped = _tell(report, self._skipped)

    def _is_ours(self) -> bool:
        """Whether this process holds the lock, which it tries to take."""
        if self._lock is not None:
            return True
        path = path_of(parse_url(self._folder.database))
        file = os.open(f"{path}-folder", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            return False
        self._lock = file
        return True


def _check(folder: RunFolder) -> None:
    """Raise OSError for a folder that cannot be listed, which would look like an empty one."""
    with os.scandir(folder.path):
        pass


def _tell(report: Report, told: str = "") -> str:
    """Log what was taken over, and what was skipped unless that was told last; returns the latter.

    What cannot be read stays so for long, and is met by each look at what has changed beside it.
    """
    numbers = {kind: report.count(kind)["imported"] for kind in ("experiments", "runs", "metrics")}
    if any(numbers.values()):
        _log.info(
            "took over from %s: %s",
            report.source,
            ", ".join(f"{number:,} {kind}" for kind, number in numbers.items()),
        )
    if not report.skipped:
        return told
    shown = [f"{each.path}: {each.reason}" for each in report.problems if each.skipped]
    things = "1 thing" if report.skipped == 1 else f"{report.skipped:,} things"
    said = "; ".join(shown[:_LISTED])
    if said != told:
        _log.warning(
            "skipped %s of %s, which `tandem-metadata import --dry-run` lists: %s",
            things,
            report.source,
            said,
        )
    return said
