"""Runs of the web UI's prompt lab."""

from typing import Any

from tests.system.peer.ask import Ask, get, post

_PATH = "/ajax-api/2.0/mlflow/runs/create-promptlab-run"
_AT = 1680000000000


def _lab(name: str, /, **changed: Any) -> Ask:
    """A run of the prompt lab; "-" leaves a field out."""
    body = {
        "experiment_id": "${lab}",
        "run_name": "lab",
        "start_time": _AT,
        "prompt_template": "Say {{ what }}",
        "prompt_parameters": [{"key": "what", "value": "hello"}],
        "model_route": "chat",
        "model_parameters": [{"key": "temperature", "value": 0.5}, {"key": "stop", "value": "[a]"}],
        "model_input": "Say hello",
        "model_output": "hello!",
        "model_output_parameters": [{"key": "MLFLOW_latency", "value": 12.5}],
        "mlflow_version": "2.7.1",
        **changed,
    }
    given = {key: value for key, value in body.items() if value != "-"}
    return Ask(name, "POST", _PATH, given, keep={"lab1": "run.info.run_id"})


_NEEDED = (
    "experiment_id", "prompt_template", "prompt_parameters", "model_route", "model_input",
    "mlflow_version",
)  # fmt: skip
_OPTIONAL = ("run_name", "tags", "model_parameters", "model_output", "model_output_parameters")

REQUESTS = [
    post("an experiment", "experiments/create", {"name": "lab"}, lab="experiment_id"),
    post("a deleted experiment", "experiments/create", {"name": "lab2"}, lab2="experiment_id"),
    post("delete it", "experiments/delete", {"experiment_id": "${lab2}"}),
    *(_lab(f"without {name}", **{name: "-"}) for name in (*_NEEDED, *_OPTIONAL)),
    *(_lab(f"with no {name}", **{name: None}) for name in (*_NEEDED, "run_name", "model_output")),
    *(_lab(f"with an empty {name}", **{name: ""}) for name in _NEEDED),
    _lab("with an empty run_name", run_name=""),
    _lab("with an empty list of tags", tags=[]),
    _lab("with an empty list of prompt_parameters", prompt_parameters=[]),
    _lab("with a tag", tags=[{"key": "team", "value": "red"}]),
    _lab("with a number as a template", prompt_template=5),
    _lab("with a number as an experiment", experiment_id=0),
    _lab("with a user", user_id="eve"),
    _lab("with params of other types", model_parameters=[
        {"key": "none", "value": None}, {"key": "flag", "value": True},
        {"key": "list", "value": [1, "a"]}, {"key": "object", "value": {"a": 1.0}},
        {"key": "large", "value": 1e22},
    ]),
    _lab("with a param twice", model_parameters=[{"key": "a", "value": 1}] * 2),
    _lab("with a param of its own name", model_parameters=[{"key": "model_route", "value": 1}]),
    _lab("with a param without a key", model_parameters=[{"value": 1}]),
    _lab("with params that are words", model_parameters=["a"]),
    _lab("with params that are an object", model_parameters={"a": 1}),
    _lab("with a start that is a word", start_time="soon"),
    _lab("in an unknown experiment", experiment_id="987654"),
    _lab("in an experiment that is a word", experiment_id="one"),
    _lab("in a deleted experiment", experiment_id="${lab2}"),
    Ask("of a list", "POST", _PATH, []),
    Ask("of what is no JSON", "POST", _PATH, b"{", headers={"Content-Type": "application/json"}),
    Ask("as text", "POST", _PATH, b"{}", headers={"Content-Type": "text/plain"}),
    get("by GET", _PATH),
    Ask("under the API", "POST", "/api/2.0/mlflow/runs/create-promptlab-run", {}),
    _lab("with everything"),
    get("the run", "runs/get", {"run_id": "${lab1}"}),
    get("its table", "/get-artifact", {"run_id": "${lab1}", "path": "eval_results_table.json"}),
    get("its requirements", "/get-artifact", {
        "run_id": "${lab1}", "path": "model/requirements.txt",
    }),
]  # fmt: skip
