"""What a request proves its sender by: the Authorization header."""

import base64
import binascii
import hmac
import secrets
from dataclasses import dataclass

from tandem_shared.errors import Unauthenticated

_hmac = hmac.new(secrets.token_bytes(32), digestmod="sha256")
"""With a key of this process: no cache's key tells a password to whoever reads the memory of
another."""


@dataclass(frozen=True, slots=True)
class Password:
    """HTTP Basic: a user's name and password."""

    username: str
    password: str


@dataclass(frozen=True, slots=True)
class Token:
    """A Bearer token, be it one of Tandem's own or one of an identity provider."""

    text: str


@dataclass(frozen=True, slots=True)
class Vouched:
    """A user's name by somebody else who has authenticated him."""

    username: str
    by: str
    """Who vouches, as a sentence begins."""


@dataclass(frozen=True, slots=True)
class SessionCookie:
    """The id of a browser's session, which it sends by itself, whatever page makes it."""

    id: str


Credentials = Password | Token | Vouched | SessionCookie


def parse(header: str) -> Password | Token | None:
    """The credentials of an Authorization header; None for an empty one.

    Raises Unauthenticated for a header that is neither Basic nor Bearer, or is malformed.
    """
    if not header:
        return None
    scheme, _, value = header.partition(" ")
    value = value.strip()
    match scheme.lower():
        case "basic":
            return _password(value)
        case "bearer" if value:
            return Token(value)
    raise Unauthenticated("The Authorization header must be Basic or Bearer, with credentials.")


def _password(value: str) -> Password:
    try:
        decoded = base64.b64decode(value, validate=True).decode()
    except (binascii.Error, ValueError):
        raise Unauthenticated(
            "The Authorization header is malformed: Basic needs name:password in base64."
        ) from None
    username, colon, password = decoded.partition(":")
    if not colon or not username:
        raise Unauthenticated("The Authorization header is malformed: the user's name is missing.")
    if "\0" in decoded:  # no database stores it
        raise Unauthenticated("The Authorization header is malformed: it holds a NUL.")
    return Password(username, password)


def digest(header: bytes) -> bytes:
    """A key for caches that stands for an Authorization header, useless outside this process."""
    # Not `hmac.digest`: it gives the interpreter away, and waits for the other threads to give it
    # back; a request then took twice its time.
    told = _hmac.copy()
    told.update(header)
    return told.digest()
