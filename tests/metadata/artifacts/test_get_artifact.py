"""Relayed artifacts and listings: which requests and headers pass, and how answers are checked."""

import itertools
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from tandem_metadata.artifacts import client
from tests.metadata.artifacts_host import (
    FETCH,
    FEW,
    LIST,
    ArtifactsHost,
    Handler,
    Metadata,
    answer,
    metadata,
    serve,
)


def test_relayed_head_requests_free_their_connections(service: Metadata) -> None:
    for url in service.urls(FETCH, "a.txt"):
        for _ in range(FEW + 1):
            given = service.http.head(url)
            assert (given.status_code, given.content) == (200, b"")
            assert given.headers["content-length"] == "5"
        assert service.http.get(url).content == b"hello"


def test_relayed_headers_pass_unchanged_in_both_directions(
    service: Metadata, host: ArtifactsHost
) -> None:
    etag = '"日"'.encode() + b"\xe9"
    host.answer = lambda handler: answer(ETag=handler.headers["If-None-Match"])(handler)

    async def ask() -> httpx.Response:  # Starlette's own client cannot read such a header
        transport = httpx.ASGITransport(service.http.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as raw:
            url = service.urls(FETCH, "a.txt")[0]
            return await raw.get(url, headers={b"If-None-Match": etag})

    assert service.http.portal is not None
    given = service.http.portal.call(ask)
    assert given.status_code == 200
    assert (b"etag", etag) in given.headers.raw


@pytest.mark.parametrize(
    ("kind", "passed_on"),
    [
        ("text/html; charset=utf-8", "text/html"),
        ("image/svg+xml", "image/svg+xml"),
        ("image/png", "image/png"),
        ("text/javascript", "text/plain"),
        ("Application/JavaScript; charset=utf-8", "text/plain"),
        ("text/javascript1.5", "text/plain"),
        ("application/x-ecmascript", "text/plain"),
        ("application/wasm", "text/plain"),
        ("text/plain, text/javascript", "application/octet-stream"),
        ("text/plain; x, text/html", "application/octet-stream"),
        ("html", "application/octet-stream"),
        ("", "application/octet-stream"),
    ],
)
def test_relayed_artifacts_never_run_in_a_browser(
    service: Metadata, host: ArtifactsHost, kind: str, passed_on: str
) -> None:
    for url in service.urls(FETCH, "deep/naïve ☃.html"):
        for status in (200, 206, 416):
            host.answer = answer(
                b"<script>alert(1)</script>",
                status,
                Content_Type=kind,
                Content_Disposition="inline",
                Content_Security_Policy="default-src *",
                X_Content_Type_Options="none",
                Set_Cookie="a=b",
                Access_Control_Allow_Origin="*",
                Refresh="0; url=https://evil.example.com/",
                Link="<https://evil.example.com/>; rel=preload",
                Clear_Site_Data='"*"',
            )
            given = service.http.get(url)
            assert given.status_code == status
            assert given.headers["content-type"].partition(";")[0] == passed_on
            assert given.headers["content-disposition"] == (
                "attachment; filename*=UTF-8''na%C3%AFve%20%E2%98%83.html; "
                'filename="naive _.html"'
            )
            assert given.headers["content-security-policy"] == "sandbox; default-src 'none'"
            assert given.headers["x-content-type-options"] == "nosniff"
            for name in ("set-cookie", "refresh", "link", "clear-site-data"):
                assert name not in given.headers
            assert "access-control-allow-origin" not in given.headers


def test_relayed_safety_headers_do_not_depend_on_the_security_middleware(
    host: ArtifactsHost, sqlite_template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.answer = answer(b"<script>", Content_Type="text/html")
    off = {"MLFLOW_SERVER_DISABLE_SECURITY_MIDDLEWARE": "true"}
    root = host.root
    with metadata(tmp_path, sqlite_template, monkeypatch, root, root, **off) as running:
        for url in running.urls(FETCH, "x.html"):
            given = running.http.get(url)
            assert given.headers["x-content-type-options"] == "nosniff"
            assert given.headers["content-security-policy"].startswith("sandbox;")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_of_the_host_is_neither_followed_nor_relayed(
    service: Metadata, host: ArtifactsHost, status: int
) -> None:
    with serve() as stranger:
        host.answer = answer(b"moved", status, Location=f"http://{stranger.address}/secret")
        for url in (*service.urls(FETCH, "a.txt"), *service.urls(LIST, "")):
            given = service.http.get(url)
            assert given.status_code == 503
            assert given.json()["error_code"] == "TEMPORARILY_UNAVAILABLE"
            assert "location" not in given.headers
            assert stranger.address not in given.text
        assert stranger.seen == []


def _drip(handler: Handler) -> None:
    """Send headers without end, a byte at a time."""
    handler.send_response(200)
    handler.flush_headers()
    for _ in range(100):
        handler.wfile.write(b"x-drip: y\r\n")
        time.sleep(0.1)


def _drip_body(handler: Handler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "100")
    handler.end_headers()
    for _ in range(100):
        handler.wfile.write(b" ")
        time.sleep(0.1)


def _say_nothing(_: Handler) -> None:
    time.sleep(5)


def test_a_slow_artifacts_host_times_out(service: Metadata, host: ArtifactsHost) -> None:
    cases = [
        (service.urls(FETCH, "a.txt")[0], _drip),
        (service.urls(FETCH, "a.txt")[1], _say_nothing),
        (service.urls(LIST, "")[0], _drip_body),
        (service.urls(LIST, "")[1], _say_nothing),
    ]
    for url, slow in cases:
        host.answer = slow
        started = time.monotonic()
        given = service.http.get(url)
        assert given.status_code == 503
        assert host.address not in given.text
        assert time.monotonic() - started < 4


def _chunked(handler: Handler) -> None:
    """Send a listing without end."""
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    entries = b'{"path":"%s","is_dir":false},' % (b"x" * 80) * 1024
    for chunk in itertools.chain([b'{"files":['], itertools.repeat(entries)):
        handler.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))


_MANY = b'{"files": [' + b'{"path": "x", "is_dir": false}, ' * 9_999
_MANY += b'{"path": "x", "is_dir": false}]}'
"""A listing of several chunks."""


@pytest.mark.parametrize(
    ("told", "status"),
    [
        (_chunked, 400),
        (answer(b"<html>"), 503),
        (answer(b"[]"), 503),
        (answer(b'{"files": [{"path": 7}]}'), 503),
        (answer(_MANY.replace(b"false", b"7", 1)), 503),
        (answer(_MANY[:-1]), 503),
        (answer(b'{"more": 1, ' + _MANY[1:]), 503),
        (answer(b"\x1f\x8b\x08\x00", Content_Encoding="gzip"), 503),
        (answer(b"<html>no such page", 404), 503),
        (answer(b"x" * 10, length=20), 503),
        (answer(b"", 500), 503),
        (answer(b"", 401), 401),
        (answer(b"", 403), 403),
    ],
)
def test_a_malformed_listing_is_an_error(
    service: Metadata,
    host: ArtifactsHost,
    told: Any,
    status: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # A busy machine does not read 16 MiB in the time that it has here.
    monkeypatch.setattr(client, "MAX_LISTING_BYTES", 1024 * 1024)
    host.answer = told
    for url in service.urls(LIST, "deep"):
        given = service.http.get(url)
        assert given.status_code == status, given.text
        assert set(given.json()) == {"error_code", "message"}
        assert host.address not in given.text


@pytest.mark.parametrize(
    "told",
    [
        answer(b"{}"),
        answer(b'{"files": []}'),
        answer(b'{"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "x"}', 404),
    ],
)
def test_listing_a_file_or_a_missing_path_is_empty(
    service: Metadata, host: ArtifactsHost, told: Any
) -> None:
    host.answer = told
    for path in ("", "missing", "deep/a.txt"):
        for url in service.urls(LIST, path):
            given = service.http.get(url)
            assert given.status_code == 200
            assert set(given.json()) == {"root_uri"}


def test_artifact_names_pass_unchanged_in_both_directions(
    service: Metadata, host: ArtifactsHost
) -> None:
    name = "a+b c%20d é☃&=;?.png"
    quoted = "a%2Bb%20c%2520d%20%C3%A9%E2%98%83%26%3D%3B%3F.png"
    host.answer = answer(f'{{"files": [{{"path": "{name}", "is_dir": false}}]}}'.encode())
    for url in service.urls(LIST, quoted):
        listed = service.http.get(url).json()["files"]
        assert listed == [{"path": f"{name}/{name}", "is_dir": False}]
    for url in service.urls(FETCH, quoted):
        assert service.http.get(url).status_code == 200
        assert host.seen[-1][0].endswith(f"/{quoted}")


def test_the_path_of_a_listing_is_sent_as_a_parameter(
    service: Metadata, host: ArtifactsHost
) -> None:
    host.answer = answer(b"{}")
    for url in service.urls(LIST, "a%2Bb%20c%26path=d"):
        service.http.get(url)
        path = httpx.URL(host.seen[-1][0]).params.get_list("path")
        assert len(path) == 1
        assert path[0].endswith("/a+b c&path=d")


def test_a_listing_of_many_files_is_whole(service: Metadata, host: ArtifactsHost) -> None:
    files = ",".join(f'{{"path":"{i:040}","is_dir":false,"file_size":1}}' for i in range(100_000))
    host.answer = answer(f'{{"files":[{files}]}}'.encode())
    for url in service.urls(LIST, "d"):
        given = service.http.get(url)
        names = [file["path"] for file in given.json()["files"]]
        assert names == [f"d/{i:040}" for i in range(100_000)]
        assert given.headers["content-type"] == "application/json"


def test_credentials_are_passed_on_and_nothing_else(service: Metadata, host: ArtifactsHost) -> None:
    headers = {
        "Authorization": "Basic dTpw",
        "Cookie": "session=secret",
        "X-Forwarded-Host": host.address,
        "X-Forwarded-For": "10.0.0.1",
        "X-Forwarded-Proto": "https",
        "Forwarded": f"host={host.address}",
        "Referer": "http://localhost/",
        "X-Remote-User": "admin",
    }
    for url in (*service.urls(FETCH, "a.txt"), *service.urls(LIST, "")):
        service.http.get(url, headers=headers)
        seen = host.seen[-1][1]
        assert seen["authorization"] == "Basic dTpw"
        assert seen["host"] == host.address
        assert not set(seen) & ({name.lower() for name in headers} - {"authorization"})


def test_cookies_go_back_to_the_host_they_came_to_only(
    service: Metadata, host: ArtifactsHost
) -> None:
    for url in (*service.urls(FETCH, "a.txt"), *service.urls(LIST, "")):
        for asked, expected in (
            (host.address, "session=secret"),
            ("127.0.0.1", None),
            ("localhost:" + host.address.partition(":")[2], None),
        ):
            headers = {"Host": asked, "Cookie": "session=secret"}
            service.http.get(url, headers=headers)
            assert host.seen[-1][1].get("cookie") == expected


def test_cookies_do_not_go_to_an_internal_address(
    host: ArtifactsHost, sqlite_template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = {"TANDEM_ARTIFACTS_URL": f"http://{host.address}"}
    root = "mlflow-artifacts://localhost/"
    with metadata(tmp_path, sqlite_template, monkeypatch, root, root, **url) as running:
        running.http.get(running.urls(FETCH, "a")[0], headers={"Cookie": "session=secret"})
        assert "cookie" not in host.seen[-1][1]


def test_an_unreachable_internal_address_is_not_disclosed(
    sqlite_template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = {"TANDEM_ARTIFACTS_URL": "http://someone:password@tandem-artifacts.invalid:5500"}
    root = "mlflow-artifacts://artifacts.example.com/"
    with metadata(tmp_path, sqlite_template, monkeypatch, root, root, **url) as running:
        for asked in (*running.urls(FETCH, "a.txt"), *running.urls(LIST, "")):
            given = running.http.get(asked)
            assert given.status_code == 503
            for secret in ("tandem-artifacts", "5500", "password"):
                assert secret not in given.text


@pytest.mark.parametrize(
    "location",
    [
        "mlflow-artifacts://{stranger}/x",
        "mlflow-artifacts://{allowed}@{stranger}/x",
        "mlflow-artifacts://{allowed}%40{stranger}/x",
        "MLFLOW-ARTIFACTS://{stranger}/x",
        "http://{stranger}/api/2.0/mlflow-artifacts/artifacts/x",
        "HTTP://user@{stranger}/api/2.0/mlflow-artifacts/artifacts/x",
        "mlflow-artifacts://localhost:{port}/x",
        "mlflow-artifacts://LOCALHOST.:{port}/x",
        "mlflow-artifacts://127.1:{port}/x",
        "mlflow-artifacts://2130706433:{port}/x",
        "mlflow-artifacts://[::ffff:127.0.0.1]:{port}/x",
        "mlflow-artifacts://①②⑦.0.0.1:{port}/x",
    ],
)
def test_no_host_outside_the_allow_list_is_called(
    host: ArtifactsHost,
    sqlite_template: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    location: str,
) -> None:
    host.seen.clear()
    with serve() as stranger:
        port = stranger.address.partition(":")[2]
        uri = location.format(stranger=stranger.address, allowed=host.address, port=port)
        with metadata(tmp_path, sqlite_template, monkeypatch, host.root, uri) as running:
            for url in (*running.urls(FETCH, "a.txt"), *running.urls(LIST, "")):
                given = running.http.get(url, headers={"Authorization": "Basic dTpw"})
                assert given.status_code in (400, 403), url
                assert given.json()["error_code"] in (
                    "INVALID_PARAMETER_VALUE",
                    "PERMISSION_DENIED",
                )
        assert stranger.seen == host.seen == []


def test_browsers_are_redirected_with_redirect_artifacts_to(
    host: ArtifactsHost, sqlite_template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.seen.clear()
    there = {"TANDEM_REDIRECT_ARTIFACTS_TO": "https://artifacts.example.com/"}
    location = f"{host.root}my%20e"
    with metadata(tmp_path, sqlite_template, monkeypatch, host.root, location, **there) as running:
        for url in running.urls(FETCH, "a%2Bb.txt"):
            given = running.http.get(url)
            assert given.status_code == 302
            files = "https://artifacts.example.com/api/2.0/mlflow-artifacts/artifacts/my%20e/"
            assert given.headers["location"].startswith(files)
            assert given.headers["location"].endswith("/a%2Bb.txt")
            assert given.headers["cache-control"] == "no-store"
        assert host.seen == []
