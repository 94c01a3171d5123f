"""metrics/get-history and its bulk twins."""

from typing import Any

from tests.system.peer.ask import Ask, get, post

_AT = 1680000000000
_ONE = "metrics/get-history"
_BULK = "/ajax-api/2.0/mlflow/metrics/get-history-bulk"
_INTERVAL = "/ajax-api/2.0/mlflow/metrics/get-history-bulk-interval"


def _create(symbol: str) -> Ask:
    body = {"experiment_id": "${past}", "run_name": symbol, "start_time": _AT}
    return post(f"history: make {symbol}", "runs/create", body, **{symbol: "run.info.run_id"})


def _fill(symbol: str, name: str, key: str, points: list[tuple[Any, int, int]]) -> Ask:
    metrics = [{"key": key, "value": v, "timestamp": t, "step": s} for v, t, s in points]
    return post(name, "runs/log-batch", {"run_id": f"${{{symbol}}}", "metrics": metrics})


def _history(name: str, **fields: Any) -> Ask:
    return get(name, _ONE, {"run_id": "${h1}", "metric_key": "m", **fields})


def _interval(name: str, **fields: Any) -> Ask:
    return get(name, _INTERVAL, {"metric_key": "m", "run_ids": ["${h1}", "${h2}"], **fields})


_MIXED = [(0.5, _AT, 1), ("NaN", _AT + 1, 2), ("Infinity", _AT + 2, 3), (-1.5, _AT - 5, 0)]

REQUESTS = [
    post("history: an experiment", "experiments/create", {"name": "past"}, past="experiment_id"),
    *(_create(symbol) for symbol in ("h1", "h2", "h3")),
    _fill("h1", "history: a few", "m", _MIXED),
    _fill("h1", "history: the same step later", "m", [(0.75, _AT + 3, 1), (0.25, _AT + 3, 1)]),
    _fill("h1", "history: negative steps", "back", [(1, _AT, -2), (2, _AT, -1), (3, _AT, 0)]),
    _fill("h2", "history: many", "m", [(i / 8, _AT + i, i) for i in range(400)]),
    _fill("h2", "history: sparse", "sparse", [(i, _AT + i, i * 1000) for i in range(20)]),
    _fill("h3", "history: another key", "other", [(1, _AT, 0)]),
    _history("a history"),
    _history("a history of a missing key", metric_key="nosuch"),
    _history("a history with an empty key", metric_key=""),
    get("a history without a key", _ONE, {"run_id": "${h1}"}),
    get("a history without a run", _ONE, {"metric_key": "m"}),
    get("a history by run_uuid", _ONE, {"run_uuid": "${h1}", "metric_key": "m"}),
    get("a history of an unknown run", _ONE, {"run_id": "0" * 32, "metric_key": "m"}),
    get(
        "a history by the ajax prefix",
        f"/ajax-api/2.0/mlflow/{_ONE}",
        {"run_id": "${h1}", "metric_key": "m"},
    ),
    get(
        "a page of history",
        _ONE,
        {"run_id": "${h2}", "metric_key": "m", "max_results": 3},
        hpage="next_page_token",
    ),
    get(
        "the next page of history",
        _ONE,
        {"run_id": "${h2}", "metric_key": "m", "max_results": 3, "page_token": "${hpage}"},
    ),
    _history("a page as long as the history", max_results=6),
    _history("a page longer than the history", max_results=1000),
    _history("a page of zero", max_results=0),
    _history("a negative page", max_results=-1),
    _history("a page that is a word", max_results="some"),
    _history("a page beyond int32", max_results=2**31),
    _history("a page token that is none", max_results=2, page_token="nonsense"),
    post("history by POST", _ONE, {"run_id": "${h1}", "metric_key": "m"}),
    get("in bulk", _BULK, {"run_id": ["${h1}", "${h2}"], "metric_key": "m", "max_results": 1000}),
    get("in bulk, one run", _BULK, {"run_id": "${h1}", "metric_key": "m"}),
    get("in bulk, no run", _BULK, {"metric_key": "m"}),
    get("in bulk, no key", _BULK, {"run_id": "${h1}"}),
    get("in bulk, an unknown run", _BULK, {"run_id": ["${h1}", "0" * 32], "metric_key": "m"}),
    get("in bulk, a missing key", _BULK, {"run_id": "${h3}", "metric_key": "m"}),
    get("in bulk, zero", _BULK, {"run_id": "${h1}", "metric_key": "m", "max_results": 0}),
    get("in bulk, a word", _BULK, {"run_id": "${h1}", "metric_key": "m", "max_results": "some"}),
    get("in bulk, 101 runs", _BULK, {"run_id": ["${h1}"] * 101, "metric_key": "m"}),
    _interval("an interval"),
    _interval("an interval of ten", max_results=10),
    _interval("an interval between steps", start_step=1, end_step=2, max_results=10),
    _interval("an interval between negative steps", metric_key="back", start_step=-2, end_step=-1),
    _interval("an interval of sparse steps", metric_key="sparse", max_results=5),
    _interval("an interval of a missing key", metric_key="nosuch"),
    _interval("an interval with only a start", start_step=1),
    _interval("an interval with only an end", end_step=1),
    _interval("an interval backwards", start_step=5, end_step=1),
    _interval("an interval of zero", max_results=0),
    _interval("an interval of one", max_results=1),
    _interval("an interval of 2500", max_results=2500),
    _interval("an interval of 2501", max_results=2501),
    _interval("an interval with a word for a step", start_step="a", end_step=4),
    _interval("an interval without a key", metric_key=""),
    get("an interval without runs", _INTERVAL, {"metric_key": "m"}),
    _interval("an interval of an unknown run", run_ids=["0" * 32]),
    _interval("an interval of 101 runs", run_ids=["${h1}"] * 101),
    get(
        "an interval under its own version",
        "/api/2.11/mlflow/metrics/get-history-bulk-interval",
        {"metric_key": "m", "run_ids": ["${h1}"], "max_results": 3},
    ),
    post("history: delete a run", "runs/delete", {"run_id": "${h3}"}),
    get("a history of a deleted run", _ONE, {"run_id": "${h3}", "metric_key": "other"}),
]
