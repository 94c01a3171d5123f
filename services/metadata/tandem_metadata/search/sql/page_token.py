"""Page tokens: the position where a page ended, bound to the search that the token belongs to."""

import base64
import binascii
import hashlib
from typing import Final

import msgspec
from sqlalchemy import ColumnElement

from tandem_metadata.search.sql.order import Ordering, Position
from tandem_shared.errors import InvalidParameter

MAX_LENGTH: Final = 2_000_000
"""Characters of a token. It may hold the values of tags and params, which are long."""

_MAX_OFFSET: Final = 2**31 - 1

_MALFORMED: Final = (
    "Invalid page token: it is not a token of this server. Pass the next_page_token of the "
    "previous answer unchanged, or none for the first page."
)
_FOREIGN: Final = (
    "Invalid page token: it belongs to another search. Repeat the search in the page token, with "
    "the same filter, order_by and other parameters, or pass no page_token."
)


class _Offset(msgspec.Struct):
    """The token of MLflow's server."""

    offset: int


class _Token(msgspec.Struct, array_like=True):
    search: str
    position: list[tuple[int, str | None]]


def fingerprint(*search: object) -> str:
    """A digest of what defines a search. The page size is not part of it."""
    return hashlib.sha256(msgspec.json.encode(search)).hexdigest()[:32]


def write(search: str, position: Position) -> str:
    """The token of a position in the search of that fingerprint, safe in a URL."""
    body = msgspec.json.encode(_Token(search, list(position)))
    return base64.urlsafe_b64encode(body).decode().rstrip("=")


def continuation(token: str | None, search: str, ordering: Ordering) -> list[ColumnElement[bool]]:
    """What rows of the token's page satisfy; nothing without a token.

    Raises InvalidParameter for a token that is malformed or belongs to another search.
    """
    return after(position(token, search), ordering)


def position(token: str | None, search: str) -> Position | None:
    """Where the previous page ended; None without a token.

    Raises InvalidParameter for a token that is malformed or belongs to another search.
    """
    if not token:
        return None
    try:
        body = base64.urlsafe_b64decode(_padded(token))
        read = msgspec.json.decode(body, type=_Token)
    except (binascii.Error, ValueError, msgspec.DecodeError):
        raise InvalidParameter(_MALFORMED) from None
    if read.search != search:
        raise InvalidParameter(_FOREIGN)
    return read.position


def offset(token: str | None) -> int:
    """The number of results before the page, if MLflow's server wrote the token; else 0.

    Raises InvalidParameter for a number that no search could have reached.
    """
    if not token:
        return 0
    try:
        number = msgspec.json.decode(base64.urlsafe_b64decode(_padded(token)), type=_Offset).offset
    except (binascii.Error, ValueError, msgspec.DecodeError):
        return 0
    if not 0 < number <= _MAX_OFFSET:
        raise InvalidParameter(_MALFORMED)
    return number


def after(end: Position | None, ordering: Ordering) -> list[ColumnElement[bool]]:
    """What rows after a token's position satisfy; nothing without a position.

    Raises InvalidParameter for a position that the ordering cannot have.
    """
    if end is None:
        return []
    try:
        return [ordering.after(end)]
    except ValueError:
        raise InvalidParameter(_MALFORMED) from None


def _padded(token: str) -> str:
    if len(token) > MAX_LENGTH:
        raise ValueError("longer than any token")
    return token + "=" * (-len(token) % 4)
