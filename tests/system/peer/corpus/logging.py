"""Metrics, params, tags: one at a time and in batches."""

from typing import Any

from tests.system.peer.ask import Ask, get, post

_AT = 1700000000000


def _run(symbol: str) -> Ask:
    body = {"experiment_id": "${logs}", "run_name": symbol, "start_time": _AT}
    return post(f"the run {symbol}", "runs/create", body, **{symbol: "run.info.run_id"})


def _metric(name: str, run: str = "l1", **fields: Any) -> Ask:
    return post(name, "runs/log-metric", {"run_id": f"${{{run}}}", **fields})


def _param(name: str, key: Any, value: Any, run: str = "l1") -> Ask:
    fields = {"run_id": f"${{{run}}}", "key": key, "value": value}
    return post(name, "runs/log-parameter", fields)


def _batch(name: str, run: str = "l3", **lists: Any) -> Ask:
    return post(name, "runs/log-batch", {"run_id": f"${{{run}}}", **lists})


def _read(name: str, run: str) -> Ask:
    return get(name, "runs/get", {"run_id": f"${{{run}}}"})


def _metrics(count: int) -> list[dict[str, Any]]:
    return [{"key": f"m{i}", "value": i, "timestamp": _AT, "step": 0} for i in range(count)]


def _pairs(count: int, prefix: str = "p") -> list[dict[str, str]]:
    return [{"key": f"{prefix}{i}", "value": str(i)} for i in range(count)]


_ONE_METRIC = {"key": "m", "value": 1, "timestamp": _AT}

_MODEL = (
    '{"run_id": "${l5}", "artifact_path": "m", "flavors": {}, '
    '"utc_time_created": "2026-01-01 00:00:00"}'
)

REQUESTS = [
    post("an experiment for logs", "experiments/create", {"name": "logs"}, logs="experiment_id"),
    *(_run(symbol) for symbol in ("l0", "l1", "l2", "l3", "l4", "l5")),
    _metric("a metric", key="loss", value=0.5, timestamp=_AT, step=1),
    _metric("a whole number", key="int", value=3, timestamp=_AT),
    _metric("a value as a string", key="text", value="1.25", timestamp=_AT),
    _metric("a value that is a word", key="word", value="high", timestamp=_AT),
    _metric("NaN", key="nan", value="NaN", timestamp=_AT),
    _metric("infinity", key="inf", value="Infinity", timestamp=_AT),
    _metric("minus infinity", key="ninf", value="-Infinity", timestamp=_AT),
    Ask(
        "NaN as Python writes it",
        "POST",
        "/api/2.0/mlflow/runs/log-metric",
        {"run_id": "${l0}", "key": "barenan", "value": float("nan"), "timestamp": _AT},
    ),
    Ask(
        "infinity as Python writes it",
        "POST",
        "/api/2.0/mlflow/runs/log-metric",
        {"run_id": "${l0}", "key": "bareinf", "value": float("inf"), "timestamp": _AT},
    ),
    _metric("the largest double", key="max", value=1.7976931348623157e308, timestamp=_AT),
    _metric("a small double", key="small", value=-4.9e-300, timestamp=_AT),
    _metric("a timestamp as a string", key="ts", value=1, timestamp=str(_AT), step="7"),
    _metric("a negative step", key="neg", value=1, timestamp=_AT, step=-3),
    _metric("a step beyond int64", "l0", key="far", value=1, timestamp=_AT, step=2**63),
    _metric("a step that is a fraction", "l0", key="half", value=1, timestamp=_AT, step=1.5),
    _metric("a negative timestamp", key="past", value=1, timestamp=-1),
    _metric("a timestamp of zero", key="epoch", value=1, timestamp=0),
    _metric("a value that is true", "l0", key="bool", value=True, timestamp=_AT),
    _metric("a value that is null", key="null", value=None, timestamp=_AT),
    _metric("a value that is a list", key="list", value=[1], timestamp=_AT),
    _metric("a metric without a value", key="k", timestamp=_AT),
    _metric("a metric without a timestamp", key="k", value=1),
    _metric("a metric without a key", value=1, timestamp=_AT),
    _metric("a metric with an empty key", key="", value=1, timestamp=_AT),
    _metric("a key with every character", key="a_b-c.d e:f/g", value=1, timestamp=_AT),
    _metric("a key that climbs", key="a/../../b", value=1, timestamp=_AT),
    _metric("a key that is absolute", key="/a", value=1, timestamp=_AT),
    _metric("a key that ends in a slash", key="a/", value=1, timestamp=_AT),
    _metric("a key with a double slash", key="a//b", value=1, timestamp=_AT),
    _metric("a key of one dot", key=".", value=1, timestamp=_AT),
    _metric("a key with odd characters", key="a$b", value=1, timestamp=_AT),
    _metric("a key in unicode", key="größe", value=1, timestamp=_AT),
    _metric("a key of 250 characters", key="k" * 250, value=1, timestamp=_AT),
    _metric("a key of 251 characters", key="k" * 251, value=1, timestamp=_AT),
    _metric("a key that is a number", key=5, value=1, timestamp=_AT),
    _metric("the same metric again", key="loss", value=0.5, timestamp=_AT, step=1),
    _metric("an earlier step", key="loss", value=9.0, timestamp=_AT + 5, step=0),
    _metric("a later timestamp", key="loss", value=0.4, timestamp=_AT + 1, step=1),
    _metric("a lower value at the same moment", key="loss", value=0.3, timestamp=_AT + 1, step=1),
    _metric("a higher value at the same moment", key="loss", value=0.6, timestamp=_AT + 1, step=1),
    _metric("NaN after a number", key="loss", value="NaN", timestamp=_AT + 2, step=2),
    _metric("a number after NaN", key="loss", value=0.1, timestamp=_AT + 2, step=2),
    post("a metric by run_uuid", "runs/log-metric", {"run_uuid": "${l1}", **_ONE_METRIC}),
    post("a metric without a run", "runs/log-metric", _ONE_METRIC),
    post("a metric of an unknown run", "runs/log-metric", {"run_id": "0" * 32, **_ONE_METRIC}),
    post(
        "a metric of a dataset",
        "runs/log-metric",
        {"run_id": "${l1}", **_ONE_METRIC, "dataset_name": "d", "dataset_digest": "x"},
    ),
    _read("the latest metrics", "l1"),
    _read("the metrics of odd types", "l0"),
    _param("a param", "p", "1"),
    _param("a param with the same value", "p", "1"),
    _param("a param with another value", "p", "2"),
    _param("an empty value", "empty", ""),
    _param("an empty value again", "empty", ""),
    post("a param without a value", "runs/log-parameter", {"run_id": "${l1}", "key": "unset"}),
    _param("a value in unicode", "uni", "naïve ☃ 日本 🎉"),
    _param("a value over several lines", "lines", "a\nb\tc"),
    _param("a number for a param", "number", 5),
    _param("a list for a param", "list", ["a"]),
    _param("an empty param key", "", "1"),
    _param("a param key that climbs", "../p", "1"),
    _param("a param key with odd characters", "p;q", "1"),
    _param("a param key of 250 characters", "k" * 250, "1"),
    _param("a param key of 251 characters", "k" * 251, "1"),
    _param("a param value of 6000 characters", "v6000", "v" * 6000),
    _param("a param value of 6001 characters", "v6001", "v" * 6001),
    post(
        "a param by run_uuid", "runs/log-parameter", {"run_uuid": "${l1}", "key": "u", "value": "1"}
    ),
    post("a param without a run", "runs/log-parameter", {"key": "p", "value": "1"}),
    post(
        "a param of an unknown run",
        "runs/log-parameter",
        {"run_id": "0" * 32, "key": "p", "value": "1"},
    ),
    _read("params and metrics", "l1"),
    _batch(
        "a batch of all three", "l2", metrics=_metrics(3), params=_pairs(3), tags=_pairs(3, "t")
    ),
    _batch(
        "the same batch again", "l2", metrics=_metrics(3), params=_pairs(3), tags=_pairs(3, "t")
    ),
    _read("what a batch logged", "l2"),
    _batch("an empty batch", "l2"),
    _batch("a batch of empty lists", "l2", metrics=[], params=[], tags=[]),
    _batch("1000 metrics", "l3", metrics=_metrics(1000)),
    _batch("1001 metrics", "l3", metrics=_metrics(1001)),
    _batch("100 params", "l4", params=_pairs(100)),
    _batch("101 params", "l4", params=_pairs(101, "q")),
    _batch("100 tags", "l4", tags=_pairs(100)),
    _batch("101 tags", "l4", tags=_pairs(101, "q")),
    _batch("1000 in all", "l4", metrics=_metrics(800), params=_pairs(100), tags=_pairs(100)),
    _batch("1001 in all", "l4", metrics=_metrics(801), params=_pairs(100), tags=_pairs(100)),
    _batch(
        "a param twice, alike",
        "l5",
        params=[{"key": "x", "value": "1"}, {"key": "x", "value": "1"}],
    ),
    _batch(
        "a param twice, unlike",
        "l5",
        params=[{"key": "y", "value": "1"}, {"key": "y", "value": "2"}],
    ),
    _batch("a param changed by a batch", "l5", params=[{"key": "x", "value": "2"}]),
    _batch(
        "a good metric beside a changed param",
        "l5",
        metrics=[_ONE_METRIC],
        params=[{"key": "x", "value": "3"}],
    ),
    _batch("a tag twice", "l5", tags=[{"key": "t", "value": "1"}, {"key": "t", "value": "2"}]),
    _batch("the name's tag in a batch", "l5", tags=[{"key": "mlflow.runName", "value": "batched"}]),
    _batch("a metric twice in a batch", "l5", metrics=[{**_ONE_METRIC, "key": "w"}] * 2),
    _batch(
        "several steps in a batch",
        "l5",
        metrics=[{"key": "s", "value": i / 4, "timestamp": _AT + i, "step": i} for i in (2, 0, 1)],
    ),
    _batch("a batch with an empty param value", "l5", params=[{"key": "e", "value": ""}]),
    _batch("a batch with a long param", "l5", params=[{"key": "long", "value": "v" * 6001}]),
    _batch("a batch with a long tag", "l5", tags=[{"key": "long", "value": "v" * 8001}]),
    _batch("a batch with NaN", "l5", metrics=[{"key": "n", "value": "NaN", "timestamp": _AT}]),
    _read("after the batches", "l5"),
    _batch("a metric without a key in a batch", "l5", metrics=[{"value": 1, "timestamp": _AT}]),
    _batch("a metric without a value in a batch", "l5", metrics=[{"key": "a", "timestamp": _AT}]),
    _batch("a metric without a time in a batch", "l5", metrics=[{"key": "a", "value": 1}]),
    _batch("a bad key in a batch", "l5", metrics=[_ONE_METRIC, {**_ONE_METRIC, "key": "a$"}]),
    _batch("a bad param key in a batch", "l5", params=[{"key": "../a", "value": "1"}]),
    _batch("a bad tag key in a batch", "l5", tags=[{"key": "a\nb", "value": "1"}]),
    _batch("a param without a key in a batch", "l5", params=[{"value": "1"}]),
    _batch("a tag without a key in a batch", "l5", tags=[{"value": "1"}]),
    _batch("a param without a value in a batch", "l5", params=[{"key": "novalue"}]),
    _batch("a long key in a batch", "l5", metrics=[{**_ONE_METRIC, "key": "k" * 251}]),
    _batch("metrics that are an object", "l5", metrics={"a": 1}),
    _batch("metrics that are numbers", "l5", metrics=[1, 2]),
    _read("bad batches stored nothing", "l5"),
    post("a batch without a run", "runs/log-batch", {"tags": _pairs(1)}),
    post("a batch of an unknown run", "runs/log-batch", {"run_id": "0" * 32, "tags": _pairs(1)}),
    post("an empty batch of an unknown run", "runs/log-batch", {"run_id": "0" * 32}),
    post(
        "a logged model, the old way",
        "runs/log-model",
        {
            "run_id": "${l5}",
            "model_json": _MODEL,
        },
    ),
    post(
        "a logged model that is no JSON", "runs/log-model", {"run_id": "${l5}", "model_json": "{"}
    ),
    post(
        "a logged model without fields", "runs/log-model", {"run_id": "${l5}", "model_json": "{}"}
    ),
    post("a logged model without JSON", "runs/log-model", {"run_id": "${l5}"}),
    _read("after the logged model", "l5"),
]
