"""Uploads of the web UI through both services, and names of downloads as clients read them."""

import uuid

import mlflow
import pytest
import requests
from mlflow import MlflowClient
from mlflow.data.http_dataset_source import HTTPDatasetSource

from tests.system.services import Stack

UPLOAD = "/ajax-api/2.0/mlflow/upload-artifact"


@pytest.fixture
def run(client: MlflowClient, experiment: str) -> str:
    return client.create_run(experiment).info.run_id


def _upload(stack: Stack, run: str, path: str, body: bytes) -> requests.Response:
    return requests.post(
        f"{stack.metadata.url}{UPLOAD}", body, params={"run_uuid": run, "path": path}
    )


def test_upload_of_a_table_is_read_and_replaced(stack: Stack, run: str) -> None:
    for answer in ("yes", "no"):
        table = f'{{"columns": ["prompt", "output"], "data": [["really?", "{answer}"]]}}'
        assert _upload(stack, run, "deep/eval table.json", table.encode()).status_code == 200
        text = mlflow.artifacts.load_dict(f"runs:/{run}/deep/eval table.json")
        assert text["data"] == [["really?", answer]]


def test_upload_over_a_directory_is_refused(stack: Stack, run: str, client: MlflowClient) -> None:
    client.log_text(run, "x", "taken/a.txt")
    for path in ("taken", "taken/a.txt/b"):
        refused = _upload(stack, run, path, b"x")
        # A bucket has no directories: only a disk refuses these names.
        assert refused.status_code == (200 if stack.destination.startswith("s3:") else 400)


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("plain-1.txt", "plain-1.txt"),
        ("two words; one.txt", "two words; one.txt"),
        ("naïve ☃.txt", "naive _.txt"),
        ("100%.txt", "100%.txt"),
    ],
)
def test_download_has_the_name_that_the_client_reads(
    stack: Stack, run: str, client: MlflowClient, name: str, read: str
) -> None:
    directory = uuid.uuid4().hex
    assert _upload(stack, run, f"{directory}/{name}", b"x").status_code == 200
    uri = client.get_run(run).info.artifact_uri
    below = f"{uri.partition('://')[2].partition('/')[2]}/{directory}/{name}"
    source = HTTPDatasetSource(
        f"{stack.artifacts.url}/api/2.0/mlflow-artifacts/artifacts/{requests.utils.quote(below)}"
    )
    assert source.load().rpartition("/")[2] == read
