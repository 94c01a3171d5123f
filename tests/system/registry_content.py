"""Models, prompts and logged models as a server keeps them: written, and read back."""

from typing import Any

import requests
from mlflow import MlflowClient
from mlflow.entities import LoggedModelInput, LoggedModelOutput, LoggedModelStatus, Metric

_PROMPTS = "tags.`mlflow.prompt.is_prompt` = 'true'"


def fill(url: str, name: str) -> None:
    """One of everything that the registry and logged models hold, in the experiment `name`."""
    client = MlflowClient(url)
    experiment = client.get_experiment_by_name(name)
    assert experiment is not None
    run = client.create_run(experiment.experiment_id, start_time=7).info
    model_id = _log_models(client, experiment.experiment_id, run.run_id)
    _register(client, f"model {name}", f"models:/{model_id}", model_id, run)
    client.register_prompt(f"prompt-{name.replace(' ', '-')}", "Hi {{name}} ☃", "first")
    client.register_prompt(
        f"prompt-{name.replace(' ', '-')}",
        [{"role": "user", "content": "{{question}}"}],
        tags={"lang": "en"},
    )
    client.set_prompt_alias(f"prompt-{name.replace(' ', '-')}", "production", 1)


def _log_models(client: MlflowClient, experiment_id: str, run_id: str) -> str:
    ready = client.create_logged_model(
        experiment_id, "ready", run_id, {"team": "blue"}, {"depth": "3"}, "tree"
    ).model_id
    client.log_model_params(ready, {"long": "x" * 6000, "path/ key": "日本"})
    client.set_logged_model_tags(ready, {"empty": "", "gone": "x"})
    client.delete_logged_model_tag(ready, "gone")
    client.log_metric(run_id, "acc", 0.5, 10, 1, model_id=ready)
    client.log_metric(run_id, "acc", 0.75, 20, 2, "train", "digest-train", ready)
    client.log_batch(run_id, [Metric("nan", float("nan"), 5, -3, model_id=ready)])
    client.finalize_logged_model(ready, LoggedModelStatus.READY)
    failed = client.create_logged_model(experiment_id, "failed", run_id).model_id
    client.finalize_logged_model(failed, LoggedModelStatus.FAILED)
    pending = client.create_logged_model(experiment_id, "pending").model_id
    client.delete_logged_model(client.create_logged_model(experiment_id, "deleted").model_id)
    client.log_outputs(run_id, [LoggedModelOutput(ready, 2), LoggedModelOutput(failed, 0)])
    client.log_inputs(run_id, models=[LoggedModelInput(pending)])
    return ready


def _register(client: MlflowClient, name: str, source: str, model_id: str, run: Any) -> None:
    client.create_registered_model(f"{name} draft", {"team": "blue", "empty": ""}, "a model ☃")
    client.rename_registered_model(f"{name} draft", name)
    client.set_registered_model_tag(name, "long", "v" * 4000)
    for _ in range(2):
        client.create_model_version(
            name, source, run.run_id, {"k": "v"}, "https://x/r", "first ☃", model_id=model_id
        )
    client.create_model_version(name, f"{run.artifact_uri}/model", run.run_id)
    client.create_model_version(name, "s3://bucket/model")
    client.transition_model_version_stage(name, "1", "Production")
    # MLflow's server cannot archive the others on PostgreSQL by way of psycopg 3.
    client.transition_model_version_stage(name, "1", "Archived")
    client.transition_model_version_stage(name, "2", "Staging")
    client.set_model_version_tag(name, "3", "checked", "yes")
    client.update_model_version(name, "3", "changed")
    client.set_registered_model_alias(name, "champion", "1")
    client.set_registered_model_alias(name, "both", "3")
    client.set_registered_model_alias(name, "gone", "3")
    client.delete_registered_model_alias(name, "gone")
    client.delete_model_version(name, "4")
    client.copy_model_version(f"models:/{name}/2", f"{name} copy")
    client.create_registered_model(f"{name}, deleted", {"k": "v"})
    client.delete_registered_model(f"{name}, deleted")


def read(url: str, experiment_ids: list[str]) -> dict[str, Any]:
    """All that the server answers about registered models, prompts and logged models."""
    models = _all(url, "registered-models/search", "registered_models")
    prompts = _all(url, "registered-models/search", "registered_models", _PROMPTS)
    versions = _all(url, "model-versions/search", "model_versions")
    versions += _all(url, "model-versions/search", "model_versions", _PROMPTS)
    pairs = [{"name": each["name"], "version": each["version"]} for each in versions]
    body = {"experiment_ids": experiment_ids, "max_results": 50}
    answer = requests.post(f"{url}/api/2.0/mlflow/logged-models/search", json=body, timeout=30)
    assert answer.ok, answer.text
    logged = answer.json()["models"]
    ids = [each["info"]["model_id"] for each in logged]
    return {
        "models": models,
        "prompts": prompts,
        "versions": versions,
        "model": [
            _get(url, "registered-models/get", name=each["name"]) for each in models + prompts
        ],
        "version": [_get(url, "model-versions/get", **pair) for pair in pairs],
        "location": [_get(url, "model-versions/get-download-uri", **pair) for pair in pairs],
        "logged": logged,
        "logged model": [_get(url, f"logged-models/{model_id}") for model_id in ids],
    }


def _all(url: str, path: str, field: str, filter_string: str = "") -> list[dict[str, Any]]:
    answer = _get(url, path, filter=filter_string, max_results=1000)
    found: list[dict[str, Any]] = answer[field]
    return sorted(found, key=lambda each: (each["name"], each.get("version", "")))


def _get(url: str, path: str, **query: Any) -> Any:
    answer = requests.get(f"{url}/ajax-api/2.0/mlflow/{path}", query, timeout=30)
    assert answer.ok, answer.text
    return answer.json()
