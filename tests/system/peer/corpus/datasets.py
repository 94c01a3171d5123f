"""Inputs and outputs of runs, and the search for datasets."""

from typing import Any

from tests.system.peer.ask import Ask, get, post

_AT = 1670000000000
_SEARCH = "/ajax-api/2.0/mlflow/experiments/search-datasets"
_TRAIN = [{"key": "mlflow.data.context", "value": "train"}]


def _dataset(name: str, digest: str, **more: str) -> dict[str, str]:
    source = {"source_type": "local", "source": f"/data/{name}"}
    return {"name": name, "digest": digest, **source, **more}


def _run(symbol: str, experiment: str) -> Ask:
    body = {"experiment_id": f"${{{experiment}}}", "run_name": symbol, "start_time": _AT}
    return post(f"data: make {symbol}", "runs/create", body, **{symbol: "run.info.run_id"})


def _inputs(name: str, *datasets: Any, run: str = "d1") -> Ask:
    return post(name, "runs/log-inputs", {"run_id": f"${{{run}}}", "datasets": list(datasets)})


def _find(filter: str) -> Ask:
    body = {"experiment_ids": ["${data}"], "filter": filter, "order_by": ["run_name"]}
    return post(f"runs of data where {filter}", "runs/search", body)


_WINE = _dataset("wine", "w1", schema='{"a": "b"}', profile='{"rows": 3}')

REQUESTS = [
    post("data: an experiment", "experiments/create", {"name": "data"}, data="experiment_id"),
    post("data: another", "experiments/create", {"name": "bad data"}, baddata="experiment_id"),
    _run("d1", "data"),
    _run("d2", "data"),
    _run("d3", "baddata"),
    _inputs("one dataset", {"dataset": _WINE, "tags": _TRAIN}),
    _inputs("the same dataset again", {"dataset": _WINE, "tags": _TRAIN}),
    _inputs("another digest", {"dataset": _dataset("wine", "w2")}),
    _inputs(
        "two datasets",
        {
            "dataset": _dataset("iris", "i1"),
            "tags": [{"key": "mlflow.data.context", "value": "eval"}],
        },
        {"dataset": _dataset("digits", "g1"), "tags": [{"key": "other", "value": "x"}]},
        run="d2",
    ),
    _inputs("no datasets", run="d2"),
    post("inputs without datasets", "runs/log-inputs", {"run_id": "${d3}"}),
    get("the inputs of a run", "runs/get", {"run_id": "${d1}"}),
    get("the inputs of another", "runs/get", {"run_id": "${d2}"}),
    get("no inputs", "runs/get", {"run_id": "${d3}"}),
    post("inputs without a run", "runs/log-inputs", {"datasets": []}),
    post("inputs of an unknown run", "runs/log-inputs", {"run_id": "0" * 32, "datasets": []}),
    _inputs("an input without a dataset", {"tags": _TRAIN}, run="d3"),
    _inputs(
        "a dataset without a name",
        {"dataset": {"digest": "x", "source_type": "s", "source": "s"}},
        run="d3",
    ),
    _inputs(
        "a dataset without a digest",
        {"dataset": {"name": "x", "source_type": "s", "source": "s"}},
        run="d3",
    ),
    _inputs(
        "a dataset without a source type",
        {"dataset": {"name": "x", "digest": "d", "source": "s"}},
        run="d3",
    ),
    _inputs(
        "a dataset without a source",
        {"dataset": {"name": "x", "digest": "d", "source_type": "s"}},
        run="d3",
    ),
    _inputs("a dataset with an empty name", {"dataset": _dataset("", "x")}, run="d3"),
    _inputs("a name of 500 characters", {"dataset": _dataset("n" * 500, "x")}, run="d3"),
    _inputs("a name of 501 characters", {"dataset": _dataset("n" * 501, "x")}, run="d3"),
    _inputs("a digest of 36 characters", {"dataset": _dataset("a", "x" * 36)}, run="d3"),
    _inputs("a digest of 37 characters", {"dataset": _dataset("a", "x" * 37)}, run="d3"),
    _inputs(
        "a source type of 37 characters",
        {"dataset": {**_WINE, "digest": "t", "source_type": "s" * 37}},
        run="d3",
    ),
    _inputs(
        "an input tag key of 256 characters",
        {"dataset": _dataset("a", "k"), "tags": [{"key": "k" * 256, "value": "v"}]},
        run="d3",
    ),
    _inputs(
        "an input tag value of 501 characters",
        {"dataset": _dataset("a", "v"), "tags": [{"key": "k", "value": "v" * 501}]},
        run="d3",
    ),
    _inputs(
        "an input tag without a key",
        {"dataset": _dataset("a", "t"), "tags": [{"value": "v"}]},
        run="d3",
    ),
    _inputs(
        "an input tag without a value",
        {"dataset": _dataset("a", "u"), "tags": [{"key": "k"}]},
        run="d3",
    ),
    _inputs("a dataset that is a list", {"dataset": []}, run="d3"),
    post("datasets that are an object", "runs/log-inputs", {"run_id": "${d3}", "datasets": {}}),
    get("what the bad inputs left", "runs/get", {"run_id": "${d3}"}),
    _find("dataset.name = 'wine'"),
    _find("datasets.name = 'iris'"),
    _find("dataset.name LIKE 'w%'"),
    _find("dataset.name ILIKE 'WINE'"),
    _find("dataset.name != 'wine'"),
    _find("dataset.digest = 'w2'"),
    _find("dataset.digest IN ('w1', 'g1')"),
    _find("dataset.context = 'train'"),
    _find("dataset.context = 'eval'"),
    _find("dataset.context LIKE '%a%'"),
    _find("dataset.name = 'wine' AND dataset.context = 'train'"),
    _find("dataset.name = 'wine' AND dataset.name = 'iris'"),
    _find("dataset.name > 'a'"),
    _find("dataset.name IS NULL"),
    _find("dataset.source = 'x'"),
    post("datasets of an experiment", _SEARCH, {"experiment_ids": ["${data}"]}),
    post("datasets of none", _SEARCH, {"experiment_ids": []}),
    post("datasets of an unknown experiment", _SEARCH, {"experiment_ids": ["987654321"]}),
    post("datasets without experiments", _SEARCH, {}),
    post("datasets of 21 experiments", _SEARCH, {"experiment_ids": [str(i) for i in range(21)]}),
    post("datasets of a word", _SEARCH, {"experiment_ids": "abc"}),
    post("outputs of no models", "runs/outputs", {"run_id": "${d1}", "models": []}),
    post("outputs without a run", "runs/outputs", {"models": []}),
    post("outputs of an unknown run", "runs/outputs", {"run_id": "0" * 32, "models": []}),
    post(
        "outputs without a step",
        "runs/outputs",
        {"run_id": "${d1}", "models": [{"model_id": "m-1"}]},
    ),
    post("outputs without a model", "runs/outputs", {"run_id": "${d1}", "models": [{"step": 1}]}),
]
