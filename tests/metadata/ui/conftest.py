"""A folder as a build of the web UI is, and the routes that serve it."""

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import brotli
import pytest
from starlette.testclient import TestClient

from tandem_metadata.routes import ui as ui_routes
from tandem_metadata.settings import Settings
from tandem_shared.http.router import Router
from tandem_shared.security.hosts_and_origins import secure

PAGE = (
    '<!doctype html><script defer="defer" src="static-files/static/js/main.0123abcd.js"></script>'
)
MAIN = b"console.log('main');" * 100
FILES = {
    "index.html": PAGE.encode(),
    "favicon.ico": b"icon",
    "manifest.json": b"{}",
    "static/js/main.0123abcd.js": MAIN,
    "static/js/main.0123abcd.js.br": brotli.compress(MAIN),
    "static/js/main.0123abcd.js.gz": gzip.compress(MAIN),
    "static/js/main.0123abcd.js.LICENSE.txt": b"licence",
    "static/css/main.89abcdef.css": b"a{}",
    "static/css/main.89abcdef.css.gz": gzip.compress(b"a{}"),
    "static/media/pdf.worker.min.16b289c2599c81a29db9.mjs": b"export {};",
    "static/media/index.f6d03137e8c9dd0de04c.cjs": b"",
    "static/media/font.20fd1704ea223900efa9.woff2": b"wOF2",
    "static/media/chart.16174216d6f3b7c24f40e3541fe0ca2c.svg": b"<svg/>",
    "static/js/main.0123abcd.js.map": b"{}",
    "strange.bin": b"?",
    "lib/notebook-trace-renderer/index.html": b"<html></html>",
    ".hidden": b"secret",
    ".git/config": b"secret",
}
MAIN_URL = "/static-files/static/js/main.0123abcd.js"
DEFAULTS = "static-files/tandem-defaults.js"
FRAME_URL = "/static-files/tandem-html-artifact.html"

Start = Callable[..., TestClient]


@pytest.fixture
def build(tmp_path: Path) -> Path:
    folder = tmp_path / "build"
    for name, content in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (tmp_path / "outside.txt").write_text("outside")
    return folder


@pytest.fixture
def start(build: Path) -> Start:
    """Builds the UI's routes with the given settings and the service's security middleware."""

    def start(**given: Any) -> TestClient:
        settings = Settings(**{"ui_dir": str(build), **given})
        router = Router(ui_routes.routes(settings), prefix=settings.static_prefix)
        app = secure(router, settings, framed=ui_routes.FRAMED)
        client = TestClient(app, "http://localhost", follow_redirects=False)
        client.headers.pop("accept-encoding")
        return client

    return start


@pytest.fixture
def ui(start: Start) -> TestClient:
    return start()
