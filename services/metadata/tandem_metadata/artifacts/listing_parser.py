"""An incremental parser of the artifacts service's listings, and compressed storage of the entries.

A directory may have 100,000 files. Neither the whole body nor all entries are held as objects. Each
piece of work is small enough not to block the event loop.
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

MAX_ENTRY_CHARACTERS: Final = 64 * 1024
"""The longest entry; also how many characters are collected before they are decoded."""

_HEAD: Final = re.compile(r'\s*\{\s*"files"\s*:\s*\[')
_BETWEEN: Final = re.compile(r"[\s,]*")
_TAIL: Final = re.compile(r"\s*\]\s*\}\s*")
_DECOMPRESSED_BYTES: Final = 256 * 1024
_scan: Final = json.JSONDecoder().raw_decode


class FileInfo(Struct, omit_defaults=True):
    """One entry of a listing; `path` is relative to the artifact root."""

    path: str
    is_dir: bool
    file_size: int | None = None


_decode: Final = msgspec.json.Decoder(list[FileInfo]).decode


class MalformedListing(Exception):
    """The body is not a listing as the artifacts service sends it."""


class _Listing(Struct):
    files: list[FileInfo] = []


class ListingParser:
    """Returns the entries of a listing while its bytes arrive.

    A listing of up to `MAX_ENTRY_CHARACTERS` may be any JSON object with `files`. A longer one must
    have no other member; MLflow's server and Tandem's write it so.
    """

    def __init__(self) -> None:
        self._characters = codecs.getincrementaldecoder("utf-8")()
        self._text = ""
        self._left = 0
        """Length of the incomplete entry at the end of the last decoding."""
        self._begun = False

    def feed(self, data: bytes) -> list[FileInfo]:
        """Add bytes; returns the entries that they complete. Raises MalformedListing."""
        with _raising_malformed():
            self._text += self._characters.decode(data)
            return self._complete() if len(self._text) - self._left > MAX_ENTRY_CHARACTERS else []

    def end(self) -> list[FileInfo]:
        """The remaining entries. Raises MalformedListing if the listing is incomplete."""
        with _raising_malformed():
            self._text += self._characters.decode(b"", final=True)
            if not self._begun:
                return msgspec.json.decode(self._text, type=_Listing).files
            found = self._complete()
        if not _TAIL.fullmatch(self._text):
            raise MalformedListing
        return found

    def _complete(self) -> list[FileInfo]:
        at = 0
        if not self._begun:
            head = _HEAD.match(self._text)
            if head is None:
                raise MalformedListing
            self._begun, at = True, head.end()
        at = _after(_BETWEEN, self._text, at)
        end = max(at, self._text.rfind("}") + 1)
        try:
            # All at once; fails if the last brace belongs to a name or closes the listing.
            found = _decode(f"[{self._text[at:end]}]")
        except msgspec.DecodeError:
            found, end = _one_by_one(self._text, at)
        self._text = self._text[end:]
        self._left = len(self._text)
        if self._left > MAX_ENTRY_CHARACTERS:
            raise MalformedListing
        return found


class CompressedEntries:
    """The JSON of entries, separated by commas, held compressed: names resemble each other."""

    def __init__(self) -> None:
        self._compressor = zlib.compressobj(1)
        self._parts: deque[bytes] = deque()
        self.size = 0
        """Total bytes that `decompressed` yields."""

    def add(self, files: Iterable[FileInfo]) -> None:
        """Append entries. Raises MalformedListing for a name that cannot be encoded in UTF-8."""
        try:
            data = b",".join(map(codec.encode_json, files))
        except UnicodeEncodeError as error:
            raise MalformedListing from error
        if data and self.size:
            data = b"," + data
        self.size += len(data)
        self._append(self._compressor.compress(data))

    def decompressed(self) -> Iterator[bytes]:
        """All JSON in parts of at most 256 KiB. Call it once: memory is freed as parts are read."""
        self._append(self._compressor.flush())
        decompressor = zlib.decompressobj()
        while self._parts:
            part = self._parts.popleft()
            while data := decompressor.decompress(part, _DECOMPRESSED_BYTES):
                yield data
                part = decompressor.unconsumed_tail

    def _append(self, part: bytes) -> None:
        if part:
            self._parts.append(part)


@contextmanager
def _raising_malformed() -> Iterator[None]:
    try:
        yield
    except (ValueError, RecursionError, msgspec.MsgspecError) as error:
        raise MalformedListing from error


def _one_by_one(text: str, at: int) -> tuple[list[FileInfo], int]:
    """The complete entries from `at` on, and the position where they end."""
    found: list[Any] = []
    while text.startswith("{", at):
        try:
            entry, at = _scan(text, at)
        except json.JSONDecodeError:  # incomplete: more bytes must come
            break
        found.append(entry)
        at = _after(_BETWEEN, text, at)
    return msgspec.convert(found, list[FileInfo]), at


def _after(pattern: re.Pattern[str], text: str, at: int) -> int:
    found = pattern.match(text, at)
    return at if found is None else found.end()
