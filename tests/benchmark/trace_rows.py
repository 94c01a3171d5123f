"""The rows of traces: spans by OpenTelemetry's protocol as clients send them, and reading."""

import json
import os
import time
from typing import Any, Final

from tests.benchmark import content, trace_bodies, wrk
from tests.benchmark.content import Content
from tests.benchmark.rows import PAGE, Row, expect
from tests.benchmark.trace_bodies import SPANS, TOGETHER

CLIENTS: Final = wrk.Clients(8, apart=True)
"""Each sends its traces one after the other."""
_OTHERS: Final = ("fasttrackml",)
"""It has no traces."""
_STOCK: Final = 5
"""Spans that MLflow's client sends in one request at most."""
_READ: Final = 256
"""Traces that are read in turns."""


def _whole(of: Content) -> dict[str, Any]:
    return trace_bodies.sequence(of.exported)


def _stock(of: Content) -> dict[str, Any]:
    return trace_bodies.sequence(of.exported, _STOCK, start=True)


def _one_by_one(of: Content) -> dict[str, Any]:
    return trace_bodies.sequence(of.exported, 1, start=True)


def _together(of: Content) -> dict[str, Any]:
    return trace_bodies.sequence(of.exported, together=TOGETHER)


def _sample(load: Any) -> Any:
    """Send what a load sends, once, and look at the traces that it makes."""

    def sample(of: Content) -> None:
        data = load(of)
        begin = time.time_ns()
        ids = [os.urandom(16) for _ in range(data["together"])]
        for each in data["sequence"]:
            body = b"".join(trace_bodies.filled(each["pieces"], id_, begin) for id_ in ids)
            of.api.send("POST", each["path"], body, each["headers"])
        for id_ in ids:
            trace = _full(of, f"tr-{id_.hex()}")
            told = trace["trace_info"].get("tags", {}).get("mlflow.traceName") == "answer"
            # A trace of spans alone has no name of its own with MLflow.
            expect(told or len(data["sequence"]) == 1, trace["trace_info"])

    return sample


def _full(of: Content, trace_id: str) -> Any:
    trace = of.api.trace(trace_id)
    info, spans = trace["trace_info"], trace["spans"]
    expect(info["trace_id"] == trace_id and info["state"] == "OK", info)
    expect(len({span["span_id"] for span in spans}) == SPANS, spans)
    used = json.loads(info["trace_metadata"]["mlflow.trace.tokenUsage"])
    expect(used["total_tokens"] == 150, used)
    return trace


def _sample_get(of: Content) -> None:
    for trace_id in of.traced[1][:: content.TRACES // 10]:
        _full(of, trace_id)


def _to_get(of: Content) -> dict[str, Any]:
    ids = of.traced[1][:: max(1, content.TRACES // _READ)]
    return {"requests": [{"method": "GET", "path": content.trace_path(each)} for each in ids]}


def _sample_search(of: Content) -> None:
    found = of.api.search_traces(of.traced[0], "timestamp_ms > 5")
    expect(len({trace["trace_id"] for trace in found}) == PAGE, len(found))
    times = [trace["request_time"] for trace in found]
    expect(times == sorted(times, reverse=True), times)
    for trace in found:
        expect(trace["tags"]["env"] == "production", trace)
        expect(trace["trace_metadata"]["mlflow.trace.session"] == "session-7", trace)


def _ingest(name: str, title: str, load: Any, **more: Any) -> Row:
    fixed = {"absent": _OTHERS, "clients": CLIENTS, "each": SPANS}
    return Row(name, title, "traces", load, _sample(load), "spans", **{**fixed, **more})


ROWS: Final = {
    row.name: row
    for row in (
        _ingest("trace-otlp", "OTLP, one trace a request", _whole),
        _ingest(
            "trace-stock",
            f"spans by {_STOCK} and start_trace, as MLflow's client sends them",
            _stock,
            requests=SPANS // _STOCK + 1,
        ),
        _ingest(
            "trace-one-by-one",
            "one request a span and start_trace, as clients up to MLflow 3.10 send them",
            _one_by_one,
            requests=SPANS + 1,
        ),
        _ingest(
            "trace-together",
            f"OTLP, {TOGETHER} traces a request",
            _together,
            each=SPANS * TOGETHER,
            units=TOGETHER,
        ),
        Row(
            "trace-search",
            "search of the 100 latest of 1,000 traces",
            "trace-search",
            lambda of: {"experiment": of.traced[0]},
            _sample_search,
            absent=_OTHERS,
            clients=wrk.Clients(CLIENTS.connections),
        ),
        Row(
            "trace-get",
            "get a trace with its spans",
            "prepared",
            _to_get,
            _sample_get,
            absent=_OTHERS,
            clients=wrk.Clients(CLIENTS.connections),
        ),
    )
}
