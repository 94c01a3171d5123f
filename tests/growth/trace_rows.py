"""What is asked of traces, few or many, and what is sent of new ones."""

import hashlib
import json
import os
import random
from collections.abc import Iterator
from itertools import cycle
from typing import Any, Final

from tests.benchmark import content, trace_bodies, trace_rows
from tests.growth import trace_contents
from tests.growth.contents import LARGEST, Size
from tests.growth.rows import JSON, KEPT, PAGE, READ, Request, Row, expect
from tests.growth.trace_contents import FIRST_MS, SPANS, WEEK_MS

SENDERS: Final = trace_rows.CLIENTS.connections
OVERVIEW_MS: Final = 1000
"""The most that the UI's overview is to take."""
_LISTED: Final = 25
"""Traces of a page of the web UI."""
_OLDER_MS: Final = FIRST_MS - 3_600_000
"""When new traces begin: before all that are read, so that pages stay the same."""
_DAY: Final = 24 * 3600
_END_MS: Final = FIRST_MS + WEEK_MS


def trace_id(number: int) -> str:
    """As `trace_contents` gives it to the trace of that number."""
    return f"tr-{hashlib.md5(str(number).encode(), usedforsecurity=False).hexdigest()}"


def _export(size: Size, first: int) -> Iterator[Request]:
    (body,) = trace_bodies.exported()
    while True:
        filled = trace_bodies.filled(body, os.urandom(16), _OLDER_MS * 1_000_000)
        yield Request("POST", trace_bodies.EXPORT, filled, trace_bodies.headers(str(LARGEST)))


def _whole(size: Size) -> dict[str, Any]:
    return {**trace_bodies.sequence(str(LARGEST)), "begin": _OLDER_MS}


def _start(size: Size, first: int) -> Iterator[Request]:
    body = trace_bodies.started(str(LARGEST))
    while True:
        filled = trace_bodies.filled(body, os.urandom(16), _OLDER_MS * 1_000_000)
        yield Request("POST", trace_bodies.START, filled)


def _stock(size: Size) -> dict[str, Any]:
    return {**trace_bodies.sequence(str(LARGEST), 5, start=True), "begin": _OLDER_MS}


def _get(size: Size, first: int) -> Iterator[Request]:
    step = max(1, size.traces // READ)
    numbers = random.Random(first)
    while True:
        chosen = numbers.randrange(size.traces // step) * step
        yield Request("GET", content.trace_path(trace_id(chosen)), headers=JSON)


def _latest(size: Size, first: int) -> Iterator[Request]:
    while True:
        yield _search("", PAGE)


def _list(size: Size, first: int) -> Iterator[Request]:
    numbers = random.Random(first)
    while True:
        since = FIRST_MS - numbers.randrange(1000)
        window = f"attributes.timestamp_ms > {since} AND attributes.timestamp_ms < {_END_MS}"
        yield _search(window, _LISTED)


def _session(size: Size, first: int) -> Iterator[Request]:
    numbers = random.Random(first)
    while True:
        session = numbers.randrange(size.traces // trace_contents.SESSIONS)
        yield _search(f"metadata.`mlflow.trace.session` = 'session-{session}'", PAGE)


def _search(where: str, most: int) -> Request:
    location = {
        "type": "MLFLOW_EXPERIMENT",
        "mlflow_experiment": {"experiment_id": str(LARGEST)},
    }
    body = {
        "locations": [location],
        "filter": where,
        "max_results": most,
        "order_by": ["timestamp DESC"],
    }
    return Request("POST", content.TRACE_SEARCH, json.dumps(body))


_PERCENTILES: Final = [
    {"aggregation_type": "PERCENTILE", "percentile_value": part} for part in (50, 90, 99)
]
_TOKENS: Final = ("input", "output", "cache_read_input", "cache_creation_input")
_QUESTIONS: Final[list[dict[str, Any]]] = [
    {"metric_name": "trace_count", "aggregations": ["COUNT"]},
    {
        "metric_name": "trace_count",
        "aggregations": ["COUNT"],
        "dimensions": ["trace_status"],
        "daily": True,
    },
    {"metric_name": "latency", "aggregations": ["AVG"]},
    {"metric_name": "latency", "aggregations": _PERCENTILES, "daily": True},
    {"metric_name": "total_tokens", "aggregations": ["SUM", "AVG"]},
    {"metric_name": "total_tokens", "aggregations": _PERCENTILES, "daily": True},
    *(
        {"metric_name": f"{kind}_tokens", "aggregations": ["SUM"], "daily": True}
        for kind in _TOKENS
    ),
    *(
        {
            "view_type": "SPANS",
            "metric_name": "total_cost",
            "aggregations": ["SUM"],
            "dimensions": ["span_model_name"],
            "daily": daily,
        }
        for daily in (False, True)
    ),
]
"""What the overview of the UI asks at once, of a week."""


def _overview(size: Size, first: int) -> Iterator[Request]:
    for question in cycle(_QUESTIONS):
        body = {"view_type": "TRACES", **question}
        if body.pop("daily", False):
            body["time_interval_seconds"] = _DAY
        body["aggregations"] = [
            {"aggregation_type": each} if isinstance(each, str) else each
            for each in body["aggregations"]
        ]
        body |= {
            "experiment_ids": [str(LARGEST)],
            "start_time_ms": FIRST_MS,
            "end_time_ms": _END_MS,
        }
        yield Request("POST", "/api/3.0/mlflow/traces/metrics", json.dumps(body))


def _check_sent(answer: Any, size: Size) -> None:
    expect(answer is None, answer)  # an empty message of protobuf


def _check_started(answer: Any, size: Size) -> None:
    expect(answer["trace"]["trace_info"]["state"] == "OK", answer)


def _check_trace(answer: Any, size: Size) -> None:
    spans = answer["trace"]["spans"]
    expect(len({span["span_id"] for span in spans}) == SPANS, answer)


def _check_page(wanted: int) -> Any:
    def check(answer: Any, size: Size) -> None:
        ids = [trace["trace_id"] for trace in answer["traces"]]
        expect(ids == [trace_id(size.traces - 1 - place) for place in range(wanted)], ids)

    return check


def _check_session(answer: Any, size: Size) -> None:
    sessions = {trace["trace_metadata"]["mlflow.trace.session"] for trace in answer["traces"]}
    expect(len(answer["traces"]) == trace_contents.SESSIONS and len(sessions) == 1, answer)


def _check_metrics(answer: Any, size: Size) -> None:
    points = answer.get("data_points", [])
    names = {point["metric_name"] for point in points}
    expect(len(names) == 1 or not points, answer)
    if names == {"trace_count"}:
        counted = sum(point["values"]["COUNT"] for point in points)
        expect(counted == size.traces, answer)


ROWS: Final = {
    row.name: row
    for row in (
        Row(
            "trace-otlp",
            "OTLP, one trace a request",
            _export,
            _check_sent,
            kept=KEPT,
            load=_whole,
            kind="traces",
            clients=trace_rows.CLIENTS,
            of_traces=True,
        ),
        Row(
            "trace-stock",
            "requests of spans by five and start_trace",
            _start,
            _check_started,
            kept=KEPT,
            load=_stock,
            kind="traces",
            clients=trace_rows.CLIENTS,
            of_traces=True,
        ),
        Row("trace-get", "get a trace", _get, _check_trace, kept=KEPT, of_traces=True),
        Row(
            "trace-latest",
            "first page of a search for traces",
            _latest,
            _check_page(PAGE),
            kept=KEPT,
            of_traces=True,
        ),
        Row(
            "trace-list",
            "traces of a week as the web UI lists them",
            _list,
            _check_page(_LISTED),
            kept=KEPT,
            of_traces=True,
        ),
        Row(
            "trace-session",
            "traces of a session",
            _session,
            _check_session,
            loaded=False,
            of_traces=True,
        ),
        Row(
            "trace-overview",
            "the web UI's overview, twelve questions at once",
            _overview,
            _check_metrics,
            milliseconds=OVERVIEW_MS,
            loaded=False,
            together=len(_QUESTIONS),
            of_traces=True,
        ),
    )
}
assert len(_QUESTIONS) == 12
