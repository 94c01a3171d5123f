"""Stock clients of two teams: each works with its own artifacts, and not with the other's."""

import re
import time
from pathlib import Path

import mlflow
import pytest
import requests
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from tandem_shared.auth import grants
from tests.harness.processes import eventually
from tests.system.guarded.attempts import secret
from tests.system.services import Stack
from tests.system.teams import Team, asked

MIB = 1024 * 1024
_REFUSED = re.compile("403|permission", re.IGNORECASE)


def test_stock_client_logs_lists_and_reads(
    stack: Stack, client: MlflowClient, red: Team, tmp_path: Path
) -> None:
    run = client.create_run(red.experiment).info.run_id
    client.log_text(run, "hello ☃", "deep/naïve ☃.txt")
    source = tmp_path / "files"
    source.mkdir()
    for number in range(20):
        (source / f"{number}.bin").write_bytes(bytes([number]))
    client.log_artifacts(run, str(source), "many")
    assert [each.path for each in client.list_artifacts(run)] == ["deep", "many"]
    assert len(client.list_artifacts(run, "many")) == 20
    assert mlflow.artifacts.load_text(f"runs:/{run}/deep/naïve ☃.txt") == "hello ☃"
    target = tmp_path / "back"
    target.mkdir()
    client.download_artifacts(run, "many", str(target))
    assert (target / "many" / "7.bin").read_bytes() == b"\7"


def test_stock_client_uploads_by_parts(
    stack: Stack,
    client: MlflowClient,
    red: Team,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD", "true")
    monkeypatch.setenv("MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE", str(6 * MIB))
    monkeypatch.setenv("MLFLOW_MULTIPART_UPLOAD_CHUNK_SIZE", str(5 * MIB))
    large = tmp_path / "large.bin"
    large.write_bytes(bytes(11 * MIB))
    run = client.create_run(red.experiment).info.run_id
    client.log_artifact(run, str(large))
    if stack.destination.startswith("s3:"):

        def is_completed() -> bool:  # the line is written after the answer
            routes = [str(line.get("route")) for line in stack.artifacts.log_lines()]
            return any("mpu/complete" in route for route in routes)

        eventually(is_completed, "the log tells of it")
    [entry] = client.list_artifacts(run)
    assert (entry.path, entry.file_size) == ("large.bin", 11 * MIB)
    target = tmp_path / "back"
    target.mkdir()
    copy = Path(client.download_artifacts(run, "large.bin", str(target)))
    assert copy.stat().st_size == 11 * MIB


def test_stock_client_of_another_team_reads_and_writes_nothing(
    stack: Stack, client: MlflowClient, blue: Team
) -> None:
    uri = f"mlflow-artifacts://{stack.artifacts_host}/{blue.root}"
    with pytest.raises((MlflowException, requests.HTTPError), match=_REFUSED):
        mlflow.artifacts.load_text(f"{uri}/secret.txt")
    with pytest.raises((MlflowException, requests.HTTPError), match=_REFUSED):
        client.log_text(blue.run, "x", "secret.txt")
    with pytest.raises((MlflowException, requests.HTTPError), match=_REFUSED):
        client.list_artifacts(blue.run)
    assert secret(stack, blue) == b"blue"


def test_stock_client_asks_once_for_a_run(
    stack: Stack, client: MlflowClient, red: Team, tmp_path: Path
) -> None:
    source = tmp_path / "files"
    source.mkdir()
    for number in range(50):
        (source / str(number)).write_text(str(number))
    run = client.create_run(red.experiment).info.run_id
    before, began = asked(stack), time.monotonic()
    client.log_artifacts(run, str(source), "many")
    assert mlflow.artifacts.load_text(f"runs:/{run}/many/7") == "7"
    assert 1 <= asked(stack) - before <= 1 + int((time.monotonic() - began) // grants.SECONDS)
