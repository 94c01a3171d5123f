"""Artifacts for browsers: behind an ingress that authenticates, and of roots of old times."""

import uuid
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import requests
from mlflow import MlflowClient

from tests.harness.processes import free_port
from tests.seaweedfs import S3Server
from tests.system import services
from tests.system.joining_proxy import join
from tests.system.services import Stack

CREDENTIALS: list[tuple[dict[str, str], dict[str, Any]]] = [
    ({"Authorization": "Basic dTpw"}, {"headers": {"Authorization": "Basic dTpw"}}),
    ({"Authorization": "Bearer t0ken"}, {"headers": {"Authorization": "Bearer t0ken"}}),
    ({"Cookie": "session=s3cret"}, {"cookies": {"session": "s3cret"}}),
]
"""What an ingress may ask for, and how a client keeps it over redirects."""

NAME = "a+b c%step d ☃.txt"


def _layout(
    directory: Path, running: ExitStack, admitted: dict[str, str], mode: str
) -> tuple[str, str]:
    """The URL of the ingress, which admits those headers, and of the artifacts service behind."""

    def admit(headers: Any) -> bool:
        return all(headers.get(name) == value for name, value in admitted.items())

    port = free_port()
    artifacts = running.enter_context(
        services.artifacts_service(directory, str(directory / "artifacts"))
    )
    arguments = {
        "one-host": (),
        "one-host-direct": ("--artifacts-url", artifacts.url),
        "one-host-redirect": ("--redirect-artifacts-to", "/"),
        "two-hosts": (),
        "two-hosts-direct": ("--artifacts-url", artifacts.url),
    }[mode]
    root = f"mlflow-artifacts://127.0.0.1:{port}/"
    database = f"sqlite:///{directory / 'mlflow.db'}"
    metadata = running.enter_context(
        services.metadata_service(directory, database, root, *arguments)
    )
    stack = Stack(metadata, artifacts, database, str(directory / "artifacts"))
    url = running.enter_context(join(stack, port=port, admit=admit, keep_host=True))
    if mode.startswith("two-hosts"):
        url = running.enter_context(join(stack, admit=admit, keep_host=True))
    return url, artifacts.url


@pytest.mark.parametrize(
    "mode",
    ["one-host", "one-host-direct", "one-host-redirect", "two-hosts", "two-hosts-direct"],
)
def test_a_browser_needs_only_what_the_ingress_asks_for(tmp_path: Path, mode: str) -> None:
    admitted: dict[str, str] = {}
    with ExitStack() as running:
        url, artifacts = _layout(tmp_path, running, admitted, mode)
        api = f"{url}/api/2.0/mlflow"
        experiment = requests.post(f"{api}/experiments/create", json={"name": "e"}).json()
        info = requests.post(f"{api}/runs/create", json=experiment).json()["run"]["info"]
        below = f"{experiment['experiment_id']}/{info['run_id']}/artifacts/{quote(NAME)}"
        requests.put(f"{artifacts}/api/2.0/mlflow-artifacts/artifacts/{below}", b"hello")
        file = {"path": NAME, "is_dir": False, "file_size": 5}
        query = {"run_uuid": info["run_id"]}
        for asked, given in CREDENTIALS:
            admitted.clear()
            admitted.update(asked)
            uploading = f"{url}/ajax-api/2.0/mlflow/upload-artifact"
            named = {**query, "path": NAME}
            assert requests.get(f"{api}/artifacts/list", query).status_code == 401
            assert requests.post(uploading, params=named, data=b"hello").status_code == 401
            listed = requests.get(f"{api}/artifacts/list", query, **given)
            uploaded = requests.post(uploading, params=named, data=b"hello", **given)
            fetched = requests.get(f"{url}/get-artifact", named, **given)
            if mode == "two-hosts" and "Cookie" in asked:
                # A cookie was given to one host: the other is asked without.
                assert (listed.status_code, fetched.status_code) == (401, 401)
                assert uploaded.status_code == 401
                assert listed.json()["error_code"] == "PERMISSION_DENIED"
                continue
            assert uploaded.status_code == 200
            assert listed.json() == {"root_uri": info["artifact_uri"], "files": [file]}
            assert (fetched.status_code, fetched.content) == (200, b"hello")
            redirects = [302] if mode == "one-host-redirect" else []
            assert [hop.status_code for hop in fetched.history] == redirects
            assert fetched.headers["Content-Disposition"].startswith("attachment")
            assert fetched.headers["Content-Security-Policy"].startswith("sandbox")


@pytest.fixture(scope="module")
def old_bucket(s3_server: S3Server, tmp_path_factory: Any) -> Iterator[tuple[str, str, Any]]:
    """A bucket that clients wrote to directly, and the metadata service that is told of it."""
    bucket = f"old-{uuid.uuid4().hex[:12]}"
    s3_server.create_bucket(bucket)
    directory = tmp_path_factory.mktemp("old-bucket")
    with ExitStack() as running:
        artifacts = running.enter_context(
            services.artifacts_service(
                directory, f"s3://{bucket}", "--redirect-downloads", variables=s3_server.environ
            )
        )
        host = artifacts.url.removeprefix("http://")
        metadata = running.enter_context(
            services.metadata_service(
                directory,
                f"sqlite:///{directory / 'mlflow.db'}",
                f"mlflow-artifacts://{host}/",
                "--artifact-root-map",
                f"s3://{bucket}/team=mlflow-artifacts://{host}/team,"
                f"file:///mnt/mlruns=mlflow-artifacts://{host}/team/of disk",
            )
        )
        with closing(s3_server.client()) as s3:
            yield metadata.url, bucket, s3


def _write(s3: Any, uri: str, name: str, body: bytes) -> None:
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    s3.put_object(Bucket=bucket, Key=f"{key}/{name}", Body=body)


def _experiment(client: MlflowClient, location: str) -> str:
    return client.create_experiment(f"old-{uuid.uuid4().hex}", location)


def test_what_was_written_straight_to_s3_is_shown(old_bucket: tuple[str, str, Any]) -> None:
    url, bucket, s3 = old_bucket
    client = MlflowClient(url)
    experiment = _experiment(client, f"s3://{bucket}/team/my runs%20")
    run = client.create_run(experiment)
    model = client.create_logged_model(experiment, "forest", source_run_id=run.info.run_id)
    client.create_registered_model("old")
    source = f"{run.info.artifact_uri}/deep"
    version = client.create_model_version("old", source, run_id=run.info.run_id)
    for uri in (source, model.artifact_location):
        assert uri.startswith("s3://")
        _write(s3, uri, NAME, b"<script>alert(1)</script>")
    lists = {
        "artifacts/list": {"run_uuid": run.info.run_id, "path": "deep"},
        f"logged-models/{model.model_id}/artifacts/directories": {},
    }
    for path, query in lists.items():
        listed = requests.get(f"{url}/ajax-api/2.0/mlflow/{path}", query).json()
        below = "deep/" if "path" in query else ""
        assert listed["files"] == [{"path": f"{below}{NAME}", "is_dir": False, "file_size": 25}]
        assert listed["root_uri"].startswith(f"s3://{bucket}/team/my runs%20/")
    fetches = {
        "get-artifact": {"run_uuid": run.info.run_id, "path": f"deep/{NAME}"},
        "model-versions/get-artifact": {
            "name": "old", "version": version.version, "path": NAME,
        },
        f"ajax-api/2.0/mlflow/logged-models/{model.model_id}/artifacts/files": {
            "artifact_file_path": NAME,
        },
    }  # fmt: skip
    for path, query in fetches.items():
        # Not redirected to the store, which a page of the UI may not call.
        given = requests.get(f"{url}/{path}", query, allow_redirects=False)
        assert (given.status_code, given.content) == (200, b"<script>alert(1)</script>")
        missing = {
            name: f"{value}.no" if "path" in name else value for name, value in query.items()
        }
        assert requests.get(f"{url}/{path}", missing).status_code == 404


def test_what_was_written_to_a_disk_is_shown_from_where_it_is_now(
    old_bucket: tuple[str, str, Any],
) -> None:
    url, bucket, s3 = old_bucket
    client = MlflowClient(url)
    for location in ("file:///mnt/mlruns/7", "/mnt/mlruns/8"):
        run = client.create_run(_experiment(client, location)).info
        below = run.artifact_uri.rpartition("/mnt/mlruns/")[2]
        _write(s3, f"s3://{bucket}/team/of disk/{below}", "a.txt", b"hello")
        query = {"run_uuid": run.run_id, "path": "a.txt"}
        assert requests.get(f"{url}/get-artifact", query).content == b"hello"


@pytest.mark.parametrize("location", ["s3://{bucket}/teams", "s3://{bucket}"])
def test_what_is_beside_the_root_is_not(old_bucket: tuple[str, str, Any], location: str) -> None:
    url, bucket, s3 = old_bucket
    client = MlflowClient(url)
    run = client.create_run(_experiment(client, location.format(bucket=bucket))).info
    _write(s3, run.artifact_uri, "secret.txt", b"secret")
    for path in ("ajax-api/2.0/mlflow/artifacts/list", "get-artifact"):
        given = requests.get(f"{url}/{path}", {"run_id": run.run_id, "path": "secret.txt"})
        assert given.status_code == 400
        assert "--artifact-root-map" in given.json()["message"]
