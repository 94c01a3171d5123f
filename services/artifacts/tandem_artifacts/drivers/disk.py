"""Files and directories on a disk. Every call blocks, so threads make it."""

import errno
import io
import os
import shutil
import stat as mode_of
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from tandem_artifacts.drivers.base import Stat, no_such_artifact, refers_to_directory
from tandem_shared.errors import InvalidParameter, PermissionDenied, Unavailable

_NOWAIT: int | None = getattr(os, "RWF_NOWAIT", None)
"""Flag to read from the page cache only; Linux alone has it."""
READ_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
_DIRECTORY_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_WRITE_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_LOOPS_OR_LONG = frozenset({errno.ELOOP, errno.ENAMETOOLONG, errno.EINVAL})
_LEAST_ROOM = 256 * 1024
_ABANDONED_SECONDS = 24 * 3600
_sync_data = getattr(os, "fdatasync", os.fsync)


class Source:
    """A file being read, one call at a time."""

    def __init__(self, descriptor: int, path: str) -> None:
        """Takes `descriptor` over. Closes it and raises if it is no regular file's."""
        self._path = path
        try:
            self.stat = stat_of(os.fstat(descriptor), path)
            self._file = io.FileIO(descriptor)
        except BaseException:
            os.close(descriptor)
            raise

    def seek(self, start: int) -> None:
        self._file.seek(start)

    def read(self, size: int) -> bytes:
        with translated(self._path):
            return self._file.read(size)

    def read_cached(self, size: int) -> bytes:
        """Like `read`, but b"" where that may wait for the disk. Called by the event loop.

        RWF_NOWAIT tells whether the first and the last byte are in the page cache. The kernel reads
        ahead in one piece, so the bytes between them are there as well.
        """
        if _NOWAIT is None:
            return b""
        start = self._file.tell()
        byte = bytearray(1)
        try:
            for at in (start, start + size - 1):
                if not os.preadv(self._file.fileno(), [byte], at, _NOWAIT):
                    return b""
        except OSError:  # Not in the page cache, or the file system cannot tell.
            return b""
        return self.read(size)

    def close(self) -> None:
        self._file.close()


class Temporary:
    """The temporary file of an upload."""

    def __init__(self, directory: str, name: str) -> None:
        """`name` must be unused in the directory, which `open` makes if need be."""
        self._directory = directory
        self._name = name
        self._path: str | None = None
        """None before `open`, and after `move`."""
        self._descriptor: int | None = None

    def open(self) -> None:
        path = os.path.join(self._directory, self._name)
        with translated(""):
            try:
                self._descriptor = os.open(path, _WRITE_FLAGS, 0o666)
            except FileNotFoundError:
                # None of its parents: the root may be a mount that is gone.
                with suppress(FileExistsError):
                    os.mkdir(self._directory)
                self._descriptor = os.open(path, _WRITE_FLAGS, 0o666)
        self._path = path

    def write(self, data: bytearray) -> None:
        assert self._descriptor is not None
        with translated(""), memoryview(data) as rest:
            done = 0
            while done < len(rest):
                done += os.write(self._descriptor, rest[done:])

    def sync(self) -> None:
        """Sync the bytes written so far; another thread may write more meanwhile."""
        assert self._descriptor is not None
        with translated(""):
            _sync_data(self._descriptor)

    def seal(self) -> None:
        """Set the time of change, sync and close.

        The file system's own clock is coarse: two replacements within a tick could have one ETag.
        """
        assert self._descriptor is not None
        with translated(""):
            now = time.time_ns()
            os.utime(self._descriptor, ns=(now, now))
            os.fsync(self._descriptor)
            self._close()

    def move(self, target: str, directory: int | None = None) -> None:
        """Rename to a path, or to a name in an open directory; replaces a file there."""
        assert self._path is not None
        os.replace(self._path, target, dst_dir_fd=directory)
        self._path = None

    def discard(self) -> None:
        self._close()
        if self._path is not None:
            with suppress(OSError):  # Gone, or not removable now: a start a day later tries again.
                os.unlink(self._path)

    def _close(self) -> None:
        if self._descriptor is not None:
            descriptor, self._descriptor = self._descriptor, None
            os.close(descriptor)


@contextmanager
def opened_directory(path: str) -> Iterator[tuple[int, str] | None]:
    """A directory's descriptor and its real path, by three system calls; None if there is none."""
    descriptor: int | None = None
    try:
        try:
            descriptor = os.open(path, _DIRECTORY_FLAGS)
            found = descriptor, real_path(descriptor)
        except OSError:
            found = None
        yield found
    finally:
        if descriptor is not None:
            os.close(descriptor)


def real_path(descriptor: int) -> str:
    """Where an open file or directory is. Raises OSError where the system does not tell."""
    return os.readlink(f"/proc/self/fd/{descriptor}")


def is_free(name: str, directory: int) -> bool:
    """Whether nothing but a regular file has the name in an open directory."""
    try:
        return mode_of.S_ISREG(os.lstat(name, dir_fd=directory).st_mode)
    except FileNotFoundError:
        return True


def stat_of(found: os.stat_result, path: str) -> Stat:
    """Raises InvalidParameter for a directory, NotFound for what is no regular file."""
    if mode_of.S_ISDIR(found.st_mode):
        raise refers_to_directory(path)
    if not mode_of.S_ISREG(found.st_mode):
        raise no_such_artifact(path)
    etag = f"{found.st_mtime_ns:x}-{found.st_size:x}-{found.st_ino:x}"
    return Stat(found.st_size, etag, found.st_mtime)


def remove(target: str) -> None:
    """Delete a file, a link, or a directory with all below it. Raises FileNotFoundError."""
    while os.path.isdir(target) and not os.path.islink(target):
        # rmtree gives up when another request deletes a file below; then the rest is tried again.
        with suppress(FileNotFoundError):
            shutil.rmtree(target)
            return
    os.unlink(target)


def make_directories(directory: str) -> Sequence[str]:
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
                remove_empty(made)
                raise
            continue
        except OSError:
            remove_empty(made)
            raise
        made.append(each)
    return made


def remove_empty(directories: Sequence[str]) -> None:
    """Remove directories, innermost last, up to the first that is not empty."""
    with suppress(OSError):
        for each in reversed(directories):
            os.rmdir(each)


def sync_directory(directory: str) -> None:
    """Bring the names in a directory to disk; one that is gone meanwhile is no error."""
    with suppress(FileNotFoundError):
        descriptor = os.open(directory, _DIRECTORY_FLAGS)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def remove_abandoned(uploads: str) -> None:
    """Delete the files that were written last more than a day ago."""
    with suppress(FileNotFoundError), os.scandir(uploads) as entries:
        for entry in entries:
            with suppress(FileNotFoundError):
                if entry.stat(follow_symlinks=False).st_mtime < time.time() - _ABANDONED_SECONDS:
                    os.unlink(entry.path)


def trouble(directory: str) -> str | None:
    """Why artifacts cannot be kept in a directory, for the operator; None if nothing is seen."""
    if not os.path.isdir(directory):
        return f"{directory} is no directory, or is gone"
    for right, action in ((os.R_OK | os.X_OK, "read"), (os.W_OK, "write to")):
        if not os.access(directory, right):
            return (
                f"the service's user (id {os.geteuid()}) may not {action} {directory}, or its file "
                "system is read-only"
            )
    return None


def is_full(directory: str) -> bool:
    """Whether its file system has no room for even a small artifact, or for no further file."""
    found = os.statvfs(directory)
    room = found.f_bavail * found.f_frsize
    return room < _LEAST_ROOM or (found.f_files > 0 and found.f_favail == 0)


@contextmanager
def translated(path: str) -> Iterator[None]:
    """The errors of `tandem_shared.errors` for those of the system, about an artifact's path."""
    try:
        yield
    except FileNotFoundError as failure:
        raise no_such_artifact(path) from failure
    except NotADirectoryError as failure:
        raise no_such_artifact(path) from failure
    except (IsADirectoryError, FileExistsError) as failure:
        raise InvalidParameter(f"'{path}' is taken by an artifact of another kind.") from failure
    except PermissionError as failure:
        raise PermissionDenied(
            "The service may not do this in the artifact directory."
        ) from failure
    except OSError as failure:
        if failure.errno in _LOOPS_OR_LONG:
            raise InvalidParameter(f"'{path}' is no usable path.") from failure
        if failure.errno == errno.EROFS:
            raise PermissionDenied("The artifact directory is read-only.") from failure
        if failure.errno in (errno.ENOSPC, errno.EDQUOT):
            raise Unavailable("The artifact directory is full.", status=507) from failure
        raise Unavailable("The artifact directory does not answer; try again.") from failure
