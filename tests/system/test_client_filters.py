"""Filters with OR, NOT and lists, sent by the stock client."""

import re
import uuid
from pathlib import Path

import mlflow
from mlflow import MlflowClient

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "search.md").read_text()


def test_every_search_of_the_client_takes_or_and_not(client: MlflowClient, experiment: str) -> None:
    mark = uuid.uuid4().hex
    runs = {}
    for name, params in (("a", {"opt": "adam", "lr": "0.1"}), ("b", {"opt": "sgd"}), ("c", {})):
        run_id = client.create_run(experiment, run_name=name).info.run_id
        runs[run_id] = name
        for key, value in params.items():
            client.log_param(run_id, key, value)
        client.create_logged_model(experiment, name=f"model-{name}", params=params)
        client.create_registered_model(f"{mark}-{name}", tags=params)
        client.create_model_version(f"{mark}-{name}", "s3://bucket/x", tags=params)
        client.create_experiment(f"{mark}-{name}", tags=params)
        client.register_prompt(f"{mark}-prompt-{name}", "Hello")

    def run_names(filter: str, **options: object) -> list[str]:
        found = client.search_runs([experiment], filter, order_by=["run_name"], **options)
        return [runs[run.info.run_id] for run in found]

    assert run_names("params.opt = 'adam' OR NOT params.opt = 'adam'") == ["a", "b"]
    assert run_names("run_name IN ('a', 'c') AND (params.lr IS NULL OR status = 'X')") == ["c"]
    page = client.search_runs([experiment], "run_name != 'x' OR status = 'X'", max_results=2)
    assert len(page) == 2
    assert run_names("run_name != 'x' OR status = 'X'", max_results=2) == ["a", "b"]
    models = client.search_logged_models(
        [experiment], filter_string="params.opt IN ('adam') OR params.opt IS NULL"
    )
    assert {model.name for model in models} == {"model-a", "model-c"}
    ours = f"name LIKE '{mark}-%'"
    wanted = f"{ours} AND (tags.opt = 'sgd' OR tags.lr NOT IN ('1'))"
    for found in (
        client.search_experiments(filter_string=wanted),
        client.search_registered_models(wanted),
        client.search_model_versions(wanted),
    ):
        assert {each.name[-1] for each in found} == {"a", "b"}
    either = f"name = '{mark}-prompt-a' OR name = '{mark}-prompt-b'"
    assert {prompt.name[-1] for prompt in client.search_prompts(either)} == {"a", "b"}
    either = f"name = '{mark}-a' OR name = '{mark}-b'"
    assert {model.name[-1] for model in client.search_registered_models(either)} == {"a", "b"}


def test_the_documented_client_code_runs(client: MlflowClient) -> None:
    if client.get_experiment_by_name("vision") is None:
        client.create_experiment("vision")
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    exec(compile(code, "docs/search.md", "exec"), {"mlflow": mlflow})
