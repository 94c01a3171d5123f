"""The stock client's models through both services: trained, logged, registered, loaded."""

import json
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.models.model import ModelInfo
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

from tests.harness.processes import Process, eventually
from tests.system.services import Stack

REQUIREMENTS = ["scikit-learn"]
"""Given, so that the client does not start a process to find them out."""

Log = Callable[..., ModelInfo]


@pytest.fixture(scope="module")
def iris() -> tuple[pd.DataFrame, pd.Series]:
    # Imported where it is used: it takes seconds, in each process that collects the tests.
    from sklearn.datasets import load_iris

    return load_iris(return_X_y=True, as_frame=True)


@pytest.fixture(scope="module")
def classifier(iris: tuple[pd.DataFrame, pd.Series]) -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(max_iter=500).fit(*iris)


@pytest.fixture
def name() -> str:
    """The name of a model for one test alone."""
    return f"fraud-{uuid.uuid4().hex}"


@pytest.fixture
def log(experiment: str) -> Log:
    """Logs a small model in a run of its own: it adds a number to what it is given."""

    def log(number: int = 1, **options: Any) -> ModelInfo:
        def predict(model_input: list[int]) -> list[int]:
            return [each + number for each in model_input]

        options = {"name": "adder", "pip_requirements": ["mlflow"], **options}
        with mlflow.start_run(experiment_id=experiment):
            return mlflow.pyfunc.log_model(python_model=predict, **options)

    return log


def _load(uri: str) -> int:
    """What the model at the URI adds."""
    return mlflow.pyfunc.load_model(uri).predict([0])[0]


def _requests(server: Process, method: str, word: str) -> list[str]:
    """The paths of what the server logged so far for a method and a word of the path."""
    return [
        line["path"]
        for line in server.log_lines()
        if line.get("method") == method and word in line["path"]
    ]


def test_a_trained_model_is_loaded_by_its_alias(
    client: MlflowClient,
    stack: Stack,
    experiment: str,
    name: str,
    iris: tuple[pd.DataFrame, pd.Series],
    classifier: Any,
) -> None:
    features, _ = iris
    with mlflow.start_run(experiment_id=experiment) as run:
        logged = mlflow.sklearn.log_model(
            classifier,
            name="m",
            registered_model_name=name,
            input_example=features.head(2),
            pip_requirements=REQUIREMENTS,
        )
    client.set_registered_model_alias(name, "champion", 1)
    loaded = mlflow.pyfunc.load_model(f"models:/{name}@champion")
    np.testing.assert_array_equal(loaded.predict(features), classifier.predict(features))
    by_flavor = mlflow.sklearn.load_model(f"models:/{name}@champion")
    np.testing.assert_array_equal(by_flavor.coef_, classifier.coef_)

    model = client.get_logged_model(logged.model_id)
    root = f"mlflow-artifacts://{stack.artifacts_host}/{experiment}/models/{logged.model_id}"
    assert model.artifact_location == f"{root}/artifacts"
    assert (model.status, model.source_run_id) == ("READY", run.info.run_id)
    versions = json.loads(model.tags["mlflow.modelVersions"])
    # Both the server and the client write it down.
    assert {(each["name"], int(each["version"])) for each in versions} == {(name, 1)}
    version = client.get_model_version(name, 1)
    assert (version.source, version.run_id) == (f"models:/{logged.model_id}", run.info.run_id)
    assert client.get_model_version_download_uri(name, 1) == model.artifact_location
    outputs = client.get_run(run.info.run_id).outputs.model_outputs
    assert [each.model_id for each in outputs] == [logged.model_id]


def test_the_bytes_of_a_model_pass_the_artifacts_service_alone(
    client: MlflowClient, stack: Stack, name: str, log: Log
) -> None:
    logged = log(3, registered_model_name=name)
    files = _files(f"models:/{logged.model_id}")
    assert _load(f"models:/{name}/1") == 3

    def seen(method: str) -> list[str]:
        paths = _requests(stack.artifacts, method, f"/models/{logged.model_id}/artifacts/")
        return sorted(path.rpartition(f"{logged.model_id}/artifacts/")[2] for path in paths)

    eventually(lambda: len(seen("GET")) >= len(files))
    assert seen("PUT") == files
    assert set(seen("GET")) == set(files)
    for method in ("GET", "PUT", "POST"):
        assert _requests(stack.metadata, method, f"{logged.model_id}/artifacts") == []


def _files(uri: str, path: str | None = None) -> list[str]:
    """The paths of all files of a model, as the client lists them."""
    found = []
    for entry in get_artifact_repository(uri).list_artifacts(path):
        found += _files(uri, entry.path) if entry.is_dir else [entry.path]
    return sorted(found)


MODEL = """
import mlflow
from {module} import shout


class Greeter(mlflow.pyfunc.PythonModel):
    def load_context(self, context):
        with open(context.artifacts["greeting"], encoding="utf-8") as file:
            self.greeting = file.read()
        with open(context.artifacts["names"] + "/of/guests.txt", encoding="utf-8") as file:
            self.guests = file.read().split()

    def predict(self, context, model_input: list[str]) -> list[str]:
        return [shout(self.greeting, name) for name in model_input if name in self.guests]


mlflow.models.set_model(Greeter())
"""


def test_a_python_model_brings_its_files_and_code(
    client: MlflowClient,
    experiment: str,
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    module = f"shouting_{uuid.uuid4().hex}"
    code = tmp_path / f"{module}.py"
    code.write_text("def shout(*words): return ' '.join(words).upper()")
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "model.py").write_text(MODEL.format(module=module))
    (tmp_path / "greeting ☃.txt").write_text("grüß dich")
    (tmp_path / "names" / "of").mkdir(parents=True)
    (tmp_path / "names" / "of" / "guests.txt").write_text("ann bob")
    with mlflow.start_run(experiment_id=experiment):
        mlflow.pyfunc.log_model(
            name="greeter",
            python_model=str(tmp_path / "model.py"),
            artifacts={
                "greeting": str(tmp_path / "greeting ☃.txt"),
                "names": str(tmp_path / "names"),
            },
            code_paths=[str(code)],
            registered_model_name=name,
            pip_requirements=["mlflow"],
        )
    code.unlink()
    monkeypatch.undo()
    sys.modules.pop(module)
    client.set_registered_model_alias(name, "champion", 1)
    loaded = mlflow.pyfunc.load_model(f"models:/{name}@champion")
    assert loaded.predict(["ann", "carl", "bob"]) == ["GRÜSS DICH ANN", "GRÜSS DICH BOB"]
    assert {"artifacts/greeting ☃.txt", "artifacts/names/of/guests.txt", "model.py"} <= set(
        _files(f"models:/{name}/1")
    )


def test_a_model_is_loaded_by_every_uri(client: MlflowClient, name: str, log: Log) -> None:
    first = log(1, registered_model_name=name)
    second = log(2, registered_model_name=name)
    client.set_registered_model_alias(name, "first", 1)
    client.transition_model_version_stage(name, 1, "Production")
    expected = {
        f"models:/{name}/1": 1,
        f"models:/{name}/2": 2,
        f"models:/{name}/latest": 2,
        f"models:/{name}/Production": 1,
        f"models:/{name}@first": 1,
        f"models:/{second.model_id}": 2,
        f"runs:/{first.run_id}/adder": 1,
        client.get_logged_model(second.model_id).artifact_location: 2,
    }
    assert {uri: _load(uri) for uri in expected} == expected


def _stages(client: MlflowClient, name: str) -> list[str]:
    found = client.search_model_versions(f"name = '{name}'", order_by=["version_number ASC"])
    return [each.current_stage for each in found]


def test_versions_pass_through_the_stages(client: MlflowClient, name: str, log: Log) -> None:
    logged = log()
    for _ in range(4):
        mlflow.register_model(logged.model_uri, name)
    client.transition_model_version_stage(name, 1, "production")
    client.transition_model_version_stage(name, 2, "Staging")
    client.transition_model_version_stage(name, 3, "Production")
    assert _stages(client, name) == ["Production", "Staging", "Production", "None"]
    moved = client.transition_model_version_stage(
        name, 4, "Production", archive_existing_versions=True
    )
    assert moved.current_stage == "Production"
    assert _stages(client, name) == ["Archived", "Staging", "Archived", "Production"]
    latest = {each.current_stage: int(each.version) for each in client.get_latest_versions(name)}
    assert latest == {"Archived": 3, "Staging": 2, "Production": 4}
    assert [int(each.version) for each in client.get_latest_versions(name, ["Staging"])] == [2]
    with pytest.raises(MlflowException) as caught:
        client.transition_model_version_stage(name, 1, "Nowhere")
    assert caught.value.error_code == "INVALID_PARAMETER_VALUE"


def test_a_version_is_copied(client: MlflowClient, name: str, log: Log) -> None:
    log(1, registered_model_name=name)
    log(2, registered_model_name=name)
    client.set_registered_model_alias(name, "best", 2)
    target = f"{name}-production"
    copied = client.copy_model_version(f"models:/{name}@best", target)
    assert (copied.name, int(copied.version), copied.source) == (target, 1, f"models:/{name}/2")
    again = client.copy_model_version(f"models:/{name}/1", target)
    assert (int(again.version), again.run_id) == (2, client.get_model_version(name, 1).run_id)
    client.set_registered_model_alias(target, "champion", 1)
    copy_of_copy = client.copy_model_version(f"models:/{target}@champion", name)
    assert (copy_of_copy.name, int(copy_of_copy.version)) == (name, 3)
    assert [_load(f"models:/{target}/{number}") for number in (1, 2)] == [2, 1]
    assert _load(f"models:/{target}@champion") == _load(f"models:/{name}/3") == 2


def test_a_renamed_model_keeps_versions_tags_and_aliases(
    client: MlflowClient, name: str, log: Log
) -> None:
    log(5, registered_model_name=name)
    client.update_registered_model(name, "finds fraud")
    client.update_model_version(name, 1, "the first ☃")
    client.set_registered_model_tag(name, "team", "blue")
    client.set_model_version_tag(name, 1, "checked", "yes")
    client.set_registered_model_alias(name, "champion", 1)
    client.rename_registered_model(name, f"{name}-new")
    assert _load(f"models:/{name}-new@champion") == 5
    model = client.get_registered_model(f"{name}-new")
    assert (model.description, model.tags) == ("finds fraud", {"team": "blue"})
    assert {alias: int(version) for alias, version in model.aliases.items()} == {"champion": 1}
    version = client.get_model_version_by_alias(f"{name}-new", "champion")
    assert (version.description, version.tags) == ("the first ☃", {"checked": "yes"})
    assert version.aliases == ["champion"]
    with pytest.raises(MlflowException) as caught:
        client.get_registered_model(name)
    assert caught.value.error_code == "RESOURCE_DOES_NOT_EXIST"


def test_deleted_versions_and_models_are_gone(client: MlflowClient, name: str, log: Log) -> None:
    logged = log(registered_model_name=name)
    mlflow.register_model(logged.model_uri, name)
    client.set_registered_model_alias(name, "champion", 2)
    client.delete_model_version(name, 2)
    for call in (
        lambda: client.get_model_version(name, 2),
        lambda: client.get_model_version_by_alias(name, "champion"),
        lambda: _load(f"models:/{name}/2"),
    ):
        with pytest.raises(MlflowException) as caught:
            call()
        assert caught.value.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")
    assert int(mlflow.register_model(logged.model_uri, name).version) == 3
    client.delete_registered_model(name)
    assert client.search_registered_models(f"name = '{name}'") == []
    assert client.search_model_versions(f"name = '{name}'") == []
    assert int(mlflow.register_model(logged.model_uri, name).version) == 1
    client.delete_logged_model(logged.model_id)
    with pytest.raises(MlflowException):
        _load(f"models:/{logged.model_id}")


def test_models_are_searched_and_paged(client: MlflowClient, name: str, log: Log) -> None:
    logged = log()
    for letter in "bac":
        mlflow.register_model(logged.model_uri, f"{name}-{letter}", tags={"letter": letter})
        client.set_registered_model_tag(f"{name}-{letter}", "first", str(letter == "a"))
    mlflow.register_model(logged.model_uri, f"{name}-a")

    def models(filter_string: str, **options: Any) -> list[str]:
        found = client.search_registered_models(filter_string, **options)
        return [each.name[-1] for each in found]

    def versions(filter_string: str, **options: Any) -> list[str]:
        found = client.search_model_versions(filter_string, **options)
        return [f"{each.name[-1]}{each.version}" for each in found]

    assert models(f"name LIKE '{name}-%'") == ["a", "b", "c"]
    assert models(f"name ILIKE '{name.upper()}-%'", order_by=["name DESC"]) == ["c", "b", "a"]
    assert models(f"name LIKE '{name}-%' AND tags.first = 'True'") == ["a"]
    assert sorted(versions(f"run_id = '{logged.run_id}'")) == ["a1", "a2", "b1", "c1"]
    assert versions(f"name = '{name}-a'", order_by=["version_number DESC"]) == ["a2", "a1"]
    assert versions(f"run_id = '{logged.run_id}' AND tags.letter = 'b'") == ["b1"]
    assert len(versions(f"source_path = 'models:/{logged.model_id}'")) == 4
    ours = f"name LIKE '{name}-%'"
    first = client.search_registered_models(ours, max_results=2)
    second = client.search_registered_models(ours, max_results=2, page_token=first.token)
    assert [each.name[-1] for each in [*first, *second]] == ["a", "b", "c"]
    assert not second.token


def test_a_model_is_registered_by_every_uri(client: MlflowClient, name: str, log: Log) -> None:
    logged = log(7)
    sources = [
        mlflow.register_model(uri, name).source
        for uri in (f"runs:/{logged.run_id}/adder", f"models:/{logged.model_id}")
    ]
    assert sources == [f"models:/{logged.model_id}"] * 2
    sources.append(mlflow.register_model(f"models:/{name}/1", f"{name}-b").source)
    location = client.get_logged_model(logged.model_id).artifact_location
    client.create_model_version(name, location, model_id=logged.model_id)
    assert _load(f"models:/{name}/3") == _load(f"models:/{name}-b/1") == 7
    with pytest.raises(MlflowException) as caught:
        client.create_model_version(name, location.replace(logged.model_id, "m-other"))
    assert caught.value.error_code == "INVALID_PARAMETER_VALUE"


def test_a_model_is_evaluated(
    client: MlflowClient,
    experiment: str,
    iris: tuple[pd.DataFrame, pd.Series],
    classifier: Any,
) -> None:
    features, target = iris
    with mlflow.start_run(experiment_id=experiment):
        logged = mlflow.sklearn.log_model(classifier, name="m", pip_requirements=REQUIREMENTS)
        data = mlflow.data.from_pandas(
            features.assign(target=target), targets="target", name="flowers"
        )
        result = mlflow.models.evaluate(
            logged.model_uri,
            data,
            model_type="classifier",
            evaluator_config={"log_explainer": False},
        )
    measured = {each.key: each for each in client.get_logged_model(logged.model_id).metrics}
    assert measured["accuracy_score"].value == result.metrics["accuracy_score"]
    assert measured["accuracy_score"].dataset_name == "flowers"


def test_a_model_is_logged_automatically(
    client: MlflowClient, experiment: str, iris: tuple[pd.DataFrame, pd.Series]
) -> None:
    from sklearn.linear_model import LogisticRegression

    mlflow.sklearn.autolog(silent=True)
    try:
        with mlflow.start_run(experiment_id=experiment) as run:
            model = LogisticRegression(max_iter=321).fit(*iris)
    finally:
        mlflow.sklearn.autolog(disable=True)
    read = client.get_run(run.info.run_id)
    assert read.data.params["max_iter"] == "321"
    assert read.inputs.dataset_inputs[0].dataset.name == "dataset"
    model_id = read.outputs.model_outputs[0].model_id
    assert client.get_logged_model(model_id).params["max_iter"] == "321"
    loaded = mlflow.pyfunc.load_model(f"models:/{model_id}")
    np.testing.assert_array_equal(loaded.predict(iris[0]), model.predict(iris[0]))


def test_what_a_model_is_can_be_read(client: MlflowClient, name: str, log: Log) -> None:
    logged = log(
        registered_model_name=name,
        params={"depth": 3},
        tags={"stage": "dev"},
        metadata={"origin": "test"},
        model_type="adder",
    )
    info = mlflow.models.get_model_info(f"models:/{name}/1")
    assert (info.model_id, info.run_id) == (logged.model_id, logged.run_id)
    assert info.metadata == {"origin": "test"}
    mlflow.set_logged_model_tags(logged.model_id, {"stage": "done", "count": 3})
    mlflow.delete_logged_model_tag(logged.model_id, "count")
    model = mlflow.get_logged_model(logged.model_id)
    assert (model.name, model.model_type, model.params) == ("adder", "adder", {"depth": "3"})
    assert model.tags["stage"] == "done"
    assert "count" not in model.tags
