"""The artifacts of models as browsers see them, who know the metadata host alone."""

import socket
import uuid
from typing import Any

import pytest
import requests
from mlflow import MlflowClient
from mlflow.artifacts import list_artifacts
from mlflow.entities import LoggedModelOutput

from tests.system.services import Stack

TEXT = "hello ☃"
API = "2.0/mlflow/logged-models"


@pytest.fixture
def model_id(client: MlflowClient, experiment: str, tmp_path: Any) -> str:
    """A logged model of a run, with two files."""
    run = client.create_run(experiment)
    model = client.create_logged_model(experiment, "forest", source_run_id=run.info.run_id)
    (tmp_path / "deep").mkdir()
    (tmp_path / "MLmodel").write_text("flavors: {}")
    (tmp_path / "deep" / "naïve ☃.txt").write_text(TEXT)
    client.log_model_artifacts(model.model_id, str(tmp_path))
    client.finalize_logged_model(model.model_id, "READY")
    client.log_outputs(run.info.run_id, [LoggedModelOutput(model.model_id, 0)])
    return model.model_id


@pytest.fixture
def name(client: MlflowClient) -> str:
    """The name of a registered model without versions."""
    return client.create_registered_model(f"files-{uuid.uuid4().hex}").name


def _version(client: MlflowClient, name: str, source: str, **options: Any) -> dict[str, str]:
    """What names a new version in a query."""
    version = client.create_model_version(name, source, **options)
    return {"name": name, "version": str(version.version)}


def test_a_logged_models_files_are_listed(
    client: MlflowClient, stack: Stack, model_id: str
) -> None:
    location = client.get_logged_model(model_id).artifact_location
    top = [{"path": "MLmodel", "is_dir": False, "file_size": 11}, {"path": "deep", "is_dir": True}]
    below = [{"path": "deep/naïve ☃.txt", "is_dir": False, "file_size": 9}]
    for prefix in ("api", "ajax-api"):
        url = f"{stack.metadata.url}/{prefix}/{API}/{model_id}/artifacts/directories"
        for path, files in ((None, top), ("", top), ("deep", below), ("deep/", below)):
            answer = requests.get(url, params={"artifact_directory_path": path})
            assert answer.json() == {"root_uri": location, "files": files}
        for path in ("nosuch", "MLmodel"):
            answer = requests.get(url, params={"artifact_directory_path": path})
            assert (answer.status_code, answer.json()) == (200, {"root_uri": location})


@pytest.fixture(params=["model", "version"])
def file_url(
    request: pytest.FixtureRequest, client: MlflowClient, stack: Stack, name: str, model_id: str
) -> str:
    """Where a file of the model can be fetched; the path comes last."""
    if request.param == "model":
        url = f"{stack.metadata.url}/ajax-api/{API}/{model_id}/artifacts/files"
        return f"{url}?artifact_file_path="
    _version(client, name, f"models:/{model_id}", model_id=model_id)
    url = f"{stack.metadata.url}/model-versions/get-artifact"
    return f"{url}?name={name}&version=1&path="


def test_a_file_is_relayed_whole_and_in_part(file_url: str) -> None:
    url = f"{file_url}deep/naïve ☃.txt"
    whole = requests.get(url)
    assert (whole.status_code, whole.content.decode()) == (200, TEXT)
    assert whole.headers["X-Content-Type-Options"] == "nosniff"
    assert whole.headers["Content-Disposition"].startswith("attachment")
    assert whole.headers["Content-Type"].startswith("text/plain")
    part = requests.get(url, headers={"Range": "bytes=1-4"})
    assert (part.status_code, part.content) == (206, b"ello")
    assert part.headers["Content-Range"] == "bytes 1-4/9"
    head = requests.head(url)
    assert (head.status_code, head.headers["Content-Length"], head.content) == (200, "9", b"")
    known = requests.get(url, headers={"If-None-Match": whole.headers["ETag"]})
    assert (known.status_code, known.content) == (304, b"")


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("nosuch.txt", 404, "RESOURCE_DOES_NOT_EXIST"),
        ("../../x", 400, "INVALID_PARAMETER_VALUE"),
        ("/etc/passwd", 400, "INVALID_PARAMETER_VALUE"),
    ],
)
def test_other_paths_are_refused(file_url: str, path: str, status: int, code: str) -> None:
    answer = requests.get(file_url + path)
    assert (answer.status_code, answer.json()["error_code"]) == (status, code)


def test_a_version_has_the_files_of_its_source(
    client: MlflowClient, stack: Stack, experiment: str, name: str, model_id: str
) -> None:
    run_id = client.get_logged_model(model_id).source_run_id
    client.log_text(run_id, "of the run", "forest/own.txt")
    location = client.get_logged_model(model_id).artifact_location
    of_model = {"MLmodel": b"flavors: {}"}
    of_run = {"own.txt": b"of the run"}
    for source, options, files in (
        (f"models:/{model_id}", {"model_id": model_id}, of_model),
        (location, {"model_id": model_id}, of_model),
        (f"models:/{name}/1", {}, of_model),
        (f"{client.get_run(run_id).info.artifact_uri}/forest", {"run_id": run_id}, of_run),
        (f"runs:/{run_id}/forest", {"run_id": run_id}, of_model | of_run),
    ):
        version = _version(client, name, source, **options)
        for path, content in files.items():
            query = {**version, "path": path}
            answer = requests.get(f"{stack.metadata.url}/model-versions/get-artifact", query)
            assert (answer.status_code, answer.content) == (200, content), source
        uri = f"models:/{name}/{version['version']}"
        listed = {each.path for each in list_artifacts(artifact_uri=uri)}
        # Of a runs:/ source the client itself puts the model's name before the model's files.
        assert set(files) <= {path.removeprefix("forest/") for path in listed}, source


def test_no_strange_host_is_followed(client: MlflowClient, stack: Stack, name: str) -> None:
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", 0))
        stranger.listen()
        stranger.setblocking(False)
        port = stranger.getsockname()[1]
        location = f"mlflow-artifacts://127.0.0.1:{port}/x"
        experiment = client.create_experiment(f"far-{uuid.uuid4().hex}", location)
        model_id = client.create_logged_model(experiment, "far").model_id
        version = _version(client, name, f"models:/{model_id}", model_id=model_id)
        far = client.create_logged_model(experiment, "far").model_id
        for url, query in (
            ("model-versions/get-artifact", {**version, "path": "MLmodel"}),
            (f"ajax-api/{API}/{far}/artifacts/files", {"artifact_file_path": "MLmodel"}),
            (f"ajax-api/{API}/{far}/artifacts/directories", {}),
        ):
            answer = requests.get(f"{stack.metadata.url}/{url}", params=query)
            assert (answer.status_code, answer.json()["error_code"]) == (403, "PERMISSION_DENIED")
        with pytest.raises(BlockingIOError):
            stranger.accept()
