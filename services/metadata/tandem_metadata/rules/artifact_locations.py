"""Artifact locations of experiments and runs: their checks, and locations below them."""

import re
from collections.abc import Callable
from typing import Final
from urllib.parse import unquote, urlparse

from tandem_metadata.rules import limits
from tandem_shared.errors import InvalidParameter, invalid_value

WITH_HOST: Final = frozenset(
    {"s3", "gs", "r2", "abfs", "abfss", "wasb", "wasbs", "ftp", "sftp", "http", "https"}
)
"""Schemes of MLflow's stores whose locations begin with a host or bucket."""

_FIELD = "artifact_location"
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")
_ABSOLUTE = re.compile(r"/|[A-Za-z]:[\\/]")
_SEPARATOR = re.compile(r"[/\\?&=]")


def check(location: str) -> None:
    """Raise InvalidParameter for an invalid artifact location of an experiment.

    A location is a URI, or an absolute path on the clients' machines; a relative path would have
    no base here. Any host is accepted: `--artifact-hosts` decides which ones the service calls.
    """
    limits.check_uri(_FIELD, location, limits.ARTIFACT_LOCATION)
    if not _SCHEME.match(location) and not _ABSOLUTE.match(location):
        raise _invalid(location, "give a URI, as s3://bucket/path, or an absolute path")
    try:
        parsed = urlparse(location)
    except ValueError:
        raise _invalid(location, "it is not a URI") from None
    if parsed.fragment or parsed.params or "#" in location:
        raise _invalid(
            location, "it can't include fragments or params, which begin with '#' and ';'"
        )
    if parsed.scheme in WITH_HOST and not parsed.netloc:
        rest = location.partition(":")[2].lstrip("/")
        meant = f"; did you mean {parsed.scheme}://{rest}?" if rest else ""
        raise _invalid(location, f"it names no host or bucket{meant}")
    if parsed.scheme == "runs":
        raise _invalid(location, "a runs:/ URI names a run's artifacts, not a place for them")
    if parsed.scheme == "file" and parsed.netloc not in ("", "localhost"):
        raise _invalid(location, "a file: URI must have no host; write file:///path")
    if ".." in _SEPARATOR.split(fully_decoded(location)):
        raise _invalid(location, "it must not hold a '..' segment")


def below(location: str, *names: str) -> str:
    """The location of path segments below another location; a query string stays at the end."""
    base, mark, query = location.partition("?")
    return "/".join([base.rstrip("/"), *names]) + mark + query


def fully_decoded(text: str, decode: Callable[[str], str] = unquote) -> str:
    """The text after `decode` was applied until nothing changes: hides no `%252e%252e`."""
    while (inner := decode(text)) != text:
        text = inner
    return text


def _invalid(location: str, reason: str) -> InvalidParameter:
    return invalid_value(_FIELD, location, reason)
