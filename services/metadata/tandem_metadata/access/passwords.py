"""Hashes of passwords, in the formats of MLflow's accounts (those of werkzeug)."""

import contextlib
import re
from functools import cache
from typing import Final

from werkzeug.security import check_password_hash, generate_password_hash

_FORMAT: Final = re.compile(
    r"(scrypt:[0-9]+:[0-9]+:[0-9]+|pbkdf2:[a-z0-9]+(:[0-9]+)?)\$[^$]*\$[0-9a-f]+"
)


def hashed(password: str) -> str:
    """A new hash; it takes some 60 ms of a processor."""
    return generate_password_hash(password)


def matches(hash: str | None, password: str) -> bool:
    """Whether a password is the one that was hashed.

    Takes as long where there is no hash: users without a password, and names that nobody has.
    """
    if hash is not None and _FORMAT.fullmatch(hash):
        with contextlib.suppress(ValueError, OverflowError):  # a method that nothing computes
            return check_password_hash(hash, password)
    check_password_hash(of_nobody(), password)
    return False


@cache
def of_nobody() -> str:
    """The hash that names are checked against which nobody has; made by the first call."""
    return hashed("nobody's")
