"""Over Azure and Google: the service by HTTP, and the stock client, who is sent nowhere else."""

import os
import re
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from starlette.testclient import TestClient

from tandem_artifacts.drivers.upload import PART_BYTES
from tests import google_storage
from tests.artifacts.service import API, ARTIFACTS, client
from tests.harness.processes import eventually
from tests.system.services import artifacts_service

MIB = 1024 * 1024


@dataclass(frozen=True)
class Cloud:
    """A prefix of the test's own, and what reaches it."""

    destination: str
    variables: Mapping[str, str]


@pytest.fixture(params=["azure", "gs"])
def cloud(request: pytest.FixtureRequest) -> Cloud:
    prefix = f"http/{uuid.uuid4().hex}"
    if request.param == "gs":
        variables = request.getfixturevalue("google").environ
        return Cloud(f"gs://{google_storage.BUCKET}/{prefix}", variables)
    container = request.getfixturevalue("azure_container")
    variables = request.getfixturevalue("azure").environ
    host = "devstoreaccount1.blob.core.windows.net"
    return Cloud(f"wasbs://{container}@{host}/{prefix}", variables)


@pytest.fixture
def http(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    for name, value in cloud.variables.items():
        monkeypatch.setenv(name, value)
    with client(cloud.destination, max_artifact_bytes=20 * MIB) as opened:
        yield opened


def test_artifact_is_stored_listed_read_and_deleted(http: TestClient) -> None:
    content = os.urandom(9 * MIB)
    assert http.put(f"{ARTIFACTS}/run/model/weights.bin", content=content).status_code == 200
    assert http.put(f"{ARTIFACTS}/run/note.txt", content=b"hello").status_code == 200

    assert http.get(f"{ARTIFACTS}/run/model/weights.bin").content == content
    assert http.get(ARTIFACTS, params={"path": "run"}).json()["files"] == [
        {"path": "model", "is_dir": True},
        {"path": "note.txt", "is_dir": False, "file_size": 5},
    ]
    assert http.get(f"{ARTIFACTS}/run").status_code == 400
    assert http.get(f"{ARTIFACTS}/run/missing").status_code == 404
    assert http.delete(f"{ARTIFACTS}/run/").json() == {}
    for path in ("run/model/weights.bin", "run/note.txt"):
        assert http.get(f"{ARTIFACTS}/{path}").status_code == 404


def test_conditions_and_ranges_are_kept(http: TestClient) -> None:
    path = f"{ARTIFACTS}/a.txt"
    http.put(path, content=b"0123456789")
    etag = http.head(path).headers["etag"]

    part = http.get(path, headers={"Range": "bytes=2-4", "If-Match": etag})
    assert (part.status_code, part.content) == (206, b"234")
    assert part.headers["content-range"] == "bytes 2-4/10"
    assert http.get(path, headers={"If-None-Match": etag}).status_code == 304
    assert http.get(path, headers={"If-Match": '"other"'}).status_code == 412
    assert http.get(path, headers={"Range": "bytes=10-"}).status_code == 416


def test_parts_and_signed_urls_are_refused_and_clients_are_told(http: TestClient) -> None:
    info = http.get("/api/3.0/mlflow/server-info").json()
    assert (info["multipart_uploads_enabled"], info["multipart_downloads_enabled"]) == (
        False,
        False,
    )
    assert http.post(f"{API}/mpu/create/run", json={"path": "a"}).status_code == 501
    assert http.get(f"{API}/presigned/a").status_code == 501


def test_upload_beyond_the_limit_leaves_nothing(http: TestClient) -> None:
    def body() -> Iterator[bytes]:
        for _ in range(21):
            yield bytes(MIB)

    assert http.put(f"{ARTIFACTS}/run/large", content=body()).status_code == 413
    assert http.get(ARTIFACTS, params={"path": "run"}).json() == {}


def test_client_that_leaves_in_the_midst_of_an_upload_leaves_nothing(
    cloud: Cloud, tmp_path: Path
) -> None:
    with artifacts_service(tmp_path, cloud.destination, variables=cloud.variables) as service:
        with service.connect() as upload:
            head = f"PUT {ARTIFACTS}/run/cut HTTP/1.1\r\nHost: localhost\r\n"
            upload.sendall(f"{head}Content-Length: {9 * PART_BYTES}\r\n\r\n".encode())
            upload.sendall(bytes(2 * PART_BYTES + 1))
        counted = 'tandem_artifact_driver_duration_seconds_count{operation="write",outcome='
        eventually(lambda: counted in service.get("/metrics").text, "the upload ends")
        assert counted + '"cancelled"}' in service.get("/metrics").text
        assert service.get(ARTIFACTS, params={"path": "run"}).json() == {}


def test_stock_client_sends_and_fetches_through_several_workers(
    cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Large enough that it would go by parts, if the store signed them.
    monkeypatch.setenv("MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE", str(MIB))
    monkeypatch.setenv("MLFLOW_MULTIPART_UPLOAD_CHUNK_SIZE", str(5 * MIB))
    content = os.urandom(17 * MIB)
    folder = tmp_path / "folder"
    (folder / "deep").mkdir(parents=True)
    (folder / "model.bin").write_bytes(content)
    (folder / "deep" / "ümläut 100%.txt").write_text("hello")
    with artifacts_service(
        tmp_path, cloud.destination, "--workers", "2", variables=cloud.variables
    ) as service:
        assert httpx.get(f"{service.url}/api/3.0/mlflow/server-info", timeout=30).is_success
        uri = f"mlflow-artifacts://127.0.0.1:{service.port}/1/run/artifacts"
        repository = get_artifact_repository(uri, tracking_uri="http://127.0.0.1:1")
        repository.log_artifacts(str(folder))
        repository.log_artifact(str(folder / "model.bin"), "again")

        listed = {each.path: each.file_size for each in repository.list_artifacts()}
        assert listed == {"again": None, "deep": None, "model.bin": len(content)}
        fetched = Path(repository.download_artifacts(""))
        assert (fetched / "again" / "model.bin").read_bytes() == content
        assert (fetched / "deep" / "ümläut 100%.txt").read_text() == "hello"
        repository.delete_artifacts("again")
        assert [each.path for each in repository.list_artifacts()] == ["deep", "model.bin"]
        metrics = service.get("/metrics").text
    counted = re.search(r'tandem_artifact_bytes_total\{direction="in"\} (\S+)', metrics)
    assert counted
    assert float(counted[1]) == 2 * len(content) + 5
