"""Artifact locations of model versions, and requests that are refused before one is called."""

from typing import Any

import pytest
from sqlalchemy import insert, update
from starlette.testclient import TestClient

from tandem_metadata.artifacts.client import ArtifactClient
from tandem_metadata.database.database import Database
from tandem_metadata.database.tables.logged_models import logged_models
from tandem_metadata.database.tables.registry import model_versions, registered_models
from tandem_metadata.database.tables.tracking import inputs
from tandem_metadata.routes import model_artifacts
from tandem_metadata.routes.endpoint import Context
from tandem_metadata.settings import Settings
from tandem_metadata.store.registry import version_artifacts
from tandem_shared.errors import InvalidParameter, NotFound
from tests.metadata import in_process
from tests.metadata.conftest import ARTIFACT_ROOT
from tests.metadata.logging_client import new_run

RUN = "mlflow-artifacts:/0"
"""The artifact location of `new_run`'s runs."""

MODEL = f"{ARTIFACT_ROOT}0/models/m-1/artifacts"


def put_version(database: Database, version: int = 1, **values: Any) -> None:
    row = {"name": "fraud", "version": version, "current_stage": "None", **values}
    with database.write() as conn:
        conn.execute(insert(model_versions).values(row))


def put_model(database: Database, run_id: str, model_id: str, location: str, step: int) -> None:
    with database.write() as conn:
        conn.execute(
            insert(logged_models).values(
                model_id=model_id,
                experiment_id=0,
                name="forest",
                artifact_location=location,
                creation_timestamp_ms=1,
                last_updated_timestamp_ms=1,
                status=2,
                lifecycle_stage="active",
                source_run_id=run_id,
            )
        )
        conn.execute(
            insert(inputs).values(
                input_uuid=model_id,
                source_type="RUN_OUTPUT",
                source_id=run_id,
                destination_type="MODEL_OUTPUT",
                destination_id=model_id,
                step=step,
            )
        )


@pytest.fixture
def run_id(database: Database) -> str:
    """A run that logged the model m-1 as `forest`; and `fraud`, a model without versions."""
    run_id = new_run(database)
    put_model(database, run_id, "m-1", MODEL, 0)
    with database.write() as conn:
        conn.execute(insert(registered_models).values(name="fraud"))
    return run_id


def roots(database: Database, name: str = "fraud", version: str = "1") -> list[str]:
    with database.read() as conn:
        return version_artifacts.roots(conn, name, version)


def test_version_artifacts_are_at_the_storage_location_before_the_source(
    database: Database, run_id: str
) -> None:
    put_version(database, source="models:/m-1", storage_location="mlflow-artifacts:/kept")
    put_version(database, 2, source="mlflow-artifacts:/source")
    assert roots(database) == ["mlflow-artifacts:/kept"]
    assert roots(database, version="2") == ["mlflow-artifacts:/source"]


def test_version_artifacts_of_a_logged_model_are_the_models(
    database: Database, run_id: str
) -> None:
    put_version(database, source="models:/m-1")
    assert roots(database) == [MODEL]
    with database.write() as conn:
        conn.execute(update(logged_models).values(lifecycle_stage="deleted"))
    with pytest.raises(NotFound, match="m-1"):
        roots(database)


@pytest.mark.parametrize(
    ("path", "below_model"),
    [("", None), ("/a/b", None), ("/forest", ""), ("/forest/deep", "/deep")],
)
def test_version_artifacts_of_a_run_are_the_runs_then_its_models(
    database: Database, run_id: str, path: str, below_model: str | None
) -> None:
    put_version(database, source=f"runs:/{run_id}{path}")
    expected = [RUN + path]
    if below_model is not None:
        expected.append(MODEL + below_model)
    assert roots(database) == expected


def test_version_artifacts_of_a_run_use_the_model_of_the_latest_step(
    database: Database, run_id: str
) -> None:
    put_model(database, run_id, "m-0", "mlflow-artifacts:/later", 5)
    put_version(database, source=f"runs:/{run_id}/forest/a")
    assert roots(database) == [f"{RUN}/forest/a", "mlflow-artifacts:/later/a"]


def test_version_artifacts_of_a_run_skip_models_deleted_or_of_other_runs(
    database: Database, run_id: str
) -> None:
    other = new_run(database)
    put_version(database, source=f"runs:/{other}/forest")
    assert roots(database) == [f"{RUN}/forest"]
    put_version(database, 2, source=f"runs:/{run_id}/forest")
    with database.write() as conn:
        conn.execute(update(logged_models).values(lifecycle_stage="deleted"))
    assert roots(database, version="2") == [f"{RUN}/forest"]


def test_version_artifacts_of_an_unknown_run_are_not_found(database: Database, run_id: str) -> None:
    put_version(database, source=f"runs:/{'0' * 32}/forest")
    with pytest.raises(NotFound, match="Run with id="):
        roots(database)


@pytest.mark.parametrize("version", ["2", "0", "007", "-1", "9" * 30])
def test_version_artifacts_of_an_unknown_version_are_not_found(
    database: Database, run_id: str, version: str
) -> None:
    put_version(database, source="mlflow-artifacts:/a")
    with pytest.raises(NotFound, match="version"):
        roots(database, version=version)
    with pytest.raises(NotFound, match="nosuch"):
        roots(database, "nosuch", "1")


def test_version_artifacts_of_a_deleted_version_are_not_found(
    database: Database, run_id: str
) -> None:
    put_version(database, source="mlflow-artifacts:/a", current_stage="Deleted_Internal")
    with pytest.raises(NotFound):
        roots(database)


@pytest.mark.parametrize("version", ["one", "1.0", "1e0", "١"])
def test_version_artifacts_refuse_a_version_that_is_no_integer(
    database: Database, run_id: str, version: str
) -> None:
    with pytest.raises(InvalidParameter, match="version"):
        roots(database, version=version)


@pytest.fixture
def http(settings: Settings, database: Database, run_id: str) -> TestClient:
    context = Context(settings, database)
    return in_process.client(context, model_artifacts.routes(context, ArtifactClient(settings)))


def refused(http: TestClient, url: str, **query: str) -> tuple[int, str]:
    answer = http.get(url, params=query)
    assert set(answer.json()) == {"error_code", "message"}, answer.text
    return answer.status_code, answer.json()["error_code"]


VERSION = "/model-versions/get-artifact"
FILE = "/ajax-api/2.0/mlflow/logged-models/m-1/artifacts/files"
DIRECTORY = "/api/2.0/mlflow/logged-models/m-1/artifacts/directories"
INVALID = (400, "INVALID_PARAMETER_VALUE")


@pytest.mark.parametrize("missing", ["name", "version", "path"])
def test_version_artifact_request_needs_name_version_and_path(
    http: TestClient, missing: str
) -> None:
    query = {"name": "fraud", "version": "1", "path": "MLmodel"}
    assert refused(http, VERSION, **(query | {missing: ""})) == INVALID
    del query[missing]
    assert refused(http, VERSION, **query) == INVALID


def test_logged_model_artifact_request_needs_a_path(http: TestClient) -> None:
    assert refused(http, FILE) == (400, "BAD_REQUEST")
    assert refused(http, FILE, artifact_file_path="") == (400, "BAD_REQUEST")


@pytest.mark.parametrize("path", ["../x", "a/../../b", "/etc/passwd", "%2e%2e/x", "..\\b"])
def test_logged_model_artifact_path_stays_below_the_model(
    http: TestClient, database: Database, path: str
) -> None:
    put_version(database, source=MODEL)
    assert refused(http, VERSION, name="fraud", version="1", path=path) == INVALID
    assert refused(http, FILE, artifact_file_path=path) == INVALID
    assert refused(http, DIRECTORY, artifact_directory_path=path) == INVALID


def test_logged_model_artifact_of_an_unknown_model_is_not_found(http: TestClient) -> None:
    gone = (404, "RESOURCE_DOES_NOT_EXIST")
    assert refused(http, VERSION, name="fraud", version="7", path="MLmodel") == gone
    assert refused(http, FILE.replace("m-1", "m-2"), artifact_file_path="MLmodel") == gone
    for prefix in ("/api/", "/ajax-api/"):
        url = DIRECTORY.replace("/api/", prefix)
        assert refused(http, url.replace("m-1", "m-2")) == gone


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("mlflow-artifacts://127.0.0.1:22/x", (403, "PERMISSION_DENIED")),
        ("http://169.254.169.254/api/2.0/mlflow-artifacts/artifacts/x", (403, "PERMISSION_DENIED")),
        ("s3://bucket/x", INVALID),
        ("file:///etc", INVALID),
        ("/etc", INVALID),
        ("prompt-template", INVALID),
        ("http://[", INVALID),
        ("models:/", INVALID),
        ("runs:/", INVALID),
        ("mlflow-artifacts:/0/../x", INVALID),
    ],
)
def test_version_artifacts_on_unknown_artifacts_services_are_refused(
    http: TestClient, database: Database, source: str, expected: tuple[int, str]
) -> None:
    put_version(database, source=source)
    assert refused(http, VERSION, name="fraud", version="1", path="passwd") == expected
    with database.write() as conn:
        conn.execute(update(logged_models).values(artifact_location=source))
    assert refused(http, FILE, artifact_file_path="passwd") == expected
    assert refused(http, DIRECTORY) == expected
