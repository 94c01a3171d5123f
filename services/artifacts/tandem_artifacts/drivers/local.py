"""A directory on disk."""

import errno
import os
import secrets
import shutil
import stat as mode_of
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from itertools import islice
from pathlib import Path

from tandem_artifacts.drivers.base import CHUNK_BYTES, Driver, Entry, Reading, Stat
from tandem_artifacts.drivers.threads import ReadAhead, Threads, certainly
from tandem_shared.errors import InvalidParameter, NotFound, PermissionDenied, Unavailable

UPLOADS = ".tandem-uploads"
"""The directory below the root where uploads grow until they are whole; not part of any listing."""

_ABANDONED_SECONDS = 24 * 3600
_THREADS = 32
_PAGE_ENTRIES = 1000
_RACES = 5
_READ_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_WRITE_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_LOOPS_OR_LONG = frozenset({errno.ELOOP, errno.ENAMETOOLONG, errno.EINVAL})


class Local(Driver):
    """A driver for a directory.

    Symbolic links are followed as long as they stay below the root. Only regular files are objects:
    pipes, sockets and devices are neither listed nor opened.
    """

    def __init__(self, root: Path) -> None:
        """Makes the directory if need be, and removes what a crash left of uploads a day ago.

        Raises OSError when the directory cannot be made or used.
        """
        root.mkdir(parents=True, exist_ok=True)
        self._root = os.path.realpath(root)
        self._uploads = os.path.join(self._root, UPLOADS)
        self._threads = Threads("local", _THREADS)
        # Transfers may take all the others for long, and the disk is well all the same.
        self._check_thread = Threads("check", 1)
        _remove_abandoned(self._uploads)

    async def check(self) -> None:
        await self._check_thread.run(self._check)

    async def stat(self, path: str) -> Stat:
        return await self._threads.run(self._stat, path)

    @asynccontextmanager
    async def read(
        self, path: str, start: int = 0, length: int | None = None, *, etag: str | None = None
    ) -> AsyncIterator[Reading]:
        file = _Source(path)
        chunks: ReadAhead | None = None
        try:
            found = await self._threads.run(self._open, file)
            if etag is not None and found.etag != etag:
                raise NotFound(f"'{path}' has been replaced.")
            left = max(found.size - start, 0)
            size = left if length is None else min(left, length)
            if size and start:
                await self._threads.run(file.seek, start)
            chunks = ReadAhead(self._threads, file.read, size)
            yield Reading(found, chunks)
        finally:
            await certainly(self._close(file, chunks))

    async def write(self, path: str, chunks: AsyncIterator[bytes]) -> None:
        # Before the bytes are taken, so that a refusal comes early; what counts is the check after.
        await self._threads.run(self._target, path)
        file = _Temporary(self._uploads)
        try:
            await self._threads.run(file.open)
            data = bytearray()
            async for chunk in chunks:
                data += chunk
                if len(data) >= CHUNK_BYTES:
                    await self._threads.run(file.write, data)
                    data = bytearray()
            await self._threads.run(self._commit, file, data, path)
        except BaseException:
            await certainly(self._threads.run(file.discard))
            raise

    async def list(self, path: str) -> AsyncIterator[Entry]:
        names = iter(await self._threads.run(self._names, path))
        while page := await self._threads.run(self._page, path, names):
            for entry in page:
                yield entry

    async def delete(self, path: str) -> None:
        await self._threads.run(self._delete, path)

    async def close(self) -> None:
        self._threads.close()
        self._check_thread.close()

    def _check(self) -> None:
        if not os.path.isdir(self._root) or not os.access(self._root, os.R_OK | os.W_OK | os.X_OK):
            raise Unavailable("The artifact directory is missing, or the service may not use it.")

    def _inside(self, path: str) -> str:
        """The real path of what `path` names, which need not exist."""
        if path.split("/", 1)[0] == UPLOADS:
            raise InvalidParameter(f"'{UPLOADS}' is a name that the service keeps for itself.")
        real = os.path.realpath(os.path.join(self._root, path))
        if real != self._root and not real.startswith(self._root.rstrip("/") + "/"):
            raise InvalidParameter(f"'{path}' leads out of the artifact directory.")
        return real

    def _named(self, path: str) -> str:
        """Like `_inside`, but a link in the last place is itself meant, not where it leads."""
        self._inside(path)
        parent, _, name = path.rpartition("/")
        return os.path.join(self._inside(parent), name) if path else self._root

    def _target(self, path: str) -> str:
        """Where to put the object, when nothing of another kind is in the way."""
        with _translated(path):
            target = self._named(path)
            if os.path.isdir(target):
                raise InvalidParameter(f"'{path}' is a directory.")
            if os.path.lexists(target) and not os.path.isfile(target):
                raise InvalidParameter(f"'{path}' is not a regular file.")
            above = os.path.dirname(target)
            while not os.path.lexists(above):
                above = os.path.dirname(above)
            if not os.path.isdir(above):
                raise InvalidParameter(f"'{path}' lies below a file, not a directory.")
            return target

    def _stat(self, path: str) -> Stat:
        with _translated(path):
            return _stat_of(os.lstat(self._inside(path)), path)

    def _open(self, file: "_Source") -> Stat:
        with _translated(file.path):
            return file.open(self._inside(file.path))

    async def _close(self, file: "_Source", chunks: ReadAhead | None) -> None:
        if chunks is not None:
            await chunks.aclose()
        await self._threads.run(file.close)

    def _commit(self, file: "_Temporary", data: bytearray, path: str) -> None:
        file.write(data)
        file.seal()
        for _ in range(_RACES):
            target = self._target(path)
            with _translated(path):
                made: Sequence[str] = ()
                try:
                    made = _make_directories(os.path.dirname(target))
                    file.move(target)
                except FileNotFoundError:
                    continue  # Somebody deletes the directory at this moment.
                except BaseException:
                    _remove_empty(made)
                    raise
                for directory in {os.path.dirname(each) for each in (target, *made)}:
                    _sync_directory(directory)
                return
        raise Unavailable(f"'{path}' is being deleted at the same time; try again.")

    def _names(self, path: str) -> Sequence[str]:
        try:
            with _translated(path), os.scandir(self._inside(path)) as entries:
                names = [entry.name for entry in entries if _is_text(entry.name)]
        except (NotFound, InvalidParameter):
            self._inside(path)
            return []
        return sorted(name for name in names if path or name != UPLOADS)

    def _page(self, path: str, names: Iterator[str]) -> Sequence[Entry]:
        for page in iter(lambda: [*islice(names, _PAGE_ENTRIES)], []):
            if entries := [entry for name in page if (entry := self._entry(path, name))]:
                return entries
        return []

    def _entry(self, directory: str, name: str) -> Entry | None:
        """None for what is no artifact: a link that leads out, a pipe, a name gone meanwhile."""
        try:
            found = os.lstat(self._inside(f"{directory}/{name}" if directory else name))
        except (OSError, InvalidParameter):
            return None
        if mode_of.S_ISDIR(found.st_mode):
            return Entry(name, True, None)
        return Entry(name, False, found.st_size) if mode_of.S_ISREG(found.st_mode) else None

    def _delete(self, path: str) -> None:
        with _translated(path):
            try:
                target = self._named(path)
                if path:
                    _remove(target)
                    return
                for name in os.listdir(target):
                    if name != UPLOADS:
                        with suppress(FileNotFoundError):
                            _remove(os.path.join(target, name))
            except (FileNotFoundError, NotADirectoryError):
                return


class _Source:
    """A file being read; its blocking calls belong in threads, one at a time."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._descriptor: int | None = None

    def open(self, real: str) -> Stat:
        self._descriptor = os.open(real, _READ_FLAGS)
        return _stat_of(os.fstat(self._descriptor), self.path)

    def seek(self, start: int) -> None:
        assert self._descriptor is not None
        os.lseek(self._descriptor, start, os.SEEK_SET)

    def read(self, size: int) -> bytes:
        assert self._descriptor is not None
        with _translated(self.path):
            return os.read(self._descriptor, size)

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


class _Temporary:
    """An upload that grows; its blocking calls belong in threads, one at a time."""

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self._path: str | None = os.path.join(directory, secrets.token_hex(16))
        self._descriptor: int | None = None

    def open(self) -> None:
        assert self._path is not None
        with _translated(""):
            os.makedirs(self._directory, exist_ok=True)
            self._descriptor = os.open(self._path, _WRITE_FLAGS, 0o666)

    def write(self, data: bytearray) -> None:
        assert self._descriptor is not None
        with _translated(""), memoryview(data) as rest:
            done = 0
            while done < len(rest):
                done += os.write(self._descriptor, rest[done:])

    def seal(self) -> None:
        """Bring the bytes to disk. The time is set because the file system's own clock is coarse.

        Two replacements within one of its ticks could otherwise have the same ETag.
        """
        assert self._descriptor is not None
        with _translated(""):
            now = time.time_ns()
            os.utime(self._descriptor, ns=(now, now))
            os.fsync(self._descriptor)
            self._close()

    def move(self, target: str) -> None:
        assert self._path is not None
        os.replace(self._path, target)
        self._path = None

    def discard(self) -> None:
        self._close()
        if self._path is not None:
            with suppress(FileNotFoundError):
                os.unlink(self._path)

    def _close(self) -> None:
        if self._descriptor is not None:
            descriptor, self._descriptor = self._descriptor, None
            os.close(descriptor)


def _stat_of(found: os.stat_result, path: str) -> Stat:
    if mode_of.S_ISDIR(found.st_mode):
        raise InvalidParameter(f"'{path}' is a directory.")
    if not mode_of.S_ISREG(found.st_mode):
        raise NotFound(f"There is no artifact '{path}'.")
    etag = f"{found.st_mtime_ns:x}-{found.st_size:x}-{found.st_ino:x}"
    return Stat(found.st_size, etag, found.st_mtime)


def _remove(target: str) -> None:
    while os.path.isdir(target) and not os.path.islink(target):
        # It gives up when somebody else deletes something below at this moment; the rest stays.
        with suppress(FileNotFoundError):
            shutil.rmtree(target)
            return
    os.unlink(target)


def _make_directories(directory: str) -> Sequence[str]:
    """Make a directory and those above it; the ones that were missing, innermost last."""
    missing = []
    while not os.path.isdir(directory):
        missing.append(directory)
        directory = os.path.dirname(directory)
    made: list[str] = []
    for each in reversed(missing):
        try:
            os.mkdir(each)
        except FileExistsError:
            if not os.path.isdir(each):
                _remove_empty(made)
                raise
            continue
        except OSError:
            _remove_empty(made)
            raise
        made.append(each)
    return made


def _remove_empty(directories: Sequence[str]) -> None:
    with suppress(OSError):
        for each in reversed(directories):
            os.rmdir(each)


def _sync_directory(directory: str) -> None:
    with suppress(FileNotFoundError):
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _remove_abandoned(uploads: str) -> None:
    with suppress(FileNotFoundError), os.scandir(uploads) as entries:
        for entry in entries:
            with suppress(FileNotFoundError):
                if entry.stat(follow_symlinks=False).st_mtime < time.time() - _ABANDONED_SECONDS:
                    os.unlink(entry.path)


def _is_text(name: str) -> bool:
    """Whether the name is UTF-8, as every path of the API."""
    return not any("\ud800" <= character <= "\udfff" for character in name)


@contextmanager
def _translated(path: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as failure:
        raise NotFound(f"There is no artifact '{path}'.") from failure
    except NotADirectoryError as failure:
        raise NotFound(f"There is no artifact '{path}'.") from failure
    except (IsADirectoryError, FileExistsError) as failure:
        raise InvalidParameter(f"'{path}' is taken by an artifact of another kind.") from failure
    except PermissionError as failure:
        raise PermissionDenied(
            "The service may not do this in the artifact directory."
        ) from failure
    except OSError as failure:
        if failure.errno in _LOOPS_OR_LONG:
            raise InvalidParameter(f"'{path}' is no usable path.") from failure
        if failure.errno in (errno.ENOSPC, errno.EDQUOT):
            raise Unavailable("The artifact directory is full.", status=507) from failure
        raise Unavailable("The artifact directory does not answer; try again.") from failure
