"""Listings of the artifacts service, taken apart and kept small while they come.

A directory may have a hundred thousand files: neither all their bytes nor all their entries are
held, and the event loop is not held up by them.
"""

import codecs
import json
import re
import zlib
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import msgspec
from msgspec import Struct

from tandem_shared.wire import codec

WHOLE: Final = 64 * 1024
"""Characters of a listing that are decoded at a time; an entry has no more."""

_HEAD: Final = re.compile(r'\s*\{\s*"files"\s*:\s*\[')
_BETWEEN: Final = re.compile(r"[\s,]*")
_TAIL: Final = re.compile(r"\s*\]\s*\}\s*")
_PART_BYTES: Final = 256 * 1024
_scan: Final = json.JSONDecoder().raw_decode


class FileInfo(Struct, omit_defaults=True):
    """One entry of a listing; `path` is relative to the artifact root."""

    path: str
    is_dir: bool
    file_size: int | None = None


_decode: Final = msgspec.json.Decoder(list[FileInfo]).decode


class NoListing(Exception):
    """What came is not what the artifacts service answers."""


class _Listing(Struct):
    files: list[FileInfo] = []


class Reader:
    """Gives the entries of a listing as its bytes come.

    One of up to `WHOLE` characters may be written in any way; a longer one has nothing but its
    files, as MLflow's server and Tandem's write it.
    """

    def __init__(self) -> None:
        self._characters = codecs.getincrementaldecoder("utf-8")()
        self._text = ""
        self._left = 0
        """Characters of the text that were no whole entry when they were looked at."""
        self._begun = False

    def feed(self, data: bytes) -> list[FileInfo]:
        """Entries that are complete by now. Raises NoListing."""
        with _understood():
            self._text += self._characters.decode(data)
            return self._complete() if len(self._text) - self._left > WHOLE else []

    def end(self) -> list[FileInfo]:
        """The other entries. Raises NoListing unless all is complete."""
        with _understood():
            self._text += self._characters.decode(b"", final=True)
            if not self._begun:
                return msgspec.json.decode(self._text, type=_Listing).files
            found = self._complete()
        if not _TAIL.fullmatch(self._text):
            raise NoListing
        return found

    def _complete(self) -> list[FileInfo]:
        at = 0
        if not self._begun:
            head = _HEAD.match(self._text)
            if head is None:
                raise NoListing
            self._begun, at = True, head.end()
        at = _after(_BETWEEN, self._text, at)
        end = max(at, self._text.rfind("}") + 1)
        try:
            # So many at once unless the last brace is part of a name, or ends the listing.
            found = _decode(f"[{self._text[at:end]}]")
        except msgspec.DecodeError:
            found, end = _one_by_one(self._text, at)
        self._text = self._text[end:]
        self._left = len(self._text)
        if self._left > WHOLE:
            raise NoListing
        return found


class Packed:
    """The JSON of entries, between commas; held compressed, since names resemble each other."""

    def __init__(self) -> None:
        self._packer = zlib.compressobj(1)
        self._parts: deque[bytes] = deque()
        self.size = 0
        """Bytes that `unpacked` gives."""

    def add(self, files: Iterable[FileInfo]) -> None:
        """Take more entries. Raises NoListing for a name that is no UTF-8."""
        try:
            data = b",".join(map(codec.encode_json, files))
        except UnicodeEncodeError as error:
            raise NoListing from error
        if data and self.size:
            data = b"," + data
        self.size += len(data)
        self._keep(self._packer.compress(data))

    def unpacked(self) -> Iterator[bytes]:
        """All of it, by parts of some hundred KiB; once only: what was given is let go."""
        self._keep(self._packer.flush())
        unpacker = zlib.decompressobj()
        while self._parts:
            part = self._parts.popleft()
            while data := unpacker.decompress(part, _PART_BYTES):
                yield data
                part = unpacker.unconsumed_tail

    def _keep(self, part: bytes) -> None:
        if part:
            self._parts.append(part)


@contextmanager
def _understood() -> Iterator[None]:
    try:
        yield
    except (ValueError, RecursionError, msgspec.MsgspecError) as error:
        raise NoListing from error


def _one_by_one(text: str, at: int) -> tuple[list[FileInfo], int]:
    """The entries that are complete from there on, and where they end."""
    found: list[Any] = []
    while text.startswith("{", at):
        try:
            entry, at = _scan(text, at)
        except json.JSONDecodeError:  # its end is still to come
            break
        found.append(entry)
        at = _after(_BETWEEN, text, at)
    return msgspec.convert(found, list[FileInfo]), at


def _after(pattern: re.Pattern[str], text: str, at: int) -> int:
    found = pattern.match(text, at)
    return at if found is None else found.end()
