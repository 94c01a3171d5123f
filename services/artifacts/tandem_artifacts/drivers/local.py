"""A directory on disk."""

import itertools
import os
import secrets
import stat as mode_of
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager, suppress
from functools import partial
from itertools import islice
from pathlib import Path

from tandem_artifacts.drivers import disk
from tandem_artifacts.drivers.background_sync import BackgroundSyncedFile
from tandem_artifacts.drivers.base import (
    CHUNK_BYTES,
    LONG_CHUNK_BYTES,
    UNBOUNDED,
    Driver,
    Entry,
    Reading,
    Room,
    Stat,
    refers_to_directory,
)
from tandem_artifacts.drivers.reading import FIRST_BYTES, OpenObject, open_reading
from tandem_artifacts.drivers.scandir import sorted_scandir
from tandem_shared.concurrency.cancellation import shielded
from tandem_shared.concurrency.threads import Threads
from tandem_shared.errors import InvalidParameter, NotFound, PermissionDenied, Unavailable

UPLOADS = ".tandem-uploads.trash"
"""The directory of temporary files below the root; no listing shows it.

The root may be a folder of runs that MLflow's clients log to. They take each directory in it for an
experiment and fail on a name that is no id, except for names that end in `.trash`.
"""

_THREADS = 32
_SYNC_THREADS = 8
_PAGE_ENTRIES = 1000
_GONE = "The artifact directory is missing, or the service may not use it."
_RACES = 50
"""Attempts to rename an upload into place while others change its directories."""


class Local(Driver):
    """A driver for a directory.

    Symbolic links are followed as long as they stay below the root. Only regular files are objects:
    pipes, sockets and devices are neither listed nor opened.
    """

    def __init__(self, root: Path) -> None:
        """Makes the directory if need be, and removes temporary files that are older than a day.

        Raises OSError when the directory cannot be made, and PermissionDenied when the service may
        not use it.
        """
        root.mkdir(parents=True, exist_ok=True)
        self._root = os.path.realpath(root)
        if trouble := disk.trouble(self._root):
            raise PermissionDenied(trouble)
        self._below = self._root.rstrip("/") + "/"
        self._uploads = os.path.join(self._root, UPLOADS)
        self._seed = secrets.token_hex(16)
        self._numbers = itertools.count()
        self._threads = Threads("local", _THREADS)
        self._sync_threads = Threads("sync", _SYNC_THREADS)
        # A thread of its own: transfers may occupy the others for long while the disk is well.
        self._check_thread = Threads("check", 1)
        disk.remove_abandoned(self._uploads)

    async def check(self) -> None:
        await self._check_thread.run(self._check)

    async def stat(self, path: str) -> Stat:
        return await self._threads.run(self._stat, path)

    def read(
        self,
        path: str,
        start: int = 0,
        length: int | None = None,
        *,
        etag: str | None = None,
        room: Room = UNBOUNDED,
    ) -> AbstractAsyncContextManager[Reading]:
        opening = partial(self._open, path, start, length, etag)
        return open_reading(self._threads, opening, room)

    async def write(
        self,
        path: str,
        chunks: AsyncIterator[bytes],
        *,
        size: int | None = None,  # noqa: ARG002 - a file grows to any size
        room: Room = UNBOUNDED,
    ) -> None:
        data = bytearray()
        async for chunk in chunks:
            data += chunk
            slow = not chunk and len(data) >= FIRST_BYTES
            if slow or len(data) >= CHUNK_BYTES:
                await self._write_long(path, data, chunks, room, slow)
                return
        await self._threads.run(self._write_short, path, data)

    async def _write_long(
        self, path: str, data: bytearray, chunks: AsyncIterator[bytes], room: Room, slow: bool
    ) -> None:
        """Write chunk by chunk: a thread writes one while the next comes in."""
        # An early check, so that a refusal comes before the other bytes. `_commit` checks again.
        await self._threads.run(self._target, path)
        file = BackgroundSyncedFile(self._temporary(), self._threads, self._sync_threads)
        try:
            await self._threads.run(self._begin, file.file)
            piece, fast = FIRST_BYTES, False
            if slow:
                await file.append(data)
                data = bytearray()
            async for chunk in chunks:
                if len(data) >= piece:
                    await file.append(data)
                    data, fast = bytearray(), True
                    if piece < LONG_CHUNK_BYTES and room.hold(2 * LONG_CHUNK_BYTES):
                        piece = LONG_CHUNK_BYTES
                elif not chunk and not fast:
                    if data:
                        await file.append(data)
                        data = bytearray()
                    piece = FIRST_BYTES
                    room.hold(self.write_bytes)
                fast = fast and bool(chunk)
                data += chunk
            await file.flush()
            await self._threads.run(self._commit, file.file, data, path)
        except BaseException:
            await shielded(file.discard())
            raise

    async def list(self, path: str) -> AsyncIterator[Entry]:
        found = self._names(path)
        while page := await self._threads.run(self._page, path, found):
            for entry in page:
                yield entry

    async def delete(self, path: str) -> None:
        await self._threads.run(self._delete, path)

    async def close(self) -> None:
        self._threads.close()
        self._sync_threads.close()
        self._check_thread.close()

    # The methods below block; threads call them.

    def _check(self) -> None:
        if trouble := disk.trouble(self._root):
            raise Unavailable(_GONE, reason=trouble)
        if disk.is_full(self._root):
            raise Unavailable("The artifact directory is full.", reason=f"{self._root} is full")

    @contextmanager
    def _translated(self, path: str) -> Iterator[None]:
        """Like `disk.translated`, but raises Unavailable if the root itself is gone."""
        try:
            with disk.translated(path):
                yield
        except NotFound:
            self._check_root()
            raise

    def _check_root(self) -> None:
        if not os.path.isdir(self._root):
            raise Unavailable(_GONE, reason=f"{self._root} is gone")

    def _inside(self, path: str) -> str:
        """The real path of `path`, which need not exist; raises InvalidParameter if outside."""
        self._refuse_reserved(path)
        real = os.path.realpath(os.path.join(self._root, path))
        if not self._holds(real):
            raise InvalidParameter(f"'{path}' leads out of the artifact directory.")
        return real

    def _refuse_reserved(self, path: str) -> None:
        if path.split("/", 1)[0] == UPLOADS:
            raise InvalidParameter(f"'{UPLOADS}' is a name that the service keeps for itself.")

    def _named(self, path: str) -> str:
        """Like `_inside`, but a link in the last place is not followed."""
        self._inside(path)
        parent, _, name = path.rpartition("/")
        return os.path.join(self._inside(parent), name) if path else self._root

    def _target(self, path: str) -> str:
        """The path to store at; raises InvalidParameter if another kind of file is in the way."""
        with disk.translated(path):
            target = self._named(path)
            if os.path.isdir(target):
                raise refers_to_directory(path)
            if os.path.lexists(target) and not os.path.isfile(target):
                raise InvalidParameter(f"'{path}' is not a regular file.")
            above = os.path.dirname(target)
            while not os.path.isdir(above):
                if os.path.lexists(above) and not os.path.isdir(above):  # Not deleted meanwhile.
                    raise InvalidParameter(f"'{path}' lies below a file, not a directory.")
                above = os.path.dirname(above)
            return target

    def _stat(self, path: str) -> Stat:
        with self._translated(path):
            return disk.stat_of(os.lstat(self._inside(path)), path)

    def _holds(self, real: str) -> bool:
        return real == self._root or real.startswith(self._below)

    def _open(self, path: str, start: int, length: int | None, etag: str | None) -> OpenObject:
        with self._translated(path):
            file = disk.Source(self._opened(path), path)
            try:
                if etag is not None and file.stat.etag != etag:
                    raise NotFound(f"'{path}' has been replaced.")
                left = max(file.stat.size - start, 0)
                size = left if length is None else min(left, length)
                if size and start:
                    file.seek(start)
            except BaseException:
                file.close()
                raise
        return OpenObject(file.stat, size, file.read, file.close, file.read_cached)

    def _opened(self, path: str) -> int:
        """A descriptor of a file or directory; links are followed below the root."""
        self._refuse_reserved(path)
        try:
            descriptor = os.open(f"{self._root}/{path}", disk.READ_FLAGS)
        except OSError:
            self._inside(path)  # Outside the root, no error tells what exists.
            raise
        try:
            if not self._holds(disk.real_path(descriptor)):
                raise InvalidParameter(f"'{path}' leads out of the artifact directory.")
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    def _temporary(self) -> disk.Temporary:
        return disk.Temporary(self._uploads, f"{self._seed}-{next(self._numbers)}")

    def _begin(self, file: disk.Temporary) -> None:
        with self._translated(""):
            file.open()

    def _write_short(self, path: str, data: bytearray) -> None:
        self._refuse_reserved(path)
        file = self._temporary()
        try:
            self._begin(file)
            self._commit(file, data, path)
        except BaseException:
            file.discard()
            raise

    def _commit(self, file: disk.Temporary, data: bytearray, path: str) -> None:
        file.write(data)
        file.seal()
        for _ in range(_RACES):
            # Another request may delete the directory now, or put a file in its place.
            with suppress(FileNotFoundError, NotADirectoryError):
                if not self._move(file, path):
                    self._move_into_new(file, path)
                return
        self._target(path)  # Raises if another kind of file is in the way.
        raise Unavailable(f"'{path}' is being deleted at the same time; try again.")

    def _move(self, file: disk.Temporary, path: str) -> bool:
        """Rename an upload into an existing directory; returns whether that was possible.

        Raises FileNotFoundError or NotADirectoryError when the directory goes meanwhile.
        """
        parent, _, name = path.rpartition("/")
        with disk.opened_directory(f"{self._root}/{parent}") as found:
            if found is None or not self._holds(found[1]):
                return False
            directory, _ = found
            with _but_missing(path):
                if not disk.is_free(name, directory):
                    return False
                file.move(name, directory)
                os.fsync(directory)
        return True

    def _move_into_new(self, file: disk.Temporary, path: str) -> None:
        """Make the missing directories, then rename.

        Raises FileNotFoundError or NotADirectoryError when a directory goes meanwhile, and
        InvalidParameter if another kind of file is in the way.
        """
        target = self._target(path)
        with _but_missing(path):
            made: Sequence[str] = ()
            try:
                made = disk.make_directories(os.path.dirname(target))
                file.move(target)
            except BaseException:
                disk.remove_empty(made)
                raise
            for directory in {os.path.dirname(each) for each in (target, *made)}:
                disk.sync_directory(directory)

    def _names(self, path: str) -> Iterator[str]:
        """Sorted names that may be artifacts; none where there is no directory."""
        directory = self._inside(path)
        with suppress(NotFound, InvalidParameter), self._translated(path):
            yield from (name for name in sorted_scandir(directory) if path or name != UPLOADS)

    def _page(self, path: str, found: Iterator[str]) -> Sequence[Entry]:
        for page in iter(lambda: [*islice(found, _PAGE_ENTRIES)], []):
            with disk.opened_directory(f"{self._root}/{path}") as opened:
                directory = opened[0] if opened and self._holds(opened[1]) else None
                entries = [self._entry(path, name, directory) for name in page]
            if listed := [entry for entry in entries if entry is not None]:
                return listed
        return []

    def _entry(self, path: str, name: str, directory: int | None) -> Entry | None:
        """None if the name is no artifact: a link that leads out, a pipe, a name gone meanwhile.

        An entry of an open directory needs no check of its real path, unless it is a link.
        """
        try:
            found = os.lstat(name, dir_fd=directory) if directory is not None else None
            if found is None or mode_of.S_ISLNK(found.st_mode):
                found = os.lstat(self._inside(f"{path}/{name}" if path else name))
        except (OSError, InvalidParameter):
            return None
        if mode_of.S_ISDIR(found.st_mode):
            return Entry(name, True, None)
        return Entry(name, False, found.st_size) if mode_of.S_ISREG(found.st_mode) else None

    def _delete(self, path: str) -> None:
        with disk.translated(path):
            try:
                target = self._named(path)
                if path:
                    disk.remove(target)
                    return
                for name in os.listdir(target):
                    if name != UPLOADS:
                        with suppress(FileNotFoundError):
                            disk.remove(os.path.join(target, name))
            except (FileNotFoundError, NotADirectoryError):
                self._check_root()


@contextmanager
def _but_missing(path: str) -> Iterator[None]:
    """Like `disk.translated`, but passes on the errors of a directory that has gone."""
    try:
        yield
    except (FileNotFoundError, NotADirectoryError):
        raise
    except OSError:
        with disk.translated(path):
            raise
