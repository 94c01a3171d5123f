"""Uploads of the web UI through both services, and names of downloads as clients read them."""

import uuid
from pathlib import Path

import mlflow
import pytest
import requests
from mlflow import MlflowClient
from mlflow.data.http_dataset_source import HTTPDatasetSource

from tests.system.services import Stack, artifacts_service, metadata_service

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


def test_uploads_and_listings_work_below_a_static_prefix(tmp_path: Path) -> None:
    prefix = ("--static-prefix", "/mlflow")
    database, files = f"sqlite:///{tmp_path / 'mlflow.db'}", str(tmp_path / "artifacts")
    with artifacts_service(tmp_path, files, *prefix, started="/mlflow/ready") as artifacts:
        root = artifacts.url.replace("http://", "mlflow-artifacts://") + "/"
        with metadata_service(
            tmp_path, database, root, *prefix, started="/mlflow/ready"
        ) as metadata:
            url = f"{metadata.url}/mlflow"
            asked = {
                "experiment_id": "0", "prompt_template": "{{ a }}", "model_route": "r",
                "prompt_parameters": [{"key": "a", "value": "1"}], "model_input": "1",
                "mlflow_version": "2.7.1",
            }  # fmt: skip
            path = "ajax-api/2.0/mlflow/runs/create-promptlab-run"
            created = requests.post(f"{url}/{path}", json=asked).json()
            run = created["run"]["info"]["run_id"]
            query = {"run_uuid": run, "path": "a.txt"}
            uploaded = requests.post(f"{url}{UPLOAD}", b"x", params=query)
            assert uploaded.status_code == 200
            fields = f'mlflowListArtifacts(input: {{runId: "{run}"}}) {{ files {{ path }} }}'
            listed = requests.post(f"{url}/graphql", json={"query": f"{{ {fields} }}"}).json()
            assert [each["path"] for each in listed["data"]["mlflowListArtifacts"]["files"]] == [
                "a.txt", "eval_results_table.json", "model",
            ]  # fmt: skip
