"""Logged models: making and changing them, and what is logged to them and by which runs."""

from typing import Any

from tests.system.peer.ask import Ask, delete, get, patch, post

_AT = 1_700_000_000_000
_UNKNOWN = "m-" + "0" * 32


def _pairs(*pairs: tuple[Any, Any]) -> list[dict[str, Any]]:
    return [{"key": key, "value": value} for key, value in pairs]


def _make(name: str, /, **fields: Any) -> Ask:
    return post(name, "logged-models", {"experiment_id": "${lm}", **fields})


def _keep(symbol: str, **fields: Any) -> Ask:
    body = {"experiment_id": "${lm}", "name": symbol, **fields}
    return post(f"make {symbol}", "logged-models", body, **{symbol: "model.info.model_id"})


def _read(name: str, symbol: str = "lm_a", **query: str) -> Ask:
    return get(name, f"logged-models/${{{symbol}}}", query)


def _finalize(name: str, status: Any, symbol: str = "lm_a", **fields: Any) -> Ask:
    path = f"logged-models/${{{symbol}}}"
    return patch(name, path, {"model_id": f"${{{symbol}}}", "status": status, **fields})


def _tag(name: str, tags: Any, symbol: str = "lm_a") -> Ask:
    return patch(name, f"logged-models/${{{symbol}}}/tags", {"tags": tags})


def _untag(name: str, key: str, symbol: str = "lm_a") -> Ask:
    return delete(name, f"logged-models/${{{symbol}}}/tags/{key}")


def _params(name: str, params: Any, symbol: str = "lm_a") -> Ask:
    body = {"model_id": f"${{{symbol}}}", "params": params}
    return post(name, f"logged-models/${{{symbol}}}/params", body)


def _metric(name: str, symbol: str = "lm_m", **fields: Any) -> Ask:
    metric = {"key": "acc", "value": 0.5, "timestamp": _AT, "step": 1, "run_id": "${lm_r1}"}
    return post(name, "runs/log-metric", {**metric, "model_id": f"${{{symbol}}}", **fields})


def _batch(name: str, *metrics: dict[str, Any]) -> Ask:
    full = [{"value": 1.0, "timestamp": _AT, "step": 1, **metric} for metric in metrics]
    return post(name, "runs/log-batch", {"run_id": "${lm_r1}", "metrics": full})


_MAKE = [
    post("an experiment", "experiments/create", {"name": "lm"}, lm="experiment_id"),
    post("another experiment", "experiments/create", {"name": "lm gone"}, lmgone="experiment_id"),
    _make("make one without a name", tags=_pairs(("t", "1"))),
    _make("make one with an empty name", name="", model_type="", source_run_id=""),
    _keep(
        "lm_a",
        model_type="agent",
        source_run_id="0123456789abcdef0123456789abcdef",
        params=_pairs(("lr", "0.1"), ("b", ""), ("a/../b &", "v" * 7000)),
        tags=_pairs(("team", "red"), ("é", "日本"), ("long", "v" * 9000)),
    ),
    _make("make one of that name again", name="lm_a"),
    _make("make one with spaces in its name", name=" a  b "),
    *(_make(f"make one named with {character}", name=f"a{character}b") for character in "/:.%\"'"),
    _make("make one with a name of 500 characters", name="n" * 500),
    _make("make one with a name of 501 characters", name="n" * 501),
    _make("make one with a number for a name", name=5),
    _make("make one with null for a name", name=None),
    _make("make one with a line break in its name", name="a\nb"),
    _make("make one with a type of 501 characters", model_type="t" * 501),
    _make("make one with a number for a type", model_type=5),
    _make("make one from a run id of 33 characters", source_run_id="r" * 33),
    _make("make one in no experiment", experiment_id=""),
    _make("make one in experiment 5, a number", experiment_id=5),
    _make("make one in an experiment named by a word", experiment_id="abc"),
    _make("make one in an unknown experiment", experiment_id="987654321"),
    post("make one without any field", "logged-models"),
    _make("make one with params that are an object", params={}),
    _make("make one with params that are text", params="x"),
    _make("make one with a param that is a number", params=[3]),
    _make("make one with a param without a key", params=[{"value": "x"}]),
    _make("make one with an empty param key", params=_pairs(("", "x"))),
    _make("make one with a param without a value", name="lm valueless", params=[{"key": "x"}]),
    _make("make one with a number for a param", params=_pairs(("k", 5))),
    _make("make one with a param twice", params=_pairs(("k", "1"), ("k", "1"))),
    _make("make one with a param key of 256 characters", params=_pairs(("k" * 256, "v"))),
    _make("make one with a tag twice", tags=_pairs(("k", "1"), ("k", "2"))),
    _make("make one with a tag without a key", tags=[{"value": "x"}]),
    _make("make one with a tag without a value", name="lm valueless tag", tags=[{"key": "x"}]),
    _make("make one with a tag key of 255 characters", name="k255", tags=_pairs(("k" * 255, "v"))),
    _make("make one with a tag key of 256 characters", tags=_pairs(("k" * 256, "v"))),
    _keep("lm_gone", experiment_id="${lmgone}"),
    post("delete the other experiment", "experiments/delete", {"experiment_id": "${lmgone}"}),
    _make("make one in a deleted experiment", experiment_id="${lmgone}"),
    _read("read one of a deleted experiment", "lm_gone"),
]
_CHANGE = [
    _read("read one"),
    _read("read one, deleted or not", allow_deleted="true"),
    _read("read one with a word for allow_deleted", allow_deleted="x"),
    get("read an unknown one", f"logged-models/{_UNKNOWN}"),
    _finalize("finalize as ready", "LOGGED_MODEL_READY"),
    _finalize("finalize as failed, by number", 3),
    _finalize("finalize by number in text", "1"),
    _finalize("finalize as unspecified", 0),
    _finalize("finalize with an unknown number", 9),
    _finalize("finalize with a word", "READY"),
    _finalize("finalize with a fraction", 1.5),
    _finalize("finalize with null", None),
    _finalize("finalize in a deleted experiment", 2, "lm_gone"),
    patch("finalize without the id in the body", "logged-models/${lm_a}", {"status": 2}),
    patch(
        "finalize an unknown one",
        f"logged-models/{_UNKNOWN}",
        {"model_id": _UNKNOWN, "status": 2},
    ),
    _finalize("finalize another than the path names", 2, model_id=_UNKNOWN),
    _tag("tag", _pairs(("team", "blue"), ("a", "1"))),
    _tag("tag twice with one key", _pairs(("b", "1"), ("b", "2"))),
    _tag("tag with nothing", []),
    _tag("tag with null", None),
    _tag("tag with a slash in the key", _pairs(("x/y z", "1"))),
    _tag("tag without a key", [{"value": "x"}]),
    _tag("tag with an empty key", _pairs(("", "x"))),
    _tag("tag without a value", [{"key": "c"}]),
    _tag("tag with a key of 256 characters", _pairs(("k" * 256, "x"))),
    _tag("tag with a number", _pairs(("n", 5))),
    _tag("tags that are text", "x"),
    _tag("tags that are an object", {}),
    patch("tag an unknown one", f"logged-models/{_UNKNOWN}/tags", {"tags": _pairs(("a", "1"))}),
    patch("tag an unknown one with nothing", f"logged-models/{_UNKNOWN}/tags", {}),
    _untag("remove a tag", "a"),
    _untag("remove a tag again", "a"),
    _untag("remove a tag with a slash", "x/y%20z"),
    _untag("remove a tag without a name", ""),
    delete("remove a tag of an unknown one", f"logged-models/{_UNKNOWN}/tags/a"),
    _params("log params", _pairs(("c", "1"), ("d", ""))),
    _params("log a param again", _pairs(("c", "1"))),
    _params("log a param with another value", _pairs(("c", "2"))),
    _params("log a new param beside a changed one", _pairs(("e", "2"), ("c", "2"))),
    _params("log a param twice", _pairs(("e", "1"), ("e", "1"))),
    _params("log no params", []),
    _params("log params that are text", "x"),
    _params("log a param without a key", [{"value": "x"}]),
    _params("log a param without a value", [{"key": "f"}]),
    _params("log a param key of 256 characters", _pairs(("k" * 256, "x"))),
    post("log params without the id in the body", "logged-models/${lm_a}/params", {"params": []}),
    post(
        "log params to an unknown one",
        f"logged-models/{_UNKNOWN}/params",
        {"model_id": _UNKNOWN, "params": _pairs(("a", "1"))},
    ),
    _keep("lm_after", tags=_pairs(("a", "1"))),
    _read("read what the changes left", "lm_after"),
    _keep("lm_deleted", tags=_pairs(("a", "1"))),
    delete("delete one", "logged-models/${lm_deleted}", {"model_id": "${lm_deleted}"}),
    delete("delete one again", "logged-models/${lm_deleted}"),
    delete("delete an unknown one", f"logged-models/{_UNKNOWN}"),
    _read("read a deleted one", "lm_deleted"),
    _read("read a deleted one, allowed by a number", "lm_deleted", allow_deleted="1"),
    _finalize("finalize a deleted one", 2, "lm_deleted"),
    _tag("tag a deleted one", _pairs(("b", "1")), "lm_deleted"),
    _untag("remove a tag of a deleted one", "a", "lm_deleted"),
    _params("log params to a deleted one", _pairs(("p", "1")), "lm_deleted"),
    _read("read a deleted one, allowed", "lm_deleted", allow_deleted="True"),
    get("list logged models", "logged-models"),
    Ask("put a logged model", "PUT", "/api/2.0/mlflow/logged-models/${lm_a}", {}),
    get("the tags of a logged model", "logged-models/${lm_a}/tags"),
    get(
        "read one under the other prefix",
        "/ajax-api/2.0/mlflow/logged-models/${lm_deleted}",
        {"allow_deleted": "true"},
    ),
]
_LOG = [
    *(
        post(
            f"make the run {symbol}",
            "runs/create",
            {"experiment_id": "${lm}", "run_name": symbol, "start_time": _AT + number},
            **{symbol: "run.info.run_id"},
        )
        for number, symbol in enumerate(("lm_r1", "lm_r2"))
    ),
    _keep("lm_m"),
    _metric("log a metric"),
    _metric("log a metric again"),
    _metric("log another value of it", value=0.75),
    _metric("log it in another run", run_id="${lm_r2}", value=0.75),
    _metric("log it with a dataset", dataset_name="d", dataset_digest="g"),
    _metric("log at another step", step=2, dataset_name="d", dataset_digest="g"),
    _metric("log at another time", step=2, timestamp=_AT + 1),
    _metric("log NaN", key="nan", value="NaN"),
    _metric("log Infinity", key="inf", value="Infinity"),
    _metric("log without a step", key="stepless", step=None),
    _metric("log with an empty model id", key="alone", model_id=""),
    _metric("log to an unknown model", key="lost", model_id=_UNKNOWN),
    _metric("log to a model id of 37 characters", key="lost", model_id="m" * 37),
    _metric("log to a deleted model", "lm_deleted", key="late"),
    _metric("log to a model of a deleted experiment", "lm_gone", key="elsewhere"),
    _metric("log with a dataset's name alone", key="lost", dataset_name="d"),
    _metric("log with a dataset's digest alone", key="lost", dataset_digest="d"),
    _batch(
        "a batch for models",
        {"key": "b1", "model_id": "${lm_m}", "dataset_name": "d", "dataset_digest": "g"},
        {"key": "b1", "model_id": "${lm_m}", "step": 2},
        {"key": "b2", "model_id": "${lm_a}"},
        {"key": "b2", "model_id": "", "dataset_name": "", "value": 2.0},
        {"key": "b2", "model_id": "${lm_a}"},
    ),
    _batch("a batch again", {"key": "b2", "model_id": "${lm_a}"}),
    _batch("a batch with half a dataset", {"key": "b4", "dataset_name": "d"}),
    _read("the metrics of a model", "lm_m"),
    _read("the metrics of a deleted model", "lm_deleted", allow_deleted="true"),
    get("the metrics of a run that logged to models", "runs/get", {"run_id": "${lm_r1}"}),
    _batch("a batch for an unknown model", {"key": "b5", "model_id": _UNKNOWN}),
    _batch(
        "a batch that contradicts itself",
        {"key": "b6", "model_id": "${lm_m}"},
        {"key": "b6", "model_id": "${lm_m}", "value": 2.0},
    ),
    post(
        "models as inputs",
        "runs/log-inputs",
        {
            "run_id": "${lm_r2}",
            "models": [{"model_id": "${lm_m}"}, {"model_id": "${lm_m}"}, {"model_id": _UNKNOWN}],
        },
    ),
    post(
        "a model as an input again",
        "runs/log-inputs",
        {"run_id": "${lm_r2}", "models": [{"model_id": "${lm_m}"}]},
    ),
    post(
        "models as outputs",
        "runs/outputs",
        {
            "run_id": "${lm_r2}",
            "models": [{"model_id": _UNKNOWN, "step": 2}, {"model_id": "${lm_m}", "step": 0}],
        },
    ),
    post(
        "a model as an output again",
        "runs/outputs",
        {"run_id": "${lm_r2}", "models": [{"model_id": "${lm_m}", "step": 0}]},
    ),
    post(
        "a model as an output at another step",
        "runs/outputs",
        {"run_id": "${lm_r2}", "models": [{"model_id": "${lm_m}", "step": 1}]},
    ),
    post("no models as outputs", "runs/outputs", {"run_id": "${lm_r2}", "models": []}),
    post("outputs without models", "runs/outputs", {"run_id": "${lm_r2}"}),
    get("a run with models", "runs/get", {"run_id": "${lm_r2}"}),
    post(
        "runs with models",
        "runs/search",
        {"experiment_ids": ["${lm}"], "filter": "run_name = 'lm_r2'"},
    ),
]

REQUESTS = [*_MAKE, *_CHANGE, *_LOG]
