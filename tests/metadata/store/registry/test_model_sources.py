"""Allowed sources of model versions, over HTTP and on both databases."""

import dataclasses
import json

import pytest

from tandem_metadata.database.database import Database
from tandem_metadata.settings import Settings
from tandem_shared.settings import SettingsError
from tests.metadata.api import INVALID, MISSING
from tests.metadata.registry_api import Registry

ROOT = "mlflow-artifacts://artifacts.example.com"
CREATE = "model-versions/create"


@pytest.fixture
def api(settings: Settings, database: Database) -> Registry:
    registry = Registry(settings, database)
    registry.model()
    return registry


def test_source_outside_artifacts_services_needs_no_run(api: Registry) -> None:
    for source in (
        "s3://b/c",
        "s3://b//c//d",
        "gs://b/c",
        "wasbs://c@account.blob.core.windows.net/x",
        "dbfs:/x",
        "other://x/y?z",
        "https://artifacts.example.com/x",
        "http://artifacts.example.com:80/x",
    ):
        version = api.create_version(source=source)
        assert version["source"] == source
        assert api.download_uri(version["version"]) == source


def test_source_with_an_ambiguous_path_or_unknown_host_is_refused(api: Registry) -> None:
    run_id = api.run()
    for source in (
        "s3://b",
        "s3://b/",
        "s3:b/c",
        "s3://b/../c",
        "s3://b/c/..",
        "s3://b/./c",
        "s3://b/%2e%2e/c",
        "s3://b/%252e%252e%252fc",
        "s3://b/..\\c",
        "s3://b/c?d=/../e",
        "s3://b/c%00",
        "s3://b/.%0a./c",
        "http://[::1/c",
        "http://artifacts.example.com:port/c",
        "C:\\model",
        "hdfs://namenode/c",
        "viewfs:///c",
        "ftp://host/c",
        "abfss://fs@account.dfs.core.windows.net/c",
        "http://elsewhere.example.com/c",
        "https://artifacts.example.com:8443/c",
        "https://artifacts.example.com\\@elsewhere.example.com/c",
        f"{ROOT}:5500/0/x",
        "mlflow-artifacts://elsewhere/0/x",
    ):
        for fields in ({}, {"run_id": run_id}):
            assert api.refused(CREATE, name="m", source=source, **fields) == INVALID, source
    assert api.latest() == []


def test_source_in_an_artifacts_service_must_be_the_runs(api: Registry) -> None:
    run, other = api.run_info(), api.run_info()
    uri, run_id = run["artifact_uri"], run["run_id"]
    for source in (uri, f"{uri}/model", f"{uri}//a/b/", uri.replace("://a", "://A")):
        assert api.create_version(source=source, run_id=run_id)["run_id"] == run_id
    encoded = f"{uri.removesuffix('artifacts')}%61rtifacts"
    assert api.create_version(source=encoded, run_id=run_id)
    before = api.latest()
    for source in (
        f"{uri}x",
        uri.rpartition("/")[0],
        f"{uri}/../model",
        f"{uri}/%2e%2e/model",
        f"{uri}/..%2f..%2fmodel",
        other["artifact_uri"],
        uri.replace(f"{ROOT}/", "mlflow-artifacts:/"),
        uri.replace(ROOT, "http://artifacts.example.com/api/2.0/mlflow-artifacts/artifacts"),
        uri.replace(ROOT, "http://artifacts.example.com/ajax-api/2.0/mlflow-artifacts/artifacts"),
        uri.replace(ROOT, "http://artifacts.example.com/a/api/2.0/mlflow-artifacts/artifacts"),
        "mlflow-artifacts:/",
        f"{ROOT}/",
    ):
        answer = api.refused(CREATE, name="m", source=source, run_id=run_id)
        assert answer == INVALID, source
    for fields in ({}, {"run_id": ""}, {"run_id": "0" * 32}, {"run_id": other["run_id"]}):
        assert api.refused(CREATE, name="m", source=uri, **fields) == INVALID, fields
    assert api.latest() == before


@pytest.mark.parametrize("root", ["/srv/runs", "file:///srv/runs", "file://localhost/srv/runs"])
def test_source_that_is_a_local_path_must_be_the_runs(api: Registry, root: str) -> None:
    location = {"name": "local", "artifact_location": root}
    experiment = api.call("experiments/create", **location)["experiment_id"]
    run = api.call("runs/create", experiment_id=experiment)["run"]["info"]
    run_id = run["run_id"]
    path = f"/srv/runs/{run_id}/artifacts"
    for source in (path, f"{path}/a%20b", f"file://{path}/model", f"file:{path}"):
        version = api.create_version(source=source, run_id=run_id)["version"]
        assert api.download_uri(version) == source
    before = api.latest()
    for source in (
        "/etc/passwd",
        "file:///etc/passwd",
        f"file://host{path}",
        f"{path}/../../../x",
        f"{path}/%2e%2e/x",
        f"{path}x",
        f"//{run_id}/artifacts",
        path[1:],
        "model",
        ".",
        "/",
    ):
        assert api.refused(CREATE, name="m", source=source, run_id=run_id) == INVALID, source
    for fields in ({}, {"run_id": api.run()}):
        assert api.refused(CREATE, name="m", source=path, **fields) == INVALID
    assert api.latest() == before


def test_source_that_is_a_logged_model_gets_a_tag_with_the_version(api: Registry) -> None:
    run_id = api.run()
    location = f"{ROOT}/0/models/x/artifacts"
    model_id = api.logged_model(location, run_id)
    source = f"models:/{model_id}"
    version = api.create_version(source=source, model_id=model_id)
    assert (version["source"], version["run_id"]) == (source, run_id)
    assert api.download_uri(1) == location
    assert api.create_version(source=source, model_id=model_id, run_id="r")["run_id"] == "r"
    assert api.create_version(source=f"{location}/sub", model_id=model_id)["run_id"] == run_id
    assert api.create_version(source="s3://b/c", model_id=model_id)["run_id"] == run_id
    tags = api.logged_model_tags(model_id)
    assert json.loads(tags.pop("mlflow.modelVersions")) == [
        {"name": "m", "version": number} for number in (1, 2, 3, 4)
    ]
    assert tags == {}


def test_source_outside_the_logged_model_is_refused(api: Registry) -> None:
    location = f"{ROOT}/0/models/x/artifacts"
    run = api.run_info()
    model_id = api.logged_model(location)
    other = api.logged_model(f"{ROOT}/0/models/y/artifacts")
    deleted = api.logged_model(location, lifecycle_stage="deleted")
    for source, fields, answer in (
        (f"models:/{model_id}", {}, INVALID),
        (f"models:/{model_id}", {"model_id": other}, INVALID),
        (f"models://host/{model_id}", {"model_id": model_id}, INVALID),
        (f"models:/{deleted}", {"model_id": deleted}, MISSING),
        ("models:/m-none", {"model_id": "m-none"}, MISSING),
        ("s3://b/c", {"model_id": "m-none"}, MISSING),
        ("s3://b/c", {"model_id": "m-none", "run_id": run["run_id"]}, MISSING),
        (location, {"model_id": other}, INVALID),
        (location, {"model_id": deleted}, INVALID),
        (location, {"model_id": "m-none"}, INVALID),
        (f"{location}/../x", {"model_id": model_id}, INVALID),
        (run["artifact_uri"], {"model_id": model_id, "run_id": run["run_id"]}, INVALID),
        (f"runs:/{run['run_id']}/m", {"model_id": model_id, "run_id": run["run_id"]}, INVALID),
        ("/etc", {"model_id": model_id}, INVALID),
    ):
        assert api.refused(CREATE, name="m", source=source, **fields) == answer, (source, fields)
    assert api.refused(CREATE, name="none", source="s3://b/c", model_id=model_id) == MISSING
    assert api.latest() == []
    assert api.logged_model_tags(model_id) == {}


def test_source_logged_model_with_a_malformed_versions_tag_is_refused(api: Registry) -> None:
    model_id = api.logged_model("s3://b/c")
    fields = {"name": "m", "source": f"models:/{model_id}", "model_id": model_id}
    api.call(CREATE, **fields)
    api.spoil_logged_model_tag(model_id, "{}")
    assert api.refused(CREATE, **fields) == INVALID
    assert api.logged_model_tags(model_id) == {"mlflow.modelVersions": "{}"}
    assert api.latest() == ["1"]


def test_source_of_a_runs_uri_names_that_run(api: Registry) -> None:
    for source in ("runs:/r/model", "runs:/r"):
        version = api.create_version(source=source, run_id="r")["version"]
        assert api.download_uri(version) == source  # clients resolve it, as with MLflow
    before = api.latest()
    for source, fields in (
        ("runs:/r/model", {}),
        ("runs:/r/model", {"run_id": "other"}),
        ("runs://host/r/model", {"run_id": "r"}),
        ("runs:r/model", {"run_id": "r"}),
        ("runs:/", {"run_id": ""}),
        ("runs:/r/../model", {"run_id": "r"}),
    ):
        assert api.refused(CREATE, name="m", source=source, **fields) == INVALID, source
    assert api.latest() == before


def test_source_copies_a_version_by_number_alias_stage_or_latest(api: Registry) -> None:
    run_id = api.run()
    model_id = api.logged_model(f"{ROOT}/0/models/x/artifacts", run_id)
    api.create_version(source=f"models:/{model_id}", model_id=model_id)
    api.create_version(source="s3://b/2")
    api.call("registered-models/alias", name="m", alias="a", version="1")
    api.call("model-versions/transition-stage", name="m", version="1", stage="Staging")
    api.model("copy")
    for source, number in (
        ("models:/m/1", 1),
        ("models:/m/01", 1),
        ("MODELS:/m/2", 2),
        ("models:/m@a", 1),
        ("models:/m@latest", 2),
        ("models:/m/latest", 2),
        ("models:/m/Latest", 2),
        ("models:/m/staging", 1),
        ("models:/m/None", 2),
    ):
        version = api.create_version("copy", source)
        assert version["source"] == f"models:/m/{number}", source
        assert version["run_id"] == (run_id if number == 1 else "")
        uri = api.download_uri(version["version"], "copy")
        assert uri == api.download_uri(number)
    of_copy = api.create_version("copy", "models:/copy/1", run_id=run_id)
    assert api.download_uri(of_copy["version"], "copy") == f"{ROOT}/0/models/x/artifacts"
    assert len(json.loads(api.logged_model_tags(model_id)["mlflow.modelVersions"])) == 1


def test_source_of_a_version_that_cannot_be_copied_is_refused(api: Registry) -> None:
    api.create_version(run_id="r")
    api.create_version()
    api.call("model-versions/delete", name="m", version="2")
    model_id = api.logged_model("s3://b/c")
    api.prompt()
    api.prompt_version()
    api.model("empty")
    for source, fields, answer in (
        ("models:/m/2", {}, MISSING),
        ("models:/m/99999999999", {}, MISSING),
        ("models:/none/1", {}, MISSING),
        ("models:/empty/latest", {}, MISSING),
        ("models:/m/Production", {}, MISSING),
        ("models:/m/prod", {}, INVALID),
        ("models:/m@none", {}, INVALID),
        ("models:/m@", {}, INVALID),
        ("models:/m/", {}, INVALID),
        ("models:/", {}, INVALID),
        ("models:m/1", {}, INVALID),
        ("models:/m/1/x", {}, INVALID),
        ("models://host/m/1", {}, INVALID),
        ("models:/p/1", {}, INVALID),
        ("models:/m/1", {"run_id": "other"}, INVALID),
        ("models:/m/1", {"run_id": ""}, INVALID),
        ("models:/m/1", {"model_id": model_id}, INVALID),
    ):
        assert api.refused(CREATE, name="m", source=source, **fields) == answer, (source, fields)
    assert api.latest() == ["1"]


def test_source_hosts_and_schemes_are_settings(settings: Settings, database: Database) -> None:
    changed = dataclasses.replace(
        settings,
        artifact_hosts=("one.example.com", "two.example.com:8443"),
        allowed_host_addressed_artifact_schemes=("HDFS",),
    )
    api = Registry(changed, database)
    api.model()
    for source in (
        "https://one.example.com/x",
        "https://two.example.com:8443/x",
        "https://artifacts.example.com/x",
        "hdfs://any/x",
    ):
        api.create_version(source=source)
    for source in ("https://two.example.com/x", "viewfs://any/x", "ftp://any/x"):
        assert api.refused(CREATE, name="m", source=source) == INVALID


def test_source_on_the_host_of_the_runs_artifacts_is_allowed(api: Registry) -> None:
    location = {"name": "hadoop", "artifact_location": "hdfs://namenode/x"}
    experiment = api.call("experiments/create", **location)["experiment_id"]
    run = api.call("runs/create", experiment_id=experiment)["run"]["info"]
    api.create_version(source=f"{run['artifact_uri']}/model", run_id=run["run_id"])
    for source in ("hdfs://namenode/x", f"{run['artifact_uri']}/../y"):
        assert api.refused(CREATE, name="m", source=source, run_id=run["run_id"]) == INVALID


def test_source_must_match_the_pattern_of_the_setting(
    settings: Settings, database: Database
) -> None:
    changed = dataclasses.replace(
        settings, create_model_version_source_validation_regex="^s3://trusted/|^dummy"
    )
    api = Registry(changed, database)
    api.model()
    api.prompt()
    api.create_version(source="s3://trusted/x")
    api.prompt_version()
    assert api.refused(CREATE, name="m", source="s3://other/s3://trusted/x") == INVALID
    assert api.latest() == ["1"]


def test_source_pattern_that_is_no_regular_expression_is_refused() -> None:
    with pytest.raises(SettingsError, match="--create-model-version-source-validation-regex"):
        Settings(create_model_version_source_validation_regex="(").check()
