"""The web UI's files: codings, caching, media types, paths, and the folder's checks."""

import subprocess
import sys
from pathlib import Path

import anyio
import pytest
from starlette.testclient import TestClient
from starlette.types import Message

from tandem_metadata.app import create_app
from tandem_metadata.routes import ui as ui_routes
from tandem_metadata.ui import assets
from tandem_metadata.ui.assets import Assets
from tandem_metadata.ui.encodings import choose
from tandem_shared.settings import SettingsError
from tests.metadata.ui.conftest import DEFAULTS, FILES, FRAME_URL, MAIN, MAIN_URL, PAGE, Start

OTHER_SCRIPTS = tuple(
    f"static-files/tandem-{name}.js" for name in ("absent", "large-traces", "html-artifacts")
)


def test_ui_page_loads_our_scripts_before_the_builds_own(ui: TestClient) -> None:
    answer = ui.get("/")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    added = "".join(
        f'<script defer="defer" src="{src}"></script>' for src in (DEFAULTS, *OTHER_SCRIPTS)
    )
    assert answer.text == PAGE.replace("<script", f"{added}<script")
    for src in OTHER_SCRIPTS:
        assert ui.get(f"/{src}").headers["content-type"] == "text/javascript; charset=utf-8"
    script = ui.get(f"/{DEFAULTS}")
    assert script.headers["content-type"] == "text/javascript; charset=utf-8"
    for key in ("mlflow.workflowType_v1", "mlflow.assistant.fab.autoOpenedOnFirstLoad_v1"):
        assert key in script.text
    absent = ui.get(f"/{OTHER_SCRIPTS[0]}").text
    for key in ("modal.analyze-trace", "analyze-button", "mlflow.assistant.panelOpen_v1"):
        assert key in absent


def test_ui_build_on_disk_stays_unchanged(ui: TestClient, build: Path) -> None:
    ui.get("/")
    assert (build / "index.html").read_text() == PAGE
    assert not list(build.rglob("tandem*"))


@pytest.mark.parametrize(
    "path",
    ["/", f"/{DEFAULTS}", FRAME_URL, "/static-files/favicon.ico", "/static-files/manifest.json"],
)
def test_ui_file_without_a_hash_in_its_name_is_revalidated(ui: TestClient, path: str) -> None:
    answer = ui.get(path)
    assert answer.headers["cache-control"] == "no-cache"
    etag = answer.headers["etag"]
    again = ui.get(path, headers={"If-None-Match": etag})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == etag
    assert again.headers["cache-control"] == "no-cache"
    assert ui.get(path, headers={"If-None-Match": '"other"'}).status_code == 200


def test_ui_etag_follows_the_content(start: Start, build: Path) -> None:
    paths = ("/", "/static-files/favicon.ico")
    ui = start()
    old = [ui.get(path).headers["etag"] for path in paths]
    assert [start().get(path).headers["etag"] for path in paths] == old
    (build / "index.html").write_text(PAGE + "<!-- newer -->")
    (build / "favicon.ico").write_bytes(b"nocI")
    newer = start()
    for path, etag in zip(paths, old, strict=True):
        assert newer.get(path, headers={"If-None-Match": etag}).status_code == 200


@pytest.mark.parametrize("name", [name for name in FILES if "abcd" in name or "media" in name])
def test_ui_file_with_a_hash_in_its_name_is_immutable(ui: TestClient, name: str) -> None:
    if name.endswith((".br", ".gz")):
        assert ui.get(f"/static-files/{name}").status_code == 404
        return
    answer = ui.get(f"/static-files/{name}")
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.content == FILES[name]


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        (None, None),
        ("", None),
        ("identity", None),
        ("gzip", "gzip"),
        ("br", "br"),
        ("gzip, deflate, br, zstd", "br"),
        ("GZIP", "gzip"),
        ("br;q=0, gzip", "gzip"),
        ("br;q=0.5, gzip;q=0.8", "gzip"),
        ("br;q=0.5,gzip;q=0.5", "br"),
        ("zstd, deflate", None),
    ],
)
def test_ui_file_is_sent_in_the_smallest_accepted_coding(
    ui: TestClient, accepted: str | None, coding: str | None
) -> None:
    headers = {} if accepted is None else {"Accept-Encoding": accepted}
    with ui.stream("GET", MAIN_URL, headers=headers) as answer:
        raw = b"".join(answer.iter_raw())
    suffix = {"br": ".br", "gzip": ".gz", None: ""}[coding]
    content = FILES[f"static/js/main.0123abcd.js{suffix}"]
    assert raw == content
    assert answer.headers.get("content-encoding") == coding
    assert answer.headers["content-length"] == str(len(content))
    assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
    assert "Accept-Encoding" in answer.headers["vary"]


def test_ui_etag_differs_between_codings(ui: TestClient) -> None:
    tags = {}
    for coding in ("identity", "gzip", "br"):
        answer = ui.head(MAIN_URL, headers={"Accept-Encoding": coding})
        tags[coding] = answer.headers["etag"]
    assert len(set(tags.values())) == 3
    for coding, etag in tags.items():
        for other in tags:
            headers = {"Accept-Encoding": other, "If-None-Match": f'"x", W/{etag}'}
            answer = ui.get(MAIN_URL, headers=headers)
            assert answer.status_code == (304 if other == coding else 200)
            assert "Accept-Encoding" in answer.headers["vary"]


def test_ui_coding_without_a_file_is_not_used(ui: TestClient) -> None:
    url = "/static-files/static/css/main.89abcdef.css"
    with ui.stream("GET", url, headers={"Accept-Encoding": "br"}) as answer:
        assert b"".join(answer.iter_raw()) == b"a{}"
    answer = ui.head(url, headers={"Accept-Encoding": "br, gzip"})
    assert answer.headers["content-encoding"] == "gzip"
    answer = ui.head("/static-files/favicon.ico", headers={"Accept-Encoding": "br, gzip"})
    assert "content-encoding" not in answer.headers


@pytest.mark.parametrize(
    ("accept", "coding"),
    [
        ("*", "br"),
        ("*;q=0.5, gzip", "gzip"),
        ("gzip, *;q=0", "gzip"),
        ("*;q=0", "identity"),
        ("identity;q=0", "identity"),
        ("identity, gzip;q=0.5", "identity"),
        ("gzip;q=0", "identity"),
        ("gzip;q=0.000", "identity"),
        ("gzip ; q = 0.3 , br", "br"),
        ("br;q=1.2.3, gzip", "gzip"),
        ("br;level=3, gzip", "gzip"),
        (",,,", "identity"),
        ("br, br;q=0", "identity"),
    ],
)
def test_ui_coding_follows_the_weights_of_accept_encoding(accept: str, coding: str) -> None:
    assert choose(accept, {"br", "gzip", "identity"}) == coding


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("static/media/pdf.worker.min.16b289c2599c81a29db9.mjs", "text/javascript; charset=utf-8"),
        ("static/media/index.f6d03137e8c9dd0de04c.cjs", "text/javascript; charset=utf-8"),
        ("static/css/main.89abcdef.css", "text/css; charset=utf-8"),
        ("static/media/font.20fd1704ea223900efa9.woff2", "font/woff2"),
        ("static/media/chart.16174216d6f3b7c24f40e3541fe0ca2c.svg", "image/svg+xml"),
        ("static/js/main.0123abcd.js.map", "application/json"),
        ("static/js/main.0123abcd.js.LICENSE.txt", "text/plain; charset=utf-8"),
        ("manifest.json", "application/json"),
        ("favicon.ico", "image/x-icon"),
        ("strange.bin", "application/octet-stream"),
    ],
)
def test_ui_files_have_their_media_types(ui: TestClient, name: str, media_type: str) -> None:
    answer = ui.get(f"/static-files/{name}")
    assert answer.headers["content-type"] == media_type
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "path",
    [
        "/static-files/static/js/gone.01234567.js",
        "/static-files/static/js",
        "/static-files/static/js/",
        "/static-files/static//js/main.0123abcd.js",
        "/static-files/../outside.txt",
        "/static-files/..%2foutside.txt",
        "/static-files/%2e%2e/outside.txt",
        "/static-files/static/../../outside.txt",
        "/static-files//etc/passwd",
        "/static-files/.hidden",
        "/static-files/.git/config",
        "/static-files/favicon.ico%00",
        "/static-files/",
        "/static-files",
        "/index.html",
        "/experiments/1",
    ],
)
def test_ui_path_outside_the_build_is_not_found(ui: TestClient, path: str) -> None:
    answer = ui.send(ui.build_request("GET", f"http://localhost{path}"))
    assert (answer.status_code, answer.json()["error_code"]) == (404, "ENDPOINT_NOT_FOUND")


def test_ui_head_has_the_headers_of_a_get_and_no_body(ui: TestClient) -> None:
    for path in ("/", MAIN_URL, "/static-files/favicon.ico", f"/{DEFAULTS}"):
        got, head = ui.get(path), ui.head(path)
        assert (head.status_code, head.content) == (200, b"")
        for name in ("content-length", "content-type", "etag", "cache-control"):
            assert head.headers[name] == got.headers[name]


def test_ui_file_goes_out_in_pieces_of_256_kib(tmp_path: Path) -> None:
    """Starlette reads `chunk_size` off its class, which it documents nowhere."""
    (tmp_path / "large.js").write_bytes(bytes(1024 * 1024))
    sizes: list[int] = []

    async def send(message: Message) -> None:
        sizes.append(len(message.get("body", b"")))

    async def receive() -> Message:
        await anyio.sleep_forever()
        raise AssertionError

    scope = {"type": "http", "method": "GET", "headers": [], "extensions": {}}
    anyio.run(ui_routes._File(tmp_path / "large.js"), scope, receive, send)
    assert [size for size in sizes if size] == [256 * 1024] * 4


def test_ui_paths_begin_with_the_static_prefix(start: Start) -> None:
    ui = start(static_prefix="/a/mlflow")
    assert ui.get("/a/mlflow/").text == start(static_prefix="").get("/").text
    assert ui.get(f"/a/mlflow{MAIN_URL}").content == MAIN
    assert ui.get(f"/a/mlflow/{DEFAULTS}").status_code == 200
    assert ui.get("/").status_code == 404
    assert ui.get(MAIN_URL).status_code == 404
    for path, location in (("/a/mlflow", "mlflow/"), ("/a/mlflow?x=%20", "mlflow/?x=%20")):
        answer = ui.get(path)
        assert (answer.status_code, answer.headers["location"]) == (307, location)
    assert ui.get("/a/mlflow", follow_redirects=True).status_code == 200


def test_ui_that_is_missing_is_explained_by_the_page(start: Start) -> None:
    plain = start(ui_dir=None)
    answer = plain.get("/")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")
    assert "--ui-dir" in answer.text
    assert "TANDEM_UI_DIR" in answer.text
    assert plain.get(MAIN_URL).status_code == 404


@pytest.mark.parametrize("with_ui", [False, True])
def test_ui_does_not_change_the_api(
    sqlite_template: Path, build: Path, with_ui: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_BACKEND_STORE_URI", f"sqlite:///{sqlite_template}")
    monkeypatch.setenv("MLFLOW_DEFAULT_ARTIFACT_ROOT", "mlflow-artifacts://artifacts.test/")
    monkeypatch.setenv("TANDEM_UI_DIR", str(build) if with_ui else "")
    with TestClient(create_app(), "http://localhost") as http:
        found = http.get("/ajax-api/2.0/mlflow/experiments/get?experiment_id=0")
        assert found.json()["experiment"]["name"] == "Default"
        assert http.get(MAIN_URL).status_code == (200 if with_ui else 404)


def test_ui_dir_that_is_no_build_ends_the_start(tmp_path: Path, sqlite_template: Path) -> None:
    command = [Path(sys.executable).parent / "tandem-metadata", "serve", "--port", "0"]
    options = {
        "--backend-store-uri": f"sqlite:///{sqlite_template}",
        "--default-artifact-root": "mlflow-artifacts://artifacts.test/",
        "--ui-dir": str(tmp_path),
        "--workers": "2",
    }
    flags = [part for pair in options.items() for part in pair]
    ended = subprocess.run([*command, *flags], capture_output=True, text=True, timeout=60)
    assert ended.returncode == 2
    assert ended.stderr.startswith("error: --ui-dir (TANDEM_UI_DIR) must be a folder")


def test_ui_dir_that_is_no_build_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"--ui-dir .* holds no index\.html"):
        Assets(str(tmp_path))
    with pytest.raises(SettingsError, match=r"--ui-dir .* holds no index\.html"):
        Assets(str(tmp_path / "gone"))
    (tmp_path / "index.html").write_text("<html><noscript>hello</noscript></html>")
    with pytest.raises(SettingsError, match=r"--ui-dir .* loads no script"):
        Assets(str(tmp_path))


def test_ui_dir_of_other_files_is_not_read_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "unread").symlink_to("/proc/self/mem")  # an error if it is read
    with pytest.raises(SettingsError, match=r"holds no index\.html"):
        Assets(str(tmp_path))
    (tmp_path / "index.html").write_text("<html><script src=x></script></html>")
    with pytest.raises(SettingsError, match=r"--ui-dir .* cannot be read: "):
        Assets(str(tmp_path))
    (tmp_path / "deep" / "unread").unlink()
    Assets(str(tmp_path))
    for limit in ("_MOST_FILES", "_MOST_BYTES"):
        with monkeypatch.context() as patched:
            patched.setattr(assets, limit, 0)
            with pytest.raises(SettingsError, match="holds much more"):
                Assets(str(tmp_path))
