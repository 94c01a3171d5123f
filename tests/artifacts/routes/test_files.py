"""Artifacts over HTTP: list, download, upload, delete."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from tests.artifacts.service import ARTIFACTS, client, stored


@pytest.fixture
def http(tmp_path: Path) -> Iterator[TestClient]:
    with client(tmp_path) as opened:
        yield opened


def put(http: TestClient, path: str, content: bytes = b"0123456789") -> None:
    assert http.put(f"{ARTIFACTS}/{path}", content=content).status_code == 200


def test_upload_is_answered_empty_and_comes_back_byte_for_byte(http: TestClient) -> None:
    content = bytes(range(256)) * 5000
    answer = http.put(f"{ARTIFACTS}/1/run/artifacts/model.bin", content=content)
    assert (answer.status_code, answer.content) == (200, b"")
    assert http.get(f"{ARTIFACTS}/1/run/artifacts/model.bin").content == content


@pytest.mark.parametrize("prefix", ["/api", "/ajax-api"])
def test_api_and_ajax_api_prefixes_serve_the_same_artifacts(http: TestClient, prefix: str) -> None:
    put(http, "a.txt")
    path = f"{prefix}/2.0/mlflow-artifacts/artifacts"
    assert http.get(f"{path}/a.txt").content == b"0123456789"
    assert http.get(path).json() == {"files": [{"path": "a.txt", "is_dir": False, "file_size": 10}]}


def test_static_prefix_is_part_of_every_path(tmp_path: Path) -> None:
    with client(tmp_path, static_prefix="/tandem") as http:
        assert http.put(f"/tandem{ARTIFACTS}/a.txt", content=b"a").status_code == 200
        assert http.get(f"/tandem{ARTIFACTS}/a.txt").content == b"a"
        assert http.get("/tandem/api/2.0/mlflow/runs/get").status_code == 503
        assert http.get(f"{ARTIFACTS}/a.txt").status_code == 404


@pytest.mark.parametrize("prefix", ["", "/tandem"])
def test_slashes_may_be_doubled_before_the_api_and_not_in_an_artifact_s_path(
    tmp_path: Path, prefix: str
) -> None:
    with client(tmp_path, static_prefix=prefix) as http:
        url = f"{http.base_url}{prefix}/{ARTIFACTS}"
        assert http.put(f"{url}/d/a.txt", content=b"a").status_code == 200
        assert http.get(f"{url}/d/a.txt").content == b"a"
        assert http.get(url, params={"path": "d"}).json()["files"][0]["path"] == "a.txt"
        for path in ("/d/a.txt", "d//a.txt"):
            assert http.get(f"{url}/{path}").status_code == 400
            assert http.put(f"{url}/{path}", content=b"b").status_code == 400


def test_upload_without_a_length_is_stored(http: TestClient) -> None:
    pieces = (b"x" * 1000 for _ in range(100))
    assert http.put(f"{ARTIFACTS}/chunked", content=pieces).status_code == 200
    assert http.get(f"{ARTIFACTS}/chunked").content == b"x" * 100_000


def test_empty_file_is_stored_listed_and_downloaded(http: TestClient) -> None:
    put(http, "empty", b"")
    answer = http.get(f"{ARTIFACTS}/empty")
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-length"] == "0"
    assert http.get(ARTIFACTS).json()["files"] == [
        {"path": "empty", "is_dir": False, "file_size": 0}
    ]


def test_upload_replaces_what_was_there(http: TestClient) -> None:
    put(http, "a", b"old")
    before = http.get(f"{ARTIFACTS}/a").headers["etag"]
    put(http, "a", b"new")
    answer = http.get(f"{ARTIFACTS}/a")
    assert answer.content == b"new"
    assert answer.headers["etag"] != before


def test_listing_shows_one_level_with_sizes_of_files_only(http: TestClient) -> None:
    put(http, "run/a/b/c.txt")
    put(http, "run/z.txt", b"zz")
    expected = [
        {"path": "a", "is_dir": True},
        {"path": "z.txt", "is_dir": False, "file_size": 2},
    ]
    assert http.get(ARTIFACTS, params={"path": "run"}).json() == {"files": expected}
    assert http.get(ARTIFACTS, params={"path": "run/"}).json() == {"files": expected}


@pytest.mark.parametrize("path", ["nothing", "a/nothing", "a/file.txt"])
def test_listing_of_a_file_or_a_missing_path_is_empty(http: TestClient, path: str) -> None:
    put(http, "a/file.txt")
    answer = http.get(ARTIFACTS, params={"path": path})
    assert (answer.status_code, answer.json()) == (200, {})


def test_listing_longer_than_a_page_is_complete(http: TestClient, tmp_path: Path) -> None:
    (tmp_path / "many").mkdir()
    names = [f"{number:05}" for number in range(2500)]
    for name in names:
        (tmp_path / "many" / name).touch()
    listed = http.get(ARTIFACTS, params={"path": "many"}).json()["files"]
    assert [entry["path"] for entry in listed] == names


def test_listing_of_exactly_a_page_is_complete(http: TestClient, tmp_path: Path) -> None:
    for number in range(1000):
        (tmp_path / f"{number:05}").touch()
    assert len(http.get(ARTIFACTS).json()["files"]) == 1000


def test_head_has_the_headers_of_get_without_a_body(http: TestClient) -> None:
    put(http, "a.csv")
    got, asked = http.get(f"{ARTIFACTS}/a.csv"), http.head(f"{ARTIFACTS}/a.csv")
    assert (asked.status_code, asked.content) == (200, b"")
    mine = {"x-request-id"}
    assert {k: v for k, v in asked.headers.items() if k not in mine} == {
        k: v for k, v in got.headers.items() if k not in mine
    }


def test_missing_artifact_is_not_found(http: TestClient) -> None:
    answer = http.get(f"{ARTIFACTS}/no/such.txt")
    assert answer.status_code == 404
    assert answer.json()["error_code"] == "RESOURCE_DOES_NOT_EXIST"
    assert "no/such.txt" in answer.json()["message"]
    assert http.head(f"{ARTIFACTS}/no/such.txt").status_code == 404


@pytest.mark.parametrize(
    ("name", "content_type"),
    [
        ("a.txt", "text/plain"),
        ("a.json", "text/plain"),
        ("a.YAML", "text/plain"),
        ("a.js", "text/plain"),
        ("MLmodel", "text/plain"),
        ("a.html", "text/html"),
        ("a.png", "image/png"),
        ("a.webp", "image/webp"),
        ("a.geojson", "application/geo+json"),
        ("a.csv.gz", "application/octet-stream"),
        ("a.unheard-of", "application/octet-stream"),
        ("data", "application/octet-stream"),
    ],
)
def test_content_type_follows_the_name(http: TestClient, name: str, content_type: str) -> None:
    put(http, name)
    assert http.get(f"{ARTIFACTS}/{name}").headers["content-type"] == content_type


def test_download_of_a_page_is_sandboxed_in_a_browser(tmp_path: Path) -> None:
    with client(tmp_path, disable_security_middleware=True) as http:
        put(http, "evil.html", b"<script>alert(1)</script>")
        headers = http.get(f"{ARTIFACTS}/evil.html").headers
    assert headers["content-disposition"].startswith("attachment;")
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-security-policy"].startswith("sandbox;")


@pytest.mark.parametrize(
    ("quoted", "disposition"),
    [
        ("plain.txt", "attachment; filename=plain.txt"),
        ("it's+1.txt", "attachment; filename=it's+1.txt"),
        ("a b;c.txt", 'attachment; filename="a b;c.txt"'),
        ("a=(b),c.txt", 'attachment; filename="a=(b),c.txt"'),
        ('say"hi".txt', r'attachment; filename="say\"hi\".txt"'),
        ("back%5Cslash.txt", r'attachment; filename="back\\slash.txt"'),
        ("h%C3%A9.txt", "attachment; filename*=UTF-8''h%C3%A9.txt; filename=he.txt"),
        ("%E6%97%A5 1", "attachment; filename*=UTF-8''%E6%97%A5%201; filename=\"_ 1\""),
        ("100%25.txt", "attachment; filename*=UTF-8''100%25.txt; filename=\"100%.txt\""),
    ],
)
def test_content_disposition_keeps_the_name(
    http: TestClient, quoted: str, disposition: str
) -> None:
    put(http, f"dir/{quoted}")
    headers = http.get(f"{ARTIFACTS}/dir/{quoted}").headers
    assert headers["content-disposition"] == disposition


@pytest.mark.parametrize(
    ("asked", "status", "content", "content_range"),
    [
        ("bytes=0-3", 206, b"0123", "bytes 0-3/10"),
        ("bytes=7-", 206, b"789", "bytes 7-9/10"),
        ("bytes=-2", 206, b"89", "bytes 8-9/10"),
        ("bytes=-99", 206, b"0123456789", "bytes 0-9/10"),
        ("bytes=5-99", 206, b"56789", "bytes 5-9/10"),
        ("bytes=9-9", 206, b"9", "bytes 9-9/10"),
        ("bytes=3-1", 200, b"0123456789", None),
        ("bytes=0-1,4-5", 200, b"0123456789", None),
        ("bytes=x", 200, b"0123456789", None),
        ("lines=0-1", 200, b"0123456789", None),
        (f"bytes={'9' * 5000}-", 200, b"0123456789", None),
    ],
)
def test_range_is_answered(
    http: TestClient, asked: str, status: int, content: bytes, content_range: str | None
) -> None:
    put(http, "a")
    answer = http.get(f"{ARTIFACTS}/a", headers={"Range": asked})
    assert (answer.status_code, answer.content) == (status, content)
    assert answer.headers.get("content-range") == content_range
    assert answer.headers["content-length"] == str(len(content))


@pytest.mark.parametrize("asked", ["bytes=10-", "bytes=99-100", "bytes=-0"])
def test_range_beyond_the_end_names_the_size(http: TestClient, asked: str) -> None:
    put(http, "a")
    answer = http.get(f"{ARTIFACTS}/a", headers={"Range": asked})
    assert answer.status_code == 416
    assert answer.headers["content-range"] == "bytes */10"


def test_range_with_if_range_holds_for_the_same_etag_only(http: TestClient) -> None:
    put(http, "a")
    etag = http.get(f"{ARTIFACTS}/a").headers["etag"]
    asked = {"Range": "bytes=0-1", "If-Range": etag}
    assert http.get(f"{ARTIFACTS}/a", headers=asked).status_code == 206
    put(http, "a", b"replaced!!")
    answer = http.get(f"{ARTIFACTS}/a", headers=asked)
    assert (answer.status_code, answer.content) == (200, b"replaced!!")


def test_range_with_a_date_in_if_range_is_answered_whole(http: TestClient) -> None:
    put(http, "a")
    modified = http.get(f"{ARTIFACTS}/a").headers["last-modified"]
    asked = {"Range": "bytes=0-1", "If-Range": modified}
    assert http.get(f"{ARTIFACTS}/a", headers=asked).status_code == 200


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_precondition_of_a_fresh_copy_is_answered_304(http: TestClient, method: str) -> None:
    put(http, "a")
    headers = http.get(f"{ARTIFACTS}/a").headers
    for asked in (
        {"If-None-Match": headers["etag"]},
        {"If-None-Match": f'"other", W/{headers["etag"]}'},
        {"If-None-Match": "*"},
        {"If-Modified-Since": headers["last-modified"]},
    ):
        answer = http.request(method, f"{ARTIFACTS}/a", headers=asked)
        assert (answer.status_code, answer.content) == (304, b"")
        assert answer.headers["etag"] == headers["etag"]
    for asked in (
        {"If-None-Match": '"other"'},
        {"If-Modified-Since": "Thu, 01 Jan 1970 00:00:00 GMT"},
        {"If-Modified-Since": "yesterday"},
        {"If-None-Match": '"other"', "If-Modified-Since": headers["last-modified"]},
    ):
        assert http.request(method, f"{ARTIFACTS}/a", headers=asked).status_code == 200


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_precondition_of_another_artifact_is_answered_412(http: TestClient, method: str) -> None:
    put(http, "a")
    etag = http.get(f"{ARTIFACTS}/a").headers["etag"]
    for asked, status in (
        ({"If-Match": etag}, 200),
        ({"If-Match": "*"}, 200),
        ({"If-Match": '"other"'}, 412),
        ({"If-Unmodified-Since": "Thu, 01 Jan 1970 00:00:00 GMT"}, 412),
    ):
        assert http.request(method, f"{ARTIFACTS}/a", headers=asked).status_code == status


def test_delete_takes_a_file_or_a_directory_and_only_that(http: TestClient, tmp_path: Path) -> None:
    for path in ("keep", "run/a", "run/b/c", "run2/a"):
        put(http, path)
    answer = http.delete(f"{ARTIFACTS}/run/a")
    assert (answer.status_code, answer.json()) == (200, {})
    assert stored(tmp_path) == ["keep", "run/b/c", "run2/a"]
    assert http.delete(f"{ARTIFACTS}/run/").status_code == 200
    assert stored(tmp_path) == ["keep", "run2/a"]


def test_delete_of_a_missing_artifact_is_no_error(http: TestClient) -> None:
    assert http.delete(f"{ARTIFACTS}/no/such").status_code == 200


def test_metrics_count_bytes_and_name_no_artifact(http: TestClient) -> None:
    put(http, "secret-name.txt")
    http.get(f"{ARTIFACTS}/secret-name.txt")
    text = http.get("/metrics").text
    assert 'tandem_artifact_bytes_total{direction="in"}' in text
    assert 'tandem_artifact_bytes_total{direction="out"}' in text
    assert 'route="/api/2.0/mlflow-artifacts/artifacts/{path:path}"' in text
    assert "secret-name" not in text


def test_name_with_percent_signs_is_stored_decoded(http: TestClient, tmp_path: Path) -> None:
    # As clients send a name with a percent sign that begins no code: they escape all of them.
    name = "images/k%2525step%25250%2525timestamp%25251795885658165%252507ab%252541.png"
    put(http, name)
    stored_name = "images/k%step%0%timestamp%1795885658165%07abA.png"
    assert stored(tmp_path) == [stored_name]
    listed = http.get(ARTIFACTS, params={"path": "images"}).json()["files"]
    assert [file["path"] for file in listed] == [stored_name.removeprefix("images/")]
    assert http.get(f"{ARTIFACTS}/{name}").content == b"0123456789"
    assert http.head(f"{ARTIFACTS}/{name}").status_code == 200
    assert http.delete(f"{ARTIFACTS}/{name}").status_code == 200
    assert stored(tmp_path) == []


def test_name_that_another_program_stored_is_found_as_it_is(
    http: TestClient, tmp_path: Path
) -> None:
    (tmp_path / "run%41").mkdir()
    (tmp_path / "run%41" / "big%42.bin").write_bytes(b"by parts")
    path = "run%252541/big%252542.bin"
    listed = http.get(ARTIFACTS, params={"path": "run%41"}).json()["files"]
    assert [file["path"] for file in listed] == ["big%42.bin"]
    assert http.get(f"{ARTIFACTS}/{path}").content == b"by parts"
    assert http.head(f"{ARTIFACTS}/{path}").headers["content-length"] == "8"

    put(http, path, b"canonical")
    assert stored(tmp_path) == ["run%41/big%42.bin", "runA/bigB.bin"]
    assert http.get(f"{ARTIFACTS}/{path}").content == b"canonical"
    for left in (["run%41/big%42.bin"], []):
        assert http.delete(f"{ARTIFACTS}/{path}").status_code == 200
        assert stored(tmp_path) == left
