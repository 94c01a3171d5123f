"""Artifact paths that clients send: relative, `/`-separated, and inside their root.

MLflow's clients do not escape the names of artifacts in URLs. Its server decodes a path until
nothing is left to decode, and recent clients decode the names of a listing likewise. Only the fully
decoded form of a name can therefore be listed and then fetched: `canonical`.
"""

import posixpath
import re
from urllib.parse import unquote, urlparse

from tandem_shared.errors import InvalidParameter

MAX_PATH_BYTES = 1024
"""The longest artifact path in UTF-8 bytes: the limit of an S3 object key."""

MAX_NAME_BYTES = 255
"""The longest single name in UTF-8 bytes: the limit of the usual file systems."""

_USUAL = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,254}(/[A-Za-z0-9_-][A-Za-z0-9_.-]{0,254})*")
"""Nearly all paths: safe and canonical without further checks."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_WINDOWS_ROOT = re.compile(r"[A-Za-z]:[/\\]|\\\\")
_SEPARATOR = re.compile(r"[/\\]")


def check(path: str) -> str:
    """Return an artifact path, percent-decoded once by the HTTP layer already, if it is safe.

    A safe path names something below its root, by names that a stock client can also fetch. Raises
    InvalidParameter for empty and `.` segments, line ends, `#`, over-long names, and for what leads
    elsewhere: `..` (also between backslashes), absolute paths and Windows drives, at whatever depth
    percent-encoding hides it.
    """
    canonical(path)
    return path


def check_optional(path: str | None) -> str:
    """Like `check`, for the path of a listing: none and the empty path mean the root, as "".

    One trailing `/` is dropped: clients list `dir/` as well as `dir`.
    """
    if not path:
        return ""
    return check(path.removesuffix("/"))


def canonical_optional(path: str | None) -> str:
    """As `check_optional`, and the path is `canonical`."""
    return canonical(given) if (given := check_optional(path)) else ""


def canonical(path: str) -> str:
    """The path under which MLflow's server stores what a client calls so; raises as `check` does.

    Percent-encoding is undone until none is left. What a URL loses is dropped: tabs, a `;` or
    `?` at its end. Control characters become or stay escapes, such as `%07`. Idempotent.
    """
    if len(path) <= MAX_PATH_BYTES and _USUAL.fullmatch(path):
        return path
    _check_given(path)
    layer = path
    while True:
        _check_leads_below(layer)
        inner = _decoded(layer)
        if inner == layer:
            break
        layer = inner
    return _escaped(layer)


def check_stored(path: str) -> str:
    """Like `check`, for a store's path; raises InvalidParameter for control characters too.

    The path need not be canonical: other programs put files into stores as well.
    """
    if holds_control(path):
        raise InvalidParameter("Invalid path: it holds a control character.")
    return check(path)


def holds_control(path: str) -> bool:
    """Whether the path holds a control character, as no canonical path does."""
    return _CONTROL.search(path) is not None


def _decoded(path: str) -> str:
    """The path with one layer of percent-encoding undone."""
    try:
        return urlparse(unquote(path)).geturl()
    except ValueError:
        raise InvalidParameter("Invalid path: it must be relative, without a host.") from None


def _escaped(path: str) -> str:
    """A decoded path as it is stored; raises InvalidParameter when it cannot be."""
    if "#" in path:
        raise InvalidParameter("Invalid path: '#' cannot be part of an artifact's name.")
    # `_check_given` has refused empty and '.' segments, unless they were encoded.
    if path.rpartition("/")[2] in ("", "."):
        raise InvalidParameter("Invalid path: its last segment is empty; it must name a file.")
    path = _CONTROL.sub(lambda found: f"%{ord(found[0]):02x}", posixpath.normpath(path))
    _check_length(path)
    return path


def _check_given(path: str) -> None:
    _check_length(path)
    if "\n" in path:
        raise InvalidParameter("Invalid path: it holds a line end, a control character.")
    if any("\ud800" <= character <= "\udfff" for character in path):
        raise InvalidParameter("Invalid path: it is not valid UTF-8.")
    if not path.startswith("/") and {"", "."} & set(path.split("/")):
        raise InvalidParameter("Invalid path: it holds an empty or '.' segment.")


def _check_leads_below(path: str) -> None:
    if path.startswith("/"):
        raise InvalidParameter("Invalid path: it must be relative, without a leading '/'.")
    if _WINDOWS_ROOT.match(path):
        raise InvalidParameter("Invalid path: it must be relative, without a drive or host.")
    if ".." in _SEPARATOR.split(path):
        raise InvalidParameter("Invalid path: it holds a '..' segment.")


def _check_length(path: str) -> None:
    if len(path.encode("utf-8", "surrogatepass")) > MAX_PATH_BYTES:
        raise InvalidParameter(f"Invalid path: it is longer than {MAX_PATH_BYTES} bytes.")
    for name in path.split("/"):
        if len(name.encode("utf-8", "surrogatepass")) > MAX_NAME_BYTES:
            raise InvalidParameter(f"Invalid path: a name is longer than {MAX_NAME_BYTES} bytes.")
