"""Reading traces: their attributes, their spans, several at once, and what cannot be read."""

from typing import Any

from tests.system.peer.ask import Ask, get, patch, post

_V3 = "/api/3.0/mlflow/traces"
_V2 = "/api/2.0/mlflow/traces"
_UI = "/ajax-api/3.0/mlflow"
_FULL = "ab" * 16
_WAITING = "cd" * 16
_SPANLESS = "ef" * 16
_UNKNOWN = "tr-" + "12" * 16
_AT = 1_795_885_063_779_424_841


def _id(trace: str) -> str:
    return f"tr-{trace}"


def _text(key: str, value: str) -> dict[str, Any]:
    return {"key": key, "value": {"stringValue": value}}


def _span(trace: str, number: int, parent: int | None = None, **more: Any) -> dict[str, Any]:
    span = {
        "traceId": trace,
        "spanId": f"{number:016x}",
        "name": f"step {number}",
        "startTimeUnixNano": str(_AT + number),
        "endTimeUnixNano": str(_AT + 5_000_000),
        "status": {"code": "STATUS_CODE_OK"},
        **more,
    }
    return span if parent is None else {**span, "parentSpanId": f"{parent:016x}"}


def _export(name: str, *spans: dict[str, Any]) -> Ask:
    return Ask(
        name,
        "POST",
        "/v1/traces",
        {"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]},
        headers={"x-mlflow-experiment-id": "${traceable}", "Content-Type": "application/json"},
    )


def _start(name: str, trace: str, spans: int | None = None, **more: Any) -> Ask:
    info = {
        "trace_id": _id(trace),
        "trace_location": {
            "type": "MLFLOW_EXPERIMENT",
            "mlflow_experiment": {"experiment_id": "${traceable}"},
        },
        "request_time": "2026-11-28T16:57:43.697Z",
        "execution_duration": "0.096s",
        "state": "OK",
        **more,
    }
    if spans is not None:
        stats = f'{{"total_size_bytes": 10, "num_spans": {spans}}}'
        info["trace_metadata"] = {"mlflow.trace.sizeStats": stats, "long": "x" * 300}
    return post(name, _V3, {"trace": {"trace_info": info}})


def _read(name: str, **query: Any) -> Ask:
    return get(name, f"{_V3}/get", query)


def _artifact(name: str, **query: Any) -> Ask:
    return get(name, f"{_UI}/get-trace-artifact", query)


def _several(name: str, *traces: str, **more: Any) -> list[Ask]:
    query = {"trace_ids": [*traces], **more}
    return [
        get(f"{name}, with spans", f"{_V3}/batchGet", query),
        post(f"{name}, without spans", f"{_V3}/batchGetInfos", query),
    ]


_EVENT = {
    "timeUnixNano": str(_AT + 1),
    "name": "exception",
    "attributes": [_text("exception.type", "ValueError")],
}
_ATTRIBUTES = [
    _text("mlflow.spanType", '"LLM"'),
    _text("mlflow.spanInputs", '{"q": "é"}'),
    {"key": "n", "value": {"intValue": str(2**62)}},
    {"key": "x", "value": {"doubleValue": 0.5}},
    {"key": "l", "value": {"arrayValue": {"values": [{"boolValue": True}, {}]}}},
]
_PAIRS = [{"key": "k", "value": "v"}]
_OLD = {"timestamp_ms": 1500, "request_metadata": _PAIRS, "tags": _PAIRS}

REQUESTS = [
    post("an experiment", "experiments/create", {"name": "traceable"}, traceable="experiment_id"),
    _export(
        "spans, of which the root comes last",
        _span(_FULL, 2, parent=1),
        _span(_FULL, 3, parent=1, status={"code": "STATUS_CODE_ERROR", "message": "boom"}),
        _span(_FULL, 1, attributes=_ATTRIBUTES, events=[_EVENT]),
    ),
    _start(
        "a trace of these spans",
        _FULL,
        3,
        client_request_id="c",
        tags={"mlflow.traceName": "agent", "k": "v"},
        request_preview="é",
        response_preview="",
    ),
    _export("a span", _span(_WAITING, 1)),
    _start("a trace that will have another span", _WAITING, 2),
    _start("a trace without spans", _SPANLESS),
    post(
        "a trace of version 2", _V2, {"experiment_id": "${traceable}", **_OLD},
        oldtrace="trace_info.request_id",
    ),
    patch(
        "its end", _V2 + "/${oldtrace}",
        {**_OLD, "request_id": "${oldtrace}", "timestamp_ms": 1576, "status": "OK"},
    ),
    *(
        ask
        for name, trace in (
            ("full", _id(_FULL)),
            ("waiting", _id(_WAITING)),
            ("spanless", _id(_SPANLESS)),
            ("former", "${oldtrace}"),
            ("strange", _UNKNOWN),
            ("badly named", "a%20b"),
        )
        for ask in (
            get(f"the info of a {name} trace", f"{_V3}/{trace}"),
            get(f"the info of version 2 of a {name} trace", f"{_V2}/{trace}/info"),
            _read(f"all that there is of a {name} trace", trace_id=trace, allow_partial="true"),
            _read(f"a {name} trace", trace_id=trace),
            _artifact(f"the spans of a {name} trace", request_id=trace),
        )
    ),
    get("an info with a query", f"{_V3}/{_id(_FULL)}", {"trace_id": "other"}),
    _read("no trace"),
    _read("a trace without a name", trace_id=""),
    _read("a trace, partial in capitals", trace_id=_id(_FULL), allow_partial="TRUE"),
    _read("a trace, partial as a number", trace_id=_id(_FULL), allow_partial="2"),
    _read("a trace, partial as a word", trace_id=_id(_FULL), allow_partial="maybe"),
    _read("a trace, partial as nothing", trace_id=_id(_FULL), allow_partial=""),
    *_several("several traces", _id(_WAITING), _UNKNOWN, _id(_FULL)),
    *_several("a trace twice", _id(_FULL), _id(_FULL)),
    *_several("an unknown trace among none", _UNKNOWN),
    *_several("no traces"),
    *_several("traces of an experiment", _id(_FULL), experiment_ids=["${traceable}"]),
    *_several("traces of another experiment", _id(_FULL), experiment_ids=["77"]),
    *_several("traces of a word", _id(_FULL), experiment_ids=["abc"]),
    post("infos of no experiment", f"{_V3}/batchGetInfos",
         {"trace_ids": [_id(_FULL)], "experiment_ids": []}),
    post("infos of a number", f"{_V3}/batchGetInfos", {"trace_ids": [5]}),
    post("infos of a word", f"{_V3}/batchGetInfos", {"trace_ids": "x"}),
    post("infos of nothing", f"{_V3}/batchGetInfos", {}),
    post("infos of null", f"{_V3}/batchGetInfos", {"trace_ids": None}),
    _artifact("no artifact"),
    _artifact("the artifact of no name", request_id=""),
    _artifact("an attachment of a name", request_id=_id(_FULL), path="a.png"),
    _artifact("an attachment outside", request_id=_id(_FULL), path="../traces.json"),
    _artifact(
        "an attachment that is missing",
        request_id=_id(_FULL),
        path="0b5f7f0c-6a8e-4d0e-9d0c-1f8f4f6c2a11",
    ),
    _artifact(
        "an attachment of an unknown trace",
        request_id=_UNKNOWN,
        path="0b5f7f0c-6a8e-4d0e-9d0c-1f8f4f6c2a11",
    ),
    get(
        "spans by the older path",
        "/ajax-api/2.0/mlflow/get-trace-artifact",
        {"request_id": _id(_FULL)},
    ),
]  # fmt: skip
