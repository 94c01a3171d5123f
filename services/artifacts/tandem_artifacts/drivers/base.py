"""The contract of an object store; `tests/artifacts/drivers` holds every driver to it.

Paths are keys relative to the driver's root, `/`-separated, and checked by `InstrumentedDriver`;
"" is the root itself. The event loop calls all methods, from any number of tasks at once; drivers
run blocking work in threads. Failures are `tandem_shared.errors`: a library's own errors never
leave its driver.
"""

# ruff: noqa: ARG002 - the methods that a store may lack refuse whatever they are given.

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Final, Protocol

from tandem_shared.errors import InvalidParameter, NotFound, NotSupported

_NOT_HERE = "This artifact destination has no multipart uploads and no presigned URLs."

CHUNK_BYTES = 1024 * 1024
"""Size of chunks. An object up to this size is stored, and read, by one call in a thread."""

LONG_CHUNK_BYTES = 4 * 1024 * 1024
"""Largest chunk of a long transfer.

Chunks grow while the client keeps up, since each costs a hand-over to a thread.
"""


def no_such_artifact(path: str) -> NotFound:
    """The error for a path at which there is no file."""
    return NotFound(f"No such artifact: '{path}'.")


def refers_to_directory(path: str) -> InvalidParameter:
    """The error for a directory where a file is asked for, or is to be."""
    return InvalidParameter(f"Artifact path refers to a directory, not a file: '{path}'.")


@dataclass(frozen=True, slots=True)
class Entry:
    """One name of a listing."""

    path: str
    """The name below the listed directory, without the directory."""
    is_dir: bool
    size: int | None
    """Bytes; None for a directory."""


@dataclass(frozen=True, slots=True)
class Stat:
    """An object as it is now."""

    size: int
    """Bytes."""
    etag: str
    """A strong validator without quotes: it changes whenever the content is replaced."""
    modified: float
    """Seconds since the epoch."""
    encoding: str = ""
    """Content-Encoding that the store keeps with it; HTTP clients decode such an answer unasked."""


@dataclass(frozen=True, slots=True)
class Reading:
    """An object opened for reading; `chunks` yields exactly the range that was asked for."""

    stat: Stat
    chunks: AsyncIterator[bytes]


class Room(Protocol):
    """The memory that a transfer may use."""

    def hold(self, size: int) -> bool:
        """Ask to hold `size` bytes from now on; returns whether granted, as less always is."""
        ...


class Unbounded:
    """Room for anything."""

    def hold(self, size: int) -> bool:
        return True


UNBOUNDED: Final = Unbounded()


@dataclass(frozen=True, slots=True)
class SignedDownload:
    """A URL from which anybody can GET an object for a while."""

    url: str
    size: int
    """Bytes of the object."""
    as_stored: bool
    """Whether the store answers without a Content-Encoding, so that clients decode nothing."""


@dataclass(frozen=True, slots=True)
class MultipartUpload:
    """A multipart upload that a client carries out itself, directly with the object store."""

    upload_id: str
    urls: Sequence[str]
    """One URL a part, in order; the client PUTs the part's bytes there."""
    headers: Mapping[str, str]
    """Headers the client must send with every part."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part that a client has uploaded, as the object store acknowledged it."""

    number: int
    """From 1."""
    etag: str


class Driver(ABC):
    """An object store."""

    multipart: bool = False
    """Whether `create_multipart` and its kin work."""
    presigned: bool = False
    """Whether `presign_download` works."""
    host: str | None = None
    """`host:port` of signed URLs; None without them."""
    write_bytes: int = CHUNK_BYTES
    """Least memory of an upload, in bytes; with more it is faster."""
    read_bytes: int = CHUNK_BYTES
    """Least memory of a download, in bytes."""

    @abstractmethod
    async def check(self) -> None:
        """Raise Unavailable unless the store answers."""

    @abstractmethod
    async def stat(self, path: str) -> Stat:
        """Raises NotFound when there is no such object, InvalidParameter when it is a directory."""

    @abstractmethod
    def read(
        self,
        path: str,
        start: int = 0,
        length: int | None = None,
        *,
        etag: str | None = None,
        room: Room = UNBOUNDED,
    ) -> AbstractAsyncContextManager[Reading]:
        """Open `length` bytes from `start` (to the end without a length) for reading.

        A range ends where the object ends, so one that begins there or beyond yields nothing.
        With `etag`, raises NotFound unless the object still has it. Raises as `stat` does;
        `chunks` raises Unavailable when the store fails half-way. Chunks grow with the caller's
        speed, as far as `room` grants. Leaving the context closes the object, also half-way.
        """

    @abstractmethod
    async def write(
        self,
        path: str,
        chunks: AsyncIterator[bytes],
        *,
        size: int | None = None,
        room: Room = UNBOUNDED,
    ) -> None:
        """Store what `chunks` yields as the object, all of it or nothing.

        `size` is the announced number of bytes, if there is one. An empty chunk means that the
        next ones come slowly; the driver may then store the bytes that it holds in memory.

        A reader sees the old object or the new one, never a part. When `chunks` raises, or the
        call is cancelled, nothing is left behind: no object, no partial file, no multipart upload;
        an object that was there stays as it was. Only a cancel that comes after the last chunk may
        find the object stored, whole.

        Where directories are real (on disk), raises InvalidParameter when the path, or a parent of
        it, is taken by an object of the other kind: a file where a directory is needed, or the
        reverse. Object stores have no directories; they keep `a` and `a/b` side by side.
        """

    @abstractmethod
    def list(self, path: str) -> AsyncIterator[Entry]:
        """Yield the entries one level below a directory, in the order of their names.

        The order is that of code points. An object store sorts names as if a directory's ended in
        `/`; beyond one page of the store (1,000 names) its order shows. A directory that does not
        exist, and the path of a file, are empty. Memory does not grow with the number of entries
        beyond one page of the store; on disk beyond 10,000 names, or a twentieth of them.
        """

    @abstractmethod
    async def delete(self, path: str) -> None:
        """Delete an object, or a directory with all below it; deleting nothing is no error."""

    async def create_multipart(self, path: str, parts: int) -> MultipartUpload:
        """Begin an upload of that many parts, from 1 to 10,000, else InvalidParameter is raised.

        Raises NotSupported unless `multipart`.
        """
        raise NotSupported(_NOT_HERE)

    async def complete_multipart(self, path: str, upload_id: str, parts: Sequence[Part]) -> None:
        """Make the object from its parts, given in any order.

        Raises NotFound for an unknown upload, InvalidParameter when a part is not one of its parts.
        """
        raise NotSupported(_NOT_HERE)

    async def abort_multipart(self, path: str, upload_id: str) -> None:
        """Drop an upload and its parts. Raises NotFound for an unknown upload."""
        raise NotSupported(_NOT_HERE)

    async def presign_download(self, path: str) -> SignedDownload:
        """A URL from which anybody can GET the object for a while. Raises as `stat` does."""
        raise NotSupported(_NOT_HERE)

    async def close(self) -> None:
        """Let go of connections and threads."""
        return
