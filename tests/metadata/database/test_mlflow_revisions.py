"""Databases that MLflow's own migrations made, at every revision, are used as they are."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine
from starlette.testclient import TestClient

from tandem_metadata.app import create_app
from tandem_metadata.database.address import parse_url
from tandem_metadata.database.known_revisions import FIRST, HEAD, KNOWN
from tests.metadata.conftest import ARTIFACT_ROOT
from tests.metadata.database import catalog, mlflow_tables
from tests.metadata.database.test_schema import OWN
from tests.postgresql import PostgreSQL

WITH_WORKSPACES = "1b5f0d9ad7c1"
ON_POSTGRESQL = (FIRST, WITH_WORKSPACES, HEAD)
INSTALLED = KNOWN[: KNOWN.index(HEAD) + 1]
"""Revisions that the MLflow of this environment has."""


@pytest.fixture(scope="module")
def sqlite_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A database's file for each revision."""
    directory = tmp_path_factory.mktemp("revisions")
    growing = directory / "growing.db"
    mlflow_tables.load(f"sqlite:///{growing}")
    files = {}
    for revision in INSTALLED:
        mlflow_tables.upgrade(f"sqlite:///{growing}", revision)
        files[revision] = Path(shutil.copy(growing, directory / f"{revision}.db"))
    return files


@pytest.fixture(scope="module")
def postgresql_addresses(postgresql: PostgreSQL) -> Iterator[dict[str, str]]:
    """A database's address for some revisions."""
    growing = postgresql.create()
    mlflow_tables.load(postgresql.uri(growing))
    names = {}
    for revision in ON_POSTGRESQL:
        mlflow_tables.upgrade(postgresql.uri(growing), revision)
        names[revision] = postgresql.create(template=growing)
    yield {revision: postgresql.uri(name) for revision, name in names.items()}
    for name in (growing, *names.values()):
        postgresql.drop(name)


@pytest.mark.parametrize("revision", INSTALLED)
def test_a_database_of_mlflow_on_sqlite_is_used_as_it_is(
    sqlite_files: dict[str, Path], revision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _check(f"sqlite:///{sqlite_files[revision]}", revision, monkeypatch)


@pytest.mark.parametrize("revision", ON_POSTGRESQL)
def test_a_database_of_mlflow_on_postgresql_is_used_as_it_is(
    postgresql_addresses: dict[str, str], revision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _check(postgresql_addresses[revision], revision, monkeypatch)


def _check(address: str, revision: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Write and read through the service, and compare the tables before and after."""
    before = _describe(address)
    monkeypatch.setenv("MLFLOW_BACKEND_STORE_URI", address)
    monkeypatch.setenv("MLFLOW_DEFAULT_ARTIFACT_ROOT", ARTIFACT_ROOT)
    with TestClient(create_app(), base_url="http://127.0.0.1:5000") as client:
        _use(client)
        _use_registry(client)
    after = _describe(address)
    assert catalog.without(after["catalog"], OWN) == (before["catalog"], OWN)
    assert after["revision"] == before["revision"] == [revision]
    has_workspaces = KNOWN.index(revision) >= KNOWN.index(WITH_WORKSPACES)
    assert after["workspaces"] == (["default"] if has_workspaces else [])


def _use(client: TestClient) -> None:
    assert _get(client, "experiments/get", experiment_id="0")["experiment"]["name"] == "Default"
    experiment = _post(client, "experiments/create", name="new")["experiment_id"]
    assert experiment == "1"
    run = _post(client, "runs/create", experiment_id=experiment, run_name="a run", start_time=1)
    run_id = run["run"]["info"]["run_id"]
    _post(
        client,
        "runs/log-batch",
        run_id=run_id,
        metrics=[{"key": "m", "value": 0.5, "timestamp": 1, "step": 2}],
        params=[{"key": "p", "value": "v"}],
        tags=[{"key": "t", "value": "w"}],
    )
    dataset = {"name": "d", "digest": "1", "source_type": "local", "source": "s"}
    tags = [{"key": "mlflow.data.context", "value": "training"}]
    _post(client, "runs/log-inputs", run_id=run_id, datasets=[{"dataset": dataset, "tags": tags}])
    found = _post(
        client,
        "runs/search",
        experiment_ids=[experiment],
        filter="metrics.m = 0.5 AND params.p = 'v' AND tags.t = 'w' AND dataset.name = 'd'",
    )
    (read,) = found["runs"]
    assert read["info"]["run_id"] == run_id
    assert read["inputs"]["dataset_inputs"] == [{"dataset": dataset, "tags": tags}]
    history = _get(client, "metrics/get-history", run_id=run_id, metric_key="m")
    assert [metric["value"] for metric in history["metrics"]] == [0.5]


def _use_registry(client: TestClient) -> None:
    tags = [{"key": "t", "value": "v"}]
    _post(client, "registered-models/create", name="before", tags=tags)
    _post(client, "registered-models/create", name="other", tags=tags)
    for _ in range(2):
        _post(client, "model-versions/create", name="before", source="s3://b/c", tags=tags)
    for value in ("1", "2"):  # over what was there: which columns are unique differs
        named = {"name": "before", "key": "t", "value": value}
        _post(client, "registered-models/set-tag", **named)
        _post(client, "model-versions/set-tag", version="1", **named)
        _post(client, "registered-models/alias", name="before", alias="a", version=value)
    taken = client.post("/api/2.0/mlflow/registered-models/create", json={"name": "other"})
    assert taken.json()["error_code"] == "RESOURCE_ALREADY_EXISTS"
    _post(client, "registered-models/rename", name="before", new_name="after")
    model = _get(client, "registered-models/get", name="after")["registered_model"]
    assert model["tags"] == [{"key": "t", "value": "2"}]
    assert model["aliases"] == [{"alias": "a", "version": "2"}]
    first = _get(client, "model-versions/get", name="after", version="1")["model_version"]
    assert first["tags"] == [{"key": "t", "value": "2"}]
    for path, fields in (("model-versions", {"version": "2"}), ("registered-models", {})):
        body = {"name": "after", **fields}
        answer = client.request("DELETE", f"/api/2.0/mlflow/{path}/delete", json=body)
        assert answer.is_success, answer.text


def _post(client: TestClient, path: str, **body: Any) -> Any:
    answer = client.post(f"/api/2.0/mlflow/{path}", json=body)
    assert answer.is_success, answer.text
    return answer.json()


def _get(client: TestClient, path: str, **query: str) -> Any:
    answer = client.get(f"/api/2.0/mlflow/{path}", params=query)
    assert answer.is_success, answer.text
    return answer.json()


def _describe(address: str) -> dict[str, Any]:
    """The tables, the revision, and the workspaces that experiments are in."""
    engine = create_engine(parse_url(address))
    with engine.connect() as conn:
        experiments = conn.exec_driver_sql("SELECT * FROM experiments").mappings()
        described = {
            "workspaces": sorted({row["workspace"] for row in experiments if "workspace" in row}),
            "revision": [row[0] for row in conn.exec_driver_sql("SELECT * FROM alembic_version")],
            "catalog": catalog.describe(conn),
        }
    engine.dispose()
    return described
