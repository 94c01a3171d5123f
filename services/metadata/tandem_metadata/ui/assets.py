"""A folder with a build of the web UI, looked through once, at start.

Requests find files by name in a dict, so a path leads nowhere else. The files themselves stay on
disk: 26 MB, or 13 MB compressed, are much for every worker, and the system's page cache holds what
is asked for once for all of them.
"""

import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tandem_metadata.ui.encodings import IDENTITY
from tandem_shared.settings import SettingsError

PAGE = "index.html"
HTML_ARTIFACT = "tandem-html-artifact.html"
"""What shows HTML artifacts in a frame; it is sent with a policy of its own."""

_SCRIPTS = {
    "tandem-defaults.js": "defaults.js",
    "tandem-absent.js": "absent.js",
    "tandem-html-artifacts.js": "html_artifacts.js",
}
_ADDED = _SCRIPTS | {HTML_ARTIFACT: "html_artifact.html"}
"""Our files among the build's, which has none of these names, and what they are called here."""

FOR_GOOD = "public, max-age=31536000, immutable"
ASK_FIRST = "no-cache"

_MOST_FILES = 10_000
_MOST_BYTES = 1024**3
"""A build has a tenth of them, with both codings."""

_SUFFIXES = {".br": "br", ".gz": "gzip"}
_CONTENT_HASH = re.compile(r"\.([0-9a-f]{8,32})\.")
_SCRIPT = re.compile(rb"<script\b")
_OTHER = "application/octet-stream"
_MEDIA_TYPES = {
    ".cjs": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".eot": "application/vnd.ms-fontobject",
    ".gif": "image/gif",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".jpg": "image/jpeg",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".map": "application/json",
    ".mjs": "text/javascript; charset=utf-8",
    ".mp4": "video/mp4",
    ".otf": "font/otf",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".ttf": "font/ttf",
    ".txt": "text/plain; charset=utf-8",
    ".wasm": "application/wasm",
    ".webp": "image/webp",
    ".woff": "font/woff",
    ".woff2": "font/woff2",
}  # fixed: the tables that Python's mimetypes reads differ between machines


@dataclass(frozen=True, slots=True)
class Form:
    """A file in one coding."""

    path: Path
    stat: os.stat_result


@dataclass(frozen=True, slots=True)
class Asset:
    """One file of the UI."""

    media_type: str
    cache_control: str
    tag: str
    """The same for the same content; each coding makes an ETag of its own of it."""
    forms: Mapping[str, Form]
    """By coding; `identity` is always among them."""


@dataclass(frozen=True, slots=True)
class Document:
    """A small file that is held in memory."""

    media_type: str
    content: bytes
    tag: str


class Assets:
    """What a build of the UI consists of."""

    def __init__(self, folder: str) -> None:
        """Raises SettingsError when the folder is not a build."""
        root = Path(folder)
        try:
            # First: what has none may be a whole system's files.
            page = _with_scripts(_page(root).read_bytes(), folder)
            self._files = {
                path.relative_to(root).as_posix(): _asset(path)
                for path in _files(root)
                if path.suffix not in _SUFFIXES
            }
        except OSError as error:
            raise _no_build(f"{error.filename} cannot be read: {error.strerror}") from error
        self.added = {name: _added(source) for name, source in _ADDED.items()}
        """Our own files, by the names that they are served by."""
        self.page = _document(".html", page)
        """The page of the UI, with our scripts loaded before the build's own."""

    def find(self, name: str) -> Asset | None:
        """A file by its path in the folder."""
        return self._files.get(name)


def _page(folder: Path) -> Path:
    page = folder / PAGE
    if not os.path.isfile(page):
        raise _no_build(f"{folder} holds no {PAGE}")
    return page


def _files(folder: Path) -> Iterator[Path]:
    count = size = 0
    for where, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            path = Path(where, name)
            if not name.startswith(".") and path.is_file():
                count += 1
                size += path.stat().st_size
                if count > _MOST_FILES or size > _MOST_BYTES:
                    raise _no_build(f"{folder} holds much more than that")
                yield path


def _asset(path: Path) -> Asset:
    forms = {IDENTITY: Form(path, path.stat())}
    for suffix, coding in _SUFFIXES.items():
        compressed = path.with_name(path.name + suffix)
        if compressed.is_file():
            forms[coding] = Form(compressed, compressed.stat())
    hashed = _CONTENT_HASH.search(path.name)
    if hashed:  # no need to read the file
        return Asset(_media_type(path.suffix), FOR_GOOD, hashed[1], forms)
    return Asset(_media_type(path.suffix), ASK_FIRST, _tag(path.read_bytes()), forms)


def _added(source: str) -> Document:
    path = Path(__file__).with_name(source)
    return _document(path.suffix, path.read_bytes())


def _with_scripts(page: bytes, folder: str) -> bytes:
    first = _SCRIPT.search(page)
    if first is None:
        raise _no_build(f"{folder}/{PAGE} loads no script")
    # Deferred scripts run in their order, so ours are done before the build's begin.
    tags = "".join(
        f'<script defer="defer" src="static-files/{name}"></script>' for name in _SCRIPTS
    )
    return page[: first.start()] + tags.encode("ascii") + page[first.start() :]


def _no_build(reason: str) -> SettingsError:
    return SettingsError(
        f"--ui-dir (TANDEM_UI_DIR) must be a folder with MLflow's web UI, but {reason}."
    )


def _document(suffix: str, content: bytes) -> Document:
    return Document(_media_type(suffix), content, _tag(content))


def _media_type(suffix: str) -> str:
    return _MEDIA_TYPES.get(suffix, _OTHER)


def _tag(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:32]
