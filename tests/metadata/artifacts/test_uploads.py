"""Uploads of the web UI: which of them reach the artifacts service, and how."""

import threading
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest

from tandem_metadata.artifacts import client
from tandem_metadata.routes import uploads
from tests.harness.processes import free_port
from tests.metadata.artifacts_host import FEW, ArtifactsHost, Handler, Metadata, answer, metadata

UPLOAD = "/ajax-api/2.0/mlflow/upload-artifact"
STORED = "/api/2.0/mlflow-artifacts/artifacts/e/{run}/artifacts/"


@pytest.fixture(autouse=True)
def nothing_stored(host: ArtifactsHost) -> None:
    host.stored.clear()


def _upload(service: Metadata, path: str, body: bytes = b"hello", **headers: str) -> Any:
    query = {"run_uuid": service.run, "path": path}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return service.http.post(UPLOAD, params=query, content=body, headers=named)


async def _send(service: Metadata, messages: list[Any]) -> int | None:
    """Upload a body of unknown length to `a.txt`; a message may be a function that makes it.

    Returns the answer's status, or None without an answer.
    """
    status = None
    scope = {
        "type": "http",
        "method": "POST",
        "path": UPLOAD,
        "query_string": f"run_uuid={service.run}&path=a.txt".encode(),
        "headers": [(b"host", b"localhost")],
    }

    async def receive() -> Any:
        each = messages.pop(0)
        return await each() if callable(each) else each

    async def send(message: Any) -> None:
        nonlocal status
        status = message.get("status", status)

    await service.http.app(scope, receive, send)
    return status


def _chunk(body: bytes, *, more: bool = True) -> dict[str, Any]:
    return {"type": "http.request", "body": body, "more_body": more}


def test_upload_passes_on_the_body_and_who_sends_it(service: Metadata, host: ArtifactsHost) -> None:
    given = _upload(
        service, "dir/naïve %.txt", Authorization="Bearer t", Cookie="a=b", Range="bytes=1-",
        If_None_Match="*",
    )  # fmt: skip
    assert (given.status_code, given.content) == (200, b"")
    assert given.headers["content-type"] == "application/json"
    path = STORED.format(run=service.run) + "dir/na%C3%AFve%20%25.txt"
    assert host.stored == {path: b"hello"}
    [(_, headers)] = host.seen
    assert headers["authorization"] == "Bearer t"
    assert headers["content-length"] == "5"
    assert not {"cookie", "range", "if-none-match"} & headers.keys()


def test_upload_gives_a_cookie_to_the_host_that_the_caller_called(
    service: Metadata, host: ArtifactsHost
) -> None:
    _upload(service, "a.txt", Cookie="a=b", Host=host.address)
    assert host.seen[-1][1]["cookie"] == "a=b"


def test_upload_is_passed_on_while_it_arrives(
    service: Metadata, host: ArtifactsHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = threading.Event()
    monkeypatch.setattr(
        "tests.metadata.artifacts_host._body_of",
        lambda handler: _begin_and_read(handler, begun),
    )

    async def rest() -> Any:
        assert await anyio.to_thread.run_sync(begun.wait, 10)
        return _chunk(b"lo", more=False)

    assert service.http.portal is not None
    assert service.http.portal.call(_send, service, [_chunk(b"hel"), rest]) == 200
    assert [*host.stored.values()] == [b"hello"]


def _begin_and_read(handler: Handler, begun: threading.Event) -> bytes:
    """A body in two chunks; `begun` is set after the first."""
    first = handler.rfile.read(int(handler.rfile.readline(), 16))
    begun.set()
    handler.rfile.readline()
    body = first + handler.rfile.read(int(handler.rfile.readline(), 16))
    assert handler.rfile.read(7) == b"\r\n0\r\n\r\n"
    return body


@pytest.mark.parametrize(
    ("end", "status"),
    [({"type": "http.disconnect"}, None), (_chunk(b"x" * uploads.MAX_BYTES), 400)],
)
def test_upload_that_breaks_off_or_grows_too_long_is_not_stored(
    service: Metadata, host: ArtifactsHost, end: Any, status: int | None
) -> None:
    messages = [_chunk(b"hel"), end, _chunk(b"", more=False)]
    assert service.http.portal is not None
    for _ in range(FEW + 1):  # each gives its place back
        assert service.http.portal.call(_send, service, [*messages]) == status
    assert host.stored == {}
    assert _upload(service, "a.txt").status_code == 200


def test_upload_that_stalls_is_ended(
    service: Metadata, host: ArtifactsHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "STALL_SECONDS", 0.1)
    messages = [_chunk(b"hel"), anyio.sleep_forever, _chunk(b"", more=False)]
    assert service.http.portal is not None
    assert service.http.portal.call(_send, service, messages) == 408
    assert host.stored == {}


def test_upload_that_trickles_is_ended(
    service: Metadata, host: ArtifactsHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "STALL_SECONDS", 0.1)

    end = _chunk(b"", more=False)

    async def slowly() -> Any:
        await anyio.sleep(0.06)
        return _chunk(b"x")

    assert service.http.portal is not None
    assert service.http.portal.call(_send, service, [slowly, slowly, slowly, end]) == 408
    assert host.stored == {}


@pytest.mark.parametrize(
    ("status", "passed_on", "code"),
    [
        (400, 400, "INVALID_PARAMETER_VALUE"),
        (401, 401, "PERMISSION_DENIED"),
        (403, 403, "PERMISSION_DENIED"),
        (413, 413, "BAD_REQUEST"),
        (507, 507, "TEMPORARILY_UNAVAILABLE"),
        (404, 503, "TEMPORARILY_UNAVAILABLE"),
        (307, 503, "TEMPORARILY_UNAVAILABLE"),
        (500, 503, "TEMPORARILY_UNAVAILABLE"),
    ],
)
def test_upload_that_the_artifacts_service_refuses_is_refused(
    service: Metadata, host: ArtifactsHost, status: int, passed_on: int, code: str
) -> None:
    host.answer = answer(b"secret", status, Location="http://127.0.0.1:1/")
    given = _upload(service, "a.txt")
    assert (given.status_code, given.json()["error_code"]) == (passed_on, code)
    assert host.address not in given.text
    assert "secret" not in given.text


def test_upload_without_an_artifacts_service_is_refused(
    sqlite_template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = f"mlflow-artifacts://127.0.0.1:{free_port()}/"
    with metadata(tmp_path, sqlite_template, monkeypatch, root, root) as running:
        given = _upload(running, "a.txt")
    assert (given.status_code, given.json()["error_code"]) == (503, "TEMPORARILY_UNAVAILABLE")


@pytest.mark.parametrize(
    ("location", "status"),
    [("mlflow-artifacts://elsewhere.example.com/", 403), ("s3://bucket/x", 400), ("/mnt/x", 400)],
)
def test_upload_to_a_location_that_is_not_followed_is_refused(
    host: ArtifactsHost,
    sqlite_template: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    location: str,
    status: int,
) -> None:
    with metadata(tmp_path, sqlite_template, monkeypatch, host.root, location) as running:
        assert _upload(running, "a.txt").status_code == status
    assert host.stored == {}


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("path=a.txt", 400),
        ("run_uuid={run}", 400),
        ("run_uuid={run}&path=", 400),
        ("run_uuid={run}&path=../a.txt", 400),
        ("run_uuid={run}&path=%252e%252e/a.txt", 400),
        ("run_uuid={run}&path=/a.txt", 400),
        ("run_uuid={run}&path=dir/", 400),
        ("run_uuid=nosuch&path=a.txt", 404),
    ],
)
def test_upload_of_a_bad_query_is_refused(
    service: Metadata, host: ArtifactsHost, query: str, status: int
) -> None:
    given = service.http.post(f"{UPLOAD}?{query.format(run=service.run)}", content=b"x")
    assert given.status_code == status
    assert host.seen == []


@pytest.mark.parametrize(
    "kind", ["application/x-www-form-urlencoded", "Multipart/Form-Data; boundary=x"]
)
def test_upload_of_a_form_is_refused(service: Metadata, host: ArtifactsHost, kind: str) -> None:
    given = _upload(service, "a.txt", Content_Type=kind)
    assert given.status_code == 400
    assert "octet-stream" in given.json()["message"]
    assert host.seen == []


@pytest.mark.parametrize("body", [b"", b"x" * (uploads.MAX_BYTES + 1)])
def test_upload_of_no_bytes_or_too_many_is_refused(
    service: Metadata, host: ArtifactsHost, body: bytes
) -> None:
    given = _upload(service, "a.txt", body)
    assert (given.status_code, given.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
    assert host.seen == []


def test_upload_from_a_page_of_another_origin_is_refused(
    service: Metadata, host: ArtifactsHost
) -> None:
    given = _upload(service, "a.txt", Origin="https://evil.example.com")
    assert given.status_code == 403
    assert host.seen == []
