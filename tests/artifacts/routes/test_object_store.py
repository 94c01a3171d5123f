"""Over S3: uploads by parts, presigned URLs, redirects, and clients that use them."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from starlette.testclient import TestClient

from tandem_shared.http.artifact_headers import RELAYED
from tests.artifacts.service import API, ARTIFACTS, client
from tests.seaweedfs import S3Server
from tests.system.services import artifacts_service

MIB = 1024 * 1024


@pytest.fixture
def destination(
    s3_server: S3Server, s3_bucket: str, monkeypatch: pytest.MonkeyPatch, request: Any
) -> str:
    """A prefix of the test's own, and the environment that reaches it."""
    for name, value in s3_server.environ.items():
        monkeypatch.setenv(name, value)
    return f"s3://{s3_bucket}/http/{abs(hash(request.node.name))}"


@pytest.fixture
def http(destination: str) -> Iterator[TestClient]:
    with client(destination) as opened:
        yield opened


def test_parts_that_a_client_uploads_itself_become_the_artifact(http: TestClient) -> None:
    parts = [os.urandom(5 * MIB), b"the end"]
    message = {"path": "/home/me/model.bin", "num_parts": 2}
    created = http.post(f"{API}/mpu/create/run/artifacts", json=message).json()
    assert [part["part_number"] for part in created["credentials"]] == [1, 2]
    sent = [
        {
            "part_number": credential["part_number"],
            "etag": httpx.put(credential["url"], content=content).headers["etag"],
            "url": credential["url"],
        }
        for credential, content in zip(created["credentials"], parts, strict=True)
    ]
    complete = {"path": "/home/me/model.bin", "upload_id": created["upload_id"]}
    answer = http.post(f"{API}/mpu/complete/run/artifacts", json={**complete, "parts": sent[::-1]})
    assert (answer.status_code, answer.content) == (200, b"")
    assert http.get(f"{ARTIFACTS}/run/artifacts/model.bin").content == b"".join(parts)


def test_aborted_upload_is_gone(http: TestClient) -> None:
    created = http.post(f"{API}/mpu/create/run", json={"path": "C:\\me\\a", "num_parts": 1}).json()
    abort = {"path": "C:\\me\\a", "upload_id": created["upload_id"]}
    assert http.post(f"{API}/mpu/abort/run", json=abort).status_code == 200
    complete = {**abort, "parts": [{"part_number": 1, "etag": "e"}]}
    answer = http.post(f"{API}/mpu/complete/run", json=complete)
    assert answer.status_code == 404
    assert answer.json()["error_code"] == "RESOURCE_DOES_NOT_EXIST"
    assert http.get(ARTIFACTS, params={"path": "run"}).json() == {}


def test_multipart_upload_with_a_part_named_twice_is_refused(http: TestClient) -> None:
    part = {"part_number": 1, "etag": "e"}
    message = {"path": "a", "upload_id": "u", "parts": [part, part]}
    answer = http.post(f"{API}/mpu/complete/run", json=message)
    assert answer.status_code == 400
    assert "twice" in answer.json()["message"]


def test_presigned_url_serves_ranges_of_the_artifact(http: TestClient) -> None:
    http.put(f"{ARTIFACTS}/a", content=b"0123456789")
    answer = http.get(f"{API}/presigned/a")
    assert answer.json()["file_size"] == 10
    assert answer.headers["cache-control"] == "no-store"
    assert httpx.get(answer.json()["url"], headers={"Range": "bytes=2-3"}).content == b"23"
    assert http.get(f"{API}/presigned/missing").status_code == 404


def test_downloads_redirect_when_told_to(destination: str) -> None:
    with client(destination, redirect_downloads=True) as http:
        http.put(f"{ARTIFACTS}/a.txt", content=b"hello")
        answer = http.get(f"{ARTIFACTS}/a.txt")
        assert answer.status_code == 307
        assert httpx.get(answer.headers["location"]).content == b"hello"
        assert http.head(f"{ARTIFACTS}/a.txt").headers["content-length"] == "5"
        assert http.get(f"{ARTIFACTS}/missing").status_code == 404
        relayed = http.get(f"{ARTIFACTS}/a.txt", headers={RELAYED: "1"})
        assert (relayed.status_code, relayed.content) == (200, b"hello")


def test_server_info_tells_what_the_settings_allow(destination: str) -> None:
    def told(**settings: Any) -> tuple[bool, bool]:
        with client(destination, **settings) as http:
            info = http.get("/api/3.0/mlflow/server-info").json()
            return info["multipart_uploads_enabled"], info["multipart_downloads_enabled"]

    assert told() == (True, True)
    assert told(enable_proxy_multipart_upload=False) == (False, True)
    assert told(enable_proxy_multipart_download=False) == (True, False)
    assert told(max_artifact_bytes=1000) == (False, True)


def test_multipart_and_presigned_urls_are_refused_if_switched_off(destination: str) -> None:
    off = {"enable_proxy_multipart_upload": False, "enable_proxy_multipart_download": False}
    with client(destination, **off) as http:
        created = http.post(f"{API}/mpu/create/run", json={"path": "a"})
        assert created.status_code == 501
        assert http.get(f"{API}/presigned/a").status_code == 501


def test_stock_client_transfers_by_parts_without_being_told(
    destination: str, s3_server: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE", str(MIB))
    monkeypatch.setenv("MLFLOW_MULTIPART_UPLOAD_CHUNK_SIZE", str(5 * MIB))
    monkeypatch.setenv("MLFLOW_MULTIPART_DOWNLOAD_CHUNK_SIZE", str(MIB))
    metrics = there_and_back(destination, s3_server, tmp_path)
    assert "mpu/complete/{path:path}" in metrics
    assert "presigned/{path:path}" in metrics
    # Not a byte of it came through the service.
    assert 'tandem_artifact_bytes_total{direction="in"}' not in metrics
    assert 'tandem_artifact_bytes_total{direction="out"}' not in metrics


def test_stock_client_follows_redirects(
    destination: str, s3_server: S3Server, tmp_path: Path
) -> None:
    arguments = ("--redirect-downloads", "--disable-proxy-multipart-download")
    metrics = there_and_back(destination, s3_server, tmp_path, *arguments)
    assert 'status="307"' in metrics
    assert 'tandem_artifact_bytes_total{direction="in"} 7.340032e+06' in metrics
    assert 'tandem_artifact_bytes_total{direction="out"}' not in metrics


def there_and_back(destination: str, s3_server: S3Server, directory: Path, *arguments: str) -> str:
    """Send a file through the service with MLflow's client, fetch it, and return the metrics."""
    content = os.urandom(7 * MIB)
    (directory / "model.bin").write_bytes(content)
    variables = s3_server.environ
    with artifacts_service(directory, destination, *arguments, variables=variables) as service:
        # MLflow's client waits for this answer for 3 seconds, once; the first takes longest.
        assert httpx.get(f"{service.url}/api/3.0/mlflow/server-info", timeout=30).is_success
        uri = f"mlflow-artifacts://127.0.0.1:{service.port}/run"
        repository = get_artifact_repository(uri, tracking_uri="http://127.0.0.1:1")
        repository.log_artifact(str(directory / "model.bin"), "sub")
        fetched = Path(repository.download_artifacts("sub/model.bin"))
        metrics = httpx.get(f"{service.url}/metrics").text
    assert fetched.read_bytes() == content
    return metrics
