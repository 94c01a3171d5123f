"""The stock client's artifacts: files, directories, multipart, and every form of location."""

import hashlib
import os
import socket
import subprocess
import sys
import time
import uuid
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
import requests
from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

from tests.harness.processes import environment
from tests.system import joining_proxy
from tests.system.services import Stack, metadata_service

MIB = 1024 * 1024


def _run(client: MlflowClient, location: str | None = None) -> str:
    experiment = client.create_experiment(f"files-{uuid.uuid4().hex}", artifact_location=location)
    return client.create_run(experiment).info.run_id


def _tree(directory: Path) -> Path:
    (directory / "deep" / "er").mkdir(parents=True)
    (directory / "a.txt").write_text("alpha")
    (directory / "empty").touch()
    (directory / "deep" / "naïve ☃.txt").write_text("snow")
    (directory / "deep" / "er" / "b.bin").write_bytes(bytes(range(256)))
    return directory


def _content(directory: Path) -> dict[str, bytes]:
    files = (path for path in directory.rglob("*") if path.is_file())
    return {str(path.relative_to(directory)): path.read_bytes() for path in files}


def _listing(client: MlflowClient, run_id: str, path: str | None = None) -> list[tuple]:
    return [(e.path, e.is_dir, e.file_size) for e in client.list_artifacts(run_id, path)]


def _requests(stack: Stack, word: str) -> int:
    """How many requests the artifacts service has logged for routes with that word."""
    return sum(word in str(line.get("route")) for line in stack.artifacts.log_lines())


def test_a_directory_goes_up_and_comes_back(client: MlflowClient, tmp_path: Path) -> None:
    source = _tree(tmp_path / "source")
    run_id = _run(client)
    client.log_artifacts(run_id, str(source), "model")
    client.log_artifact(run_id, str(source / "a.txt"))
    assert _listing(client, run_id) == [("a.txt", False, 5), ("model", True, None)]
    assert _listing(client, run_id, "model") == [
        ("model/a.txt", False, 5),
        ("model/deep", True, None),
        ("model/empty", False, 0),
    ]
    assert _listing(client, run_id, "model/a.txt") == []
    assert _listing(client, run_id, "nosuch") == []
    target = tmp_path / "target"
    target.mkdir()
    client.download_artifacts(run_id, "model", str(target))
    assert _content(target / "model") == _content(source)


def test_everything_the_client_can_log_is_stored(client: MlflowClient, tmp_path: Path) -> None:
    from matplotlib.figure import Figure

    run_id = _run(client)
    client.log_text(run_id, "hello ☃", "text/t.txt")
    client.log_dict(run_id, {"k": [1, 2]}, "d.json")
    client.log_dict(run_id, {"k": [1, 2]}, "d.yaml")
    client.log_image(run_id, np.zeros((4, 4, 3), dtype=np.uint8), "i.png")
    client.log_image(run_id, np.zeros((4, 4, 3), dtype=np.uint8), key="steps", step=3)
    client.log_figure(run_id, Figure(), "f.png")
    for value in (1, 2):
        client.log_table(run_id, {"a": [value], "b": ["x"]}, "table.json")
    assert mlflow.artifacts.load_text(f"runs:/{run_id}/text/t.txt") == "hello ☃"
    assert mlflow.artifacts.load_dict(f"runs:/{run_id}/d.json") == {"k": [1, 2]}
    assert mlflow.artifacts.load_image(f"runs:/{run_id}/i.png").size == (4, 4)
    experiment = client.get_run(run_id).info.experiment_id
    frame = client.load_table(experiment, "table.json", run_ids=[run_id])
    pd.testing.assert_frame_equal(frame, pd.DataFrame({"a": [1, 2], "b": ["x", "x"]}))
    names = {path for path, _, _ in _listing(client, run_id)}
    assert names == {"text", "d.json", "d.yaml", "i.png", "images", "f.png", "table.json"}


def test_artifacts_are_deleted(client: MlflowClient, tmp_path: Path) -> None:
    source = _tree(tmp_path / "source")
    run_id = _run(client)
    client.log_artifacts(run_id, str(source))
    repository = get_artifact_repository(client.get_run(run_id).info.artifact_uri)
    repository.delete_artifacts("deep")
    repository.delete_artifacts("a.txt")
    assert _files(client, run_id) == ["empty"]


def _files(client: MlflowClient, run_id: str, path: str | None = None) -> list[str]:
    """All files below a path. An emptied directory may stay for a while in SeaweedFS's listings."""
    found = []
    for entry in client.list_artifacts(run_id, path):
        found += _files(client, run_id, entry.path) if entry.is_dir else [entry.path]
    return found


def test_what_is_not_there_is_an_error(client: MlflowClient, tmp_path: Path) -> None:
    with pytest.raises((MlflowException, requests.HTTPError), match=r"nosuch\.txt"):
        client.download_artifacts(_run(client), "nosuch.txt", str(tmp_path))


@pytest.fixture
def large_file(tmp_path: Path) -> Path:
    """A file of some MiB that no two parts of are alike."""
    path = tmp_path / "large.bin"
    path.write_bytes(os.urandom(12 * MIB + 345))
    return path


@pytest.fixture
def _low_thresholds(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("UPLOAD_MINIMUM_FILE_SIZE", "UPLOAD_CHUNK_SIZE"):
        monkeypatch.setenv(f"MLFLOW_MULTIPART_{name}", str(5 * MIB))
    for name in ("DOWNLOAD_MINIMUM_FILE_SIZE", "DOWNLOAD_CHUNK_SIZE"):
        monkeypatch.setenv(f"MLFLOW_MULTIPART_{name}", str(4 * MIB))


@pytest.mark.usefixtures("_low_thresholds")
def test_a_large_file_moves_by_parts_where_the_store_can(
    client: MlflowClient, stack: Stack, large_file: Path, tmp_path: Path
) -> None:
    run_id = _run(client)
    before = [_requests(stack, word) for word in ("mpu/create", "mpu/complete", "presigned")]
    client.log_artifact(run_id, str(large_file), "big")
    assert _listing(client, run_id, "big") == [("big/large.bin", False, 12 * MIB + 345)]
    target = tmp_path / "target"
    target.mkdir()
    local = Path(client.download_artifacts(run_id, "big/large.bin", str(target)))
    assert _digest(local) == _digest(large_file)
    after = [_requests(stack, word) for word in ("mpu/create", "mpu/complete", "presigned")]
    expected = 1 if stack.destination.startswith("s3:") else 0
    assert [new - old for new, old in zip(after, before, strict=True)] == [expected] * 3


@pytest.mark.usefixtures("_low_thresholds")
def test_a_client_that_insists_on_parts_still_succeeds(
    client: MlflowClient, large_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD", "true")
    run_id = _run(client)
    client.log_artifact(run_id, str(large_file))
    target = tmp_path / "target"
    target.mkdir()
    local = Path(client.download_artifacts(run_id, "large.bin", str(target)))
    assert _digest(local) == _digest(large_file)


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _round_trip(client: MlflowClient, run_id: str, directory: Path) -> None:
    """Upload, list and download through whatever location the run has."""
    source = _tree(directory / "source")
    client.log_artifacts(run_id, str(source), "m")
    assert _listing(client, run_id, "m/deep") == [
        ("m/deep/er", True, None),
        ("m/deep/naïve ☃.txt", False, 4),
    ]
    target = directory / "target"
    target.mkdir()
    client.download_artifacts(run_id, "m", str(target))
    assert _content(target / "m") == _content(source)


def _stored_below(stack: Stack, path: str) -> list[str]:
    url = f"{stack.artifacts.url}/api/2.0/mlflow-artifacts/artifacts"
    files = requests.get(url, params={"path": path}).json().get("files", [])
    return [file["path"] for file in files]


def test_a_location_with_host_and_port_works(
    client: MlflowClient, stack: Stack, tmp_path: Path
) -> None:
    place = f"with-port-{uuid.uuid4().hex}"
    run_id = _run(client, f"mlflow-artifacts://{stack.artifacts_host}/{place}")
    _round_trip(client, run_id, tmp_path)
    assert _stored_below(stack, place) == [run_id]


def test_a_location_by_its_url_works(client: MlflowClient, stack: Stack, tmp_path: Path) -> None:
    place = f"by-url-{uuid.uuid4().hex}"
    base = f"{stack.artifacts.url}/api/2.0/mlflow-artifacts/artifacts"
    run_id = _run(client, f"{base}/{place}")
    _round_trip(client, run_id, tmp_path)
    assert _stored_below(stack, place) == [run_id]


def test_a_location_with_a_host_alone_works(
    client: MlflowClient, stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = f"host-alone-{uuid.uuid4().hex}"
    run_id = _run(client, f"mlflow-artifacts://artifacts.test/{place}")
    with joining_proxy.join(stack, {"artifacts.test": stack.artifacts.url}) as proxy:
        monkeypatch.setenv("http_proxy", proxy)
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        _round_trip(client, run_id, tmp_path)
    assert _stored_below(stack, place) == [run_id]


def test_a_location_without_a_host_works_behind_an_ingress(stack: Stack, tmp_path: Path) -> None:
    place = f"hostless-{uuid.uuid4().hex}"
    with joining_proxy.join(stack) as ingress:
        mlflow.set_tracking_uri(ingress)
        client = MlflowClient(ingress)
        run_id = _run(client, f"mlflow-artifacts:/{place}")
        _round_trip(client, run_id, tmp_path)
        local = download_artifacts(f"runs:/{run_id}/m/a.txt", dst_path=str(tmp_path))
        assert Path(local).read_text() == "alpha"
        mlflow.set_tracking_uri("")
    assert _stored_below(stack, place) == [run_id]


def test_a_location_without_a_host_leads_to_the_artifacts_service(
    client: MlflowClient, stack: Stack, tmp_path: Path
) -> None:
    place = f"hostless-{uuid.uuid4().hex}"
    run_id = _run(client, f"mlflow-artifacts:/{place}")
    _round_trip(client, run_id, tmp_path)
    assert _stored_below(stack, place) == [run_id]


@pytest.mark.parametrize("server", ["hypercorn", "uvicorn"])
def test_a_location_without_a_host_that_leads_nowhere_is_told_at_once(
    server: str, tmp_path: Path
) -> None:
    database = f"sqlite:///{tmp_path / 'mlflow.db'}"
    long = tmp_path / "long.bin"
    long.write_bytes(bytes(80 * 1024 * 1024))  # more than a refusal takes in of a body
    with metadata_service(
        tmp_path, database, "s3://bucket/root", "--asgi-server", server
    ) as metadata:
        client = MlflowClient(metadata.url)
        run_id = _run(client, "mlflow-artifacts:/hostless")
        begun = time.monotonic()
        for call in (
            lambda: client.log_text(run_id, "x", "x.txt"),
            lambda: client.log_artifact(run_id, str(long)),
            lambda: client.list_artifacts(run_id),
        ):
            with pytest.raises(Exception, match=r"501.*keeps no files.*rewrite-artifacts"):
                call()
        told = _download(metadata.url, "mlflow-artifacts:/hostless/x.txt")
        assert "rewrite-artifacts --from mlflow-artifacts:/ --to mlflow-artifacts://HOST/" in told
        # Repeated as a 503 is, each would take 246 seconds.
        assert time.monotonic() - begun < 120
    with metadata_service(tmp_path, database, "s3://bucket/root") as metadata:
        told = [line["message"] for line in metadata.log_lines() if "message" in line]
    assert any("1 of the newest 2 experiments keep their files at mlflow-art" in m for m in told)


def _download(tracking_uri: str, location: str) -> str:
    """What the command line says that fails to download a location."""
    command = [Path(sys.executable).parent / "mlflow", "artifacts", "download", "-u", location]
    variables = environment(MLFLOW_TRACKING_URI=tracking_uri)
    ended = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=100)
    assert ended.returncode == 1
    return ended.stderr


@pytest.mark.parametrize(
    "path",
    [
        "/api/2.0/mlflow/experiments/list",
        "/api/2.0/mlflow/runs/search",
        "/ajax-api/2.0/mlflow/registered-models/get",
    ],
)
def test_the_artifacts_host_serves_no_metadata(path: str, stack: Stack) -> None:
    response = requests.get(stack.artifacts.url + path)
    assert response.status_code == 503
    assert response.text.startswith(
        f"Endpoint: {path} disabled due to the mlflow server running in `--artifacts-only` mode."
    )


def test_the_metadata_host_lists_and_relays_for_the_web(client: MlflowClient, stack: Stack) -> None:
    run_id = _run(client)
    client.log_text(run_id, "hello ☃", "deep/t.txt")
    api = f"{stack.metadata.url}/ajax-api/2.0/mlflow/artifacts/list"
    top = requests.get(api, params={"run_id": run_id}).json()
    assert top["root_uri"] == client.get_run(run_id).info.artifact_uri
    assert top["files"] == [{"path": "deep", "is_dir": True}]
    below = requests.get(api, params={"run_id": run_id, "path": "deep"}).json()
    assert below["files"] == [{"path": "deep/t.txt", "is_dir": False, "file_size": 9}]
    url = f"{stack.metadata.url}/get-artifact"
    whole = requests.get(url, params={"run_id": run_id, "path": "deep/t.txt"})
    assert whole.content.decode() == "hello ☃"
    assert whole.headers["X-Content-Type-Options"] == "nosniff"
    part = requests.get(
        url, params={"run_id": run_id, "path": "deep/t.txt"}, headers={"Range": "bytes=0-4"}
    )
    assert (part.status_code, part.content) == (206, b"hello")


def test_the_metadata_host_follows_no_strange_host(client: MlflowClient, stack: Stack) -> None:
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", 0))
        stranger.listen()
        stranger.setblocking(False)
        port = stranger.getsockname()[1]
        for location in (
            f"mlflow-artifacts://127.0.0.1:{port}/x",
            f"http://127.0.0.1:{port}/api/2.0/mlflow-artifacts/artifacts/x",
        ):
            run_id = _run(client, location)
            for url in (
                f"{stack.metadata.url}/api/2.0/mlflow/artifacts/list",
                f"{stack.metadata.url}/get-artifact",
            ):
                response = requests.get(url, params={"run_id": run_id, "path": "a"})
                assert response.status_code == 403
                assert response.json()["error_code"] == "PERMISSION_DENIED"
        with pytest.raises(BlockingIOError):
            stranger.accept()
