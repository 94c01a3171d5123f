"""Artifact paths that clients send: relative, `/`-separated, and inside their root."""

import re
from urllib.parse import unquote

from tandem_shared.errors import InvalidParameter

MAX_PATH_BYTES = 1024
"""The longest artifact path in UTF-8 bytes: the limit of an S3 object key."""

MAX_NAME_BYTES = 255
"""The longest single name in UTF-8 bytes: the limit of the usual file systems."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_WINDOWS_DRIVE = re.compile(r"[A-Za-z]:(/|$)")


def check(path: str) -> str:
    """Return an artifact path, percent-decoded once by the HTTP layer already, if it is safe.

    A safe path names something below its root, by names that a stock client can also fetch. Raises
    InvalidParameter for empty, `.` and `..` segments, absolute paths and Windows drives,
    backslashes, control characters, `#`, over-long names, and for all of these hidden behind
    further percent-encoding.
    """
    if len(path.encode("utf-8", "surrogatepass")) > MAX_PATH_BYTES:
        raise InvalidParameter(f"Invalid path: it is longer than {MAX_PATH_BYTES} bytes.")
    layer = path
    while True:
        _check_layer(layer)
        inner = unquote(layer)
        if inner == layer:
            return path
        layer = inner


def check_optional(path: str | None) -> str:
    """Like `check`, for the path of a listing: none and the empty path mean the root, as "".

    One trailing `/` is dropped: clients list `dir/` as well as `dir`.
    """
    if not path:
        return ""
    return check(path.removesuffix("/"))


def _check_layer(path: str) -> None:
    if "\\" in path or _WINDOWS_DRIVE.match(path):
        raise InvalidParameter("Invalid path: separate names by '/', without a drive or backslash.")
    if _CONTROL.search(path):
        raise InvalidParameter("Invalid path: it holds a control character.")
    if "\ufffd" in path or any("\ud800" <= character <= "\udfff" for character in path):
        raise InvalidParameter("Invalid path: it is not valid UTF-8.")
    if "#" in path:
        raise InvalidParameter("Invalid path: '#' cannot be part of an artifact's name.")
    if path.startswith("/"):
        raise InvalidParameter("Invalid path: it must be relative, without a leading '/'.")
    for name in path.split("/"):
        if name in ("", ".", ".."):
            raise InvalidParameter("Invalid path: it holds an empty, '.' or '..' segment.")
        if len(name.encode("utf-8", "surrogatepass")) > MAX_NAME_BYTES:
            raise InvalidParameter(f"Invalid path: a name is longer than {MAX_NAME_BYTES} bytes.")
