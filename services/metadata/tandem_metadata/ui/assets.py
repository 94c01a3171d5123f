"""A folder with a build of the web UI, scanned once at the start.

Requests look up files by name in a dict, so no path can leave the folder. The contents (26 MB, or
13 MB compressed) stay on disk: the page cache holds them once for all workers.
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
"""The page that shows HTML artifacts in a frame, under a policy of its own."""

_SCRIPTS = {
    "tandem-defaults.js": "defaults.js",
    "tandem-absent.js": "absent.js",
    "tandem-large-traces.js": "large_traces.js",
    "tandem-html-artifacts.js": "html_artifacts.js",
}
_ADDED = _SCRIPTS | {HTML_ARTIFACT: "html_artifact.html"}
"""Our additions: the names they are served by, which no build has, and their source files."""

FOR_GOOD = "public, max-age=31536000, immutable"
ASK_FIRST = "no-cache"

_MOST_FILES = 10_000
_MOST_BYTES = 1024**3
"""A build with both codings has a tenth of these limits."""

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
}  # not from Python's mimetypes, which reads tables that differ between machines


@dataclass(frozen=True, slots=True)
class Form:
    """A file in one content coding."""

    path: Path
    stat: os.stat_result


@dataclass(frozen=True, slots=True)
class Asset:
    """One file of the UI."""

    media_type: str
    cache_control: str
    tag: str
    """A hash of the content; each coding's ETag is derived from it."""
    forms: Mapping[str, Form]
    """By content coding; `identity` is always there."""


@dataclass(frozen=True, slots=True)
class Document:
    """A small file held in memory."""

    media_type: str
    content: bytes
    tag: str


class Assets:
    """The files of a build of the UI."""

    def __init__(self, folder: str) -> None:
        """Raises SettingsError if the folder is not a build."""
        root = Path(folder)
        try:
            # First: a folder without the page may be a whole file system.
            page = _with_scripts(_page(root).read_bytes(), folder)
            self._files = {
                path.relative_to(root).as_posix(): _asset(path)
                for path in _files(root)
                if path.suffix not in _SUFFIXES
            }
        except OSError as error:
            raise _no_build(f"{error.filename} cannot be read: {error.strerror}") from error
        self.added = {name: _added(source) for name, source in _ADDED.items()}
        """Our additions, by the names they are served by."""
        self.page = _document(".html", page)
        """The UI's page, which loads our scripts before the build's own."""

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
    if hashed:  # the name holds the hash, so the file need not be read
        return Asset(_media_type(path.suffix), FOR_GOOD, hashed[1], forms)
    return Asset(_media_type(path.suffix), ASK_FIRST, _tag(path.read_bytes()), forms)


def _added(source: str) -> Document:
    path = Path(__file__).with_name(source)
    return _document(path.suffix, path.read_bytes())


def _with_scripts(page: bytes, folder: str) -> bytes:
    first = _SCRIPT.search(page)
    if first is None:
        raise _no_build(f"{folder}/{PAGE} loads no script")
    # Deferred scripts run in order, so ours run before the build's.
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
