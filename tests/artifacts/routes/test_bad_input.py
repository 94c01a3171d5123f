"""What the artifacts service refuses: each a 4xx with a clear message, and nothing stored."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from starlette.testclient import TestClient

from tests.artifacts.service import API, ARTIFACTS, client, stored

JSON = {"Content-Type": "application/json"}
UNSAFE = [
    ("%2e%2e", "segment"),
    ("%2e%2e/x", "segment"),
    ("a/%2e%2e/x", "segment"),
    ("a/%2e/x", "segment"),
    ("%252e%252e/x", "segment"),
    ("a%252f..%252fx", "segment"),
    ("%25252e%25252e/x", "segment"),
    ("/etc/passwd", "relative"),
    ("%2fetc/passwd", "relative"),
    ("%252fetc/passwd", "relative"),
    ("a//b", "segment"),
    ("..%5cx", "segment"),
    ("a%255c..%255cx", "segment"),
    ("%5c%5chost%5cx", "drive"),
    ("C:/x", "drive"),
    ("C:%5cx", "drive"),
    ("a%0ab", "control"),
    ("a%23b", "'#'"),
    ("a%2523b", "'#'"),
    ("%2f%2fetc", "relative"),
    ("x" * 256, "longer"),
    ("x/" * 600 + "x", "longer"),
    (".tandem-uploads.trash/x", "keeps"),
]


@pytest.fixture
def http(tmp_path: Path) -> Iterator[TestClient]:
    with client(tmp_path / "store", max_artifact_bytes=1000) as opened:
        yield opened


def raw(http: TestClient, method: str, path: str, **options: object) -> httpx.Response:
    """Send a path as it is: the client would make some of these harmless."""
    request = http.build_request(method, "http://localhost/", **options)  # type: ignore[arg-type]
    request.url = httpx.URL("http://localhost").copy_with(raw_path=path.encode())
    return http.send(request)


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE"])
@pytest.mark.parametrize(("path", "reason"), UNSAFE)
def test_unsafe_path_is_refused(
    http: TestClient, tmp_path: Path, method: str, path: str, reason: str
) -> None:
    (tmp_path / "x").write_text("outside")
    content = {"content": b"inside"} if method == "PUT" else {}
    answer = raw(http, method, f"{ARTIFACTS}/{path}", **content)
    assert answer.status_code == 400
    if method != "HEAD":
        assert answer.json()["error_code"] == "INVALID_PARAMETER_VALUE"
        assert reason in answer.json()["message"]
    assert stored(tmp_path) == ["x"]


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("..", "segment"),
        ("a/../..", "segment"),
        ("%2e%2e", "segment"),
        ("/etc", "relative"),
        ("a//b", "segment"),
        ("..\\b", "segment"),
        ("a\0b", "NUL"),
    ],
)
def test_listing_an_unsafe_path_is_refused(http: TestClient, path: str, reason: str) -> None:
    answer = http.get(ARTIFACTS, params={"path": path})
    assert answer.status_code == 400
    assert answer.json()["error_code"] == "INVALID_PARAMETER_VALUE"
    assert reason in answer.json()["message"]


@pytest.mark.parametrize("path", ["presigned/%2e%2e/x", "presigned//etc/passwd"])
def test_unsafe_path_is_refused_before_a_url_is_signed(http: TestClient, path: str) -> None:
    answer = raw(http, "GET", f"{API}/{path}")
    assert answer.status_code == 400
    assert answer.json()["error_code"] == "INVALID_PARAMETER_VALUE"


def test_directory_is_refused_as_a_file(http: TestClient) -> None:
    http.put(f"{ARTIFACTS}/dir/file", content=b"x")
    for method in ("GET", "PUT"):
        answer = http.request(method, f"{ARTIFACTS}/dir", content=b"" if method == "GET" else b"x")
        assert answer.status_code == 400
        assert "directory" in answer.json()["message"]
    assert http.get(f"{ARTIFACTS}/dir/").status_code == 400
    assert http.head(f"{ARTIFACTS}/dir").status_code == 400


def test_upload_below_a_file_is_refused(http: TestClient, tmp_path: Path) -> None:
    http.put(f"{ARTIFACTS}/file", content=b"x")
    answer = http.put(f"{ARTIFACTS}/file/below", content=b"y")
    assert answer.status_code == 400
    assert "file/below" in answer.json()["message"]
    assert stored(tmp_path / "store") == ["file"]


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_root_is_refused_as_an_artifact(http: TestClient, tmp_path: Path, method: str) -> None:
    http.put(f"{ARTIFACTS}/keep", content=b"x")
    answer = http.request(method, f"{ARTIFACTS}/")
    assert answer.status_code == 400
    assert stored(tmp_path / "store") == ["keep"]


def test_symbolic_links_out_of_the_root_are_refused(http: TestClient, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("outside")
    os.symlink(tmp_path / "secret", tmp_path / "store" / "file")
    os.symlink(tmp_path, tmp_path / "store" / "dir")
    calls: list[Callable[[], httpx.Response]] = [
        lambda: http.get(f"{ARTIFACTS}/file"),
        lambda: http.get(f"{ARTIFACTS}/dir/secret"),
        lambda: http.put(f"{ARTIFACTS}/dir/new", content=b"x"),
        lambda: http.delete(f"{ARTIFACTS}/dir/secret"),
    ]
    for call in calls:
        answer = call()
        assert answer.status_code == 400
        assert answer.json()["error_code"] == "INVALID_PARAMETER_VALUE"
    assert http.get(ARTIFACTS).json() == {}
    assert (tmp_path / "secret").read_text() == "outside"
    assert not (tmp_path / "new").exists()


def test_upload_over_the_size_limit_is_refused(http: TestClient, tmp_path: Path) -> None:
    http.put(f"{ARTIFACTS}/a", content=b"old")
    for content in (b"x" * 1001, (b"x" * 100 for _ in range(11))):
        answer = http.put(f"{ARTIFACTS}/a", content=content)
        assert answer.status_code == 413
        assert "1000 bytes" in answer.json()["message"]
    assert http.get(f"{ARTIFACTS}/a").content == b"old"
    assert stored(tmp_path / "store") == ["a"]
    assert http.put(f"{ARTIFACTS}/a", content=b"x" * 1000).status_code == 200


def test_upload_of_another_length_than_content_length_is_refused(
    http: TestClient, tmp_path: Path
) -> None:
    for declared in ("11", "9", "ten", "-1", "1e3"):
        answer = http.put(
            f"{ARTIFACTS}/a", content=b"0123456789", headers={"Content-Length": declared}
        )
        assert answer.status_code == 400
        assert "Content-Length" in answer.json()["message"]
    assert stored(tmp_path) == []


def test_upload_with_content_range_is_refused(http: TestClient, tmp_path: Path) -> None:
    headers = {"Content-Range": "bytes 0-0/2"}
    answer = http.put(f"{ARTIFACTS}/a", content=b"x", headers=headers)
    assert answer.status_code == 400
    assert "Content-Range" in answer.json()["message"]
    assert stored(tmp_path) == []


@pytest.mark.parametrize(
    ("step", "body", "named"),
    [
        ("create", b"{", "JSON"),
        ("create", b"[]", "object"),
        ("create", b"{}", "path"),
        ("create", b'{"path": ""}', "path"),
        ("create", b'{"path": 1}', "path"),
        ("create", b'{"path": "dir/"}', "path"),
        ("create", b'{"path": ".."}', "segment"),
        ("create", b'{"path": "a\\u0000b"}', "path"),
        ("create", b'{"path": "a", "num_parts": 0}', "num_parts"),
        ("create", b'{"path": "a", "num_parts": 10001}', "num_parts"),
        ("create", b'{"path": "a", "num_parts": "many"}', "num_parts"),
        ("complete", b'{"path": "a"}', "upload_id"),
        ("complete", b'{"path": "a", "upload_id": "u"}', "parts"),
        ("complete", b'{"path": "a", "upload_id": "u", "parts": []}', "parts"),
        ("complete", b'{"path": "a", "upload_id": "u", "parts": [{}]}', "part_number"),
        (
            "complete",
            b'{"path": "a", "upload_id": "u", "parts": [{"part_number": 1}]}',
            "etag",
        ),
        ("abort", b'{"path": "a"}', "upload_id"),
        ("abort", b'{"upload_id": "u"}', "path"),
    ],
)
def test_bad_multipart_message_is_refused_by_name(
    http: TestClient, step: str, body: bytes, named: str
) -> None:
    answer = http.post(
        f"{API}/mpu/{step}/run", content=body, headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 400
    assert answer.json()["error_code"] == "INVALID_PARAMETER_VALUE"
    assert named in answer.json()["message"]


def test_multipart_message_must_be_json(http: TestClient) -> None:
    answer = http.post(
        f"{API}/mpu/create/run", content=b'{"path": "a"}', headers={"Content-Type": "text/plain"}
    )
    assert answer.status_code == 400
    assert "application/json" in answer.json()["message"]


def test_method_that_no_route_has_is_answered_with_allow(http: TestClient) -> None:
    answer = http.post(f"{ARTIFACTS}/a", content=b"x")
    assert answer.status_code == 405
    assert answer.headers["allow"] == "DELETE, GET, HEAD, PUT"


def test_upload_from_another_origin_is_refused(http: TestClient, tmp_path: Path) -> None:
    answer = http.put(
        f"{ARTIFACTS}/a", content=b"x", headers={"Origin": "https://evil.example.com"}
    )
    assert answer.status_code == 403
    assert stored(tmp_path) == []


def test_foreign_host_is_refused(http: TestClient) -> None:
    answer = http.get(ARTIFACTS, headers={"Host": "evil.example.com"})
    assert answer.status_code == 403


def test_long_multipart_message_is_read_without_unknown_fields(http: TestClient) -> None:
    message = b'{"path": "a", "num_parts": "2", "junk": [' + b"[]," * 90_000 + b"[]]}"
    answer = http.post(f"{API}/mpu/create/run", content=message, headers=JSON)
    assert answer.json()["error_code"] == "NOT_IMPLEMENTED"


def test_multipart_message_of_too_many_values_is_refused(http: TestClient) -> None:
    message = b'{"path": "a", "junk": [' + b"[]," * 400_000 + b"[]]}"
    answer = http.post(f"{API}/mpu/complete/run", content=message, headers=JSON)
    assert answer.status_code == 400
    assert "200000 values" in answer.json()["message"]
    answer = http.post(f"{API}/mpu/create/run", content=message, headers=JSON)
    assert answer.status_code == 413


@pytest.mark.parametrize(
    "end", [b'], "path": null}', b"]", b'], "path": "\xff"}', b'], "more": ' + b"[" * 100_000]
)
def test_long_multipart_message_that_is_malformed_is_refused(http: TestClient, end: bytes) -> None:
    message = b'{"junk": [' + b"[]," * 90_000 + b"[]" + end
    answer = http.post(f"{API}/mpu/create/run", content=message, headers=JSON)

    assert answer.status_code == 400
    assert answer.json()["error_code"] == "INVALID_PARAMETER_VALUE"
