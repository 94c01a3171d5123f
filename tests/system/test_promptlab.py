"""Runs of the prompt lab through both services, as the stock client and the web UI read them."""

import json
from typing import Any

import mlflow
import pytest
import requests
import yaml
from mlflow import MlflowClient
from mlflow.models import Model

from tests.harness.processes import Process
from tests.system.services import Stack

ASKED: dict[str, Any] = {
    "run_name": "lab",
    "prompt_template": 'Say {{ what }} to {{who}}: \\ "é"\n',
    "prompt_parameters": [{"key": "what", "value": "hello"}, {"key": "who", "value": "日本: #1"}],
    "model_route": "chat",
    "model_parameters": [{"key": "temperature", "value": 0.5}, {"key": "stop", "value": "[a, b]"}],
    "model_input": "Say hello",
    "model_output": "hello!\nyes",
    "model_output_parameters": [{"key": "MLFLOW_latency", "value": 12.5}],
    "mlflow_version": "2.7.1",
}


def _create(url: str, experiment: str) -> str:
    path = "/ajax-api/2.0/mlflow/runs/create-promptlab-run"
    created = requests.post(url + path, json={**ASKED, "experiment_id": experiment})
    assert created.status_code == 200, created.text
    info = created.json()["run"]["info"]
    assert info["status"] == "FINISHED"
    return str(info["run_id"])


@pytest.fixture
def run(stack: Stack, experiment: str) -> str:
    return _create(stack.metadata.url, experiment)


def test_promptlab_run_is_read_by_the_client(
    client: MlflowClient, experiment: str, run: str
) -> None:
    read = client.get_run(run).data
    assert read.params == {
        "temperature": "0.5", "stop": "[a, b]", "model_route": "chat",
        "prompt_template": ASKED["prompt_template"],
    }  # fmt: skip
    assert read.tags["mlflow.runSourceType"] == "PROMPT_ENGINEERING"
    table = client.load_table(experiment, "eval_results_table.json", [run])
    assert table.to_dict("records") == [
        {
            "what": "hello", "who": "日本: #1", "prompt": "Say hello", "output": "hello!\nyes",
            "MLFLOW_latency": 12.5,
        }
    ]  # fmt: skip


def test_promptlab_model_is_loaded_by_the_client(client: MlflowClient, run: str) -> None:
    loaded = mlflow.pyfunc.load_model(f"runs:/{run}/model")
    assert loaded.metadata.run_id == run
    assert loaded.metadata.get_input_schema().input_names() == ["what", "who"]
    assert loaded.metadata.get_output_schema().input_names() == ["output"]
    model: Any = loaded._model_impl  # nothing public shows what a loader made
    assert model.prompt_template == ASKED["prompt_template"]
    assert {each.key: each.value for each in model.prompt_parameters} == {
        "what": "hello", "who": "日本: #1",
    }  # fmt: skip
    example = Model.load(f"runs:/{run}/model").load_input_example(
        mlflow.artifacts.download_artifacts(f"runs:/{run}/model")
    )
    assert example == {"inputs": ["hello", "日本: #1"]}


def test_promptlab_model_can_be_registered(client: MlflowClient, run: str) -> None:
    version = mlflow.register_model(f"runs:/{run}/model", f"lab-{run}")
    assert mlflow.pyfunc.load_model(f"models:/lab-{run}/{version.version}").metadata.run_id == run


def _files(url: str, run: str) -> dict[str, Any]:
    """The run's files, decoded, without what differs between runs."""
    found = {}
    for path in ({}, {"path": "model"}):
        listed = requests.get(
            f"{url}/api/2.0/mlflow/artifacts/list", {"run_id": run, **path}
        ).json()
        for file in listed["files"]:
            if not file["is_dir"]:
                query = {"run_id": run, "path": file["path"]}
                text = requests.get(f"{url}/get-artifact", query).content.decode()
                found[file["path"]] = (
                    text if file["path"].endswith(".txt") else yaml.safe_load(text)
                )
    for name in ("run_id", "model_uuid", "utc_time_created"):
        assert found["model/MLmodel"].pop(name)
    signature = found["model/MLmodel"]["signature"]
    found["model/MLmodel"]["signature"] = {
        name: columns and json.loads(columns) for name, columns in signature.items()
    }
    # The versions of pip and others are those of MLflow's own environment.
    found["model/python_env.yaml"]["build_dependencies"] = [
        each.partition("=")[0] for each in found["model/python_env.yaml"]["build_dependencies"]
    ]
    found["model/conda.yaml"]["dependencies"][1] = "pip"
    return found


def test_promptlab_files_are_those_of_mlflow(
    stack: Stack, run: str, mlflow_server: Process
) -> None:
    theirs = _create(mlflow_server.url, "0")
    assert _files(stack.metadata.url, run) == _files(mlflow_server.url, theirs)
