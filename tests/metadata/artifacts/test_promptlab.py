"""Runs of the prompt lab: what is created of them, and that it is all or nothing."""

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
import yaml

from tandem_metadata.artifacts import promptlab_files
from tandem_metadata.artifacts.promptlab_files import Prompt
from tandem_metadata.store.tracking import finished_runs
from tandem_shared.errors import Unavailable
from tests.metadata.artifacts_host import FEW, ArtifactsHost, Handler, Metadata, answer, metadata

CREATE = "/ajax-api/2.0/mlflow/runs/create-promptlab-run"
ASKED: dict[str, Any] = {
    "prompt_template": "Say {{ what }}",
    "prompt_parameters": [{"key": "what", "value": "hello"}],
    "model_route": "chat",
    "model_parameters": [{"key": "temperature", "value": 0.5}, {"key": "stop", "value": None}],
    "model_input": "Say hello",
    "model_output": "hello!",
    "model_output_parameters": [{"key": "MLFLOW_latency", "value": 12}],
    "mlflow_version": "2.7.1",
}
HARD = {
    "yes": "no",
    "y: z": "- a\n  b: c\n\n",
    " # ": "\u2028\u0085\ufeff\x7f\u00a0\t",
    "%": '"\\" \\n \U0001f600 日本',
    "null": "",
    "1": "{}",
    "a.b": "~",
}


@pytest.fixture(autouse=True)
def nothing_stored(host: ArtifactsHost) -> None:
    host.stored.clear()


def _create(service: Metadata, **changed: Any) -> Any:
    created = {**ASKED, "experiment_id": "1", **changed}
    return service.http.post(CREATE, json={k: v for k, v in created.items() if v != "-"})


def _runs(service: Metadata) -> list[Any]:
    """The runs beside the one that each service begins with."""
    query = {"experiment_ids": ["0", "1"], "run_view_type": "ALL"}
    found = service.http.post("/api/2.0/mlflow/runs/search", json=query).json()["runs"]
    return [run for run in found if run["info"]["run_id"] != service.run]


def test_promptlab_run_has_finished_with_params_tags_and_files(
    service: Metadata, host: ArtifactsHost
) -> None:
    given = _create(service, run_name="lab", tags=[{"key": "team", "value": "red"}])
    run = given.json()["run"]
    assert run == _runs(service)[0]
    assert run["info"]["status"] == "FINISHED"
    assert run["info"]["start_time"] <= run["info"]["end_time"]
    assert run["info"]["user_id"] == "unknown"
    assert {each["key"]: each["value"] for each in run["data"]["params"]} == {
        "temperature": "0.5", "stop": "None", "model_route": "chat",
        "prompt_template": "Say {{ what }}",
    }  # fmt: skip
    tags = {each["key"]: each["value"] for each in run["data"]["tags"]}
    [model] = json.loads(tags.pop("mlflow.log-model.history"))
    assert (model["run_id"], model["artifact_path"]) == (run["info"]["run_id"], "model")
    assert json.loads(tags.pop("mlflow.loggedArtifacts")) == [
        {"path": "eval_results_table.json", "type": "table"}
    ]
    assert tags == {
        "mlflow.runName": "lab", "mlflow.runSourceType": "PROMPT_ENGINEERING", "team": "red",
    }  # fmt: skip
    root = f"/api/2.0/mlflow-artifacts/artifacts/e/{run['info']['run_id']}/artifacts/"
    names = {path.removeprefix(root) for path in host.stored}
    assert names == {"eval_results_table.json"} | {
        f"model/{name}"
        for name in (
            "MLmodel", "parameters.yaml", "conda.yaml", "python_env.yaml", "requirements.txt",
            "input_example.json", "serving_input_example.json",
        )
    }  # fmt: skip
    assert json.loads(host.stored[f"{root}eval_results_table.json"]) == {
        "columns": ["what", "prompt", "output", "MLFLOW_latency"],
        "data": [["hello", "Say hello", "hello!", "12"]],
    }


def test_promptlab_files_hold_any_text() -> None:
    prompt = Prompt("".join(HARD.values()), HARD, "r: 1", HARD, "i", None, {})
    files = promptlab_files.files(prompt, run_id="1e5", model_uuid="123", created="2026")
    parameters = yaml.safe_load(files["model/parameters.yaml"])
    assert parameters == {
        "model_parameters": HARD, "model_route": "r: 1", "prompt_parameters": HARD,
        "prompt_template": prompt.template,
    }  # fmt: skip
    model = yaml.safe_load(files["model/MLmodel"])
    assert (model["run_id"], model["model_uuid"], model["model_id"]) == ("1e5", "123", None)
    assert [each["name"] for each in json.loads(model["signature"]["inputs"])] == [*HARD]
    table = json.loads(files["eval_results_table.json"])
    assert table == {
        "columns": [*HARD, "prompt", "output"], "data": [[*HARD.values(), "i", None]],
    }  # fmt: skip


def test_promptlab_variable_may_be_named_as_a_column(
    service: Metadata, host: ArtifactsHost
) -> None:
    given = [{"key": "output", "value": "x"}]
    assert _create(service, prompt_parameters=given).status_code == 200
    [table] = [body for path, body in host.stored.items() if path.endswith("table.json")]
    assert json.loads(table)["columns"][:3] == ["output", "prompt", "output"]
    assert json.loads(table)["data"][0][:3] == ["x", "Say hello", "hello!"]


def test_promptlab_run_without_optional_fields_is_created(service: Metadata) -> None:
    optional = dict.fromkeys(("model_parameters", "model_output", "model_output_parameters"), "-")
    run = _create(service, **optional, user_id="eve", start_time=5).json()["run"]
    assert (run["info"]["user_id"], run["info"]["start_time"]) == ("eve", 5)


@pytest.mark.parametrize("refused_at", ["eval_results_table.json", "conda.yaml"])
def test_promptlab_run_whose_files_are_refused_is_not_created(
    service: Metadata, host: ArtifactsHost, refused_at: str
) -> None:
    def refuse(handler: Handler) -> None:
        refused = handler.command == "PUT" and handler.path.endswith(refused_at)
        answer(b"", 403 if refused else 200)(handler)

    host.answer = refuse
    for _ in range(FEW + 1):  # each gives its place back
        given = _create(service)
        assert (given.status_code, given.json()["error_code"]) == (403, "PERMISSION_DENIED")
    assert host.stored == {}
    assert _runs(service) == []


def test_promptlab_run_that_cannot_be_created_leaves_no_files(
    service: Metadata, host: ArtifactsHost, tmp_path: Path
) -> None:
    def delete_the_experiment(handler: Handler) -> None:
        with sqlite3.connect(tmp_path / "mlflow.db") as database:
            database.execute("UPDATE experiments SET lifecycle_stage = 'deleted'")
        answer()(handler)

    host.answer = delete_the_experiment
    given = _create(service)
    assert (given.status_code, given.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
    assert host.seen
    assert host.stored == {}
    assert _runs(service) == []


def test_promptlab_run_whose_commit_is_in_doubt_keeps_its_files(
    service: Metadata, host: ArtifactsHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise Unavailable("The connection was lost.")

    monkeypatch.setattr(finished_runs, "create", fail)
    assert _create(service).status_code == 503
    assert len(host.stored) == 8


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        *(({name: "-"}, 400) for name in ASKED if not name.startswith(("model_p", "model_o"))),
        ({"experiment_id": "-"}, 400),
        ({"experiment_id": "99"}, 404),
        ({"experiment_id": "one"}, 400),
        ({"prompt_parameters": []}, 400),
        ({"prompt_parameters": [{"value": "x"}]}, 400),
        ({"prompt_parameters": [{"key": "a"}, {"key": "a"}]}, 400),
        ({"model_parameters": "x"}, 400),
        ({"model_parameters": [{"key": "model_route", "value": "x"}]}, 400),
        ({"model_parameters": [{"key": f"{i}", "value": 1} for i in range(99)]}, 400),
        ({"model_parameters": [{"key": "k" * 251, "value": "x"}]}, 400),
        ({"model_output": 5}, 400),
        ({"run_name": "x" * 251}, 400),
        ({"tags": [{"value": "x"}]}, 400),
        ({"start_time": "soon"}, 400),
        ({"model_input": "x" * 2 * 1024 * 1024}, 413),
    ],
)
def test_promptlab_run_of_bad_input_is_refused(
    service: Metadata, host: ArtifactsHost, changed: Any, status: int
) -> None:
    given = _create(service, **changed)
    assert given.status_code == status, given.text
    assert host.seen == []
    assert _runs(service) == []


def test_promptlab_run_of_a_foreign_location_is_refused(
    host: ArtifactsHost, sqlite_template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = "mlflow-artifacts://elsewhere.example.com/"
    with metadata(tmp_path, sqlite_template, monkeypatch, host.root, elsewhere) as running:
        assert _create(running).status_code == 403
        assert _runs(running) == []
