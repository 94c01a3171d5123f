"""The headers that say what an artifact is, and keep a browser from running it."""

import mimetypes
from functools import lru_cache

from tandem_artifacts.drivers.base import Stat
from tandem_artifacts.routes.conditions import http_date
from tandem_shared.http.artifact_headers import SANDBOX, disposition

_TEXT = frozenset(
    (
        "cf", "cfg", "cnf", "conf", "csv", "err", "hocon", "ini", "ipynb", "js", "json", "log",
        "md", "mlmodel", "mlproject", "prop", "properties", "py", "py3", "rst", "toml", "tsv",
        "txt", "xml", "yaml", "yml",
    )
)  # fmt: skip
"""Endings (or whole names) that MLflow serves as plain text; its web UI shows them."""

_BINARY = "application/octet-stream"
_TYPES = mimetypes.MimeTypes()
"""Python's own table, without the host's files: every host answers the same."""
_TYPES.add_type("image/webp", ".webp")
_TYPES.add_type("application/geo+json", ".geojson")


def headers(path: str, stat: Stat) -> dict[str, str]:
    """The headers of a whole artifact, for GET and HEAD alike.

    An artifact is always an attachment, and sandboxed if a browser shows it all the same: an
    uploaded page must not act in this origin's name.
    """
    return {
        "Content-Type": content_type(path),
        "Content-Length": str(stat.size),
        "Content-Disposition": disposition(path),
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": SANDBOX,
        "Accept-Ranges": "bytes",
        "Referrer-Policy": "no-referrer",  # the URL may hold a grant
        **validators(stat),
    }


def validators(stat: Stat) -> dict[str, str]:
    """The headers by which a client asks later whether its copy is still good."""
    return {
        "ETag": f'"{stat.etag}"',
        "Last-Modified": http_date(stat.modified),
        "Cache-Control": "no-cache",
    }


def content_type(path: str) -> str:
    """The media type by the name, without a charset, which is unknown."""
    return _content_type(path.rpartition("/")[2])


@lru_cache
def _content_type(name: str) -> str:
    ending = name.rpartition(".")[2].lower()
    if ending in _TEXT:
        return "text/plain"
    kind, encoding = _TYPES.guess_type(f"x.{ending}" if "." in name else name)
    return _BINARY if kind is None or encoding else kind
