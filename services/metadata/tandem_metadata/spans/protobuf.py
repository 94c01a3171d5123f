"""The wire format of protobuf: fields of a message, as far as OTLP has them.

A field is named by its tag: its number times 8, plus its kind. Readers skip tags that they do not
know, as protobuf demands. No message is copied to be read.
"""

import struct
from collections.abc import Iterator
from typing import Final

from tandem_metadata.spans.values import Allowance, Malformed, storable

VARINT: Final = 0
FIXED64: Final = 1
BYTES: Final = 2
FIXED32: Final = 5
_START_GROUP: Final = 3
_END_GROUP: Final = 4

_FIXED64 = struct.Struct("<Q")
_DOUBLE = struct.Struct("<d")
_DEEPEST_GROUP: Final = 100
_COUNTED: Final = 1000
"""Fields that are taken from an allowance at once: a call for each takes a third of the time."""


def tag(number: int, kind: int) -> int:
    """How a field's number and kind are written."""
    return number << 3 | kind


def fields(body: bytes, at: int, end: int, allowance: Allowance) -> Iterator[tuple[int, int, int]]:
    """The fields of the message at `body[at:end]`, in their order.

    Each is its tag, and the indexes of its first byte and of that after its last one. For a VARINT
    the first index is the value itself. Raises TooLarge when the allowance is used up, Malformed,
    and IndexError where a number reaches beyond the body's end.
    """
    taken = 0
    while at < end:
        taken += 1
        if taken == _COUNTED:
            allowance.take_fields(taken)
            taken = 0
        field = body[at]
        if field < 0x80:
            at += 1
        else:
            field, at = _varint(body, at)
        kind = field & 7
        if kind == BYTES:
            length = body[at]
            if length < 0x80:
                at += 1
            else:
                length, at = _varint(body, at)
            start = at
            at += length
        elif kind == VARINT:
            start = body[at]
            if start < 0x80:
                at += 1
            else:
                start, at = _varint(body, at)
        elif kind == FIXED64:
            start = at
            at += 8
        elif kind == FIXED32:
            start = at
            at += 4
        elif kind == _START_GROUP:
            start = at
            at = _after_group(body, at, end, field, allowance)
        else:
            raise Malformed("a field has an unknown kind")
        if at > end or not 8 <= field < 1 << 32:
            raise Malformed("a field is not within its message")
        yield field, start, at
    allowance.take_fields(taken)


def after_length(body: bytes, at: int) -> tuple[int, int]:
    """The index of the first byte of a BYTES field whose length is at `at`, and after its last."""
    length = body[at]
    if length < 0x80:
        return at + 1, at + 1 + length
    length, at = _varint(body, at)
    return at, at + length


def text(body: bytes, start: int, end: int) -> str:
    """A string as every database stores it; what is not UTF-8 is replaced."""
    piece = body[start:end]
    try:
        string = piece.decode()
    except UnicodeDecodeError:
        string = piece.decode(errors="replace")
    return storable(string) if "\0" in string else string


def signed(value: int) -> int:
    """An int64 that was written as a VARINT."""
    return value - (1 << 64) if value >> 63 else value


def fixed64(body: bytes, start: int) -> int:
    """A fixed64 without sign."""
    value: int = _FIXED64.unpack_from(body, start)[0]
    return value


def double(body: bytes, start: int) -> float:
    """A double."""
    value: float = _DOUBLE.unpack_from(body, start)[0]
    return value


def _varint(body: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = body[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFF_FFFF_FFFF_FFFF, at
        shift += 7
        if shift == 70:
            raise Malformed("a number is too long")


def _after_group(body: bytes, at: int, end: int, opened: int, allowance: Allowance) -> int:
    """The index after the group that `opened` began. Groups within it are skipped too."""
    open_tags = [opened]
    while open_tags:
        allowance.take_fields()
        field, at = _varint(body, at)
        kind = field & 7
        if kind == _START_GROUP:
            open_tags.append(field)
            if len(open_tags) > _DEEPEST_GROUP:
                raise Malformed("groups are nested too deeply")
        elif kind == _END_GROUP:
            if field - 1 != open_tags.pop():
                raise Malformed("a group is not closed")
        elif kind == VARINT:
            _, at = _varint(body, at)
        elif kind == FIXED64:
            at += 8
        elif kind == FIXED32:
            at += 4
        elif kind == BYTES:
            length, at = _varint(body, at)
            at += length
        else:
            raise Malformed("a field has an unknown kind")
        if at > end:
            raise Malformed("a group is not within its message")
    return at
